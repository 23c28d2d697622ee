// Tasks, worked off: what the end of a job means for its task, and which jobs are begun next.

import { assert } from '../base/assert.ts';
import { withJob } from '../topology/change-tasks.ts';
import { removeShard } from '../topology/change-nodes.ts';
import { migrationOfShard, migrationsOf, replicasOf, shardIndexOf, whyBusy } from '../topology/cluster.ts';
import type { TopologyError } from '../topology/errors.ts';
import { openPromotion } from '../topology/facts.ts';
import { printSlotRange } from '../topology/slot.ts';
import {
  begunAnew,
  isDone,
  isOpen,
  isStuck,
  isToRemove,
  jobsOf,
  type MigrationTask,
  nextJob,
  openTasks,
  rangeOf,
  taskAt,
  type TaskBook,
  taskState,
  taskAtShard,
  type TaskRange,
  withFailure,
  withTask,
} from '../topology/task.ts';
import type { Cluster, Shard, ShardId } from '../topology/types.ts';
import type { CommitReason } from './actions.ts';
import { arrivalsAfter, isOf, withArrivalsSaid } from './arrivals.ts';
import type { Draft } from './draft.ts';
import { lendingFor, lendingText, withHealing, withSlotsGivenBack } from './lending.ts';
import { isLivingLink } from './link.ts';
import { lateMover, lateMoverText } from './migration-status.ts';
import type { Problem } from './problems.ts';
import { retryDelayMs } from './settings.ts';
import { isAway } from './sight.ts';
import { type Situation, masterView, nodeName, viewOf } from './situation.ts';
import { planTuning, type TuningPlan } from './tuning.ts';

/** What a leader tells of a task that has not ended. */
export interface TaskSight {
  /** Why it does not come on: what its job waits for, or why it has none under way; null when one runs. */
  readonly waits: string | null;
  /** Over the last samples; null while it did not come on under this leadership. */
  readonly slotsPerSecond: number | null;
  /** Between the pace of the last samples and that since this leadership watches it; null likewise. */
  readonly secondsLeft: { readonly least: number; readonly most: number } | null;
}

/** Why nothing is done about a task now; `isPassing`: it is in the way of nobody, or ends by itself. */
export interface Wait {
  readonly why: string;
  readonly isPassing: boolean;
}

/** A draft with what it means for the tasks, and with the jobs that begin in it. */
export interface TaskPlan extends Draft {
  readonly tasks: TaskBook;
  /** Whether jobs begin in it: its tasks have to be as they were read, also where none of them changes. */
  readonly beginsJobs: boolean;
  /** What sources are to be told before jobs begin there, and after. */
  readonly tuning: Pick<TuningPlan, 'actions' | 'untuned' | 'spent' | 'problems'>;
  /** Why each open task has no job under way, by its id. */
  readonly waits: ReadonlyMap<number, Wait>;
  /** When a job, or a source that was not tuned, is tried again. */
  readonly wakeAtMs: number;
}

/**
 * The tasks as of the draft. With `mayBegin`, the next jobs begin in it: one for each source and each target, in the order of the tasks and of their
 * ranges; the first that can go on goes on.
 */
