// Everything outside the controller: the nodes, who listens where, the clock, chance, and the book of what happened.

import { present } from '../../../../src/base/assert.ts';
import { type Random, createSeededRandom, randomBelow } from '../../../../src/base/random.ts';
import type { NodeAddress, NodeId, Slot, SlotRange } from '../../../../src/topology/types.ts';
import { address } from '../../topology/arbitrary.ts';
import { Ledger } from './ledger.ts';
import { ModelNode } from './node.ts';
import { TopologyReader } from './topology-text.ts';

/** One import connection. It ends with success or failure; until then both ends live. */
export interface Job {
  readonly source: ModelNode;
  readonly target: ModelNode;
  readonly targetId: NodeId;
  readonly range: SlotRange;
  state: 'running' | 'succeeded' | 'failed';
}

/** Chances that belong to a whole run, in percent. */
export interface Weather {
  /** Of one probe, push or other request to be lost on its way, and of its reply to be lost. */
  readonly lossPercent: number;
  /** Of a commit to fail, and of its outcome to stay unknown. */
  readonly commitFailurePercent: number;
  /** Of a slot's clients to write in one tick. */
  readonly writePercent: number;
  /** Of a full synchronisation, the longest. */
  readonly syncMsMax: number;
}

/** A MIGRATE is about to reach its source, slots were just handed over by it, a new master was committed and not told yet. */
export type Moment = 'migrate' | 'handOver' | 'promotion' | 'drain';

const FIRST_PORT = 7000;

export class World {
  nowMs = 0;
  /** Of a replica's attempt to connect to succeed where nothing is in its way. */
  connectPercent = 50;
  weather: Weather;
  random: Random = createSeededRandom(0);
  readonly nodes: ModelNode[] = [];
  readonly jobs: Job[] = [];
  /** Pushes to the cluster stand still until somebody confirms that nobody else makes any. */
  isContested = false;
  readonly slots: readonly Slot[];
  readonly reader: TopologyReader;
  readonly ledger: Ledger;
  /** Called at moments at which a fault does most harm. */
  onMoment: (moment: Moment, node: ModelNode) => void = () => {};
  /**
   * Whether what one node has counts as a copy of what another has: not what is of another shard, not where it should be, on a disk that does not
   * tell whose it is, away, not to be asked, or to be made anew; nor what a replica has of a master that others told to follow.
   */
  isCopy: (node: ModelNode, of: ModelNode) => boolean = () => true;
  /** Whether it belongs to the committed cluster. */
  isMember: (node: ModelNode) => boolean = () => true;
  /** Whether a leader is there that knows what this master had before a fault took it. */
  isFenceable: (master: ModelNode) => boolean = () => false;
  /** What happened, for people; null while nobody reads it. */
  readonly notes: string[] | null;
  readonly #byAddress = new Map<NodeAddress, ModelNode>();

  constructor(options: {
    readonly slots: readonly Slot[];
    readonly weather: Weather;
    readonly isTraced: boolean;
  }) {
    this.slots = options.slots;
    this.weather = options.weather;
    this.reader = new TopologyReader(options.slots);
    this.notes = options.isTraced ? [] : null;
    this.ledger = new Ledger(this.nodes, (text) => this.note(text));
  }

  chance(percent: number): boolean {
    return randomBelow(this.random, 100) < percent;
  }

  below(bound: number): number {
    return randomBelow(this.random, bound);
  }

  pick<T>(items: readonly T[]): T {
    return present(items[randomBelow(this.random, items.length)], 'nothing to pick from');
  }

  /** `null` when nothing fits. */
  pickWhere<T>(items: readonly T[], fits: (item: T) => boolean): T | null {
    const fitting = items.filter(fits);
    return fitting.length === 0 ? null : this.pick(fitting);
  }

  note(text: () => string): void {
    this.notes?.push(`${(this.nowMs / 1000).toFixed(2).padStart(7)} ${text()}`);
  }

  /** A fresh process at the next address: nothing on its disk. */
  addNode(): ModelNode {
    const index = this.nodes.length;
    const node = new ModelNode(`n${index}`, address(FIRST_PORT + index));
    this.nodes.push(node);
    this.#byAddress.set(node.address, node);
    return node;
  }

  nodeAt(where: NodeAddress): ModelNode {
    return present(this.#byAddress.get(where), `no node was ever at ${where}`);
  }

  /** The Kvrocks process that accepts connections there; null when none does. */
  listenerAt(where: NodeAddress): ModelNode | null {
    const node = this.nodeAt(where);
    if (node.stranger === null) return node.life === 'dead' ? null : node;
    return node.stranger.kind === 'kvrocks' ? node.stranger.node : null;
  }

  slotsIn(range: SlotRange): readonly Slot[] {
    return this.slots.filter((slot) => slot >= range.start && slot <= range.stop);
  }
}
