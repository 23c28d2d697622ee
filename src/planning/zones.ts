// In which zone the nodes of a cluster stand, and who may take over where.

import { allNodes, replicasOf } from '../topology/cluster.ts';
import { type ClusterPolicy, nodePolicy, wishAt } from '../topology/policy.ts';
import type { Cluster, Node, NodeId, Shard } from '../topology/types.ts';

/** A cluster with what people said of its nodes, at a time in seconds since the Unix epoch. */
export interface Placement {
  readonly cluster: Cluster;
  readonly policy: ClusterPolicy;
  readonly nowSeconds: number;
}

/** Empty where nobody said. */
export function zoneOf({ policy }: Placement, id: NodeId): string {
  return nodePolicy(policy, id).zone;
}

/** The zones in which the cluster has nodes, sorted. */
export function zonesOf(placement: Placement): readonly string[] {
  const zones = new Set(allNodes(placement.cluster).map(({ node }) => zoneOf(placement, node.id)));
  zones.delete('');
  return [...zones].toSorted();
}

/**
 * The replica of each zone that people would have take over there: of those with a failover priority above 0 that nobody works on the one with the
 * highest, then the first. Whether its copy is good enough is seen when it comes to that.
 */
export function successorsByZone(placement: Placement, shard: Shard): ReadonlyMap<string, Node> {
  const { policy, nowSeconds } = placement;
  const priority = (node: Node): number => nodePolicy(policy, node.id).failoverPriority;
  const willing = replicasOf(shard)
    .filter(({ id }) => wishAt(nodePolicy(policy, id).maintenance, nowSeconds) === null)
    .filter((node) => priority(node) > 0)
    .toSorted((left, right) => priority(right) - priority(left));
  const successors = new Map<string, Node>();
  for (const node of willing) {
    const zone = zoneOf(placement, node.id);
    if (zone !== '' && !successors.has(zone)) successors.set(zone, node);
  }
  return successors;
}
