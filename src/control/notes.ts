// What is written down of a cluster's copies: promotions seen to take effect, copies condemned and made anew, positions and links.

import { masterOf, replicasOf } from '../topology/cluster.ts';
import {
  type ClusterFacts,
  type NodeFacts,
  openPromotion,
  withNodeFacts,
  withShardFacts,
} from '../topology/facts.ts';
import type { Node, NodeId, Shard } from '../topology/types.ts';
import type { CommitReason } from './actions.ts';
import { unseenPromotion } from './candidates.ts';
import { RAISES_CONTESTED } from './convergence.ts';
import type { Draft } from './draft.ts';
import { isLivingLink, lagBehind } from './link.ts';
import { isFresh } from './sight.ts';
import { type NodeView, type Situation, masterView, nodeName, viewOf } from './situation.ts';
import { wasLinkedUntilLastSight } from './standing.ts';
import { MET_STRANGER, isRemade } from './target.ts';

/** Positions that only moved on are written down this often at most: what a restart of the whole group may not know. */
const POSITIONS_INTERVAL_MS = 10_000;

/** A link that comes and goes is written down this often at most. */
const LINKS_INTERVAL_MS = 1_000;

/** News about copies, to be committed before anything is done that relies on it; and, when nothing else is to be told, positions. */
export function planNotes(situation: Situation): Draft {
  const { cluster } = situation;
  let { facts } = situation;
  const reasons: CommitReason[] = [];
  for (const shard of cluster.shards) {
    facts = confirmed(situation, facts, { shard, reasons });
    for (const { id } of shard.nodes)
      facts = judgedCopy(facts, viewOf(situation, id), { situation, reasons });
  }
  facts = contested(situation, facts, reasons);
  if (reasons.length > 0) return { cluster, facts, reasons };
  return notedPositions(situation);
}

interface News {
  readonly shard: Shard;
  readonly reasons: CommitReason[];
}

/** A promotion is closed when its new master was seen as master under its version: only then may the old one be demoted. */
function confirmed(situation: Situation, facts: ClusterFacts, { shard, reasons }: News): ClusterFacts {
  const open = openPromotion(facts, shard.id);
  const shardFacts = facts.shards.get(shard.id);
  const view = masterView(situation, shard);
  if (open === null || shardFacts === undefined || view.condition !== 'answering') return facts;
  if (unseenPromotion(situation, facts, shard) !== null) return facts;
  reasons.push({
    kind: 'promotionConfirmed',
    shardIndex: view.shardIndex,
    node: open.to,
    text: `${nodeName(view)} was seen as master`,
  });
  const promotions = [...shardFacts.promotions.slice(0, -1), { ...open, isConfirmed: true }];
  return withShardFacts(facts, shard.id, { ...shardFacts, promotions });
}

function judgedCopy(
  facts: ClusterFacts,
  view: NodeView,
  { situation, reasons }: { readonly situation: Situation; readonly reasons: CommitReason[] },
): ClusterFacts {
  const known = facts.nodes.get(view.node.id);
  if (known === undefined) return facts;
  const { node, shardIndex, need, report, condition } = view;
  const why = known.remake === null ? condemnedFor(view) : null;
  if (why !== null) {
    const what = node.role === 'master' ? 'the data of' : 'the copy of';
    const end = node.role === 'master' ? 'does not count as that of its shard' : 'is to be made anew';
    const text = `${what} ${nodeName(view)} ${end}: ${why}`;
    reasons.push({ kind: 'copyCondemned', shardIndex, node: node.id, text });
    return withNodeFacts(facts, node.id, { ...known, following: null, remake: why });
  }
  if (node.role === 'master' || condition !== 'answering' || report === null) return facts;
  if (known.remake === null) return facts;
  const master = masterView(situation, view.shard);
  const isEmpty = report.version < 0 && report.sequence === 0;
  if (!isEmpty && (need.kind !== 'nothing' || !isRemade(view, master))) return facts;
  const how = isEmpty ? 'is on a new data directory' : `was made anew from ${nodeName(master)}`;
  reasons.push({
    kind: 'copyRemade',
    shardIndex,
    node: node.id,
    text: `the copy of ${nodeName(view)} ${how}`,
  });
  return withNodeFacts(facts, node.id, {
    sequence: report.sequence,
    following: isLivingLink(report, situation.settings) ? master.node.id : null,
    seenAtSeconds: situation.nowSeconds,
    remake: null,
  });
}