export function planTasks(situation: Situation, draft: Draft, mayBegin: boolean): TaskPlan {
  const before = situation.tasks;
  const unchanged = {
    ...draft,
    tasks: before,
    beginsJobs: false,
    tuning: NO_TUNING_PLAN,
    waits: new Map<number, Wait>(),
    wakeAtMs: Infinity,
  };
  if (mayBegin && draft.reasons.length === 0) {
    const removal = planRemoval(situation);
    if (removal !== null) return { ...unchanged, ...removal };
  }
  // Where none is open, slots that refuse writes may still want one.
  const undone = withReturns(situation, before, draft);
  const arrivals = arrivalsAfter(situation, draft);
  const isBusy =
    undone !== before || arrivals.size > 0 || before.some((task) => isOpen(task) || task.tuned.length > 0);
  if (!isBusy && (!mayBegin || before.length === 0)) return unchanged;
  const told = withEndedJobs(situation, undone, draft.reasons);
  const isKnown = told === before && arrivals.size === 0 && isUpToDate.get(before) === draft.cluster;
  const current = isKnown
    ? before
    : withArrivalsSaid(
        told.map((task) => taskAt(task, draft.cluster, situation.nowSeconds)),
        arrivals,
      );
  const isSame = isKnown || current.every((task, place) => task === before[place]);
  if (isSame) isUpToDate.set(before, draft.cluster);
  const tasks = isSame ? before : withSlotsGivenBack(before, current, situation.nowSeconds);
  if (!mayBegin)
    return {
      ...unchanged,
      ...obstaclesNow(situation),
      tasks,
      reasons: [...draft.reasons, ...newsOf(before, tasks)],
    };
  const tuning = planTuning(situation, draft.cluster, tasks);
  const begun = beginJobs(situation, tuning);
  const reasons = [...draft.reasons, ...newsOf(before, begun.tasks)];
  const wakeAtMs = Math.min(begun.wakeAtMs, tuning.wakeAtMs);
  const beginsJobs = begun.cluster !== draft.cluster;
  return { facts: draft.facts, reasons, ...begun, beginsJobs, tuning, wakeAtMs };
}

/** What is in the way of jobs while something else is committed: what people see does not come and go with that. */
function obstaclesNow(situation: Situation): Pick<TaskPlan, 'waits' | 'tuning'> {
  const { cluster, tasks, nowSeconds } = situation;
  const current = tasks.map((task) => taskAt(task, cluster, nowSeconds));
  const tuning = planTuning(situation, cluster, current);
  const { waits } = beginJobs(situation, tuning);
  return { waits, tuning: { ...NO_TUNING_PLAN, problems: tuning.problems } };
}

/**
 * A shard that has given all away, as its task wanted, and whose nodes have heard so: what they were told last, they delete the keys of (facts section
 * 5.4). Nodes that are away hear it when they are back, as all that have left do.
 */
function planRemoval({
  cluster,
  tasks,
  views,
}: Situation): Pick<TaskPlan, 'cluster' | 'tasks' | 'reasons'> | null {
  for (const task of tasks) {
    const [id] = task.removes;
    if (task.end === null || !isToRemove(task) || id === undefined) continue;
    const book = withTask(tasks, { ...task, removes: task.removes.filter((other) => other !== id) });
    const shardIndex = shardIndexOf(cluster, id);
    const shard = cluster.shards[shardIndex];
    if (shard === undefined) return { cluster, tasks: book, reasons: [{ kind: 'taskNoted' }] };
    // What others move from or to it comes to its end first.
    if (taskAtShard(tasks, id) !== null) continue;
    const isHeard = shard.nodes.every((node) => {
      const view = views.get(node.id);
      return view === undefined || isAway(view) || view.need.kind === 'nothing';
    });
    const removed = isHeard ? removeShard(cluster, shardIndex) : null;
    const stays = removed?.ok === false ? STAYS[removed.error.kind] : undefined;
    if (stays !== undefined) {
      const why = `its slots have come to their targets, but shard ${shardIndex} stays: ${stays}`;
      const failed = { ...task, removes: [], end: { ...task.end, state: 'failed', why } } as const;
      const reason = { kind: 'taskFailed', task: task.id, text: `migration ${task.id}: ${why}` } as const;
      return { cluster, tasks: withTask(tasks, failed), reasons: [reason] };
    }
    if (removed?.ok !== true) continue;
    const text = `shard ${shardIndex} was removed: migration ${task.id} has emptied it`;
    return {
      cluster: removed.value,
      tasks: book,
      reasons: [{ kind: 'shardRemoved', shardIndex, task: task.id, text }],
    };
  }
  return null;
}

/** Why a shard that was emptied is not removed after all. */
const STAYS: Partial<Record<TopologyError['kind'], string>> = {
  // Whoever gave it slots since wants it to stay.
  shardOwnsSlots: 'it has others by now',
  lastShard: 'it is the only one',
};

