// Slots that their node cannot move away are refused before the move is written down.

import { masterOf } from '../topology/cluster.ts';
import { intersectionSlots, printSlotRange, slotSetOf } from '../topology/slot.ts';
import type { Cluster, NodeAddress, Shard, SlotRange, SlotSet } from '../topology/types.ts';
import { ApiError } from './errors.ts';
import type { NodeInspection, NodeInspector } from './ports.ts';

/** Owners asked side by side. */
const OWNERS_ASKED_MAX = 64;

/** The first ranges of many are asked about: a node knows what it does with each slot, one by one. */
const ASKED_RANGES_MAX = 64;

/**
 * Throws 409 when the owner of any of `slots` still remembers that it gave these slots away: it answers MIGRATE with "has been migrated" for ever
 * (facts sections 5.1, 5.4). An owner that cannot be asked, or has not heard of the present topology yet, is left to whoever carries the
 * migration.
 */
export async function checkMovable(
  inspector: NodeInspector,
  cluster: Cluster,
  slots: SlotSet,
): Promise<void> {
  const owners = cluster.shards.map((shard) => ({ shard, part: intersectionSlots(shard.slots, slots) }));
  const asked = owners.filter(({ part }) => part.length > 0);
  const left = asked.values();
  const askOn = async (): Promise<void> => {
    for (const { shard, part } of left) await checkPart(inspector, cluster, shard, part);
  };
  await Promise.all(Array.from({ length: Math.min(OWNERS_ASKED_MAX, asked.length) }, askOn));
}

async function checkPart(
  inspector: NodeInspector,
  cluster: Cluster,
  owner: Shard,
  part: SlotSet,
): Promise<void> {
  const master = masterOf(owner);
  const inspection = await inspector.inspect(master);
  if (!inspection.ok || inspection.value.version !== cluster.version) return;
  const remembered = rememberedSlots(part, inspection.value);
  const asked = part.slice(0, ASKED_RANGES_MAX);
  const slots = [...new Set([...asked, ...remembered].flatMap(({ start, stop }) => [start, stop]))];
  const services = await inspector.slotServices(master, slots);
  if (!services.ok) return;
  for (const [index, slot] of slots.entries()) {
    const service = services.value[index];
    const known = remembered.find(({ start, stop }) => start <= slot && slot <= stop);
    const text = printSlotRange(known ?? { start: slot, stop: slot });
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
  if (!remembers.ok || rememberedSlots(slotSetOf([range]), remembers.value).length === 0) return;
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

/** What lies in `slots` of the last job: what a node remembers is one range. */
function rememberedSlots(slots: SlotSet, { sourceJob }: NodeInspection): readonly SlotRange[] {
  if (sourceJob?.state !== 'success') return [];
  return intersectionSlots(slots, slotSetOf([sourceJob.range]));
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
