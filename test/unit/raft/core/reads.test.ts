import { describe, expect, test } from 'vitest';
import type { RaftCore } from '../../../../src/raft/core/raft-core.ts';
import type { Effects } from '../../../../src/raft/core/step.ts';
import {
  accept,
  append,
  at,
  change,
  entry,
  establish,
  heartbeat,
  lead,
  makeCore,
  memberIds,
  persist,
  propose,
  read,
  tell,
  ticks,
} from '../../../support/raft-core/builders.ts';
import type { Shape } from '../../../support/raft-core/builders.ts';

function leader(shape: Shape = {}): RaftCore {
  const core = makeCore(shape);
  establish(core);
  return core;
}

function rounds(effects: Effects | undefined): readonly number[] {
  return (effects?.sendNow ?? []).flatMap((each) => (each.kind === 'heartbeat' ? [each.readRound] : []));
}

function answer(core: RaftCore, from: number, readRound: number): Effects {
  return tell(core, from, core.role.term, { kind: 'heartbeatReply', readRound });
}

describe('linearizable reads', () => {
  test('start a heartbeat round at once and are ready when a quorum has answered it', () => {
    const core = leader();
    expect(rounds(read(core, 1))).toEqual([1, 1]);
    expect(answer(core, 2, 1).readsReady).toEqual([{ id: 1, index: 1 }]);
    expect(answer(core, 3, 1).readsReady).toEqual([]);
  });

  test('that come while a round is under way share the next one', () => {
    const core = leader();
    read(core, 1);
    expect(rounds(read(core, 2))).toEqual([]);
    expect(rounds(read(core, 3))).toEqual([]);
    const first = answer(core, 2, 1);
    expect(first.readsReady).toEqual([{ id: 1, index: 1 }]);
    expect(rounds(first)).toEqual([2, 2]);
    expect(answer(core, 3, 2).readsReady).toEqual([
      { id: 2, index: 1 },
      { id: 3, index: 1 },
    ]);
  });

  test('S61, C3: late answers to an earlier round confirm no later read', () => {
    const core = leader({ voters: [1, 2, 3, 4, 5] });
    read(core, 1);
    answer(core, 2, 1);
    expect(answer(core, 3, 1).readsReady).toHaveLength(1);
    read(core, 2);
    for (const late of [4, 5, 2, 3]) expect(answer(core, late, 1).readsReady).toEqual([]);
    answer(core, 4, 2);
    expect(answer(core, 5, 2).readsReady).toEqual([{ id: 2, index: 1 }]);
  });

  test('an answer to a later round confirms every earlier one, each read once', () => {
    const core = leader();
    read(core, 1);
    expect(rounds(ticks(core, 1)[0])).toEqual([2, 2]);
    expect(answer(core, 2, 2).readsReady).toEqual([{ id: 1, index: 1 }]);
    expect(answer(core, 2, 2).readsReady).toEqual([]);
    expect(answer(core, 2, 1).readsReady).toEqual([]);
  });

  test('a lost round is made up for by the next heartbeat', () => {
    const core = leader();
    read(core, 1);
    read(core, 2);
    ticks(core, 1);
    expect(answer(core, 3, 2).readsReady.map(({ id }) => id)).toEqual([1, 2]);
  });

  test('are bound to the commit index of their registration', () => {
    const core = leader();
    read(core, 1);
    propose(core, 'a');
    persist(core);
    tell(core, 2, 1, accept(2));
    read(core, 2);
    expect(answer(core, 2, 1).readsReady).toEqual([{ id: 1, index: 1 }]);
    expect(answer(core, 2, 2).readsReady).toEqual([{ id: 2, index: 2 }]);
  });

  test('S59, C2: wait for the first commit of the term, and then see at least it', () => {
    const core = makeCore({ log: [1, 1] });
    lead(core);
    persist(core);
    expect(rounds(read(core, 1))).toEqual([]);
    ticks(core, 1);
    expect(answer(core, 2, 1).readsReady).toEqual([]);
    expect(rounds(tell(core, 2, 2, accept(3))).filter((round) => round === 2)).toHaveLength(2);
    expect(answer(core, 2, 2).readsReady).toEqual([{ id: 1, index: 3 }]);
  });

  test('S60: an old leader that is cut off never answers and refuses when it learns of the new term', () => {
    const core = leader();
    read(core, 1);
    ticks(core, 5);
    const deposed = tell(core, 2, 4, heartbeat());
    expect(deposed.readsRefused).toEqual([1]);
    expect(answer(core, 3, 1).readsReady).toEqual([]);
    expect(read(core, 2).readsRefused).toEqual([2]);
  });

  test('early and registered reads are refused alike when the lead is lost', () => {
    const core = makeCore();
    lead(core);
    read(core, 1);
    expect(ticks(core, 10).at(-1)?.readsRefused).toEqual([1]);
  });

  test('answers of another term or of a round never sent confirm nothing', () => {
    const core = leader();
    read(core, 1);
    expect(tell(core, 2, 0, { kind: 'heartbeatReply', readRound: 1 }).readsReady).toEqual([]);
    expect(answer(core, 2, 2).readsReady).toEqual([]);
    expect(answer(core, 2, Number.MAX_SAFE_INTEGER).readsReady).toEqual([]);
    expect(answer(core, 2, -1).readsReady).toEqual([]);
    expect(answer(core, 2, 1).readsReady).toHaveLength(1);
  });

  test('S50: a round needs a majority of every voter set; learners do not count', () => {
    const core = leader({ learners: [4, 5, 6] });
    change(core, { kind: 'replaceVoters', voters: memberIds(3, 4, 5) });
    read(core, 1);
    for (const peer of [2, 6, 4]) expect(answer(core, peer, 1).readsReady).toEqual([]);
    expect(answer(core, 3, 1).readsReady).toHaveLength(1);
  });

  test('a follower answers each round once, and a commit index that comes under it later not at all', () => {
    const core = makeCore();
    const replies = (effects: Effects) => effects.sendNow.filter(({ kind }) => kind === 'heartbeatReply');
    expect(replies(tell(core, 2, 1, heartbeat(0, 0))), 'before the first round').toHaveLength(1);
    expect(replies(tell(core, 2, 1, heartbeat(0, 1)))).toMatchObject([{ readRound: 1 }]);
    tell(core, 2, 1, append(at(0, 0), [entry(1, 1)]));
    const pushed = tell(core, 2, 1, heartbeat(1, 1));
    expect([pushed.commit, replies(pushed)]).toEqual([1, []]);
    expect(replies(tell(core, 2, 1, heartbeat(1, 2)))).toMatchObject([{ readRound: 2 }]);
    expect(replies(tell(core, 3, 2, heartbeat(1, 2))), 'another leader has its own rounds').toMatchObject([
      { readRound: 2, term: 2 },
    ]);
  });

  test('a single voter confirms itself at once', () => {
    const core = makeCore({ voters: [1], learners: [2] });
    ticks(core, 10);
    persist(core);
    expect(read(core, 1).readsReady).toEqual([]);
    expect(persist(core).readsReady).toEqual([{ id: 1, index: 1 }]);
    expect(read(core, 2).readsReady).toEqual([{ id: 2, index: 1 }]);
  });

  test('more than readsMax are refused, early ones included', () => {
    const core = makeCore({ options: { readsMax: 2 } });
    lead(core);
    for (const id of [1, 2]) expect(read(core, id).readsRefused).toEqual([]);
    expect(read(core, 3).readsRefused).toEqual([3]);
    persist(core);
    tell(core, 2, 1, accept(1));
    expect(read(core, 4).readsRefused).toEqual([4]);
    answer(core, 2, 1);
    expect(read(core, 5).readsRefused).toEqual([]);
  });

  test('S76: a leader that was frozen confirms no read from before by itself', () => {
    const core = leader();
    read(core, 1);
    for (const effects of ticks(core, 9)) expect(effects.readsReady).toEqual([]);
    expect(ticks(core, 1)[0]?.readsRefused).toEqual([1]);
  });
});
