// Domain values as the documented JSON. Passwords never get out.

import { printRole } from '../topology/node.ts';
import { printSlotRange, printSlotSet } from '../topology/slot.ts';
import type { Cluster, Node, Shard } from '../topology/types.ts';

/** A node as the API shows it; `password` and `master_auth` are always empty strings. */
export interface NodeBody {
  readonly id: string;
  readonly addr: string;
  readonly role: 'master' | 'slave';
  readonly password: '';
  readonly master_auth: '';
  readonly created_at: number;
}

/** `migrating_slot` and `import_slot`: -1 idle, the slot while one moves, text such as "5-9" while a range moves. */
export interface ShardBody {
  readonly nodes: readonly NodeBody[];
  readonly slot_ranges: readonly string[] | null;
  readonly target_shard_index: number;
  readonly migrating_slot: number | string;
  readonly import_slot: number | string;
}

export interface ClusterBody {
  readonly name: string;
  readonly version: number;
  readonly shards: readonly ShardBody[];
}

const IDLE = -1;

export function renderNode(node: Node): NodeBody {
  return {
    id: node.id,
    addr: node.address,
    role: printRole(node.role),
    password: '',
    master_auth: '',
    created_at: node.createdAtSeconds,
  };
}

export function renderShard(cluster: Cluster, shard: Shard): ShardBody {
  const incoming = cluster.shards.find((other) => other.migration?.target === shard.id);
  const { migration } = shard;
  return {
    nodes: shard.nodes.map((node) => renderNode(node)),
    slot_ranges: shard.slots.length === 0 ? null : printSlotSet(shard.slots),
    target_shard_index:
      migration === null ? IDLE : cluster.shards.findIndex((other) => other.id === migration.target),
    migrating_slot: renderMoving(shard),
    import_slot: incoming === undefined ? IDLE : renderMoving(incoming),
  };
}

export function renderCluster(cluster: Cluster): ClusterBody {
  return {
    name: cluster.name,
    version: cluster.version,
    shards: cluster.shards.map((shard) => renderShard(cluster, shard)),
  };
}

function renderMoving(source: Shard): number | string {
  const { migration } = source;
  if (migration === null) return IDLE;
  const { start, stop } = migration.range;
  return start === stop ? start : printSlotRange(migration.range);
}
