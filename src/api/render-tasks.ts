// A task as people see it.

import { printTime } from '../base/wall-time.ts';
import type { TaskSight } from '../control/tasks.ts';
import { shardIndexOf } from '../topology/cluster.ts';
import { printSlotRange } from '../topology/slot.ts';
import {
  isDone,
  isStuck,
  jobsOf,
  type MigrationTask,
  rangeOf,
  sizeOf,
  slotsMoved,
  slotsWanted,
  type TaskRange,
  taskState,
} from '../topology/task.ts';
import type { Cluster, ShardId } from '../topology/types.ts';

interface Surroundings {
  readonly cluster: Cluster;
  /** What the leader sees of open tasks, by their ids. */
  readonly seen: ReadonlyMap<number, TaskSight>;
  readonly withRanges: boolean;
}

export function renderTask(task: MigrationTask, { cluster, seen, withRanges }: Surroundings): object {
  const { id, kind, actor, end, batch, createdAtSeconds, startedAtSeconds, ranges } = task;
  const total = slotsWanted(task);
  const moved = slotsMoved(task);
  const sight = seen.get(id) ?? null;
  const left = total - moved;
  const removes = task.removes.flatMap((shard) => indexOf(cluster, shard) ?? []);
  const isRunning = end === null && task.wish !== 'cancel' && jobsOf(task, cluster).length > 0;
  return {
    id,
    kind,
    state: taskState(task),
    reason:
      endText(task, removes) ?? (task.wish === 'cancel' ? 'it is being given up' : (sight?.waits ?? '')),
    actor,
    batch,
    speed: task.settings.speed,
    type: task.settings.type,
    /** Shards that are removed once all has come and their nodes have heard so. */
    removes,
    slots: { total, moved, left },
    percent: total === 0 ? 100 : Math.floor((moved * 1000) / total) / 10,
    slots_per_second: isRunning ? (sight?.slotsPerSecond ?? null) : null,
    seconds_left: isRunning ? (sight?.secondsLeft ?? null) : null,
    retries: ranges.reduce((sum, { attempts }) => sum + attempts, 0),
    running:
      end === null
        ? jobsOf(task, cluster).map(({ source, migration }) => ({
            slots: printSlotRange(migration.range),
            source: indexOf(cluster, source.id),
            target: indexOf(cluster, migration.target),
            since: printTime(migration.startedAtSeconds),
            stage: migration.isCancelled ? 'cancelling' : migration.stage.kind,
          }))
        : [],
    created_at: printTime(createdAtSeconds),
    started_at: startedAtSeconds === null ? null : printTime(startedAtSeconds),
    ended_at: end === null ? null : printTime(end.atSeconds),
    ...(withRanges
      ? {
          ranges: ranges.map((range) => renderRange(task, range, cluster)),
          /** Nodes that have its settings, or may have them, with what they had before. */
          tuned: task.tuned.map(({ node, before }) => ({ node, before })),
        }
      : {}),
  };
}

/** How it ended, and what of it is to come still; null while it is open. */
function endText({ end }: MigrationTask, removes: readonly number[]): string | null {
  if (end?.state !== 'succeeded' || removes.length === 0) return end?.why ?? null;
  return `${end.why}; shard ${removes.join(', ')} is removed once its nodes have heard that, and nothing else moves from or to it`;
}

function renderRange(task: MigrationTask, range: TaskRange, cluster: Cluster): object {
  return {
    slots: printSlotRange(range.range),
    source: indexOf(cluster, range.source),
    target: indexOf(cluster, range.target),
    moved: range.moved,
    left: sizeOf(range) - range.moved,
    state: stateOf(task, range, cluster),
    attempts: range.attempts,
    last_error: range.lastError,
  };
}

function stateOf(task: MigrationTask, range: TaskRange, cluster: Cluster): string {
  if (isDone(range)) return 'done';
  const isRunning = jobsOf(task, cluster).some(
    ({ source, migration }) => rangeOf([task], source.id, migration)?.place === task.ranges.indexOf(range),
  );
  if (isRunning) return 'running';
  return isStuck(range) ? 'failed' : 'pending';
}

/** The API names shards by their index; null for one that is no more. */
function indexOf(cluster: Cluster, id: ShardId): number | null {
  const index = shardIndexOf(cluster, id);
  return index === -1 ? null : index;
}
