// The one door through which shards become a cluster, and the ways to find things in it.

import { assert } from '../base/assert.ts';
import { type Result, err, ok } from '../base/result.ts';
import type { TopologyError } from './errors.ts';
import {
  containsRange,
  differenceSlots,
  intersectionSlots,
  printSlotRange,
  printSlotSet,
  slotSetOf,
} from './slot.ts';
import type {
  Cluster,
  ClusterVersion,
  Migration,
  Name,
  Node,
  NodeAddress,
  NodeId,
  Shard,
  ShardId,
  SlotRange,
  SlotSet,
} from './types.ts';

/** The version of a cluster just created. */
export const FIRST_VERSION = 1;

/** The number in the id of a cluster's first shard. */
export const FIRST_SHARD_ID = 1;

/**
 * Nodes compare versions as 64-bit integers; above this we would come close to numbers that JavaScript cannot count by one.
 * One change a millisecond reaches it after 8,900 years.
 */
export const CLUSTER_VERSION_MAX = 2 ** 48;

/** What `makeCluster` checks: the fields of a cluster before they are known to fit together. */
export interface ClusterFields {
  readonly name: Name;
  readonly version: number;
  readonly shards: readonly Shard[];
  readonly nextShardId: number;
}

/** A node and where it is. */
export interface NodePlace {
  readonly shardIndex: number;
  readonly shard: Shard;
  readonly node: Node;
}

/** A migration with both of its ends. */
export interface MigrationPlace {
  readonly migration: Migration;
  readonly sourceIndex: number;
  readonly source: Shard;
  readonly targetIndex: number;
  readonly target: Shard;
}

/**
 * A cluster in which everything fits together: one master a shard, no slot, address, node id or shard id twice, every migration
 * within its shard's slots and toward another shard, no shard in two migrations, every drain toward a replica of its shard and none beside a
 * migration that was started. The only way to make a `Cluster`.
 */
export function makeCluster(fields: ClusterFields): Result<Cluster, TopologyError> {
  const { name, version, shards, nextShardId } = fields;
  const parsed = parseClusterVersion(version);
  if (!parsed.ok) return parsed;
  if (!isShardId(nextShardId)) return err(notAShardId(nextShardId, 'nextShardId'));
  const problem =
    checkShardIds(shards, nextShardId) ??
    checkNodes(shards) ??
    checkSlots(shards) ??
    checkMigrations(shards) ??
    checkDrains(shards, version);
  if (problem !== null) return err(problem);
  return ok({ name, version: parsed.value, shards, nextShardId });
}

/** A version from a record. */
export function parseClusterVersion(value: number): Result<ClusterVersion, TopologyError> {
  if (isVersion(value)) return ok(value);
  const why = `is not a version of 1 to ${CLUSTER_VERSION_MAX}`;
  return err({ kind: 'invalidCount', field: 'version', count: value, why });
}

function isVersion(value: number): value is ClusterVersion {
  return Number.isInteger(value) && value >= FIRST_VERSION && value <= CLUSTER_VERSION_MAX;
}

function isShardId(value: number): value is ShardId {
  return Number.isSafeInteger(value) && value >= FIRST_SHARD_ID;
}

function notAShardId(value: number, field: string): TopologyError {
  return { kind: 'invalidCount', field, count: value, why: 'is not a shard id, which is a positive integer' };
}

/** A shard id from a record. */
export function parseShardId(value: number, field = 'shard id'): Result<ShardId, TopologyError> {
  return isShardId(value) ? ok(value) : err(notAShardId(value, field));
}

/** The shard id `FIRST_SHARD_ID + index`: ids of a cluster made in one go. */
export function shardIdAt(index: number): ShardId {
  const id = FIRST_SHARD_ID + index;
  assert(isShardId(id), 'a shard index is not negative');
  return id;
}

function checkShardIds(shards: readonly Shard[], nextShardId: ShardId): TopologyError | null {
  if (shards.length === 0)
    return {
      kind: 'invalidCount',
      field: 'shards',
      count: 0,
      why: 'are too few, a cluster has at least one shard',
    };
  const seen = new Set<ShardId>();
  for (const { id } of shards) {
    if (seen.has(id) || id >= nextShardId) return { kind: 'duplicateShardId', shardId: id };
    seen.add(id);
  }
  return null;
}

