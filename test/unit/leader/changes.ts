// Changes that routes of the API make, for tests.

import { createSeededRandom } from '../../../src/base/random.ts';
import { Secret } from '../../../src/base/secret.ts';
import { addNode } from '../../../src/topology/change-nodes.ts';
import { makeNode, newNodeId } from '../../../src/topology/node.ts';
import type { Cluster, NodeAddress, NodeId } from '../../../src/topology/types.ts';

let seed = 1000;

/** The cluster with another replica in its first shard. */
export function addReplica(
  cluster: Cluster,
  address: NodeAddress,
): { readonly cluster: Cluster; readonly id: NodeId } {
  seed += 1;
  const id = newNodeId(createSeededRandom(seed));
  const node = makeNode({ id, address, password: Secret.none, createdAtSeconds: 1 }, 'replica');
  const next = addNode(cluster, 0, node);
  if (!next.ok) throw new Error(JSON.stringify(next.error));
  return { cluster: next.value, id };
}
