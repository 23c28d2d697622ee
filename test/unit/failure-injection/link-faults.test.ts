// Shapes of partitions and one-way cuts.

import { describe, expect, it } from 'vitest';

import {
  allPairs,
  oneWayCuts,
  type Pair,
  partition,
} from '../../../scripts/failure-injection/link-faults.ts';
import { createSeededRandom } from '../../../src/base/random.ts';

const PAIRS = allPairs(3);

function shapes(choose: typeof partition): ReadonlySet<string> {
  const random = createSeededRandom(1);
  const drawn = Array.from({ length: 1000 }, () => choose(random, PAIRS));
  return new Set(drawn.map((pairs) => pairs.map(([from, to]) => `${from}>${to}`).join(' ')));
}

function isSymmetric(pairs: readonly Pair[]): boolean {
  return pairs.every(([from, to]) =>
    pairs.some(([otherFrom, otherTo]) => otherFrom === to && otherTo === from),
  );
}

describe('faults of links', () => {
  it('three members have six directions', () => {
    expect(PAIRS).toHaveLength(6);
  });

  it('a partition cuts both directions or none, and every shape comes up', () => {
    const random = createSeededRandom(2);
    for (let run = 0; run < 1000; run += 1) expect(isSymmetric(partition(random, PAIRS))).toBe(true);
    // Each member alone, each link alone, all.
    expect(shapes(partition).size).toBe(3 + 3 + 1);
  });

  it('one-way cuts take every set of directions but none and all', () => {
    expect(shapes(oneWayCuts).size).toBe(2 ** 6 - 2);
  });
});
