// Slots that their node cannot move away are refused before the move is written down.

import { masterOf } from '../topology/cluster.ts';
import { intersectionSlots, printSlotRange, slotSetOf } from '../topology/slot.ts';
import type { Cluster, NodeAddress, SlotRange } from '../topology/types.ts';
import { ApiError } from './errors.ts';
import type { NodeInspection, NodeInspector } from './ports.ts';

/**
 * Throws 409 when the owner of `range` still remembers that it gave these slots away: it answers MIGRATE with "has been migrated" for ever
 * (facts sections 5.1, 5.4). An owner that cannot be asked, or has not heard of the present topology yet, is left to whoever carries the
 * migration.
 */
export async function checkMovable(
  inspector: NodeInspector,
  cluster: Cluster,
  range: SlotRange,
): Promise<void> {
  const owner = cluster.shards.find((shard) => intersectionSlots(shard.slots, slotSetOf([range])).length > 0);
  if (owner === undefined) return;
  const master = masterOf(owner);
  const inspection = await inspector.inspect(master);
  if (!inspection.ok || inspection.value.version !== cluster.version) return;
  const remembered = rememberedSlots(range, inspection.value);
  const slots = [...new Set([range, ...remembered].flatMap(({ start, stop }) => [start, stop]))];
  const services = await inspector.slotServices(master, slots);
  if (!services.ok) return;
  for (const [index, slot] of slots.entries()) {
    const service = services.value[index];
    const part = remembered.find(({ start, stop }) => start <= slot && slot <= stop);
    const text = printSlotRange(part ?? { start: slot, stop: slot });
    if (service?.kind === 'moved')
      throw new ApiError('conflict', handedOverText(cluster, { slots: text, to: service.to }));
    if (service?.kind === 'writeForbidden')
      throw new ApiError(
        'conflict',
        `node ${master.address} gave the slots ${text} away before and was told since that it owns them: it refuses to move them again, ` +
          'and writes to them; move any other slot out of this shard first, which ends that',
      );
  }
}

/**
 * Throws 409 when the owner of `range` has handed it over to a target that has nothing of it, or cannot be asked: to record that would have the
 * source delete the only copy (facts section 5.4).
 */
export async function checkRecordable(
  inspector: NodeInspector,
  cluster: Cluster,
  { range, targetIndex }: { readonly range: SlotRange; readonly targetIndex: number },
): Promise<void> {
  const owner = cluster.shards.find((shard) => intersectionSlots(shard.slots, slotSetOf([range])).length > 0);
  const to = cluster.shards[targetIndex];
  if (owner === undefined || to === undefined) return;
  const [source, target] = [masterOf(owner), masterOf(to)];
  const remembers = await inspector.inspect(source);
  if (!remembers.ok || rememberedSlots(range, remembers.value).length === 0) return;
  const inspection = await inspector.inspect(target);
  const text = `node ${source.address} has handed these slots over to ${target.address}, `;
  if (!inspection.ok)
    throw new ApiError(
      'conflict',
      `${text}which cannot be asked whether it has them (${inspection.error.message}): to record the move would delete the copy of ${source.address}; ask again when it is well`,
    );
  const { sequence, targetJob } = inspection.value;
  if (sequence !== 0 || targetJob?.state === 'success') return;
  throw new ApiError(
    'conflict',
    `${text}which is empty: to record the move would delete the copy of ${source.address}, the only one; ` +
      `restart ${source.address} instead, or do as the problem unrecordedHandOver says`,
  );
}

/** What lies in `range` of the last job: what a node remembers is one range. */
function rememberedSlots(range: SlotRange, { sourceJob }: NodeInspection): readonly SlotRange[] {
  if (sourceJob?.state !== 'success') return [];
  return intersectionSlots(slotSetOf([range]), slotSetOf([sourceJob.range]));
}

function handedOverText(
  cluster: Cluster,
  { slots, to }: { readonly slots: string; readonly to: NodeAddress | null },
): string {
  const index = cluster.shards.findIndex((shard) => masterOf(shard).address === to);
  const text = `the slots ${slots} were handed over to ${to ?? 'another node'} already, and nobody wrote it down`;
  if (index === -1) return `${text}; that node is no master of this cluster, look at it first`;
  return (
    `${text}; record it with {"slot":"${slots}","target":${index},"slot_only":true}, ` +
    'which keeps what was written there since'
  );
}
