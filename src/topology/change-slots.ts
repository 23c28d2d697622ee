// Changes of who owns which slots, at once or through a migration that carries the data.

import { type Result, err } from '../base/result.ts';
import {
  whyBusy,
  makeCluster,
  migrationsOf,
  missingSlots,
  nextVersion,
  ownerOfAny,
  shardAt,
  withShard,
} from './cluster.ts';
import type { TopologyError } from './errors.ts';
import { containsRange, differenceSlots, printSlotRange, slotSetOf, unionSlots } from './slot.ts';
import type { Cluster, Migration, Shard, SlotRange, SlotSet } from './types.ts';

/** The slots to move and the index of the shard that gets them. */
export interface SlotMove {
  readonly range: SlotRange;
  readonly targetIndex: number;
}

interface MoveEnds {
  readonly source: Shard;
  readonly target: Shard;
}

/**
 * Gives the slots to another shard at once and moves no data (the API's `slot_only`). The old owner keeps the keys but answers
 * MOVED (facts section 6 for what happens when the slots come back).
 */
export function moveSlots(cluster: Cluster, move: SlotMove): Result<Cluster, TopologyError> {
  const ends = findEnds(cluster, move);
  if (!ends.ok) return ends;
  const running = whyBusy(cluster, [ends.value.source, ends.value.target]);
  if (running !== null) return err(running);
  return nextVersion(cluster, shardsAfterMove(cluster, move.range, ends.value));
}

/** The same for slots that never came to stay, whatever else its two shards take part in. */
export function returnSlots(cluster: Cluster, move: SlotMove): Result<Cluster, TopologyError> {
  const ends = findEnds(cluster, move);
  return ends.ok ? nextVersion(cluster, shardsAfterMove(cluster, move.range, ends.value)) : ends;
}

/** Gives slots nobody owns to a shard. */
export function addSlots(
  cluster: Cluster,
  shardIndex: number,
  slots: SlotSet,
): Result<Cluster, TopologyError> {
  const shard = shardAt(cluster, shardIndex);
  if (!shard.ok) return shard;
  const running = whyBusy(cluster, [shard.value]);
  if (running !== null) return err(running);
  const owner = ownerOfAny(cluster, slots);
  if (owner !== null) return err({ kind: 'slotsOwned', ...owner });
  return nextVersion(
    cluster,
    withShard(cluster.shards, { ...shard.value, slots: unionSlots(shard.value.slots, slots) }),
  );
}

/**
 * Takes slots away from the shard that owns them. Nodes cannot be told: slots missing from a pushed text keep their old owner until
 * they get a new one or the node restarts (facts section 2.4).
 */
export function removeSlots(
  cluster: Cluster,
  shardIndex: number,
  slots: SlotSet,
): Result<Cluster, TopologyError> {
  const shard = shardAt(cluster, shardIndex);
  if (!shard.ok) return shard;
  const running = whyBusy(cluster, [shard.value]);
  if (running !== null) return err(running);
  const missing = missingSlots(shard.value, slots);
  if (missing !== null) return err({ kind: 'slotsNotOwned', shardIndex, slots: missing });
  const left = differenceSlots(shard.value.slots, slots);
  return nextVersion(cluster, withShard(cluster.shards, { ...shard.value, slots: left }));
}

/**
 * Records the intention to move slots with their data. The version stays: nodes are not told, and a higher version would end a
 * running job at its target (facts section 5.4). Shards that take no part in a migration may start one beside those running.
 */
export function startMigration(
  cluster: Cluster,
  move: SlotMove & { readonly nowSeconds: number },
): Result<Cluster, TopologyError> {
  const ends = findEnds(cluster, move);
  if (!ends.ok) return ends;
  const { source, target } = ends.value;
  const running = whyBusy(cluster, [source, target]);
  if (running !== null) return err(running);
  const migration: Migration = {
    range: move.range,
    target: target.id,
    stage: { kind: 'planned' },
    startedAtSeconds: move.nowSeconds,
    isCancelled: false,
  };
  return makeCluster({ ...cluster, shards: withShard(cluster.shards, { ...source, migration }) });
}

/** Records that MIGRATE is about to be sent. The version stays. */
export function markMigrationStarted(
  cluster: Cluster,
  sourceIndex: number,
  isTargetMarked: boolean,
): Result<Cluster, TopologyError> {
  const source = migratingShard(cluster, sourceIndex);
  if (!source.ok) return source;
  const migration: Migration = { ...source.value.migration, stage: { kind: 'started', isTargetMarked } };
  return makeCluster({ ...cluster, shards: withShard(cluster.shards, { ...source.value, migration }) });
}

/**
 * Gives the migration out of the shard up. A planned one is ended at once, since no node has heard of it; of a started one the wish is
 * recorded in a higher version, which told to the target alone ends a running job without harm (facts section 5.4).
 */
export function cancelMigration(cluster: Cluster, sourceIndex: number): Result<Cluster, TopologyError> {
  const source = migratingShard(cluster, sourceIndex);
  if (!source.ok) return source;
  if (source.value.migration.stage.kind === 'planned') return endMigration(cluster, sourceIndex);
  if (source.value.migration.isCancelled) return makeCluster(cluster);
  const migration: Migration = { ...source.value.migration, isCancelled: true };
  return nextVersion(cluster, withShard(cluster.shards, { ...source.value, migration }));
}

/** Forgets the migration out of the shard; slots stay where they are. The version stays. */
export function endMigration(cluster: Cluster, sourceIndex: number): Result<Cluster, TopologyError> {
  const source = migratingShard(cluster, sourceIndex);
  if (!source.ok) return source;
  return makeCluster({ ...cluster, shards: withShard(cluster.shards, { ...source.value, migration: null }) });
}

/** Gives the moved slots to the target and forgets the migration: to be the very next version after its success (facts section 5.4). */
export function finishMigration(cluster: Cluster, sourceIndex: number): Result<Cluster, TopologyError> {
  const place = migrationsOf(cluster).find((candidate) => candidate.sourceIndex === sourceIndex);
  if (place === undefined) return err({ kind: 'noMigration', shardIndex: sourceIndex });
  const ends = { source: { ...place.source, migration: null }, target: place.target };
  return nextVersion(cluster, shardsAfterMove(cluster, place.migration.range, ends));
}

function migratingShard(
  cluster: Cluster,
  sourceIndex: number,
): Result<Shard & { readonly migration: Migration }, TopologyError> {
  const source = shardAt(cluster, sourceIndex);
  if (!source.ok) return source;
  const { migration } = source.value;
  if (migration === null) return err({ kind: 'noMigration', shardIndex: sourceIndex });
  return { ok: true, value: { ...source.value, migration } };
}

function findEnds(cluster: Cluster, move: SlotMove): Result<MoveEnds, TopologyError> {
  const target = shardAt(cluster, move.targetIndex, 'target');
  if (!target.ok) return target;
  const source = cluster.shards.find((shard) => containsRange(shard.slots, move.range));
  if (source === undefined) return err({ kind: 'slotsSpanShards', slots: printSlotRange(move.range) });
  if (source.id === target.value.id) return err({ kind: 'sameShard', shardIndex: move.targetIndex });
  return { ok: true, value: { source, target: target.value } };
}

function shardsAfterMove(cluster: Cluster, range: SlotRange, { source, target }: MoveEnds): Shard[] {
  const moved = slotSetOf([range]);
  const without = withShard(cluster.shards, { ...source, slots: differenceSlots(source.slots, moved) });
  return withShard(without, { ...target, slots: unionSlots(target.slots, moved) });
}
