// The ledger names exactly the acknowledged writes that are gone, each once.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Ledger, lostOf, type Write } from '../../../../scripts/failure-injection/hostile-operator/ledger.ts';

function write(value: number, previous: number | null): Write {
  return { key: 'k', value, previous, atMs: value, node: 'n' };
}

function valuesOf(writes: readonly Write[]): readonly number[] {
  return writes.map(({ value }) => value);
}

describe('the ledger', () => {
  it('finds nothing lost while every write replaces the one before it and the last one is there', () => {
    expect(lostOf([write(1, null), write(2, 1), write(3, 2)], 3)).toEqual([]);
  });

  it('counts what is newer than the value found', () => {
    expect(valuesOf(lostOf([write(1, null), write(2, 1), write(3, 2)], 1))).toEqual([2, 3]);
  });

  it('counts everything of a key that is gone', () => {
    expect(valuesOf(lostOf([write(1, null), write(2, 1)], null))).toEqual([1, 2]);
  });

  it('counts a write that was lost although a later one covers it', () => {
    expect(valuesOf(lostOf([write(1, null), write(2, 1), write(3, 1), write(4, 3)], 4))).toEqual([2]);
  });

  it('counts nothing older than a write whose answer never came', () => {
    expect(lostOf([write(1, null), write(2, 1)], 3)).toEqual([]);
    expect(valuesOf(lostOf([write(1, null), write(2, 1), write(4, 2)], 3))).toEqual([4]);
  });

  it('knows nothing of keys that nobody wrote', () => {
    expect(new Ledger().audit('k', 7)).toEqual([]);
  });

  it('does not forget an acknowledged write behind one whose answer never came', () => {
    const ledger = new Ledger();
    ledger.acknowledge(write(1, null));
    expect(ledger.audit('k', 2)).toEqual([]);
    expect(valuesOf(ledger.audit('k', null))).toEqual([1]);
    expect(ledger.audit('k', null)).toEqual([]);
  });

  it('agrees with a model of a node whose newest writes are taken back, over many audits', () => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.constant({ kind: 'write' as const }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('takeBack' as const), count: fc.nat(4) }) },
      { weight: 2, arbitrary: fc.constant({ kind: 'audit' as const }) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const ledger = new Ledger();
        // What the node holds is the last of these; those before it are what was overwritten.
        const history: number[] = [];
        let judged: number[] = [];
        let value = 0;
        for (const { kind, ...rest } of [...steps, { kind: 'audit' as const }]) {
          if (kind === 'write') {
            value += 1;
            ledger.acknowledge(write(value, history.at(-1) ?? null));
            history.push(value);
            judged.push(value);
          } else if (kind === 'takeBack') {
            history.length = Math.max(0, history.length - ('count' in rest ? rest.count : 0));
          } else {
            const gone = judged.filter((each) => !history.includes(each));
            expect(valuesOf(ledger.audit('k', history.at(-1) ?? null))).toEqual(gone);
            judged = judged.filter((each) => history.includes(each)).slice(-1);
          }
        }
        expect(ledger.acknowledgedCount).toBe(value);
      }),
    );
  });
});
