// Changes of who is in a cluster and in which role. Each gives the next version or the reason against it.

import type { Random } from '../base/random.ts';
import { type Result, err } from '../base/result.ts';
import type { Secret } from '../base/secret.ts';
import {
  allNodes,
  whyBusy,
  makeCluster,
  masterOf,
  migrationOfShard,
  nextVersion,
  parseClusterVersion,
  shardAt,
  withShard,
} from './cluster.ts';
import { makeShardNodes } from './create-cluster.ts';
import type { TopologyError } from './errors.ts';
import { type NewNode, makeNode } from './node.ts';
import { NO_SLOTS, countSlots } from './slot.ts';
import type { Cluster, Drain, Node, NodeAddress, NodeId, NodeRole, Shard } from './types.ts';

export interface ShardPlan {
  /** The first becomes the master. */
  readonly addresses: readonly NodeAddress[];
  readonly password: Secret;
  readonly random: Random;
  /** Seconds since the Unix epoch. */
  readonly nowSeconds: number;
}

/** Appends a shard without slots. */
export function addShard(cluster: Cluster, plan: ShardPlan): Result<Cluster, TopologyError> {
  if (plan.addresses.length === 0) {
    return err({
      kind: 'invalidCount',
      field: 'nodes',
      count: 0,
      why: 'are too few, at least one is needed',
    });
  }
  const shard: Shard = {
    id: cluster.nextShardId,
    nodes: makeShardNodes(plan.addresses, plan),
    slots: NO_SLOTS,
    migration: null,
    drain: null,
  };
  return nextVersion(cluster, [...cluster.shards, shard], cluster.nextShardId + 1);
}

/** Removes a shard that owns no slots. Indexes of the shards behind it go down by one; ids stay. */
export function removeShard(cluster: Cluster, shardIndex: number): Result<Cluster, TopologyError> {
  const shard = shardAt(cluster, shardIndex);
  if (!shard.ok) return shard;
  const running = whyBusy(cluster, [shard.value]);
  if (running !== null) return err(running);
  const slotCount = countSlots(shard.value.slots);
  if (slotCount > 0) return err({ kind: 'shardOwnsSlots', shardIndex, slotCount });
  if (cluster.shards.length === 1) return err({ kind: 'lastShard' });
  return nextVersion(
    cluster,
    cluster.shards.filter((other) => other.id !== shard.value.id),
  );
}

/** Adds a replica. A second master is refused: a shard has one already. */
export function addNode(
  cluster: Cluster,
  shardIndex: number,
  fresh: NewNode & { readonly role: NodeRole },
): Result<Cluster, TopologyError> {
  const shard = shardAt(cluster, shardIndex);
  if (!shard.ok) return shard;
  const running = whyBusy(cluster, [shard.value]);
  if (running !== null) return err(running);
  const { role, ...node } = fresh;
  if (role === 'master') return err({ kind: 'masterExists', shardIndex, id: masterOf(shard.value).id });
  if (allNodes(cluster).some((place) => place.node.address === node.address)) {
    return err({ kind: 'duplicateAddress', address: node.address });
  }
  const nodes = [...shard.value.nodes, makeNode(node, role)];
  return nextVersion(cluster, withShard(cluster.shards, { ...shard.value, nodes }));
}

/** Removes a replica. The node itself is not told: it stays as it is (facts section 2.4). */
export function removeNode(cluster: Cluster, shardIndex: number, id: NodeId): Result<Cluster, TopologyError> {
  const found = nodeIn(cluster, shardIndex, id);
  if (!found.ok) return found;
  const { shard, node } = found.value;
  const running = whyBusy(cluster, [shard]);
  if (running !== null) return err(running);
  if (node.role === 'master') return err({ kind: 'masterRemoval', id });
  const nodes = shard.nodes.filter((other) => other.id !== id);
  return nextVersion(cluster, withShard(cluster.shards, { ...shard, nodes }));
}

/**
 * Records that a node is at another address. A master with replicas is refused: until they hear of it they follow the old address, and what
 * follows another address than its master's is no copy.
 */
