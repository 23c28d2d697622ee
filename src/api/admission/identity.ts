// One process is one node: whatever it is called, it is taken once.

import type { Newcomer } from '../../control/joining.ts';
import type { NodeEndpoint } from '../../control/node-commands.ts';
import { allNodes } from '../../topology/cluster.ts';
import type { Cluster, NodeAddress } from '../../topology/types.ts';
import { ApiError, badRequest } from '../errors.ts';
import type { Clusters, GroupView, NodeInspector } from '../ports.ts';
import { nodeRefusal } from './refusals.ts';

/**
 * Seconds after which a node was certainly told its id, or is not going to be told soon. A wrong clock only makes this comparison wider
 * or narrower; nothing else is decided by it.
 */
const UNTOLD_SECONDS_MAX = 30;

/** Throws 409 for an address some cluster already has, of a node or of a spare; local and immediate. */
export function checkUnclaimed(clusters: Clusters, addresses: readonly NodeAddress[]): void {
  for (const address of addresses) {
    const owner = clusters.ownerOf(address);
    if (owner === null) continue;
    const record = clusters.getCluster(owner.namespace, owner.cluster);
    const isMember = record === null || allNodes(record.cluster).some(({ node }) => node.address === address);
    const whose = `cluster ${owner.cluster} of namespace ${owner.namespace}`;
    throw new ApiError(
      'exists',
      isMember
        ? `the entry already existed: ${address} belongs to ${whose}`
        : `the entry already existed: ${address} is a spare of ${whose}; take it off that list first (PUT .../spares)`,
    );
  }
}

/** Throws 400 for the recorded address of a controller; local and immediate. */
export function checkNoController(group: GroupView, addresses: readonly NodeAddress[]): void {
  const controllers = new Map(group.members().members.map(({ id, address }) => [address, id]));
  for (const address of addresses) {
    const id = controllers.get(address);
    if (id === undefined) continue;
    throw badRequest(`${address} is member ${id} of this group of controllers, not a Kvrocks node`);
  }
}

/**
 * The nodes that a newcomer may turn out to be under another name: those of the cluster it joins, and those that were taken so recently
 * that they need not have heard of their id yet. All others would show it. Kept in the records rather than by the process that took them, so
 * that a change of the leader loses nothing.
 */
export function knownNodes(
  clusters: Clusters,
  joined: Cluster | null,
  nowSeconds: number,
): readonly NodeEndpoint[] {
  const recent = clusters
    .allClusters()
    .flatMap(({ cluster }) => allNodes(cluster).map(({ node }) => node))
    .filter(({ createdAtSeconds }) => createdAtSeconds >= nowSeconds - UNTOLD_SECONDS_MAX);
  const members = joined === null ? [] : allNodes(joined).map(({ node }) => node);
  return [...new Map([...recent, ...members].map((node) => [node.address, node])).values()];
}

/** Throws 409 when two of the newcomers, or one and a node that was taken before, are one process; 502 when one cannot be told apart. */
export async function checkOneProcessEach(
  inspector: NodeInspector,
  newcomers: readonly NodeEndpoint[],
  known: readonly NodeEndpoint[],
): Promise<void> {
  if (newcomers.length === 0 || newcomers.length + known.length < 2) return;
  const { groups, failures } = await inspector.sameProcess([...newcomers, ...known]);
  const asked = new Set(newcomers.map(({ address }) => address));
  for (const group of groups) {
    const first = group.find((address) => asked.has(address));
    const other = group.find((address) => address !== first);
    if (first === undefined || other === undefined) continue;
    throw new ApiError(
      'conflict',
      `${first} and ${other} are two names of one server process; one process is one node, name each node once`,
    );
  }
  for (const address of asked) {
    const failure = failures.get(address);
    if (failure !== undefined) throw nodeRefusal(address, failure);
  }
}

/** Throws 409 when a newcomer has the id of a node that the cluster has under another address. */
export function checkUnknownIds(newcomers: readonly Newcomer[], joined: Cluster): void {
  const members = new Map(allNodes(joined).map(({ node }) => [node.id, node.address]));
  for (const { id, version, address } of newcomers) {
    const other = id === null || version < 0 ? undefined : members.get(id);
    if (other === undefined) continue;
    throw new ApiError(
      'conflict',
      `node ${address} says that it is ${id}, which this cluster has at ${other}; one process is one node, remove it there first if it has moved`,
    );
  }
}
