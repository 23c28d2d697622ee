import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RaftLog, continues } from '../../../../src/raft/core/log.ts';
import { logIndex, term } from '../../../../src/raft/core/types.ts';
import { at, entriesOf, entry, restored, snapshotAt } from '../../../support/raft-core/builders.ts';
import type { Shape } from '../../../support/raft-core/builders.ts';

function makeLog(shape: Shape): RaftLog {
  return new RaftLog(restored(shape));
}

describe('RaftLog', () => {
  test('starts with everything durable and only the base committed', () => {
    const log = makeLog({ base: [4, 2], log: [2, 3] });
    expect(log.lastIndex).toBe(6);
    expect(log.durableIndex).toBe(6);
    expect(log.commitIndex).toBe(4);
    expect(log.last).toEqual(at(6, 3));
  });

  test('refuses a restored log with a gap, a falling term or a term above the hard state', () => {
    expect(() => new RaftLog({ ...restored({ term: 9 }), entries: [entry(2, 1)] })).toThrow(
      'continue the base',
    );
    expect(() => makeLog({ term: 9, log: [2, 1] })).toThrow('continue the base');
    expect(() => makeLog({ term: 1, log: [2] })).toThrow('continue the base');
    expect(() => makeLog({ term: 1, base: [5, 2] })).toThrow('continue the base');
  });

  test('knows the term of the base and of every entry, and of nothing else', () => {
    const log = makeLog({ base: [4, 2], log: [2, 3] });
    expect([3, 4, 5, 6, 7].map((index) => log.termAt(logIndex(index)))).toEqual([null, 2, 2, 3, null]);
    expect(log.positionAt(logIndex(6))).toEqual(at(6, 3));
    expect(log.positionAt(logIndex(7))).toBeNull();
  });

  test('S04, C6: compares last entries by term first, then by index', () => {
    const log = makeLog({ log: [1, 1, 1, 3, 3] });
    const ask = (index: number, inTerm: number): boolean => log.isUpToDate(at(index, inTerm));
    expect([ask(5, 3), ask(6, 3), ask(1, 4), ask(4, 3), ask(9, 2)]).toEqual([true, true, true, false, false]);
  });

  test('a batch respects count and bytes, and lets one oversized entry travel alone', () => {
    const log = makeLog({ term: 1 });
    log.append([entry(1, 1, 'aa'), entry(2, 1, 'bbbbbbbbbb'), entry(3, 1, 'c'), entry(4, 1, 'd')]);
    const batch = (from: number, count: number, bytesMax: number): readonly number[] =>
      log.batch(logIndex(from), count, bytesMax).map((each) => each.index);
    expect(batch(1, 9, 5)).toEqual([1]);
    expect(batch(2, 9, 5)).toEqual([2]);
    expect(batch(3, 9, 5)).toEqual([3, 4]);
    expect(batch(1, 2, 99)).toEqual([1, 2]);
    expect(batch(5, 2, 99)).toEqual([]);
    expect(() => makeLog({ base: [4, 1], log: [1] }).batch(logIndex(4), 1, 1)).toThrow('are gone');
  });

  test('a range is exactly what was asked for, or an assertion', () => {
    const log = makeLog({ base: [2, 1], log: [1, 1, 1] });
    expect(log.range(logIndex(4), logIndex(5)).map((each) => each.index)).toEqual([4, 5]);
    expect(log.range(logIndex(6), logIndex(5))).toEqual([]);
    expect(() => log.range(logIndex(2), logIndex(3))).toThrow('are gone');
    expect(() => log.range(logIndex(3), logIndex(6))).toThrow('do not exist');
  });

  test('skips whole terms when looking for a place to meet, and stops below the base', () => {
    const log = makeLog({ base: [10, 3], log: [3, 5, 5, 5, 6] });
    const skip = (index: number, inTerm: number): number =>
      log.lastNotAfterTerm(logIndex(index), term(inTerm));
    expect(skip(15, 6)).toBe(15);
    expect(skip(15, 5)).toBe(14);
    expect(skip(14, 4)).toBe(11);
    expect(skip(99, 4)).toBe(11);
    expect(skip(14, 2)).toBe(9);
    expect(skip(7, 6)).toBe(7);
    expect(makeLog({ log: [2, 2] }).lastNotAfterTerm(logIndex(2), term(1))).toBe(0);
  });

  test('appending makes a gap or a falling term impossible', () => {
    const log = makeLog({ log: [1, 2] });
    expect(() => log.append(entriesOf(4, [2]))).toThrow('continue the log');
    expect(() => log.append(entriesOf(3, [1]))).toThrow('continue the log');
    log.append([]);
    expect(log.lastIndex).toBe(2);
  });

  test('S22: truncation never reaches the commit index and lowers what is durable', () => {
    const log = makeLog({ log: [1, 1, 1, 1] });
    expect(log.commitTo(logIndex(2))).toBe(true);
    expect(log.commitTo(logIndex(1))).toBe(false);
    expect(() => log.truncateFrom(logIndex(2))).toThrow('never truncated');
    expect(() => log.truncateFrom(logIndex(5))).toThrow('inside the log');
    log.truncateFrom(logIndex(3));
    expect([log.lastIndex, log.durableIndex, log.commitIndex]).toEqual([2, 2, 2]);
    expect(() => log.commitTo(logIndex(3))).toThrow('that are there');
  });

  test('S30: a completion for an overwritten entry marks nothing durable', () => {
    const log = makeLog({ term: 3, log: [1] });
    log.append(entriesOf(2, [1, 1]));
    log.truncateFrom(logIndex(2));
    log.append(entriesOf(2, [3]));
    log.markDurable(at(3, 1));
    log.markDurable(at(2, 1));
    expect(log.durableIndex).toBe(1);
    log.markDurable(at(2, 3));
    log.markDurable(at(1, 1));
    expect(log.durableIndex).toBe(2);
  });

  test('C25: compaction keeps the rest, ignores what is late and refuses what is not committed or not this log', () => {
    const log = makeLog({ log: [1, 1, 2, 2] });
    log.commitTo(logIndex(3));
    expect(() => log.compactTo(snapshotAt(4, 2))).toThrow('only committed');
    expect(() => log.compactTo(snapshotAt(3, 1))).toThrow('of this log');
    log.compactTo(snapshotAt(3, 2));
    log.compactTo(snapshotAt(2, 1));
    expect([log.base.index, log.lastIndex, log.commitIndex]).toEqual([3, 4, 3]);
    expect(log.termAt(logIndex(4))).toBe(2);
    expect(log.termAt(logIndex(2))).toBeNull();
  });

  test('an installed snapshot replaces everything', () => {
    const log = makeLog({ log: [1, 1] });
    log.reset(snapshotAt(9, 4));
    expect([log.base.index, log.lastIndex, log.commitIndex, log.durableIndex]).toEqual([9, 9, 9, 9]);
    expect(log.last).toEqual(at(9, 4));
    expect(() => log.reset(snapshotAt(9, 4))).toThrow('ahead of the commit index');
  });

  test('behaves like a plain array under any valid sequence of appends and truncations', () => {
    const operations = fc.array(fc.record({ cut: fc.nat(12), add: fc.nat(4), rise: fc.nat(2) }), {
      maxLength: 30,
    });
    fc.assert(
      fc.property(operations, (steps) => {
        const log = makeLog({ term: 100 });
        let model: number[] = [];
        for (const { cut, add, rise } of steps) {
          if (cut > 0 && cut <= model.length) {
            log.truncateFrom(logIndex(cut));
            model = model.slice(0, cut - 1);
          }
          const next = (model.at(-1) ?? 1) + rise;
          const added = Array.from({ length: add }, () => next);
          log.append(entriesOf(model.length + 1, added));
          model.push(...added);
          expect(log.lastIndex).toBe(model.length);
          expect(model.map((_, offset) => log.termAt(logIndex(offset + 1)))).toEqual(model);
          expect(log.durableIndex).toBeLessThanOrEqual(log.lastIndex);
        }
      }),
    );
  });
});

describe('continues', () => {
  test('accepts only a gapless run of rising terms up to the limit', () => {
    expect(continues(at(2, 1), entriesOf(3, [1, 2]), term(2))).toBe(true);
    expect(continues(at(2, 1), entriesOf(4, [1]), term(2))).toBe(false);
    expect(continues(at(2, 2), entriesOf(3, [1]), term(2))).toBe(false);
    expect(continues(at(2, 1), entriesOf(3, [3]), term(2))).toBe(false);
    expect(continues(at(2, 3), [], term(2))).toBe(false);
  });
});
