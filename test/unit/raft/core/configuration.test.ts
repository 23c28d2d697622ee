import { describe, expect, test } from 'vitest';
import { present } from '../../../../src/base/assert.ts';
import { encodeMembership } from '../../../../src/raft/core/membership-codec.ts';
import { RaftCore } from '../../../../src/raft/core/raft-core.ts';
import type { Effects } from '../../../../src/raft/core/step.ts';
import { memberId } from '../../../../src/raft/core/types.ts';
import type { Entry, Membership } from '../../../../src/raft/core/types.ts';
import {
  GRANT,
  OPTIONS,
  PRE_GRANT,
  accept,
  append,
  at,
  change,
  entriesOf,
  entry,
  establish,
  heartbeat,
  incarnationOf,
  jointMembership,
  kinds,
  lead,
  makeCore,
  memberIds,
  membership,
  message,
  persist,
  propose,
  read,
  restored,
  sentTo,
  tell,
  ticks,
} from '../../../support/raft-core/builders.ts';
import type { Shape } from '../../../support/raft-core/builders.ts';

function leader(shape: Shape = {}): RaftCore {
  const core = makeCore(shape);
  establish(core);
  return core;
}

function config(index: number, inTerm: number, of: Membership): Entry {
  return { ...at(index, inTerm), kind: 'config', data: encodeMembership(of) };
}

/** A core that starts from `entries` after an empty base. */
function restart(id: number, base: Membership, entries: readonly Entry[]): RaftCore {
  const state = restored({ membership: base, term: entries.at(-1)?.term ?? 0 });
  const identity = { self: memberId(id), incarnation: incarnationOf(id) };
  return new RaftCore({ ...OPTIONS, ...identity }, { ...state, entries });
}

/** Everything appended so far is durable here and at `peers`. Returns all steps. */
function agree(core: RaftCore, ...peers: readonly number[]): readonly Effects[] {
  const { lastIndex } = core;
  const { term } = core.role;
  return [persist(core), ...peers.map((peer) => tell(core, peer, term, accept(lastIndex)))];
}

function configs(steps: readonly Effects[]): readonly Entry[] {
  return steps.flatMap((each) => each.append).filter((each) => each.kind === 'config');
}

const heartbeatReply = { kind: 'heartbeatReply', readRound: 0 } as const;
const promote4 = { kind: 'promote', member: memberId(4) } as const;
const remove1 = { kind: 'remove', member: memberId(1) } as const;
const remove3 = { kind: 'remove', member: memberId(3) } as const;

