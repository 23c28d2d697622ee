// The book of writes: what was taken and acknowledged where, and what each change of masters gave up. Judges every loss.

import { present } from '../../../src/base/assert.ts';
import { LAG_MS_MAX, type ControlSettings } from '../../../src/control/settings.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import { openPromotion } from '../../../src/topology/facts.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import { containsSlot } from '../../../src/topology/slot.ts';
import type { Shard, ShardId, Slot } from '../../../src/topology/types.ts';
import type { Violate } from '../ledger.ts';
import type { Trace } from '../trace.ts';
import type { Look } from './evidence.ts';
import type { Fleet } from './fleet.ts';
import type { FleetNode } from './fleet-node.ts';
import { Moves } from './moves.ts';
import type { Put } from './puts.ts';
import type { Topologies } from './topologies.ts';

/** How a change of a shard's master came about. */
export interface Manner {
  /** By the decision's own word: the old master was drained first. */
  readonly isDrained: boolean;
  readonly isForced: boolean;
  /** The last look at the old master that it answered, by the leader that proposed it; null when there was none. */
  readonly look: Look | null;
  /** When it was last seen by somebody who could tell which replica keeps up, milliseconds. */
  readonly judgedMs: number;
}

export interface BookParts {
  readonly fleet: Fleet;
  readonly topologies: Topologies;
  readonly settings: ControlSettings;
  readonly trace: Trace;
  readonly violate: Violate;
}

/** Looks in quick succession count as one, and a leader has rounds of looks only (`docs/decisions/0009-bounds.md`). */
const QUICK_MS = 400;

export class Book {
  readonly #parts: BookParts;
  readonly #puts = new Map<number, Put>();
  /** Who took a slot's writes in a version. */
  readonly #takers = new Map<string, FleetNode>();
  /** Bounds of a master that was never seen as one are those of the one before it. */
  readonly #bounds = new Map<ShardId, number>();
  /** Shards in which somebody chose a master by force: it may be one that was on its way to be made anew. */
  readonly forced = new Set<ShardId>();
  acknowledgedCount = 0;
  /** Masters that were replaced by force while they lived. */
  readonly #alive = new Set<FleetNode>();
  readonly moves: Moves;

  constructor(parts: BookParts) {
    this.#parts = parts;
    const { fleet, topologies, violate } = parts;
    this.moves = new Moves({
      fleet,
      topologies,
      violate,
      findPut: (id) => this.#puts.get(id),
      isForced: ({ id }) => this.forced.has(id),
    });
  }

  /** A node takes a write; returns its id. */
  put(node: FleetNode, slot: Slot): number {
    const { fleet, topologies, violate } = this.#parts;
    const { model } = node;
    const id = fleet.world.ledger.nextId();
    const end = model.log.put(id, slot);
    const isOwner = topologies.masterOf(slot) === node.address;
    const under = isOwner ? null : this.moves.openAt(node, slot);
    const isStale = !isOwner && under === null;
    const atMs = fleet.nowMs;
    const place = { node, atMs, end };
    this.#puts.set(id, { id, slot, node, atMs, place, under, isStale, isAcknowledged: false, excuse: null });
    if (isStale && !topologies.isMaster(node)) this.#checkLease(node, slot);
    // Slots that came to it and are not its own in any version.
    if (model.owners.get(slot) !== model.id) return id;
    const name = `${slot}/${model.version}`;
    const taker = this.#takers.get(name) ?? node;
    this.#takers.set(name, taker);
    if (taker !== node)
      violate(
        'one master',
        `${taker.name} and ${node.name} take writes of slot ${slot} in version ${model.version}`,
      );
    return id;
  }

  /** It was waited out, unless a person wanted it at once. */
  #checkLease(node: FleetNode, slot: Slot): void {
    const { fleet, topologies, settings, violate } = this.#parts;
    const successor = fleet.at(topologies.masterOf(slot));
    const isTakenOver = successor.model.serves(slot, fleet.nowMs);
    if (settings.leaseMs === 0 || !isTakenOver || !node.lease.isKnown || this.#alive.has(node)) return;
    violate(
      'lease',
      `${node.name} takes a write of slot ${slot} with its lease, and ${successor.name} took over`,
    );
  }

