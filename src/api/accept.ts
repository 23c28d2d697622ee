// Every node of an observed cluster is asked what it holds, before the cluster is accepted.

import { judgeAcceptance, type AcceptanceVerdict, type NodeWord } from '../control/acceptance.ts';
import { ADOPTED_VERSION_MAX } from '../control/target.ts';
import { parseClusterNodes } from '../topology/cluster-nodes-text.ts';
import { nodesOf } from '../topology/cluster.ts';
import type { Cluster, Node, NodeId } from '../topology/types.ts';
import { nodeRefusal } from './admission/refusals.ts';
import { askAll } from './ask-nodes.ts';
import type { ApiDependencies } from './dependencies.ts';
import type { NodeInspector } from './ports.ts';

/** Milliseconds for all nodes: a thousand that answer are read in a part of it. */
const READING_DEADLINE_MS = 30_000;

/** What the nodes say, against what is recorded. One that does not answer in time says nothing. */
export async function readForAcceptance(
  { inspector, clock }: Pick<ApiDependencies, 'inspector' | 'clock'>,
  cluster: Cluster,
  abandoned: AbortSignal,
): Promise<AcceptanceVerdict> {
  const nodes = nodesOf(cluster);
  const words = await askAll(nodes, (node) => wordOf(inspector, node), {
    clock,
    abandoned,
    deadlineMs: READING_DEADLINE_MS,
  });
  const heard = new Map<NodeId, NodeWord>();
  for (const [index, { id }] of nodes.entries()) {
    const word = words[index];
    if (word !== null && word !== undefined) heard.set(id, word);
  }
  return judgeAcceptance(cluster, heard);
}

async function wordOf(inspector: NodeInspector, { address, password }: Node): Promise<NodeWord> {
  const endpoint = { address, password };
  const inspection = await inspector.inspect(endpoint);
  if (!inspection.ok) return { kind: 'failed', why: nodeRefusal(address, inspection.error).message };
  const { id, version } = inspection.value;
  if (version < 0) return { kind: 'told', id, version, lines: [] };
  if (version > ADOPTED_VERSION_MAX)
    return { kind: 'failed', why: `it has version ${version}, above which no topology could be told` };
  const text = await inspector.clusterNodes(endpoint);
  if (!text.ok) return { kind: 'failed', why: nodeRefusal(address, text.error).message };
  const lines = parseClusterNodes(text.value);
  return lines.ok
    ? { kind: 'told', id, version, lines: lines.value }
    : { kind: 'failed', why: 'it holds a topology that makes no sense' };
}
