// An existing cluster as its nodes tell it: any seed that answers, checked against every other node.

import type { Clock } from '../../base/clock.ts';
import { err, type Result } from '../../base/result.ts';
import type { Secret } from '../../base/secret.ts';
import {
  clusterFromNodes,
  parseClusterNodes,
  topologyFingerprint,
} from '../../topology/cluster-nodes-text.ts';
import { allNodes } from '../../topology/cluster.ts';
import { describe } from '../../topology/errors.ts';
import { type ClusterFacts, initialFacts, withReadMasters } from '../../topology/facts.ts';
import { setNodesText } from '../../topology/setnodes-text.ts';
import type { Cluster, Name, Node, NodeAddress, NodeId } from '../../topology/types.ts';
import { askAll } from '../ask-nodes.ts';
import { ApiError, badRequest } from '../errors.ts';
import type { NodeInspection, NodeInspector } from '../ports.ts';
import { withHandOvers } from './hand-overs.ts';
import { type MemberReading, readMember } from './member.ts';

/** Milliseconds for the seeds, and again for all nodes: a thousand that answer are read in a part of it. */
const READING_DEADLINE_MS = 30_000;

export interface ImportRequest {
  readonly inspector: NodeInspector;
  readonly clock: Clock;
  /** Fires when the client has gone. */
  readonly abandoned: AbortSignal;
  readonly name: Name;
  readonly seeds: readonly NodeAddress[];
  readonly password: Secret;
  /** Seconds since the Unix epoch. */
  readonly nowSeconds: number;
}

/** A cluster as it is taken over, with what was seen of its nodes. */
export interface ImportedCluster {
  readonly cluster: Cluster;
  readonly facts: ClusterFacts;
}

/** The topology that one seed told, which all others have to confirm. */
interface Told {
  readonly seed: MemberReading;
  readonly cluster: Cluster;
  readonly fingerprint: string;
}

/**
 * Reads the topology from a seed that answers and asks every node in it for theirs. All that answer must tell the same cluster at the
 * same version, and be who that cluster says; one that does not answer is taken on the others' word. Throws `ApiError` with the difference
 * otherwise.
 */
export async function importCluster(request: ImportRequest): Promise<ImportedCluster> {
  const told = await readAnySeed(request);
  const members = allNodes(told.cluster).map(({ node }) => node);
  const addresses = new Set(members.map(({ address }) => address));
  for (const address of request.seeds) {
    if (!addresses.has(address))
      throw badRequest(`nodes: ${address} is not in the cluster that ${told.seed.address} describes`);
  }
  const inspections = await readMembers(request, told, members);
  const cluster = await withHandOvers(request.inspector, told.cluster, inspections);
  const sequences = new Map(
    [...inspections].flatMap(([id, { sequence }]) => (sequence === null ? [] : [[id, sequence] as const])),
  );
  const facts = withReadMasters(initialFacts(cluster), cluster.shards, sequences, request.nowSeconds);
  return { cluster, facts };
}

/** Asks the seeds side by side; the first in their order that answered is taken, or its refusal when none did. */
async function readAnySeed(request: ImportRequest): Promise<Told> {
  const { inspector, password, seeds } = request;
  const readings = await askAll(seeds, (address) => readMember(inspector, { address, password }), {
    ...request,
    deadlineMs: READING_DEADLINE_MS,
    isEnough: (reading) => reading.ok,
  });
  const answered = readings.find((reading) => reading?.ok === true);
  if (answered?.ok === true) return toldBy(answered.value, request);
  const refused = readings.find((reading) => reading?.ok === false);
  throw refused?.ok === false ? refused.error : badRequest('nodes: expected at least one "host:port"');
}

function toldBy(seed: MemberReading, request: ImportRequest): Told {
  const cluster = clusterOf(seed, request);
  if (!cluster.ok) throw cluster.error;
  return { seed, cluster: cluster.value, fingerprint: topologyFingerprint(seed.text) };
}

function clusterOf({ address, text }: MemberReading, plan: ImportRequest): Result<Cluster, ApiError> {
  const lines = parseClusterNodes(text);
  const cluster = lines.ok ? clusterFromNodes(lines.value, plan) : lines;
  return cluster.ok ? cluster : err(badRequest(`node ${address}: ${describe(cluster.error)}`));
}

/** What the nodes say of themselves, without those that did not answer. Throws the first difference. */
async function readMembers(
  request: ImportRequest,
  told: Told,
  members: readonly Node[],
): Promise<ReadonlyMap<NodeId, NodeInspection>> {
  const { inspector, password } = request;
  const readings = await askAll(
    members,
    async ({ address, id }) => {
      const reading =
        address === told.seed.address
          ? { ok: true as const, value: told.seed }
          : await readMember(inspector, { address, password });
      // A node that does not answer cannot contradict; the supervisor will find it down and say so.
      if (!reading.ok) return reading.error.code === 'nodeUnreachable' ? 'silent' : reading.error;
      return differenceAt(request, told, { reading: reading.value, id }) ?? reading.value.inspection;
    },
    { ...request, deadlineMs: READING_DEADLINE_MS, isEnough: (answer) => answer instanceof ApiError },
  );
  const inspections = new Map<NodeId, NodeInspection>();
  for (const [index, answer] of readings.entries()) {
    const node = members[index];
    if (answer instanceof ApiError) throw answer;
    if (node !== undefined && answer !== null && answer !== 'silent') inspections.set(node.id, answer);
  }
  if (readings.includes(null))
    throw new ApiError('nodeUnreachable', 'not all nodes could be asked in time, please retry');
  return inspections;
}

/** In what a node differs from what the seed told; null when in nothing. */
function differenceAt(
  request: ImportRequest,
  told: Told,
  { reading, id }: { readonly reading: MemberReading; readonly id: NodeId },
): ApiError | null {
  const { address, inspection, text } = reading;
  if (inspection.id !== null && inspection.id !== id)
    return new ApiError(
      'conflict',
      `node ${address} calls itself ${inspection.id}, but ${told.seed.address} says that ${id} is there; ` +
        'bring the right node to that address, or give this one its id with CLUSTERX SETNODEID',
    );
  if (topologyFingerprint(text) === told.fingerprint) return null;
  const own = clusterOf(reading, request);
  if (!own.ok) return own.error;
  const { version } = own.value;
  if (version === told.cluster.version && setNodesText(own.value) === setNodesText(told.cluster)) return null;
  return new ApiError(
    'conflict',
    `nodes ${told.seed.address} (version ${told.cluster.version}) and ${address} (version ${version}) describe different ` +
      'topologies; bring them to one topology with CLUSTERX SETNODES first',
  );
}