const NO_TUNING_PLAN: TaskPlan['tuning'] = { actions: [], untuned: new Set(), spent: [], problems: [] };

/** Books that say of a cluster all there is to say: most decisions have nothing new for them. */
const isUpToDate = new WeakMap<TaskBook, Cluster>();

/** Jobs that the draft gives up count as failures of their ranges, unless somebody wanted that. */
function withEndedJobs({ cluster }: Situation, before: TaskBook, reasons: readonly CommitReason[]): TaskBook {
  let book = before;
  for (const reason of reasons) {
    if (reason.kind !== 'migrationGivenUp') continue;
    const place = migrationsOf(cluster).find(({ sourceIndex }) => sourceIndex === reason.sourceIndex);
    if (place === undefined || place.migration.isCancelled) continue;
    const found = rangeOf(book, place.source.id, place.migration);
    if (found === null) continue;
    const ranges = found.task.ranges.map((range, index) =>
      index === found.place ? withFailure(range, reason.text) : range,
    );
    book = withTask(book, { ...found.task, ranges });
  }
  return book;
}

/** What was taken back at its target is still to come, also of a task that has succeeded with it. */
function withReturns(
  { cluster: present, memory }: Situation,
  before: TaskBook,
  { reasons, cluster }: Draft,
): TaskBook {
  let book = before;
  for (const reason of reasons) {
    const source = present.shards[reason.kind === 'handOverUndone' ? reason.sourceIndex : -1];
    const arrival = source === undefined ? undefined : memory.arrivals.get(source.id);
    if (reason.kind !== 'handOverUndone' || source === undefined || arrival === undefined) continue;
    const isMeant = (range: TaskRange): boolean => isOf(range, source.id, arrival);
    for (const task of book) {
      if (!task.ranges.some(isMeant)) continue;
      const ranges = task.ranges.map((range) =>
        isMeant(range) ? withFailure(begunAnew(range, cluster), reason.text) : range,
      );
      book = withTask(book, { ...task, ranges, end: task.end?.state === 'succeeded' ? null : task.end });
    }
  }
  return book;
}

/** What people are told: that a task began, and how it ended. What else is new of one is kept without a word. */
function newsOf(before: TaskBook, after: TaskBook): readonly CommitReason[] {
  if (after === before) return [];
  const known = new Map(before.map((task) => [task.id, task]));
  const news = after.flatMap((task): CommitReason[] => {
    const was = known.get(task.id);
    if (was === task) return [];
    if (was === undefined)
      return [{ kind: 'taskStarted', task: task.id, text: `migration ${task.id}: ${lendingText(task)}` }];
    const kind = KINDS[taskState(task)];
    const isNews = kind !== undefined && taskState(was) !== taskState(task);
    return isNews ? [{ kind, task: task.id, text: newsText(task) }] : [];
  });
  return news.length > 0 ? news : [{ kind: 'taskNoted' }];
}

const KINDS = {
  pending: undefined,
  paused: undefined,
  running: 'taskStarted',
  succeeded: 'taskSucceeded',
  failed: 'taskFailed',
  cancelled: 'taskCancelled',
} as const;

function newsText({ id, end, ranges }: MigrationTask): string {
  const first = ranges.length === 1 ? '1 range' : `${ranges.length} ranges`;
  return `migration ${id}: ${end === null ? `begins with ${first}` : end.why}`;
}

interface Begun {
  readonly cluster: Cluster;
  readonly tasks: TaskBook;
  readonly waits: ReadonlyMap<number, Wait>;
  readonly wakeAtMs: number;
}

