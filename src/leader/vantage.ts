// Whether another member sees more of the nodes than the leader does: then it should lead.

import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Observer } from '../control/evidence.ts';
import type { ClusterPlace } from '../topology/record.ts';
import type { NodeId } from '../topology/types.ts';
import type { Witnesses } from './ports.ts';

/** A node, and whether the leader hears from it, or cannot even look. */
export interface Reach {
  readonly place: ClusterPlace;
  readonly node: NodeId;
  readonly isReached: boolean;
  readonly isBlind: boolean;
}

/** Nodes that a member reaches, beside those that the leader reaches, of all. */
interface Placed {
  readonly observer: Observer;
  readonly count: number;
  readonly own: number;
  readonly nodes: number;
}

export interface VantagePorts {
  readonly witnesses: Pick<Witnesses, 'ask'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Every node of every cluster. */
  readonly reach: () => readonly Reach[];
  /** Between two looks of the leader at the same node, milliseconds. */
  readonly lookIntervalMs: () => number;
  /** Gives the lead to this member; what becomes of that shows in the lead itself. */
  readonly giveLead: (to: Observer) => Promise<void>;
}

/** Between two comparisons. The lead moves strictly toward whoever sees more, so it cannot go in circles; but networks change their minds. */
const PAUSE_MS = 30_000;

export class Vantage {
  readonly #ports: VantagePorts;
  #nextAtMs = -Infinity;
  #comparing: Promise<void> | null = null;
  /** Ends the time between two comparisons. */
  #resume: () => void = () => undefined;
  #isEnded = false;

  constructor(ports: VantagePorts) {
    this.#ports = ports;
  }

  /** These members see nodes that the leader has not seen for a whole window. */
  notice(observers: ReadonlySet<Observer>): void {
    const { clock } = this.#ports;
    if (observers.size === 0 || this.#comparing !== null || clock.monotonicMs() < this.#nextAtMs) return;
    this.#nextAtMs = clock.monotonicMs() + PAUSE_MS;
    this.#comparing = this.#compare(observers).finally(() => {
      this.#comparing = null;
    });
  }

  async ended(): Promise<void> {
    this.#isEnded = true;
    this.#resume();
    await this.#comparing;
  }

  /**
   * Gives the lead to who sees more twice, with fresh looks of the leader's own in between: a node that has just come back is seen first by whoever
   * is asked first.
   */
  async #compare(observers: ReadonlySet<Observer>): Promise<void> {
    if ((await this.#bestPlaced(observers)) === null) return;
    await this.#pause(2 * this.#ports.lookIntervalMs());
    if (this.#isEnded) return;
    const best = await this.#bestPlaced(observers);
    if (best === null || this.#isEnded) return;
    const { logger, giveLead } = this.#ports;
    const { observer, count, own, nodes } = best;
    logger.warn('leadership.given', { to: observer, reached: own, reachedThere: count, nodes });
    await giveLead(observer);
  }

  async #pause(delayMs: number): Promise<void> {
    const over = Promise.withResolvers<void>();
    this.#resume = over.resolve;
    const timer: Timer = this.#ports.clock.setTimer(delayMs, over.resolve);
    if (!this.#isEnded) await over.promise;
    timer.cancel();
  }

  /** Who is asked about all nodes, and sees more of them than the leader does, is better placed; null when nobody is. */
  async #bestPlaced(observers: ReadonlySet<Observer>): Promise<Placed | null> {
    const all = this.#ports.reach();
    const counts = await this.#countSeen(all);
    const own = all.filter(({ isReached }) => isReached).length;
    let best: Placed | null = null;
    for (const observer of observers) {
      const count = counts.get(observer) ?? 0;
      if (count > (best?.count ?? own)) best = { observer, count, own, nodes: all.length };
    }
    return best;
  }

  /** Whether a node that the leader cannot look at answers does not matter: that it can be looked at does. */
  async #countSeen(all: readonly Reach[]): Promise<ReadonlyMap<Observer, number>> {
    const blind = new Set(all.flatMap(({ node, isBlind }) => (isBlind ? [node] : [])));
    const clusters = Map.groupBy(all, ({ place }) => `${place.namespace}/${place.cluster}`);
    const counts = new Map<Observer, number>();
    const asked = [...clusters.values()].map(async (nodes) => {
      const [first] = nodes;
      if (first === undefined) return;
      const ids = nodes.map(({ node }) => node);
      for (const words of await Promise.all(this.#ports.witnesses.ask(first.place, ids))) {
        for (const [id, { observer, kind }] of words) {
          const isSeen = kind === 'answered' || (blind.has(id) && kind !== 'ownFault');
          if (isSeen) counts.set(observer, (counts.get(observer) ?? 0) + 1);
        }
      }
    });
    await Promise.all(asked);
    return counts;
  }
}
