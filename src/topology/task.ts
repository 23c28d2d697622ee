// Moves of slots that somebody asked for, as tasks: what is to come where, how far that is, and how it ended.

import { shardIndexOf } from './cluster.ts';
import { containsRange, intersectionSlots, printSlotRange, slotRange, slotSetOf } from './slot.ts';
import {
  type Cluster,
  type Migration,
  type Shard,
  type ShardId,
  type SlotRange,
  type SlotSet,
  SLOT_COUNT,
} from './types.ts';
import { NO_SETTINGS, type TaskSettings, type TunedNode } from './tuning.ts';

/**
 * What was asked for: slots by their numbers, an even spread, new shards that get their part, shards that give theirs away. Nobody asks for `lend` and
 * `giveBack`: one slot that leaves its shard for a moment (control/lending.ts).
 */
export const TASK_KINDS = ['migrate', 'rebalance', 'scaleOut', 'drain', 'lend', 'giveBack'] as const;
export type TaskKind = (typeof TASK_KINDS)[number];

/** How a task ended. */
export const TASK_ENDS = ['succeeded', 'failed', 'cancelled'] as const;
export type TaskEnd = (typeof TASK_ENDS)[number];

/** What people want of one that has not ended: that it goes on, begins no more jobs for now, or is given up. */
export const TASK_WISHES = ['run', 'pause', 'cancel'] as const;
export type TaskWish = (typeof TASK_WISHES)[number];

export type TaskState = 'pending' | 'running' | 'paused' | TaskEnd;

/** Slots in a row that come from one shard to another. */
export interface TaskRange {
  readonly range: SlotRange;
  readonly source: ShardId;
  readonly target: ShardId;
  /** How many of them have come to the target; never goes down, unless the task has ended and is tried again. */
  readonly moved: number;
  /** Jobs that failed since it last came on. */
  readonly attempts: number;
  /** Why the last of them failed, in the words of the nodes where they had some; empty when none has. */
  readonly lastError: string;
}

export interface MigrationTask {
  /** Counted in its cluster, from 1. */
  readonly id: number;
  readonly kind: TaskKind;
  /** Who asked: the actor of an event. */
  readonly actor: string;
  readonly ranges: readonly TaskRange[];
  /** The most slots of one job, 1 to 16,384. */
  readonly batch: number;
  /** Shards that are removed once all of it has succeeded and their nodes have heard so. */
  readonly removes: readonly ShardId[];
  /** How its sources are to send. */
  readonly settings: TaskSettings;
  /** Nodes whose settings it changes, each from before the first command until they are known to be as before again, also after its end. */
  readonly tuned: readonly TunedNode[];
  readonly wish: TaskWish;
  readonly end: { readonly state: TaskEnd; readonly why: string; readonly atSeconds: number } | null;
  /** Seconds since the Unix epoch; `startedAtSeconds`: when its first job was begun. */
  readonly createdAtSeconds: number;
  readonly startedAtSeconds: number | null;
}

/** All that is kept of the tasks of one cluster, oldest first; the newest is always kept, so that no id comes twice. */
export type TaskBook = readonly MigrationTask[];

export const NO_TASKS: TaskBook = [];

/** Tasks that have not ended, of one cluster. */
export const OPEN_TASKS_MAX = 64;
/** Ranges of one task: one record has to hold them. */
export const TASK_RANGES_MAX = 4096;
/** Ended tasks that are kept, and for how long. */
export const ENDED_TASKS_MAX = 50;
const ENDED_SECONDS_MAX = 30 * 24 * 3600;
/** A range whose jobs failed this often in a row is left as it is; somebody can ask to try it again. */
export const TASK_ATTEMPTS_MAX = 5;
/**
 * What a range says of slots that were recorded while their source was silent, until its target was asked about them once more, so that the next leader asks,
 * too (control/arrivals.ts).
 */
export const TARGETS_WORD = 'recorded on the word of the target alone, which is asked once more';
/** Characters of an error that are kept. */
const ERROR_LENGTH_MAX = 300;

export function isOpen({ end }: MigrationTask): boolean {
  return end === null;
}

export function openTasks(book: TaskBook): readonly MigrationTask[] {
  return book.filter(isOpen);
}

/** Whether a task is open in `after` that was not in `before`. */
export function opensTask(before: TaskBook, after: TaskBook): boolean {
  const known = new Set(openTasks(before).map(({ id }) => id));
  return openTasks(after).some(({ id }) => !known.has(id));
}

export function taskState({ end, wish, startedAtSeconds }: MigrationTask): TaskState {
  if (end !== null) return end.state;
  if (wish === 'pause') return 'paused';
  return startedAtSeconds === null ? 'pending' : 'running';
}

