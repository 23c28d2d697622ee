// Which shards have fewer nodes than are wanted of them, since when, and whose place is to be taken.

import { nodePolicy, wishAt } from '../topology/policy.ts';
import type { Promotion } from '../topology/facts.ts';
import type { ClusterVersion, NodeId, Shard, ShardId } from '../topology/types.ts';
import { unreachedSinceMs } from './inquiry.ts';
import { automationRestraint, massFailureRestraint } from './restraint.ts';
import { isAway, silentSinceMs } from './sight.ts';
import { type NodeView, type Situation, masterView, viewOf } from './situation.ts';
import type { MissedWait } from './spare-memory.ts';

export interface Shortage {
  readonly shard: Shard;
  readonly shardIndex: number;
  /** Nodes that are there, its master among them, and how many are wanted. Who was never seen as a copy is not there yet. */
  readonly there: number;
  readonly wanted: number;
  /** Since when fewer are there than are wanted, and when a spare is due; monotonic milliseconds. */
  readonly sinceMs: number;
  /** Infinity where nothing is missing but that copies are made, and while the time for it has not begun. */
  readonly dueAtMs: number;
  /** Whether a place is to be filled that nobody has; else that of one who is missed. */
  readonly isVacant: boolean;
  /** Members that are missed, who is missed longest first. */
  readonly missed: readonly NodeView[];
  /** Members that answer and were never seen as a copy. */
  readonly coming: readonly NodeView[];
  /** Whether those are all that it lacks. */
  readonly isComing: boolean;
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
  const { memory, nowMs, nowSeconds, policy } = situation;
  const views = shard.nodes.map(({ id }) => viewOf(situation, id));
  const missed = views
    .filter((view) => isMissed(situation, view))
    .toSorted((left, right) => lostSinceMs(situation, left) - lostSinceMs(situation, right));
  const coming = views.filter((view) => isUnseenCopy(view) && !missed.includes(view));
  const taken = shard.nodes.length - missed.length;
  const there = taken - coming.length;
  if (there >= wanted) return null;
  const parts = { shard, shardIndex, there, wanted, missed, coming };
  if (taken >= wanted) {
    const ageSeconds = Math.max(0, ...coming.map(({ node }) => nowSeconds - node.createdAtSeconds));
    const sinceMs = nowMs - ageSeconds * 1000;
    return { ...parts, sinceMs, dueAtMs: Infinity, isVacant: false, isComing: true };
  }
  const isVacant = shard.nodes.length < wanted;
  // With more members than are wanted, the shard fell below that when the first was missed whom it could not spare.
  const first = missed[shard.nodes.length - wanted];
  const sinceMs =
    isVacant || first === undefined
      ? vacantSinceMs(memory.spares.vacantSinceMs, shard, nowMs)
      : missedSinceMs(situation, first);
  const countedMs = isVacant || first === undefined ? sinceMs : lostSinceMs(situation, first);
  const dueAtMs = countedMs + policy.cluster.spares.replaceAfterSeconds * 1000;
  return { ...parts, sinceMs, dueAtMs, isVacant, isComing: false };
}

/** Whom the last look did not find counts as missed; nobody expects a node in maintenance. Every reply is a sign of life, and whom this controller cannot look at is not missed. */
function isMissed(situation: Situation, view: NodeView): boolean {
  return view.memory.absence !== null && !isInMaintenance(situation, view);
}

