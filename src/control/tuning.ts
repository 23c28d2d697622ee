// Settings of sources that a task wants otherwise: read, written down, set before its jobs, and set back when it has nothing left there.

import { cancelMigration } from '../topology/change-slots.ts';
import { masterOf, shardIndexOf } from '../topology/cluster.ts';
import {
  isDone,
  isOpen,
  isStuck,
  type MigrationTask,
  openTasks,
  rangeOf,
  TASK_ATTEMPTS_MAX,
  taskAt,
  type TaskBook,
  withTask,
} from '../topology/task.ts';
import { type NodeTuning, type TunedNode, tuningText, wantsSettings } from '../topology/tuning.ts';
import type { Cluster, NodeId, Shard, ShardId } from '../topology/types.ts';
import type { TuneAction } from './actions.ts';
import type { ControlMemory } from './memory.ts';
import type { NodeMemory } from './node-memory.ts';
import type { Problem } from './problems.ts';
import { masterView, type NodeView, nodeName, type Situation } from './situation.ts';
import { isOfRequest, tuningDoubted, type TuningRequest } from './tuning-memory.ts';

/** A node that has refused this often will not take it: people hear its words. */
export const TUNING_REFUSALS_MAX = 3;

export interface TuningPlan {
  readonly cluster: Cluster;
  readonly tasks: TaskBook;
  /** Why no job of a task can begin at a source yet, by their ids. */
  readonly waits: ReadonlyMap<number, ReadonlyMap<ShardId, string>>;
  readonly actions: readonly TuneAction[];
  /** Sources of jobs under way that do not send as their task wants: no MIGRATE before they do. */
  readonly untuned: ReadonlySet<NodeId>;
  /** Nodes whose last word was used by what changes here: it counts once. */
  readonly spent: readonly NodeId[];
  readonly problems: readonly Problem[];
  readonly wakeAtMs: number;
}

/** The next step at one node. */
type Step =
  | { readonly kind: 'ready' }
  | { readonly kind: 'wait'; readonly why: string; readonly untilMs: number }
  | { readonly kind: 'act'; readonly why: string; readonly action: TuneAction }
  | { readonly kind: 'record'; readonly why: string; readonly before: NodeTuning }
  | { readonly kind: 'refused'; readonly why: string };

/** Filled task by task. */
interface Draft {
  readonly situation: Situation;
  cluster: Cluster;
  tasks: TaskBook;
  /** Whose settings a node has, or is about to get. */
  readonly holders: Map<NodeId, number>;
  readonly waits: Map<number, Map<ShardId, string>>;
  readonly actions: TuneAction[];
  readonly untuned: Set<NodeId>;
  readonly spent: NodeId[];
  readonly problems: Problem[];
  wakeAtMs: number;
}

/** The tasks as of `cluster`, with what is to be told to their sources, and to those that are not any more. */
export function planTuning(situation: Situation, cluster: Cluster, tasks: TaskBook): TuningPlan {
  const holders = new Map(tasks.flatMap(({ id, tuned }) => tuned.map(({ node }) => [node, id] as const)));
  const draft: Draft = {
    situation,
    cluster,
    tasks,
    holders,
    waits: new Map(),
    actions: [],
    untuned: new Set(),
    spent: [],
    problems: [],
    wakeAtMs: Infinity,
  };
  for (const task of tasks) {
    if (task.tuned.length === 0 && !(isOpen(task) && wantsSettings(task.settings))) continue;
    const sources = sourcesOf(task, tasks, cluster);
    const wanted = new Set(sources.map((shard) => masterOf(shard).id));
    for (const entry of task.tuned) if (!wanted.has(entry.node)) restore(draft, task, entry);
    for (const shard of sources) tune(draft, task, shard);
  }
  return draft;
}

/** Where a job of the task runs, or may begin: not while it is held up, and not where a job of another such task got in meanwhile. */
function sourcesOf(task: MigrationTask, tasks: TaskBook, cluster: Cluster): readonly Shard[] {
  if (!isOpen(task)) return [];
  const isLeft = task.wish === 'run';
  const left = new Set(
    task.ranges.filter((range) => isLeft && !isDone(range) && !isStuck(range)).map(({ source }) => source),
  );
  return cluster.shards.filter((shard) => {
    if (hasJob(shard, task)) return true;
    return left.has(shard.id) && !openTasks(tasks).some((other) => isTuning(other) && hasJob(shard, other));
  });
}

function isTuning({ settings }: MigrationTask): boolean {
  return wantsSettings(settings);
}

function hasJob({ id, migration }: Shard, task: MigrationTask): boolean {
  return migration !== null && rangeOf([task], id, migration) !== null;
}

function tune(draft: Draft, { id }: MigrationTask, shard: Shard): void {
  const task = draft.tasks.find((each) => each.id === id);
  if (task === undefined || !isOpen(task)) return;
  const view = masterView(draft.situation, shard);
  const node = view.node.id;
  const holder = draft.holders.get(node) ?? id;
  const step = stepAt(draft.situation, task, { view, holder });
  if (step.kind === 'ready') return;
  draft.holders.set(node, holder);
  draft.waits.set(id, (draft.waits.get(id) ?? new Map<ShardId, string>()).set(shard.id, step.why));
  if (hasJob(shard, task)) draft.untuned.add(node);
  switch (step.kind) {
    case 'act':
      draft.actions.push(step.action);
      break;
    case 'record':
      draft.spent.push(node);
      draft.tasks = withTask(draft.tasks, { ...task, tuned: [...task.tuned, { node, before: step.before }] });
      break;
    case 'refused':
      draft.spent.push(node);
      giveUp(draft, task, { shard, why: step.why });
      break;
    default:
      draft.wakeAtMs = Math.min(draft.wakeAtMs, step.untilMs);
  }
}

