import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { describePlanError } from '../../../src/planning/plan-error.ts';
import { planDrain } from '../../../src/planning/rebalance.ts';
import { ownedSlots } from '../../../src/topology/cluster.ts';
import { countSlots, unionSlots } from '../../../src/topology/slot.ts';
import { type Cluster, SLOT_COUNT, type ShardId } from '../../../src/topology/types.ts';
import { sampleCluster, valueOf } from '../topology/arbitrary.ts';
import { applied, clusterOf, idAt, layoutArbitrary, weightsArbitrary, weightsOf } from './arbitrary.ts';

interface Wish {
  readonly cluster: Cluster;
  readonly weights: readonly number[];
  readonly drained: ReadonlySet<ShardId>;
}

const wishArbitrary: fc.Arbitrary<Wish> = layoutArbitrary
  .filter(({ shards }) => shards.length > 1)
  .chain((cluster) =>
    fc
      .record({
        weights: weightsArbitrary(cluster),
        drained: fc
          .subarray(
            cluster.shards.map(({ id }) => id),
            { minLength: 1, maxLength: cluster.shards.length - 1 },
          )
          .map((ids) => new Set(ids)),
      })
      .map(({ weights, drained }) => ({ cluster, weights, drained })),
  )
  .filter(({ cluster, weights, drained }) => {
    const left = weights.filter((_, index) => !drained.has(idAt(cluster, index)));
    return left.some((weight) => weight > 0);
  });

function planOf({ cluster, weights, drained }: Wish) {
  return valueOf(planDrain({ cluster, drained, weights: weightsOf(cluster, weights) }));
}

test('just the slots of the drained shards move, all of them, and only others get them', () => {
  fc.assert(
    fc.property(wishArbitrary, (wish) => {
      const { cluster, drained, weights } = wish;
      const plan = planOf(wish);
      const after = applied(cluster, plan);
      expect(ownedSlots(after)).toEqual(ownedSlots(cluster));
      for (const [index, { id, slots }] of cluster.shards.entries()) {
        const now = after.shards[index]?.slots ?? [];
        if (drained.has(id)) expect(now).toEqual([]);
        else if (weights[index] === 0) expect(now).toEqual(slots);
        else expect(unionSlots(after.shards[index]?.slots ?? slots, slots)).toEqual(now);
      }
      const freed = cluster.shards.filter(({ id }) => drained.has(id));
      expect(plan.moved).toBe(freed.reduce((sum, { slots }) => sum + countSlots(slots), 0));
      expect(plan.moves.every(({ source }) => drained.has(source))).toBe(true);
      expect(planOf({ ...wish, cluster: after })).toMatchObject({ moves: [], moved: 0 });
    }),
    { numRuns: 400 },
  );
});

test('of equal weight, the others end as if every slot had gone to whoever owns least at that moment', () => {
  fc.assert(
    fc.property(wishArbitrary, ({ cluster, drained }) => {
      const plan = planOf({ cluster, drained, weights: [] });
      const owned = cluster.shards.filter(({ id }) => !drained.has(id)).map(({ slots }) => countSlots(slots));
      for (let left = plan.moved; left > 0; left -= 1) {
        const least = owned.indexOf(Math.min(...owned));
        owned[least] = (owned[least] ?? 0) + 1;
      }
      const rising = (numbers: readonly number[]): number[] => numbers.toSorted((a, b) => a - b);
      const after = plan.shards.filter(({ shard }) => !drained.has(shard)).map((shard) => shard.after);
      expect(rising(after)).toEqual(rising(owned));
    }),
    { numRuns: 100 },
  );
});

test('by weight, who got slots ends within one slot of one level, and who got none is not below it', () => {
  fc.assert(
    fc.property(wishArbitrary, (wish) => {
      const { drained, weights } = wish;
      const largest = Math.max(
        ...planOf(wish).shards.map(({ shard }, index) => (drained.has(shard) ? 0 : (weights[index] ?? 1))),
      );
      const takers = planOf(wish)
        .shards.map(({ shard, before, after }, index) => {
          return { shard, before, after, weight: (weights[index] ?? 1) / largest };
        })
        .filter(({ shard }) => !drained.has(shard));
      const filled = (level: number): number =>
        takers.reduce((sum, { before, weight }) => sum + Math.max(before, level * weight), 0);
      const wanted = takers.reduce((sum, { after }) => sum + after, 0);
      // The level found by halving, where the plan sorts.
      let [low, high] = [0, 2 * SLOT_COUNT];
      for (let step = 0; step < 200; step += 1) {
        const middle = (low + high) / 2;
        if (filled(middle) < wanted) low = middle;
        else high = middle;
      }
      for (const { before, after, weight } of takers) {
        const level = Math.max(before, high * weight);
        expect(Math.abs(after - level)).toBeLessThan(1 + 1e-6);
      }
    }),
    { numRuns: 300 },
  );
});

test('the others are not balanced for it, only filled up from below', () => {
  const cluster = clusterOf('0-99', '100-109', '110-129', '130-159');
  const plan = planOf({ cluster, weights: [], drained: new Set([idAt(cluster, 3)]) });
  expect(plan.shards.map(({ before, after }) => [before, after])).toEqual([
    [100, 100],
    [10, 30],
    [20, 30],
    [30, 0],
  ]);
});

test('a drain that leaves nobody to own the slots, or names a stranger, is refused with a sentence', () => {
  const cluster = sampleCluster(2, 1);
  const refusal = (drained: readonly ShardId[], weights: readonly number[] = []): string => {
    const plan = planDrain({ cluster, drained: new Set(drained), weights: weightsOf(cluster, weights) });
    return plan.ok ? 'was not refused' : describePlanError(plan.error);
  };
  const [first, second] = [idAt(cluster, 0), idAt(cluster, 1)];
  const nobody = /^no shard is left to own the slots: leave at least one/;
  expect(refusal([first, second])).toMatch(nobody);
  expect(refusal([first], [1, 0])).toMatch(nobody);
  expect(refusal([first], [1, -1])).toMatch(/^weights: -1 of shard 1 is no weight/);
  expect(refusal([idAt(sampleCluster(3, 1), 2)])).toBe(
    'drained: there is no shard with the id 3 in this cluster',
  );
});

test('a shard that is empty already is drained by moving nothing', () => {
  const cluster = clusterOf('0-16383', '');
  expect(planOf({ cluster, weights: [], drained: new Set([idAt(cluster, 1)]) })).toMatchObject({
    moves: [],
    moved: 0,
  });
});
