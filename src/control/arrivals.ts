// Slots recorded at their target on its word alone, while their source was silent: it is asked once more whether it has them before anybody deletes a copy.

// A source that never heard the reply to its hand-over has failed its job, and tells the target so as soon as it can: what was imported is deleted there
// (slot_migrate.cc, finishFailedMigration; slot_import.cc, Fail). A target that was told that it owns the slots refuses that (cluster.cc, ImportSlotRange).
// So a look at it after that push is conclusive, and until then the slots may have to come back. Nobody else deletes his copy meanwhile: a node clears only
// what it has itself handed over with success (cluster.cc, SetClusterNodes), and a source that heard of that takes nothing back.

import { returnSlots } from '../topology/change-slots.ts';
import { type MigrationPlace, masterOf, migrationsOf, shardIndexOf } from '../topology/cluster.ts';
import { containsRange, printSlotRange, slotSetOf } from '../topology/slot.ts';
import { TARGETS_WORD, type TaskBook, type TaskRange, withTask } from '../topology/task.ts';
import type { ShardId, SlotRange } from '../topology/types.ts';
import type { CommitReason } from './actions.ts';
import { isProcessGoneForAll } from './evidence.ts';
import type { ArrivalMemory } from './memory.ts';
import type { Draft } from './draft.ts';
import { viewMigration } from './migration-status.ts';
import { isAway, isLookCurrent } from './sight.ts';
import { type NodeView, type Situation, masterView, testimonyOf } from './situation.ts';

/** Whether a source that does not answer may be at work, and so may take back what it handed over: nobody has found its process gone. */
export function mayTakeBack(situation: Situation, source: NodeView): boolean {
  if (!isAway(source) || source.condition === 'gone') return false;
  return !isProcessGoneForAll(testimonyOf(situation, source, source.memory), situation.settings);
}

/** What is remembered once the draft is committed, with the moves that it records on their targets' word. */
export function arrivalsAfter(situation: Situation, draft: Draft): ReadonlyMap<ShardId, ArrivalMemory> {
  const arrivals = new Map(situation.memory.arrivals);
  for (const place of migrationsOf(situation.cluster)) {
    if (!isFinished(draft.reasons, place)) continue;
    const { source, target, sourceState } = viewMigration(situation, place);
    if (sourceState === 'succeeded' || !mayTakeBack(situation, source)) continue;
    // A replica that takes over has them beyond the reach of the source.
    const heir = draft.cluster.shards.find(({ id }) => id === place.target.id);
    if (heir !== undefined && masterOf(heir).id !== target.node.id) continue;
    arrivals.set(place.source.id, {
      range: place.migration.range,
      target: place.target.id,
      version: draft.cluster.version,
      targetMaster: target.node.id,
      isSettled: false,
    });
  }
  for (const reason of draft.reasons) {
    if (reason.kind !== 'handOverUndone') continue;
    const source = situation.cluster.shards[reason.sourceIndex];
    if (source !== undefined) arrivals.delete(source.id);
  }
  return arrivals;
}

/** The book with that said of the ranges of `arrivals`, and of no others. */
export function withArrivalsSaid(book: TaskBook, arrivals: ReadonlyMap<ShardId, ArrivalMemory>): TaskBook {
  let said = book;
  for (const task of book) {
    const ranges = task.ranges.map((range) => {
      const arrival = arrivals.get(range.source);
      const isAsked = arrival !== undefined && !arrival.isSettled && isOf(range, range.source, arrival);
      if (isAsked === (range.lastError === TARGETS_WORD)) return range;
      return { ...range, lastError: isAsked ? TARGETS_WORD : '' };
    });
    if (ranges.some((range, place) => range !== task.ranges[place]))
      said = withTask(said, { ...task, ranges });
  }
  return said;
}

/** Whether a range of a task is, or holds, such slots. */
export function isOf(range: TaskRange, source: ShardId, { range: slots, target }: ArrivalMemory): boolean {
  const isPart = containsRange(slotSetOf([range.range]), slots);
  return range.source === source && range.target === target && isPart;
}