/** Why what a node has does not count any more, as far as that is news; null when it does. What nobody writes down is forgotten with the leader. */
function condemnedFor({ node, need, loss, condition, memory }: NodeView): string | null {
  if (node.role === 'master') {
    // One that serves goes on from where it stands, and would soon be beyond what was seen of it.
    return condition === 'answering' && loss?.isIdentityLost === false ? loss.why : null;
  }
  if (need.kind === 'condemn') return need.why;
  return memory.mayHaveMetStranger ? MET_STRANGER : null;
}

/** Overruled five times in a row without lasting effect: another controller manages these nodes, and whoever goes on swaps masters back and forth. */
function contested(situation: Situation, facts: ClusterFacts, reasons: CommitReason[]): ClusterFacts {
  const { raise } = situation.memory;
  if (facts.contestedVersion !== null || raise.count < RAISES_CONTESTED) return facts;
  const text = `somebody else's topologies were overruled ${raise.count} times in a row; nothing is pushed to this cluster until somebody confirms that this group alone manages it`;
  reasons.push({ kind: 'pushesHeld', shardIndex: null, node: null, text });
  return { ...facts, contestedVersion: situation.cluster.version };
}

/** Positions and links as seen now, when they are due to be written down. Looks come often enough to ask again. */
function notedPositions(situation: Situation): Draft {
  const { cluster, facts, memory, nowMs } = situation;
  const nothing: Draft = { cluster, facts, reasons: [] };
  const isMoment = nowMs >= memory.notedAtMs + POSITIONS_INTERVAL_MS;
  const news: [NodeId, NodeFacts][] = [];
  let isUrgent = false;
  let isOverdue = false;
  for (const view of situation.views.values()) {
    const seen = sightOf(situation, view);
    if (seen === null) continue;
    isOverdue ||= hasMarkOfMaster(view);
    isUrgent ||=
      isNewsOfItsOwn(view.facts, seen) || (view.node.role === 'master' && view.condition !== 'answering');
    news.push([view.node.id, seen]);
  }
  const isDue = isMoment || isOverdue || (isUrgent && nowMs >= memory.notedAtMs + LINKS_INTERVAL_MS);
  if (news.length === 0 || !isDue) return nothing;
  return {
    cluster,
    facts: { ...facts, nodes: new Map([...facts.nodes, ...news]) },
    reasons: [{ kind: 'noted' }],
  };
}

/**
 * A replica that is written down as a master still: seen in its new place it loses that mark at once, since the next leader could not tell who had told
 * it to follow.
 */
function hasMarkOfMaster({ node, facts }: NodeView): boolean {
  return node.role === 'replica' && facts.following === node.id;
}

/** A link that came or went, and the first write to a shard that was known empty, change who may take over. */
function isNewsOfItsOwn(known: NodeFacts, seen: NodeFacts): boolean {
  return (
    seen.following !== known.following || (seen.sequence !== known.sequence && (known.sequence ?? 0) === 0)
  );
}

/** What is to be written down of a node; null when nothing new is known. A master that is not there leaves what is known of its links as it was. */
function sightOf(situation: Situation, view: NodeView): NodeFacts | null {
  const { report, need, node, shard, facts: known } = view;
  if (known.remake !== null) return null;
  if (view.loss !== null) return lastSoundSight(situation, view);
  const master = masterView(situation, shard);
  if (view.condition !== 'answering' || report === null)
    return node.role === 'master' ? lastSoundSight(situation, view) : absentSight(situation, view, master);
  // Where a master stands counts also while a topology that leaves it one is on its way.
  const isLeading = node.role === 'master' && report.role === 'master' && report.id === node.id;
  if (report.sequence === null || report.sequence < 0 || (need.kind !== 'nothing' && !isLeading)) return null;
  const following = node.role === 'master' ? node.id : linkOf(situation, view, master);
  if (following === 'untold') return null;
  if (following === known.following && report.sequence === known.sequence) return null;
  // Without a link an empty replica tells no more than one that was never seen, and so does any whose master is not there: its link is awaited, and
  // then written down at once.
  const isTelling = report.sequence > 0 && (node.role === 'master' || master.condition === 'answering');
  if (known.sequence === null && following === null && !isTelling) return null;
  return { sequence: report.sequence, following, seenAtSeconds: situation.nowSeconds, remake: null };
}

