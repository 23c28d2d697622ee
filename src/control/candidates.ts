// Who may take over a shard: every node is judged, the best is chosen, and each refusal has its reason.

import { assert } from '../base/assert.ts';
import { masterOf } from '../topology/cluster.ts';
import { type ClusterFacts, openPromotion, type Promotion } from '../topology/facts.ts';
import { nodePolicy, wishAt } from '../topology/policy.ts';
import type { Node, NodeId, Shard } from '../topology/types.ts';
import type { NodeReport } from './observation.ts';
import { wishText } from './restraint.ts';
import { isFresh, silentSinceMs } from './sight.ts';
import { unreachedSinceMs } from './inquiry.ts';
import {
  type NodeView,
  type Situation,
  errorText,
  masterView,
  nodeName,
  silenceText,
  viewOf,
} from './situation.ts';
import { type Copy, hasAllKnown, standingOf } from './standing.ts';

export interface Candidate {
  readonly view: NodeView;
  readonly sequence: number;
  /** Whether its copy is known to be of the master's history; false only by force. */
  readonly isProven: boolean;
  /** Why it may, for people. */
  readonly why: string;
}

export type Election =
  | { readonly kind: 'elected'; readonly candidate: Candidate }
  /** Some node's answer is still to come. */
  | { readonly kind: 'wait'; readonly why: string }
  | { readonly kind: 'nobody'; readonly refusals: readonly string[] };

export type Verdict =
  | {
      readonly kind: 'eligible';
      readonly sequence: number;
      readonly why: string;
      /** It has all that is known of its master, and is about to lose it. */
      readonly isUrgent: boolean;
    }
  | { readonly kind: 'refused' | 'wait'; readonly why: string };

/** The shard whose master is to be replaced, and whose data is to be kept. */
export interface Vacancy {
  readonly shard: Shard;
  /** The promotion that was committed last and whose new master was never seen as master. */
  readonly open: Promotion | null;
  /** The node whose history counts: the master, or while its own promotion is open, the one before it. */
  readonly origin: NodeView;
  /** Only answers to looks that began since then count. */
  readonly sinceMs: number;
  /** Whom somebody asks for by name: it need not be one that takes over by itself. */
  readonly preferred: NodeId | null;
  /** What people said of nodes before does not count now. */
  readonly isForced: boolean;
}

/**
 * The last promotion of a shard if its new master was neither written down as seen in office nor is by the last look: what that look showed
 * holds before it is committed, too.
 */
export function unseenPromotion(situation: Situation, facts: ClusterFacts, shard: Shard): Promotion | null {
  const open = openPromotion(facts, shard.id);
  if (open === null) return null;
  const { node, report, loss, need } = masterView(situation, shard);
  // One that lost its data meanwhile, or has no copy, is no successor yet: the old one may still have everything.
  if (node.id !== open.to || report === null || loss !== null || need.kind === 'condemn') return open;
  const isInOffice = report.role === 'master' && report.id === open.to && report.version >= open.version;
  return isInOffice ? null : open;
}

export function vacancyOf(situation: Situation, shard: Shard): Vacancy {
  const master = masterView(situation, shard);
  const open = unseenPromotion(situation, situation.facts, shard);
  const from = open === null ? undefined : situation.views.get(open.from);
  const isFallen = master.loss !== null && master.memory.absence === null;
  const sinceMs = isFallen ? (master.memory.look?.startedAtMs ?? 0) : silentSinceMs(master);
  return {
    shard,
    open: from === undefined ? null : open,
    origin: from ?? master,
    sinceMs,
    preferred: null,
    isForced: false,
  };
}

/**
 * The node with the highest sequence among those that may be promoted; of equals the one that people prefer. Waits for nodes whose answer from after
 * the failure is still to come, because one of them may be further; each answers or is down within the failure window.
 */
export function electCandidate(situation: Situation, shard: Shard): Election {
  return elect(judgedReplicas(situation, shard));
}

/**
 * All but the master, each judged. Those whom people do not want count where nobody else may take over from a master that lost its data: they
 * would copy it.
 */
