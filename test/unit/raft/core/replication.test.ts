import { describe, expect, test } from 'vitest';
import type { Message } from '../../../../src/raft/core/messages.ts';
import type { RaftCore } from '../../../../src/raft/core/raft-core.ts';
import type { Effects } from '../../../../src/raft/core/step.ts';
import { memberId } from '../../../../src/raft/core/types.ts';
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
  persist,
  propose,
  reject,
  sentTo,
  snapshotAt,
  tell,
  ticks,
} from '../../../support/raft-core/builders.ts';
import type { Shape } from '../../../support/raft-core/builders.ts';

const BEAT = { kind: 'heartbeatReply', readRound: 0 } as const;

function leader(shape: Shape = {}): RaftCore {
  const core = makeCore(shape);
  establish(core);
  return core;
}

function appends(effects: Effects, to: number): readonly Extract<Message, { kind: 'appendRequest' }>[] {
  return sentTo(effects, to).filter((each) => each.kind === 'appendRequest');
}

function heartbeats(effects: Effects): readonly (readonly [number, number])[] {
  return effects.sendNow.flatMap((each) =>
    each.kind === 'heartbeat' ? [[each.to, each.commit] as const] : [],
  );
}

function peer(core: RaftCore, id: number): ReturnType<RaftCore['peers']>[number] | undefined {
  return core.peers().find((each) => each.member === memberId(id));
}

/** A follower in term `inTerm` of leader 2 with the given log, of which `commit` is committed. */
function follower(log: readonly number[], inTerm: number, commit = 0): RaftCore {
  const core = makeCore({ log, term: inTerm });
  tell(core, 2, inTerm, heartbeat(commit));
  expect(core.commitIndex).toBe(commit);
  return core;
}

describe('proposals', () => {
  test('are stamped, appended and sent in one step, in order', () => {
    const core = leader();
    const effects = propose(core, 'a', 'b');
    expect(effects.accepted).toMatchObject([
      { id: 0, position: { index: 2, term: 1 } },
      { id: 1, position: { index: 3, term: 1 } },
    ]);
    expect(effects.append.map((each) => [each.index, each.kind])).toEqual([
      [2, 'command'],
      [3, 'command'],
    ]);
    expect(appends(effects, 2)).toMatchObject([{ previous: at(1, 1), commit: 1, entries: effects.append }]);
    expect(effects.commit).toBeNull();
  });

  test('S31: uncommitted bytes are limited, in order, and freed by commitment', () => {
    const core = leader({ options: { uncommittedBytesMax: 10 } });
    const effects = propose(core, '12345', '123456', '1');
    expect(effects.accepted.map(({ id }) => id)).toEqual([0]);
    expect(effects.refused).toEqual([
      { id: 1, reason: 'overloaded' },
      { id: 2, reason: 'overloaded' },
    ]);
    persist(core);
    tell(core, 2, 1, accept(2));
    expect(core.uncommittedBytes).toBe(0);
    expect(propose(core, '123456').accepted).toHaveLength(1);
  });

  test('S31: one proposal above the whole limit passes when nothing is waiting', () => {
    const core = leader({ options: { uncommittedBytesMax: 4 } });
    expect(propose(core, '0123456789').accepted).toHaveLength(1);
    expect(propose(core, 'x').refused).toHaveLength(1);
  });

  test('S31: the first entry of a leadership is never refused, and inherited entries count', () => {
    const core = makeCore({ log: [1, 1], term: 1, options: { uncommittedBytesMax: 1 } });
    lead(core);
    expect(logTerms(core)).toEqual([1, 1, 2]);
    expect(propose(core, 'x').refused).toHaveLength(1);
    persist(core);
    tell(core, 2, 2, accept(3));
    expect(propose(core, 'x').accepted).toHaveLength(1);
  });
});

