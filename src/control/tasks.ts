// Tasks, worked off: what the end of a job means for its task, and which jobs are begun next.

import { assert } from '../base/assert.ts';
import { withJob } from '../topology/change-tasks.ts';
import { migrationsOf, replicasOf, whyBusy } from '../topology/cluster.ts';
import { describe } from '../topology/errors.ts';
import { openPromotion } from '../topology/facts.ts';
import {
  isDone,
  isOpen,
  isStuck,
  jobsOf,
  type MigrationTask,
  openTasks,
  rangeOf,
  taskAt,
  type TaskBook,
  type TaskRange,
  taskState,
  withFailure,
  withTask,
} from '../topology/task.ts';
import type { Cluster, Shard, ShardId } from '../topology/types.ts';
import type { CommitReason } from './actions.ts';
import type { Draft } from './failover.ts';
import { isLivingLink } from './link.ts';
import type { Problem } from './problems.ts';
import { retryDelayMs } from './settings.ts';
import { type Situation, masterView, nodeName, viewOf } from './situation.ts';

/** What a leader tells of a task that has not ended. */
export interface TaskSight {
  /** Why it has no job under way; null when it has one. */
  readonly waits: string | null;
  /** Over the last samples; null while it did not come on under this leadership. */
  readonly slotsPerSecond: number | null;
  /** Between the pace of the last samples and that since this leadership watches it; null likewise. */
  readonly secondsLeft: { readonly least: number; readonly most: number } | null;
}

/** A draft with what it means for the tasks, and with the jobs that begin in it. */
export interface TaskPlan extends Draft {
  readonly tasks: TaskBook;
  /** Why each open task has no job under way, by its id. */
  readonly waits: ReadonlyMap<number, string>;
  /** When a job is tried again. */
  readonly wakeAtMs: number;
}

/**
 * The tasks as of the draft. With `mayBegin`, the next jobs begin in it: one for each source and each target, in the order of the tasks and of their
 * ranges; the first that can go on goes on.
 */
export function planTasks(situation: Situation, draft: Draft, mayBegin: boolean): TaskPlan {
  const before = situation.tasks;
  const unchanged = { ...draft, tasks: before, waits: new Map<number, string>(), wakeAtMs: Infinity };
  if (!before.some(isOpen)) return unchanged;
  const told = withEndedJobs(situation, before, draft.reasons);
  const current = told.map((task) => taskAt(task, draft.cluster, situation.nowSeconds));
  const tasks = current.every((task, place) => task === before[place]) ? before : current;
  const begun = mayBegin ? beginJobs(situation, draft.cluster, tasks) : noJobs(draft.cluster, tasks);
  const reasons = [...draft.reasons, ...newsOf(before, begun.tasks)];
  return { facts: draft.facts, reasons, ...begun };
}

/** Jobs that the draft gives up count as failures of their ranges. */
function withEndedJobs({ cluster }: Situation, before: TaskBook, reasons: readonly CommitReason[]): TaskBook {
  let book = before;
  for (const reason of reasons) {
    if (reason.kind !== 'migrationGivenUp') continue;
    const place = migrationsOf(cluster).find(({ sourceIndex }) => sourceIndex === reason.sourceIndex);
    const found = place === undefined ? null : rangeOf(book, place.source.id, place.migration);
    if (found === null) continue;
    const ranges = found.task.ranges.map((range, index) =>
      index === found.place ? withFailure(range, reason.text) : range,
    );
    book = withTask(book, { ...found.task, ranges });
  }
  return book;
}

