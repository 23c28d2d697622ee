// What the API's changes of the group become, and how each refusal reads.

import { describe, expect, test } from 'vitest';

import { err, ok, type Result } from '../../../src/base/result.ts';
import { clusterId } from '../../../src/raft/cluster-id.ts';
import type { MembershipChange } from '../../../src/raft/core/membership-change.ts';
import { incarnation, memberId, term, type MemberId, type Membership } from '../../../src/raft/core/types.ts';
import type { ChangeOutcome, TransferOutcome } from '../../../src/raft/outcome.ts';
import { groupChanges, type AskedIdentity } from '../../../src/server/group-changes.ts';
import type { NodeAddress } from '../../../src/topology/types.ts';

const GROUP = clusterId('a'.repeat(32));
const OTHER_GROUP = clusterId('b'.repeat(32));
const DISK = incarnation('c'.repeat(32));
const [ONE, TWO, THREE] = [memberId(1), memberId(2), memberId(3)];
const NEW = '127.0.0.1:9384' as NodeAddress;

function membership(
  voterSets: readonly (readonly MemberId[])[],
  learners: readonly MemberId[] = [],
): Membership {
  const members = [...new Set([...voterSets.flat(), ...learners])];
  return {
    voterSets,
    learners,
    addresses: new Map(members.map((id) => [id, `127.0.0.1:${9378 + id}`])),
    incarnations: new Map(),
    removed: [{ member: memberId(9), incarnation: null }],
  };
}

interface Scene {
  readonly membership?: Membership;
  readonly told?: Result<AskedIdentity, string>;
  readonly changed?: ChangeOutcome;
  readonly transferred?: TransferOutcome;
}

function scene(options: Scene = {}) {
  const asked: MembershipChange[] = [];
  const transfers: string[] = [];
  const changes = groupChanges({
    driver: {
      membership: options.membership ?? membership([[ONE, TWO, THREE]]),
      role: { role: 'follower', term: term(7), leader: TWO, established: false },
      changeMembership: (change) => {
        asked.push(change);
        return Promise.resolve(options.changed ?? ok(undefined));
      },
      transferLead: () => Promise.resolve(options.transferred ?? ok(TWO)),
    },
    self: ONE,
    clusterId: GROUP,
    ask: () => Promise.resolve(options.told ?? err('connect ECONNREFUSED')),
    deadlineMs: 1000,
    featureLevel: () => 2,
    onTransfer: (outcome) => transfers.push(outcome),
  });
  return { changes, asked, transfers };
}

describe('adding', () => {
  test('binds the new member at once to the data directory of the process that runs there', async () => {
    const { changes, asked } = scene({
      told: ok({ clusterId: GROUP, memberId: 4, incarnation: DISK, featureLevel: 2 }),
    });
    expect(await changes.add({ id: 4, address: NEW })).toEqual(ok(undefined));
    expect(asked).toEqual([{ kind: 'addLearner', member: 4, address: NEW, incarnation: DISK }]);
  });

  test('works before the new process runs: it is bound by its first words', async () => {
    const { changes, asked } = scene();
    expect(await changes.add({ id: 4, address: NEW })).toEqual(ok(undefined));
    expect(asked).toEqual([{ kind: 'addLearner', member: 4, address: NEW, incarnation: null }]);
  });

  test('takes a process that supports more than the group, as a later release does', async () => {
    const { changes } = scene({
      told: ok({ clusterId: GROUP, memberId: 4, incarnation: DISK, featureLevel: 3 }),
    });
    expect(await changes.add({ id: 4, address: NEW })).toEqual(ok(undefined));
  });

  test.each<[string, Scene, { id: number; address: NodeAddress }, unknown]>([
    [
      'a process that does not understand what the group writes',
      { told: ok({ clusterId: GROUP, memberId: 4, incarnation: DISK, featureLevel: 1 }) },
      { id: 4, address: NEW },
      {
        kind: 'conflict',
        reason: expect.stringContaining('supports feature level 1 and the group works at level 2'),
      },
    ],
    [
      'a process of another group',
      { told: ok({ clusterId: OTHER_GROUP, memberId: 4, incarnation: DISK, featureLevel: 2 }) },
      { id: 4, address: NEW },
      { kind: 'invalid', field: 'peer', reason: expect.stringContaining('belongs to another group') },
    ],
    [
      'a process with another number',
      { told: ok({ clusterId: GROUP, memberId: 5, incarnation: DISK, featureLevel: 2 }) },
      { id: 4, address: NEW },
      { kind: 'invalid', field: 'peer', reason: expect.stringContaining('is member 5, not 4') },
    ],
    [
      'a member',
      {},
      { id: 2, address: NEW },
      { kind: 'invalid', field: 'id', reason: 'member 2 belongs to the group already, at 127.0.0.1:9380' },
    ],
    [
      'the number of a removed member',
      {},
      { id: 9, address: NEW },
      { kind: 'invalid', field: 'id', reason: expect.stringContaining('never used again') },
    ],
    [
      'an address in use',
      {},
      { id: 4, address: '127.0.0.1:9380' as NodeAddress },
      { kind: 'invalid', field: 'peer', reason: '127.0.0.1:9380 is the address of member 2' },
    ],
    [
      'anything while voters are exchanged',
      {
        membership: membership([
          [ONE, TWO, THREE],
          [ONE, TWO],
        ]),
      },
      { id: 4, address: NEW },
      { kind: 'conflict', reason: 'member 3 is becoming a voter; please retry when that is done' },
    ],
  ])('%s is refused before the group is asked', async (_what, options, member, error) => {
    const { changes, asked } = scene(options);
    expect(await changes.add(member)).toEqual(err(error));
    expect(asked).toEqual([]);
  });
});