function isFinished(reasons: readonly CommitReason[], { sourceIndex }: MigrationPlace): boolean {
  return reasons.some((reason) => reason.kind === 'migrationFinished' && reason.sourceIndex === sourceIndex);
}

/** Those about which something is to be known or done still. */
export function reviewArrivals(situation: Situation): ReadonlyMap<ShardId, ArrivalMemory> {
  const { memory, tasks, cluster } = situation;
  const said = tasks.flatMap(({ ranges }) => ranges.filter(({ lastError }) => lastError === TARGETS_WORD));
  if (memory.arrivals.size === 0 && said.length === 0) return memory.arrivals;
  const arrivals = new Map<ShardId, ArrivalMemory>();
  for (const { source, target, range } of said) {
    const to = cluster.shards.find(({ id }) => id === target);
    if (to === undefined) continue;
    const { version } = cluster;
    arrivals.set(source, { range, target, version, targetMaster: masterOf(to).id, isSettled: false });
  }
  for (const [source, arrival] of memory.arrivals) {
    const isCommitted = cluster.version >= arrival.version;
    if (isCommitted ? arrivals.has(source) || !arrival.isSettled : memory.commit.isInFlight)
      arrivals.set(source, arrival);
  }
  for (const [source, arrival] of arrivals)
    if (!arrival.isSettled && isSettledNow(situation, source, arrival))
      arrivals.set(source, { ...arrival, isSettled: true });
  return arrivals;
}

function isSettledNow(situation: Situation, source: ShardId, arrival: ArrivalMemory): boolean {
  const { cluster } = situation;
  if (cluster.version < arrival.version) return false;
  const target = targetOf(situation, arrival);
  if (target === null || shardIndexOf(cluster, source) === -1) return true;
  // A replica that took over has what it has, beyond the reach of the source.
  if (target.node.id !== arrival.targetMaster) return true;
  if (takenBack(target, arrival) !== null) return false;
  return isLookCurrent(target.memory) && (target.report?.version ?? 0) >= arrival.version;
}

function targetOf(situation: Situation, { target }: ArrivalMemory): NodeView | null {
  const shard = situation.cluster.shards.find(({ id }) => id === target);
  return shard === undefined ? null : masterView(situation, shard);
}

/** What the target has deleted of what it had imported, after it had said that it has it; null when nothing. */
function takenBack({ condition, report, shard }: NodeView, { range }: ArrivalMemory): SlotRange | null {
  const job = report?.targetJob ?? null;
  if (condition !== 'answering' || job?.state !== 'error') return null;
  const isIt = containsRange(slotSetOf([range]), job.range) && containsRange(shard.slots, job.range);
  return isIt ? job.range : null;
}

/** Those that are not settled. */
function openArrivals({ memory }: Situation): readonly (readonly [ShardId, ArrivalMemory])[] {
  return [...memory.arrivals].filter(([, { isSettled }]) => !isSettled);
}

/** Whether slots came to the shard of which that is to be known still. */
export function isArriving(situation: Situation, target: ShardId): boolean {
  return openArrivals(situation).some(([, arrival]) => arrival.target === target);
}

/** What a target has deleted is the source's again, which was not told yet and has all of it. */
export function planReturns(situation: Situation): Draft {
  let { cluster } = situation;
  const reasons: CommitReason[] = [];
  for (const [source, arrival] of openArrivals(situation)) {
    const target = targetOf(situation, arrival);
    const range = target === null ? null : takenBack(target, arrival);
    if (target === null || range === null || cluster.version < arrival.version) continue;
    const sourceIndex = shardIndexOf(cluster, source);
    const returned = returnSlots(cluster, { range, targetIndex: sourceIndex });
    if (!returned.ok) continue;
    cluster = returned.value;
    reasons.push({
      kind: 'handOverUndone',
      sourceIndex,
      targetIndex: target.shardIndex,
      slots: printSlotRange(range),
      text: 'the source had failed the job and took it back at the target before that knew the slots as its own; the copy at the source is kept',
    });
  }
  return { cluster, facts: situation.facts, reasons };
}
