// Hand-overs of slots that a cluster about to be imported does not know of: its topologies have the slots at their source still.

import { masterOf } from '../topology/cluster.ts';
import { differenceSlots, intersectionSlots, printSlotRange, slotSetOf } from '../topology/slot.ts';
import type { Cluster, Node, NodeAddress, NodeId, SlotRange } from '../topology/types.ts';
import type { SourceJob, TargetJob } from './observation.ts';

/** What a node does with a command about a key of one slot. */
export type SlotService =
  | { readonly kind: 'served' }
  /** Reads are served, writes are refused: it gave the slot away once and was told since that the slot is its own (facts section 5.4). */
  | { readonly kind: 'writeForbidden' }
  /** `to` is null when the address makes no sense. */
  | { readonly kind: 'moved'; readonly to: NodeAddress | null }
  | { readonly kind: 'refused'; readonly reason: string };

/** The jobs a master remembers (facts section 5.2). */
export interface Jobs {
  readonly sourceJob: SourceJob | null;
  readonly targetJob: TargetJob | null;
}

/** Slots that the topology gives to `source` although one of both remembers that `target` took them over. */
export interface SuspectedHandOver {
  readonly range: SlotRange;
  readonly source: Node;
  /** Null when the source names a node that is no master here. */
  readonly target: Node | null;
}

export type HandOverVerdict =
  /** The topology is right: what is remembered was of an earlier move, or was undone. */
  | { readonly kind: 'standing' }
  /** The target has the slots and all that was written since: the topology has to follow. */
  | { readonly kind: 'handedOver' }
  | { readonly kind: 'unclear'; readonly why: string };

/** A job that runs now, as a sentence; null when none does. */
export function runningJob(cluster: Cluster, jobs: ReadonlyMap<NodeId, Jobs>): string | null {
  for (const shard of cluster.shards) {
    const { id, address } = masterOf(shard);
    const { sourceJob = null, targetJob = null } = jobs.get(id) ?? {};
    if (sourceJob?.state === 'start')
      return `node ${address} is moving the slots ${printSlotRange(sourceJob.range)} away; wait until that has ended`;
    if (targetJob?.state === 'start')
      return `node ${address} is taking the slots ${printSlotRange(targetJob.range)} over; wait until that has ended`;
  }
  return null;
}

/**
 * What the masters' jobs leave in doubt. The lines of a job stay until the next one or a restart, so a success alone proves nothing: the
 * slots may have come back since. How each end serves the slots now decides.
 */
export function suspectedHandOvers(
  cluster: Cluster,
  jobs: ReadonlyMap<NodeId, Jobs>,
): readonly SuspectedHandOver[] {
  const masters = new Map(cluster.shards.map((shard) => [masterOf(shard).id, masterOf(shard)]));
  const found = new Map<string, SuspectedHandOver>();
  const note = (range: SlotRange, source: Node, target: Node | null): void => {
    found.set(`${printSlotRange(range)} ${source.id} ${target?.id ?? ''}`, { range, source, target });
  };
  for (const shard of cluster.shards) {
    const master = masterOf(shard);
    const { sourceJob = null, targetJob = null } = jobs.get(master.id) ?? {};
    if (sourceJob?.state === 'success') {
      const target = masters.get(sourceJob.destination) ?? null;
      for (const range of intersectionSlots(shard.slots, slotSetOf([sourceJob.range])))
        note(range, master, target);
    }
    if (targetJob?.state !== 'success') continue;
    const lacking = differenceSlots(slotSetOf([targetJob.range]), shard.slots);
    if (lacking.length === 0) continue;
    for (const owner of cluster.shards)
      for (const range of intersectionSlots(owner.slots, lacking)) note(range, masterOf(owner), master);
  }
  return [...found.values()];
}

/** What both ends do with the slots decides; null for an end that did not answer. */
export function judgeHandOver(
  { range, source, target }: SuspectedHandOver,
  services: { readonly source: SlotService | null; readonly target: SlotService | null },
): HandOverVerdict {
  const slots = `slots ${printSlotRange(range)}`;
  const isServedByTarget = services.target?.kind === 'served';
  if (services.source?.kind === 'moved') {
    const isConfirmed =
      target !== null &&
      services.source.to === target.address &&
      (services.target?.kind === 'served' || services.target?.kind === 'moved');
    if (isConfirmed) return { kind: 'handedOver' };
    const where = target?.address ?? services.source.to ?? 'a node that is no master here';
    return unclear(
      `${slots} were handed over by ${source.address} to ${where}, which does not confirm it; start that node and import again`,
    );
  }
  if (!isServedByTarget || target === null) return { kind: 'standing' };
  if (services.source === null)
    return unclear(
      `${slots} are served by ${target.address} and owned by ${source.address}, which does not answer; start it and import again`,
    );
  return unclear(
    `${slots} are served by both ${source.address} and ${target.address}, which took them over before the other forgot it in a restart; ` +
      `give them to the one whose writes are to stay, with CLUSTERX SETSLOT ${printSlotRange(range)} NODE <id> <version + 1> on every ` +
      `node (${target.id} is ${target.address}), and import again`,
  );
}

function unclear(why: string): HandOverVerdict {
  return { kind: 'unclear', why };
}
