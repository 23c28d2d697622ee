// Slots that nodes have handed over although no migration is recorded: by hand, by an earlier tool, or by a request that ran late.

import { moveSlots } from '../topology/change-slots.ts';
import { containsRange, equalRanges, printSlotRange } from '../topology/slot.ts';
import type { SlotRange } from '../topology/types.ts';
import type { CommitReason } from './actions.ts';
import type { Draft } from './draft.ts';
import { isEmptied, withArrival } from './migration-status.ts';
import { type NodeView, type Situation, masterView, nodeName } from './situation.ts';

export interface HandOver {
  readonly range: SlotRange;
  readonly source: NodeView;
  readonly target: NodeView;
  /** Both ends say so: the target's copy is complete and is what clients use. */
  readonly isProven: boolean;
  /** The target is empty and no replica of it may have what it took: the copy at the source is what is left. */
  readonly isLost: boolean;
}

/**
 * Hand-overs in effect that the topology does not know: the source turns clients away to a master that therefore has the newest writes.
 * Any topology that leaves the slots where they are would undo it and lose those (facts section 5.4), so both ends are held until the move is
 * recorded. Where the target has lost everything, undoing it is right, and the target is held until that is done: told who it is, it would look
 * like one that has the slots.
 */
export function unrecordedHandOvers(situation: Situation): readonly HandOver[] {
  const found: HandOver[] = [];
  for (const shard of situation.cluster.shards) {
    if (shard.migration?.stage.kind === 'started') continue;
    const source = masterView(situation, shard);
    const job = source.report?.sourceJob ?? null;
    if (
      source.condition !== 'answering' ||
      job === null ||
      job.state !== 'success' ||
      job.isInEffect !== true
    )
      continue;
    const target = situation.views.get(job.destination);
    if (target === undefined || target.node.role !== 'master' || target.shard.id === shard.id) continue;
    if (!containsRange(shard.slots, job.range)) continue;
    const imported = target.report?.targetJob ?? null;
    const isProven =
      target.condition === 'answering' &&
      target.loss === null &&
      imported?.state === 'success' &&
      equalRanges(imported.range, job.range);
    const hasNothing = isEmptied(target) || isEmpty(target, isProven);
    const isLost = hasNothing && (target.loss === null || target.shard.nodes.length === 1);
    found.push({ range: job.range, source, target, isProven, isLost });
  }
  return found;
}

/** Without a single write, and without the import that would be none of empty slots: it may have been told who it is since it lost its disk. */
function isEmpty({ condition, report }: NodeView, isProven: boolean): boolean {
  return condition === 'answering' && report?.sequence === 0 && !isProven;
}

/** Records every proven one, so that the next topology completes it. One that touches a migration waits for that one's end. */
export function planAdoptions(situation: Situation, draft: Draft): Draft {
  let { cluster, facts } = draft;
  const reasons: CommitReason[] = [];
  for (const { range, source, target, isProven } of unrecordedHandOvers(situation)) {
    if (!isProven) continue;
    const next = moveSlots(cluster, { range, targetIndex: target.shardIndex });
    if (!next.ok) continue;
    cluster = next.value;
    facts = withArrival(facts, target, situation.nowSeconds);
    reasons.push({
      kind: 'migrationFinished',
      sourceIndex: source.shardIndex,
      targetIndex: target.shardIndex,
      slots: printSlotRange(range),
      text: `${nodeName(source)} had handed these slots over to ${nodeName(target)} without a recorded migration, and both say so`,
    });
  }
  return { cluster, facts, reasons: [...draft.reasons, ...reasons] };
}

/** Why this master does not have what was handed over to it, and has no replica that may; null when nothing of that kind is open. */
export function lostHandOver(situation: Situation, { node }: NodeView): string | null {
  const lost = unrecordedHandOvers(situation).find(
    ({ target, isLost }) => isLost && target.node.id === node.id,
  );
  if (lost === undefined) return null;
  return `it is empty, and slots ${printSlotRange(lost.range)} were handed over to it by ${nodeName(lost.source)}`;
}

/** What a person has to do about one that is not proven; null when there is nothing to do. */
export function handOverRemedy({ range, source, target, isProven, isLost }: HandOver): string | null {
  if (isProven) return null;
  const slots = printSlotRange(range);
  if (isLost) {
    return (
      `slots ${slots} were handed over to ${nodeName(target)}, which came back empty: what was written there since is lost with it, and nobody serves them. ` +
      `If its disk still exists, start it on that. Else accept it as it is: POST .../shards/${target.shardIndex}/failover ` +
      `{"force":true,"preferred_node_id":"${target.node.id}"}; ${nodeName(source)} then serves its own copy again, complete up to the hand-over`
    );
  }
  return (
    `slots ${slots} were handed over to ${nodeName(target)}, which does not confirm that it has them, or cannot be asked. If it was not started on an empty disk since, it has all writes: ` +
    `${nodeName(source)} must not be restarted while it has them, and when the target is well again, record the move: POST .../migrate {"slot":"${slots}","target":${target.shardIndex},"slot_only":true}. ` +
    `If the target has lost its data for good, restart ${nodeName(source)} instead and record nothing: it serves its own copy again`
  );
}
