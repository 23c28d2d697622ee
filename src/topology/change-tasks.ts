// Changes of tasks that people ask for, with what they mean for the jobs under way.

import { err, ok, type Result } from '../base/result.ts';
import { cancelMigration, startMigration } from './change-slots.ts';
import { migrationsOf, shardIndexOf } from './cluster.ts';
import type { TopologyError } from './errors.ts';
import { intersectionSlots, printSlotSet, slotSetOf } from './slot.ts';
import {
  addTask,
  begunAnew,
  isOpen,
  isStuck,
  isToRemove,
  jobsOf,
  type MigrationTask,
  type NewTask,
  nextJob,
  openTasks,
  OPEN_TASKS_MAX,
  slotsOfTask,
  TASK_RANGES_MAX,
  type TaskBook,
  taskAt,
  taskOver,
  type TaskRange,
  withTask,
} from './task.ts';
import type { Cluster } from './types.ts';

/** A cluster with its tasks. */
export interface Worked {
  readonly cluster: Cluster;
  readonly tasks: TaskBook;
}

/** Why a change of tasks is refused. */
export type TaskRefusal =
  | { readonly kind: 'slotsInTask'; readonly task: number; readonly slots: string }
  | { readonly kind: 'slotsMoving'; readonly slots: string }
  | { readonly kind: 'targetLeaves'; readonly task: number }
  | { readonly kind: 'tooManyTasks' }
  | { readonly kind: 'tooManyRanges'; readonly count: number }
  | { readonly kind: 'ended'; readonly task: number; readonly state: string }
  | { readonly kind: 'notEnded' | 'succeeded' | 'cancelled'; readonly task: number };

export function describeRefusal(refusal: TaskRefusal): string {
  switch (refusal.kind) {
    case 'slotsInTask':
      return `migration ${refusal.task} moves slots ${refusal.slots} already; wait for it, or cancel it first`;
    case 'slotsMoving':
      return `slots ${refusal.slots} are being moved already; wait for that, or cancel it first`;
    case 'targetLeaves':
      return `migration ${refusal.task} empties that shard and removes it; cancel it first where the shard is to stay`;
    case 'tooManyTasks':
      return `${OPEN_TASKS_MAX} migrations are under way or wait; let some of them end first`;
    case 'tooManyRanges':
      return `${refusal.count} ranges of slots are more than the ${TASK_RANGES_MAX} that one migration can have; ask for a part of them`;
    case 'ended':
      return `migration ${refusal.task} has ended: it ${refusal.state}`;
    case 'notEnded':
      return `migration ${refusal.task} has not ended; a paused one goes on with POST .../migrations/${refusal.task}/resume`;
    case 'cancelled':
      return `migration ${refusal.task} is being given up; once it has ended, POST .../migrations/${refusal.task}/retry tries what is left of it again`;
    case 'succeeded':
      return `migration ${refusal.task} has succeeded: nothing is left to be tried again`;
  }
}

/** Adds a task. Its jobs are begun by whoever leads, who sees the nodes. */
export function withNewTask(
  { cluster, tasks }: Worked,
  wanted: NewTask,
): Result<Worked & { readonly task: MigrationTask }, TaskRefusal> {
  if (openTasks(tasks).length >= OPEN_TASKS_MAX) return err({ kind: 'tooManyTasks' });
  const { book, task } = addTask(tasks, wanted);
  if (task.ranges.length > TASK_RANGES_MAX) return err({ kind: 'tooManyRanges', count: task.ranges.length });
  const leaving = tasks.find(
    (other) =>
      (isOpen(other) || isToRemove(other)) &&
      task.ranges.some(({ target }) => other.removes.includes(target)),
  );
  if (leaving !== undefined) return err({ kind: 'targetLeaves', task: leaving.id });
  const refusal = overlapOf({ cluster, tasks }, task);
  if (refusal !== null) return err(refusal);
  return ok({ cluster, tasks: book, task });
}