describe('commitment', () => {
  test('S20, C1: an entry of an earlier term is not committed by counting, only with one of the own term', () => {
    const core = makeCore({ log: [1, 2], term: 3 });
    lead(core);
    persist(core);
    expect(tell(core, 2, 4, accept(2)).commit).toBeNull();
    expect(tell(core, 3, 4, accept(2)).commit).toBeNull();
    expect(core.role.established).toBe(false);
    expect(tell(core, 3, 4, accept(3))).toMatchObject({ commit: 3, role: { established: true } });
  });

  test('S29: followers alone can commit while the own disk is slow', () => {
    const core = leader();
    propose(core, 'a');
    tell(core, 2, 1, accept(2));
    expect(core.commitIndex).toBe(1);
    expect(tell(core, 3, 1, accept(2)).commit).toBe(2);
    expect(core.durableIndex).toBe(1);
  });

  test('C11: the own copy counts when it is durable, not before', () => {
    const core = leader();
    propose(core, 'a');
    expect(tell(core, 2, 1, accept(2)).commit).toBeNull();
    expect(persist(core).commit).toBe(2);
  });

  test('S50: in a joint configuration both sets must hold it; learners never count', () => {
    const core = makeCore({
      voterSets: [
        [1, 2, 3],
        [3, 4, 5],
      ],
      learners: [6],
    });
    lead(core);
    propose(core, 'a');
    persist(core);
    for (const id of [2, 6, 4]) expect(tell(core, id, 1, accept(2)).commit).toBeNull();
    expect(tell(core, 3, 1, accept(2)).commit).toBe(2);
  });

  test('S23, C8: a heartbeat names no commit index above what the follower is known to hold', () => {
    const core = leader();
    propose(core, 'a', 'b');
    persist(core);
    const pushed = tell(core, 2, 1, accept(3));
    expect(core.commitIndex).toBe(3);
    expect(heartbeats(pushed)).toEqual([[2, 3]]);
    const beat = ticks(core, 1)[0];
    expect(beat && heartbeats(beat)).toEqual([
      [2, 3],
      [3, 1],
    ]);
  });

  test('the commit index is pushed at once to a follower that has everything, once', () => {
    const core = leader();
    propose(core, 'a');
    persist(core);
    expect(heartbeats(tell(core, 2, 1, accept(2)))).toEqual([[2, 2]]);
    expect(heartbeats(tell(core, 2, 1, accept(2)))).toEqual([]);
    expect(heartbeats(tell(core, 3, 1, accept(2)))).toEqual([[3, 2]]);
  });

  test('a busy follower learns the commit index from its next append request', () => {
    const core = leader();
    propose(core, 'a');
    persist(core);
    propose(core, 'b');
    expect(heartbeats(tell(core, 2, 1, accept(2)))).toEqual([]);
    expect(appends(propose(core, 'c'), 2)).toMatchObject([{ commit: 2 }]);
  });

  test('S23: a follower commits no further than what the request proved', () => {
    const core = follower([1, 1, 1], 2);
    expect(tell(core, 2, 2, append(at(1, 1), entriesOf(2, [1]), 9)).commit).toBe(2);
    expect(core.lastIndex).toBe(3);
    expect(tell(core, 2, 2, heartbeat(99)).commit).toBeNull();
    expect(tell(core, 2, 2, heartbeat(3)).commit).toBe(3);
    expect(tell(core, 2, 2, heartbeat(1)).commit).toBeNull();
  });
});

