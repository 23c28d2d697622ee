// What became of slots that went from one node to another: who knows of it, and what of it may be lost. Judges what is recorded of it.

import type { NodeReport } from '../../../src/control/observation.ts';
import { masterOf, migrationsOf } from '../../../src/topology/cluster.ts';
import { containsSlot, equalRanges, printSlotRange } from '../../../src/topology/slot.ts';
import type { Cluster, Migration, Shard, Slot, SlotRange } from '../../../src/topology/types.ts';
import type { Violate } from '../ledger.ts';
import type { Fleet } from './fleet.ts';
import type { FleetNode } from './fleet-node.ts';
import type { Job } from './jobs.ts';
import type { HandOver, Place, Put } from './puts.ts';
import type { Topologies } from './topologies.ts';

export interface MovesParts {
  readonly fleet: Fleet;
  readonly topologies: Topologies;
  readonly violate: Violate;
  readonly findPut: (write: number) => Put | undefined;
  /** Somebody chose a master of the shard by force: what it lacks is accepted. */
  readonly isForced: (shard: Shard) => boolean;
}

export class Moves {
  readonly #parts: MovesParts;
  readonly #handOvers: HandOver[] = [];
  /** Moves that were recorded as finished. */
  finished = 0;

  constructor(parts: MovesParts) {
    this.#parts = parts;
  }

  /** The hand-over by which the node serves a slot that is not its own; null when there is none. */
  openAt(node: FleetNode, slot: Slot): HandOver | null {
    return (
      this.#handOvers.findLast(({ target, slots, isOpen }) => isOpen && target === node && slots.has(slot)) ??
      null
    );
  }

  /** The target serves the slots from now on. */
  taken({ source, target, range, copied, phase }: Job): void {
    const { fleet, findPut } = this.#parts;
    const { nowMs: atMs } = fleet;
    const before = new Map<Put, Place>();
    for (const { write, end } of copied) {
      const put = findPut(write);
      if (put === undefined) continue;
      before.set(put, put.place);
      put.place = { node: target, atMs, end };
    }
    const isRecorded = this.#recordOf({ source, target, range }) !== null;
    const handOver: HandOver = {
      source,
      target,
      range,
      slots: new Set(fleet.world.slotsIn(range)),
      atMs,
      before,
      knowers: new Set([target]),
      isSeen: false,
      isTargetSeen: false,
      isFailureSeen: false,
      isOpen: true,
      excuse: isRecorded ? null : 'taken by the target of a move that nobody asked for',
    };
    this.#handOvers.push(handOver);
    if (phase === 'failed') this.#unheard(handOver);
  }

  /** The source has heard of the success, or never will: then it deletes at the target what came, also where that was recorded and the target does not know yet. */
  ended({ source, target, range, isTaken }: Job, outcome: 'success' | 'fail'): void {
    const handOver = this.#lastOf(source, target, range);
    if (!isTaken || handOver === null) return;
    if (outcome === 'fail') this.#unheard(handOver);
    else if (handOver.isOpen) handOver.knowers.add(source);
  }