/** Slots have one way to go: no two tasks, and no job of an earlier release, move the same ones. */
function overlapOf({ cluster, tasks }: Worked, task: MigrationTask): TaskRefusal | null {
  const slots = slotsOfTask(task);
  const other = taskOver(tasks, slots);
  if (other !== null) {
    const both = printSlotSet(intersectionSlots(slotsOfTask(other), slots)).join(' ');
    return { kind: 'slotsInTask', task: other.id, slots: both };
  }
  const moving = migrationsOf(cluster)
    .map(({ migration }) => intersectionSlots(slots, slotSetOf([migration.range])))
    .find((part) => part.length > 0);
  return moving === undefined ? null : { kind: 'slotsMoving', slots: printSlotSet(moving).join(' ') };
}

/** The cluster with the next job of what is left of a range begun; null when nothing is left at its source. Refused while one of its ends is busy. */
export function withJob(
  cluster: Cluster,
  {
    range,
    batch,
    nowSeconds,
  }: { readonly range: TaskRange; readonly batch: number; readonly nowSeconds: number },
): Result<Cluster, TopologyError> | null {
  const job = nextJob(range, batch, cluster);
  if (job === null) return null;
  const targetIndex = shardIndexOf(cluster, range.target);
  return startMigration(cluster, { range: job, targetIndex, nowSeconds });
}

/** Begins no more jobs for now; one under way goes on to its end. */
export function withTaskPaused(worked: Worked, task: MigrationTask): Result<Worked, TaskRefusal> {
  return withWish(worked, task, 'pause');
}

export function withTaskResumed(worked: Worked, task: MigrationTask): Result<Worked, TaskRefusal> {
  return withWish(worked, task, 'run');
}

function withWish(
  { cluster, tasks }: Worked,
  task: MigrationTask,
  wish: 'run' | 'pause',
): Result<Worked, TaskRefusal> {
  if (task.end !== null) return err({ kind: 'ended', task: task.id, state: task.end.state });
  if (task.wish === 'cancel') return err({ kind: 'cancelled', task: task.id });
  return ok({ cluster, tasks: withTask(tasks, { ...task, wish }) });
}

/** Gives the task and its jobs up. What has come stays where it is; a hand-over that is complete is recorded still. */
export function withTaskCancelled(
  { cluster, tasks }: Worked,
  task: MigrationTask,
  nowSeconds: number,
): Result<Worked, TaskRefusal> {
  if (task.end !== null) return err({ kind: 'ended', task: task.id, state: task.end.state });
  let left = cluster;
  for (const { source } of jobsOf(task, cluster)) {
    const cancelled = cancelMigration(left, shardIndexOf(left, source.id));
    if (cancelled.ok) left = cancelled.value;
  }
  const cancelled = taskAt({ ...task, wish: 'cancel' }, left, nowSeconds);
  return ok({ cluster: left, tasks: withTask(tasks, cancelled) });
}

/** Tries what is left of a task that failed or was cancelled once more. */
export function withTaskRetried(
  { cluster, tasks }: Worked,
  task: MigrationTask,
): Result<Worked, TaskRefusal> {
  if (isOpen(task) && !task.ranges.some(isStuck)) return err({ kind: 'notEnded', task: task.id });
  if (isOpen(task) && task.wish === 'cancel') return err({ kind: 'cancelled', task: task.id });
  if (task.end?.state === 'succeeded') return err({ kind: 'succeeded', task: task.id });
  if (!isOpen(task) && openTasks(tasks).length >= OPEN_TASKS_MAX) return err({ kind: 'tooManyTasks' });
  const others = tasks.filter(({ id }) => id !== task.id);
  const refusal = isOpen(task) ? null : overlapOf({ cluster, tasks: others }, task);
  if (refusal !== null) return err(refusal);
  // Others may have moved since what came by one that has ended.
  const ranges = task.ranges.map((range) => begunAnew(range, cluster));
  return ok({ cluster, tasks: withTask(tasks, { ...task, ranges, wish: 'run', end: null }) });
}