describe('a follower', () => {
  test('acknowledges after its disk, not before', () => {
    const core = follower([], 1);
    const effects = tell(core, 2, 1, append(at(0, 0), entriesOf(1, [1, 1]), 1));
    expect(effects).toMatchObject({ truncateFrom: null, commit: 1, sendNow: [] });
    expect(effects.append).toHaveLength(2);
    expect(effects.sendAfterPersist).toMatchObject([{ kind: 'appendAccepted', to: 2, matched: 2 }]);
  });

  test('S21, C7: a late, shorter or repeated request takes nothing away', () => {
    const core = follower([1, 1, 1, 1, 1], 1, 4);
    const effects = tell(core, 2, 1, append(at(0, 0), entriesOf(1, [1, 1, 1]), 1));
    expect(effects).toMatchObject({ truncateFrom: null, append: [], commit: null });
    expect(effects.sendAfterPersist).toMatchObject([{ kind: 'appendAccepted', matched: 3 }]);
    expect([core.lastIndex, core.commitIndex]).toEqual([5, 4]);
  });

  test('S22: a true conflict is cut exactly where it begins', () => {
    const core = follower([1, 1, 2, 2, 2], 4, 2);
    const effects = tell(core, 2, 4, append(at(1, 1), entriesOf(2, [1, 3, 3])));
    expect(effects.truncateFrom).toBe(3);
    expect(effects.append.map((each) => each.index)).toEqual([3, 4]);
    expect(logTerms(core)).toEqual([1, 1, 3, 3]);
    expect(core.durableIndex).toBe(2);
  });

  test('S22: a request that would overwrite what is committed is ignored', () => {
    const core = follower([1, 1, 2], 4, 3);
    const effects = tell(core, 2, 4, append(at(1, 1), entriesOf(2, [3, 3])));
    expect(effects).toMatchObject({ truncateFrom: null, append: [], sendAfterPersist: [] });
    expect(logTerms(core)).toEqual([1, 1, 2]);
  });

  test('S24: a request beyond the end is refused with the own end', () => {
    const core = follower([1, 1], 3);
    const effects = tell(core, 2, 3, append(at(9, 3), entriesOf(10, [3])));
    expect(effects.sendAfterPersist).toMatchObject([{ kind: 'appendRejected', probed: 9, hint: at(2, 1) }]);
    expect(effects.append).toEqual([]);
  });

  test('S25: a mismatch without entries is refused and nothing is deleted', () => {
    const core = follower([1, 1, 2, 2], 4, 1);
    const effects = tell(core, 2, 4, append(at(4, 3), []));
    expect(effects.sendAfterPersist).toMatchObject([{ kind: 'appendRejected', probed: 4, hint: at(4, 2) }]);
    expect(effects.truncateFrom).toBeNull();
    expect(core.lastIndex).toBe(4);
  });

  test('skips terms above the probed one in its hint, but never what is committed', () => {
    const hint = (core: RaftCore, previousTerm: number): unknown =>
      tell(core, 2, 9, append(at(6, previousTerm), [])).sendAfterPersist[0];
    expect(hint(follower([1, 1, 4, 4, 5, 5], 9), 3)).toMatchObject({ hint: at(2, 1) });
    expect(hint(follower([1, 1, 4, 4, 5, 5], 9, 4), 3)).toMatchObject({ hint: at(4, 4) });
  });

  test('C7: a request that starts below the base is answered with the commit index', () => {
    const core = makeCore({ base: [5, 2], log: [2, 2], term: 2 });
    tell(core, 2, 2, heartbeat(6));
    const effects = tell(core, 2, 2, append(at(3, 1), entriesOf(4, [2, 2, 2, 2, 2])));
    expect(effects.sendAfterPersist).toMatchObject([{ kind: 'appendAccepted', matched: 6 }]);
    expect(core.lastIndex).toBe(7);
  });

  test('C9: a heartbeat proves nothing about the log and changes nothing in it', () => {
    const core = follower([1, 1], 3);
    const effects = tell(core, 2, 3, heartbeat(1, 4));
    expect(effects).toMatchObject({ commit: 1, append: [], truncateFrom: null, sendAfterPersist: [] });
    expect(effects.sendNow).toMatchObject([{ kind: 'heartbeatReply', readRound: 4, term: 3 }]);
  });
});

