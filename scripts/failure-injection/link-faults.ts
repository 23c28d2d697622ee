// Which links fail together: shapes of partitions, as ordered pairs of members that no longer hear each other.

import { type Random, randomBelow } from '../../src/base/random.ts';
import { oneOf, someOf } from './choose.ts';

/** An ordered pair of member ids. */
export type Pair = readonly [from: number, to: number];

/** Every ordered pair of the members 1 to `memberCount`. */
export function allPairs(memberCount: number): readonly Pair[] {
  const ids = Array.from({ length: memberCount }, (_, index) => index + 1);
  return ids.flatMap((from) => ids.filter((to) => to !== from).map((to): Pair => [from, to]));
}

/**
 * Links that fail in both directions: one member alone, all members alone, or one link only, so that a bridge is left
 * which hears both who do not hear each other.
 */
export function partition(random: Random, pairs: readonly Pair[]): readonly Pair[] {
  const [first, second] = oneOf(random, pairs);
  switch (randomBelow(random, 4)) {
    case 0:
      return pairs;
    case 1:
      return pairs.filter((pair) => pair.includes(first) && pair.includes(second));
    default:
      return pairs.filter((pair) => pair.includes(first));
  }
}

/** Single directions: a member that is not heard, one that does not hear, or any mixture. */
export function oneWayCuts(random: Random, pairs: readonly Pair[]): readonly Pair[] {
  const [member] = oneOf(random, pairs);
  switch (randomBelow(random, 4)) {
    case 0:
      return pairs.filter(([from]) => from === member);
    case 1:
      return pairs.filter(([, to]) => to === member);
    default:
      return someOf(random, pairs);
  }
}