export function judgedReplicas(situation: Situation, shard: Shard): readonly Judged[] {
  const vacancy = vacancyOf(situation, shard);
  const others = shard.nodes.filter(({ id }) => id !== masterOf(shard).id);
  const all = others.map((node) => judged(situation, vacancy, node));
  const isBarren = all.every(({ verdict }) => verdict.kind === 'refused');
  if (!isBarren || masterView(situation, shard).loss === null) return all;
  return others.map((node) => judged(situation, { ...vacancy, isForced: true }, node));
}

export interface Judged {
  readonly view: NodeView;
  readonly verdict: Verdict;
  /** How much people would like it to take over: its priority, then whether it is in the zone of the master. */
  readonly rank: number;
}

export function judged(situation: Situation, vacancy: Vacancy, node: Node): Judged {
  const view = viewOf(situation, node.id);
  const verdict = judge(situation, vacancy, view);
  const unwanted = verdict.kind === 'refused' ? null : unwantedWhy(situation, vacancy, view);
  return { view, verdict: unwanted === null ? verdict : refused(unwanted), rank: rankOf(situation, node) };
}

function rankOf({ policy, cluster }: Situation, node: Node): number {
  const { failoverPriority, zone } = nodePolicy(policy.cluster, node.id);
  const shard = cluster.shards.find(({ nodes }) => nodes.includes(node));
  const isHome =
    zone !== '' && shard !== undefined && nodePolicy(policy.cluster, masterOf(shard).id).zone === zone;
  return 2 * failoverPriority + Number(isHome);
}

/** `isPlanned`: the master lives, and whoever takes over from it will have everything: then people's wishes come first. */
export function elect(all: readonly Judged[], isPlanned = false): Election {
  const waiting = waitedFor(all);
  if (waiting !== undefined) return { kind: 'wait', why: `${called(waiting.view)}: ${waiting.verdict.why}` };
  const eligible = all.flatMap(({ view, verdict, rank }) =>
    verdict.kind === 'eligible'
      ? [{ candidate: { view, sequence: verdict.sequence, isProven: true, why: verdict.why }, rank }]
      : [],
  );
  const [best] = eligible.toSorted((left, right) => {
    const bySequence = right.candidate.sequence - left.candidate.sequence;
    const byRank = right.rank - left.rank;
    return isPlanned ? byRank || bySequence : bySequence || byRank;
  });
  if (best !== undefined) return { kind: 'elected', candidate: best.candidate };
  const refusals = all.map(({ view, verdict }) => `${called(view)}: ${verdict.why}`);
  return { kind: 'nobody', refusals: refusals.length === 0 ? ['the shard has no replica'] : refusals };
}

/** The first whose word is waited for. What an emptied master sends replaces all that its replica has: no other's word can make up for that. */
export function waitedFor(all: readonly Judged[]): Judged | undefined {
  const isUrgent = all.some(({ verdict }) => verdict.kind === 'eligible' && verdict.isUrgent);
  return isUrgent ? undefined : all.find(({ verdict }) => verdict.kind === 'wait');
}

function called(view: NodeView): string {
  return `replica ${nodeName(view)}`;
}

function judge(situation: Situation, vacancy: Vacancy, view: NodeView): Verdict {
  if (view.need.kind === 'condemn') return refused(view.need.why);
  // Nobody has to wait for the word of one that cannot be chosen.
  if (view.facts.remake !== null) return refused(`its copy is not proven: ${view.facts.remake}`);
  switch (view.condition) {
    case 'down':
      return refused('it does not answer either');
    case 'gone':
      return refused('another node answers at its address');
    case 'blind':
      return refused(`this controller cannot look at it: ${errorText(view.memory)}`);
    case 'loading':
      return refused('it is loading its data');
    case 'impaired':
      return refused(`it answers with an error: ${errorText(view.memory)}`);
    case 'unknown':
      return { kind: 'wait', why: 'its answer is still to come' };
    case 'suspect':
      // Whatever others see of it: from here it could not be told, and nobody waits for it for ever.
      return unreachedSinceMs(situation, view) === null
        ? { kind: 'wait', why: 'its answer is still to come' }
        : refused(`this controller does not reach it: ${silenceText(view)}`);
    default:
      break;
  }
  if (!isFresh(view, vacancy.sinceMs)) return { kind: 'wait', why: 'it was not asked since the failure' };
  const { report } = view;
  assert(report !== null, 'a node that answers has a report');
  const impossible = impossibleReport(situation, view, report);
  if (impossible !== null) return refused(impossible);
  return view.node.id === vacancy.origin.node.id
    ? judgeOrigin(vacancy, view, report)
    : judgeReplica(situation, vacancy, { view, report });
}