describe('removing', () => {
  test('needs no address, and takes the right one', async () => {
    const { changes, asked } = scene();
    expect(await changes.remove({ id: 2, address: null })).toEqual(ok(undefined));
    expect(await changes.remove({ id: 2, address: '127.0.0.1:9380' as NodeAddress })).toEqual(ok(undefined));
    expect(asked).toEqual([
      { kind: 'remove', member: 2 },
      { kind: 'remove', member: 2 },
    ]);
  });

  test('with the address of another member is refused', async () => {
    expect(await scene().changes.remove({ id: 2, address: NEW })).toEqual(
      err({ kind: 'invalid', field: 'peer', reason: `member 2 is at 127.0.0.1:9380, not at ${NEW}` }),
    );
  });
});

describe('a change that the group does not make', () => {
  test.each<[ChangeOutcome, unknown]>([
    [err({ kind: 'notLeader' }), { kind: 'notLeader' }],
    [err({ kind: 'unknown', reason: 'deadline passed' }), { kind: 'unknown', reason: 'deadline passed' }],
    [
      err({ kind: 'overloaded', reason: 'noSpace' }),
      { kind: 'unavailable', reason: expect.stringContaining('disk') },
    ],
    [
      err({ kind: 'refused', reason: 'notEstablished' }),
      { kind: 'unavailable', reason: expect.stringContaining('retry') },
    ],
    [
      err({ kind: 'refused', reason: 'changePending' }),
      {
        kind: 'conflict',
        reason: 'an earlier change of the members is not committed yet; please retry when that is done',
      },
    ],
    [
      err({ kind: 'refused', reason: 'noQuorum' }),
      { kind: 'conflict', reason: expect.stringContaining('start the silent members or remove those first') },
    ],
    [
      err({ kind: 'refused', reason: 'notMember' }),
      { kind: 'invalid', field: 'id', reason: 'there is no member 4' },
    ],
    [
      err({ kind: 'refused', reason: 'lastVoter' }),
      { kind: 'invalid', field: 'id', reason: expect.stringContaining('last voter') },
    ],
    [
      err({ kind: 'refused', reason: 'noChange' }),
      { kind: 'conflict', reason: expect.stringContaining('changed meanwhile') },
    ],
  ])('%j', async (changed, error) => {
    expect(await scene({ changed }).changes.remove({ id: 4, address: null })).toEqual(err(error));
  });

  test('names who is leaving while a removal is under way', async () => {
    const joint = membership([
      [ONE, TWO],
      [ONE, TWO, THREE],
    ]);
    const { changes } = scene({
      membership: joint,
      changed: err({ kind: 'refused', reason: 'changePending' }),
    });
    expect(await changes.remove({ id: 2, address: null })).toEqual(
      err({ kind: 'conflict', reason: 'member 3 is being removed; please retry when that is done' }),
    );
  });
});

describe('handing the lead over', () => {
  test('tells the new leader, its address and its term', async () => {
    const { changes, transfers } = scene();
    expect(await changes.transferLead(2)).toEqual(ok({ id: 2, address: '127.0.0.1:9380', term: 7 }));
    expect(transfers).toEqual(['done']);
  });

  test.each<[TransferOutcome, number | null, Membership, string, unknown]>([
    [err({ kind: 'notLeader' }), 2, membership([[ONE, TWO]]), 'refused', { kind: 'notLeader' }],
    [
      err({ kind: 'refused', reason: 'isSelf' }),
      1,
      membership([[ONE, TWO]]),
      'refused',
      { kind: 'invalid', field: 'to', reason: 'member 1 leads already' },
    ],
    [
      err({ kind: 'refused', reason: 'notVoter' }),
      3,
      membership([[ONE, TWO]], [THREE]),
      'refused',
      { kind: 'invalid', field: 'to', reason: expect.stringContaining('learner') },
    ],
    [
      err({ kind: 'refused', reason: 'notVoter' }),
      9,
      membership([[ONE, TWO]]),
      'refused',
      { kind: 'invalid', field: 'to', reason: 'there is no member 9' },
    ],
    [
      err({ kind: 'refused', reason: 'noTarget' }),
      null,
      membership([[ONE]]),
      'refused',
      { kind: 'conflict', reason: expect.stringContaining('add a member first') },
    ],
    [
      err({ kind: 'refused', reason: 'noTarget' }),
      null,
      membership([[ONE, TWO]]),
      'refused',
      { kind: 'unavailable', reason: expect.stringContaining('start the other members') },
    ],
    [
      err({ kind: 'refused', reason: 'transferring' }),
      2,
      membership([[ONE, TWO]]),
      'refused',
      { kind: 'conflict', reason: expect.stringContaining('already') },
    ],
    [
      err({ kind: 'refused', reason: 'changePending' }),
      2,
      membership([[ONE], [ONE, TWO]]),
      'refused',
      { kind: 'conflict', reason: expect.stringContaining('member 2 is being removed') },
    ],
    [
      err({ kind: 'aborted' }),
      2,
      membership([[ONE, TWO]]),
      'aborted',
      { kind: 'unavailable', reason: expect.stringContaining('member 2 did not take over') },
    ],
    [
      err({ kind: 'unknown', reason: 'nobody was heard' }),
      null,
      membership([[ONE, TWO]]),
      'unknown',
      { kind: 'unknown', reason: 'nobody was heard' },
    ],
  ])('%j is told with what to do', async (transferred, to, current, counted, error) => {
    const { changes, transfers } = scene({ transferred, membership: current });
    expect(await changes.transferLead(to)).toEqual(err(error));
    expect(transfers).toEqual([counted]);
  });
});
