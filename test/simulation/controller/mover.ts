// Whoever looks after the slots: moves them, gives moves up, adds shards; and, when all is well again, records what problems ask people to record.

import type { Random } from '../../../src/base/random.ts';
import { changeCluster, changeRecord, changed } from '../../../src/api/change-cluster.ts';
import { ApiError } from '../../../src/api/errors.ts';
import { Secret } from '../../../src/base/secret.ts';
import { addShard } from '../../../src/topology/change-nodes.ts';
import { checkMovable, checkRecordable } from '../../../src/api/movable-slots.ts';
import { cancelMigration, moveSlots, startMigration } from '../../../src/topology/change-slots.ts';
import { allNodes, migrationsOf } from '../../../src/topology/cluster.ts';
import type { EventDraft } from '../../../src/topology/event.ts';
import { containsRange, printSlotRange, slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import type { Cluster, NodeAddress, SlotRange } from '../../../src/topology/types.ts';
import { chance, childRandom, exponential, integerBetween, pick } from '../prng.ts';
import type { VirtualTime } from '../virtual-time.ts';
import { type AskingParts, NODES_MAX, PLACE, ask, clusterSeen, factsOfAdded, inspectorOf } from './asking.ts';
import type { Controller } from './controller.ts';
import type { Fleet } from './fleet.ts';
import type { Moving } from './knobs.ts';
import { type Asked, Tasker } from './tasker.ts';

/** Of the requests that name slots which were to be moved before. */
const AGAIN_SHARE = 0.5;
/** How often problems are read when all is healed, and how long a state lasts before somebody acts upon it. */
const REMEDY_MS = 5000;

export interface MoverParts extends AskingParts {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly moving: Moving;
  readonly fleet: Fleet;
  /** A task was written down. */
  readonly onAsked: (asked: Asked) => void;
}

export class Mover {
  readonly #parts: MoverParts;
  readonly #random: Random;
  readonly #asked: SlotRange[] = [];
  readonly #tasker: Tasker | null;
  #isHealed = false;

  constructor(parts: MoverParts) {
    this.#parts = parts;
    this.#random = childRandom(parts.seed, 'mover');
    const { tasks } = parts.moving;
    this.#tasker = tasks === null ? null : new Tasker({ ...parts, tasking: tasks });
  }

  start(): void {
    const { time, moving } = this.#parts;
    time.after(exponential(this.#random, moving.meanMs * 1000), 'mover', 0, () => {
      if (this.#isHealed) return;
      this.#act();
      this.start();
    });
  }

  /** Asks for nothing more, and does what problems name. */
  heal(): void {
    this.#isHealed = true;
    this.#tasker?.heal();
    this.#remedyLater();
  }

  #act(): void {
    const { moving } = this.#parts;
    if (this.#tasker !== null) this.#tasker.act();
    else if (chance(this.#random, moving.cancelShare)) this.#cancel();
    else if (chance(this.#random, moving.addShardShare)) this.#addShard();
    else this.#migrate();
  }

  #migrate(): void {
    const cluster = clusterSeen(this.#parts);
    const range = cluster === null ? null : this.#someRange(cluster);
    if (cluster === null || range === null || cluster.shards.length < 2) return;
    // A shard without slots is there to get some.
    const empty = cluster.shards.findIndex((shard) => shard.slots.length === 0);
    const targetIndex =
      empty !== -1 && chance(this.#random, 0.7)
        ? empty
        : integerBetween(this.#random, 0, cluster.shards.length - 1);
    const text = `slots ${printSlotRange(range)} are to be moved to shard ${targetIndex}`;
    ask(this.#parts, text, async (leader) => {
      const nowSeconds = Math.floor(leader.process.clock.wallMs() / 1000);
      const wanted = (present: Cluster) => startMigration(present, { range, targetIndex, nowSeconds });
      changed(wanted(cluster));
      await checkMovable(inspectorOf(leader), cluster, slotSetOf([range]));
      await changeCluster(leader.registry, PLACE, wanted, { kind: 'migrationRequested', text });
    });
  }

  /** From one slot to another that the model knows, both in one range of one shard; now and then what moved a while ago, of which nodes may know still. */
  #someRange({ shards }: Cluster): SlotRange | null {
    const isWhole = (range: SlotRange): boolean => shards.some((shard) => containsRange(shard.slots, range));
    if (this.#asked.length > 0 && chance(this.#random, AGAIN_SHARE)) {
      const again = pick(this.#random, this.#asked.slice(-3));
      return isWhole(again) ? again : null;
    }
    const { slots } = this.#parts.fleet.world;
    const from = pick(this.#random, slots);
    const to = slots.slice(slots.indexOf(from)).slice(0, integerBetween(this.#random, 1, slots.length));
    const stop = to.findLast((slot) => isWhole({ start: from, stop: slot }));
    if (stop === undefined) return null;
    const range = slotRange(from, stop);
    this.#asked.push(range);
    return range;
  }

  #cancel(): void {
    const cluster = clusterSeen(this.#parts);
    const places = cluster === null ? [] : migrationsOf(cluster);
    if (places.length === 0) return;
    const { sourceIndex } = pick(this.#random, places);
    const text = `the move out of shard ${sourceIndex} is to be given up`;
    ask(this.#parts, text, async (leader) => {
      const event: EventDraft = { kind: 'migrationCancelled', text };
      await changeCluster(leader.registry, PLACE, (present) => cancelMigration(present, sourceIndex), event);
    });
  }

  /** Fresh nodes, as the API takes them in. */
  #addShard(): void {
    const { fleet } = this.#parts;
    const count = integerBetween(this.#random, 1, 2);
    const cluster = clusterSeen(this.#parts);
    if (cluster === null || fleet.nodes.length + count > NODES_MAX) return;
    const addresses = Array.from({ length: count }, () => fleet.add().address);
    const text = `a shard of ${addresses.join(' ')} was added`;
    ask(this.#parts, text, async (leader) => {
      await changeRecord(leader.registry, PLACE, (record) => {
        const plan = { addresses, password: Secret.none, random: this.#random, nowSeconds: 1 };
        const next = changed(addShard(record.cluster, plan));
        const facts = factsOfAdded(record.facts, record.cluster, next);
        return { cluster: next, facts, event: { kind: 'shardAdded', text } };
      });
    });
  }

  #remedyLater(): void {
    this.#parts.time.after(REMEDY_MS * 1000, 'mover', 0, () => {
      this.#remedy();
      this.#remedyLater();
    });
  }

  /** What the problem `unrecordedHandOver` names: the move is recorded, or its source is started again. */
  #remedy(): void {
    const leader = this.#parts.leader();
    const problems = leader?.terms.statuses().flatMap((status) => status.problems) ?? [];
    const address = problems.find(({ kind }) => kind === 'unrecordedHandOver')?.address ?? null;
    if (address !== null) this.#record(address);
  }

  #record(address: NodeAddress): void {
    const { fleet } = this.#parts;
    const cluster = clusterSeen(this.#parts);
    const source = fleet.at(address);
    const job = source.model.sourceJob;
    if (cluster === null || job === null) return;
    const { range, destination } = job;
    const targetIndex = allNodes(cluster).find(({ node }) => node.id === destination)?.shardIndex;
    if (targetIndex === undefined) return;
    const text = `slots ${printSlotRange(range)} are at shard ${targetIndex}`;
    ask(this.#parts, text, async (leader) => {
      try {
        await this.#recordAt(leader, cluster, { range, targetIndex }, text);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        fleet.kill(source);
        fleet.revive(source);
        throw error;
      }
    });
  }

  async #recordAt(
    leader: Controller,
    cluster: Cluster,
    move: { readonly range: SlotRange; readonly targetIndex: number },
    text: string,
  ): Promise<void> {
    // Slots have one way to go: what a task moves is recorded by hand when that is given up.
    const isGivenUp = await this.#tasker?.giveUpOver(leader, move.range);
    if (isGivenUp === true) return;
    await checkRecordable(inspectorOf(leader), cluster, move);
    const event: EventDraft = { kind: 'slotsRecorded', text };
    await changeCluster(leader.registry, PLACE, (present) => moveSlots(present, move), event);
  }
}
