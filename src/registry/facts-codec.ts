// The facts of a cluster as bytes; read back with full validation.

import type { StoredValue } from '../store/types.ts';
import { parseClusterVersion, parseShardId } from '../topology/cluster.ts';
import {
  type ClusterFacts,
  latestPromotions,
  type NodeFacts,
  type Promotion,
  PROMOTIONS_MAX,
  type ShardFacts,
} from '../topology/facts.ts';
import { parseRecordedNodeId } from '../topology/node.ts';
import type { ClusterVersion, NodeId, ShardId } from '../topology/types.ts';
import { type Fields, packRecord, readRecord } from './record-fields.ts';
import { readable } from './unreadable-record.ts';

/** Version 2 is of a cluster that is only observed: no other has to be read by members below `OBSERVED_LEVEL`. */
const FACTS_VERSION = 2;

/**
 * Promotions in one record, so that a cluster that fits into a value leaves room for its facts: a failover must not fail on what is
 * remembered of earlier ones. With more than 256 shards each keeps fewer than `PROMOTIONS_MAX`, and always its last.
 */
export const RECORD_PROMOTIONS_MAX = 4096;

/** Characters kept of a text for people: it may quote what a node said. */
export const REMAKE_LENGTH_MAX = 200;

/** Ids are written once and referred to by their position: a node is named by its own facts, by its replicas' and by promotions. */
type Positions = ReadonlyMap<NodeId, number>;

/**
 * The record of `facts`. As much of the oldest promotions and of long texts is left out as is needed to keep it small. The bytes are read
 * back before they are returned, as those of a cluster are. Throws when they cannot.
 */
export function encodeFacts(facts: ClusterFacts): Uint8Array {
  const promotionsMax = Math.floor(RECORD_PROMOTIONS_MAX / Math.max(1, facts.shards.size));
  const countMax = Math.max(1, Math.min(PROMOTIONS_MAX, promotionsMax));
  const shards = [...facts.shards].map(([id, shard]) => [id, latestPromotions(shard, countMax)] as const);
  const ids = idsIn(shards, facts.nodes);
  const positions: Positions = new Map(ids.map((id, position) => [id, position]));
  const { observedSinceSeconds } = facts;
  const value = packRecord(observedSinceSeconds === null ? 1 : FACTS_VERSION, [
    facts.contestedVersion,
    ids,
    shards.map(([id, shard]) => encodeShard(id, shard, positions)),
    [...facts.nodes].map(([id, node]) => encodeNode(id, node, positions)),
    ...(observedSinceSeconds === null ? [] : [observedSinceSeconds]),
  ]);
  decodeFacts({ key: 'facts about to be written', value });
  return value;
}

/** The facts at a facts key. Throws `UnreadableRecordError`. */
export function decodeFacts(stored: Pick<StoredValue, 'key' | 'value'>): ClusterFacts {
  return readRecord(stored, FACTS_VERSION, (fields) => {
    const contestedVersion = decodeVersionOrNull(fields);
    const ids = fields.list(decodeIds);
    const shards = distinct(
      fields,
      fields.each((shard) => decodeShard(shard, ids)),
    );
    const nodes = distinct(
      fields,
      fields.each((node) => decodeNode(node, ids)),
    );
    const observedSinceSeconds = fields.version === 1 ? null : fields.number();
    return { shards, nodes, contestedVersion, observedSinceSeconds };
  });
}

/** Every id that the facts name, once. */
function idsIn(
  shards: readonly (readonly [ShardId, ShardFacts])[],
  nodes: ReadonlyMap<NodeId, NodeFacts>,
): readonly NodeId[] {
  const ids = new Set(nodes.keys());
  for (const { following } of nodes.values()) if (following !== null) ids.add(following);
  for (const [, { promotions }] of shards) for (const { from, to } of promotions) ids.add(from).add(to);
  return [...ids];
}

function encodeShard(
  id: ShardId,
  { sinceVersion, promotions }: ShardFacts,
  positions: Positions,
): readonly unknown[] {
  const encoded = promotions.map(({ from, to, version, sequence, term, atSeconds, isConfirmed }) => [
    positions.get(from),
    positions.get(to),
    version,
    sequence,
    term,
    atSeconds,
    isConfirmed,
  ]);
  return [id, sinceVersion, encoded];
}

function encodeNode(id: NodeId, node: NodeFacts, positions: Positions): readonly unknown[] {
  const { sequence, following, seenAtSeconds } = node;
  const remake = node.remake === null ? null : node.remake.slice(0, REMAKE_LENGTH_MAX);
  return [
    positions.get(id),
    sequence,
    following === null ? null : positions.get(following),
    seenAtSeconds,
    remake,
  ];
}

function decodeIds(fields: Fields): readonly NodeId[] {
  const ids: NodeId[] = [];
  while (!fields.isAtEnd) ids.push(readable(fields.key, parseRecordedNodeId(fields.text())));
  return ids;
}

function decodeShard(fields: Fields, ids: readonly NodeId[]): readonly [ShardId, ShardFacts] {
  const id = readable(fields.key, parseShardId(fields.number()));
  const sinceVersion = decodeVersion(fields);
  const promotions = fields.each((promotion) => decodePromotion(promotion, ids));
  return [id, { sinceVersion, promotions }];
}

function decodePromotion(fields: Fields, ids: readonly NodeId[]): Promotion {
  return {
    from: idAt(fields, ids, fields.number()),
    to: idAt(fields, ids, fields.number()),
    version: decodeVersion(fields),
    sequence: fields.integerOrNull(),
    term: fields.number(),
    atSeconds: fields.number(),
    isConfirmed: fields.flag(),
  };
}

function decodeNode(fields: Fields, ids: readonly NodeId[]): readonly [NodeId, NodeFacts] {
  const id = idAt(fields, ids, fields.number());
  const sequence = fields.integerOrNull();
  const followed = fields.numberOrNull();
  const following = followed === null ? null : idAt(fields, ids, followed);
  return [id, { sequence, following, seenAtSeconds: fields.number(), remake: fields.textOrNull() }];
}

function decodeVersion(fields: Fields): ClusterVersion {
  return readable(fields.key, parseClusterVersion(fields.number()));
}

function decodeVersionOrNull(fields: Fields): ClusterVersion | null {
  const value = fields.numberOrNull();
  return value === null ? null : readable(fields.key, parseClusterVersion(value));
}

function idAt(fields: Fields, ids: readonly NodeId[], position: number): NodeId {
  const id = ids[position];
  if (id === undefined) throw fields.malformed();
  return id;
}

/** `entries` as a map; two of one key are not what any release wrote. */
function distinct<K, V>(fields: Fields, entries: readonly (readonly [K, V])[]): ReadonlyMap<K, V> {
  const map = new Map(entries);
  if (map.size !== entries.length) throw fields.malformed();
  return map;
}
