// Random choices of scenarios.

import { type Random, randomBelow } from '../../src/base/random.ts';

/** One of `items`, which must not be empty. */
export function oneOf<T>(random: Random, items: readonly T[]): T {
  const item = items[randomBelow(random, items.length)];
  if (item === undefined) throw new RangeError('nothing to choose from');
  return item;
}

/** A whole number from `min` to `max`, both included. */
export function between(random: Random, min: number, max: number): number {
  return min + randomBelow(random, max - min + 1);
}

/** True in `percent` of 100 cases. */
export function chance(random: Random, percent: number): boolean {
  return randomBelow(random, 100) < percent;
}

/** Each of `items` with the chance of one half, but at least one and not all of them. */
export function someOf<T>(random: Random, items: readonly T[]): readonly T[] {
  for (;;) {
    const chosen = items.filter(() => chance(random, 50));
    if (chosen.length > 0 && chosen.length < items.length) return chosen;
  }
}