  #unheard(handOver: HandOver): void {
    handOver.excuse ??= 'taken by the target of a move whose source never heard of its success';
  }

  /** A process ended, and with it what it knew. */
  died(node: FleetNode): void {
    for (const handOver of this.#handOvers) {
      if (!handOver.isOpen || !handOver.knowers.delete(node)) continue;
      this.#checkKnown(handOver);
      const stage = this.#recordOf(handOver)?.stage;
      if (handOver.source === node && !handOver.isSeen && stage?.kind === 'started' && stage.isTargetMarked)
        handOver.excuse ??=
          'taken by the target of a move that only it knows of, as it knew of an earlier one';
    }
  }

  #checkKnown(handOver: HandOver): void {
    if (handOver.knowers.size === 0 && !handOver.isSeen)
      handOver.excuse ??= 'taken by the target of a move of which nobody knows';
  }

  /** Another leader knows only what it sees itself. */
  leaderChanged(): void {
    for (const handOver of this.#handOvers) {
      if (!handOver.isOpen) continue;
      handOver.isSeen = false;
      handOver.isTargetSeen = false;
      handOver.isFailureSeen = false;
      this.#checkKnown(handOver);
    }
  }

  /** The present leader was answered. */
  seen(node: FleetNode, { sourceJob, targetJob }: NodeReport): void {
    for (const handOver of this.#handOvers) {
      const { source, target, range, knowers } = handOver;
      if (!handOver.isOpen || !knowers.has(node)) continue;
      if (source === node && sourceJob !== null && equalRanges(sourceJob.range, range)) {
        if (sourceJob.state === 'success' && sourceJob.destination === target.model.id)
          handOver.isSeen = true;
      }
      if (target === node && targetJob?.state === 'success' && equalRanges(targetJob.range, range)) {
        const stage = this.#recordOf(handOver)?.stage;
        if (stage?.kind === 'started' && !stage.isTargetMarked) handOver.isTargetSeen = true;
      }
    }
    this.#seenFailing(node, sourceJob);
  }

  #seenFailing(node: FleetNode, job: NodeReport['sourceJob']): void {
    if (job?.state !== 'fail') return;
    for (const handOver of this.#handOvers) {
      const { source, target, range, isOpen } = handOver;
      if (isOpen && source === node && job.destination === target.model.id && equalRanges(job.range, range))
        handOver.isFailureSeen = true;
    }
  }

  /** The committed cluster is another one: of what moved, everything has to have arrived; what did not is given up. */
  recorded(before: Cluster, after: Cluster): void {
    this.#checkArrived(before, after);
    for (const { migration, source, target } of migrationsOf(before)) {
      const next = after.shards.find(({ id }) => id === source.id);
      if (next === undefined || isSame(next.migration, migration) || migration.stage.kind !== 'started')
        continue;
      if (!containsSlot(next.slots, migration.range.start)) continue;
      const to = after.shards.find(({ id }) => id === target.id);
      const isKept = to !== undefined && masterOf(to).id === masterOf(target).id;
      this.#givenUp({ source, migration, isKept });
    }
  }

  #givenUp({
    source,
    migration,
    isKept,
  }: {
    readonly source: Shard;
    readonly migration: Migration;
    readonly isKept: boolean;
  }): void {
    for (const handOver of this.#handOvers) {
      const isMeant =
        handOver.isOpen &&
        handOver.source.address === masterOf(source).address &&
        equalRanges(handOver.range, migration.range);
      if (!isMeant) continue;
      // A source that has forgotten it takes writes: for a target that is away its copy is not held back for long.
      const isWitnessed = handOver.isSeen || (handOver.isTargetSeen && handOver.knowers.has(handOver.source));
      if (!isWitnessed || migration.isCancelled || !isKept)
        handOver.excuse ??= 'taken by the target of a move that was given up';
      handOver.isOpen = false;
      for (const [put, place] of handOver.before) put.place = place;
    }
  }

  #checkArrived(before: Cluster, after: Cluster): void {
    const { fleet, violate, isForced } = this.#parts;
    for (const to of after.shards) {
      const came = fleet.world.slots.filter((slot) => containsSlot(to.slots, slot));
      for (const from of before.shards) {
        const slots = new Set(came.filter((slot) => from.id !== to.id && containsSlot(from.slots, slot)));
        if (slots.size === 0) continue;
        this.finished += 1;
        // What the source took back is its again in a moment; that nothing is lost is judged in the end.
        if (this.#isTakenBack(to, slots)) continue;
        const lacking = this.#lacking(from, to, slots);
        const [first] = lacking;
        if (first !== undefined && !isForced(to))
          violate(
            'finished',
            `slots ${[...slots].join(' ')} go from shard ${from.id} to ${to.id}, and ${lacking.length} writes did not, the first ${first.id} of slot ${first.slot}, taken by ${first.node.name} at ${first.atMs} ms`,
          );
        for (const handOver of this.#handOvers) {
          if (handOver.isOpen && [...handOver.slots].some((slot) => slots.has(slot))) handOver.isOpen = false;
        }
      }
    }
  }

  #isTakenBack(to: Shard, slots: ReadonlySet<Slot>): boolean {
    const { targetJob } = this.#parts.fleet.at(masterOf(to).address).model;
    return targetJob?.state === 'error' && [...slots].every((slot) => isWithin(targetJob.range, slot));
  }

  /** What the source has and the target has not; what was taken beside the target is given up. */
  #lacking(from: Shard, to: Shard, slots: ReadonlySet<Slot>): readonly Put[] {
    const { fleet, findPut } = this.#parts;
    const kept = fleet.at(masterOf(to).address).model.log.writes();
    const lacking: Put[] = [];
    for (const write of fleet.at(masterOf(from).address).model.log.writes()) {
      const put = findPut(write);
      if (put === undefined) continue;
      if (!slots.has(put.slot) || put.isStale || put.excuse !== null || kept.has(put.id)) continue;
      const handOver = this.#handOvers.findLast((each) => each.slots.has(put.slot));
      const isBeside = handOver !== undefined && handOver.target !== put.node && put.atMs >= handOver.atMs;
      if (isBeside && !handOver.isFailureSeen) put.excuse = 'taken beside the target of a move';
      else lacking.push(put);
    }
    return lacking;
  }

  /** A node was told another version. While the record says that its job may run, or has ended well, nobody may. */
  told({ source, target, range }: Job, node: FleetNode): void {
    const migration = this.#recordOf({ source, target, range });
    if (migration === null || migration.isCancelled || migration.stage.kind !== 'started') return;
    this.#parts.violate(
      'ends',
      `${node.name} is told v${node.model.version} while slots ${printSlotRange(range)} go from ${source.name} to ${target.name}`,
    );
  }

  /** A source was told that it has slots still which it has handed over. */
  undone(node: FleetNode, slots: readonly Slot[]): void {
    for (const handOver of this.#handOvers) {
      if (!handOver.isOpen || handOver.source !== node || !slots.some((slot) => handOver.slots.has(slot)))
        continue;
      const migration = this.#recordOf(handOver);
      if (migration === null || migration.stage.kind !== 'started') continue;
      this.#parts.violate(
        'ends',
        `${node.name} is told that it has slots ${printSlotRange(handOver.range)} still, which went to ${handOver.target.name}`,
      );
    }
  }

  #lastOf(source: FleetNode, target: FleetNode, range: SlotRange): HandOver | null {
    const isIt = (each: HandOver): boolean =>
      each.source === source && each.target === target && equalRanges(each.range, range);
    return this.#handOvers.findLast(isIt) ?? null;
  }

  /** The move of just these slots between just these masters, as it is committed. */
  #recordOf({ source, target, range }: Pick<HandOver, 'source' | 'target' | 'range'>): Migration | null {
    const cluster = this.#parts.topologies.latest?.cluster;
    const found = (cluster === undefined ? [] : migrationsOf(cluster)).find(
      (place) =>
        masterOf(place.source).address === source.address &&
        masterOf(place.target).address === target.address &&
        equalRanges(place.migration.range, range),
    );
    return found?.migration ?? null;
  }
}

function isSame(one: Migration | null, other: Migration): boolean {
  return (
    one !== null &&
    one.target === other.target &&
    one.startedAtSeconds === other.startedAtSeconds &&
    equalRanges(one.range, other.range)
  );
}

function isWithin({ start, stop }: SlotRange, slot: Slot): boolean {
  return start <= slot && slot <= stop;
}
