import { describe, expect, test } from 'vitest';
import type { RaftCore } from '../../../../src/raft/core/raft-core.ts';
import { logIndex, memberId } from '../../../../src/raft/core/types.ts';
import type { LogPosition } from '../../../../src/raft/core/types.ts';
import {
  accept,
  append,
  at,
  entriesOf,
  establish,
  hard,
  heartbeat,
  lead,
  logTerms,
  makeCore,
  membership,
  persist,
  propose,
  reject,
  sentTo,
  snapshotAt,
  snapshotFrom,
  tell,
  ticks,
} from '../../../support/raft-core/builders.ts';

const BEAT = { kind: 'heartbeatReply', readRound: 0 } as const;

/** A leader at index 5 whose log starts after 4; member 3 has answered nothing beyond `matched`. */
function compactedLeader(matched = 0): RaftCore {
  const core = makeCore();
  establish(core);
  propose(core, 'a', 'b', 'c', 'd');
  persist(core);
  tell(core, 2, 1, accept(5));
  if (matched > 0) tell(core, 3, 1, accept(matched));
  core.step({ kind: 'compacted', base: snapshotAt(4, 1) });
  return core;
}

function needsSnapshot(): RaftCore {
  const core = compactedLeader();
  expect(tell(core, 3, 1, reject(5, at(1, 1))).sendSnapshot).toEqual([3]);
  return core;
}

function sent(core: RaftCore, delivered: boolean, index = 4): ReturnType<RaftCore['step']> {
  return core.step({ kind: 'snapshotSent', to: memberId(3), index: logIndex(index), delivered });
}

function stateOf(core: RaftCore, id: number): string | undefined {
  return core.peers().find((peer) => peer.member === memberId(id))?.state;
}

function follower(log: readonly number[], inTerm: number): RaftCore {
  const core = makeCore({ log, term: inTerm });
  tell(core, 2, inTerm, heartbeat());
  return core;
}

function receive(core: RaftCore, position: LogPosition, inTerm = 3, from = 2): ReturnType<RaftCore['step']> {
  return core.step(snapshotFrom(from, inTerm, snapshotAt(position.index, position.term)));
}

describe('a leader with a compacted log', () => {
  test('S37: sends one snapshot, waits, then goes on with the log', () => {
    const core = needsSnapshot();
    expect(stateOf(core, 3)).toBe('snapshot');
    expect(sentTo(propose(core, 'e'), 3)).toEqual([]);
    ticks(core, 1);
    expect(tell(core, 3, 1, BEAT).sendSnapshot).toEqual([]);
    expect(sentTo(sent(core, true), 3)).toEqual([]);
    expect(stateOf(core, 3)).toBe('probe');
    const resumed = tell(core, 3, 1, accept(4));
    expect(sentTo(resumed, 3)).toMatchObject([{ kind: 'appendRequest', previous: at(4, 1) }]);
    expect(stateOf(core, 3)).toBe('replicate');
  });

  test('S37: probes behind a delivered snapshot when the acknowledgement is lost', () => {
    const core = needsSnapshot();
    sent(core, true);
    expect(sentTo(tell(core, 3, 1, BEAT), 3)).toEqual([]);
    ticks(core, 1);
    expect(sentTo(tell(core, 3, 1, BEAT), 3)).toMatchObject([{ kind: 'appendRequest', previous: at(4, 1) }]);
  });

  test('S38, S39: an acknowledgement that reaches the log ends the wait before the transfer does', () => {
    const core = needsSnapshot();
    tell(core, 3, 1, accept(4));
    expect(stateOf(core, 3)).toBe('replicate');
    sent(core, true);
    expect(stateOf(core, 3)).toBe('replicate');
  });

  test('S39: an acknowledgement below the base does not', () => {
    const core = needsSnapshot();
    tell(core, 3, 1, accept(2));
    expect(stateOf(core, 3)).toBe('snapshot');
  });

  test('a failed transfer is tried again only when the member is heard', () => {
    const core = needsSnapshot();
    expect(sent(core, false).sendSnapshot).toEqual([]);
    expect(propose(core, 'e').sendSnapshot).toEqual([]);
    ticks(core, 1);
    expect(tell(core, 3, 1, BEAT).sendSnapshot).toEqual([3]);
  });

  test('at most one transfer a member is under way, also across leaderships', () => {
    const core = needsSnapshot();
    tell(core, 2, 5, heartbeat());
    lead(core);
    expect(tell(core, 3, 6, reject(core.lastIndex - 1, at(1, 1))).sendSnapshot).toEqual([]);
    expect(stateOf(core, 3)).toBe('snapshot');
    sent(core, false);
    ticks(core, 1);
    expect(tell(core, 3, 6, BEAT).sendSnapshot).toEqual([3]);
  });

  test('a silent member is not sent a snapshot before it is heard again', () => {
    const core = compactedLeader();
    for (let round = 0; round < 12; round += 1) {
      ticks(core, 1);
      tell(core, 2, 1, BEAT);
    }
    core.step({ kind: 'unreachable', peer: memberId(3) });
    expect(propose(core, 'e').sendSnapshot).toEqual([]);
    expect(tell(core, 3, 1, BEAT).sendSnapshot).toEqual([]);
    ticks(core, 1);
    expect(tell(core, 3, 1, BEAT).sendSnapshot).toEqual([3]);
  });

  test('a stream that falls behind the base turns to a snapshot when the member is heard', () => {
    const core = compactedLeader(2);
    ticks(core, 1);
    core.step({ kind: 'unreachable', peer: memberId(3) });
    expect(tell(core, 3, 1, BEAT).sendSnapshot).toEqual([3]);
  });

  test('ends of transfers that nobody waits for change nothing', () => {
    const core = compactedLeader(5);
    sent(core, true);
    core.step({ kind: 'snapshotSent', to: memberId(9), index: logIndex(4), delivered: true });
    expect(stateOf(core, 3)).toBe('replicate');
    sent(makeCore(), true);
  });

  test('late or repeated compactions change nothing', () => {
    const core = compactedLeader();
    core.step({ kind: 'compacted', base: snapshotAt(4, 1) });
    core.step({ kind: 'compacted', base: snapshotAt(2, 1) });
    expect([core.base.index, core.lastIndex]).toEqual([4, 5]);
    expect(core.entries(logIndex(5), logIndex(5))).toHaveLength(1);
  });
});

