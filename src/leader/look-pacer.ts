// Looks at a few nodes more often than the rounds do, for as long as somebody waits for their word.

import type { Clock, Timer } from '../base/clock.ts';
import type { NodeId } from '../topology/types.ts';

export interface PacerPorts {
  readonly clock: Clock;
  readonly lookNow: (ids: readonly NodeId[]) => void;
}

export class LookPacer {
  readonly #ports: PacerPorts;
  readonly #paceMs: number;
  #nodes: ReadonlySet<NodeId> = new Set();
  #timer: Timer | null = null;

  /** `paceMs`: milliseconds between two looks at the same node. */
  constructor(ports: PacerPorts, paceMs: number) {
    this.#ports = ports;
    this.#paceMs = paceMs;
  }

  /** These from now on, and no others; the first look comes after one pace. */
  follow(nodes: ReadonlySet<NodeId>): void {
    this.#nodes = nodes;
    if (nodes.size === 0) return;
    this.#timer ??= this.#ports.clock.setTimer(this.#paceMs, () => {
      this.#timer = null;
      this.#ports.lookNow([...this.#nodes]);
      this.follow(this.#nodes);
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#nodes = new Set();
  }
}