function beginJobs(situation: Situation, tuning: TuningPlan): Begun {
  const { tasks } = tuning;
  // What has failed just now waits, too.
  const retries = retriesAfter(situation, tasks);
  // What cannot be used now is not asked about again for each of thousands of ranges.
  const closed = new Map<ShardId, Wait>();
  const waits = new Map<number, Wait>();
  let wakeAtMs = Infinity;
  const healing = withHealing(
    situation,
    tuning,
    (current, shard) => (busyWait(current, shard) ?? unfitWait(situation, shard)) === null,
  );
  let { cluster, tasks: book } = healing;
  for (const task of openTasks(tasks)) {
    if (task.wish === 'pause') {
      const isOver = jobsOf(task, cluster).length === 0;
      const why = isOver ? 'it is paused' : 'it is paused once the job under way has ended';
      waits.set(task.id, { why, isPassing: true });
    }
    if (task.wish !== 'run') continue;
    const held: Wait[] = [];
    for (const range of task.ranges) {
      if (isDone(range) || isStuck(range)) continue;
      const known = closed.get(range.source) ?? closed.get(range.target);
      if (known !== undefined) {
        if (held.at(-1) !== known) held.push(known);
        continue;
      }
      const nextAtMs = range.attempts === 0 ? -Infinity : (retries.get(retryKey(task, range)) ?? -Infinity);
      const wait =
        obstacleTo(situation, cluster, { task, range, closed }) ??
        healing.waits.get(range.source) ??
        (situation.nowMs < nextAtMs ? failureWait(range) : null) ??
        tuningWait(tuning, task, range);
      if (wait !== null) {
        held.push(wait);
        if (situation.nowMs < nextAtMs) wakeAtMs = Math.min(wakeAtMs, nextAtMs);
        continue;
      }
      const next = nextJob(range, task.batch, cluster);
      if (next === null) continue;
      const ends = { source: shardOf(cluster, range.source), target: shardOf(cluster, range.target) };
      const lending = lendingFor(situation, { cluster, tasks: book }, { range: next, ...ends });
      if (lending?.kind === 'lend') ({ cluster, tasks: book } = lending);
      if (lending !== null) {
        held.push(
          lending.kind === 'wait'
            ? lending
            : { why: `migration ${lending.task} comes first`, isPassing: true },
        );
        continue;
      }
      const job = withJob(cluster, { range, batch: task.batch, nowSeconds: situation.nowSeconds });
      if (job?.ok !== true) continue;
      cluster = job.value;
      const startedAtSeconds = task.startedAtSeconds ?? situation.nowSeconds;
      if (task.startedAtSeconds === null) book = withTask(book, { ...task, startedAtSeconds });
    }
    const wait = held.find(({ isPassing }) => !isPassing) ?? held[0];
    if (wait !== undefined && jobsOf(task, cluster).length === 0) waits.set(task.id, wait);
  }
  return { cluster, tasks: book, waits, wakeAtMs };
}

function failureWait({ attempts, lastError }: TaskRange): Wait {
  return { why: `attempt ${attempts} failed (${lastError}), the next follows`, isPassing: true };
}

/** A source is told how to send before it is told what. */
function tuningWait({ waits }: TuningPlan, { id }: MigrationTask, { source }: TaskRange): Wait | null {
  const why = waits.get(id)?.get(source);
  return why === undefined ? null : { why, isPassing: true };
}

interface RangeCase {
  readonly task: MigrationTask;
  readonly range: TaskRange;
  /** Filled with what cannot be an end now, whatever the range. */
  readonly closed: Map<ShardId, Wait>;
}

/** Why no job of the range can begin now: an end that is not well would only give it up again. Null when one can. */
function obstacleTo(situation: Situation, cluster: Cluster, { task, range, closed }: RangeCase): Wait | null {
  for (const id of [range.source, range.target]) {
    const shard = shardOf(cluster, id);
    const wait = busyWait(cluster, shard) ?? unfitWait(situation, shard);
    if (wait === null) continue;
    closed.set(id, wait);
    return wait;
  }
  const late = lateMover(situation, shardOf(cluster, range.source));
  if (late !== null) return { why: lateMoverText(late), isPassing: false };
  return task.kind === 'scaleOut' ? unlinkedWait(situation, shardOf(cluster, range.target)) : null;
}