describe('a follower that receives a snapshot', () => {
  test('installs what it lacks and acknowledges when it is installed', () => {
    const core = follower([1, 1], 3);
    const effects = receive(core, at(9, 2));
    expect(effects).toMatchObject({
      installSnapshot: { index: 9, term: 2 },
      commit: null,
      sendAfterPersist: [],
    });
    expect(core.lastIndex).toBe(2);
    const installed = core.step({ kind: 'snapshotInstalled', snapshot: snapshotAt(9, 2) });
    expect(installed).toMatchObject({
      commit: 9,
      sendAfterPersist: [{ kind: 'appendAccepted', to: 2, term: 3, matched: 9 }],
    });
    expect([core.base.index, core.lastIndex, core.commitIndex, core.durableIndex]).toEqual([9, 9, 9, 9]);
    expect(tell(core, 2, 3, append(at(9, 2), entriesOf(10, [3]))).append).toHaveLength(1);
  });

  test('replaces a log that conflicts with it', () => {
    const core = follower([1, 1, 1, 1], 3);
    expect(receive(core, at(3, 2)).installSnapshot).toMatchObject({ index: 3 });
    core.step({ kind: 'snapshotInstalled', snapshot: snapshotAt(3, 2) });
    expect(core.last).toEqual(at(3, 2));
  });

  test('S40, C24: a log that holds the position only moves its commit index and keeps its entries', () => {
    const core = follower([1, 2, 2, 3], 3);
    const effects = receive(core, at(3, 2));
    expect(effects).toMatchObject({ installSnapshot: null, commit: 3 });
    expect(effects.sendAfterPersist).toMatchObject([{ kind: 'appendAccepted', matched: 3 }]);
    expect(logTerms(core)).toEqual([1, 2, 2, 3]);
  });

  test('S41: stale and repeated ones are acknowledged and forgotten', () => {
    const core = follower([1, 2, 2, 3], 3);
    receive(core, at(3, 2));
    for (const position of [at(3, 2), at(2, 2), at(0, 0)]) {
      const effects = receive(core, position);
      expect(effects).toMatchObject({ installSnapshot: null, commit: null });
      expect(effects.sendAfterPersist).toMatchObject([{ kind: 'appendAccepted', matched: 3 }]);
    }
  });

  test('S41: a second one during an installation is ignored', () => {
    const core = follower([1], 3);
    receive(core, at(9, 2));
    expect(receive(core, at(12, 3))).toMatchObject({ installSnapshot: null, sendAfterPersist: [] });
    core.step({ kind: 'snapshotInstalled', snapshot: snapshotAt(9, 2) });
    expect(receive(core, at(12, 3)).installSnapshot).toMatchObject({ index: 12 });
  });

  test('S42: neither campaigns nor touches its log while an installation is under way', () => {
    const core = follower([1, 1], 3);
    receive(core, at(9, 2));
    const dropped = tell(core, 2, 3, append(at(2, 1), entriesOf(3, [2]), 3));
    expect(dropped).toMatchObject({ append: [], sendAfterPersist: [], commit: null });
    const beat = tell(core, 2, 3, heartbeat(2, 6));
    expect(beat).toMatchObject({ commit: null, sendNow: [{ kind: 'heartbeatReply', readRound: 6 }] });
    ticks(core, 100);
    expect(core.role.role).toBe('follower');
    core.step({ kind: 'snapshotInstalled', snapshot: snapshotAt(9, 2) });
    ticks(core, 1);
    expect(core.role.role).toBe('preCandidate');
  });

  test('S43: an installation outlives the term; the acknowledgement goes to the leader of the day', () => {
    const core = follower([1, 1], 3);
    receive(core, at(9, 2));
    tell(core, 3, 4, heartbeat());
    const installed = core.step({ kind: 'snapshotInstalled', snapshot: snapshotAt(9, 2) });
    expect(installed.sendAfterPersist).toMatchObject([{ to: 3, term: 4, matched: 9 }]);
    const other = follower([1, 1], 3);
    receive(other, at(9, 2));
    tell(other, 3, 4, { kind: 'voteReply', granted: false });
    ticks(other, 1);
    tell(other, 3, 5, { kind: 'voteReply', granted: false });
    expect(other.step({ kind: 'snapshotInstalled', snapshot: snapshotAt(9, 2) }).sendAfterPersist).toEqual(
      [],
    );
  });

  test('S46: takes its membership from it', () => {
    const core = follower([1], 3);
    const snapshot = { ...at(9, 2), membership: snapshotAt(9, 2, [2, 3, 4]).membership };
    core.step(snapshotFrom(2, 3, snapshot));
    core.step({ kind: 'snapshotInstalled', snapshot });
    ticks(core, 50);
    expect(core.role.role).toBe('follower');
    expect(core.membership.voterSets).toEqual([[2, 3, 4]]);
  });

  test('S46: a learner that was promoted in it votes for itself from then on', () => {
    const core = makeCore({ voters: [2, 3], learners: [1], log: [1], term: 3 });
    core.step(snapshotFrom(2, 3, snapshotAt(9, 2)));
    const installed = core.step({ kind: 'snapshotInstalled', snapshot: snapshotAt(9, 2) });
    expect(installed.membership).toMatchObject({ voterSets: [[1, 2, 3]], learners: [] });
    ticks(core, 20);
    expect(core.role.role).toBe('preCandidate');
  });

  test('of a higher term follows its sender; of a lower term, from the removed or impossible ones it ignores', () => {
    const core = follower([1], 3);
    expect(receive(core, at(9, 2), 2).installSnapshot).toBeNull();
    expect(receive(core, at(9, 2), 3, 9).installSnapshot).toBeNull();
    expect(receive(core, at(9, 2), 3, 1).installSnapshot).toBeNull();
    expect(receive(core, at(9, 2), 3, 3).installSnapshot).toBeNull();
    expect(receive(core, at(9, 4), 3).installSnapshot).toBeNull();
    expect(receive(core, at(9, 2), 2 ** 53 - 1, 3).installSnapshot).toBeNull();
    expect(receive(core, at(2 ** 53 - 1, 2)).installSnapshot).toBeNull();
    expect(core.hardState).toEqual(hard(3));
    expect(receive(core, at(9, 2), 4, 3)).toMatchObject({ hardState: hard(4), role: { leader: 3 } });
    const removed = [{ member: memberId(3), incarnation: null }];
    const without = makeCore({ membership: { ...membership([1, 2]), removed }, term: 3 });
    expect(receive(without, at(9, 2), 4, 3)).toMatchObject({ installSnapshot: null, role: null });
    expect(receive(without, at(9, 2), 4, 9).installSnapshot, 'a stranger may lead').not.toBeNull();
  });

  test('a leader ignores one of its own term', () => {
    const core = makeCore();
    establish(core);
    expect(receive(core, at(9, 1), 1).installSnapshot).toBeNull();
    expect(core.role.role).toBe('leader');
  });

  test('a completion of a log write from before the installation marks nothing', () => {
    const core = follower([1], 3);
    tell(core, 2, 3, append(at(1, 1), entriesOf(2, [2, 2])));
    const late = { last: core.last, hardState: core.hardState };
    receive(core, at(9, 2));
    core.step({ kind: 'snapshotInstalled', snapshot: snapshotAt(9, 2) });
    core.step({ kind: 'persisted', ...late });
    expect([core.durableIndex, core.lastIndex]).toEqual([9, 9]);
  });

  test('an installation that was never asked for is a bug of the driver', () => {
    const core = follower([1], 3);
    const done = { kind: 'snapshotInstalled', snapshot: snapshotAt(9, 2) } as const;
    expect(() => core.step(done)).toThrow('under way');
    receive(core, at(8, 2));
    expect(() => core.step(done)).toThrow('same snapshot');
  });
});
