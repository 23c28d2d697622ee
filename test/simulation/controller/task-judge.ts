// Judges tasks as they are committed: that what they count is so, how they end, which jobs and removals of shards are theirs.

import { masterOf, migrationsOf } from '../../../src/topology/cluster.ts';
import { openPromotion } from '../../../src/topology/facts.ts';
import {
  countSlots,
  intersectionSlots,
  printSlotRange,
  printSlotSet,
  slotSetOf,
} from '../../../src/topology/slot.ts';
import {
  type MigrationTask,
  type TaskBook,
  type TaskRange,
  isDone,
  isStuck,
  isToRemove,
  openTasks,
  rangeOf,
  sizeOf,
  slotsMoved,
  slotsOfTask,
  slotsWanted,
  taskAtShard,
} from '../../../src/topology/task.ts';
import type { Cluster, Migration, Shard, ShardId } from '../../../src/topology/types.ts';
import type { Violate } from '../ledger.ts';
import { PLACE } from './asking.ts';
import type { Controller } from './controller.ts';
import type { Asked } from './tasker.ts';
import type { Recorded } from './topologies.ts';

const INVARIANT = 'tasks';

export class TaskJudge {
  readonly #violate: (text: string) => void;
  readonly #asked = new Map<number, number>();
  /** Tasks that have succeeded. */
  succeeded = 0;

  constructor(violate: Violate) {
    this.#violate = (text) => violate(INVARIANT, text);
  }

  /** A plan was answered as a task. */
  asked({ id, slots }: Asked): void {
    this.#asked.set(id, slots);
  }

  /** The cluster or its tasks were committed anew. */
  worked(before: Recorded, after: Recorded): void {
    const { cluster } = after.record;
    const known = new Map(before.tasks.map((task) => [task.id, task]));
    for (const task of after.tasks) {
      const was = known.get(task.id);
      if (was === task) continue;
      if (was !== undefined) this.#checkProgress(was, task, cluster);
      if (task.end !== null && (was === undefined || was.end === null)) this.#checkEnd(task, cluster);
    }
    for (const was of openTasks(before.tasks))
      if (!after.tasks.some(({ id }) => id === was.id)) this.#violate(`task ${was.id} vanished`);
    this.#checkApart(after.tasks);
    this.#checkJobs(before, after);
    this.#checkRemoved(before, after);
  }

