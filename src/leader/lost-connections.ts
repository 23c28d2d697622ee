// Looks at nodes that ended a connection: the end of a process shows there within milliseconds, long before the next round.

import type { Timer } from '../base/clock.ts';
import type { NodeId } from '../topology/types.ts';
import type { PacerPorts } from './look-pacer.ts';

/** When a node is looked at after it ended a connection: a process that ends may still take the first of the next ones, and end it, too. */
const LOOKS_MS: readonly number[] = [0, 30, 150];

/** No more such looks for this long: whatever takes every connection and ends it must not be asked without end. */
const PAUSE_MS = 1_000;

export class LostConnections {
  readonly #ports: PacerPorts;
  /** When a connection of a node was last found ended, and looked into. */
  readonly #lostAtMs = new Map<NodeId, number>();
  readonly #timers = new Set<Timer>();

  constructor(ports: PacerPorts) {
    this.#ports = ports;
  }

  /** The node ended a connection. */
  lost(id: NodeId): void {
    const { clock, lookNow } = this.#ports;
    const nowMs = clock.monotonicMs();
    if (nowMs < (this.#lostAtMs.get(id) ?? -Infinity) + PAUSE_MS) return;
    this.#lostAtMs.set(id, nowMs);
    for (const delayMs of LOOKS_MS) {
      const timer = clock.setTimer(delayMs, () => {
        this.#timers.delete(timer);
        lookNow([id]);
      });
      this.#timers.add(timer);
    }
  }

  /** Nothing is remembered of others than `ids`. */
  keep(ids: ReadonlySet<NodeId>): void {
    for (const id of this.#lostAtMs.keys()) if (!ids.has(id)) this.#lostAtMs.delete(id);
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel();
  }
}
