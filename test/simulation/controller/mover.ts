// Whoever looks after the slots: moves them, gives moves up, adds shards; and, when all is well again, records what problems ask people to record.

import type { Random } from '../../../src/base/random.ts';
import { Secret } from '../../../src/base/secret.ts';
import { err } from '../../../src/base/result.ts';
import { changeCluster, changeRecord, changed } from '../../../src/api/change-cluster.ts';
import { ApiError } from '../../../src/api/errors.ts';
import { checkMovable, checkRecordable } from '../../../src/api/movable-slots.ts';
import type { NodeInspector } from '../../../src/api/ports.ts';
import type { NodeEndpoint } from '../../../src/control/node-commands.ts';
import { addShard } from '../../../src/topology/change-nodes.ts';
import { cancelMigration, moveSlots, startMigration } from '../../../src/topology/change-slots.ts';
import { allNodes, masterOf, migrationsOf } from '../../../src/topology/cluster.ts';
import type { EventDraft } from '../../../src/topology/event.ts';
import { UNSEEN_NODE, factsFor, withFactsOfNodes, withReadMasters } from '../../../src/topology/facts.ts';
import { containsRange, printSlotRange, slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import type { Cluster, NodeAddress, SlotRange } from '../../../src/topology/types.ts';
import { chance, childRandom, exponential, integerBetween, pick } from '../prng.ts';
import type { Trace } from '../trace.ts';
import type { VirtualTime } from '../virtual-time.ts';
import type { Controller } from './controller.ts';
import type { Fleet } from './fleet.ts';
import type { Moving } from './knobs.ts';
import { CLUSTER, NAMESPACE } from './operator.ts';

/** Nodes one run may have, those of added shards included. */
const NODES_MAX = 15;
const INSPECT_MS = 1000;
/** Of the requests that name slots which were to be moved before. */
const AGAIN_SHARE = 0.5;
/** How often problems are read when all is healed, and how long a state lasts before somebody acts upon it. */
const REMEDY_MS = 5000;

const PLACE = { namespace: NAMESPACE, cluster: CLUSTER };

export interface MoverParts {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly moving: Moving;
  readonly fleet: Fleet;
  readonly leader: () => Controller | null;
}

export class Mover {
  readonly #parts: MoverParts;
  readonly #random: Random;
  readonly #asked: SlotRange[] = [];
  #isHealed = false;

  constructor(parts: MoverParts) {
    this.#parts = parts;
    this.#random = childRandom(parts.seed, 'mover');
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
    this.#remedyLater();
  }

  #act(): void {
    const { moving } = this.#parts;
    if (chance(this.#random, moving.cancelShare)) this.#cancel();
    else if (chance(this.#random, moving.addShardShare)) this.#addShard();
    else this.#migrate();
  }

  #migrate(): void {
    const cluster = this.#cluster();
    const range = cluster === null ? null : this.#someRange(cluster);
    if (cluster === null || range === null || cluster.shards.length < 2) return;
    // A shard without slots is there to get some.
    const empty = cluster.shards.findIndex((shard) => shard.slots.length === 0);
    const targetIndex =
      empty !== -1 && chance(this.#random, 0.7)
        ? empty
        : integerBetween(this.#random, 0, cluster.shards.length - 1);
    const text = `slots ${printSlotRange(range)} are to be moved to shard ${targetIndex}`;
    this.#ask(text, async (leader) => {
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
    const cluster = this.#cluster();
    const places = cluster === null ? [] : migrationsOf(cluster);
    if (places.length === 0) return;
    const { sourceIndex } = pick(this.#random, places);
    const text = `the move out of shard ${sourceIndex} is to be given up`;
    this.#ask(text, async (leader) => {
      const event: EventDraft = { kind: 'migrationCancelled', text };
      await changeCluster(leader.registry, PLACE, (present) => cancelMigration(present, sourceIndex), event);
    });
  }

  /** Fresh nodes, as the API takes them in. */
  #addShard(): void {
    const { fleet } = this.#parts;
    const count = integerBetween(this.#random, 1, 2);
    const cluster = this.#cluster();
    if (cluster === null || fleet.nodes.length + count > NODES_MAX) return;
    const addresses = Array.from({ length: count }, () => fleet.add().address);
    const text = `a shard of ${addresses.join(' ')} was added`;
    this.#ask(text, async (leader) => {
      await changeRecord(leader.registry, PLACE, (record) => {
        const plan = { addresses, password: Secret.none, random: this.#random, nowSeconds: 1 };
        const next = changed(addShard(record.cluster, plan));
        const added = next.shards.slice(record.cluster.shards.length);
        const replicas = added.flatMap(({ nodes }) =>
          nodes.slice(1).map(({ id }) => [id, UNSEEN_NODE] as const),
        );
        const read = new Map(added.map((shard) => [masterOf(shard).id, 0] as const));
        const facts = withFactsOfNodes(
          withReadMasters(factsFor(record.facts, next), added, read, 1),
          replicas,
        );
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
    const cluster = this.#cluster();
    const source = fleet.at(address);
    const job = source.model.sourceJob;
    if (cluster === null || job === null) return;
    const { range, destination } = job;
    const targetIndex = allNodes(cluster).find(({ node }) => node.id === destination)?.shardIndex;
    if (targetIndex === undefined) return;
    const text = `slots ${printSlotRange(range)} are at shard ${targetIndex}`;
    this.#ask(text, async (leader) => {
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
    await checkRecordable(inspectorOf(leader), cluster, move);
    const event: EventDraft = { kind: 'slotsRecorded', text };
    await changeCluster(leader.registry, PLACE, (present) => moveSlots(present, move), event);
  }

  #cluster(): Cluster | null {
    return this.#parts.leader()?.registry.getCluster(NAMESPACE, CLUSTER)?.cluster ?? null;
  }

  #ask(what: string, run: (leader: Controller) => Promise<void>): void {
    const { trace } = this.#parts;
    const leader = this.#parts.leader();
    if (leader === null) return;
    trace.say(0, () => `mover asks ${leader.id}: ${what}`);
    leader.process.deliver(() => {
      void run(leader).then(
        () => trace.say(leader.id, () => `${what}: done`),
        (error: unknown) => {
          if (!(error instanceof ApiError)) throw error;
          trace.say(leader.id, () => `${what}: ${error.message}`);
        },
      );
    });
  }
}

function inspectorOf(leader: Controller): NodeInspector {
  const client = leader.inspector();
  return {
    inspect: async (endpoint: NodeEndpoint) => {
      const result = await client.probe(endpoint, INSPECT_MS);
      return result.kind === 'answered' ? { ok: true, value: result.report } : err(result.error);
    },
    slotServices: (endpoint, slots) => client.slotServices(endpoint, slots, INSPECT_MS),
    clusterNodes: () => Promise.reject(new Error('not asked for here')),
    sameProcess: () => Promise.reject(new Error('not asked for here')),
  };
}