/** What it has is read before it is written down, and that is committed before anything is changed: whoever leads can set it back. */
function stepAt(
  { nowMs }: Situation,
  { id, settings, tuned }: MigrationTask,
  { view, holder }: { readonly view: NodeView; readonly holder: number },
): Step {
  const name = nodeName(view);
  if (holder !== id)
    return waiting(`${name} has the settings of migration ${holder} until that has nothing left there`);
  if (view.condition !== 'answering') return waiting(`${name} does not answer`);
  const isRecorded = tuned.some(({ node }) => node === view.node.id);
  const request: TuningRequest = { task: id, step: isRecorded ? 'set' : 'read', settings };
  const { tuning } = view.memory;
  const text = tuningText(settings);
  const why = isRecorded ? `${name} is told ${text}` : `${name} is asked what it has for ${text}`;
  if (isOfRequest(tuning, request)) {
    if (tuning.found !== null && isRecorded) return { kind: 'ready' };
    if (tuning.found !== null) return { kind: 'record', why, before: tuning.found };
    if (tuning.refusals >= TUNING_REFUSALS_MAX)
      return { kind: 'refused', why: `${name} does not take ${text}: ${tuning.error?.message ?? ''}` };
  }
  return isDue(view, request, nowMs)
    ? { kind: 'act', why, action: actionFor(view, request) }
    : { ...waiting(why), untilMs: tuning.isInFlight ? Infinity : tuning.nextAtMs };
}

function waiting(why: string): Extract<Step, { readonly kind: 'wait' }> {
  return { kind: 'wait', why, untilMs: Infinity };
}

/** One request at a time: a node must not be told two things at once. */
function isDue({ memory: { tuning } }: NodeView, request: TuningRequest, nowMs: number): boolean {
  return !tuning.isInFlight && (!isOfRequest(tuning, request) || nowMs >= tuning.nextAtMs);
}

function actionFor({ node: { id, address } }: NodeView, request: TuningRequest): TuneAction {
  return { kind: 'tune', node: id, address, ...request };
}

/** A limit that was asked for and cannot be had is no task as it was asked for: what is left at this source is not moved, also by a job that has begun. */
function giveUp(
  draft: Draft,
  task: MigrationTask,
  { shard, why }: { readonly shard: Shard; readonly why: string },
): void {
  const ranges = task.ranges.map((range) =>
    range.source === shard.id && !isDone(range) && !isStuck(range)
      ? { ...range, attempts: TASK_ATTEMPTS_MAX, lastError: why }
      : range,
  );
  if (hasJob(shard, task) && shard.migration?.isCancelled === false) {
    const cancelled = cancelMigration(draft.cluster, shardIndexOf(draft.cluster, shard.id));
    if (cancelled.ok) draft.cluster = cancelled.value;
  }
  const given = taskAt({ ...task, ranges }, draft.cluster, draft.situation.nowSeconds);
  draft.tasks = withTask(draft.tasks, given);
}

/** Sets back what was before, as soon as the node answers. What left the cluster keeps what it has. */
function restore(draft: Draft, { id }: MigrationTask, { node, before }: TunedNode): void {
  const { situation } = draft;
  const view = situation.views.get(node);
  const request: TuningRequest = { task: id, step: 'restore', settings: before };
  if (view === undefined) {
    forget(draft, id, node);
    return;
  }
  const { tuning } = view.memory;
  const isAsked = isOfRequest(tuning, request);
  if (isAsked && tuning.found !== null) {
    draft.spent.push(node);
    forget(draft, id, node);
    return;
  }
  if (isAsked && tuning.refusals >= TUNING_REFUSALS_MAX) draft.problems.push(keptProblem(view, request));
  if (view.condition !== 'answering') return;
  if (isDue(view, request, situation.nowMs)) draft.actions.push(actionFor(view, request));
  else if (!tuning.isInFlight) draft.wakeAtMs = Math.min(draft.wakeAtMs, tuning.nextAtMs);
}

function forget(draft: Draft, id: number, node: NodeId): void {
  draft.tasks = draft.tasks.map((task) =>
    task.id === id ? { ...task, tuned: task.tuned.filter((entry) => entry.node !== node) } : task,
  );
}

function keptProblem(view: NodeView, { task, settings }: TuningRequest): Problem {
  const { shardIndex, node, memory } = view;
  const words = memory.tuning.error?.message ?? '';
  const detail = `${nodeName(view)} still has the settings of migration ${task}, and does not take ${tuningText(settings)}: ${words}`;
  return { kind: 'settingsKept', shardIndex, node: node.id, address: node.address, detail };
}

/** A source whose job failed may be a new process, which has the settings of its file: it is told again before MIGRATE is. */
export function doubtAfterFailures(
  before: ControlMemory['migrations'],
  { nodes, migrations }: ControlMemory,
  { shards }: Cluster,
): ControlMemory['nodes'] {
  let changed: Map<NodeId, NodeMemory> | null = null;
  for (const shard of shards) {
    const failures = migrations.get(shard.id)?.failures ?? 0;
    if (failures <= (before.get(shard.id)?.failures ?? 0)) continue;
    const { id } = masterOf(shard);
    const memory = nodes.get(id);
    if (memory === undefined) continue;
    changed ??= new Map(nodes);
    changed.set(id, { ...memory, tuning: tuningDoubted(memory.tuning) });
  }
  return changed ?? nodes;
}