  #checkProgress(was: MigrationTask, task: MigrationTask, cluster: Cluster): void {
    for (const [place, range] of task.ranges.entries()) {
      const old = was.ranges[place];
      const name = `task ${task.id}, slots ${printSlotRange(range.range)}:`;
      if (old === undefined) {
        this.#violate(`${name} there was no such range`);
        continue;
      }
      // What was taken back at its target is to come again.
      const isReturned = range.lastError.includes('took it back') && range.attempts > old.attempts;
      const isRetried = was.end !== null && task.end === null;
      if (range.moved < old.moved && !isRetried && !isReturned)
        this.#violate(`${name} ${range.moved} moved after ${old.moved}`);
      const arrived = slotsAt(range, cluster, range.target);
      if (range.moved > old.moved && range.moved !== arrived)
        this.#violate(`${name} ${range.moved} count as moved, and its target owns ${arrived}`);
    }
  }

  #checkEnd(task: MigrationTask, cluster: Cluster): void {
    const { id, end, ranges, wish } = task;
    if (end === null) return;
    if (end.why === '') this.#violate(`task ${id} ${end.state} without a reason`);
    const isComplete = ranges.every((range) => slotsAt(range, cluster, range.target) === sizeOf(range));
    switch (end.state) {
      case 'succeeded': {
        this.succeeded += 1;
        if (!isComplete)
          this.#violate(`task ${id} succeeded, and some of its slots are not at their targets`);
        if (slotsMoved(task) !== slotsWanted(task))
          this.#violate(`task ${id} succeeded with ${slotsMoved(task)} of ${slotsWanted(task)} slots`);
        return;
      }
      case 'failed': {
        const stuck = ranges.filter(isStuck);
        if (stuck.length === 0 || stuck.some(({ lastError }) => lastError === ''))
          this.#violate(`task ${id} failed, and no range says why: ${end.why}`);
        return;
      }
      case 'cancelled':
        if (wish !== 'cancel') this.#violate(`task ${id} is cancelled, and nobody wanted that`);
    }
  }

  /** No slot has two ways to go. */
  #checkApart(tasks: TaskBook): void {
    const open = openTasks(tasks);
    for (const [place, task] of open.entries())
      for (const other of open.slice(place + 1)) {
        const both = intersectionSlots(slotsOfTask(task), slotsOfTask(other));
        if (both.length > 0)
          this.#violate(`tasks ${task.id} and ${other.id} both move slots ${printSlotSet(both).join(' ')}`);
      }
  }

  /** Each is of one open task, and begins where both ends are known to be well, not in the commit in which one of its range failed. */
  #checkJobs(before: Recorded, after: Recorded): void {
    const { cluster, facts } = after.record;
    const running = before.record.cluster.shards;
    for (const { source, target, migration } of migrationsOf(cluster)) {
      const name = `the job of slots ${printSlotRange(migration.range)}`;
      const found = rangeOf(after.tasks, source.id, migration);
      if (found === null) {
        this.#violate(`${name} is of no open task`);
        continue;
      }
      const known = running.find(({ id }) => id === source.id)?.migration ?? null;
      if (isSameJob(known, migration)) continue;
      const unseen = [source, target].find(({ id }) => openPromotion(facts, id) !== null);
      if (unseen !== undefined)
        this.#violate(`${name} begins, and the new master of shard ${unseen.id} was not seen as one`);
      const was = before.tasks.find(({ id }) => id === found.task.id)?.ranges[found.place];
      const now = found.task.ranges[found.place];
      if (now !== undefined && now.attempts > (was?.attempts ?? 0))
        this.#violate(`${name} begins in the commit in which one of its range failed: ${now.lastError}`);
    }
  }

  /** A shard goes with the task that has emptied it. */
  #checkRemoved(before: Recorded, after: Recorded): void {
    const staying = new Set(after.record.cluster.shards.map(({ id }) => id));
    for (const shard of before.record.cluster.shards) {
      if (staying.has(shard.id)) continue;
      const isEmptied = before.tasks.some((task) => isToRemove(task) && task.removes.includes(shard.id));
      if (!isEmptied) this.#violate(`shard ${shard.id} is removed, and no task has emptied it for that`);
      if (!isEmpty(shard))
        this.#violate(`shard ${shard.id} of ${masterOf(shard).address} is removed with slots`);
    }
  }

  /** In the end: the plans that were answered are what was done. */
  finish(tasks: TaskBook): void {
    for (const task of tasks) {
      const slots = this.#asked.get(task.id);
      if (slots !== undefined && slots !== slotsWanted(task))
        this.#violate(`task ${task.id} was to move ${slots} slots, and moves ${slotsWanted(task)}`);
    }
  }
}

/** The first task that neither ended nor waits for something that people are told; null when there is none. */
export function openTask(tasks: TaskBook, leader: Controller, cluster: Cluster): string | null {
  const sights = leader.terms.tasks(PLACE);
  const problems = leader.terms.statuses().flatMap((status) => status.problems);
  for (const task of tasks) {
    const { id, wish } = task;
    const left = `${slotsMoved(task)} of ${slotsWanted(task)} slots moved`;
    if (task.end !== null) {
      const present = task.removes.find((shard) => cluster.shards.some((each) => each.id === shard));
      // Others may have a use for it still: they are judged themselves.
      const isDue = isToRemove(task) && present !== undefined && taskAtShard(tasks, present) === null;
      if (isDue) return `task ${id} has emptied shard ${present}, which is there still`;
      continue;
    }
    const waits = sights.get(id)?.waits ?? null;
    if (waits === null) return `task ${id} goes on, ${left}`;
    const isTold = problems.some(({ kind, detail }) => kind === 'taskWaiting' && detail.includes(waits));
    if (wish !== 'pause' && !isTold) return `task ${id} waits, ${left}: ${waits}`;
  }
  return null;
}

/** Jobs that are still to come, at most. */
export function jobsLeft(tasks: TaskBook): number {
  return openTasks(tasks).reduce(
    (sum, { ranges, batch }) =>
      sum +
      ranges
        .filter((range) => !isDone(range) && !isStuck(range))
        .reduce((jobs, range) => jobs + Math.ceil((sizeOf(range) - range.moved) / batch), 0),
    0,
  );
}

function slotsAt({ range }: TaskRange, { shards }: Cluster, id: ShardId): number {
  const slots = shards.find((shard) => shard.id === id)?.slots ?? slotSetOf([]);
  return countSlots(intersectionSlots(slots, slotSetOf([range])));
}

function isSameJob(one: Migration | null, other: Migration): boolean {
  return (
    one !== null &&
    one.target === other.target &&
    one.startedAtSeconds === other.startedAtSeconds &&
    printSlotRange(one.range) === printSlotRange(other.range)
  );
}

function isEmpty({ slots, migration }: Shard): boolean {
  return slots.length === 0 && migration === null;
}
