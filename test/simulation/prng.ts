// Randomness of the simulation: one root seed, an independent stream for every (member, subsystem), named by a path.

import { createSeededRandom, randomBelow, randomUnit, type Random } from '../../src/base/random.ts';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * The stream of `path` under `seed` (an integer from 0 to 2^53-1). Streams are independent, so that drawing one number more
 * in one place, or adding a kind of fault, does not shift what happens elsewhere.
 */
export function childRandom(seed: number, ...path: readonly (string | number)[]): Random {
  let hash = FNV_OFFSET;
  const mix = (byte: number): void => {
    hash = Math.imul(hash ^ byte, FNV_PRIME);
  };
  for (const part of [seed, ...path]) {
    for (const char of String(part)) mix(char.charCodeAt(0));
    mix(0);
  }
  const random = createSeededRandom(hash);
  // Paths that differ in one character start close to each other; the first draws separate them.
  random.uint32();
  return createSeededRandom(random.uint32());
}

/** True with probability `share` (0 to 1). */
export function chance(random: Random, share: number): boolean {
  return randomUnit(random) < share;
}

/** A uniform float in [from, to). */
export function between(random: Random, from: number, to: number): number {
  return from + randomUnit(random) * (to - from);
}

/** A uniform integer in [from, to]. */
export function integerBetween(random: Random, from: number, to: number): number {
  return from + randomBelow(random, to - from + 1);
}

/** An exponentially distributed float with mean `mean`: the time to the next of independent events. */
export function exponential(random: Random, mean: number): number {
  return -Math.log(1 - randomUnit(random)) * mean;
}

/** One of at least one item. */
export function pick<T>(random: Random, items: readonly [T, ...T[]] | readonly T[]): T {
  const item = items[randomBelow(random, items.length)];
  if (item === undefined) throw new Error('there is nothing to pick from');
  return item;
}

/** A new array with the items in random order. */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const rest = [...items];
  const result: T[] = [];
  while (rest.length > 0) result.push(...rest.splice(randomBelow(random, rest.length), 1));
  return result;
}