export function sizeOf({ range }: TaskRange): number {
  return range.stop - range.start + 1;
}

export function isDone(range: TaskRange): boolean {
  return range.moved === sizeOf(range);
}

/** Whether nothing is tried any more of what is left of it. */
export function isStuck(range: TaskRange): boolean {
  return !isDone(range) && range.attempts >= TASK_ATTEMPTS_MAX;
}

export function slotsMoved({ ranges }: MigrationTask): number {
  return ranges.reduce((sum, { moved }) => sum + moved, 0);
}

/** All slots that it is to move. */
export function slotsWanted({ ranges }: MigrationTask): number {
  return ranges.reduce((sum, range) => sum + sizeOf(range), 0);
}

export function slotsOfTask({ ranges }: MigrationTask): SlotSet {
  return slotSetOf(ranges.map(({ range }) => range));
}

/** A migration out of `source` as part of a task; null when it is of none, or of one that has ended. */
export function rangeOf(
  book: TaskBook,
  source: ShardId,
  migration: Pick<Migration, 'range' | 'target'>,
): { readonly task: MigrationTask; readonly place: number } | null {
  for (const task of openTasks(book)) {
    const place = task.ranges.findIndex(
      (range) =>
        range.source === source &&
        range.target === migration.target &&
        containsRange(slotSetOf([range.range]), migration.range),
    );
    if (place !== -1) return { task, place };
  }
  return null;
}

/** Who owns each slot: the id of its shard, 0 for nobody. Made once a cluster. */
function ownersOf(cluster: Cluster): Int32Array {
  const known = owners.get(cluster);
  if (known !== undefined) return known;
  const made = new Int32Array(SLOT_COUNT);
  for (const { id, slots } of cluster.shards)
    for (const { start, stop } of slots) made.fill(id, start, stop + 1);
  owners.set(cluster, made);
  return made;
}

const owners = new WeakMap<Cluster, Int32Array>();

/** The range of the next job of what is left of a range: at most `batch` slots in a row; null when nothing is left at its source. */
export function nextJob({ range, source }: TaskRange, batch: number, cluster: Cluster): SlotRange | null {
  const all = ownersOf(cluster);
  let { start } = range as { start: number };
  while (start <= range.stop && all[start] !== source) start += 1;
  if (start > range.stop) return null;
  let stop = start;
  while (stop < Math.min(range.stop, start + batch - 1) && all[stop + 1] === source) stop += 1;
  return slotRange(start, stop);
}

/** The range with the slots that its target has by now. A range that came on begins its count of failures anew. */
function withProgress(range: TaskRange, cluster: Cluster): TaskRange {
  const arrived = ownersOf(cluster)
    .subarray(range.range.start, range.range.stop + 1)
    .reduce((sum, owner) => sum + (owner === range.target ? 1 : 0), 0);
  return arrived > range.moved ? { ...range, moved: arrived, attempts: 0, lastError: '' } : range;
}

/** The range as if nothing had been tried of it: what its target owns by now has come, whatever had come before. */
export function begunAnew(range: TaskRange, cluster: Cluster): TaskRange {
  const begun = withProgress({ ...range, moved: 0, attempts: 0, lastError: '' }, cluster);
  return range.lastError === TARGETS_WORD ? { ...begun, lastError: TARGETS_WORD } : begun;
}

/** A job of `range` was given up. */
export function withFailure(range: TaskRange, why: string): TaskRange {
  return { ...range, attempts: range.attempts + 1, lastError: why.slice(0, ERROR_LENGTH_MAX) };
}

/**
 * The task as of `cluster`: its progress, and its end once nothing of it is under way or to come. The same object when nothing is new.
 */
export function taskAt(task: MigrationTask, cluster: Cluster, nowSeconds: number): MigrationTask {
  if (!isOpen(task)) return task;
  const ranges = task.ranges.map((range) => settled(withProgress(range, cluster), cluster));
  const isSame = ranges.every((range, place) => range === task.ranges[place]);
  const current = isSame ? task : { ...task, ranges };
  if (jobsOf(current, cluster).length > 0) return current;
  const end = endOf(current);
  return end === null ? current : { ...current, end: { ...end, atSeconds: nowSeconds } };
}

/** What lies at neither of its ends cannot come, nor what was to go to a shard that is no more. */
function settled(range: TaskRange, cluster: Cluster): TaskRange {
  if (isDone(range) || isStuck(range)) return range;
  const { start, stop } = range.range;
  const isTargetGone = shardIndexOf(cluster, range.target) === -1;
  if (!isTargetGone && nextJob(range, 1, cluster) !== null) return range;
  const all = ownersOf(cluster);
  const lost = Array.from({ length: stop - start + 1 }, (_, offset) => start + offset).find(
    (slot) => all[slot] !== range.target && all[slot] !== range.source,
  );
  if (!isTargetGone && lost === undefined) return range;
  const owner = cluster.shards.findIndex(({ id }) => id === all[lost ?? start]);
  const lastError = isTargetGone
    ? 'the shard they were to go to was removed'
    : `slot ${lost} is not at the source any more: ${owner === -1 ? 'nobody owns it' : `shard ${owner} owns it`}`;
  return { ...range, attempts: TASK_ATTEMPTS_MAX, lastError };
}

