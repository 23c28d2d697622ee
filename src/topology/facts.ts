// What was seen of the copies of a cluster's data and must outlive whoever saw it: promotions, positions, copies to be made anew.

import { allNodes, masterOf } from './cluster.ts';
import type { Cluster, ClusterVersion, NodeId, Shard, ShardId } from './types.ts';

/**
 * One change of a shard's master. Histories are compared with it: a node that belonged to the history of `from` and stands at or below
 * `sequence` is a prefix of the history of `to`; one above it has something that `to` never had (facts sections 3.5, 13).
 */
export interface Promotion {
  readonly from: NodeId;
  readonly to: NodeId;
  /** The version of the cluster that this promotion made. */
  readonly version: ClusterVersion;
  /**
   * The highest sequence number up to which the histories of `from` and `to` are known to be the same: the position of `to` as read before
   * the commit. Null when it was not known: then no node of the old history is known to be a prefix.
   */
  readonly sequence: number | null;
  /** The Raft term of the leader that committed it. */
  readonly term: number;
  /** Seconds since the Unix epoch. */
  readonly atSeconds: number;
  /** Whether `to` was seen as master since. Until then `from` may still be the only one that serves. */
  readonly isConfirmed: boolean;
}

/** The promotions of one shard, oldest first. */
export interface ShardFacts {
  /** The cluster's version from which on `promotions` is complete: what a node holds of an older topology may be of a history not listed here. */
  readonly sinceVersion: ClusterVersion;
  readonly promotions: readonly Promotion[];
}

/** What was last seen of one node. */
export interface NodeFacts {
  /** Its sequence number; null when it was never read. */
  readonly sequence: number | null;
  /** Whom it followed over a living link at that time; itself for a master; null for a replica without one. */
  readonly following: NodeId | null;
  /** Seconds since the Unix epoch of that sight; 0 when there was none. */
  readonly seenAtSeconds: number;
  /** Why this copy has to be made anew from its master before it counts as one; null for a proven copy. A sentence's end for people. */
  readonly remake: string | null;
}

/** Kept beside a cluster under a key of its own, so that writing down what was seen never disturbs who changes the cluster. */
export interface ClusterFacts {
  readonly shards: ReadonlyMap<ShardId, ShardFacts>;
  readonly nodes: ReadonlyMap<NodeId, NodeFacts>;
  /** The version at which somebody else was found to push topologies, too; null while this group is alone. */
  readonly contestedVersion: ClusterVersion | null;
  /**
   * Since when, in seconds since the Unix epoch, the cluster is only looked at: this group was made out of a backup, and what its nodes became
   * afterwards is not known. Null for a cluster that this group manages.
   */
  readonly observedSinceSeconds: number | null;
}

/** Promotions kept for each shard: a node that was away for longer is made anew. */
export const PROMOTIONS_MAX = 16;

export const UNSEEN_NODE: NodeFacts = { sequence: null, following: null, seenAtSeconds: 0, remake: null };

/** Nothing seen yet: every history begins with the topology as it is. */
export function initialFacts(cluster: Cluster): ClusterFacts {
  return factsFor(
    { shards: new Map(), nodes: new Map(), contestedVersion: null, observedSinceSeconds: null },
    cluster,
  );
}

/** Nodes that were to be made anew when they left, of which that is kept: the last ones. */
export const OUTCASTS_MAX = 64;

/**
 * `facts` brought into step with `cluster`: what left it is forgotten, but for who was to be made anew and may come back with the same data; what is
 * new begins unseen. The same object when nothing has to change.
 */
