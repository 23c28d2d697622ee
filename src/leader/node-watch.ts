// Looks at every node of one cluster at an interval: concurrently, and never twice at the same node at once.

import type { Clock, Timer } from '../base/clock.ts';
import { type Random, randomUnit } from '../base/random.ts';
import type { ProbeResult } from '../control/observation.ts';
import { probeDeadlineMs } from '../control/settings.ts';
import type { Node, NodeAddress, NodeId } from '../topology/types.ts';
import type { NodeClient } from './ports.ts';

/** Looks started in one go; the rest of a round follows in steps, so that other timers of the process stay punctual. */
const BATCH_LOOKS_MAX = 100;
const BATCH_GAP_MS = 5;

/** One finished look. Times are monotonic milliseconds. */
export interface Look {
  readonly id: NodeId;
  readonly address: NodeAddress;
  readonly result: ProbeResult;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  /** No round asked for it. */
  readonly isExtra: boolean;
}

export interface NodeWatchOptions {
  readonly client: NodeClient;
  readonly clock: Clock;
  readonly random: Random;
  /** Milliseconds from one round to the next, at first. */
  readonly intervalMs: number;
  /** The committed version: what a node holds above it is asked for. */
  readonly knownVersion: () => number;
  /** Called when a round begins more than an interval late; must not throw. */
  readonly onLate: () => void;
  /** Called for each finished look at a node that is still followed; must not throw. */
  readonly onLook: (look: Look) => void;
}

interface Target {
  readonly node: Node;
  isBusy: boolean;
  /** A round asked for the look under way. */
  isOfRound: boolean;
  /** Somebody wants a look that starts later than the one under way. */
  isWantedAgain: boolean;
}

/** Owns the timers and looks of one cluster. */
export class NodeWatch {
  readonly #options: NodeWatchOptions;
  #intervalMs: number;
  #targets = new Map<NodeId, Target>();
  readonly #underWay = new Set<Promise<void>>();
  #roundTimer: Timer | null = null;
  #batchTimer: Timer | null = null;
  #isStopped = false;

  constructor(options: NodeWatchOptions) {
    this.#options = options;
    this.#intervalMs = options.intervalMs;
  }

  /** Starts with a round at once. The next comes after one to one and a half intervals, so that clusters spread. */
  start(): void {
    this.#scheduleRound(this.#intervalMs * (1 + 0.5 * randomUnit(this.#options.random)));
    this.#runBatch([...this.#targets.values()], 0);
  }

  /** Rounds come at another interval from now on; the first one within it, at a random moment, so that clusters stay spread. */
  setInterval(intervalMs: number): void {
    if (intervalMs === this.#intervalMs || this.#isStopped) return;
    this.#intervalMs = intervalMs;
    this.#roundTimer?.cancel();
    this.#scheduleRound(intervalMs * randomUnit(this.#options.random));
  }

  /** Follows exactly `nodes` from now on. A node whose address or password changed is a new one. */
  follow(nodes: readonly Node[]): void {
    const before = this.#targets;
    this.#targets = new Map(
      nodes.map((node) => {
        const known = before.get(node.id);
        const isSame = known !== undefined && sameEndpoint(known.node, node);
        return [node.id, isSame ? known : { node, isBusy: false, isOfRound: false, isWantedAgain: false }];
      }),
    );
    const kept = new Set<NodeAddress>(nodes.map((node) => node.address));
    for (const { node } of before.values()) {
      if (!kept.has(node.address)) this.#options.client.release(node.address);
    }
  }

  /**
   * Looks at these nodes as soon as possible: now, or right after the look under way, whose answer may be older than
   * the question. It is told apart from those of rounds: the window of silence is made of rounds alone, which keep their pace.
   */
  lookNow(ids: readonly NodeId[]): void {
    for (const id of ids) {
      const target = this.#targets.get(id);
      if (target === undefined) continue;
      if (target.isBusy) target.isWantedAgain = true;
      else this.#look(target, false);
    }
  }

  /** No look starts after this. Resolves when those under way have ended; close the client to end them at once. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#roundTimer?.cancel();
    this.#batchTimer?.cancel();
    await Promise.all(this.#underWay);
  }

  #scheduleRound(delayMs: number): void {
    const dueAtMs = this.#options.clock.monotonicMs() + delayMs;
    this.#roundTimer = this.#options.clock.setTimer(delayMs, () => {
      const lateMs = this.#options.clock.monotonicMs() - dueAtMs;
      if (lateMs > this.#options.intervalMs) this.#options.onLate();
      // Rounds keep their pace; after a stall of more than an interval they start afresh.
      this.#scheduleRound(Math.max(0, this.#intervalMs - lateMs));
      // A round that takes longer than an interval is finished first, else its tail would never be looked at.
      if (this.#batchTimer === null) this.#runBatch([...this.#targets.values()], 0);
    });
  }

  #runBatch(round: readonly Target[], from: number): void {
    for (const target of round.slice(from, from + BATCH_LOOKS_MAX)) {
      if (target.isBusy) target.isOfRound = true;
      else this.#look(target, true);
    }
    const next = from + BATCH_LOOKS_MAX;
    this.#batchTimer = null;
    if (next >= round.length) return;
    this.#batchTimer = this.#options.clock.setTimer(BATCH_GAP_MS, () => this.#runBatch(round, next));
  }

  #look(target: Target, isOfRound: boolean): void {
    if (this.#isStopped || !this.#isFollowed(target)) return;
    target.isBusy = true;
    target.isOfRound = isOfRound;
    const look = this.#lookOnce(target);
    this.#underWay.add(look);
    void look.then(() => this.#underWay.delete(look));
  }

  async #lookOnce(target: Target): Promise<void> {
    const { client, clock, knownVersion, onLook } = this.#options;
    const { id, address } = target.node;
    const startedAtMs = clock.monotonicMs();
    const result = await client.probe(target.node, probeDeadlineMs(this.#intervalMs), knownVersion());
    target.isBusy = false;
    if (this.#isStopped || !this.#isFollowed(target)) return;
    const isExtra = !target.isOfRound;
    onLook({ id, address, result, startedAtMs, endedAtMs: clock.monotonicMs(), isExtra });
    if (!target.isWantedAgain) return;
    target.isWantedAgain = false;
    this.#look(target, false);
  }

  #isFollowed(target: Target): boolean {
    return this.#targets.get(target.node.id) === target;
  }
}

function sameEndpoint(left: Node, right: Node): boolean {
  return left.address === right.address && left.password.equals(right.password);
}