function endOf(task: MigrationTask): { readonly state: TaskEnd; readonly why: string } | null {
  const { ranges, wish } = task;
  const moved = slotsMoved(task);
  const all = slotsWanted(task);
  if (moved === all) return { state: 'succeeded', why: `all ${all} slots have come to their targets` };
  if (wish === 'cancel') return { state: 'cancelled', why: `given up with ${moved} of ${all} slots moved` };
  const stuck = ranges.filter(isStuck);
  if (!ranges.every((range) => isDone(range) || isStuck(range))) return null;
  const [first] = stuck;
  const which = first === undefined ? 'none' : printSlotRange(first.range);
  const more = stuck.length > 1 ? `, and ${stuck.length - 1} more ranges` : '';
  const why = `${moved} of ${all} slots were moved; those left of ${which}${more} could not be: ${first?.lastError ?? ''}`;
  return { state: 'failed', why };
}

/** The jobs of the task that are under way in `cluster`, each with its source. */
export function jobsOf(
  task: MigrationTask,
  { shards }: Cluster,
): readonly { readonly source: Shard; readonly migration: Migration }[] {
  return shards.flatMap((source) => {
    const { migration } = source;
    return migration !== null && rangeOf([task], source.id, migration) !== null
      ? [{ source, migration }]
      : [];
  });
}

/** Puts `task` in the place of the one with its id. */
export function withTask(book: TaskBook, task: MigrationTask): TaskBook {
  return book.map((other) => (other.id === task.id ? task : other));
}

export interface NewTask {
  readonly kind: TaskKind;
  readonly actor: string;
  readonly moves: readonly { readonly source: ShardId; readonly target: ShardId; readonly slots: SlotSet }[];
  readonly batch: number;
  readonly removes?: readonly ShardId[];
  /** Whatever the nodes have, unless it is said. */
  readonly settings?: TaskSettings;
  readonly nowSeconds: number;
}

/** The book with one task more, which has nothing done yet. What has ended long ago makes room. */
export function addTask(
  before: TaskBook,
  { kind, actor, moves, batch, removes = [], settings = NO_SETTINGS, nowSeconds }: NewTask,
): { readonly book: TaskBook; readonly task: MigrationTask } {
  const ranges = moves.flatMap(({ source, target, slots }) =>
    slots.map((range) => ({ range, source, target, moved: 0, attempts: 0, lastError: '' })),
  );
  const task: MigrationTask = {
    id: (before.at(-1)?.id ?? 0) + 1,
    kind,
    actor,
    ranges,
    batch,
    removes,
    settings,
    tuned: [],
    wish: 'run',
    end: null,
    createdAtSeconds: nowSeconds,
    startedAtSeconds: null,
  };
  return { book: [...kept(before, nowSeconds), task], task };
}

function kept(book: TaskBook, nowSeconds: number): TaskBook {
  const young = book.filter(
    (task) => isNeeded(task) || (task.end?.atSeconds ?? 0) > nowSeconds - ENDED_SECONDS_MAX,
  );
  const surplus = young.filter((task) => !isNeeded(task)).length - ENDED_TASKS_MAX;
  let dropped = 0;
  return young.filter((task) => isNeeded(task) || (dropped += 1) > surplus);
}

/** What is to be set back, or removed, is known from the task that changed it, or emptied it. */
function isNeeded(task: MigrationTask): boolean {
  return isOpen(task) || task.tuned.length > 0 || isToRemove(task);
}

/** Whether shards that it has emptied are about to be removed. */
export function isToRemove({ end, removes }: MigrationTask): boolean {
  return end?.state === 'succeeded' && removes.length > 0;
}

/** The open task that moves any of `slots`; null when none does. */
export function taskOver(book: TaskBook, slots: SlotSet): MigrationTask | null {
  return openTasks(book).find((task) => intersectionSlots(slotsOfTask(task), slots).length > 0) ?? null;
}

/** The open task that has the shard as an end; null when none has. */
export function taskAtShard(book: TaskBook, id: ShardId): MigrationTask | null {
  const isEnd = ({ source, target }: TaskRange): boolean => source === id || target === id;
  return openTasks(book).find(({ ranges }) => ranges.some((range) => !isDone(range) && isEnd(range))) ?? null;
}