export function moveNode(
  cluster: Cluster,
  shardIndex: number,
  { id, address }: Pick<Node, 'id' | 'address'>,
): Result<Cluster, TopologyError> {
  const found = nodeIn(cluster, shardIndex, id);
  if (!found.ok) return found;
  const { shard, node } = found.value;
  const running = whyBusy(cluster, [shard]);
  if (running !== null) return err(running);
  if (node.role === 'master' && shard.nodes.length > 1) return err({ kind: 'masterMove', id });
  if (allNodes(cluster).some((place) => place.node.address === address)) {
    return err({ kind: 'duplicateAddress', address });
  }
  const nodes = shard.nodes.map((other) => (other.id === id ? { ...other, address } : other));
  return nextVersion(cluster, withShard(cluster.shards, { ...shard, nodes }));
}

/**
 * Makes the replica `id` the master of its shard and the old master a replica. Possible while *other* shards migrate; a
 * started migration of this shard must be ended or finished first (in the same commit if need be), so that no slot is left between two
 * nodes. A planned one goes on with the new master. A drain of the shard is over with it, wherever it was to lead.
 */
export function promote(cluster: Cluster, shardIndex: number, id: NodeId): Result<Cluster, TopologyError> {
  const found = nodeIn(cluster, shardIndex, id);
  if (!found.ok) return found;
  const { shard, node } = found.value;
  if (node.role === 'master') return err({ kind: 'alreadyMaster', id });
  const isStarted = migrationOfShard(cluster, shard.id)?.migration.stage.kind === 'started';
  const running = isStarted ? whyBusy(cluster, [shard]) : null;
  if (running !== null) return err(running);
  const nodes = shard.nodes.map((other): Node => ({
    ...other,
    role: other.id === id ? 'master' : 'replica',
  }));
  return nextVersion(cluster, withShard(cluster.shards, { ...shard, nodes, drain: null }));
}

/** Begins a planned change of masters: from the next version on the master turns its clients away to the replica `id`. */
export function startDrain(cluster: Cluster, shardIndex: number, id: NodeId): Result<Cluster, TopologyError> {
  const found = nodeIn(cluster, shardIndex, id);
  if (!found.ok) return found;
  const { shard, node } = found.value;
  if (node.role === 'master') return err({ kind: 'alreadyMaster', id });
  const isMoving = migrationOfShard(cluster, shard.id)?.migration.stage.kind === 'started';
  const running = isMoving || shard.drain !== null ? whyBusy(cluster, [shard]) : null;
  if (running !== null) return err(running);
  const version = parseClusterVersion(cluster.version + 1);
  if (!version.ok) return version;
  const drain: Drain = { to: id, version: version.value };
  return nextVersion(cluster, withShard(cluster.shards, { ...shard, drain }));
}

/** Gives a planned change of masters up: from the next version on the master serves its slots again. */
export function undoDrain(cluster: Cluster, shardIndex: number): Result<Cluster, TopologyError> {
  const shard = shardAt(cluster, shardIndex);
  if (!shard.ok) return shard;
  if (shard.value.drain === null) return err({ kind: 'noDrain', shardIndex });
  return nextVersion(cluster, withShard(cluster.shards, { ...shard.value, drain: null }));
}

/** Stores the password by which the nodes named in `ids` are reached from now on. The version stays: no node has to be told. */
export function withPassword(
  cluster: Cluster,
  ids: ReadonlySet<NodeId>,
  password: Secret,
): Result<Cluster, TopologyError> {
  const shards = cluster.shards.map((shard) => ({
    ...shard,
    nodes: shard.nodes.map((node) => (ids.has(node.id) ? { ...node, password } : node)),
  }));
  return makeCluster({ ...cluster, shards });
}

function nodeIn(
  cluster: Cluster,
  shardIndex: number,
  id: NodeId,
): Result<{ readonly shard: Shard; readonly node: Node }, TopologyError> {
  const shard = shardAt(cluster, shardIndex);
  if (!shard.ok) return shard;
  const node = shard.value.nodes.find((candidate) => candidate.id === id);
  if (node === undefined) return err({ kind: 'unknownNode', id });
  return { ok: true, value: { shard: shard.value, node } };
}
