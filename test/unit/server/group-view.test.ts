// What a member tells of its group, and why it is not ready.

import { describe, expect, test } from 'vitest';

import { foundingMembership } from '../../../src/raft/core/membership.ts';
import { incarnation, logIndex, memberId, term, type Membership } from '../../../src/raft/core/types.ts';
import type { DriverStatus, PeerStatus } from '../../../src/raft/status.ts';
import { groupView } from '../../../src/server/group-view.ts';
import type { NodeAddress } from '../../../src/topology/types.ts';

const [ONE, TWO, THREE] = [memberId(1), memberId(2), memberId(3)];
const FOUNDERS = foundingMembership(
  new Map([
    [ONE, 'a:1'],
    [TWO, 'b:1'],
    [THREE, 'c:1'],
  ]),
);

function peer(id: PeerStatus['id'], more: Partial<PeerStatus> = {}): PeerStatus {
  return {
    id,
    role: 'voter',
    address: null,
    incarnation: null,
    state: null,
    match: null,
    lagEntries: null,
    lastContactMs: 5,
    ...more,
  };
}

const READY: DriverStatus = {
  id: ONE,
  incarnation: incarnation('0'.repeat(32)),
  role: 'follower',
  term: term(3),
  leader: TWO,
  established: false,
  commit: logIndex(10),
  applied: logIndex(10),
  appliedTerm: term(3),
  last: { index: logIndex(10), term: term(3) },
  base: logIndex(0),
  snapshot: logIndex(0),
  membership: { voters: [ONE, TWO, THREE], outgoing: null, learners: [] },
  peers: [peer(TWO), peer(THREE)],
  disk: { pendingMs: 0, queuedBytes: 0, groups: 0 } as unknown as DriverStatus['disk'],
  diskCondition: 'well',
  spaceLow: false,
  transfer: null,
  proposals: 0,
  changes: 0,
  reads: 0,
  messagesDropped: 0,
  installing: false,
  fault: null,
};

function view(
  more: Partial<DriverStatus> = {},
  membership: Membership = FOUNDERS,
  trouble: string | null = null,
) {
  return groupView(
    { membership, status: () => ({ ...READY, ...more }) },
    {
      self: ONE,
      advertiseAddress: 'a:1' as NodeAddress,
      awayMs: 1000,
      foundingTrouble: () => trouble,
      levels: { group: () => 2, of: (member) => (member === ONE ? 3 : null) },
    },
  );
}

describe('readiness', () => {
  test('a member that follows and has applied what is committed is ready', () => {
    expect(view().current()).toEqual({
      self: 1,
      term: 3,
      leader: { id: 2, address: 'b:1' },
      notReady: null,
    });
  });

  test.each<[string, Partial<DriverStatus>, string]>([
    ['no leader', { leader: null }, 'no leader is known'],
    ['a snapshot being installed', { installing: true }, 'snapshot'],
    ['entries to apply', { applied: logIndex(9) }, 'entries up to 10 are committed, up to 9 applied'],
    [
      'a leader that has said nothing of its term',
      { appliedTerm: term(2) },
      'not yet said what is committed',
    ],
    ['a fault', { fault: 'disk on fire' }, 'disk on fire'],
  ])('%s is told', (_what, status, reason) => {
    expect(view(status).current().notReady).toContain(reason);
  });

  test('a member nobody has taken in yet says how that is done', () => {
    const nobody = foundingMembership(new Map());
    expect(view({}, nobody).current().notReady).toContain(
      'POST /api/v1/raft/peers {"id":1,"peer":"a:1","operation":"add"}',
    );
  });

  test('a group that was never founded names who is missing, and who will never come', () => {
    const empty = {
      leader: null,
      last: { index: logIndex(0), term: term(0) },
      peers: [peer(TWO), peer(THREE, { lastContactMs: null })],
    };
    expect(view(empty).current().notReady).toMatch(/not heard: member 3 \(c:1\)$/);
    expect(view(empty, FOUNDERS, 'member 3 has another list').current().notReady).toMatch(
      /\(member 3 has another list\)$/,
    );
    const away = { ...empty, peers: [peer(TWO, { lastContactMs: 1001 }), peer(THREE)] };
    expect(view(away).current().notReady).toContain('member 2 (b:1)');
    expect(view({ ...empty, peers: [peer(TWO), peer(THREE)] }).current().notReady).toContain('no leader');
  });
});

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
