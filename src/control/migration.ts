// Carries every migration on by one step: start, follow, try again, record its success, or give it up.

import { assert, unreachable } from '../base/assert.ts';
import { endMigration, finishMigration, markMigrationStarted } from '../topology/change-slots.ts';
import { clusterWithVersion, migrationsOf } from '../topology/cluster.ts';
import { printSlotRange } from '../topology/slot.ts';
import type { NodeId, ShardId } from '../topology/types.ts';
import type { CommitReason, MigrateAction } from './actions.ts';
import { isArriving, mayTakeBack } from './arrivals.ts';
import { isMissedByMajority, isProcessGoneForAll } from './evidence.ts';
import type { Draft } from './draft.ts';
import { unrecordedHandOvers } from './hand-over.ts';
import type { MigrationMemory } from './memory.ts';
import {
  type MigrationView,
  isTargetMarked,
  lateMover,
  lateMoverText,
  mayServeImport,
  openImportText,
  viewMigration,
  withArrival,
} from './migration-status.ts';
import type { Problem } from './problems.ts';
import { recheckOf } from './recheck.ts';
import { retryDelayMs } from './settings.ts';
import { isAway, isFresh, silentSinceMs } from './sight.ts';
import { type NodeView, type Situation, nodeName, testimonyOf, viewOf } from './situation.ts';

/** A job that failed this often is given up; people can ask again. */
export const MIGRATION_FAILURES_MAX = 3;

/** As after so many failures: what is in the way of asking is seldom gone in a moment. */
const NOT_SENT_PAUSE = 4;

const JOB_RUNS = 'the job runs';

/** The next step of one migration. `until` is when waiting ends by itself, if it does. */
export type MigrationStep =
  | {
      readonly kind: 'wait';
      readonly why: string;
      readonly untilMs: number | null;
      /** For a look at the source, and for the words of others about it. */
      readonly isRecheck?: boolean;
    }
  | { readonly kind: 'start'; readonly why: string; readonly isTargetMarked: boolean }
  | { readonly kind: 'migrate' }
  | { readonly kind: 'clear' | 'finish' | 'giveUp'; readonly why: string };

export interface MigrationPlan extends Draft {
  readonly requests: readonly MigrateAction[];
  readonly problems: readonly Problem[];
  /** What jobs that do not come on wait for, by the shards that they leave. */
  readonly waits: ReadonlyMap<ShardId, string>;
  /** Sources that are about to count as gone: they are looked at, and asked about, at once. */
  readonly awaited: ReadonlySet<NodeId>;
  /** When some migration goes on by itself. */
  readonly wakeAtMs: number;
}

/**
 * Brings what is remembered of each migration up to date: an attempt whose end is seen is counted, a target seen without a finished import
 * of the slots is noted.
 */
export function reviewMigrations(situation: Situation): ReadonlyMap<ShardId, MigrationMemory> {
  const reviewed = new Map<ShardId, MigrationMemory>();
  for (const place of migrationsOf(situation.cluster)) {
    const view = viewMigration(situation, place);
    const isRunning = view.sourceState === 'running' || view.targetState === 'running';
    const failed = view.memory.failed ?? failureSeen(situation, view);
    // A success that shows after the source said that it failed came late: what was seen before it says nothing of the next one.
    const isLate = failed !== null && isTargetMarked(view.target, place);
    const sawBefore = view.memory.sawTargetUnmarked && failed === view.memory.failed && !isLate;
    const memory: MigrationMemory = {
      ...view.memory,
      failed,
      sawTargetUnmarked: sawBefore || seesTargetUnmarked(view, failed),
      targetSucceeded: view.targetState === 'succeeded' && failed === null ? view.target.node.id : null,
      runningSinceMs: isRunning ? (view.memory.runningSinceMs ?? situation.nowMs) : null,
      succeededSinceMs: succeededSinceMs(view),
    };
    reviewed.set(place.source.id, countAttempt(situation, { ...view, memory }));
  }
  return reviewed;
}

