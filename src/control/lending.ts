// Nodes that refuse writes to slots they gave away: how that is avoided where a part of them comes back, and ended where a hand-over was undone.

import { withJob } from '../topology/change-tasks.ts';
import { masterOf } from '../topology/cluster.ts';
import { containsSlot, equalRanges, intersectionSlots, printSlotRange, slotSetOf } from '../topology/slot.ts';
import {
  addTask,
  type MigrationTask,
  openTasks,
  slotsOfTask,
  type TaskBook,
  withTask,
} from '../topology/task.ts';
import type { Cluster, Shard, ShardId, Slot, SlotRange } from '../topology/types.ts';
import { lateMover, lateMoverText } from './migration-status.ts';
import { type NodeView, type Situation, nodeName, viewOf } from './situation.ts';

// After a hand-over the source refuses writes to that range, also once the move was recorded. It stops doing so when exactly that range comes back, when
// another range leaves it, and when it starts again (cluster.cc, ImportSlotRange; slot_migrate.cc, setForbiddenSlotRange). A part of the range, or more
// than it, would come back to slots that answer every write with TRYAGAIN. So does the range itself when its hand-over is undone, and MIGRATE refuses it.

/** A slot that could not be lent is tried again after so long: what was in its way may be over. */
const LEND_AGAIN_SECONDS = 600;

/** Why a job waits, or the tasks with one more that has to come first. */
export type Lending =
  | { readonly kind: 'wait'; readonly why: string; readonly isPassing: boolean }
  | { readonly kind: 'lend'; readonly cluster: Cluster; readonly tasks: TaskBook; readonly task: number };

interface Job {
  readonly range: SlotRange;
  readonly source: Shard;
  readonly target: Shard;
}

/** What has to come before the job so that its slots take writes at the target; null when nothing has to. */
export function lendingFor(
  situation: Situation,
  { cluster, tasks }: { readonly cluster: Cluster; readonly tasks: TaskBook },
  { range, source, target }: Job,
): Lending | null {
  const kept = refusedBy(situation, target);
  if (kept === null || equalRanges(kept, range)) return null;
  if (intersectionSlots(slotSetOf([kept]), slotSetOf([range])).length === 0) return null;
  return lendFirst(situation, { cluster, tasks }, { kept, lender: target, borrower: source });
}

interface Loan {
  /** What the lender refuses writes to. */
  readonly kept: SlotRange;
  readonly lender: Shard;
  readonly borrower: Shard;
}

function lendFirst(
  situation: Situation,
  { cluster, tasks }: { readonly cluster: Cluster; readonly tasks: TaskBook },
  { kept, lender, borrower }: Loan,
): Lending {
  const view = viewOf(situation, masterOf(lender).id);
  const what = `${nodeName(view)} refuses writes to slots ${printSlotRange(kept)}, which it gave away, until another slot leaves it`;
  // A slot whose own lending was undone is refused itself: to wait for that would be to wait for ever.
  const isRefused = (task: MigrationTask): boolean =>
    intersectionSlots(slotsOfTask(task), slotSetOf([kept])).length > 0;
  const last = tasks.findLast(
    (task) => task.kind === 'lend' && task.ranges[0]?.source === lender.id && !isRefused(task),
  );
  if (last?.end === null) return { kind: 'wait', why: `${what}: migration ${last.id}`, isPassing: true };
  const { end = null } = last ?? {};
  const isTooSoon = situation.nowSeconds < (end?.atSeconds ?? -Infinity) + LEND_AGAIN_SECONDS;
  if (last !== undefined && end !== null && end.state !== 'succeeded' && isTooSoon)
    return {
      kind: 'wait',
      why: `${what}, and migration ${last.id} ${end.state === 'failed' ? 'has failed' : 'was cancelled'} (tried again after ${LEND_AGAIN_SECONDS / 60} minutes): ${end.why}`,
      isPassing: false,
    };
  const late = lateMover(situation, lender);
  if (late !== null) return { kind: 'wait', why: lateMoverText(late), isPassing: false };
  const slot = slotToLend(lender, { kept, tasks });
  if (slot === null)
    return { kind: 'wait', why: `${what}, and it has no other: start it again`, isPassing: false };
  return lend(situation, { cluster, tasks }, { slot, source: borrower, target: lender });
}

/** What masters refuse for ever of their own slots, with what is begun about it, and why nothing can be. */
export interface Healing {
  readonly cluster: Cluster;
  readonly tasks: TaskBook;
  readonly waits: ReadonlyMap<ShardId, { readonly why: string; readonly isPassing: boolean }>;
}

/**
 * A hand-over that was undone, since the copy of the source was kept, leaves slots whose every write is refused: each master of them lends another slot.
 * `isFree` tells of a shard whether a job can begin at it. Nothing is done in a cluster that never had a task: some member may not know them yet.
 */