describe('a membership change', () => {
  test('S48: is refused before the leader has committed anything in its term', () => {
    const core = makeCore();
    expect(change(core, remove3).refused).toEqual([{ id: 77, reason: 'notLeader' }]);
    lead(core);
    expect(change(core, remove3).refused).toEqual([{ id: 77, reason: 'notEstablished' }]);
    expect(core.changePending).toBe(false);
    agree(core, 2);
    expect(change(core, remove3).accepted).toMatchObject([{ id: 77, position: { index: 2, term: 1 } }]);
  });

  test('S49: is refused while another is not committed, or joint and not left', () => {
    const core = leader({ learners: [4, 5] });
    const first = change(core, promote4);
    expect(first.membership).toBe(core.membership);
    expect([core.changePending, core.membershipIndex]).toEqual([true, 2]);
    expect(change(core, remove3).refused).toEqual([{ id: 77, reason: 'changePending' }]);
    const left = agree(core, 2, 3);
    expect(configs(left)).toHaveLength(1);
    expect(core.membership.voterSets).toEqual([[1, 2, 3, 4]]);
    expect(change(core, remove3).refused).toEqual([{ id: 77, reason: 'changePending' }]);
    agree(core, 2, 3);
    expect(core.changePending).toBe(false);
    expect(change(core, remove3).accepted).toHaveLength(1);
  });

  test('of the voters is refused when those to be have no majority that was heard lately: it could not be taken back', () => {
    const core = leader();
    const hear = (...peers: readonly number[]): void => {
      for (const peer of peers) tell(core, peer, 1, { kind: 'heartbeatReply', readRound: 0 });
    };
    for (let round = 0; round < 3; round += 1) {
      ticks(core, 5);
      hear(2);
    }
    const refused = change(core, { kind: 'remove', member: memberId(2) });
    expect(refused).toMatchObject({
      refused: [{ id: 77, reason: 'noQuorum' }],
      append: [],
      membership: null,
    });
    expect(change(core, remove1).refused, 'itself is not counted once it is left out').toHaveLength(1);
    ticks(core, 5);
    hear(2);
    expect(core.role.role).toBe('leader');
    hear(3);
    expect(change(core, { kind: 'remove', member: memberId(2) }).accepted).toHaveLength(1);
  });

  test('of the voters that takes the silent one out is taken', () => {
    const core = leader({ learners: [4] });
    for (let round = 0; round < 3; round += 1) {
      ticks(core, 5);
      tell(core, 2, 1, { kind: 'heartbeatReply', readRound: 0 });
    }
    expect(change(core, promote4).refused, 'with two of four silent').toEqual([
      { id: 77, reason: 'noQuorum' },
    ]);
    expect(change(core, remove3).accepted).toHaveLength(1);
  });

  test('what is known of a learner that is not bound ends with its data directory', () => {
    const core = leader();
    const learner = {
      kind: 'addLearner',
      member: memberId(4),
      address: 'host:4',
      incarnation: null,
    } as const;
    change(core, learner);
    agree(core, 2, 4);
    expect(core.peers().find(({ member }) => member === memberId(4))).toMatchObject({ match: 2 });
    const other = { ...message(4, 1, 1, heartbeatReply), incarnation: incarnationOf(4, 1) };
    const effects = core.step({ kind: 'message', message: other });
    expect(core.peers().find(({ member }) => member === memberId(4))).toMatchObject({
      match: 0,
      state: 'probe',
    });
    expect(kinds(sentTo(effects, 4))).toEqual(['appendRequest']);
  });

  test('that makes no sense is refused and leaves no trace', () => {
    const core = leader();
    const refused = change(core, { kind: 'remove', member: memberId(9) });
    expect(refused).toMatchObject({ refused: [{ reason: 'notMember' }], append: [], membership: null });
    expect(core.lastIndex).toBe(1);
  });

  test('S47: a learner gets the log at once and counts for nothing until it votes', () => {
    const core = leader();
    const added = change(core, {
      kind: 'addLearner',
      member: memberId(4),
      address: 'host:4',
      incarnation: incarnationOf(4),
    });
    expect(kinds(sentTo(added, 4))).toEqual(['appendRequest']);
    expect(core.membership.voterSets).toEqual([[1, 2, 3]]);
    persist(core);
    expect(tell(core, 4, 1, accept(2)).commit).toBeNull();
    expect(tell(core, 2, 1, accept(2)).commit).toBe(2);
    expect(core.changePending).toBe(false);
    change(core, promote4);
    agree(core, 2);
    expect(core.commitIndex, 'two of four are no majority').toBe(2);
    tell(core, 4, 1, accept(3));
    expect(core.commitIndex).toBe(3);
  });

  test('S47: a member added in mid-term is not called silent before it had time to answer', () => {
    const core = leader({ voters: [1], learners: [2] });
    ticks(core, 40);
    change(core, {
      kind: 'addLearner',
      member: memberId(4),
      address: 'host:4',
      incarnation: incarnationOf(4),
    });
    persist(core);
    change(core, promote4);
    ticks(core, 9);
    expect(core.role.role).toBe('leader');
    ticks(core, 1);
    expect(core.role.role, 'a quorum of the new voters was not heard for an election timeout').toBe(
      'follower',
    );
  });

  test('S35: a peer that hangs does not hold up its own removal', () => {
    const core = leader();
    change(core, remove3);
    agree(core, 2);
    expect(core.membership.voterSets).toEqual([[1, 2]]);
    agree(core, 2);
    expect([core.changePending, core.commitIndex]).toEqual([false, 3]);
    expect(core.peers().map((peer) => peer.member)).toEqual([2]);
    expect(core.membership.removed.map(({ member }) => member)).toEqual([3]);
  });

  test('S31: neither it nor the leave entry is refused for uncommitted bytes', () => {
    const core = leader({ options: { uncommittedBytesMax: 3 } });
    expect(propose(core, 'abc', 'd').refused).toEqual([{ id: 1, reason: 'overloaded' }]);
    expect(change(core, remove3).accepted).toHaveLength(1);
    expect(core.uncommittedBytes).toBeGreaterThan(3);
    agree(core, 2);
    expect(core.membership.voterSets).toEqual([[1, 2]]);
    agree(core, 2);
    expect(core.uncommittedBytes).toBe(0);
  });

  test('a removed member is sent nothing more, and the end of its snapshot transfer is only noted', () => {
    const core = leader();
    change(core, remove3);
    agree(core, 2);
    for (const effects of ticks(core, 3)) expect(sentTo(effects, 3)).toEqual([]);
    core.step({ kind: 'snapshotSent', to: memberId(3), index: core.lastIndex, delivered: true });
    core.step({ kind: 'unreachable', peer: memberId(3) });
    expect(core.peers().map((peer) => peer.member)).toEqual([2]);
  });
});

