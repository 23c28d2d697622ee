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
  return textOf(cluster, {});
}

/**
 * The same for the eyes of one node alone, which is in it as a master without slots: it stops following and turns all clients away to the
 * masters (facts section 13.2). Not for the master of a shard with slots.
 */
export function isolationText(cluster: Cluster, isolated: NodeId): string {
  return textOf(cluster, { isolated });
}

/**
 * The same for the eyes of a master alone whose shard is drained: its slots are shown at the replica that is to take over. It turns all clients
 * away to that one and goes on as the source of its replicas (facts section 10). Without a drain the plain text.
 */
export function drainText(cluster: Cluster, drained: NodeId): string {
  return textOf(cluster, { drained });
}

/**
 * The same for the eyes of a node that has left the cluster: it is in it as a master without slots. Left out of the text it would go on
 * following whom it follows (facts section 2.4).
 */
export function departureText(cluster: Cluster, departed: Pick<Node, 'id' | 'address'>): string {
  return `${textOf(cluster, {})}\n${masterFields(departed, []).join(' ')}`;
}

/** The node that is told something of its own, if any. */
interface Eyes {
  readonly isolated?: NodeId;
  readonly drained?: NodeId;
}

function textOf(cluster: Cluster, { isolated, drained }: Eyes): string {
  return cluster.shards
    .flatMap((shard) => {
      const master = masterOf(shard);
      const slots = printSlotSet(shard.slots);
      const successor = master.id === drained ? (shard.drain?.to ?? null) : null;
      const masterLine = masterFields(master, successor === null ? slots : []);
      const replicaLines = replicasOf(shard).map((node) =>
        node.id === isolated || node.id === successor
          ? masterFields(node, node.id === successor ? slots : [])
          : [node.id, printAddressForSetNodes(node.address), 'slave', master.id],
      );
      return [masterLine, ...replicaLines].map((fields) => fields.join(' '));
    })
    .join('\n');
}

function masterFields(node: Pick<Node, 'id' | 'address'>, slots: readonly string[]): readonly string[] {
  return [node.id, printAddressForSetNodes(node.address), 'master', '-', ...slots];
}
