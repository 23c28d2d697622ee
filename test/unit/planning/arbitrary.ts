// Random layouts of slots over shards, and what plans make of them.

import * as fc from 'fast-check';

import { present } from '../../../src/base/assert.ts';
import type { SlotPlan } from '../../../src/planning/rebalance.ts';
import { makeCluster } from '../../../src/topology/cluster.ts';
import {
  countSlots,
  differenceSlots,
  intersectionSlots,
  parseSlotSet,
  slotRange,
  slotSetOf,
  unionSlots,
} from '../../../src/topology/slot.ts';
import {
  type Cluster,
  SLOT_COUNT,
  type ShardId,
  type SlotRange,
  type SlotSet,
} from '../../../src/topology/types.ts';
import { sampleCluster, valueOf } from '../topology/arbitrary.ts';

/** A cluster of one node a shard whose shards own these slots. */
export function clusterOwning(slots: readonly SlotSet[]): Cluster {
  const cluster = sampleCluster(slots.length, 1);
  const shards = cluster.shards.map((shard, index) => ({ ...shard, slots: present(slots[index], 'slots') }));
  return valueOf(makeCluster({ ...cluster, shards }));
}

/** The same from texts such as `0-5,8`; an empty one for no slots. */
export function clusterOf(...texts: readonly string[]): Cluster {
  return clusterOwning(texts.map((text) => valueOf(parseSlotSet(text === '' ? [] : text.split(',')))));
}

export function idAt(cluster: Cluster, index: number): ShardId {
  return present(cluster.shards[index], 'no such shard').id;
}

export function weightsOf(cluster: Cluster, weights: readonly number[]): ReadonlyMap<ShardId, number> {
  return new Map(weights.map((weight, index) => [idAt(cluster, index), weight]));
}

/** What the cluster is once all moves were made; fails where a source does not own what it gives. */
export function applied(cluster: Cluster, plan: SlotPlan): Cluster {
  const slots = new Map(cluster.shards.map((shard) => [shard.id, shard.slots]));
  const owned = (id: ShardId): SlotSet => present(slots.get(id), 'a move is between shards of the cluster');
  for (const move of plan.moves) {
    if (countSlots(intersectionSlots(owned(move.source), move.slots)) !== countSlots(move.slots)) {
      throw new Error(`${move.source} does not own what it gives to ${move.target}`);
    }
    slots.set(move.source, differenceSlots(owned(move.source), move.slots));
    slots.set(move.target, unionSlots(owned(move.target), move.slots));
  }
  return clusterOwning(cluster.shards.map(({ id }) => owned(id)));
}

const runsArbitrary = (shardCount: number): fc.Arbitrary<readonly SlotSet[]> =>
  fc
    .array(
      fc.record({
        // -1: slots that nobody owns.
        owner: fc.integer({ min: -1, max: shardCount - 1 }),
        length: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 6000 })),
      }),
      { maxLength: 40 },
    )
    .map((runs) => {
      const ranges: SlotRange[][] = Array.from({ length: shardCount }, () => []);
      let start = 0;
      for (const { owner, length } of runs) {
        if (start + length > SLOT_COUNT) break;
        ranges[owner]?.push(slotRange(start, start + length - 1));
        start += length;
      }
      return ranges.map((own) => slotSetOf(own));
    });

/** One to twelve shards with anything from no slots to many ranges; a slot may be owned by nobody. */
export const layoutArbitrary: fc.Arbitrary<Cluster> = fc
  .integer({ min: 1, max: 12 })
  .chain(runsArbitrary)
  .map((slots) => clusterOwning(slots));

/** Weights of some shards of the cluster, at least one above 0. */
export function weightsArbitrary(cluster: Cluster): fc.Arbitrary<readonly number[]> {
  const weight = fc.oneof(
    { weight: 3, arbitrary: fc.constant(1) },
    fc.constantFrom(0, 0.1, 0.2, 0.3, 2, 3, 1e300, 1e-300, 1.7e308, 5e-324),
    fc.double({ min: 0, max: 100, noNaN: true }),
  );
  const { length } = cluster.shards;
  return fc
    .array(weight, { minLength: length, maxLength: length })
    .filter((weights) => weights.some((one) => one > 0));
}
