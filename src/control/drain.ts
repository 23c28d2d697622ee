// A planned change of masters, step by step: the old master is drained, the new one reaches it, and takes over; or it is undone.

import { assert } from '../base/assert.ts';
import { undoDrain } from '../topology/change-nodes.ts';
import { shardIndexOf } from '../topology/cluster.ts';
import type { Drain, NodeId, Shard, ShardId } from '../topology/types.ts';
import { type Candidate, judged, vacancyOf } from './candidates.ts';
import type { Draft } from './draft.ts';
import { replaceMaster } from './failover.ts';
import type { DrainMemory } from './memory.ts';
import { isAway, isLookCurrent } from './sight.ts';
import { type NodeView, type Situation, errorText, masterView, nodeName, viewOf } from './situation.ts';

/** Milliseconds for which the sight of a drained master counts: it is looked at many times as often. */
const FROZEN_SIGHT_MS = 500;

export interface DrainPlan extends Draft {
  /** When the next drain is given up if nothing happens; Infinity without one. */
  readonly wakeAtMs: number;
}

interface DrainView {
  readonly shard: Shard;
  readonly drain: Drain;
  readonly master: NodeView;
  readonly successor: NodeView;
}

type DrainStep =
  | { readonly kind: 'wait' }
  | { readonly kind: 'finish'; readonly candidate: Candidate; readonly frozen: number }
  | { readonly kind: 'undo'; readonly why: string };

function drainsOf(situation: Situation): readonly DrainView[] {
  return situation.cluster.shards.flatMap((shard) => {
    const { drain } = shard;
    if (drain === null) return [];
    return [{ shard, drain, master: masterView(situation, shard), successor: viewOf(situation, drain.to) }];
  });
}

/** When each drain under way was first before this leadership. */
export function reviewDrains(situation: Situation): ReadonlyMap<ShardId, DrainMemory> {
  const { memory, nowMs } = situation;
  return new Map(
    drainsOf(situation).map(({ shard, drain: { version } }) => {
      const known = memory.drains.get(shard.id);
      return [shard.id, known?.version === version ? known : { version, sinceMs: nowMs }];
    }),
  );
}

/** Both ends of every drain: clients wait for the next word of either. */
export function drainEnds(situation: Situation): ReadonlySet<NodeId> {
  return new Set(drainsOf(situation).flatMap(({ master, successor }) => [master.node.id, successor.node.id]));
}

/** Finishes what can be finished, and undoes what cannot, or not in time. `held`: nodes that hear of no higher version now. */
export function planDrains(situation: Situation, held: ReadonlySet<NodeId>): DrainPlan {
  const { settings, memory, nowMs } = situation;
  let draft: Draft = { cluster: situation.cluster, facts: situation.facts, reasons: [] };
  let wakeAtMs = Infinity;
  for (const view of drainsOf(situation)) {
    const sinceMs = memory.drains.get(view.shard.id)?.sinceMs ?? nowMs;
    const untilMs = sinceMs + settings.switchoverTimeoutMs;
    const step = nextStep(situation, view, { untilMs, isHeld: held.has(view.master.node.id) });
    if (step.kind === 'wait') wakeAtMs = Math.min(wakeAtMs, untilMs);
    else
      draft = step.kind === 'finish' ? finished(situation, draft, view, step) : undone(draft, view, step.why);
  }
  return { ...draft, wakeAtMs };
}