export function withHealing(
  situation: Situation,
  { cluster, tasks }: { readonly cluster: Cluster; readonly tasks: TaskBook },
  isFree: (cluster: Cluster, shard: Shard) => boolean,
): Healing {
  const waits = new Map<ShardId, { readonly why: string; readonly isPassing: boolean }>();
  let healed = { cluster, tasks };
  if (tasks.length === 0) return { ...healed, waits };
  for (const lender of cluster.shards) {
    const view = viewOf(situation, masterOf(lender).id);
    const kept = refusedStill(view, lender);
    if (kept === null || !isFree(healed.cluster, lender)) continue;
    const borrower = borrowerOf(
      view,
      healed.cluster,
      (shard) => shard !== lender && isFree(healed.cluster, shard),
    );
    if (borrower === null) continue;
    const lending = lendFirst(situation, healed, { kept, lender, borrower });
    if (lending.kind === 'lend') healed = lending;
    else waits.set(lender.id, lending);
  }
  return { ...healed, waits };
}

/** Rather the shard to which the slots were to go than any other. */
function borrowerOf(
  { report }: NodeView,
  { shards }: Cluster,
  isFit: (shard: Shard) => boolean,
): Shard | null {
  const isWanted = ({ nodes }: Shard): boolean =>
    nodes.some(({ id }) => id === report?.sourceJob?.destination);
  const fit = shards.filter(isFit);
  return fit.find(isWanted) ?? fit[0] ?? null;
}

/** Slots that a master serves again after their hand-over was undone: it answers every write to them with TRYAGAIN (facts section 5.4). */
export function refusedStill({ report, condition, need }: NodeView, { slots }: Shard): SlotRange | null {
  const job = report?.sourceJob ?? null;
  if (condition !== 'answering' || report?.role !== 'master' || job === null) return null;
  if (job.state !== 'success' || job.isInEffect !== false || need.kind !== 'nothing') return null;
  return intersectionSlots(slots, slotSetOf([job.range])).length > 0 ? job.range : null;
}

/** The range that a master may refuse to write: that of its last hand-over. */
function refusedBy(situation: Situation, shard: Shard): SlotRange | null {
  const job = viewOf(situation, masterOf(shard).id).report?.sourceJob ?? null;
  return job?.state === 'success' ? job.range : null;
}

/** Any slot does that stays with the shard and that nobody moves. */
function slotToLend(
  { slots }: Shard,
  { kept, tasks }: { readonly kept: SlotRange; readonly tasks: TaskBook },
): Slot | null {
  const moving = openTasks(tasks).map(slotsOfTask);
  for (const { start, stop } of slots) {
    for (let slot = start as number; slot <= stop; slot += 1) {
      const isKept = slot >= kept.start && slot <= kept.stop;
      if (!isKept && !moving.some((set) => containsSlot(set, slot as Slot))) return slot as Slot;
    }
  }
  return null;
}

function lend(
  { nowSeconds }: Situation,
  { cluster, tasks }: { readonly cluster: Cluster; readonly tasks: TaskBook },
  { slot, source, target }: { readonly slot: Slot; readonly source: Shard; readonly target: Shard },
): Lending {
  const slots = slotSetOf([{ start: slot, stop: slot }]);
  const moves = [{ source: target.id, target: source.id, slots }];
  const added = addTask(tasks, { kind: 'lend', actor: 'controller', moves, batch: 1, nowSeconds });
  const [range] = added.task.ranges;
  const begun = range === undefined ? null : withJob(cluster, { range, batch: 1, nowSeconds });
  if (begun?.ok !== true) return { kind: 'wait', why: 'its shards are busy', isPassing: true };
  const task = { ...added.task, startedAtSeconds: nowSeconds };
  return { kind: 'lend', cluster: begun.value, tasks: withTask(added.book, task), task: task.id };
}

/** Slots that were lent go back: each with a task of its own, in the commit in which it has come. */
export function withSlotsGivenBack(before: TaskBook, after: TaskBook, nowSeconds: number): TaskBook {
  let book = after;
  for (const task of after) {
    const was = before.find(({ id }) => id === task.id);
    const [range] = task.ranges;
    const hasCome = task.kind === 'lend' && task.end?.state === 'succeeded' && was?.end === null;
    if (!hasCome || range === undefined) continue;
    const moves = [{ source: range.target, target: range.source, slots: slotSetOf([range.range]) }];
    book = addTask(book, { kind: 'giveBack', actor: 'controller', moves, batch: 1, nowSeconds }).book;
  }
  return book;
}

/** What people are told of a task that nobody asked for. */
export function lendingText({ kind, ranges }: MigrationTask): string {
  const slots = ranges.map(({ range }) => printSlotRange(range)).join(' ');
  return kind === 'lend'
    ? `slot ${slots} leaves its shard for a moment, so that others of that shard take writes`
    : `slot ${slots} goes back to its shard`;
}
