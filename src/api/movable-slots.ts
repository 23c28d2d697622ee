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