/** When the look began that first showed the source's success: looks at the target from then on show what became of it. */
function succeededSinceMs({ memory, source, sourceState }: MigrationView): number | null {
  if (sourceState !== 'succeeded') return null;
  return memory.succeededSinceMs ?? source.memory.look?.startedAtMs ?? null;
}

/**
 * The source's word that an attempt failed, be it of an earlier leadership. So does one that was restarted while its target hangs (a majority misses
 * it), and had not come to its success: it serves the slots again, and the target, which takes them over when it goes on, has nothing of that.
 */
function failureSeen(situation: Situation, view: MigrationView): MigrationMemory['failed'] {
  const { cluster, settings } = situation;
  const { source, target, sourceState, targetState } = view;
  const { look } = source.memory;
  if (view.place.migration.stage.kind !== 'started' || !view.isSourceCurrent || look === null) return null;
  const isHung =
    target.memory.absence?.kind === 'silent' &&
    isMissedByMajority(testimonyOf(situation, target, target.memory), settings);
  const isAlone = sourceState === 'idle' && targetState !== 'succeeded' && isHung;
  return sourceState === 'failed' || isAlone ? { atMs: look.endedAtMs, version: cluster.version } : null;
}

/**
 * A replica shows no job lines at all, and its old ones again once it is a master (facts section 5.2): its silence proves nothing. Nor does a look
 * from before an attempt failed, which may have come to its success at the target since.
 */
function seesTargetUnmarked({ place, target }: MigrationView, failed: MigrationMemory['failed']): boolean {
  const isTelling = isFresh(target, failed?.atMs ?? -Infinity) && target.report?.role === 'master';
  return place.migration.stage.kind === 'started' && isTelling && !isTargetMarked(target, place);
}

function countAttempt(situation: Situation, view: MigrationView): MigrationMemory {
  const { memory, sourceState } = view;
  if (memory.request === null || !view.isSourceCurrent) return memory;
  if (sourceState === 'running' || sourceState === 'succeeded') return memory;
  const { error } = memory.request;
  if (error?.kind === 'migrationRunning') {
    return { ...memory, request: null, nextAtMs: situation.nowMs + retryDelayMs(1) };
  }
  if (error?.kind === 'ownFault') {
    // Nothing was sent, so nothing of the move has failed.
    const nextAtMs = situation.nowMs + retryDelayMs(NOT_SENT_PAUSE);
    return { ...memory, request: null, nextAtMs, lastError: error.message };
  }
  const failures = error?.kind === 'alreadyMigrated' ? MIGRATION_FAILURES_MAX : memory.failures + 1;
  const told =
    sourceState === 'failed' ? 'the source reports a failed job' : 'neither node knows of the job any more';
  const lastError = error === null ? told : `${error.kind}: ${error.message}`;
  return {
    ...memory,
    failures,
    request: null,
    nextAtMs: situation.nowMs + retryDelayMs(failures),
    lastError,
  };
}

/** The steps of all migrations of the draft's cluster; those that need a commit are made in the draft. */
export function planMigrations(situation: Situation, draft: Draft): MigrationPlan {
  let { cluster, facts, reasons } = draft;
  const requests: MigrateAction[] = [];
  const problems: Problem[] = [];
  const waits = new Map<ShardId, string>();
  const awaited = new Set<NodeId>();
  let wakeAtMs = Infinity;
  for (const place of migrationsOf(draft.cluster)) {
    const view = viewMigration(situation, place);
    const step = nextStep(situation, view);
    switch (step.kind) {
      case 'wait':
        problems.push(waitingProblem(situation, view, step.why));
        if (step.isRecheck === true) awaited.add(view.source.node.id);
        if (step.why !== JOB_RUNS) waits.set(place.source.id, step.why);
        if (step.untilMs !== null) wakeAtMs = Math.min(wakeAtMs, step.untilMs);
        break;
      case 'migrate':
        requests.push(migrateAction(view));
        break;
      case 'start':
      case 'clear':
      case 'finish':
      case 'giveUp':
        ({ cluster, facts, reasons } = commitStep({ cluster, facts, reasons }, view, step));
        if (step.kind === 'finish') facts = withArrival(facts, view.target, situation.nowSeconds);
        break;
      default:
        unreachable(step);
    }
  }
  return { cluster, facts, reasons, requests, problems, waits, awaited, wakeAtMs };
}

