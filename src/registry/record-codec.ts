// Namespaces, claims and clusters as bytes; read back with full validation. The facts of a cluster have a codec of their own.

import { assert } from '../base/assert.ts';
import { Secret } from '../base/secret.ts';
import type { StoredValue } from '../store/types.ts';
import { type ClusterFields, makeCluster, parseClusterVersion, parseShardId } from '../topology/cluster.ts';
import { parseName } from '../topology/name.ts';
import { parseAddress, parseRecordedNodeId } from '../topology/node.ts';
import type { ClusterPlace, ClusterRecord } from '../topology/record.ts';
import { parseSlot, slotSetOf } from '../topology/slot.ts';
import type { Cluster, Drain, Migration, MigrationStage, Node, Shard, SlotRange } from '../topology/types.ts';
import { type ClusterRecordVersion, clusterRecordVersion, levelNeededBy } from './feature-level.ts';
import { clusterKey, placeOf } from './keys.ts';
import { type Fields, packRecord, readRecord } from './record-fields.ts';
import { UnreadableRecordError, readable } from './unreadable-record.ts';

/** The version of namespaces and claims, which are the same at every feature level. */
const PLAIN_VERSION = 1;

/** The highest version of a cluster's record that this release reads; at which level which is written: `feature-level.ts`. */
const CLUSTER_VERSION_READ_MAX = 3;

/** A cluster as its own key has it, without its facts. */
export type StoredCluster = Omit<ClusterRecord, 'facts' | 'factsRevision'>;

/** A namespace has nothing but its name, which is in the key. */
export function encodeNamespace(): Uint8Array {
  return packRecord(PLAIN_VERSION, []);
}

/** The claim of an address: who holds it. */
export function encodeClaim({ namespace, cluster }: ClusterPlace): Uint8Array {
  return packRecord(PLAIN_VERSION, [namespace, cluster]);
}

export function decodeClaim(stored: StoredValue): ClusterPlace {
  const { key } = stored;
  return readRecord(stored, PLAIN_VERSION, (fields) => ({
    namespace: readable(key, parseName(fields.text())),
    cluster: readable(key, parseName(fields.text())),
  }));
}

/**
 * The record of `cluster` at `place` in the format of the group's feature level, which has to be the one it needs at least. Passwords leave
 * their wrapping here and nowhere else on the way to the disk. The bytes are read back before they are returned: a record that no member
 * could read must not get into the log. Throws when they cannot.
 */
export function encodeCluster(place: ClusterPlace, cluster: Cluster, level: number): Uint8Array {
  assert(levelNeededBy(cluster) <= level, 'nothing is written that the group cannot read');
  const version = clusterRecordVersion(level);
  const shards = cluster.shards.map((shard) => [
    shard.id,
    shard.slots.flatMap(({ start, stop }) => [start, stop]),
    shard.nodes.map(encodeNode),
    shard.migration === null ? null : encodeMigration(shard.migration, version),
    ...(version < 3 ? [] : [shard.drain === null ? null : [shard.drain.to, shard.drain.version]]),
  ]);
  const value = packRecord(version, [cluster.name, cluster.version, cluster.nextShardId, shards]);
  decodeCluster({ key: clusterKey(place), value, revision: 0 });
  return value;
}

/** The cluster at a cluster key, validated as a whole by `makeCluster`. Throws `UnreadableRecordError`. */
export function decodeCluster(stored: StoredValue): StoredCluster {
  const { key, revision } = stored;
  const place = placeOf(key);
  if (place === null) throw new UnreadableRecordError(key, 'the key is not that of a cluster');
  const fields = readRecord(stored, CLUSTER_VERSION_READ_MAX, decodeClusterFields);
  if (fields.name !== place.cluster) throw new UnreadableRecordError(key, 'the record is of another cluster');
  return { namespace: place.namespace, cluster: readable(key, makeCluster(fields)), revision };
}

function decodeClusterFields(fields: Fields): ClusterFields {
  const name = readable(fields.key, parseName(fields.text()));
  const version = fields.number();
  const nextShardId = fields.number();
  return { name, version, nextShardId, shards: fields.each(decodeShard) };
}

function encodeNode(node: Node): readonly unknown[] {
  const { id, address, role, password, masterAuth, createdAtSeconds } = node;
  return [id, address, role, password.reveal(), masterAuth.reveal(), createdAtSeconds];
}

function encodeMigration(migration: Migration, version: ClusterRecordVersion): readonly unknown[] {
  const { range, target, stage, startedAtSeconds, isCancelled } = migration;
  const isTargetMarked = stage.kind === 'started' ? stage.isTargetMarked : null;
  const first = [range.start, range.stop, target, stage.kind, isTargetMarked, startedAtSeconds];
  return version === 1 ? first : [...first, isCancelled];
}

function decodeShard(fields: Fields): Shard {
  const { key } = fields;
  const id = readable(key, parseShardId(fields.number()));
  const slots = slotSetOf(fields.list(decodeRanges));
  const nodes = fields.each(decodeNode);
  const migration = fields.optional(decodeMigration);
  const drain = fields.version < 3 ? null : fields.optional(decodeDrain);
  return { id, slots, nodes, migration, drain };
}

function decodeDrain(fields: Fields): Drain {
  return {
    to: readable(fields.key, parseRecordedNodeId(fields.text())),
    version: readable(fields.key, parseClusterVersion(fields.number())),
  };
}

function decodeRanges(fields: Fields): readonly SlotRange[] {
  const ranges: SlotRange[] = [];
  while (!fields.isAtEnd) ranges.push(decodeRange(fields));
  return ranges;
}

function decodeRange(fields: Fields): SlotRange {
  const start = readable(fields.key, parseSlot(fields.number()));
  const stop = readable(fields.key, parseSlot(fields.number()));
  if (start > stop) throw new UnreadableRecordError(fields.key, 'a slot range is reversed');
  return { start, stop };
}

function decodeNode(fields: Fields): Node {
  const { key } = fields;
  return {
    id: readable(key, parseRecordedNodeId(fields.text())),
    address: readable(key, parseAddress(fields.text())),
    role: fields.oneOf(['master', 'replica']),
    password: new Secret(fields.text()),
    masterAuth: new Secret(fields.text()),
    createdAtSeconds: fields.number(),
  };
}

function decodeMigration(fields: Fields): Migration {
  const range = decodeRange(fields);
  const target = readable(fields.key, parseShardId(fields.number()));
  const stage = decodeStage(fields);
  const startedAtSeconds = fields.number();
  const isCancelled = fields.version === 1 ? false : fields.flag();
  return { range, target, stage, startedAtSeconds, isCancelled };
}

function decodeStage(fields: Fields): MigrationStage {
  const kind = fields.oneOf(['planned', 'started']);
  const isTargetMarked = fields.flagOrNull();
  if (kind === 'planned' && isTargetMarked === null) return { kind };
  if (kind === 'started' && isTargetMarked !== null) return { kind, isTargetMarked };
  throw new UnreadableRecordError(fields.key, 'the stage of a migration is malformed');
}