describe('a leader and its followers', () => {
  test('S32: an unknown follower gets one probe at a time, then a stream within the window', () => {
    const core = makeCore({ options: { inflightMax: 2 } });
    const won = lead(core);
    expect(appends(won, 2)).toHaveLength(1);
    expect(appends(propose(core, 'a'), 2)).toEqual([]);
    expect(appends(propose(core, 'b'), 2)).toEqual([]);
    expect(appends(tell(core, 2, 1, accept(1)), 2)).toMatchObject([
      { previous: at(1, 1), entries: [{}, {}] },
    ]);
    expect(appends(propose(core, 'c'), 2)).toHaveLength(1);
    expect(appends(propose(core, 'd'), 2)).toEqual([]);
    expect(peer(core, 2)).toMatchObject({ state: 'replicate', inflightCount: 2, next: 5 });
    expect(appends(tell(core, 2, 1, accept(3)), 2)).toMatchObject([{ previous: at(4, 1), entries: [{}] }]);
  });

  test('requests respect the limits of entries and bytes', () => {
    const core = leader({ options: { appendEntriesMax: 2, appendBytesMax: 4 } });
    const sent = appends(propose(core, 'aa', 'bb', 'c', '0123456789', 'd'), 2);
    expect(sent.map((each) => each.entries.length)).toEqual([2, 1, 1, 1]);
  });

  test('S33: with a full window and everything lost, one empty request restarts the flow', () => {
    const core = leader({ options: { inflightMax: 1 } });
    propose(core, 'a');
    propose(core, 'b');
    expect(appends(tell(core, 2, 1, BEAT), 2)).toEqual([]);
    ticks(core, 1);
    expect(appends(tell(core, 2, 1, BEAT), 2)).toMatchObject([{ previous: at(2, 1), entries: [] }]);
    expect(appends(tell(core, 2, 1, BEAT), 2)).toEqual([]);
    expect(appends(tell(core, 2, 1, reject(2, at(1, 1))), 2)).toMatchObject([
      { previous: at(1, 1), entries: [{ index: 2 }, { index: 3 }] },
    ]);
    expect(appends(tell(core, 2, 1, accept(3)), 2)).toEqual([]);
    expect(peer(core, 2)).toMatchObject({ state: 'replicate', match: 3 });
  });

  test('a lost request is found by the answer to the next heartbeat, also without new proposals', () => {
    const core = leader();
    propose(core, 'a');
    ticks(core, 1);
    expect(appends(tell(core, 2, 1, BEAT), 2)).toMatchObject([{ previous: at(2, 1), entries: [] }]);
    expect(appends(tell(core, 2, 1, reject(2, at(1, 1))), 2)).toMatchObject([{ entries: [{ index: 2 }] }]);
  });

  test('S34: a follower that was unreachable streams again after a heartbeat answer, without a proposal', () => {
    const core = leader();
    core.step({ kind: 'unreachable', peer: memberId(2) });
    expect(peer(core, 2)).toMatchObject({ state: 'probe', next: 2 });
    expect(appends(tell(core, 2, 1, BEAT), 2)).toMatchObject([{ previous: at(1, 1), entries: [] }]);
    tell(core, 2, 1, accept(1));
    expect(peer(core, 2)).toMatchObject({ state: 'replicate' });
  });

  test('unreachable stops the stream and starts over from what is known', () => {
    const core = leader();
    propose(core, 'a');
    propose(core, 'b');
    expect(peer(core, 2)).toMatchObject({ next: 4 });
    core.step({ kind: 'unreachable', peer: memberId(2) });
    expect(appends(propose(core, 'c'), 2)).toMatchObject([{ previous: at(1, 1), entries: [{}, {}, {}] }]);
    for (const id of [9, 1]) core.step({ kind: 'unreachable', peer: memberId(id) });
    makeCore().step({ kind: 'unreachable', peer: memberId(2) });
  });

  test('S27: a refusal after the success changes nothing', () => {
    const core = leader();
    const effects = tell(core, 2, 1, reject(1, at(0, 0)));
    expect(effects.sendNow).toEqual([]);
    expect(peer(core, 2)).toMatchObject({ state: 'replicate', match: 1, next: 2 });
  });

  test('S28: late acknowledgements and completions of an earlier term move nothing', () => {
    const core = leader();
    propose(core, 'a');
    const late = { last: core.last, hardState: core.hardState };
    tell(core, 2, 3, heartbeat());
    expect(tell(core, 3, 1, accept(2))).toMatchObject({ commit: null, sendNow: [] });
    core.step({ kind: 'persisted', ...late });
    expect(core.durableIndex).toBe(1);
    expect(core.commitIndex).toBe(1);
  });

  test('S35: a peer that hangs holds up nobody else', () => {
    const core = leader();
    for (let round = 0; round < 50; round += 1) {
      propose(core, 'x');
      persist(core);
      tell(core, 2, 1, accept(core.lastIndex));
      ticks(core, 1);
    }
    expect(core.commitIndex).toBe(core.lastIndex);
    expect(peer(core, 3)).toMatchObject({ inflightCount: 4, silentTicks: 50 });
  });

  test('C10: an acknowledgement that comes before a stale refusal of a probe keeps next above match', () => {
    const core = leader();
    propose(core, 'a', 'b');
    core.step({ kind: 'unreachable', peer: memberId(2) });
    tell(core, 2, 1, accept(3));
    tell(core, 2, 1, reject(2, at(1, 1)));
    expect(peer(core, 2)).toMatchObject({ match: 3, next: 4, state: 'replicate' });
  });

  test('learners are sent the log like voters', () => {
    const core = leader({ learners: [7] });
    expect(appends(propose(core, 'a'), 7)).toHaveLength(1);
  });
});

