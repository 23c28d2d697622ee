// Carries every migration on by one step: start, follow, try again, record its success, or give it up.

import { assert, unreachable } from '../base/assert.ts';
import { endMigration, finishMigration, markMigrationStarted } from '../topology/change-slots.ts';
import { migrationsOf } from '../topology/cluster.ts';
import { printSlotRange } from '../topology/slot.ts';
import type { ShardId } from '../topology/types.ts';
import type { CommitReason, MigrateAction } from './actions.ts';
import type { Draft } from './failover.ts';
import type { MigrationMemory } from './memory.ts';
import { type MigrationView, isTargetMarked, viewMigration } from './migration-status.ts';
import type { Problem } from './problems.ts';
import { retryDelayMs } from './settings.ts';
import { type NodeView, type Situation, isFresh, nodeName, silentSinceMs } from './situation.ts';

/** A job that failed this often is given up; people can ask again. */
export const MIGRATION_FAILURES_MAX = 3;

/** The next step of one migration. `until` is when waiting ends by itself, if it does. */
export type MigrationStep =
  | { readonly kind: 'wait'; readonly why: string; readonly untilMs: number | null }
  | { readonly kind: 'start'; readonly why: string; readonly isTargetMarked: boolean }
  | { readonly kind: 'migrate' }
  | { readonly kind: 'finish' | 'giveUp'; readonly why: string };

export interface MigrationPlan extends Draft {
  readonly requests: readonly MigrateAction[];
  readonly problems: readonly Problem[];
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
    const memory = {
      ...view.memory,
      sawTargetUnmarked: view.memory.sawTargetUnmarked || seesTargetUnmarked(view),
    };
    reviewed.set(place.source.id, countAttempt(situation, { ...view, memory }));
  }
  return reviewed;
}

/** A replica shows no job lines at all, and its old ones again once it is a master (facts section 5.2): its silence proves nothing. */
function seesTargetUnmarked({ place, target }: MigrationView): boolean {
  const isTelling = target.condition === 'answering' && target.report?.role === 'master';
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
  let { cluster, reasons } = draft;
  const requests: MigrateAction[] = [];
  const problems: Problem[] = [];
  let wakeAtMs = Infinity;
  for (const place of migrationsOf(draft.cluster)) {
    const view = viewMigration(situation, place);
    const step = nextStep(situation, view);
    switch (step.kind) {
      case 'wait':
        problems.push(waitingProblem(view, step.why));
        if (step.untilMs !== null) wakeAtMs = Math.min(wakeAtMs, step.untilMs);
        break;
      case 'migrate':
        requests.push(migrateAction(view));
        break;
      case 'start':
      case 'finish':
      case 'giveUp':
        ({ cluster, reasons } = commitStep({ cluster, reasons }, view, step));
        break;
      default:
        unreachable(step);
    }
  }
  return { cluster, reasons, requests, problems, wakeAtMs };
}

type CommitStep = Extract<MigrationStep, { readonly kind: 'start' | 'finish' | 'giveUp' }>;

const REASON_KINDS = {
  start: 'migrationStarted',
  finish: 'migrationFinished',
  giveUp: 'migrationGivenUp',
} as const;

function commitStep(draft: Draft, { place }: MigrationView, step: CommitStep): Draft {
  const { sourceIndex, targetIndex } = place;
  const next = changed(draft, sourceIndex, step);
  assert(next.ok, 'the step of a migration that is there is possible');
  const slots = printSlotRange(place.migration.range);
  const reason: CommitReason = {
    kind: REASON_KINDS[step.kind],
    sourceIndex,
    targetIndex,
    slots,
    text: step.why,
  };
  return { cluster: next.value, reasons: [...draft.reasons, reason] };
}

function changed(
  { cluster }: Draft,
  sourceIndex: number,
  step: CommitStep,
): ReturnType<typeof finishMigration> {
  switch (step.kind) {
    case 'start':
      return markMigrationStarted(cluster, sourceIndex, step.isTargetMarked);
    case 'finish':
      return finishMigration(cluster, sourceIndex);
    case 'giveUp':
      return endMigration(cluster, sourceIndex);
    default:
      return unreachable(step);
  }
}

