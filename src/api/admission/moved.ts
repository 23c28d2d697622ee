// A node that has another address from now on: proven to be the same one before its record is changed.

import type { Node, NodeAddress } from '../../topology/types.ts';
import { ApiError } from '../errors.ts';
import type { Clusters, GroupView, NodeInspector } from '../ports.ts';
import { checkNoController, checkUnclaimed } from './identity.ts';
import { nodeRefusal } from './refusals.ts';

export interface Move {
  readonly node: Node;
  readonly address: NodeAddress;
}

/**
 * Throws unless `node` answers at `address` with the id it is recorded with, and with a topology, which it keeps in its data directory; and unless
 * nobody else says so of itself at the old address: two processes on copies of one data directory are not one node.
 */
export async function checkMoved(
  { clusters, group, inspector }: Ports,
  { node, address }: Move,
): Promise<void> {
  checkUnclaimed(clusters, [address]);
  checkNoController(group, [address]);
  const found = await inspector.inspect({ address, password: node.password });
  if (!found.ok) throw nodeRefusal(address, found.error);
  const { id, version } = found.value;
  if (id !== node.id || version < 0) {
    const who = id === null || version < 0 ? 'has no topology' : `is node ${id}`;
    throw new ApiError(
      'conflict',
      `addr: what answers at ${address} ${who}, and ${node.id} was to be there: a node keeps its id in its data directory; one without it has to be removed and added again`,
    );
  }
  const old = await inspector.inspect(node);
  if (!old.ok || old.value.id !== node.id) return;
  const { groups } = await inspector.sameProcess([node, { address, password: node.password }]);
  if (groups.some((addresses) => addresses.includes(address) && addresses.includes(node.address))) return;
  throw new ApiError(
    'conflict',
    `addr: ${node.address} and ${address} both say that they are ${node.id}, and are two processes: stop the one that is not to be used`,
  );
}

interface Ports {
  readonly clusters: Clusters;
  readonly group: GroupView;
  readonly inspector: NodeInspector;
}