describe('a joint membership', () => {
  const sets = [
    [1, 2, 3],
    [3, 4, 5],
  ] as const;

  test('S50: {1,2,3}{3,4,5} with 4 and 5 down neither writes nor votes nor reads', () => {
    const core = leader({ learners: [4, 5] });
    change(core, { kind: 'replaceVoters', voters: memberIds(3, 4, 5) });
    propose(core, 'a');
    read(core, 1);
    agree(core, 2, 3);
    for (const peer of [2, 3]) {
      expect(tell(core, peer, 1, { kind: 'heartbeatReply', readRound: 1 }).readsReady).toEqual([]);
    }
    expect(core.commitIndex).toBe(1);
    tell(core, 4, 1, { kind: 'heartbeatReply', readRound: 1 });
    expect(tell(core, 4, 1, accept(3)).commit, 'the change, then what was written under it').toBe(3);

    const candidate = makeCore({ voterSets: sets });
    ticks(candidate, 10);
    for (const peer of [2, 3]) tell(candidate, peer, 1, PRE_GRANT);
    expect(candidate.role.role).toBe('preCandidate');
    tell(candidate, 4, 1, PRE_GRANT);
    persist(candidate);
    for (const peer of [2, 3]) tell(candidate, peer, 1, GRANT);
    expect(candidate.role.role).toBe('candidate');
    tell(candidate, 5, 1, GRANT);
    expect(candidate.role.role).toBe('leader');
  });

  test('S51: is left once it is committed, exactly once', () => {
    const core = leader({ learners: [4] });
    expect(configs([change(core, promote4)])).toHaveLength(1);
    const steps = [...agree(core, 2), ...agree(core, 3), ...agree(core, 2, 3), ...ticks(core, 3)];
    expect(configs(steps)).toHaveLength(1);
    expect(core.membership.voterSets).toEqual([[1, 2, 3, 4]]);
  });

  test('S51: that its leader did not leave is left by the next one, exactly once', () => {
    const joint = jointMembership([
      [1, 2, 3, 4],
      [1, 2, 3],
    ]);
    const core = restart(1, membership([1, 2, 3], [4]), [...entriesOf(1, [1, 1]), config(3, 1, joint)]);
    expect(core.membership).toEqual(joint);
    lead(core);
    expect([core.lastIndex, core.changePending]).toEqual([4, true]);
    const steps = [...agree(core, 2, 3), ...agree(core, 2, 3), ...ticks(core, 3)];
    expect(configs(steps)).toMatchObject([{ index: 5, term: 2 }]);
    expect([core.commitIndex, core.changePending]).toEqual([5, false]);
  });

  test('S51: whose leave entry the next leader inherited is not left again', () => {
    const joint = jointMembership([
      [1, 2],
      [1, 2, 3],
    ]);
    const entries = [config(1, 1, joint), config(2, 1, membership([1, 2]))];
    const core = restart(1, membership([1, 2, 3]), entries);
    lead(core);
    expect(configs([...agree(core, 2), ...agree(core, 2), ...ticks(core, 3)])).toEqual([]);
    expect(core.commitIndex).toBe(3);
  });

  test('S55: when the quorum shrinks, what was waiting commits and reads are confirmed at once', () => {
    const core = leader({ voters: [1, 2, 3, 4] });
    const removal = change(core, { kind: 'replaceVoters', voters: memberIds(1, 2) });
    expect(removal.accepted).toHaveLength(1);
    propose(core, 'a');
    read(core, 1);
    persist(core);
    // The joint entry gets its two majorities; what follows it, and the read, only that of the new voters.
    tell(core, 2, 1, accept(3));
    expect(tell(core, 2, 1, { kind: 'heartbeatReply', readRound: 1 }).readsReady).toEqual([]);
    expect(core.commitIndex).toBe(1);
    const shrunk = tell(core, 3, 1, accept(2));
    expect(core.membership.voterSets).toEqual([[1, 2]]);
    expect([shrunk.commit, shrunk.readsReady]).toEqual([3, [{ id: 1, index: 1 }]]);
  });

  test('S50, S14: CheckQuorum asks both sets, and an outgoing majority alone keeps no lead', () => {
    const core = leader({ learners: [4, 5] });
    change(core, { kind: 'replaceVoters', voters: memberIds(3, 4, 5) });
    for (let round = 0; round < 2; round += 1) {
      ticks(core, 5);
      for (const peer of [2, 3]) tell(core, peer, 1, { kind: 'heartbeatReply', readRound: 0 });
    }
    expect(core.role.role).toBe('follower');
  });
});