type CommitStep = Extract<MigrationStep, { readonly kind: keyof typeof REASON_KINDS }>;

const REASON_KINDS = {
  start: 'migrationStarted',
  clear: 'migrationCleared',
  finish: 'migrationFinished',
  giveUp: 'migrationGivenUp',
} as const;

function commitStep(draft: Draft, view: MigrationView, step: CommitStep): Draft {
  const { place } = view;
  const { sourceIndex, targetIndex } = place;
  const next = changed(draft, view, step);
  assert(next.ok, 'the step of a migration that is there is possible');
  const slots = printSlotRange(place.migration.range);
  const reason: CommitReason = {
    kind: REASON_KINDS[step.kind],
    sourceIndex,
    targetIndex,
    slots,
    text: step.why,
  };
  return { ...draft, cluster: next.value, reasons: [...draft.reasons, reason] };
}

function changed(
  { cluster }: Draft,
  view: MigrationView,
  step: CommitStep,
): ReturnType<typeof finishMigration> {
  const { place, target } = view;
  const { sourceIndex } = place;
  switch (step.kind) {
    case 'start':
      return markMigrationStarted(cluster, sourceIndex, step.isTargetMarked);
    case 'clear':
      return raised(markMigrationStarted(cluster, sourceIndex, isTargetMarked(target, place)));
    case 'finish':
      return finishMigration(cluster, sourceIndex);
    case 'giveUp': {
      const ended = endMigration(cluster, sourceIndex);
      return hasLeftNothing(view) ? ended : raised(ended);
    }
    default:
      return unreachable(step);
  }
}

function raised(next: ReturnType<typeof finishMigration>): ReturnType<typeof finishMigration> {
  return next.ok ? clusterWithVersion(next.value, next.value.version + 1) : next;
}

/**
 * Whether neither end can have kept anything of the attempts: a target that took the slots in goes on serving them, and a source that handed them
 * over turns clients away, until they hear of a higher version.
 */
function hasLeftNothing({ place, memory, sourceState, target }: MigrationView): boolean {
  if (place.migration.stage.kind === 'planned') return true;
  const sinceMs = Math.max(memory.failed?.atMs ?? -Infinity, silentSinceMs(target));
  const isTargetClear = isFresh(target, sinceMs) && !mayServeImport(target, place);
  return isTargetClear && sourceState !== 'succeeded';
}

function nextStep(situation: Situation, view: MigrationView): MigrationStep {
  return view.place.migration.stage.kind === 'planned'
    ? stepOfPlanned(situation, view)
    : stepOfStarted(situation, view);
}

/** Nothing was sent yet. The stage `started` is committed first, and only if the source remembers no success that could be taken for ours. */
function stepOfPlanned(situation: Situation, view: MigrationView): MigrationStep {
  const { source, target, place } = view;
  if (place.migration.isCancelled) return { kind: 'giveUp', why: 'it was cancelled' };
  const open = openHandOver(situation, view);
  if (open !== null) return { kind: 'giveUp', why: open };
  const dead = [source, target].find((end) => isAway(end));
  if (dead !== undefined) return { kind: 'giveUp', why: `${nodeName(dead)} does not answer` };
  const obstacle = unreadyText(source) ?? unreadyText(target);
  if (obstacle !== null) return wait(obstacle);
  if (source.shard.drain !== null || target.shard.drain !== null)
    return wait('a master of the two is being changed');
  const openImport = openImportText(target);
  if (openImport !== null) return wait(openImport);
  const late = lateMover(situation, source.shard);
  if (late !== null) return wait(lateMoverText(late));
  if ([source, target].some(({ shard }) => isArriving(situation, shard.id)))
    return wait('the target is asked whether it has the slots that came before');
  switch (view.sourceState) {
    case 'succeeded':
      return {
        kind: 'giveUp',
        why: `the source still remembers an earlier move of these slots and would refuse them; restart ${nodeName(source)} or migrate other slots out of it first`,
      };
    case 'busy':
      return wait('another job runs at the source');
    default:
      return {
        kind: 'start',
        why: 'both ends have the topology',
        isTargetMarked: isTargetMarked(target, place),
      };
  }
}

