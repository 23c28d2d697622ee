// How fast tasks come on, and what they wait for, as this leadership has seen it.

import type { TaskPlan, TaskSight } from '../control/tasks.ts';
import { openTasks, slotsMoved, slotsWanted, type MigrationTask, type TaskBook } from '../topology/task.ts';

interface Sample {
  readonly atMs: number;
  readonly moved: number;
}

/** Samples a task: the first, and the newest. */
const SAMPLES_MAX = 32;
/** Samples closer together than this are one. */
const SAMPLE_MS = 200;

export class TaskPace {
  readonly #samples = new Map<number, readonly Sample[]>();

  /** To be told of every change of the tasks. */
  follow(book: TaskBook, nowMs: number): void {
    const open = openTasks(book);
    const ids = new Set(open.map(({ id }) => id));
    for (const id of this.#samples.keys()) if (!ids.has(id)) this.#samples.delete(id);
    for (const task of open) this.#sample(task, nowMs);
  }

  /** When an open task last came on, or was first seen here, monotonic milliseconds; null without one. */
  get progressAtMs(): number | null {
    const times = [...this.#samples.values()].flatMap((samples) => samples.at(-1)?.atMs ?? []);
    return times.length === 0 ? null : Math.max(...times);
  }

  sights(book: TaskBook, waits: TaskPlan['waits']): ReadonlyMap<number, TaskSight> {
    return new Map(
      openTasks(book).map((task) => [task.id, this.#sight(task, waits.get(task.id)?.why ?? null)]),
    );
  }

  #sample(task: MigrationTask, nowMs: number): void {
    const known = this.#samples.get(task.id) ?? [];
    const moved = slotsMoved(task);
    const last = known.at(-1);
    if (last !== undefined && last.moved === moved) return;
    const isClose = last !== undefined && known.length > 1 && nowMs - last.atMs < SAMPLE_MS;
    const before = isClose ? known.slice(0, -1) : known;
    const [first, ...rest] = [...before, { atMs: nowMs, moved }];
    if (first !== undefined) this.#samples.set(task.id, [first, ...rest.slice(1 - SAMPLES_MAX)]);
  }

  #sight(task: MigrationTask, waits: string | null): TaskSight {
    const samples = this.#samples.get(task.id) ?? [];
    const [first, second] = samples;
    const last = samples.at(-1);
    if (first === undefined || second === undefined || last === undefined)
      return { waits, slotsPerSecond: null, secondsLeft: null };
    const recent = paceOf(samples.at(-Math.min(8, samples.length)) ?? first, last);
    const whole = paceOf(first, last);
    const left = slotsWanted(task) - last.moved;
    const seconds = [left / recent, left / whole].map(Math.ceil);
    return {
      waits,
      slotsPerSecond: Math.round(recent * 10) / 10,
      secondsLeft: { least: Math.min(...seconds), most: Math.max(...seconds) },
    };
  }
}

/** Slots a second. */
function paceOf(from: Sample, to: Sample): number {
  return ((to.moved - from.moved) * 1000) / Math.max(1, to.atMs - from.atMs);
}
