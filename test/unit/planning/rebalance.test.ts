import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { describePlanError } from '../../../src/planning/plan-error.ts';
import { planMoves, planMovesInSteps } from '../../../src/planning/rebalance.ts';
import { makeCluster, ownedSlots } from '../../../src/topology/cluster.ts';
import { NO_SLOTS, countSlots, printSlotSet, slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import { type Cluster, SLOT_COUNT, type ShardId } from '../../../src/topology/types.ts';
import { sampleCluster, valueOf } from '../topology/arbitrary.ts';
import {
  applied,
  clusterOf,
  clusterOwning,
  idAt,
  layoutArbitrary,
  weightsArbitrary,
  weightsOf,
} from './arbitrary.ts';

const wishArbitrary = layoutArbitrary.chain((cluster) =>
  weightsArbitrary(cluster).map((weights) => ({ cluster, weights })),
);

function planOf(cluster: Cluster, weights: readonly number[] = []) {
  return valueOf(planMoves({ cluster, weights: weightsOf(cluster, weights) }));
}

function counts(cluster: Cluster): number[] {
  return cluster.shards.map(({ slots }) => countSlots(slots));
}

/** Moves as people would write them, by the numbers of shards. */
function told(cluster: Cluster, plan: ReturnType<typeof planOf>): string[] {
  const indexOf = (id: ShardId): number => cluster.shards.findIndex((shard) => shard.id === id);
  return plan.moves.map(
    ({ source, target, slots }) => `${indexOf(source)}>${indexOf(target)} ${printSlotSet(slots).join(' ')}`,
  );
}

/** Each shard's part of all slots by weight, not rounded. */
function idealShares(cluster: Cluster, weights: readonly number[]): number[] {
  const largest = Math.max(...weights);
  const sum = weights.reduce((all, weight) => all + weight / largest, 0);
  const total = counts(cluster).reduce((all, count) => all + count, 0);
  return weights.map((weight) => (total * (weight / largest)) / sum);
}

/** The fewest slots that have to move, by trying all ways to round the ideal shares. */
function fewestByTrying(before: readonly number[], ideal: readonly number[]): number {
  const total = before.reduce((all, count) => all + count, 0);
  let best = new Map([[0, 0]]);
  for (const [index, share] of ideal.entries()) {
    const next = new Map<number, number>();
    const near = Math.round(share);
    const roundings = Math.abs(share - near) < 1e-6 ? [near] : [Math.floor(share), Math.ceil(share)];
    for (const [sum, moved] of best) {
      for (const after of roundings) {
        const here = moved + Math.max(0, (before[index] ?? 0) - after);
        const known = next.get(sum + after);
        if (known === undefined || here < known) next.set(sum + after, here);
      }
    }
    best = next;
  }
  return best.get(total) ?? Number.NaN;
}

test('no plan loses or doubles a slot, every shard ends within one slot of its ideal share, and what is told is what happens', () => {
  fc.assert(
    fc.property(wishArbitrary, ({ cluster, weights }) => {
      const plan = planOf(cluster, weights);
      const after = applied(cluster, plan);
      expect(makeCluster(after).ok).toBe(true);
      expect(ownedSlots(after)).toEqual(ownedSlots(cluster));
      expect(plan.unowned).toBe(SLOT_COUNT - countSlots(ownedSlots(cluster)));
      expect(plan.shards.map(({ shard }) => shard)).toEqual(cluster.shards.map(({ id }) => id));
      expect(plan.shards.map(({ before }) => before)).toEqual(counts(cluster));
      expect(plan.shards.map((shard) => shard.after)).toEqual(counts(after));
      for (const [index, ideal] of idealShares(cluster, weights).entries()) {
        expect(Math.abs((counts(after)[index] ?? 0) - ideal)).toBeLessThan(1);
        if (weights[index] === 0) expect(counts(after)[index]).toBe(0);
      }
    }),
    { numRuns: 400 },
  );
});

test('no way to round the shares moves fewer slots, and each moves once at most', () => {
  fc.assert(
    fc.property(wishArbitrary, ({ cluster, weights }) => {
      const plan = planOf(cluster, weights);
      const fewest = fewestByTrying(counts(cluster), idealShares(cluster, weights));
      expect(plan.moved).toBe(fewest);
      expect(plan.moves.reduce((sum, { slots }) => sum + countSlots(slots), 0)).toBe(fewest);
      const sources = new Set(plan.moves.map(({ source }) => source));
      expect(plan.moves.some(({ target }) => sources.has(target))).toBe(false);
    }),
    { numRuns: 400 },
  );
});

test('hundreds of shards with many ranges end within one slot of their ideal share, with the fewest slots moved', () => {
  const scattered = fc.array(fc.nat(299), { minLength: 2000, maxLength: 2000 }).map((owners) => {
    const bySlot = Map.groupBy(owners.entries(), ([, owner]) => owner);
    return clusterOwning(
      Array.from({ length: 300 }, (_, index) =>
        slotSetOf((bySlot.get(index) ?? []).map(([slot]) => slotRange(slot * 8, slot * 8 + 7))),
      ),
    );
  });
  fc.assert(
    fc.property(scattered, (cluster) => {
      const plan = planOf(cluster);
      // 16,000 slots of 300 shards are 53 each, and 100 more.
      const over = counts(cluster).filter((count) => count > 53);
      const fewest = over.reduce((sum, count) => sum + count - 53, 0) - Math.min(100, over.length);
      expect(plan.moved).toBe(fewest);
      expect(ownedSlots(applied(cluster, plan))).toEqual(ownedSlots(cluster));
      const after = plan.shards.map((shard) => shard.after);
      expect(after.filter((count) => count === 53).length).toBe(200);
      expect(after.filter((count) => count === 54).length).toBe(100);
    }),
    { numRuns: 20 },
  );
});

test('what was balanced stays as it is', () => {
  fc.assert(
    fc.property(wishArbitrary, ({ cluster, weights }) => {
      const again = planOf(applied(cluster, planOf(cluster, weights)), weights);
      expect(again).toMatchObject({ moves: [], moved: 0 });
    }),
    { numRuns: 300 },
  );
});

test('ranges stay few: what moves and what stays with its sources is at most one range a move more than there was', () => {
  fc.assert(
    fc.property(wishArbitrary, ({ cluster, weights }) => {
      const plan = planOf(cluster, weights);
      const after = applied(cluster, plan);
      const sources = new Set(plan.moves.map(({ source }) => source));
      const targets = new Set(plan.moves.map(({ target }) => target));
      const rangesOfSources = ({ shards }: Cluster): number =>
        shards.filter(({ id }) => sources.has(id)).reduce((sum, { slots }) => sum + slots.length, 0);
      const moved = plan.moves.reduce((sum, { slots }) => sum + slots.length, 0);
      expect(moved + rangesOfSources(after)).toBeLessThanOrEqual(
        rangesOfSources(cluster) + plan.moves.length,
      );
      expect(plan.moves.length).toBeLessThanOrEqual(Math.max(0, sources.size + targets.size - 1));
      const pairs = plan.moves.map(({ source, target }) => `${source}>${target}`);
      expect(new Set(pairs).size).toBe(pairs.length);
    }),
    { numRuns: 400 },
  );
});

test('the same cluster and weights give the same plan, in whatever order the weights came', () => {
  fc.assert(
    fc.property(wishArbitrary, ({ cluster, weights }) => {
      const turned = new Map([...weightsOf(cluster, weights)].toReversed());
      expect(planMoves({ cluster, weights: turned })).toEqual({ ok: true, value: planOf(cluster, weights) });
    }),
    { numRuns: 100 },
  );
});

test('moves come in rounds: a scheduler that takes the next one whose shards are idle is done in less than twice the moves of the busiest shard', () => {
  fc.assert(
    fc.property(wishArbitrary, ({ cluster, weights }) => {
      const { moves } = planOf(cluster, weights);
      const ends = moves.flatMap(({ source, target }) => [source, target]);
      const busiest = Math.max(0, ...ends.map((id) => ends.filter((other) => other === id).length));
      let rounds = 0;
      for (let left = moves; left.length > 0; rounds += 1) {
        const busy = new Set<ShardId>();
        left = left.filter(({ source, target }) => {
          if (busy.has(source) || busy.has(target)) return true;
          busy.add(source).add(target);
          return false;
        });
      }
      expect(rounds).toBeLessThanOrEqual(Math.max(0, 2 * busiest - 1));
    }),
    { numRuns: 200 },
  );
});

test('shards that take no part keep every slot, and the others share out what they own', () => {
  fc.assert(
    fc.property(wishArbitrary, fc.nat(), ({ cluster, weights }, bits) => {
      const movable = new Set(
        cluster.shards.filter((_, index) => (bits >> index) % 2 === 1).map(({ id }) => id),
      );
      const plan = planMoves({ cluster, weights: weightsOf(cluster, weights), movable });
      const isPossible = cluster.shards.some(({ id }, index) => movable.has(id) && (weights[index] ?? 0) > 0);
      expect(plan.ok).toBe(isPossible);
      if (!plan.ok) return;
      const after = applied(cluster, plan.value);
      for (const [index, { id, slots }] of cluster.shards.entries()) {
        if (!movable.has(id)) expect(after.shards[index]?.slots).toEqual(slots);
      }
    }),
    { numRuns: 200 },
  );
});

test('three shards grown to five: every shard keeps one range, and two moves run at any time', () => {
  const cluster = clusterOf('0-5460', '5461-10921', '10922-16383', '', '');
  const plan = planOf(cluster);
  expect(told(cluster, plan)).toEqual([
    '0>3 3277-5460',
    '1>4 9831-10921',
    '1>3 5461-6553',
    '2>4 10922-13106',
  ]);
  expect(applied(cluster, plan).shards.flatMap(({ slots }) => printSlotSet(slots))).toEqual([
    '0-3276',
    '6554-9830',
    '13107-16383',
    '3277-6553',
    '9831-13106',
  ]);
});

test('who lacks just what another has too many gets it in one move, and a range of that size goes whole', () => {
  const cluster = clusterOf('0-99,200-239', '300-359', '400-499,600-629', '700-769');
  expect(told(cluster, planOf(cluster))).toEqual(['0>1 200-239', '2>3 600-629']);
});

test('a range that is cut gives from the end at which the target owns slots, else its last ones', () => {
  const toldOf = (...texts: readonly string[]): string[] =>
    told(clusterOf(...texts), planOf(clusterOf(...texts)));
  expect(toldOf('100-199', '50-99')).toEqual(['0>1 100-124']);
  expect(toldOf('0-99', '100-149')).toEqual(['0>1 75-99']);
  expect(toldOf('0-99', '1000-1049')).toEqual(['0>1 75-99']);
  expect(toldOf('0-99', '')).toEqual(['0>1 50-99']);
});

test('a shard in many pieces gives whole ones, the longest first, and cuts one at most', () => {
  const cluster = clusterOf('0-9,20-39,50-55,60-63', '');
  expect(told(cluster, planOf(cluster))).toEqual(['0>1 20-39']);
  const other = clusterOf('0-9,20-31,50-57,60-61', '');
  expect(told(other, planOf(other))).toEqual(['0>1 20-31 54-57']);
});

test('weights say how many: twice the weight is twice the slots, 0 is none', () => {
  const cluster = sampleCluster(3, 1);
  expect(planOf(cluster, [2, 1, 1]).shards.map(({ after }) => after)).toEqual([8192, 4096, 4096]);
  expect(planOf(cluster, [1, 0, 1]).shards.map(({ after }) => after)).toEqual([8192, 0, 8192]);
  // No fraction of 0.1, 0.2 and 0.3 makes anybody's share of six slots a broken number.
  const six = clusterOf('0-5', '', '');
  expect(planOf(six, [0.1, 0.2, 0.3]).shards.map(({ after }) => after)).toEqual([1, 2, 3]);
});

test('who has the larger of two rounded shares keeps it', () => {
  const cluster = clusterOf('0-2', '3-6', '7-9');
  expect(planOf(cluster)).toMatchObject({ moves: [], moved: 0, unowned: SLOT_COUNT - 10 });
});

test('one shard has all there is, and shards without any slots are left so', () => {
  expect(planOf(sampleCluster(1, 1))).toMatchObject({ moves: [], moved: 0, unowned: 0 });
  expect(planOf(clusterOf('', '', ''))).toMatchObject({ moves: [], moved: 0, unowned: SLOT_COUNT });
  expect(planOf(clusterOf('', ''), [0, 5])).toMatchObject({ moves: [], moved: 0, unowned: SLOT_COUNT });
});

test('a plan of thousands of ranges is made in steps of some hundred at most, and is the same', () => {
  const odd = Array.from({ length: SLOT_COUNT / 2 }, (_, index) => slotRange(2 * index + 1, 2 * index + 1));
  const even = odd.map(({ start }) => slotRange(start - 1, start - 1));
  const cluster = clusterOwning([slotSetOf(odd), slotSetOf(even), NO_SLOTS, NO_SLOTS]);
  const steps = planMovesInSteps({ cluster, weights: new Map() });
  let stepCount = 1;
  let step = steps.next();
  for (; step.done !== true; step = steps.next()) stepCount += 1;
  expect(step.value).toEqual({ ok: true, value: planOf(cluster) });
  const ranges = planOf(cluster).moves.reduce((sum, { slots }) => sum + slots.length, 0);
  expect(ranges).toBe(SLOT_COUNT / 2);
  expect(stepCount).toBeGreaterThan(ranges / 200);
});

test('weights without a sense are refused with a sentence', () => {
  const cluster = sampleCluster(3, 1);
  const refusal = (weights: ReadonlyMap<ShardId, number>, movable?: ReadonlySet<ShardId>): string => {
    const plan = planMoves({ cluster, weights, ...(movable === undefined ? {} : { movable }) });
    return plan.ok ? 'was not refused' : describePlanError(plan.error);
  };
  for (const weight of [-1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    expect(refusal(weightsOf(cluster, [1, weight]))).toBe(
      `weights: ${weight} of shard 1 is no weight, which is a finite number of at least 0`,
    );
  }
  expect(refusal(weightsOf(cluster, [0, 0, 0]))).toMatch(/^no shard is left to own the slots/);
  const stranger = idAt(sampleCluster(4, 1), 3);
  expect(refusal(new Map([[stranger, 1]]))).toBe('weights: there is no shard with the id 4 in this cluster');
  expect(refusal(new Map(), new Set([stranger]))).toBe(
    'movable: there is no shard with the id 4 in this cluster',
  );
  expect(refusal(new Map(), new Set())).toMatch(/^no shard is left/);
});
