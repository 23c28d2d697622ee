// Domain values as the documented JSON. Passwords never get out.

import type { HandPlan } from '../control/plan-by-hand.ts';
import { printRole } from '../topology/node.ts';
import { printSlotRange, printSlotSet } from '../topology/slot.ts';
import type { Cluster, Node, Shard, ShardId } from '../topology/types.ts';

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

/** What a failover would do, as `dry_run` answers it. Sequence numbers, about one a write; null where they are not known. */
export interface PlanBody {
  readonly kind: HandPlan['kind'];
  readonly new_master_id: string | null;
  readonly reason: string;
  readonly may_be_lost: string | null;
  readonly master: {
    readonly id: string;
    readonly addr: string;
    readonly answers: boolean;
    readonly sequence: number | null;
  };
  readonly candidates: readonly {
    readonly id: string;
    readonly addr: string;
    readonly sequence: number | null;
    readonly behind: number | null;
    readonly eligible: boolean;
    readonly reason: string;
  }[];
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
  return shardBody(shard, moves(cluster));
}

/** All shards, with work that grows with their number and not with its square. */
export function renderShards(cluster: Cluster): readonly ShardBody[] {
  const places = moves(cluster);
  return cluster.shards.map((shard) => shardBody(shard, places));
}

/** Where shards are, and which shard's slots come in where. */
interface Moves {
  readonly indexById: ReadonlyMap<ShardId, number>;
  readonly sourceByTarget: ReadonlyMap<ShardId, Shard>;
}

function moves({ shards }: Cluster): Moves {
  return {
    indexById: new Map(shards.map(({ id }, index) => [id, index])),
    sourceByTarget: new Map(
      shards.flatMap((shard) => (shard.migration === null ? [] : [[shard.migration.target, shard] as const])),
    ),
  };
}

function shardBody(shard: Shard, { indexById, sourceByTarget }: Moves): ShardBody {
  const incoming = sourceByTarget.get(shard.id);
  const { migration } = shard;
  return {
    nodes: shard.nodes.map((node) => renderNode(node)),
    slot_ranges: shard.slots.length === 0 ? null : printSlotSet(shard.slots),
    target_shard_index: migration === null ? IDLE : (indexById.get(migration.target) ?? IDLE),
    migrating_slot: renderMoving(shard),
    import_slot: incoming === undefined ? IDLE : renderMoving(incoming),
  };
}

export function renderCluster(cluster: Cluster): ClusterBody {
  return {
    name: cluster.name,
    version: cluster.version,
    shards: renderShards(cluster),
  };
}

function renderMoving(source: Shard): number | string {
  const { migration } = source;
  if (migration === null) return IDLE;
  const { start, stop } = migration.range;
  return start === stop ? start : printSlotRange(migration.range);
}

export function renderPlan({ kind, newMaster, why, mayBeLost, master, candidates }: HandPlan): PlanBody {
  const { id, address, isAnswering, sequence } = master;
  return {
    kind,
    new_master_id: newMaster,
    reason: why,
    may_be_lost: mayBeLost,
    master: { id, addr: address, answers: isAnswering, sequence },
    candidates: candidates.map((candidate) => ({
      id: candidate.id,
      addr: candidate.address,
      sequence: candidate.sequence,
      behind: candidate.behind,
      eligible: candidate.isEligible,
      reason: candidate.why,
    })),
  };
}