/**
 * Where a master stood before it lost its data or was missed must not be forgotten with the leader that saw it; nor, of one that came back bare, with
 * the replica that shows it: what came to that by replication its master has had. (Of one that is only missed, what a replica got since the last look
 * would make that look seem a loss.)
 */
function lastSoundSight(
  situation: Situation,
  { node, shard, facts, memory, loss }: NodeView,
): NodeFacts | null {
  const { nowSeconds } = situation;
  const replicas = loss?.isIdentityLost === true ? replicasOf(shard) : [];
  const replicated = replicas.map(({ id }) => replicatedTo(viewOf(situation, id), node));
  const sequence = Math.max(...memory.positions.map((position) => position.sequence), ...replicated);
  if (sequence <= (facts.sequence ?? 0)) return null;
  return { sequence, following: node.id, seenAtSeconds: nowSeconds, remake: null };
}

/** Where a replica stands that was seen linked to `master` and is in its place since; -Infinity for any other, whose number may be its own. */
function replicatedTo({ condition, facts, report, memory, need }: NodeView, master: Node): number {
  const wasLinked = facts.following === master.id || memory.linked?.master === master.address;
  const isCopy = condition === 'answering' && facts.remake === null && need.kind === 'nothing' && wasLinked;
  return isCopy && report?.role === 'replica' ? (report.sequence ?? -Infinity) : -Infinity;
}

/** A replica that is not there while its master is receives nothing any more, and one that gives errors may not: what was known of its link is of the past. */
function absentSight(
  { settings }: Situation,
  { node, facts, memory }: NodeView,
  master: NodeView,
): NodeFacts | null {
  // An interval later, so that both ends of a power cut are not told apart by the moment in which each was looked at.
  const { absence, impairedSinceMs } = memory;
  const provenAtMs = (absence?.sinceMs ?? impairedSinceMs ?? Infinity) + settings.pingIntervalMs;
  // An old master keeps the mark of one until it is seen in its new place.
  const isLinked = facts.following !== null && facts.following !== node.id;
  const isLost = isLinked && master.loss === null && isFresh(master, provenAtMs);
  return isLost ? { ...facts, following: null } : null;
}

/** The mark of a master is no link: seen in its new place the node loses it, also while nothing else can be said yet. */
function linkOf(situation: Situation, view: NodeView, master: NodeView): NodeId | null | 'untold' {
  if (!hasMarkOfMaster(view)) return linkTo(situation, view, master);
  const link = linkTo(situation, { ...view, facts: { ...view.facts, following: null } }, master);
  return link === 'untold' ? null : link;
}

/**
 * A link counts as lost, and a replica as behind, only when the master answered after that was first seen: else the master may be what was lost, and
 * a link that lived until then is written down also afterwards, for whoever leads by the time it is replaced. One that was written down as behind
 * counts so until it is seen to keep up, which a leader cannot see at once.
 */
function linkTo(situation: Situation, view: NodeView, master: NodeView): NodeId | null | 'untold' {
  const { report, memory, facts } = view;
  const isLiving = report !== null && isLivingLink(report, situation.settings);
  const lag = lagBehind(master.memory.positions, report?.sequence ?? 0);
  // Whether it keeps up with a master nobody could look at is not known.
  if (isLiving && lag.kind === 'unknown') return facts.following;
  const isBehind = lag.kind === 'known' && (lag.isOld || lag.count > situation.settings.lagMax);
  const isUntold = lag.kind === 'known' && !lag.isAgeKnown && lag.count > 0;
  if (isLiving && !isBehind) return isUntold ? (facts.following ?? 'untold') : masterOf(master.shard).id;
  const lostAtMs = isLiving ? (memory.look?.startedAtMs ?? Infinity) : (memory.unlinked?.atMs ?? Infinity);
  if (isFresh(master, lostAtMs) && master.loss === null) return null;
  const wasKeepingUp = !isLiving && !isBehind && !isUntold && master.loss === null;
  const wasLiving = wasKeepingUp && wasLinkedUntilLastSight(situation, view, master);
  return wasLiving ? master.node.id : facts.following;
}