/** What others do with the shard comes to its end. */
function busyWait(cluster: Cluster, shard: Shard): Wait | null {
  const busy = whyBusy(cluster, [shard]);
  if (busy === null) return null;
  const place = migrationOfShard(cluster, shard.id);
  const why =
    place === null
      ? `the master of shard ${shardIndexOf(cluster, shard.id)} is being changed`
      : `slots ${printSlotRange(place.migration.range)} move from shard ${place.sourceIndex} to shard ${place.targetIndex} before`;
  return { why, isPassing: true };
}

function shardOf({ shards }: Cluster, id: ShardId): Shard {
  const shard = shards.find((each) => each.id === id);
  assert(shard !== undefined, 'what lost an end is stuck');
  return shard;
}

function unfitWait(situation: Situation, shard: Shard): Wait | null {
  const master = masterView(situation, shard);
  if (openPromotion(situation.facts, shard.id) !== null)
    return { why: `the new master ${nodeName(master)} was not seen as master yet`, isPassing: true };
  if (master.condition !== 'answering')
    return { why: `${nodeName(master)} does not answer`, isPassing: false };
  const { loss } = master;
  return loss === null
    ? null
    : { why: `${nodeName(master)} has lost its data: ${loss.why}`, isPassing: false };
}

/** New shards get slots once what comes to them has a second copy. */
function unlinkedWait(situation: Situation, shard: Shard): Wait | null {
  const missing = replicasOf(shard)
    .map(({ id }) => viewOf(situation, id))
    .find(
      ({ report, need, condition }) =>
        condition !== 'answering' ||
        need.kind !== 'nothing' ||
        report === null ||
        report.syncInProgress ||
        !isLivingLink(report, situation.settings),
    );
  if (missing === undefined) return null;
  return { why: `the replica ${nodeName(missing)} is not linked to its new master yet`, isPassing: false };
}

function retryKey({ id }: MigrationTask, { range }: TaskRange): string {
  return `${id}/${range.start}`;
}

/** When what failed is tried again, once `after` is committed in the place of `before`; the next leader tries at once. */
export function retriesAfter(
  { memory, tasks: before, nowMs }: Situation,
  after: TaskBook,
): ReadonlyMap<string, number> {
  const retries = new Map<string, number>();
  for (const task of openTasks(after)) {
    const was = before.find(({ id }) => id === task.id);
    for (const [place, range] of task.ranges.entries()) {
      if (range.attempts === 0 || isStuck(range)) continue;
      const key = retryKey(task, range);
      const isNew = range.attempts > (was?.ranges[place]?.attempts ?? 0);
      const nextAtMs = isNew ? nowMs + RETRY_FACTOR * retryDelayMs(range.attempts) : memory.retries.get(key);
      if (nextAtMs !== undefined) retries.set(key, nextAtMs);
    }
  }
  return retries;
}

/** A job has tried three times by itself before it was given up. */
const RETRY_FACTOR = 5;

/** Why each open task does not come on: what `jobs` wait for, by the shards that they leave, and what those without one do. */
export function waitsOf(
  { cluster, tasks }: Situation,
  { waits }: TaskPlan,
  jobs: ReadonlyMap<ShardId, string>,
): TaskPlan['waits'] {
  const all = new Map(waits);
  for (const task of openTasks(tasks)) {
    const why = jobsOf(task, cluster)
      .map(({ source }) => jobs.get(source.id))
      .find((each) => each !== undefined);
    if (why !== undefined) all.set(task.id, { why, isPassing: true });
  }
  return all;
}

/** People are told of a task that has something to do and does nothing until something is mended, and of what it left behind. */
export function waitingTasks(
  { tasks }: Situation,
  { waits, tuning }: Pick<TaskPlan, 'waits' | 'tuning'>,
): readonly Problem[] {
  const waiting = openTasks(tasks).flatMap((task): Problem[] => {
    const wait = waits.get(task.id);
    if (wait === undefined || wait.isPassing) return [];
    const detail = `migration ${task.id} waits: ${wait.why}`;
    return [{ kind: 'taskWaiting', shardIndex: null, node: null, address: null, detail }];
  });
  return [...waiting, ...tuning.problems];
}
