// An existing cluster as its nodes tell it: any seed that answers, checked against every other node.

import type { Secret } from '../base/secret.ts';
import { clusterFromNodes, parseClusterNodes } from '../topology/cluster-nodes-text.ts';
import { allNodes } from '../topology/cluster.ts';
import { describe } from '../topology/errors.ts';
import { setNodesText } from '../topology/setnodes-text.ts';
import type { Cluster, Name, NodeAddress } from '../topology/types.ts';
import { ApiError, badRequest } from './errors.ts';
import { nodeRefusal } from './node-checks.ts';
import type { NodeInspector } from './ports.ts';

export interface ImportRequest {
  readonly inspector: NodeInspector;
  readonly name: Name;
  readonly seeds: readonly NodeAddress[];
  readonly password: Secret;
  /** Seconds since the Unix epoch. */
  readonly nowSeconds: number;
}

/**
 * Reads the topology from the first seed that answers and asks every node in it, and every other seed, for theirs. All
 * that answer must tell the same cluster at the same version; one that does not answer is taken on the others' word.
 * Throws `ApiError` with the difference otherwise.
 */
export async function importCluster(request: ImportRequest): Promise<Cluster> {
  const { cluster, seed } = await readFirstSeed(request);
  const members = allNodes(cluster).map(({ node }) => node.address);
  for (const address of request.seeds) {
    if (!members.includes(address)) {
      throw badRequest(`nodes: ${address} is not in the cluster that ${seed} describes`);
    }
  }
  const expected = setNodesText(cluster);
  const others = members.filter((address) => address !== seed);
  const differences = await Promise.all(
    others.map((address) => differenceAt(request, address, { cluster, expected, seed })),
  );
  const difference = differences.find((candidate) => candidate !== null);
  if (difference !== undefined && difference !== null) throw difference;
  return cluster;
}

async function readFirstSeed(request: ImportRequest): Promise<{ cluster: Cluster; seed: NodeAddress }> {
  let refusal: ApiError | null = null;
  for (const seed of request.seeds) {
    const reading = await readTopology(request, seed);
    if (reading instanceof ApiError) refusal ??= reading;
    else return { cluster: reading, seed };
  }
  throw refusal ?? badRequest('nodes: expected at least one "host:port"');
}

async function readTopology(request: ImportRequest, address: NodeAddress): Promise<Cluster | ApiError> {
  const inspection = await request.inspector.inspect(address, request.password);
  if (!inspection.ok) return nodeRefusal(address, inspection.error);
  if (inspection.value.version < 0) {
    return badRequest(`node ${address} has no cluster topology to import; create a cluster instead`);
  }
  const text = await request.inspector.clusterNodes(address, request.password);
  if (!text.ok) return nodeRefusal(address, text.error);
  const lines = parseClusterNodes(text.value);
  if (!lines.ok) return badRequest(`node ${address}: ${describe(lines.error)}`);
  const { name, password, nowSeconds } = request;
  const cluster = clusterFromNodes(lines.value, { name, password, nowSeconds });
  return cluster.ok ? cluster.value : badRequest(`node ${address}: ${describe(cluster.error)}`);
}

async function differenceAt(
  request: ImportRequest,
  address: NodeAddress,
  from: { readonly cluster: Cluster; readonly expected: string; readonly seed: NodeAddress },
): Promise<ApiError | null> {
  const reading = await readTopology(request, address);
  // A node that does not answer cannot contradict; the supervisor will find it down and say so.
  if (reading instanceof ApiError) return reading.code === 'nodeUnreachable' ? null : reading;
  if (reading.version === from.cluster.version && setNodesText(reading) === from.expected) return null;
  return new ApiError(
    'conflict',
    `nodes ${from.seed} (version ${from.cluster.version}) and ${address} (version ${reading.version}) describe different ` +
      'topologies; bring them to one topology with CLUSTERX SETNODES first',
  );
}
