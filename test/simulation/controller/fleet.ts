// The nodes in virtual time: processes that live, hang and die, hold their requests while SETNODES runs, and replicate.

import { present } from '../../../src/base/assert.ts';
import type { Random } from '../../../src/base/random.ts';
import type { Result } from '../../../src/base/result.ts';
import type { TopologyPush } from '../../../src/control/node-commands.ts';
import type { SlotService } from '../../../src/control/imported-hand-over.ts';
import type { NodeError } from '../../../src/control/observation.ts';
import type { NodeAddress, NodeRole, Slot } from '../../../src/topology/types.ts';
import { setNodes } from '../../unit/control/model/migration.ts';
import { follow } from '../../unit/control/model/replication.ts';
import { World } from '../../unit/control/model/world.ts';
import { FleetNode } from './fleet-node.ts';
import type { Jobs } from './jobs.ts';
import type { Network } from '../network.ts';
import { between, childRandom } from '../prng.ts';
import type { Trace } from '../trace.ts';
import type { VirtualTime } from '../virtual-time.ts';

/** Nodes have the numbers from here on in the network. */
const FIRST_NUMBER = 100;
/** Between two rounds of replication. */
const TICK_MS = 20;
/** A replica tries again after a second (facts section 8), and after ten where it was turned away (section 3.6). */
const RETRY_MS = 1000;
const TURNED_AWAY_MS = 10_000;
/** A master is heard by an idle replica this often (facts section 8). */
const PING_MS = 2000;

export interface FleetParts {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly trace: Trace;
  /** Between nodes, and to them. */
  readonly network: Network;
  readonly slots: readonly Slot[];
  readonly syncMsMax: number;
  /** A node's process was started, or it was told a topology. */
  readonly onPlaced: (node: FleetNode) => void;
  /** It was told another version; what it was before. */
  readonly onTold: (node: FleetNode, before: NodeBefore) => void;
  /** Its process ends, with what it knew. */
  readonly onDied: (node: FleetNode) => void;
}

/** A node before it was told another version. */
export interface NodeBefore {
  readonly role: NodeRole;
  readonly handedOver: readonly Slot[];
}

export class Fleet {
  readonly world: World;
  readonly nodes: FleetNode[] = [];
  /** Moves of slots; null where there are none. */
  jobs: Jobs | null = null;
  readonly #parts: FleetParts;
  readonly #random: Random;

  constructor(parts: FleetParts) {
    this.#parts = parts;
    this.#random = childRandom(parts.seed, 'fleet');
    const weather = {
      lossPercent: 0,
      commitFailurePercent: 0,
      writePercent: 0,
      syncMsMax: parts.syncMsMax,
    };
    this.world = new World({ slots: parts.slots, weather, isTraced: false });
    this.world.random = this.#random;
    this.world.connectPercent = 100;
    // What the model notes goes into the event list.
    this.world.note = (text) => parts.trace.say(0, text);
  }

  /** A fresh process at the next address. */
  add(): FleetNode {
    const model = this.world.addNode();
    const node = new FleetNode(model, FIRST_NUMBER + this.nodes.length);
    this.nodes.push(node);
    return node;
  }

  at(address: NodeAddress): FleetNode {
    return present(
      this.nodes.find((node) => node.address === address),
      'a node that exists',
    );
  }