/** A node remembers one job: the next would wipe out the only proof of a hand-over that is still to be recorded, which this migration keeps from it. */
function openHandOver(situation: Situation, { source, target }: MigrationView): string | null {
  const ends = new Set([source.node.id, target.node.id]);
  const open = unrecordedHandOvers(situation).find(
    (found) => ends.has(found.source.node.id) || ends.has(found.target.node.id),
  );
  if (open === undefined) return null;
  const slots = printSlotRange(open.range);
  return `${nodeName(open.source)} handed slots ${slots} over to ${nodeName(open.target)}, which is recorded first; ask again`;
}

function stepOfStarted(situation: Situation, view: MigrationView): MigrationStep {
  const { source, target, sourceState, targetState } = view;
  if (sourceState === 'succeeded') return stepAfterSuccess(situation, view);
  const isTargetWell = target.condition === 'answering' && !view.isTargetEmptied;
  if (targetState === 'succeeded' && isTargetWell && hasForgotten(situation, view)) {
    // One that is back and says that it failed has the newest writes.
    const recheck = mayTakeBack(situation, source) ? recheckOf(situation, source) : null;
    if (recheck !== null) return { kind: 'wait', why: recheck.why, untilMs: null, isRecheck: true };
    return { kind: 'finish', why: 'the target reports success and the source has forgotten its job' };
  }
  const forgotten = stepOfForgetting(view);
  if (forgotten !== null) return forgotten;
  if (view.place.migration.isCancelled) return stepOfCancelled(view);
  if (isAway(source)) return stepWithoutSource(view);
  if (!view.isSourceCurrent) return wait('the word of the source is awaited');
  if (sourceState === 'running') return wait(JOB_RUNS);
  if (sourceState === 'busy') return wait('another job runs at the source');
  return stepWhenSettled(situation, view);
}

/** A target that just fell silent may be dying: what is known of its replica then decides (failover.ts). */
function stepAfterSuccess(situation: Situation, view: MigrationView): MigrationStep {
  const { target, memory, isTargetEmptied } = view;
  if (isTargetEmptied) return stepAfterLoss(situation, view);
  if (view.place.migration.isCancelled && isAway(target)) {
    const why = 'the slots were handed over to a target that does not answer any more, and it was cancelled';
    return { kind: 'giveUp', why: `${why}; the copy at the source is kept` };
  }
  if (target.condition !== 'answering')
    return wait('the slots were handed over, but the target does not answer');
  // What it said before may be of a process that is gone, with the disk to which the slots went.
  if (!isFresh(target, memory.succeededSinceMs ?? Infinity))
    return wait('the target is asked since the hand-over');
  return { kind: 'finish', why: 'the source reports success' };
}

/**
 * What was handed over is not where it went. A replica of the target may have it, and then takes over (failover.ts); where none can, the
 * source's copy, complete up to the hand-over, is the best there is, and a success that was recorded now would delete it.
 */
