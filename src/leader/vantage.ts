// Whether another member sees more of the nodes than the leader does: then it should lead.

import type { Clock } from '../base/clock.ts';
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

export interface VantagePorts {
  readonly witnesses: Pick<Witnesses, 'ask'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Every node of every cluster. */
  readonly reach: () => readonly Reach[];
  /** Gives the lead to this member; what becomes of that shows in the lead itself. */
  readonly giveLead: (to: Observer) => Promise<void>;
}

/** Between two comparisons. The lead moves strictly toward whoever sees more, so it cannot go in circles; but networks change their minds. */
const PAUSE_MS = 30_000;

export class Vantage {
  readonly #ports: VantagePorts;
  #nextAtMs = -Infinity;
  #comparing: Promise<void> | null = null;

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
    await this.#comparing;
  }

  /** Who is asked about all nodes, and sees more of them than the leader does, is better placed. */
  async #compare(observers: ReadonlySet<Observer>): Promise<void> {
    const { logger, reach, giveLead } = this.#ports;
    const all = reach();
    const own = all.filter(({ isReached }) => isReached).length;
    const counts = await this.#countSeen(all);
    let best: { readonly observer: Observer; readonly count: number } | null = null;
    for (const observer of observers) {
      const count = counts.get(observer) ?? 0;
      if (count > (best?.count ?? own)) best = { observer, count };
    }
    if (best === null) return;
    logger.warn('leadership.given', {
      to: best.observer,
      reached: own,
      reachedThere: best.count,
      nodes: all.length,
    });
    await giveLead(best.observer);
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
