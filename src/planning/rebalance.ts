// Plans that move slots between the shards of a cluster: shared out by weight, or away from shards that are to be emptied.

import { type Result, err, ok } from '../base/result.ts';
import { shardIndexOf } from '../topology/cluster.ts';
import { countSlots } from '../topology/slot.ts';
import { type Cluster, SLOT_COUNT, type ShardId } from '../topology/types.ts';
import { type PlannedMove, movesToward } from './moves.ts';
import type { PlanError } from './plan-error.ts';
import { type Holding, sharesByWeight, sharesFilledUp } from './shares.ts';
import { type Steps, finished } from './steps.ts';

/** Slots that are to change hands, and what that makes of each shard. */
export interface SlotPlan {
  /** First those that can all run at once, then the next such, and so on. Empty when nothing has to move. */
  readonly moves: readonly PlannedMove[];
  /** Every shard of the cluster in its order, with the number of its slots. */
  readonly shards: readonly { readonly shard: ShardId; readonly before: number; readonly after: number }[];
  /** Slots in all moves. */
  readonly moved: number;
  /** Slots that nobody owns. No plan gives them to anybody. */
  readonly unowned: number;
}

/** Of shards about which nothing was said. */
const WEIGHT_DEFAULT = 1;

export interface MovesWish {
  readonly cluster: Cluster;
  /** 1 where none is said; a shard of weight 0 is emptied. */
  readonly weights: ReadonlyMap<ShardId, number>;
  /** The shards that give and get, and share out what they own together; all where it is absent. */
  readonly movable?: ReadonlySet<ShardId>;
}

export interface DrainWish {
  readonly cluster: Cluster;
  /** The shards that are to own nothing. */
  readonly drained: ReadonlySet<ShardId>;
  /** Of the others: 1 where none is said; one of weight 0 gets nothing, and keeps what it has. */
  readonly weights: ReadonlyMap<ShardId, number>;
}

/**
 * Every shard gets its part of the slots that are owned: its ideal share by weight, rounded up or down so that the fewest slots move. What was just
 * added to a cluster and is empty is filled by this, too.
 */
export function planMoves(wish: MovesWish): Result<SlotPlan, PlanError> {
  return finished(planMovesInSteps(wish));
}

/**
 * Every slot of the drained shards goes to others, and no other slot moves. They go to those that own least for their weight, so that the others end as
 * equal as they can.
 */
export function planDrain(wish: DrainWish): Result<SlotPlan, PlanError> {
  return finished(planDrainInSteps(wish));
}

/** As `planMoves`, for clusters of any size beside other work: no step takes long. */
export function* planMovesInSteps(wish: MovesWish): Steps<Result<SlotPlan, PlanError>> {
  const { cluster, weights, movable } = wish;
  const problem = weightsProblem(cluster, weights) ?? strangers(cluster, 'movable', movable ?? []);
  if (problem !== null) return err(problem);
  const taking = sharers(cluster, weights, (id) => movable === undefined || movable.has(id));
  return yield* planned(cluster, taking, sharesByWeight);
}

/** As `planDrain`, for clusters of any size beside other work: no step takes long. */
export function* planDrainInSteps(wish: DrainWish): Steps<Result<SlotPlan, PlanError>> {
  const { cluster, drained, weights } = wish;
  const problem = weightsProblem(cluster, weights) ?? strangers(cluster, 'drained', drained);
  if (problem !== null) return err(problem);
  const freed = cluster.shards.filter(({ id }) => drained.has(id));
  const count = freed.reduce((sum, { slots }) => sum + countSlots(slots), 0);
  const taking = [
    ...sharers(cluster, weights, (id) => !drained.has(id)),
    ...freed.map(({ id }) => ({ id, before: 0, weight: 0 })),
  ];
  return yield* planned(cluster, taking, (holdings) => sharesFilledUp(holdings, count));
}

/** A shard that takes part. */
type Sharer = Holding & { readonly id: ShardId };

/** The plan after which the sharers own what `share` says; all other shards keep what they have. */
function* planned(
  cluster: Cluster,
  taking: readonly Sharer[],
  share: (holdings: readonly Holding[]) => readonly number[],
): Steps<Result<SlotPlan, PlanError>> {
  const weightMax = taking.reduce((most, { weight }) => Math.max(most, weight), 0);
  if (weightMax === 0) return err({ kind: 'noTaker' });
  const shares = share(taking.map(({ before, weight }) => ({ before, weight: weight / weightMax })));
  const after = new Map(taking.map(({ id }, index) => [id, shares[index] ?? 0]));
  const shards = cluster.shards.map(({ id, slots }) => {
    const before = countSlots(slots);
    return { shard: id, before, after: after.get(id) ?? before };
  });
  yield;
  const moves = yield* movesToward(
    cluster.shards,
    shards.map((shard) => shard.after),
  );
  const owned = shards.reduce((sum, { before }) => sum + before, 0);
  return ok({
    moves,
    shards,
    moved: moves.reduce((sum, { slots }) => sum + countSlots(slots), 0),
    unowned: SLOT_COUNT - owned,
  });
}

function sharers(
  { shards }: Cluster,
  weights: ReadonlyMap<ShardId, number>,
  takesPart: (id: ShardId) => boolean,
): readonly Sharer[] {
  return shards
    .filter(({ id }) => takesPart(id))
    .map(({ id, slots }) => ({ id, before: countSlots(slots), weight: weights.get(id) ?? WEIGHT_DEFAULT }));
}

function weightsProblem(cluster: Cluster, weights: ReadonlyMap<ShardId, number>): PlanError | null {
  const stranger = strangers(cluster, 'weights', weights.keys());
  if (stranger !== null) return stranger;
  for (const [id, weight] of weights) {
    if (!Number.isFinite(weight) || weight < 0) {
      return { kind: 'invalidWeight', shardIndex: shardIndexOf(cluster, id), weight };
    }
  }
  return null;
}

/** The first of `ids` that is of no shard of the cluster, as an error; null when there is none. */
function strangers(cluster: Cluster, field: string, ids: Iterable<ShardId>): PlanError | null {
  const known = new Set(cluster.shards.map(({ id }) => id));
  const stranger = [...ids].find((id) => !known.has(id));
  return stranger === undefined ? null : { kind: 'unknownShard', field, shard: stranger };
}