function stepAfterLoss(situation: Situation, { place, target }: MigrationView): MigrationStep {
  const why = 'the slots were handed over, but the target has lost its data';
  const others = target.shard.nodes.filter(({ id }) => id !== target.node.id);
  const isUnseen = others.some(({ id }) => viewOf(situation, id).memory.look === null);
  const mayReplicaHaveIt = others.length > 0 && (target.loss !== null || isUnseen);
  if (mayReplicaHaveIt && !place.migration.isCancelled) return wait(`${why}; a replica of it may have them`);
  return { kind: 'giveUp', why: `${why}; the copy at the source is kept` };
}

/** That the target forgot an earlier import of the same slots is committed: its next success is then known to be of this move by every leader. */
function stepOfForgetting({ place: { migration }, memory }: MigrationView): MigrationStep | null {
  const { stage } = migration;
  if (stage.kind !== 'started' || !stage.isTargetMarked || !memory.sawTargetUnmarked) return null;
  return {
    kind: 'start',
    why: 'the target has forgotten an earlier import of these slots',
    isTargetMarked: false,
  };
}

/**
 * A restarted or dead source, or one at whose address nobody listens by the word of a majority (a source that only this controller does not reach may
 * have failed its job and take writes): its process is gone, and with it what it knew of the job. Recorded before it is back, it is told so with the
 * first look at it, instead of serving the slots beside the target until then. One that reports `fail` never answered MOVED, so its own data is the
 * newest and the move is tried again.
 */
function hasForgotten(
  situation: Situation,
  { source, sourceState, isSourceCurrent, isKeptAtSource }: MigrationView,
): boolean {
  if (isKeptAtSource) return false;
  const testimony = testimonyOf(situation, source, source.memory);
  const isGone = isAway(source) || isProcessGoneForAll(testimony, situation.settings);
  return isGone || (isSourceCurrent && sourceState === 'idle');
}

/**
 * Somebody wants it to end. The wish was committed with a higher version, which the target is told while the source is held back: that ends the
 * import, and the source goes on with all data (facts section 5.4). Had the hand-over been complete before, both ends turn clients away until it
 * is recorded, and nothing is lost.
 */
function stepOfCancelled(view: MigrationView): MigrationStep {
  const { source, target, sourceState, targetState } = view;
  if (view.isSourceCurrent && (sourceState === 'idle' || sourceState === 'failed')) {
    return { kind: 'giveUp', why: 'it was cancelled' };
  }
  if (isAway(target)) {
    const isEnded = isAway(source) || sourceState !== 'running';
    return isEnded
      ? { kind: 'giveUp', why: 'it was cancelled' }
      : wait('the source is to notice that the target is away');
  }
  // Once told, the target refuses whatever comes of the import, though it only says so when something comes.
  const isTold = target.need.kind === 'nothing';
  if (targetState === 'running' && !(isTold && isAway(source)))
    return wait('it was cancelled; the target is told');
  if (isAway(source) && isFresh(target, silentSinceMs(source))) {
    return { kind: 'giveUp', why: `it was cancelled while ${nodeName(source)} did not answer` };
  }
  return wait('it was cancelled; the word of the source is awaited');
}

/**
 * The source is away and was not failed over. A process that is gone has no job any more; one that only hangs may still have our MIGRATE before
 * it and carry it out whenever it goes on (facts section 8), so a silent source is given up only after its import was seen to fail.
 */
function stepWithoutSource(view: MigrationView): MigrationStep {
  const { source, target, targetState } = view;
  const kind = source.memory.absence?.kind;
  const cannotStart = kind === 'refused' || kind === 'stranger' || targetState === 'failed';
  if (cannotStart && isFresh(target, silentSinceMs(source)) && targetState !== 'running') {
    return {
      kind: 'giveUp',
      why: `the source ${nodeName(source)} does not answer and the target has not taken the slots over`,
    };
  }
  return wait(
    `the source ${nodeName(source)} does not answer and may still carry the move out when it goes on`,
  );
}

