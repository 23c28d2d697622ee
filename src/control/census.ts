// The nodes of one cluster as they count toward a mass failure.

import { allNodes } from '../topology/cluster.ts';
import { nodePolicy, wishAt } from '../topology/policy.ts';
import type { Census, Circumstances } from './sight.ts';

/** Nobody expects nodes in maintenance to be there, nor such that nobody has ever seen; and a stranger shows that the network is well. */
export function censusOf({
  cluster,
  facts,
  memory,
  policy,
  nowSeconds,
}: Pick<Circumstances, 'cluster' | 'facts' | 'memory' | 'policy' | 'nowSeconds'>): Census {
  const { nodes } = memory;
  const expected = allNodes(cluster).filter(({ node: { id } }) => {
    const wasSeen = (nodes.get(id)?.look ?? null) !== null || (facts.nodes.get(id)?.seenAtSeconds ?? 0) > 0;
    return wasSeen && wishAt(nodePolicy(policy.cluster, id).maintenance, nowSeconds) === null;
  });
  const missed = expected.filter(({ node: { id } }) => {
    const absence = nodes.get(id)?.absence ?? null;
    return absence !== null && absence.kind !== 'stranger';
  });
  return { nodes: expected.length, missed: missed.length };
}