describe('a leader that is removed', () => {
  test('S52: does not count itself, tells the followers, hands over and steps down', () => {
    const core = leader();
    change(core, remove1);
    agree(core, 2, 3);
    expect(core.membership.voterSets).toEqual([[2, 3]]);
    persist(core);
    expect(core.commitIndex, 'its own copy and one follower are no majority').toBe(2);
    expect(tell(core, 2, 1, accept(3)).commit).toBeNull();
    const done = tell(core, 3, 1, accept(3));
    expect(done).toMatchObject({ commit: 3, role: { role: 'follower', leader: null, term: 1 } });
    expect(done.transfer).toEqual({ kind: 'started', to: 2 });
    expect(done.sendNow.map(({ kind, to }) => [kind, to])).toEqual([
      ['heartbeat', 2],
      ['heartbeat', 3],
      ['timeoutNow', 2],
    ]);
    ticks(core, 50);
    expect(core.role.role, 'cannot win again').toBe('follower');
  });

  test('S52: waits with its leave until the best follower has everything, and refuses proposals meanwhile', () => {
    const core = leader({ voters: [1, 2] });
    change(core, remove1);
    agree(core, 2);
    propose(core, 'last');
    persist(core);
    tell(core, 2, 1, accept(3));
    expect([core.role.role, core.transferTarget, core.commitIndex]).toEqual(['leader', 2, 3]);
    expect(propose(core, 'too late').refused).toEqual([{ id: 0, reason: 'transferring' }]);
    const done = tell(core, 2, 1, accept(4));
    expect(done).toMatchObject({ commit: 4, role: { role: 'follower' } });
    expect(kinds(done.sendNow)).toContain('timeoutNow');
  });

  test('S52: leaves after an election timeout even when nobody catches up', () => {
    const core = leader({ voters: [1, 2] });
    change(core, remove1);
    agree(core, 2);
    propose(core, 'last');
    tell(core, 2, 1, accept(3));
    for (let round = 0; round < 10; round += 1) {
      ticks(core, 1);
      tell(core, 2, 1, { kind: 'heartbeatReply', readRound: 0 });
    }
    expect(core.role).toMatchObject({ role: 'follower', leader: null });
  });

  test('S52: that alone holds its removal must be able to win: nobody else can', () => {
    const joint = jointMembership([[2], [1, 2]]);
    const removed = { ...membership([2]), removed: [{ member: memberId(1), incarnation: incarnationOf(1) }] };
    const entries = [config(1, 1, joint), config(2, 1, removed)];
    const core = restart(1, membership([1, 2]), entries);
    ticks(core, 10);
    expect(core.role.role).toBe('preCandidate');
    tell(core, 2, 2, PRE_GRANT);
    persist(core);
    expect(core.role.role, 'its own vote does not count').toBe('candidate');
    tell(core, 2, 2, GRANT);
    expect(core.role.role).toBe('leader');
    persist(core);
    const done = tell(core, 2, 2, accept(3));
    expect(done).toMatchObject({ commit: 3, role: { role: 'follower' } });
  });

  test('S53: a removed member is not listened to once its removal is committed, unless it still leads', () => {
    const core = makeCore();
    const removed = {
      ...membership([1, 2]),
      removed: [{ member: memberId(3), incarnation: incarnationOf(3) }],
    };
    const entries = [
      config(
        1,
        1,
        jointMembership([
          [1, 2],
          [1, 2, 3],
        ]),
      ),
      config(2, 1, removed),
    ];
    tell(core, 3, 1, append(at(0, 0), entries));
    expect(core.admits(memberId(3), incarnationOf(3))).toBe('yes');
    tell(core, 3, 1, heartbeat(2));
    expect(core.commitIndex).toBe(2);
    expect(core.admits(memberId(3), incarnationOf(3)), 'it leads').toBe('yes');
    tell(core, 2, 2, heartbeat());
    expect(core.admits(memberId(3), incarnationOf(3))).toBe('removed');
    ticks(core, 30);
    const asked = tell(core, 3, 9, { kind: 'preVoteRequest', last: at(9, 9) });
    const told = tell(core, 3, 9, { kind: 'voteRequest', last: at(9, 9), transfer: true });
    expect([asked.sendAfterPersist, told.sendAfterPersist, core.role.term]).toEqual([[], [], 2]);
  });

  test('S53: a removal that is not committed silences nobody: it may be rolled back by the one it removes', () => {
    const joint = jointMembership([
      [1, 2],
      [1, 2, 3],
    ]);
    const removed = {
      ...membership([1, 2]),
      removed: [{ member: memberId(3), incarnation: incarnationOf(3) }],
    };
    const core = restart(1, membership([1, 2, 3]), [config(1, 1, joint), config(2, 1, removed)]);
    const effects = tell(core, 3, 2, append(at(1, 1), [entry(2, 2)]));
    expect(effects).toMatchObject({ truncateFrom: 2, membership: { voterSets: joint.voterSets } });
  });
});