function isInMaintenance({ policy, nowSeconds }: Situation, { node }: NodeView): boolean {
  return wishAt(nodePolicy(policy.cluster, node.id).maintenance, nowSeconds) !== null;
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
export function lostOf(situation: Situation, { missed }: Shortage): NodeView | null {
  const { nowMs, policy } = situation;
  const afterMs = policy.cluster.spares.replaceAfterSeconds * 1000;
  const lost = missed.find(
    (view) => view.node.role === 'replica' && isAway(view) && nowMs - lostSinceMs(situation, view) >= afterMs,
  );
  return lost ?? null;
}

/**
 * Since when a missed member counts as lost: since nothing kept it from being replaced, so that whoever comes back with the end of a hold, or of an
 * outage of its whole shard, has its time. One that was the master counts from when it was none any more: it may have writes that nobody else
 * has, take more until it is told, and nobody has waited yet for it to come back as a replica.
 */
export function lostSinceMs(situation: Situation, view: NodeView): number {
  const { waits, demotedSinceMs } = situation.memory.spares;
  const countedMs = waits.get(view.node.id)?.countedSinceMs ?? -Infinity;
  return Math.max(silentSinceMs(view), countedMs, demotedSinceMs.get(view.node.id) ?? -Infinity);
}

/** Since when its shard lacks it. That nobody works on it any more may not have been noted yet. */
function missedSinceMs({ memory, nowMs }: Situation, view: NodeView): number {
  const expectedMs = memory.spares.waits.get(view.node.id)?.expectedSinceMs ?? -Infinity;
  return Math.max(silentSinceMs(view), Math.min(nowMs, expectedMs));
}

/** Since when members that are missed could have been replaced, as this leadership has seen it. */
export function reviewWaits(situation: Situation): ReadonlyMap<NodeId, MissedWait> {
  const waits = new Map<NodeId, MissedWait>();
  const isHeld = (automationRestraint(situation) ?? massFailureRestraint(situation)) !== null;
  for (const view of situation.views.values()) {
    if (view.memory.absence === null) continue;
    const known = situation.memory.spares.waits.get(view.node.id);
    const isExpected = isInMaintenance(situation, view);
    const isNone = isExpected || isHeld || isMasterLost(situation, view);
    waits.set(view.node.id, {
      expectedSinceMs: begunMs(situation, isExpected, known?.expectedSinceMs),
      countedSinceMs: begunMs(situation, isNone, known?.countedSinceMs),
    });
  }
  return waits;
}

/** When something began to last that is held off by `isHeldOff`: now, if it was held off until now. */
function begunMs({ nowMs }: Situation, isHeldOff: boolean, known: number | undefined): number {
  if (isHeldOff) return Infinity;
  return known === Infinity ? nowMs : (known ?? -Infinity);
}

/** Its master is away, too, by the word of a majority or for a whole window: what took both may end for both. */
function isMasterLost(situation: Situation, { node, shard }: NodeView): boolean {
  const master = masterView(situation, shard);
  return node.id !== master.node.id && (isAway(master) || unreachedSinceMs(situation, master) !== null);
}

/** Since when missed members that were masters are replicas, as this leadership has seen it: no wall clock says when a spare is due. */
export function reviewDemotions(situation: Situation): ReadonlyMap<NodeId, number> {
  const { views, memory, nowMs } = situation;
  const demoted = [...views.values()].filter(
    (view) => isMissed(situation, view) && promotionFrom(situation, view) !== null,
  );
  return new Map(demoted.map(({ node: { id } }) => [id, memory.spares.demotedSinceMs.get(id) ?? nowMs]));
}

/** The last promotion that took the office from a node that is a replica of its shard now. */
function promotionFrom({ facts }: Situation, { node, shard }: NodeView): Promotion | null {
  if (node.role === 'master') return null;
  return facts.shards.get(shard.id)?.promotions.findLast(({ from }) => from === node.id) ?? null;
}

/** The version since which it is no master any more, of a replica that was one and by all that was seen of it does not know better; else null. */
export function untoldSince(situation: Situation, view: NodeView): ClusterVersion | null {
  const promotion = promotionFrom(situation, view);
  if (promotion === null || view.facts.following !== view.node.id) return null;
  const isTold = view.report !== null && view.report.version >= promotion.version;
  return isTold ? null : promotion.version;
}

/** A replica that was never seen linked to its master: known from the records, so that the next leader knows it, too. */
export function isUnseenCopy({ node, facts }: NodeView): boolean {
  return (
    node.role === 'replica' && facts.seenAtSeconds === 0 && facts.following === null && facts.remake === null
  );
}