export function factsFor(facts: ClusterFacts, cluster: Cluster): ClusterFacts {
  const ids = allNodes(cluster).map(({ node }) => node.id);
  const members = new Set(ids);
  const outcasts = [...facts.nodes]
    .filter(([id, { remake }]) => remake !== null && !members.has(id))
    .slice(-OUTCASTS_MAX);
  const isInStep =
    facts.shards.size === cluster.shards.length &&
    facts.nodes.size === ids.length + outcasts.length &&
    cluster.shards.every(({ id }) => facts.shards.has(id)) &&
    ids.every((id) => facts.nodes.has(id));
  if (isInStep) return facts;
  const unknown: ShardFacts = { sinceVersion: cluster.version, promotions: [] };
  return {
    ...facts,
    shards: new Map(cluster.shards.map(({ id }) => [id, facts.shards.get(id) ?? unknown])),
    nodes: new Map([...outcasts, ...ids.map((id) => [id, facts.nodes.get(id) ?? UNSEEN_NODE] as const)]),
  };
}

/** `facts` with one more promotion of a shard; the oldest beyond `PROMOTIONS_MAX` are dropped and `sinceVersion` moves past them. */
export function withPromotion(facts: ClusterFacts, shardId: ShardId, promotion: Promotion): ClusterFacts {
  const before = facts.shards.get(shardId) ?? { sinceVersion: promotion.version, promotions: [] };
  const all = { ...before, promotions: [...before.promotions, promotion] };
  return withShardFacts(facts, shardId, latestPromotions(all, PROMOTIONS_MAX));
}

/** `shard` with its newest `countMax` promotions (at least one); `sinceVersion` moves past what is dropped. */
export function latestPromotions(shard: ShardFacts, countMax: number): ShardFacts {
  const dropped = shard.promotions.at(-countMax - 1);
  if (dropped === undefined) return shard;
  return { sinceVersion: dropped.version, promotions: shard.promotions.slice(-countMax) };
}

/** `facts` without the last promotion of a shard, which turned out to be none. */
export function withoutLastPromotion(facts: ClusterFacts, shardId: ShardId): ClusterFacts {
  const before = facts.shards.get(shardId);
  if (before === undefined) return facts;
  return withShardFacts(facts, shardId, { ...before, promotions: before.promotions.slice(0, -1) });
}

export function withShardFacts(facts: ClusterFacts, shardId: ShardId, shard: ShardFacts): ClusterFacts {
  return { ...facts, shards: new Map(facts.shards).set(shardId, shard) };
}

export function withNodeFacts(facts: ClusterFacts, id: NodeId, node: NodeFacts): ClusterFacts {
  return { ...facts, nodes: new Map(facts.nodes).set(id, node) };
}

/** As `withNodeFacts`, for many nodes in one copy. */
export function withFactsOfNodes(
  facts: ClusterFacts,
  nodes: Iterable<readonly [NodeId, NodeFacts]>,
): ClusterFacts {
  return { ...facts, nodes: new Map([...facts.nodes, ...nodes]) };
}

/** Whether what the node has is no copy and has to be made anew. */
export function isCondemned(facts: ClusterFacts, id: NodeId): boolean {
  return (facts.nodes.get(id)?.remake ?? null) !== null;
}

/** The last promotion of a shard if it is still open: its new master was not seen as master yet. */
export function openPromotion(facts: ClusterFacts, shardId: ShardId): Promotion | null {
  const last = facts.shards.get(shardId)?.promotions.at(-1);
  return last === undefined || last.isConfirmed ? null : last;
}

/** `facts` of a cluster whose masters were read at `sequences` when they were taken in; what was not read stays as it is. */
export function withReadMasters(
  facts: ClusterFacts,
  shards: readonly Shard[],
  sequences: ReadonlyMap<NodeId, number>,
  nowSeconds: number,
): ClusterFacts {
  const read = shards.flatMap((shard): readonly (readonly [NodeId, NodeFacts])[] => {
    const { id } = masterOf(shard);
    const sequence = sequences.get(id);
    return sequence === undefined
      ? []
      : [[id, { sequence, following: id, seenAtSeconds: nowSeconds, remake: null }]];
  });
  return withFactsOfNodes(facts, read);
}
