// Which shards have fewer nodes than are wanted of them, since when, and whose place is to be taken.

import { nodePolicy, wishAt } from '../topology/policy.ts';
import type { Shard, ShardId } from '../topology/types.ts';
import { isAway, silentSinceMs } from './sight.ts';
import { type NodeView, type Situation, viewOf } from './situation.ts';

export interface Shortage {
  readonly shard: Shard;
  readonly shardIndex: number;
  /** Nodes that are there, its master among them, and how many are wanted. */
  readonly there: number;
  readonly wanted: number;
  /** Since when fewer are there than are wanted, and when a spare is due; monotonic milliseconds. */
  readonly sinceMs: number;
  readonly dueAtMs: number;
  /** Whether a place is to be filled that nobody has; else that of one who is missed. */
  readonly isVacant: boolean;
  /** Members that are missed, who is missed longest first. */
  readonly missed: readonly NodeView[];
}

/** Shards below the copies that are wanted, the worst off first. None where nobody wants any number of copies. */
export function shortagesOf(situation: Situation): readonly Shortage[] {
  const { copies } = situation.policy.cluster.spares;
  if (copies === null) return [];
  return situation.cluster.shards
    .flatMap((shard, shardIndex) => shortageOf(situation, { shard, shardIndex, wanted: copies }) ?? [])
    .toSorted((left, right) => left.there - right.there || left.dueAtMs - right.dueAtMs);
}

function shortageOf(
  situation: Situation,
  { shard, shardIndex, wanted }: Pick<Shortage, 'shard' | 'shardIndex' | 'wanted'>,
): Shortage | null {
  const { memory, nowMs, policy } = situation;
  const missed = shard.nodes
    .map(({ id }) => viewOf(situation, id))
    .filter((view) => isMissed(situation, view))
    .toSorted((left, right) => silentSinceMs(left) - silentSinceMs(right));
  const there = shard.nodes.length - missed.length;
  if (there >= wanted) return null;
  const isVacant = shard.nodes.length < wanted;
  // With more members than are wanted, the shard fell below that when the first was missed whom it could not spare.
  const first = missed[shard.nodes.length - wanted];
  const sinceMs =
    isVacant || first === undefined
      ? vacantSinceMs(memory.spares.vacantSinceMs, shard, nowMs)
      : silentSinceMs(first);
  const dueAtMs = sinceMs + policy.cluster.spares.replaceAfterSeconds * 1000;
  return { shard, shardIndex, there, wanted, sinceMs, dueAtMs, isVacant, missed };
}

/** Whom the last look did not find counts as missed; nobody expects a node in maintenance. Every reply is a sign of life, and whom this controller cannot look at is not missed. */
function isMissed({ policy, nowSeconds }: Situation, { node, memory }: NodeView): boolean {
  return (
    memory.absence !== null && wishAt(nodePolicy(policy.cluster, node.id).maintenance, nowSeconds) === null
  );
}

function vacantSinceMs(known: ReadonlyMap<ShardId, number>, { id }: Shard, nowMs: number): number {
  return known.get(id) ?? nowMs;
}

/** Since when shards lack members, as this leadership has seen it. */
export function reviewVacancies({ cluster, policy, memory, nowMs }: Situation): ReadonlyMap<ShardId, number> {
  const { copies } = policy.cluster.spares;
  const known = memory.spares.vacantSinceMs;
  return new Map(
    cluster.shards
      .filter(({ nodes }) => nodes.length < (copies ?? 0))
      .map((shard) => [shard.id, vacantSinceMs(known, shard, nowMs)]),
  );
}

/** The replica whose place a spare may take: certainly not there by a majority's word, and missed for as long as is wanted. Who is missed longest comes first. */
export function lostOf({ nowMs, policy }: Situation, { missed }: Shortage): NodeView | null {
  const afterMs = policy.cluster.spares.replaceAfterSeconds * 1000;
  const lost = missed.find(
    (view) => view.node.role === 'replica' && isAway(view) && nowMs - silentSinceMs(view) >= afterMs,
  );
  return lost ?? null;
}
