// What to do about dead masters: promote, wait, or say why not; and how that settles a migration the shard takes part in.

import { assert } from '../base/assert.ts';
import { promote } from '../topology/change-nodes.ts';
import { endMigration, finishMigration } from '../topology/change-slots.ts';
import { type MigrationPlace, masterOf, migrationOfShard, shardIndexOf } from '../topology/cluster.ts';
import { printSlotRange } from '../topology/slot.ts';
import {
  type ClusterFacts,
  UNSEEN_NODE,
  withNodeFacts,
  withPromotion,
  withoutLastPromotion,
} from '../topology/facts.ts';
import type { Cluster, ClusterVersion, NodeId, Shard } from '../topology/types.ts';
import type { CommitReason } from './actions.ts';
import type { Draft } from './draft.ts';
import { exposureText, leaseWait } from './lease.ts';
import { type Candidate, electCandidate, unseenPromotion } from './candidates.ts';
import { type MigrationView, viewMigration, withArrival } from './migration-status.ts';
import type { Problem } from './problems.ts';
import { wordsOf } from './node-memory.ts';
import { type Recheck, recheckMs, recheckOf } from './recheck.ts';
import { restraintOf } from './restraint.ts';
import { failureWindowMs } from './settings.ts';
import { isAway, isFresh, silentSinceMs } from './sight.ts';
import { type NodeView, type Situation, errorText, masterView, nodeName, silenceText } from './situation.ts';

/**
 * How long the source's word that it is still copying to a target we cannot reach holds the target's failover back. A source notices a dead
 * or hung target within about 2 s (facts section 5.5), so a job that goes on means that the target lives.
 */
const LIVING_JOB_PATIENCE_MS = 15_000;

export interface FailoverPlan extends Draft {
  readonly problems: readonly Problem[];
  /** Masters that nothing else keeps in office: what is known of them is no news any more. */
  readonly rechecks: ReadonlyMap<NodeId, Recheck>;
  /** These, and those of which nothing else will keep them in a moment: they are looked at, and asked about, at once. */
  readonly awaited: ReadonlySet<NodeId>;
  /** When the lease of a silent master is over, or what holds its replacement back; Infinity when none is waited for. */
  readonly wakeAtMs: number;
}

type Resolution =
  | { readonly kind: 'none' }
  | { readonly kind: 'wait' | 'finish' | 'giveUp'; readonly why: string };

/** Looks at every shard; all masters that can be replaced now are replaced in one commit. */
export function planFailovers(situation: Situation): FailoverPlan {
  let draft: Draft = { cluster: situation.cluster, facts: situation.facts, reasons: [] };
  const problems: Problem[] = [];
  const rechecks = new Map<NodeId, Recheck>();
  const awaited = new Set<NodeId>();
  let wakeAtMs = Infinity;
  /** What is waited for ends then by itself: the look that has to come after that ends with it. */
  const waitFor = (master: NodeView, untilMs: number): void => {
    const lookAtMs = untilMs - recheckMs(situation.settings);
    if (situation.nowMs >= lookAtMs) awaited.add(master.node.id);
    wakeAtMs = Math.min(wakeAtMs, situation.nowMs >= lookAtMs ? untilMs : lookAtMs);
  };
  for (const shard of situation.cluster.shards) {
    const master = masterView(situation, shard);
    const why = whyReplaced(situation, master);
    if (why === null) continue;
    const lease = isAway(master) ? leaseWait(situation, master) : null;
    if (lease !== null) {
      problems.push(vacancyProblem(master, `${why}. Waiting: ${lease.why}.`));
      waitFor(master, lease.untilMs);
      continue;
    }
    const outcome = failOver(situation, draft, { shard, why });
    if (typeof outcome === 'string') {
      problems.push(vacancyProblem(master, `${why}. ${outcome}${fenceText(master)}`));
      continue;
    }
    const restraint = restraintOf(situation, master);
    if (restraint !== null) {
      problems.push(
        restrainedProblem(
          master,
          `${why}. ${nodeName(outcome.successor)} would take over, but ${restraint.why}`,
        ),
      );
      if (restraint.leftMs !== null) waitFor(master, situation.nowMs + restraint.leftMs);
      continue;
    }
    const recheck = isAway(master) ? recheckOf(situation, master) : null;
    if (recheck !== null) {
      rechecks.set(master.node.id, recheck);
      awaited.add(master.node.id);
      continue;
    }
    draft = outcome.draft;
    // Data that is gone is told also where nobody has to do anything about it: an exchanged disk is seldom meant.
    if (master.loss !== null)
      problems.push(vacancyProblem(master, `${why}. Replica ${nodeName(outcome.successor)} takes over.`));
  }
  return { ...draft, problems, rechecks, awaited, wakeAtMs };
}