function nextStep(situation: Situation, view: MigrationView): MigrationStep {
  return view.place.migration.stage.kind === 'planned' ? stepOfPlanned(view) : stepOfStarted(situation, view);
}

/** Nothing was sent yet. The stage `started` is committed first, and only if the source remembers no success that could be taken for ours. */
function stepOfPlanned(view: MigrationView): MigrationStep {
  const { source, target, place } = view;
  const dead = [source, target].find((end) => end.condition === 'down');
  if (dead !== undefined) return { kind: 'giveUp', why: `${nodeName(dead)} does not answer` };
  const unready = [source, target].find((end) => end.need.kind !== 'nothing');
  if (unready !== undefined) return wait(`${nodeName(unready)} does not have the topology yet`);
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

function stepOfStarted(situation: Situation, view: MigrationView): MigrationStep {
  const { source, target, sourceState, targetState } = view;
  if (sourceState === 'succeeded') {
    // A target that just fell silent may be dying; what is known of its replica then decides (see failover.ts).
    if (target.condition === 'answering') return { kind: 'finish', why: 'the source reports success' };
    return wait('the slots were handed over, but the target does not answer');
  }
  if (targetState === 'succeeded' && target.condition === 'answering' && hasForgotten(view)) {
    return { kind: 'finish', why: 'the target reports success and the source has forgotten its job' };
  }
  if (source.condition === 'down') return stepWithoutSource(view);
  if (!view.isSourceCurrent) return wait('the word of the source is awaited');
  if (sourceState === 'running') return wait('the job runs');
  if (sourceState === 'busy') return wait('another job runs at the source');
  return stepWhenSettled(situation, view);
}

/** A restarted or dead source. One that reports `fail` never answered MOVED, so its own data is the newest and the move is tried again. */
function hasForgotten({ source, sourceState, isSourceCurrent }: MigrationView): boolean {
  return source.condition === 'down' || (isSourceCurrent && sourceState === 'idle');
}

/** The source is down and was not failed over. Its job died with it unless it only hangs; a target that ended the import settles that. */
function stepWithoutSource(view: MigrationView): MigrationStep {
  const { source, target, targetState } = view;
  if (isFresh(target, silentSinceMs(source)) && targetState !== 'running') {
    return {
      kind: 'giveUp',
      why: `the source ${nodeName(source)} does not answer and the target has not taken the slots over`,
    };
  }
  return wait(`the source ${nodeName(source)} does not answer`);
}

/** No job runs: try, try again, or give up. */
function stepWhenSettled(situation: Situation, view: MigrationView): MigrationStep {
  const { source, target, memory } = view;
  if (memory.failures >= MIGRATION_FAILURES_MAX)
    return { kind: 'giveUp', why: `it failed: ${memory.lastError}` };
  if (target.condition === 'down')
    return { kind: 'giveUp', why: `the target ${nodeName(target)} does not answer` };
  if (situation.nowMs < memory.nextAtMs) {
    return {
      kind: 'wait',
      why: `attempt ${memory.failures} failed (${memory.lastError}), the next follows`,
      untilMs: memory.nextAtMs,
    };
  }
  const unready = [source, target].find((end) => !isReady(end));
  if (unready !== undefined) return wait(`${nodeName(unready)} does not have the topology yet`);
  return { kind: 'migrate' };
}

function isReady(end: NodeView): boolean {
  return end.need.kind === 'nothing' && end.memory.push.inFlightSinceMs === null;
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
    range: place.migration.range,
    attempt: memory.failures + 1,
  };
}

function waitingProblem({ place, source }: MigrationView, why: string): Problem {
  const detail = `slots ${printSlotRange(place.migration.range)} from shard ${place.sourceIndex} to shard ${place.targetIndex}: ${why}`;
  return {
    kind: 'migrationWaiting',
    shardIndex: place.sourceIndex,
    node: source.node.id,
    address: source.node.address,
    detail,
  };
}
