// What a member tells of its group.

import { describe, expect, test } from 'vitest';

import type { Membership } from '../../../src/raft/core/types.ts';
import type { DriverStatus } from '../../../src/raft/status.ts';
import { groupView } from '../../../src/server/group-view.ts';
import { FOUNDERS, ONE, peer, READY, THREE, TWO } from './status-of-one.ts';

function view(more: Partial<DriverStatus> = {}, membership: Membership = FOUNDERS) {
  return groupView(
    { membership, status: () => ({ ...READY, ...more }) },
    {
      self: ONE,
      levels: { group: () => 2, of: (member) => (member === ONE ? 3 : null) },
    },
  );
}

describe('members', () => {
  test('have roles, and on the leader lags; what they support is told beside what the group works at', () => {
    const membership: Membership = {
      ...FOUNDERS,
      voterSets: [[ONE, TWO]],
      learners: [THREE],
    };
    const peers = [peer(TWO, { lagEntries: 0 }), peer(THREE, { lagEntries: 7, lastContactMs: null })];
    expect(view({ role: 'leader', peers }, membership).members()).toEqual({
      members: [
        { id: 1, address: 'a:1', role: 'voter', lagEntries: 0, lastContactMs: null, featureLevel: 3 },
        { id: 2, address: 'b:1', role: 'voter', lagEntries: 0, lastContactMs: 5, featureLevel: null },
        { id: 3, address: 'c:1', role: 'learner', lagEntries: 7, lastContactMs: null, featureLevel: null },
      ],
      changing: null,
      featureLevel: 2,
    });
    expect(
      view({}, membership)
        .members()
        .members.map(({ lagEntries }) => lagEntries),
    ).toEqual([null, null, null]);
  });

  test('show the exchange of voters under way', () => {
    const joint: Membership = {
      ...FOUNDERS,
      voterSets: [
        [ONE, TWO],
        [ONE, TWO, THREE],
      ],
    };
    expect(view({}, joint).members().changing).toEqual({ from: [1, 2, 3], to: [1, 2] });
  });

  test('a leader whose address is not known yet is no place to send anybody', () => {
    const membership: Membership = { ...FOUNDERS, addresses: new Map([[ONE, 'a:1']]) };
    expect(view({}, membership).current().leader).toBeNull();
  });
});