/** Lets a leader with one log bring a follower with another into line; returns the number of refusals. */
function reconcile(leaderLog: readonly number[], followerLog: readonly number[], inTerm: number): number {
  const core = makeCore({ log: leaderLog, term: inTerm - 1, options: { appendEntriesMax: 1000 } });
  let toFollower = sentTo(lead(core), 2);
  const other = makeCore({ id: 2, log: followerLog, term: inTerm - 1 });
  let refusals = 0;
  for (let round = 0; round < 1000 && toFollower.length > 0; round += 1) {
    const answers = toFollower.flatMap(
      (each) => other.step({ kind: 'message', message: each }).sendAfterPersist,
    );
    refusals += answers.filter((each) => each.kind === 'appendRejected').length;
    toFollower = answers.flatMap((each) => sentTo(core.step({ kind: 'message', message: each }), 2));
  }
  expect(logTerms(other)).toEqual(logTerms(core));
  expect(other.hardState).toEqual(hard(inTerm));
  return refusals;
}

describe('diverging logs', () => {
  const figure7 = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6];
  test.each([
    ['a', [1, 1, 1, 4, 4, 5, 5, 6, 6]],
    ['b', [1, 1, 1, 4]],
    ['c', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ['d', [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ['e', [1, 1, 1, 4, 4, 4, 4]],
    ['f', [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])('S10: figure 7 (%s) is brought into line with at most one refusal a term', (_, log) => {
    expect(reconcile(figure7, log, 8)).toBeLessThanOrEqual(new Set(log).size);
  });

  test('S26: a hundred diverging entries of few terms need few probes', () => {
    const common = [1, 1];
    const stale = [...common, ...Array<number>(50).fill(2), ...Array<number>(50).fill(4)];
    const winner = [...common, ...Array<number>(60).fill(3), ...Array<number>(60).fill(5)];
    expect(reconcile(winner, stale, 6)).toBeLessThanOrEqual(4);
  });

  test('S45: a follower inside the trailing log needs no snapshot', () => {
    const core = leader();
    propose(core, 'a', 'b', 'c');
    persist(core);
    tell(core, 2, 1, accept(4));
    core.step({ kind: 'compacted', base: snapshotAt(1, 1) });
    const effects = tell(core, 3, 1, reject(4, at(1, 1)));
    expect(effects.sendSnapshot).toEqual([]);
    expect(appends(effects, 3)).toMatchObject([{ previous: at(1, 1) }]);
  });
});