  start(): void {
    this.#parts.time.after(TICK_MS * 1000, 'replication', 0, () => {
      this.#replicate();
      this.jobs?.advance();
      this.start();
    });
  }

  /** The model's clock is set before anything is asked of it. */
  get nowMs(): number {
    this.world.nowMs = this.#parts.time.nowUs / 1000;
    return this.world.nowMs;
  }

  /** Whether it refuses writes: its lease is over. */
  isClosed(node: FleetNode): boolean {
    return node.lease.isExpired(node.model, this.nowMs);
  }

  isBusy(node: FleetNode): boolean {
    return node.busyUntilUs > this.#parts.time.nowUs;
  }

  /** A request has arrived at the process of the given life. */
  receive(node: FleetNode, life: number, run: () => void): void {
    const { time } = this.#parts;
    if (node.lives !== life || node.model.life === 'dead') return;
    if (node.model.life === 'hung') {
      node.model.queue.push(() => this.receive(node, life, run));
    } else if (this.isBusy(node)) {
      time.after(node.busyUntilUs - time.nowUs, 'unblocked', 0, () => this.receive(node, life, run));
    } else {
      void this.nowMs;
      run();
    }
  }

  /** Runs when the node is done with what it was asked, if that process lives still. */
  afterwards(node: FleetNode, run: () => void): void {
    const { time } = this.#parts;
    const { lives } = node;
    if (!this.isBusy(node)) {
      run();
      return;
    }
    time.after(node.busyUntilUs - time.nowUs, 'done', 0, () => {
      if (node.lives !== lives) return;
      if (node.model.life === 'hung') node.model.queue.push(run);
      else run();
    });
  }

  /** SETNODEID and SETNODES. Holds the node for as long as its replication thread sleeps (facts sections 3.6, 12). */
  setNodes(node: FleetNode, push: TopologyPush): Result<void, NodeError> {
    const { model } = node;
    const { nowMs } = this;
    const { version, role, follows, link } = model;
    const before = { version, role, follows, link, handedOver: [...model.handedOver] };
    const command = {
      id: push.id,
      text: this.world.reader.read(push.text),
      version: push.version,
      isForced: push.force,
    };
    const result = setNodes(this.world, model, command);
    if (!result.ok) return result;
    model.isFenced = false;
    if (model.follows !== null) node.lease.drop();
    const isSwitched = model.follows !== before.follows;
    const isAsleep = before.follows !== null && before.link?.state !== 'live';
    const sleepMs = isSwitched && isAsleep ? Math.max(0, node.attemptAtMs - nowMs) : 0;
    const workMs = isSwitched ? between(this.#random, 5, 60) : between(this.#random, 0.5, 5);
    node.busyUntilUs = this.#parts.time.nowUs + Math.ceil((sleepMs + workMs) * 1000);
    if (isSwitched) node.attemptAtMs = nowMs + sleepMs + workMs + between(this.#random, 0, 30);
    if (model.version !== before.version || push.force) this.#parts.onTold(node, before);
    if (model.version !== before.version) this.#parts.onPlaced(node);
    return result;
  }

  /** What the node does with a slot, for whoever asks it to write there (facts sections 3.7, 5.3, 5.4). */
  serviceOf({ model }: FleetNode, slot: Slot): SlotService {
    if (model.serves(slot, this.nowMs)) return { kind: 'served' };
    const isOwner = model.id !== null && model.owners.get(slot) === model.id;
    if (isOwner && !model.handedOver.has(slot))
      return model.isForbidden(slot)
        ? { kind: 'writeForbidden' }
        : { kind: 'refused', reason: 'CLUSTERDOWN Hash slot not served' };
    const owner = isOwner ? model.sourceJob?.destination : model.owners.get(slot);
    const row = owner === undefined ? undefined : model.rows.get(owner);
    return { kind: 'moved', to: row?.address ?? null };
  }

  /** SIGKILL. Connections end where the news can arrive. */
  kill(node: FleetNode): void {
    if (node.model.life === 'dead') return;
    this.#say(node, 'dies');
    this.#parts.onDied(node);
    node.model.die();
    this.#endConnections(node);
  }

  #endConnections(node: FleetNode): void {
    node.lives += 1;
    node.busyUntilUs = 0;
    node.lease.drop();
    for (const connection of node.connections) {
      const parcel = {
        from: node.number,
        to: connection.who,
        lane: 'end',
        arrive: connection.onEnd,
        failed: () => undefined,
      };
      this.#parts.network.send(parcel, 5_000_000);
    }
    node.connections.clear();
  }

  /** A dead process starts again with its disk, a hung one goes on with what waits. */
  revive(node: FleetNode): void {
    if (node.model.life === 'up') return;
    const wasDead = node.model.life === 'dead';
    this.#say(node, wasDead ? 'starts' : 'goes on');
    if (wasDead) node.attemptAtMs = this.nowMs + between(this.#random, 5, 100);
    node.model.wake();
    if (wasDead) this.#parts.onPlaced(node);
  }

  hang(node: FleetNode): void {
    if (node.model.life !== 'up') return;
    this.#say(node, 'hangs');
    node.model.life = 'hung';
  }

  #say(node: FleetNode, what: string): void {
    const { role, version, log } = node.model;
    this.#parts.trace.event(what, node.number, version, log.sequence);
    this.#parts.trace.say(0, () => `${node.name} ${what} (${role}, v${version}, at ${log.sequence})`);
  }

  #replicate(): void {
    for (const node of this.nodes) {
      const { model } = node;
      if (model.life === 'up' && model.follows !== null && !this.isBusy(node)) {
        this.#follow(node, this.at(model.follows));
      }
    }
  }

  #isPinged({ model, heardAtMs }: FleetNode): boolean {
    return model.link?.state === 'syncing' || this.nowMs >= heardAtMs + PING_MS;
  }

  #follow(node: FleetNode, master: FleetNode): void {
    const { model } = node;
    const { nowMs } = this;
    const { network } = this.#parts;
    model.isCutFromMaster = !network.isOpen(node.number, master.number);
    const isConnecting = model.link === null || model.link.state === 'connecting';
    if (isConnecting && nowMs < node.attemptAtMs) return;
    const before = model.log.sequence;
    follow(this.world, model, master.address);
    const { link } = model;
    if (link === null) return;
    if (link.state === 'connecting') {
      if (!isConnecting) this.#say(node, 'loses its master');
      if (nowMs < node.attemptAtMs) return;
      const isTurnedAway =
        master.model.life === 'up' && (master.model.isFenced || master.model.isLoading(nowMs));
      node.attemptAtMs =
        nowMs + (isTurnedAway ? TURNED_AWAY_MS : between(this.#random, RETRY_MS, RETRY_MS + 90));
    } else if (isConnecting || model.log.sequence > before || this.#isPinged(node)) {
      if (link.lastIoMs === nowMs) node.heardAtMs = nowMs;
    } else if (link.lastIoMs === nowMs) {
      link.lastIoMs = node.heardAtMs;
    }
  }
}