function nextStep(
  situation: Situation,
  view: DrainView,
  { untilMs, isHeld }: { readonly untilMs: number; readonly isHeld: boolean },
): DrainStep {
  const { shard, master, successor } = view;
  if (isHeld) return { kind: 'undo', why: `slots of ${nodeName(master)} are being moved` };
  const frozen = frozenAt(situation, master);
  // It was chosen already: what people wish of it does not count any more.
  const vacancy = { ...vacancyOf(situation, shard), isForced: true };
  const { verdict } = judged(situation, vacancy, successor.node);
  const hasAll = frozen !== null && verdict.kind === 'eligible' && verdict.sequence >= frozen;
  if (hasAll && isStillFrozen(situation, master)) {
    const { sequence, why } = verdict;
    return { kind: 'finish', frozen, candidate: { view: successor, sequence, isProven: true, why } };
  }
  const obstacle = obstacleOf(successor);
  if (obstacle !== null) return { kind: 'undo', why: obstacle };
  if (situation.nowMs < untilMs) return { kind: 'wait' };
  const time = `within ${situation.settings.switchoverTimeoutMs} ms`;
  if (frozen === null)
    return { kind: 'undo', why: `${nodeName(master)} was not seen to turn its clients away ${time}` };
  if (hasAll) return { kind: 'undo', why: `${nodeName(master)} does not answer any more` };
  const missing = frozen - (successor.report?.sequence ?? 0);
  const what =
    verdict.kind === 'eligible' || missing > 0
      ? `it lacks ${missing} of the ${frozen} numbers of its master`
      : verdict.why;
  return { kind: 'undo', why: `${nodeName(successor)} did not come to take over ${time}: ${what}` };
}

/**
 * Where the drained master stands for good; null while it is not known to be drained. Since a drain began its master is told nothing but that
 * under the versions of its cluster, so the version it has says what it was told, also to a leader that did not tell it.
 */
function frozenAt({ cluster }: Situation, { report, memory, loss }: NodeView): number | null {
  if (report === null || loss !== null || !isLookCurrent(memory)) return null;
  const isTold = report.version === cluster.version && memory.foreignVersion !== report.version;
  return isTold && report.role === 'master' ? report.sequence : null;
}

/** A process that is gone takes nothing. One that is only silent may have been told something else by somebody else. */
function isStillFrozen({ nowMs }: Situation, { memory: { look, absence } }: NodeView): boolean {
  return absence?.kind === 'refused' || (look !== null && nowMs - look.endedAtMs <= FROZEN_SIGHT_MS);
}

/** Why the one that is to take over certainly cannot now; null when it may. What is only late is left to the time that a drain has. */
function obstacleOf(successor: NodeView): string | null {
  const name = nodeName(successor);
  const { memory, need, facts, condition } = successor;
  if (isAway(successor) || memory.absence?.kind === 'refused') return `${name} does not answer any more`;
  if (condition === 'loading' || condition === 'impaired')
    return `${name} answers with an error: ${errorText(memory)}`;
  if (facts.remake !== null) return `the copy of ${name} is to be made anew: ${facts.remake}`;
  return need.kind === 'condemn' ? `the copy of ${name} is none: ${need.why}` : null;
}

function finished(
  situation: Situation,
  draft: Draft,
  { shard, master }: DrainView,
  { candidate, frozen }: Extract<DrainStep, { readonly kind: 'finish' }>,
): Draft {
  const replaced = replaceMaster(situation, draft, { shard, candidate });
  assert(typeof replaced !== 'string', 'no migration of a drained shard is under way');
  const text =
    `asked for by hand; replica ${nodeName(candidate.view)} takes over: ${nodeName(master)} was drained at sequence ${frozen}, ` +
    `and the replica stands at ${candidate.sequence}: nothing is lost`;
  const reason = {
    kind: 'failover',
    shardIndex: shardIndexOf(replaced.cluster, shard.id),
    from: master.node.id,
    to: candidate.view.node.id,
    isDrained: true,
    lost: 0,
    text,
  } as const;
  return { ...replaced, reasons: [...replaced.reasons, reason] };
}

function undone(draft: Draft, { shard, drain, master }: DrainView, why: string): Draft {
  const shardIndex = shardIndexOf(draft.cluster, shard.id);
  const next = undoDrain(draft.cluster, shardIndex);
  assert(next.ok, 'a drain that is under way can be undone');
  const reason = {
    kind: 'drainUndone',
    shardIndex,
    from: master.node.id,
    to: drain.to,
    text: `the planned change of masters was undone: ${why}; ${nodeName(master)} is the master as before, and nothing was changed`,
  } as const;
  return { ...draft, cluster: next.value, reasons: [...draft.reasons, reason] };
}
