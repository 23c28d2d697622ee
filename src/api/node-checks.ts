// Nodes are asked before they are taken: a wrong address found now is not an outage later.

import type { Context } from 'hono';

import { unreachable } from '../base/assert.ts';
import type { Secret } from '../base/secret.ts';
import type { NodeError } from '../control/observation.ts';
import { parseClusterNodes } from '../topology/cluster-nodes-text.ts';
import type { Cluster, NodeAddress, NodeId } from '../topology/types.ts';
import { ApiError } from './errors.ts';
import type { Clusters, NodeInspection, NodeInspector } from './ports.ts';

/** Nodes asked at once, at most. */
const CONCURRENCY_MAX = 64;

export interface NodeCheck {
  readonly inspector: NodeInspector;
  readonly clusters: Clusters;
  readonly addresses: readonly NodeAddress[];
  readonly password: Secret;
}

/** True when the client takes the responsibility itself (contract, *Answers*). */
export function skipsChecks(context: Context): boolean {
  return context.req.header('X-Dont-Check-Cluster-Mode')?.toLowerCase() === 'yes';
}

/** Throws 409 for an address some cluster already has; local and immediate. */
export function checkUnclaimed(clusters: Clusters, addresses: readonly NodeAddress[]): void {
  for (const address of addresses) {
    const owner = clusters.ownerOf(address);
    if (owner !== null) {
      throw new ApiError(
        'exists',
        `the entry already existed: ${address} belongs to cluster ${owner.cluster} of namespace ${owner.namespace}`,
      );
    }
  }
}

/** Throws for the first node (in the order given) that cannot be taken, saying which and why. */
export async function checkNodes(check: NodeCheck): Promise<void> {
  for (let first = 0; first < check.addresses.length; first += CONCURRENCY_MAX) {
    const batch = check.addresses.slice(first, first + CONCURRENCY_MAX);
    const refusals = await Promise.all(batch.map((address) => checkNode(check, address)));
    const refusal = refusals.find((candidate) => candidate !== null);
    if (refusal !== undefined && refusal !== null) throw refusal;
  }
}

async function checkNode(check: NodeCheck, address: NodeAddress): Promise<ApiError | null> {
  const inspection = await check.inspector.inspect(address, check.password);
  if (!inspection.ok) return nodeRefusal(address, inspection.error);
  return inspection.value.version < 0 ? null : inUse(address, inspection.value);
}

/**
 * Checks one node that is to join `cluster`. A node that was removed from it may come back: its own id is returned, because the
 * supervisor leaves nodes alone that have a topology and another id than the one recorded. Null for a node without a topology.
 */
export async function checkJoiningNode(
  check: Omit<NodeCheck, 'addresses'>,
  address: NodeAddress,
  cluster: Cluster,
): Promise<NodeId | null> {
  const inspection = await check.inspector.inspect(address, check.password);
  if (!inspection.ok) throw nodeRefusal(address, inspection.error);
  const { id, version } = inspection.value;
  if (version < 0) return null;
  if (id !== null && (await knowsCluster(check, address, cluster))) return id;
  throw inUse(address, inspection.value);
}

function inUse(address: NodeAddress, { version }: NodeInspection): ApiError {
  return new ApiError(
    'conflict',
    `node ${address} already has a cluster topology (version ${version}); ` +
      'import that cluster, or empty the node and run CLUSTER RESET on it',
  );
}

/** Whether the node's own topology names a member of `cluster`: it was removed from it and comes back. */
async function knowsCluster(
  check: Omit<NodeCheck, 'addresses'>,
  address: NodeAddress,
  cluster: Cluster,
): Promise<boolean> {
  const text = await check.inspector.clusterNodes(address, check.password);
  if (!text.ok) return false;
  const parsed = parseClusterNodes(text.value);
  if (!parsed.ok) return false;
  const members = new Set<string>(cluster.shards.flatMap((shard) => shard.nodes.map((node) => node.id)));
  return parsed.value.some((node) => members.has(node.id));
}

/** What a failed question says about the node, as an answer. */
export function nodeRefusal(address: NodeAddress, error: NodeError): ApiError {
  switch (error.kind) {
    case 'ownFault':
    case 'connectionRefused':
    case 'unreachable':
    case 'connectionLost':
      return new ApiError('nodeUnreachable', `node ${address} cannot be reached: ${error.message}`);
    case 'timedOut':
      return new ApiError('nodeUnreachable', `node ${address} does not answer: ${error.message}`);
    case 'passwordRequired':
    case 'wrongPassword':
    case 'passwordNotSet':
      return new ApiError('badRequest', `password: node ${address} refuses it: ${error.message}`);
    case 'clusterDisabled':
      return new ApiError(
        'badRequest',
        `node ${address} is not in cluster mode, start it with "cluster-enabled yes"`,
      );
    case 'notKvrocks':
      return new ApiError('badRequest', `node ${address} is not a Kvrocks server: ${error.message}`);
    case 'tooManyClients':
    case 'fragile':
    case 'loading':
    case 'masterDown':
      return new ApiError('nodeUnreachable', `node ${address} is not ready yet: ${error.message}`);
    case 'notInitialized':
    case 'invalidVersion':
    case 'migrationRunning':
    case 'alreadyMigrated':
    case 'refused':
    case 'malformedReply':
      return new ApiError('nodeUnreachable', `node ${address} gave an unexpected answer: ${error.message}`);
    default:
      return unreachable(error.kind);
  }
}