describe('the membership in the log', () => {
  const four = jointMembership([
    [1, 2, 3, 4],
    [1, 2, 3],
  ]);

  test('is in force from the append on, at followers too', () => {
    const core = makeCore();
    const effects = tell(core, 2, 1, append(at(0, 0), [config(1, 1, four)]));
    expect(effects.membership).toEqual(four);
    expect(core.membership).toBe(effects.membership);
    expect(core.commitIndex).toBe(0);
    expect(tell(core, 2, 1, append(at(0, 0), [config(1, 1, four)])).membership).toBeNull();
  });

  test('S22, S56: is the previous one again when its entry is overwritten, also after a restart', () => {
    const core = makeCore();
    tell(core, 2, 1, append(at(0, 0), [entry(1, 1), config(2, 1, four)]));
    const effects = tell(core, 3, 2, append(at(1, 1), [entry(2, 2)]));
    expect(effects).toMatchObject({ truncateFrom: 2, membership: { voterSets: [[1, 2, 3]] } });
    expect(restart(1, membership([1, 2, 3]), entriesOf(1, [1, 2])).membership).toEqual(core.membership);
  });

  test('S22: may change to another one in the step that takes it back', () => {
    const core = makeCore();
    tell(core, 2, 1, append(at(0, 0), [config(1, 1, four)]));
    const three = jointMembership([
      [1, 2],
      [1, 2, 3],
    ]);
    expect(tell(core, 3, 2, append(at(0, 0), [config(1, 2, three)])).membership).toEqual(three);
  });

  test('S11: a member campaigns under the newest one, whether or not it knows it to be committed', () => {
    const core = makeCore();
    tell(core, 2, 1, append(at(0, 0), [config(1, 1, four)]));
    const asked = ticks(core, 10).flatMap((effects) => effects.sendNow);
    expect(asked.map(({ to }) => to)).toEqual([2, 3, 4]);
    tell(core, 2, 2, PRE_GRANT);
    expect(core.role.role, 'two of {1,2,3} but of {1,2,3,4} only two').toBe('preCandidate');
  });

  test('is told for every place the log reaches, and compaction keeps it', () => {
    const core = makeCore();
    tell(core, 2, 1, append(at(0, 0), [entry(1, 1), config(2, 1, four), entry(3, 1)], 3));
    expect(core.membershipAt(at(1, 1).index).voterSets).toHaveLength(1);
    expect(core.membershipAt(at(3, 1).index)).toEqual(four);
    const wrong = { ...at(3, 1), membership: membership([1, 2, 3]) };
    expect(() => core.step({ kind: 'compacted', base: wrong })).toThrow('membership of its place');
    core.step({ kind: 'compacted', base: { ...at(1, 1), membership: membership([1, 2, 3]) } });
    expect([core.membershipIndex, core.membership]).toEqual([2, four]);
    core.step({ kind: 'compacted', base: { ...at(3, 1), membership: four } });
    expect([core.membershipIndex, core.membership]).toEqual([3, four]);
    expect(() => core.membershipAt(at(2, 1).index)).toThrow();
  });

  test('that nobody can read, or in which nobody votes, is not taken from a peer', () => {
    const core = makeCore();
    const nobody: Entry = config(1, 1, { ...membership([]), voterSets: [[]] });
    for (const bad of [{ ...nobody, data: new Uint8Array(3) }, nobody]) {
      const effects = tell(core, 2, 1, append(at(0, 0), [bad]));
      expect([effects.append, effects.sendAfterPersist]).toEqual([[], []]);
    }
    const unreadable = [{ ...nobody, data: new Uint8Array(3) }];
    expect(() => restart(1, membership([1]), unreadable)).toThrow('readable');
  });

  test('S54: a learner that does not know of its promotion gives its vote', () => {
    const core = makeCore({ id: 4, learners: [4] });
    const effects = tell(core, 2, 3, { kind: 'voteRequest', last: at(5, 2) }, 4);
    expect(effects.sendAfterPersist).toMatchObject([{ kind: 'voteReply', granted: true }]);
  });

  test('S57: a learner is a learner after a restart, by base and by log', () => {
    for (const core of [
      makeCore({ id: 4, learners: [4] }),
      restart(4, membership([1]), [config(1, 1, membership([1], [4]))]),
      restart(4, { ...membership([]), voterSets: [[]] }, []),
    ]) {
      ticks(core, 60);
      expect([core.role.role, core.role.term === core.hardState.term]).toEqual(['follower', true]);
    }
  });

  test('a learner that hears nobody follows nobody, and shows itself to everybody it knows', () => {
    const core = makeCore({ id: 4, learners: [4] });
    tell(core, 2, 1, heartbeat(), 4);
    ticks(core, 9);
    expect(core.role.leader).toBe(2);
    const effects = ticks(core, 2);
    expect(core.role).toMatchObject({ role: 'follower', leader: null, term: 1 });
    const sent = effects.flatMap(({ sendNow }) => sendNow);
    expect(sent.map(({ kind, to }) => [kind, to])).toEqual([1, 2, 3].map((to) => ['heartbeatReply', to]));
  });

  test('S47: a member that knows nobody takes log and snapshot from whoever leads', () => {
    const core = restart(4, { ...membership([]), voterSets: [[]] }, []);
    const joined = membership([1, 2, 3], [4]);
    const effects = tell(core, 2, 3, append(at(0, 0), [entry(1, 1), config(2, 3, joined)]), 4);
    expect(effects).toMatchObject({ role: { leader: 2 }, membership: { learners: [4] } });
    expect(present(effects.sendAfterPersist[0], 'an answer')).toMatchObject({ matched: 2 });
  });
});
