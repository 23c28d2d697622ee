// The text of CLUSTER NODES for any cluster.

import { masterOf } from '../../../src/topology/cluster.ts';
import { addressParts } from '../../../src/topology/node.ts';
import { printSlotSet } from '../../../src/topology/slot.ts';
import type { Cluster } from '../../../src/topology/types.ts';

/** What a node of `cluster` would answer to CLUSTER NODES (facts section 2.4), lines in the order of `order`, none of them its own. */
export function nodesText(cluster: Cluster, order: readonly number[] = []): string {
  const lines = cluster.shards.flatMap((shard) =>
    shard.nodes.map((node) => {
      const { host, port } = addressParts(node.address);
      const role = node.role === 'master' ? 'master -' : `slave ${masterOf(shard).id}`;
      const slots = node.role === 'master' ? printSlotSet(shard.slots) : [];
      return [
        node.id,
        `${host}:${port}@${port + 10_000}`,
        role,
        '1',
        '2',
        cluster.version,
        'connected',
        ...slots,
      ].join(' ');
    }),
  );
  const key = (index: number): number => order[index % Math.max(1, order.length)] ?? 0;
  return `${lines
    .map((line, index) => ({ line, index }))
    .toSorted((left, right) => key(left.index) - key(right.index))
    .map(({ line }) => line)
    .join('\n')}\n`;
}