/** Why people do not want it to take over by itself; null when they have nothing against it. */
function unwantedWhy(
  { policy, nowSeconds }: Situation,
  { preferred, isForced }: Vacancy,
  { node }: NodeView,
): string | null {
  if (isForced) return null;
  const { maintenance, failoverPriority } = nodePolicy(policy.cluster, node.id);
  const wish = wishAt(maintenance, nowSeconds);
  if (wish !== null) return `it is in maintenance${wishText(wish)}`;
  return failoverPriority === 0 && preferred !== node.id
    ? 'its failover_priority is 0: it takes over only when it is named'
    : null;
}

/** What cannot be said by a node that is what the store says of it. */
function impossibleReport({ cluster }: Situation, { node }: NodeView, report: NodeReport): string | null {
  if (report.id !== node.id) return 'it does not know itself as this node';
  if (report.version < 1) return 'it has no topology';
  if (report.version > cluster.version) return `it has the foreign version ${report.version}`;
  if (report.sequence === null) return 'its position is unknown';
  if (report.sequence < 0) return `its sequence is ${report.sequence}, which cannot be`;
  return null;
}

/** The master before an open promotion: while nobody else was seen as master, it has everything. */
function judgeOrigin({ open }: Vacancy, view: NodeView, report: NodeReport): Verdict {
  if (report.role !== 'master' || open === null || report.version >= open.version) {
    return refused('it was told to follow already');
  }
  if (view.memory.remake.isolatedAt !== null) return refused('it was cut off from clients');
  const sequence = report.sequence ?? 0;
  if (sequence < (open.sequence ?? 0)) {
    return refused(`it stands at sequence ${sequence}, its successor was chosen at ${open.sequence ?? 0}`);
  }
  return {
    kind: 'eligible',
    sequence,
    why: `it still is the master, at sequence ${sequence}`,
    isUrgent: false,
  };
}

function judgeReplica(
  situation: Situation,
  vacancy: Vacancy,
  { view, report }: { readonly view: NodeView; readonly report: NodeReport },
): Verdict {
  const { origin } = vacancy;
  if (report.role !== 'replica') return refused('it is not a replica of anybody');
  if (report.master !== origin.node.address) {
    return refused(`it follows ${report.master ?? 'nobody'}, not the failed master`);
  }
  const lineage = olderHistory(situation, vacancy, report);
  if (lineage !== null) return refused(lineage);
  // From an emptied master it would get nothing; until that has come, it has what it had, and being promoted ends the synchronisation.
  if (report.syncInProgress && origin.loss?.isIdentityLost !== true)
    return refused('a full synchronisation is going on');
  if (report.login === 'refused')
    return refused('it refuses the password recorded for it and could not be told');
  const sequence = report.sequence ?? 0;
  const copy: Copy = { view, master: origin, sequence, floor: vacancy.open?.sequence ?? 0 };
  const standing = standingOf(situation, copy);
  if (standing.kind === 'refused') return standing;
  const isUrgent = report.syncInProgress && hasAllKnown(situation, copy);
  return { kind: 'eligible', sequence, why: standing.why, isUrgent };
}

/** A replica that follows the right address since before a promotion may hold another history (facts section 3.5). */
function olderHistory({ facts }: Situation, { shard, open }: Vacancy, report: NodeReport): string | null {
  const shardFacts = facts.shards.get(shard.id);
  const later = shardFacts?.promotions.find(
    (promotion) => promotion !== open && promotion.version > report.version,
  );
  if (later === undefined) return null;
  return `its topology of version ${report.version} is older than the change of masters at version ${later.version}`;
}

function refused(why: string): Verdict {
  return { kind: 'refused', why };
}