/** Why the master of a shard has to be replaced, for people; null when it has not. */
export function whyReplaced(situation: Situation, master: NodeView): string | null {
  const name = `master ${nodeName(master)}`;
  if (isAway(master)) return `${name} ${silenceText(master)}${confirmedText(situation, master)}`;
  if (master.loss !== null) return `${name} has lost its data: ${master.loss.why}`;
  const obstacle =
    unseenPromotion(situation, situation.facts, master.shard) === null ? null : untoldBy(situation, master);
  return obstacle === null ? null : `${name} was never seen as master and cannot be told: ${obstacle}`;
}

/** Who else does not find it, for people. */
export function confirmedText({ nowMs }: Situation, { memory }: NodeView): string {
  const others = wordsOf(memory, nowMs).filter(({ kind }) => kind !== 'answered' && kind !== 'ownFault');
  if (others.length === 0) return '';
  return `, as ${others.map(({ observer, kind }) => `controller ${observer} (${kind})`).join(' and ')} did`;
}

/** Pushes to a new master that may fail before another one is looked for. */
const UNTOLD_PUSHES_MAX = 5;

/** Why a master that was just chosen does not hear of it; null while it may. */
function untoldBy({ settings, nowMs }: Situation, { memory, need }: NodeView): string | null {
  if (need.kind === 'condemn') return need.why;
  const { impairedSinceMs, push } = memory;
  if (impairedSinceMs !== null) {
    return nowMs - impairedSinceMs >= failureWindowMs(settings) ? errorText(memory) : null;
  }
  const isRefused =
    need.kind === 'push' && push.attempts >= UNTOLD_PUSHES_MAX && push.inFlightSinceMs === null;
  return isRefused && push.error !== null ? push.error.message : null;
}

/** Whether the replicas of an emptied master can still lose what they have. */
function fenceText({ loss, report, memory: { fence } }: NodeView): string {
  if (loss?.isIdentityLost !== true) return '';
  if (report?.isFenced === true) return ' Replicas are kept from copying it.';
  return fence.error === null
    ? ''
    : ` It could not be fenced (${fence.error.message}): a replica that starts copies it.`;
}

function vacancyProblem(master: NodeView, detail: string): Problem {
  const isLost = master.loss !== null || master.need.kind === 'condemn';
  const kind = isLost ? 'masterDataLost' : 'masterUnreachable';
  return { kind, shardIndex: master.shardIndex, node: master.node.id, address: master.node.address, detail };
}

function restrainedProblem({ shardIndex, node }: NodeView, detail: string): Problem {
  return { kind: 'failoverRestrained', shardIndex, node: node.id, address: node.address, detail };
}

/** The draft with the shard's master replaced, and by whom; or the reason why it is not (yet). */
function failOver(
  situation: Situation,
  draft: Draft,
  { shard, why }: { readonly shard: Shard; readonly why: string },
): { readonly draft: Draft; readonly successor: NodeView } | string {
  const election = electCandidate(situation, shard);
  if (election.kind === 'wait') return `Waiting for ${election.why}.`;
  if (election.kind === 'nobody') return `No eligible replica: ${election.refusals.join('; ')}.`;
  const { candidate } = election;
  const replaced = replaceMaster(situation, draft, { shard, candidate });
  if (typeof replaced === 'string') return replaced;
  const master = masterView(situation, shard);
  const reason: CommitReason = {
    kind: 'failover',
    shardIndex: shardIndexOf(replaced.cluster, shard.id),
    from: masterOf(shard).id,
    to: candidate.view.node.id,
    isDrained: false,
    lost: lackOf(master, candidate.sequence),
    text: `${why}; replica ${nodeName(candidate.view)} takes over: ${candidate.why}. The old master: ${exposureText(situation, master, !isAway(master))}`,
  };
  return {
    draft: { ...replaced, reasons: [...replaced.reasons, reason] },
    successor: candidate.view,
  };
}

