// How many slots each shard shall own: whole numbers beside ideal shares, so that the fewest slots move.

import { assert } from '../base/assert.ts';

/** What one shard owns and is to own. */
export interface Holding {
  /** Slots it owns now. */
  readonly before: number;
  /** 0 to 1; its part of all slots is its part of all weights. */
  readonly weight: number;
}

/** In slots: an ideal share that is nearer than this to a whole number is that number, whatever the arithmetic of fractions made of it. */
const WHOLE_DISTANCE_MAX = 1e-6;

/**
 * What each of `holdings` owns once all their slots are shared out by weight: its ideal share, rounded up or down, together what they own now. Of
 * all roundings one that moves the fewest slots: rounded up is first who has that many already, then who has the larger fraction, then who
 * comes first. At least one weight is above 0, unless there are no slots.
 */
export function sharesByWeight(holdings: readonly Holding[]): readonly number[] {
  return apportion(sumOf(holdings, 'before'), holdings);
}

/**
 * What each of `holdings` owns once `count` slots were added and none was taken away: those that own least for their weight are filled up to one
 * common level; who is above it, or has weight 0, gets nothing. At least one weight is above 0.
 */
export function sharesFilledUp(holdings: readonly Holding[], count: number): readonly number[] {
  const after = holdings.map(({ before }) => before);
  const rising = [...holdings.entries()]
    .filter(([, { weight }]) => weight > 0)
    .map(([place, holding]) => ({ place, holding, height: holding.before / holding.weight }))
    .toSorted((left, right) => left.height - right.height || left.place - right.place);
  let slots = count;
  let weights = 0;
  let filled = 0;
  for (const { holding, height } of rising) {
    if (filled > 0 && height >= slots / weights) break;
    slots += holding.before;
    weights += holding.weight;
    filled += 1;
  }
  const below = rising.slice(0, filled).toSorted((left, right) => left.place - right.place);
  const shares = apportion(
    slots,
    below.map(({ holding }) => holding),
  );
  for (const [index, { place }] of below.entries()) after[place] = shares[index] ?? 0;
  return after;
}

function apportion(slotCount: number, holdings: readonly Holding[]): readonly number[] {
  const weights = sumOf(holdings, 'weight');
  const parts = holdings.map(({ before, weight }, place) => {
    const ideal = wholeIfNear(slotCount === 0 ? 0 : (slotCount * weight) / weights);
    const floor = Math.floor(ideal);
    return { place, floor, fraction: ideal - floor, hasMore: before > floor };
  });
  const shares = parts.map(({ floor }) => floor);
  const leftOver = slotCount - shares.reduce((sum, share) => sum + share, 0);
  const roundedUp = parts
    .filter(({ fraction }) => fraction > 0)
    .toSorted(
      (left, right) =>
        Number(right.hasMore) - Number(left.hasMore) ||
        right.fraction - left.fraction ||
        left.place - right.place,
    )
    .slice(0, leftOver);
  assert(roundedUp.length === leftOver, 'the fractions of ideal shares add up to what rounding down leaves');
  for (const { place, floor } of roundedUp) shares[place] = floor + 1;
  return shares;
}

function wholeIfNear(ideal: number): number {
  const whole = Math.round(ideal);
  return Math.abs(ideal - whole) < WHOLE_DISTANCE_MAX ? whole : ideal;
}

function sumOf(holdings: readonly Holding[], what: keyof Holding): number {
  return holdings.reduce((sum, holding) => sum + holding[what], 0);
}