function checkNodes(shards: readonly Shard[]): TopologyError | null {
  const ids = new Set<NodeId>();
  const addresses = new Set<NodeAddress>();
  for (const [shardIndex, shard] of shards.entries()) {
    const masterCount = shard.nodes.filter((node) => node.role === 'master').length;
    if (masterCount !== 1) return { kind: 'masterCount', shardIndex, masterCount };
    for (const { id, address } of shard.nodes) {
      if (ids.has(id)) return { kind: 'duplicateNodeId', id };
      if (addresses.has(address)) return { kind: 'duplicateAddress', address };
      ids.add(id);
      addresses.add(address);
    }
  }
  return null;
}

function checkSlots(shards: readonly Shard[]): TopologyError | null {
  const ranges = shards.flatMap((shard) => shard.slots).toSorted((left, right) => left.start - right.start);
  for (const [index, range] of ranges.entries()) {
    const next = ranges[index + 1];
    if (next !== undefined && next.start <= range.stop)
      return { kind: 'slotsOverlap', slots: printSlotRange(next) };
  }
  return null;
}

function checkMigrations(shards: readonly Shard[]): TopologyError | null {
  const busy = new Set<ShardId>();
  for (const [shardIndex, { id, slots, migration }] of shards.entries()) {
    if (migration === null) continue;
    const why = migrationFault(shards, { id, slots, migration });
    if (why !== null) return { kind: 'invalidMigration', shardIndex, why };
    if (busy.has(id) || busy.has(migration.target)) {
      return { kind: 'invalidMigration', shardIndex, why: 'shares a shard with another migration' };
    }
    busy.add(id);
    busy.add(migration.target);
  }
  return null;
}

function migrationFault(
  shards: readonly Shard[],
  source: { readonly id: ShardId; readonly slots: SlotSet; readonly migration: Migration },
): string | null {
  const { target, range } = source.migration;
  if (target === source.id) return 'has the shard itself as its target';
  if (!shards.some((shard) => shard.id === target)) return `has the unknown target ${target}`;
  if (!containsRange(source.slots, range))
    return `is of slots ${printSlotRange(range)}, which the shard does not own`;
  return null;
}

function checkDrains(shards: readonly Shard[], version: number): TopologyError | null {
  for (const [shardIndex, shard] of shards.entries()) {
    const { drain } = shard;
    if (drain === null) continue;
    if (!replicasOf(shard).some(({ id }) => id === drain.to)) {
      return { kind: 'invalidDrain', shardIndex, why: `is toward ${drain.to}, which is no replica of it` };
    }
    if (drain.version > version) {
      return {
        kind: 'invalidDrain',
        shardIndex,
        why: `is of version ${drain.version}, which is still to come`,
      };
    }
    const isMoving = shards.some(
      ({ id, migration }) =>
        migration?.stage.kind === 'started' && (id === shard.id || migration.target === shard.id),
    );
    if (isMoving) return { kind: 'invalidDrain', shardIndex, why: 'is beside a migration that was started' };
  }
  return null;
}

/** The next version of `cluster` with `shards`: what every change of the pushed topology ends with. */
export function nextVersion(
  cluster: Cluster,
  shards: readonly Shard[],
  nextShardId: number = cluster.nextShardId,
): Result<Cluster, TopologyError> {
  return makeCluster({ name: cluster.name, version: cluster.version + 1, shards, nextShardId });
}

/** The same topology under the higher `version`: how nodes are made to take it again (facts section 2.2: an equal version is ignored). */
export function clusterWithVersion(cluster: Cluster, version: number): Result<Cluster, TopologyError> {
  if (!Number.isInteger(version) || version <= cluster.version || version > CLUSTER_VERSION_MAX) {
    return err({ kind: 'versionNotHigher', version: cluster.version, wanted: version });
  }
  return makeCluster({ ...cluster, version });
}

/** `cluster` with the shard of `shard.id` replaced. */
export function withShard(shards: readonly Shard[], shard: Shard): Shard[] {
  return shards.map((old) => (old.id === shard.id ? shard : old));
}