/** Numbers of a master's last known position that `sequence` lacks; null when that position is not known. */
export function lackOf({ memory, facts }: NodeView, sequence: number): number | null {
  const known = memory.positions.at(-1)?.sequence ?? facts.sequence;
  return known === null ? null : Math.max(0, known - sequence);
}

/** The draft with `candidate` as the master of `shard`, a migration of the shard settled; or the reason to wait. */
export function replaceMaster(
  situation: Situation,
  draft: Draft,
  { shard, candidate }: { readonly shard: Shard; readonly candidate: Candidate },
): Draft | string {
  const resolution = resolveMigration(situation, { draft, shard, candidate });
  if (resolution.kind === 'wait') return `Waiting for the migration: ${resolution.why}.`;
  const settled = settle(situation, draft, { shard, resolution });
  const shardIndex = shardIndexOf(draft.cluster, shard.id);
  const promoted = promote(settled.cluster, shardIndex, candidate.view.node.id);
  assert(promoted.ok, 'a replica of a shard without a started migration can be promoted');
  const facts = factsAfterPromotion(
    situation,
    { facts: settled.facts, version: promoted.value.version },
    { shard, candidate },
  );
  return { cluster: promoted.value, facts, reasons: settled.reasons };
}

/**
 * What a promotion adds to the facts: the position at which the histories part, and what is no copy any more. A promotion that was never seen
 * to take effect is dropped, because what its own master may have taken in between is in nobody's history.
 */
function factsAfterPromotion(
  situation: Situation,
  base: { readonly facts: ClusterFacts; readonly version: ClusterVersion },
  { shard, candidate }: { readonly shard: Shard; readonly candidate: Candidate },
): ClusterFacts {
  const { version } = base;
  const from = masterOf(shard).id;
  const to = candidate.view.node.id;
  const open = unseenPromotion(situation, base.facts, shard);
  let { facts } = base;
  if (open !== null)
    facts = condemned(
      withoutLastPromotion(facts, shard.id),
      from,
      'it may have been master for a moment and was never seen as one',
    );
  const master = masterView(situation, shard);
  if (master.loss !== null) facts = condemned(facts, from, master.loss.why);
  const origin = open?.from ?? from;
  if (origin !== to) {
    facts = withPromotion(facts, shard.id, {
      from: origin,
      to,
      version,
      sequence: candidate.isProven ? candidate.sequence : null,
      term: situation.term,
      atSeconds: situation.nowSeconds,
      isConfirmed: false,
    });
  }
  const { sequence } = candidate;
  return withNodeFacts(facts, to, {
    sequence,
    following: to,
    seenAtSeconds: situation.nowSeconds,
    remake: null,
  });
}

function condemned(facts: ClusterFacts, id: NodeId, remake: string): ClusterFacts {
  return withNodeFacts(facts, id, { ...(facts.nodes.get(id) ?? UNSEEN_NODE), following: null, remake });
}

function settle(
  situation: Situation,
  draft: Draft,
  { shard, resolution }: { readonly shard: Shard; readonly resolution: Resolution },
): Draft {
  if (resolution.kind !== 'finish' && resolution.kind !== 'giveUp') return draft;
  const place = migrationOfShard(draft.cluster, shard.id);
  assert(place !== null, 'only a running migration is resolved');
  const isFinish = resolution.kind === 'finish';
  const next = isFinish
    ? finishMigration(draft.cluster, place.sourceIndex)
    : endMigration(draft.cluster, place.sourceIndex);
  assert(next.ok, 'a running migration can be finished or ended');
  const reason: CommitReason = {
    kind: isFinish ? 'migrationFinished' : 'migrationGivenUp',
    sourceIndex: place.sourceIndex,
    targetIndex: place.targetIndex,
    slots: printSlotRange(place.migration.range),
    text: resolution.why,
  };
  const facts = isFinish
    ? withArrival(draft.facts, masterView(situation, place.target), situation.nowSeconds)
    : draft.facts;
  return { cluster: next.value, facts, reasons: [...draft.reasons, reason] };
}

interface FailoverCase {
  readonly draft: Draft;
  readonly shard: Shard;
  readonly candidate: Candidate;
}

/**
 * A started migration of the shard is settled before its master is replaced. The rule behind the cases: keep the copy of the slots that is
 * known to be complete, and prefer the one that may have newer writes only if its completeness is proven.
 */
function resolveMigration(situation: Situation, { draft, shard, candidate }: FailoverCase): Resolution {
  const place = startedMigration(draft.cluster, shard);
  if (place === null) return { kind: 'none' };
  const view = viewMigration(situation, place);
  return place.source.id === shard.id
    ? resolveWithoutSource(view)
    : resolveWithoutTarget(situation, view, candidate);
}

