// Whether a cluster that was only observed can be managed as it is recorded: what its nodes say now against that.

import type { NodesLine } from '../topology/cluster-nodes-text.ts';
import { allNodes } from '../topology/cluster.ts';
import { differencesFrom, differenceText } from '../topology/compare.ts';
import type { Cluster, Node, NodeId } from '../topology/types.ts';

/** What one node says of itself and of the whole topology; or why it says nothing. */
export type NodeWord =
  | {
      readonly kind: 'told';
      readonly id: NodeId | null;
      readonly version: number;
      readonly lines: readonly NodesLine[];
    }
  | { readonly kind: 'failed'; readonly why: string };

export interface AcceptanceVerdict {
  /** The highest version of all; 0 when none has one. */
  readonly highestVersion: number;
  /** What is against it, as sentences; nothing has to be lost by it where there is none. */
  readonly objections: readonly string[];
}

/**
 * A topology that is older than ours, or the same, is what the nodes are brought to ours from. Whoever heard of a later one, which this group does
 * not know, must hold the same in it: master and slots may have changed hands, and what is recorded would have the newer data replaced by older.
 */
export function judgeAcceptance(cluster: Cluster, words: ReadonlyMap<NodeId, NodeWord>): AcceptanceVerdict {
  let highestVersion = 0;
  const objections: string[] = [];
  for (const { node } of allNodes(cluster)) {
    const word = words.get(node.id) ?? { kind: 'failed', why: 'it was not asked' };
    if (word.kind === 'told') highestVersion = Math.max(highestVersion, word.version);
    const objection = objectionOf(cluster, node, word);
    if (objection !== null) objections.push(`${node.address}: ${objection}`);
  }
  return { highestVersion, objections };
}

function objectionOf(cluster: Cluster, node: Node, word: NodeWord): string | null {
  if (word.kind === 'failed') return word.why;
  if (word.version < 0) return 'it has no topology';
  if (word.id !== node.id) return `it calls itself ${word.id ?? 'nothing'} instead of ${node.id}`;
  if (word.version < cluster.version) return null;
  const differences = differencesFrom(cluster, word.lines);
  return differences.length === 0 ? null : `it has version ${word.version}, ${differenceText(differences)}`;
}