/** What people are told: that a task began, and how it ended. What else is new of one is kept without a word. */
function newsOf(before: TaskBook, after: TaskBook): readonly CommitReason[] {
  if (after === before) return [];
  const news = after.flatMap((task, place): CommitReason[] => {
    const was = before[place];
    if (was === undefined || was === task) return [];
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
  readonly waits: ReadonlyMap<number, string>;
  readonly wakeAtMs: number;
}

function noJobs(cluster: Cluster, tasks: TaskBook): Begun {
  return { cluster, tasks, waits: new Map(), wakeAtMs: Infinity };
}

function beginJobs(situation: Situation, before: Cluster, tasks: TaskBook): Begun {
  let cluster = before;
  let book = tasks;
  let wakeAtMs = Infinity;
  // What has failed just now waits, too.
  const retries = retriesAfter(situation, tasks);
  const waits = new Map<number, string>();
  // What has just begun or cannot be used is not asked about again for each of thousands of ranges.
  const closed = new Map<ShardId, string>();
  for (const task of openTasks(tasks)) {
    let isUnderWay = jobsOf(task, cluster).length > 0;
    let wait: string | null = task.wish === 'pause' ? 'it is paused' : null;
    for (const range of task.wish === 'run' ? task.ranges : []) {
      if (isDone(range) || isStuck(range)) continue;
      const why = closed.get(range.source) ?? closed.get(range.target) ?? null;
      const obstacle = why ?? obstacleTo(situation, cluster, { task, range, closed });
      if (obstacle === null) {
        const nextAtMs = retries.get(retryKey(task, range)) ?? -Infinity;
        if (situation.nowMs < nextAtMs) {
          wait ??= `attempt ${range.attempts} failed (${range.lastError}), the next follows`;
          wakeAtMs = Math.min(wakeAtMs, nextAtMs);
          continue;
        }
        const { nowSeconds } = situation;
        const started = withJob(cluster, { range, batch: task.batch, nowSeconds });
        if (started === null) continue;
        if (started.ok) {
          cluster = started.value;
          isUnderWay = true;
          closed.set(range.source, BUSY).set(range.target, BUSY);
          if (task.startedAtSeconds === null)
            book = withTask(book, { ...task, startedAtSeconds: nowSeconds });
        } else wait ??= describe(started.error);
      } else wait ??= obstacle;
    }
    if (!isUnderWay && wait !== null) waits.set(task.id, wait);
  }
  return { cluster, tasks: book, waits, wakeAtMs };
}

const BUSY = 'the shards that it concerns take part in other moves';

interface RangeCase {
  readonly task: MigrationTask;
  readonly range: TaskRange;
  /** Filled with what cannot be an end now, whatever the range. */
  readonly closed: Map<ShardId, string>;
}

/** Why no job of the range can begin now: an end that is not well would only give it up again. Null when one can. */
function obstacleTo(
  situation: Situation,
  cluster: Cluster,
  { task, range, closed }: RangeCase,
): string | null {
  for (const id of [range.source, range.target]) {
    const shard = cluster.shards.find((each) => each.id === id);
    assert(shard !== undefined, 'what lost an end is stuck');
    const why = busyText(cluster, shard) ?? unfitText(situation, shard);
    if (why === null) continue;
    closed.set(id, why);
    return why;
  }
  const target = cluster.shards.find((each) => each.id === range.target);
  return task.kind === 'scaleOut' && target !== undefined ? unlinkedText(situation, target) : null;
}

function busyText(cluster: Cluster, shard: Shard): string | null {
  const busy = whyBusy(cluster, [shard]);
  return busy === null ? null : describe(busy);
}

function unfitText(situation: Situation, shard: Shard): string | null {
  const master = masterView(situation, shard);
  if (openPromotion(situation.facts, shard.id) !== null)
    return `the new master ${nodeName(master)} was not seen as master yet`;
  if (master.condition !== 'answering') return `${nodeName(master)} does not answer`;
  return master.loss === null ? null : `${nodeName(master)} has lost its data: ${master.loss.why}`;
}

/** New shards get slots once what comes to them has a second copy. */
function unlinkedText(situation: Situation, shard: Shard): string | null {
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
  return missing === undefined
    ? null
    : `the replica ${nodeName(missing)} is not linked to its new master yet`;
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

/** People are told of a task that has something to do and does nothing. One that waits for others of its shards, or that is paused, is none of these. */
export function waitingTasks({ tasks }: Situation, waits: TaskPlan['waits']): readonly Problem[] {
  return openTasks(tasks).flatMap((task): Problem[] => {
    const why = waits.get(task.id);
    if (why === undefined || why === BUSY || task.wish === 'pause') return [];
    const detail = `migration ${task.id} waits: ${why}`;
    return [{ kind: 'taskWaiting', shardIndex: null, node: null, address: null, detail }];
  });
}