/** The shard the API calls `shardIndex`, counted from 0. `field` names where the index came from. */
export function shardAt(cluster: Cluster, shardIndex: number, field = 'shard'): Result<Shard, TopologyError> {
  const shard = Number.isInteger(shardIndex) && shardIndex >= 0 ? cluster.shards[shardIndex] : undefined;
  if (shard === undefined)
    return err({ kind: 'unknownShard', field, shardIndex, shardCount: cluster.shards.length });
  return ok(shard);
}

/** The index by which the API knows the shard `id` now; -1 when there is none. */
export function shardIndexOf(cluster: Cluster, id: ShardId): number {
  return cluster.shards.findIndex((shard) => shard.id === id);
}

/** The index of the shard that owns all of `range`; null when no single shard does. */
export function ownerIndexOf(cluster: Cluster, range: SlotRange): number | null {
  const index = cluster.shards.findIndex((shard) => containsRange(shard.slots, range));
  return index === -1 ? null : index;
}

export function masterOf(shard: Shard): Node {
  const master = shard.nodes.find((node) => node.role === 'master');
  assert(master !== undefined, 'a shard has a master');
  return master;
}

export function replicasOf(shard: Shard): readonly Node[] {
  return shard.nodes.filter((node) => node.role === 'replica');
}

export function findNode(cluster: Cluster, id: NodeId): NodePlace | null {
  for (const [shardIndex, shard] of cluster.shards.entries()) {
    const node = shard.nodes.find((candidate) => candidate.id === id);
    if (node !== undefined) return { shardIndex, shard, node };
  }
  return null;
}

/** Every node, in the order of shards and of their nodes. */
export function allNodes(cluster: Cluster): readonly NodePlace[] {
  return cluster.shards.flatMap((shard, shardIndex) =>
    shard.nodes.map((node) => ({ shardIndex, shard, node })),
  );
}

/** The same, without their places. */
export function nodesOf(cluster: Cluster): readonly Node[] {
  return cluster.shards.flatMap(({ nodes }) => nodes);
}

/** Every migration under way. They share no shard. */
export function migrationsOf(cluster: Cluster): readonly MigrationPlace[] {
  return cluster.shards.flatMap((source, sourceIndex) => {
    if (source.migration === null) return [];
    const targetIndex = shardIndexOf(cluster, source.migration.target);
    const target = cluster.shards[targetIndex];
    assert(target !== undefined, 'a migration has a target');
    return [{ migration: source.migration, sourceIndex, source, targetIndex, target }];
  });
}

/** The migration in which the shard takes part as source or target; null when there is none. */
export function migrationOfShard(cluster: Cluster, id: ShardId): MigrationPlace | null {
  return migrationsOf(cluster).find(({ source, target }) => source.id === id || target.id === id) ?? null;
}

/** All slots that some shard owns. */
export function ownedSlots(cluster: Cluster): SlotSet {
  return slotSetOf(cluster.shards.flatMap((shard) => shard.slots));
}

/**
 * Why none of `shards` can be changed now: one of them is an end of a running migration, or changes its master. Null when none does. All other
 * shards may change meanwhile: both ends of a migration hear of no higher version before it is settled (facts sections 5.4, 11).
 */
export function whyBusy(cluster: Cluster, shards: readonly Shard[]): TopologyError | null {
  for (const { id, drain } of shards) {
    if (drain !== null) return { kind: 'drainRunning', shardIndex: shardIndexOf(cluster, id) };
    const place = migrationOfShard(cluster, id);
    if (place === null) continue;
    const slots = printSlotRange(place.migration.range);
    const { sourceIndex, targetIndex } = place;
    return { kind: 'migrationRunning', slots, sourceIndex, targetIndex };
  }
  return null;
}

/** The first shard that owns any of `slots`, and which; null when all are free. */
export function ownerOfAny(
  cluster: Cluster,
  slots: SlotSet,
): { readonly shardIndex: number; readonly slots: string } | null {
  for (const [shardIndex, shard] of cluster.shards.entries()) {
    const shared = intersectionSlots(shard.slots, slots);
    if (shared.length > 0) return { shardIndex, slots: printSlotSet(shared).join(' ') };
  }
  return null;
}

/** The slots of `wanted` that `shard` does not own, as text; null when it owns all. */
export function missingSlots(shard: Shard, wanted: SlotSet): string | null {
  const missing = differenceSlots(wanted, shard.slots);
  return missing.length === 0 ? null : printSlotSet(missing).join(' ');
}
