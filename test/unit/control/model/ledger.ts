// The book of acknowledged writes: who took each, which copies were destroyed, and which losses nobody could have prevented.

import type { NodeId, ShardId, Slot } from '../../../../src/topology/types.ts';
import { type LogView, writesOf } from './log.ts';
import type { ModelNode } from './node.ts';

export interface Write {
  readonly id: number;
  readonly slot: Slot;
  readonly ackedAtMs: number;
  readonly node: ModelNode;
  /** Of the node that took it. */
  readonly shard: ShardId;
  /** The node's sequence number after it. */
  readonly end: number;
  /** Taken by the target of a move that was not recorded yet. */
  readonly isImported: boolean;
  /** Taken by a node of an older topology: by an old master before it was told, or by one that somebody else made a master. */
  readonly isStale: boolean;
}

/** A committed change of a shard's master. */
export interface Change {
  readonly shard: ShardId;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly atMs: number;
  /** The last look at the old master that it answered: nobody can know what it took afterwards. */
  readonly lookMs: number;
  readonly lookSequence: number;
  /** Up to where the new master has to have all that the old one had; null where the leader saw too little to tell. */
  readonly keptSequence: number | null;
  /** What the new master had. */
  readonly copy: LogView;
  /** What the shard owned then. */
  readonly slots: ReadonlySet<Slot>;
  /** Somebody accepted whatever it loses. */
  readonly isForced: boolean;
}

/** Writes that came to another master with their slots. */
interface Arrival {
  readonly target: NodeId;
  readonly atMs: number;
  /** The target's sequence number after it. */
  readonly end: number;
}

/** Slots that were handed over, and which end still knows that. */
interface HandOver {
  readonly source: ModelNode;
  readonly target: ModelNode;
  readonly slots: ReadonlySet<Slot>;
  readonly atMs: number;
  readonly witnesses: Set<ModelNode>;
  /** The present leader had the source's word for it: the target's alone proves nothing. */
  isSeen: boolean;
}

/** What destroys copies. */
interface Cause {
  readonly why: string;
  readonly isByFault: boolean;
}

interface Destruction extends Cause {
  /** Changes of masters before it. */
  readonly changesBefore: number;
}

/** Acknowledgements this long before the last answered look may not have reached any replica. */
export const WINDOW_MS = 1500;

export class Ledger {
  readonly writes: Write[] = [];
  readonly changes: Change[] = [];
  /** Writes whose last copy was destroyed, and how. */
  readonly gone = new Map<number, Destruction>();
  /** Nodes that somebody else told an older topology: what they copied meanwhile is not our doing. */
  readonly meddledWith = new Set<ModelNode>();
  /** Where writes went last, with their slots. */
  readonly #arrivals = new Map<number, Arrival>();
  readonly #handOvers: HandOver[] = [];
  /** Hand-overs that both ends forgot, or that were given up, before anybody saw them. */
  readonly #unproven: HandOver[] = [];
  /** What a source said of its own failure before it ended. */
  readonly #unheard: { readonly node: ModelNode; readonly slot: Slot; readonly atMs: number }[] = [];
  readonly #nodes: readonly ModelNode[];
  readonly #note: (text: () => string) => void;
  #nextId = 1;

  constructor(nodes: readonly ModelNode[], note: (text: () => string) => void) {
    this.#nodes = nodes;
    this.#note = note;
  }

  nextId(): number {
    const id = this.#nextId;
    this.#nextId += 1;
    return id;
  }

  acknowledged(write: Write): void {
    this.writes.push(write);
  }

  arrived(write: number, arrival: Arrival): void {
    this.#arrivals.set(write, arrival);
  }

  handedOver(handOver: Omit<HandOver, 'witnesses' | 'isSeen'>): void {
    const { source, target } = handOver;
    this.#handOvers.push({ ...handOver, witnesses: new Set([source, target]), isSeen: false });
  }

  /** A controller had the word of a node. */
  sawHandOvers(node: ModelNode): void {
    for (const handOver of this.#handOvers) {
      if (handOver.source === node && handOver.witnesses.has(node)) handOver.isSeen = true;
    }
  }

