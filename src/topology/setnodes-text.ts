// The text of CLUSTERX SETNODES: a whole cluster as one node is told it.

import { masterOf, replicasOf } from './cluster.ts';
import { printAddressForSetNodes } from './node.ts';
import { printSlotSet } from './slot.ts';
import type { Cluster, Node, NodeId } from './types.ts';

/**
 * One line a node, joined by newlines: `<id> <host> <port> master - [slots]` and `<id> <host> <port> slave <master id>` (facts
 * sections 2.3, 2.4). Every owned slot is in it, because a slot left out keeps its old owner. One cluster has one text: shards in their
 * order, the master before its replicas.
 */
export function setNodesText(cluster: Cluster): string {
  return textOf(cluster, null);
}

/**
 * The same for the eyes of one node alone, which is in it as a master without slots: it stops following and turns all clients away to the
 * masters (facts section 13.2). Not for the master of a shard with slots.
 */
export function isolationText(cluster: Cluster, isolated: NodeId): string {
  return textOf(cluster, isolated);
}

function textOf(cluster: Cluster, isolated: NodeId | null): string {
  return cluster.shards
    .flatMap((shard) => {
      const master = masterOf(shard);
      const masterLine = masterFields(master, printSlotSet(shard.slots));
      const replicaLines = replicasOf(shard).map((node) =>
        node.id === isolated
          ? masterFields(node, [])
          : [node.id, printAddressForSetNodes(node.address), 'slave', master.id],
      );
      return [masterLine, ...replicaLines].map((fields) => fields.join(' '));
    })
    .join('\n');
}

function masterFields(node: Node, slots: readonly string[]): readonly string[] {
  return [node.id, printAddressForSetNodes(node.address), 'master', '-', ...slots];
}
