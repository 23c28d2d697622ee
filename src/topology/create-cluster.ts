// A new cluster from a list of addresses.

import type { Random } from '../base/random.ts';
import { type Result, err } from '../base/result.ts';
import type { Secret } from '../base/secret.ts';
import { FIRST_SHARD_ID, FIRST_VERSION, makeCluster, shardIdAt } from './cluster.ts';
import type { TopologyError } from './errors.ts';
import { makeNode, newNodeId } from './node.ts';
import { slotSetOf, splitSlotsEvenly } from './slot.ts';
import { type Cluster, type Name, type Node, type NodeAddress, SLOT_COUNT, type Shard } from './types.ts';

export interface ClusterPlan {
  readonly name: Name;
  /** Consecutive groups of `replicas` nodes form the shards; the first of each group is its master. */
  readonly addresses: readonly NodeAddress[];
  /** Nodes a shard, *including* its master; 0 means 1 (contract, *Answers*). */
  readonly replicas: number;
  readonly password: Secret;
  readonly random: Random;
  /** Seconds since the Unix epoch. */
  readonly nowSeconds: number;
}

/** Nodes for `addresses`: new ids, the first a master, the others its replicas. */
export function makeShardNodes(
  addresses: readonly NodeAddress[],
  plan: Pick<ClusterPlan, 'password' | 'random' | 'nowSeconds'>,
): Node[] {
  const { password, random, nowSeconds } = plan;
  return addresses.map((address, index) =>
    makeNode(
      { id: newNodeId(random), address, password, createdAtSeconds: nowSeconds },
      index === 0 ? 'master' : 'replica',
    ),
  );
}

/** Version 1 of a cluster: shards of equal size, all slots split evenly among them, the remainder to the last. */
export function createCluster(plan: ClusterPlan): Result<Cluster, TopologyError> {
  const { addresses } = plan;
  if (!Number.isInteger(plan.replicas) || plan.replicas < 0) {
    return err({
      kind: 'invalidCount',
      field: 'replicas',
      count: plan.replicas,
      why: 'is not a number of nodes',
    });
  }
  const groupSize = Math.max(1, plan.replicas);
  if (addresses.length === 0)
    return err({
      kind: 'invalidCount',
      field: 'nodes',
      count: 0,
      why: 'are too few, at least one is needed',
    });
  if (addresses.length % groupSize !== 0) {
    return err({
      kind: 'invalidCount',
      field: 'nodes',
      count: addresses.length,
      why: `cannot be divided by replicas (${groupSize})`,
    });
  }
  const shardCount = addresses.length / groupSize;
  if (shardCount > SLOT_COUNT) {
    return err({
      kind: 'invalidCount',
      field: 'nodes',
      count: addresses.length,
      why: 'make more shards than there are slots',
    });
  }
  const shards: Shard[] = splitSlotsEvenly(shardCount).map((range, index) => ({
    id: shardIdAt(index),
    nodes: makeShardNodes(addresses.slice(index * groupSize, (index + 1) * groupSize), plan),
    slots: slotSetOf([range]),
    migration: null,
    drain: null,
  }));
  return makeCluster({
    name: plan.name,
    version: FIRST_VERSION,
    shards,
    nextShardId: FIRST_SHARD_ID + shardCount,
  });
}