  /** Another leader knows only what it sees itself. */
  forgotHandOvers(): void {
    for (const handOver of this.#handOvers) handOver.isSeen = false;
  }

  /** The process ended, and with it what it knew of moves. */
  forgot(node: ModelNode): void {
    for (const handOver of this.#handOvers) {
      if (handOver.witnesses.delete(node) && handOver.witnesses.size === 0 && !handOver.isSeen)
        this.#unproven.push(handOver);
    }
  }

  /** A source ended that had said of a move that it failed, to which the target had come with success. */
  forgotFailure({
    node,
    slot,
    atMs,
  }: {
    readonly node: ModelNode;
    readonly slot: Slot;
    readonly atMs: number;
  }): void {
    this.#unheard.push({ node, slot, atMs });
  }

  /** The last move from the source was recorded as finished, or given up; who cancels one accepts what its target took. */
  ended(
    source: ModelNode,
    { isGivenUp, isAccepted }: { readonly isGivenUp: boolean; readonly isAccepted: boolean },
  ): void {
    for (const handOver of this.#handOvers.filter((one) => one.source === source)) {
      this.#handOvers.splice(this.#handOvers.indexOf(handOver), 1);
      if (isGivenUp && (isAccepted || !handOver.isSeen)) this.#unproven.push(handOver);
    }
  }

  /** Whether the node has handed the slot over and that is neither recorded nor given up. */
  isHandedOver(slot: Slot, node: ModelNode): boolean {
    return this.#handOvers.some(({ source, slots }) => source === node && slots.has(slot));
  }

  /** Whether a move of which the present leader had the word of `source` counts no more, although nobody gave it up and its target may go on. */
  isUndone(source: ModelNode, mayGoOn: (target: ModelNode) => boolean): boolean {
    return this.#handOvers.some(
      ({ source: one, target, slots, isSeen }) =>
        one === source &&
        isSeen &&
        mayGoOn(target) &&
        [...slots].some((slot) => source.owners.get(slot) === source.id && !source.handedOver.has(slot)),
    );
  }

  /** Whether `source` has handed slots over to `target` and that is neither recorded nor given up. */
  isSourceOf(source: ModelNode, target: ModelNode): boolean {
    return this.#handOvers.some((one) => one.source === source && one.target === target);
  }

  /** A node's data was replaced or wiped. What nobody else has is gone; what only nodes have that are no copies is as good as gone. */
  dropped(
    writes: ReadonlySet<number>,
    cause: Cause,
    isCopy: (node: ModelNode) => boolean = () => true,
  ): void {
    const missing = new Set(writes);
    for (const node of this.#nodes) {
      if (missing.size === 0) return;
      if (!isCopy(node)) continue;
      for (const write of node.log.writes()) missing.delete(write);
    }
    for (const write of missing) {
      if (!this.gone.has(write)) this.#destroyed(write, cause);
    }
    if (missing.size > 0) {
      this.#note(() => `the last copies of writes ${[...missing].join(' ')} are gone: ${cause.why}`);
    }
  }

  /** A master whose data a fault took was replaced by the best there was: what no copy had that could be asked went with it. */
  replacedEmpty({ slots, copy }: Change, isCopy: (node: ModelNode) => boolean): void {
    const cause = { why: 'their master was emptied, and the best there was took over', isByFault: true };
    const kept = new Set(writesOf(copy));
    for (const node of this.#nodes.filter(isCopy)) for (const write of node.log.writes()) kept.add(write);
    for (const { id, slot } of this.writes) {
      if (slots.has(slot) && !kept.has(id) && !this.gone.has(id)) this.#destroyed(id, cause);
    }
  }

  #destroyed(write: number, cause: Cause): void {
    this.gone.set(write, { ...cause, changesBefore: this.changes.length });
  }

  /** Why the loss of the write is nobody's fault; null when it is. */
  excuse(write: Write, lagMax: number): string | null {
    if (write.isStale) return 'taken by a node of an older topology';
    const isUnproven = this.#unproven.some(
      ({ target, slots, atMs }) => target === write.node && slots.has(write.slot) && atMs <= write.ackedAtMs,
    );
    if (isUnproven) return 'taken by the target of a move of which nobody knows';
    const isUnheard = this.#unheard.some(
      ({ node, slot, atMs }) => node === write.node && slot === write.slot && atMs <= write.ackedAtMs,
    );
    if (isUnheard) return 'taken by the source of a move whose failure nobody knows';
    if (this.gone.get(write.id)?.isByFault === true) return 'all its copies were destroyed by a fault';
    // What was gone before is not what somebody accepted.
    const changesBefore = this.gone.get(write.id)?.changesBefore ?? Infinity;
    const isAccepted = this.changes.some(
      ({ isForced, slots, atMs }, index) =>
        isForced && slots.has(write.slot) && atMs >= write.ackedAtMs && index < changesBefore,
    );
    if (isAccepted) return 'the loss was accepted by force';
    const change = this.changes.find((one) => this.#loses(one, write, lagMax));
    return change === undefined ? null : `alone on a master that was replaced at ${change.atMs}`;
  }

  #loses(change: Change, write: Write, lagMax: number): boolean {
    const isLate = (atMs: number, end: number): boolean => {
      if (change.atMs < atMs) return false;
      if (change.keptSequence !== null) return end > change.keptSequence;
      return atMs >= change.lookMs - WINDOW_MS || end > change.lookSequence - lagMax;
    };
    const isMissing = !writesOf(change.copy).has(write.id);
    const arrival = this.#arrivals.get(write.id);
    if (arrival?.target === change.from && isLate(arrival.atMs, arrival.end) && isMissing) return true;
    if (change.shard !== write.shard || !isLate(write.ackedAtMs, write.end)) return false;
    // What a target took between the hand-over and its own end is lost with the hand-over if that cannot be proven.
    return write.isImported || isMissing;
  }
}