  acknowledged(id: number): void {
    const put = present(this.#puts.get(id), 'a write that was taken');
    put.isAcknowledged = true;
    this.acknowledgedCount += 1;
  }

  /** A shard's master was replaced in the committed topology. */
  changed(
    before: ClusterRecord,
    after: ClusterRecord,
    change: { readonly shard: Shard; readonly next: Shard; readonly manner: Manner },
  ): void {
    const { fleet, violate, trace } = this.#parts;
    const { shard, next, manner } = change;
    const from = fleet.at(masterOf(shard).address);
    const to = fleet.at(masterOf(next).address);
    const kept = to.model.log.writes();
    const missing = [...from.model.log.writes()].flatMap((id): Put[] => {
      const put = kept.has(id) ? undefined : this.#puts.get(id);
      return put === undefined || put.isStale || !containsSlot(next.slots, put.slot) ? [] : [put];
    });
    trace.say(
      0,
      () => `${from.name} -> ${to.name}: ${missing.length} writes missing ${JSON.stringify(manner)}`,
    );
    if (manner.isDrained) {
      const [first] = missing;
      if (first !== undefined)
        violate(
          'planned',
          `${to.name} takes over from ${from.name} and lacks ${missing.length} writes, the first ${first.id}`,
        );
      return;
    }
    this.#alive.delete(from);
    // Who answers is told, and takes writes until then.
    if (manner.isForced && from.model.life === 'up') this.#alive.add(from);
    if (manner.isForced) this.forced.add(shard.id);
    else this.#checkBounds(before, after, { ...change, from, to, missing });
    for (const put of missing) put.excuse ??= `missing when ${to.name} took over from ${from.name}`;
  }

  #checkBounds(
    before: ClusterRecord,
    after: ClusterRecord,
    change: {
      readonly shard: Shard;
      readonly next: Shard;
      readonly manner: Manner;
      readonly from: FleetNode;
      readonly to: FleetNode;
      readonly missing: readonly Put[];
    },
  ): void {
    const { violate, settings } = this.#parts;
    const { shard, manner, from, to, missing } = change;
    const isOpen = openPromotion(before.facts, shard.id) !== null;
    const lookMs = isOpen ? (this.#bounds.get(shard.id) ?? 0) : manner.judgedMs;
    this.#bounds.set(shard.id, lookMs);
    const boundMs = lookMs - LAG_MS_MAX - QUICK_MS - 1.5 * settings.pingIntervalMs;
    const old = missing.find(({ place }) => place.atMs < boundMs);
    if (old !== undefined)
      violate(
        'bounded loss',
        `${to.name} takes over from ${from.name} and lacks write ${old.id} of ${old.place.atMs} ms; the bound is ${boundMs} ms`,
      );
    const floor = isOpen || manner.look === null ? -Infinity : (manner.look.sequence ?? 0) - settings.lagMax;
    const deep = missing.find(({ place }) => place.node === from && place.end <= floor);
    if (deep !== undefined)
      violate(
        'bounded loss',
        `${to.name} lacks write ${deep.id} at ${deep.place.end} of ${from.name}; the bound on the lag is ${floor}`,
      );
    const promotion = after.facts.shards.get(shard.id)?.promotions.at(-1);
    const position = promotion?.from === masterOf(shard).id ? promotion.sequence : null;
    const below = missing.find(
      ({ place }) => place.node === from && position !== null && place.end <= position,
    );
    if (below !== undefined)
      violate(
        'bounded loss',
        `${to.name} lacks write ${below.id} at ${below.place.end} of ${from.name}, recorded is ${position}`,
      );
  }

  /** In the end: what was acknowledged is there, or nobody could have kept it. */
  lost(): string | null {
    const { fleet, topologies } = this.#parts;
    const held = new Map<string, ReadonlySet<number>>();
    const lost: Put[] = [];
    for (const put of this.#puts.values()) {
      if (!put.isAcknowledged || put.isStale || put.excuse !== null) continue;
      if (put.under !== null && put.under.excuse !== null) continue;
      const address = topologies.masterOf(put.slot);
      const writes = held.get(address) ?? fleet.at(address).model.log.writes();
      held.set(address, writes);
      if (!writes.has(put.id)) lost.push(put);
    }
    const [first] = lost;
    if (first === undefined) return null;
    const where = fleet.nodes.filter(({ model }) => model.log.writes().has(first.id)).map(({ name }) => name);
    return `${lost.length} acknowledged writes, the first ${first.id} of slot ${first.slot}, taken by ${first.node.name} at ${first.atMs} ms, now at [${where.join(' ')}]`;
  }
}
