// Whether another member sees more of the nodes than the leader does: then it should lead.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Observer } from '../control/evidence.ts';
import type { ClusterPlace } from '../topology/record.ts';
import type { NodeId } from '../topology/types.ts';
import type { Witnesses } from './ports.ts';

/** A master, and whether the leader hears from it. */
export interface Reach {
  readonly place: ClusterPlace;
  readonly node: NodeId;
  readonly isReached: boolean;
}

export interface VantagePorts {
  readonly witnesses: Pick<Witnesses, 'ask'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Every master of every cluster. */
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

  /** These members are answered by masters that the leader has missed for a whole window. */
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

  /** Who is asked about all masters, and is answered by more of them than answer here, is better placed. */
  async #compare(observers: ReadonlySet<Observer>): Promise<void> {
    const { logger, reach, giveLead } = this.#ports;
    const all = reach();
    const own = all.filter(({ isReached }) => isReached).length;
    const counts = await this.#countAnswered(all);
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
      masters: all.length,
    });
    await giveLead(best.observer);
  }

  async #countAnswered(all: readonly Reach[]): Promise<ReadonlyMap<Observer, number>> {
    const clusters = Map.groupBy(all, ({ place }) => `${place.namespace}/${place.cluster}`);
    const counts = new Map<Observer, number>();
    const asked = [...clusters.values()].map(async (masters) => {
      const [first] = masters;
      if (first === undefined) return;
      const said = await this.#ports.witnesses.ask(
        first.place,
        masters.map(({ node }) => node),
      );
      for (const { observer, kind } of [...said.values()].flat()) {
        if (kind === 'answered') counts.set(observer, (counts.get(observer) ?? 0) + 1);
      }
    });
    await Promise.all(asked);
    return counts;
  }
}