/** No job runs: try, try again, or give up. */
function stepWhenSettled(situation: Situation, view: MigrationView): MigrationStep {
  const { source, target, memory } = view;
  if (memory.failures >= MIGRATION_FAILURES_MAX)
    return { kind: 'giveUp', why: `it failed: ${memory.lastError}` };
  if (isAway(target)) return { kind: 'giveUp', why: `the target ${nodeName(target)} does not answer` };
  const remains = stepWithRemains(situation, view);
  if (remains !== null) return remains;
  const openImport = openImportText(target);
  if (openImport !== null) return wait(openImport);
  if (situation.nowMs < memory.nextAtMs) {
    return {
      kind: 'wait',
      why: `attempt ${memory.failures} failed (${memory.lastError}), the next follows`,
      untilMs: memory.nextAtMs,
    };
  }
  const obstacle = unreadyText(source) ?? unreadyText(target);
  if (obstacle !== null) return wait(obstacle);
  if ([source, target].some(({ memory: { push } }) => push.inFlightSinceMs !== null))
    return wait('a topology is on its way');
  return { kind: 'migrate' };
}

/**
 * A target whose success the source did not hear of serves the slots beside the source, and would go on while the next attempt copies into them.
 * It is told a higher version first; what it says of that import counts no more.
 */
function stepWithRemains({ cluster }: Situation, view: MigrationView): MigrationStep | null {
  const { place, memory, target, targetState } = view;
  const { failed } = memory;
  if (failed === null) return null;
  if (target.condition === 'answering' && !isFresh(target, failed.atMs))
    return wait('the target is asked what it kept of the attempt that failed');
  const isTold = cluster.version > failed.version && targetState !== 'succeeded';
  if (isTold || !mayServeImport(target, place)) return null;
  return { kind: 'clear', why: 'the target may serve slots whose move failed; it is told not to' };
}

/** Why nothing can be moved from or to this end now; null when it can. What would come to a master that lost its data is given up with the rest. */
function unreadyText(end: NodeView): string | null {
  if (end.loss !== null) return `${nodeName(end)} has lost its data: ${end.loss.why}`;
  return end.need.kind === 'nothing' ? null : `${nodeName(end)} does not have the topology yet`;
}

function wait(why: string): MigrationStep {
  return { kind: 'wait', why, untilMs: null };
}

function migrateAction({ place, source, target, memory }: MigrationView): MigrateAction {
  return {
    kind: 'migrate',
    shard: place.source.id,
    source: source.node.id,
    sourceAddress: source.node.address,
    target: target.node.id,
    targetAddress: target.node.address,
    range: place.migration.range,
    attempt: memory.failures + 1,
  };
}

/** A job that runs longer than this is told with its figures: Kvrocks itself tells none. */
const LONG_JOB_MS = 120_000;

function waitingProblem(situation: Situation, view: MigrationView, why: string): Problem {
  const { place, source, target, memory } = view;
  const { runningSinceMs } = memory;
  const runningMs = runningSinceMs === null ? 0 : situation.nowMs - runningSinceMs;
  const isLong = runningMs >= LONG_JOB_MS;
  const figures = isLong
    ? `; running for ${Math.round(runningMs / 1000)} s, writes ${rateOf(source)}, copies ${rateOf(target)}`
    : '';
  const detail = `slots ${printSlotRange(place.migration.range)} from shard ${place.sourceIndex} to shard ${place.targetIndex}: ${why}${figures}`;
  return {
    kind: isLong ? 'migrationSlow' : 'migrationWaiting',
    shardIndex: place.sourceIndex,
    node: source.node.id,
    address: source.node.address,
    detail,
  };
}

/** How fast a node's sequence moves, which is all that tells of the pace of a job. */
function rateOf({ memory: { positions } }: NodeView): string {
  const [first, last] = [positions[0], positions.at(-1)];
  if (first === undefined || last === undefined || last.atMs <= first.atMs) return 'unknown';
  return `${Math.round(((last.sequence - first.sequence) * 1000) / (last.atMs - first.atMs))}/s`;
}
