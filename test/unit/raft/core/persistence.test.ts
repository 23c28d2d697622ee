import { describe, expect, test } from 'vitest';
import {
  GRANT,
  PRE_GRANT,
  accept,
  append,
  at,
  entriesOf,
  entry,
  establish,
  hard,
  heartbeat,
  makeCore,
  persist,
  propose,
  tell,
  ticks,
} from '../../../support/raft-core/builders.ts';

describe('completions of disk writes', () => {
  test('S30, C12: an entry that was overwritten and came back is durable only with the write that brought it back', () => {
    const core = makeCore({ log: [1], term: 1 });
    tell(core, 2, 2, append(at(1, 1), [entry(2, 2)]));
    const first = { last: core.last, hardState: core.hardState };
    tell(core, 3, 3, append(at(1, 1), [entry(2, 3)]));
    const second = { last: core.last, hardState: core.hardState };
    tell(core, 2, 4, append(at(1, 1), [entry(2, 2)]));
    expect(core.last).toEqual(at(2, 2));
    core.step({ kind: 'persisted', ...first });
    expect(core.durableIndex).toBe(1);
    core.step({ kind: 'persisted', ...second });
    expect(core.durableIndex).toBe(1);
    persist(core);
    expect(core.durableIndex).toBe(2);
  });

  test('S28: a leader that was elected meanwhile does not count what an earlier term wrote', () => {
    const core = makeCore({ log: [1], term: 1 });
    tell(core, 2, 2, append(at(1, 1), [entry(2, 2)]));
    const early = { last: core.last, hardState: core.hardState };
    ticks(core, 10);
    tell(core, 3, 3, PRE_GRANT);
    core.step({ kind: 'persisted', ...early });
    expect(core.durableIndex).toBe(1);
    persist(core);
    expect(core.durableIndex).toBe(2);
    tell(core, 3, 3, GRANT);
    expect(core.role.role).toBe('leader');
  });

  test('a completion of a group tells of all entries before its last', () => {
    const core = makeCore();
    establish(core);
    propose(core, 'a');
    const group = { last: core.last, hardState: core.hardState };
    propose(core, 'b');
    tell(core, 2, 1, accept(3));
    expect(core.step({ kind: 'persisted', ...group }).commit).toBe(2);
    expect(persist(core).commit).toBe(3);
  });

  test('a term that was never handed out cannot become durable', () => {
    const core = makeCore({ term: 2 });
    expect(() => core.step({ kind: 'persisted', last: core.last, hardState: hard(3) })).toThrow('handed out');
  });

  test('a candidate counts a durable term only with its own vote in it', () => {
    const core = makeCore({ voters: [1], term: 2 });
    ticks(core, 10);
    core.step({ kind: 'persisted', last: core.last, hardState: hard(3) });
    expect(core.role.role).toBe('candidate');
    persist(core);
    expect(core.role.role).toBe('leader');
  });

  test('hard state leaves the core exactly when term or vote changed', () => {
    const core = makeCore();
    expect(tell(core, 2, 1, heartbeat()).hardState).toEqual(hard(1));
    expect(tell(core, 2, 1, heartbeat()).hardState).toBeNull();
    expect(tell(core, 2, 1, append(at(0, 0), entriesOf(1, [1]))).hardState).toBeNull();
    expect(tell(core, 3, 2, { kind: 'voteReply', granted: false }).hardState).toEqual(hard(2));
    expect(tell(core, 3, 2, { kind: 'voteRequest', last: at(1, 1) }).hardState).toEqual(hard(2, 3));
    expect(tell(core, 3, 2, { kind: 'voteRequest', last: at(1, 1) }).hardState).toBeNull();
  });
});
