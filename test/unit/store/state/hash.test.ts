import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  EMPTY_HASH,
  type StateHash,
  addHash,
  equalHashes,
  hashRequest,
  hashStored,
  hashText,
  subtractHash,
} from '../../../../src/store/state/hash.ts';
import type { StoredValue, TransactionOutcome } from '../../../../src/store/types.ts';
import { bytes, requestId } from '../support.ts';

const stored: fc.Arbitrary<StoredValue> = fc.record({
  key: fc.string({ minLength: 1, maxLength: 8 }),
  revision: fc.maxSafeNat(),
  value: fc.uint8Array({ maxLength: 20 }),
});

const sum = (values: readonly StoredValue[]): StateHash =>
  values.reduce((total, one) => addHash(total, hashStored(one)), EMPTY_HASH);

describe('state hash', () => {
  it('does not depend on the order in which records are added', () => {
    fc.assert(
      fc.property(fc.array(stored), (values) => {
        expect(sum(values)).toEqual(sum(values.toReversed()));
      }),
    );
  });

  it('subtracting a record undoes adding it', () => {
    fc.assert(
      fc.property(fc.array(stored), stored, (values, extra) => {
        const total = sum(values);
        expect(subtractHash(addHash(total, hashStored(extra)), hashStored(extra))).toEqual(total);
      }),
    );
  });

  it('changes with every single bit of a value', () => {
    const value = bytes('exactly 19 bytes...');
    const seen = new Set([hashText(hashStored({ key: 'k', revision: 1, value }))]);
    for (let bit = 0; bit < value.length * 8; bit += 1) {
      const flipped = value.slice();
      flipped[bit >>> 3]! ^= 1 << (bit & 7);
      seen.add(hashText(hashStored({ key: 'k', revision: 1, value: flipped })));
    }
    expect(seen.size).toBe(value.length * 8 + 1);
  });

  it('tells keys, revisions, lengths and borders between fields apart', () => {
    const variants: StoredValue[] = [
      { key: 'a', revision: 1, value: bytes('') },
      { key: 'a', revision: 2, value: bytes('') },
      { key: 'a', revision: 1 + 2 ** 32, value: bytes('') },
      { key: 'b', revision: 1, value: bytes('') },
      { key: 'aa', revision: 1, value: bytes('') },
      { key: 'a', revision: 1, value: bytes('\0') },
      { key: 'a', revision: 1, value: bytes('\0\0\0\0') },
      { key: 'a', revision: 1, value: bytes('\0\0\0\0\0') },
    ];
    expect(new Set(variants.map((one) => hashText(hashStored(one)))).size).toBe(variants.length);
  });

  it('tells outcomes, ids and indexes of requests apart', () => {
    const outcomes: TransactionOutcome[] = [
      { kind: 'committed', revision: 1 },
      { kind: 'committed', revision: 2 },
      { kind: 'conflict', key: 'a', revision: 1 },
      { kind: 'conflict', key: 'b', revision: 1 },
      { kind: 'refused', reason: 'a' },
      { kind: 'refused', reason: 'b' },
    ];
    const hashes = outcomes.flatMap((outcome) =>
      [1, 2].flatMap((number) =>
        [1, 2].map((index) => hashText(hashRequest({ requestId: requestId(number), index, outcome }))),
      ),
    );
    expect(new Set(hashes).size).toBe(hashes.length);
  });

  it('spreads over both halves: 200,000 similar records have no collision in 64 bits and few in 32', () => {
    const halves = { high: new Set<number>(), low: new Set<number>() };
    const whole = new Set<string>();
    const value = bytes('same');
    for (let index = 0; index < 200_000; index += 1) {
      const hash = hashStored({ key: `cluster/${index}`, revision: index + 1, value });
      whole.add(hashText(hash));
      halves.high.add(hash.high);
      halves.low.add(hash.low);
    }
    expect(whole.size).toBe(200_000);
    // Expected for random 32-bit numbers: about 4.7 collisions.
    expect(halves.high.size).toBeGreaterThan(199_970);
    expect(halves.low.size).toBeGreaterThan(199_970);
  });

  it('is printed as 16 digits and compared by both halves', () => {
    expect(hashText({ high: 0xab, low: 1 })).toBe('000000ab00000001');
    expect(equalHashes({ high: 1, low: 2 }, { high: 1, low: 2 })).toBe(true);
    expect(equalHashes({ high: 1, low: 2 }, { high: 1, low: 3 })).toBe(false);
    expect(equalHashes({ high: 1, low: 2 }, { high: 0, low: 2 })).toBe(false);
  });

  it('stays the same between releases', () => {
    const value = bytes('the format is replicated');
    const request = {
      requestId: requestId(7),
      index: 9,
      outcome: { kind: 'conflict', key: 'k', revision: 3 },
    } as const;
    expect(hashText(hashStored({ key: 'clusters/ü', revision: 2 ** 40 + 5, value }))).toBe(
      'cdf54702c8a83c03',
    );
    expect(hashText(hashRequest(request))).toBe('9fb7b6293cb2761e');
  });
});
