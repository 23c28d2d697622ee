// The text of CLUSTERX SETNODES: a whole cluster as one node is told it.

import { masterOf, replicasOf } from './cluster.ts';
import { printAddressForSetNodes } from './node.ts';
import { printSlotSet } from './slot.ts';
import type { Cluster } from './types.ts';

/**
 * One line a node, joined by newlines: `<id> <host> <port> master - [slots]` and `<id> <host> <port> slave <master id>` (facts
 * sections 2.3, 2.4). Every owned slot is in it, because a slot left out keeps its old owner. One cluster has one text: shards in their
 * order, the master before its replicas.
 */
export function setNodesText(cluster: Cluster): string {
  return cluster.shards
    .flatMap((shard) => {
      const master = masterOf(shard);
      const masterLine = [
        master.id,
        printAddressForSetNodes(master.address),
        'master',
        '-',
        ...printSlotSet(shard.slots),
      ];
      const replicaLines = replicasOf(shard).map((node) => [
        node.id,
        printAddressForSetNodes(node.address),
        'slave',
        master.id,
      ]);
      return [masterLine, ...replicaLines].map((fields) => fields.join(' '));
    })
    .join('\n');
}