function startedMigration(cluster: Cluster, shard: Shard): MigrationPlace | null {
  const place = migrationOfShard(cluster, shard.id);
  return place?.migration.stage.kind === 'started' ? place : null;
}

/** The source is down. Its replica has all data of the slots; the target has newer writes exactly if the hand-over took place. */
function resolveWithoutSource(view: MigrationView): Resolution {
  const { source, target, place } = view;
  if (view.isKeptAtSource) {
    return {
      kind: 'giveUp',
      why: 'the source reported a failed job before it died: its copy has the newest writes',
    };
  }
  if (target.condition === 'suspect' || target.condition === 'unknown') {
    return { kind: 'wait', why: 'the target has not said yet whether it took the slots over' };
  }
  // What a target that is away said before may be with none of its replicas: its own failover settles that.
  if (target.condition === 'answering') {
    if (!isFresh(target, silentSinceMs(source))) {
      return { kind: 'wait', why: 'the target was not asked since the source failed' };
    }
    if (view.targetState === 'succeeded' && !view.isTargetEmptied) {
      return { kind: 'finish', why: 'the source died after the target had taken the slots over' };
    }
    if (view.sourceState === 'succeeded' && !view.isTargetEmptied) {
      return { kind: 'finish', why: 'the source reported success before it died, and the target answers' };
    }
    return { kind: 'giveUp', why: 'the source died before the target had taken the slots over' };
  }
  const open = place.migration.isCancelled ? null : openQuestion(view);
  if (open !== null) return { kind: 'wait', why: `${open}; or give the move up: POST .../migrate/cancel` };
  return {
    kind: 'giveUp',
    why: 'the source died and the target cannot say whether it took the slots over; the copy at the source is complete',
  };
}

/** Why the slots may be with a target that cannot say so now, and what helps; null when its copy is not known to be better. */
function openQuestion({ target, sourceState, targetState }: MigrationView): string | null {
  const name = `the target ${nodeName(target)}`;
  if (target.condition === 'impaired' || target.condition === 'blind') {
    return `${name} may have taken the slots over and cannot be asked (${errorText(target.memory)}): repair that`;
  }
  const isHandedOver = sourceState === 'succeeded' || targetState === 'succeeded';
  return isHandedOver && isAway(target)
    ? `the slots were handed over to ${nodeName(target)}, which does not answer: bring it back`
    : null;
}

/**
 * The target is down. The slots go with it only if its replica is proven to have all that was imported: its sequence has reached the one
 * the target reported together with its success. Else the source's copy is kept, complete up to the hand-over.
 */
function resolveWithoutTarget(situation: Situation, view: MigrationView, candidate: Candidate): Resolution {
  const { source, target } = view;
  // A source that is away, too, has said nothing else since.
  const isHandedOver =
    view.sourceState === 'succeeded' || (view.targetState === 'succeeded' && isAway(source));
  if (isHandedOver) {
    const imported = view.targetState === 'succeeded' ? (target.report?.sequence ?? null) : null;
    if (imported !== null && candidate.sequence >= imported) {
      return {
        kind: 'finish',
        why: `the slots were handed over, and the new master of the target has all of them (sequence ${candidate.sequence} of ${imported})`,
      };
    }
    return {
      kind: 'giveUp',
      why: 'the target died right after the hand-over and its replica is not known to have all data; the copy at the source is kept',
    };
  }
  switch (source.condition) {
    case 'suspect':
    case 'unknown':
      return { kind: 'wait', why: 'the source has not said yet how its job stands' };
    case 'answering':
      break;
    default:
      return {
        kind: 'giveUp',
        why: 'the target died and the source cannot say more; the copy at the source is complete',
      };
  }
  const sinceMs = silentSinceMs(target);
  if (!isFresh(source, sinceMs))
    return { kind: 'wait', why: 'the source was not asked since the target failed' };
  const patienceMs = failureWindowMs(situation.settings) + LIVING_JOB_PATIENCE_MS;
  if (view.sourceState === 'running' && situation.nowMs < sinceMs + patienceMs) {
    return { kind: 'wait', why: 'the source still copies to the target, so the target lives for it' };
  }
  return { kind: 'giveUp', why: 'the target died before it had taken the slots over' };
}
