import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { OrderedValues } from '../../../../src/store/state/ordered-values.ts';
import type { StoredValue } from '../../../../src/store/types.ts';

const stored = (key: string, revision = 1): StoredValue => ({
  key,
  revision,
  value: new Uint8Array(revision % 5),
});

/** Enough keys for many blocks, in and out of order. */
const keyOf = (number: number): string => `key/${String((number * 7919) % 5000).padStart(4, '0')}`;

function inOrder(model: ReadonlyMap<string, StoredValue>): StoredValue[] {
  return [...model.keys()].sort().map((key) => model.get(key)!);
}

describe('ordered values', () => {
  it('do what a map and a sort do, and a cut keeps what it had while they change', () => {
    const step = fc.record({
      kind: fc.constantFrom('put', 'put', 'put', 'remove', 'cut'),
      from: fc.nat(4999),
      count: fc.integer({ min: 1, max: 700 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const values = new OrderedValues();
        const model = new Map<string, StoredValue>();
        const cuts: { cut: ReturnType<OrderedValues['cut']>; expected: StoredValue[] }[] = [];
        const scans: { scan: Iterable<StoredValue>; expected: StoredValue[] }[] = [];
        let revision = 0;
        for (const { kind, from, count } of steps) {
          if (kind === 'cut') {
            cuts.push({ cut: values.cut(), expected: inOrder(model) });
            for (const after of [null, keyOf(from), `${keyOf(count)}x`]) {
              const prefix = after === null ? 'key/2' : 'key/';
              const expected = inOrder(model).filter(
                ({ key }) => key.startsWith(prefix) && key > (after ?? ''),
              );
              scans.push({ scan: values.scan(prefix, after), expected });
            }
          }
          const end = kind === 'cut' ? from : from + count;
          for (let number = from; number < end; number += 1) {
            const key = keyOf(number);
            revision += 1;
            const previous = model.get(key) ?? null;
            if (kind === 'remove') {
              expect(values.remove(key)).toBe(previous);
              model.delete(key);
            } else {
              const next = stored(key, revision);
              expect(values.put(next)).toBe(previous);
              model.set(key, next);
            }
          }
        }
        expect(values.withPrefix('')).toEqual(inOrder(model));
        expect(values.count).toBe(model.size);
        expect(values.bytes).toBe(
          inOrder(model).reduce((sum, { key, value }) => sum + key.length + value.length, 0),
        );
        for (const key of ['key/0000', 'key/2500', 'key/4999', 'a', 'z'])
          expect(values.get(key)).toBe(model.get(key) ?? null);
        for (const prefix of ['key/1', 'key/49', 'k', 'z']) {
          const expected = inOrder(model).filter(({ key }) => key.startsWith(prefix));
          expect(values.withPrefix(prefix)).toEqual(expected);
        }
        for (const { scan, expected } of scans) expect([...scan]).toEqual(expected);
        for (const { cut, expected } of cuts) {
          expect([...cut]).toEqual(expected);
          expect([...cut]).toHaveLength(cut.count);
        }
      }),
      { numRuns: 60 },
    );
  });

  it('are in code unit order, the same everywhere, and not in that of UTF-8', () => {
    const values = new OrderedValues();
    for (const key of ['\u{ff00}', '\u{1f600}', 'b', 'B', 'a']) values.put(stored(key));
    expect([...values.cut()].map(({ key }) => key)).toEqual(['B', 'a', 'b', '\u{1f600}', '\u{ff00}']);
  });

  it('answer for nothing at all', () => {
    const values = new OrderedValues();
    expect(values.get('a')).toBeNull();
    expect(values.remove('a')).toBeNull();
    expect(values.withPrefix('')).toEqual([]);
    expect([...values.cut()]).toEqual([]);
  });
});
