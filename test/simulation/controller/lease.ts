// The lease of a node's present process, in virtual time: as `test/kvrocks-simulator/lease.ts`, which follows the proposal for Kvrocks.

import type { ModelNode } from '../../unit/control/model/node.ts';

export class Lease {
  #untilMs: number | null = null;
  #isLate = false;

  /**
   * `isLate`: its leader waits for the reply no longer. It was held up on its way, or the node hung with it: no leader can know how long it counts,
   * and the event says so (`docs/decisions/0016-leases.md`).
   */
  renew(untilMs: number, isLate: boolean): void {
    this.#untilMs = untilMs;
    this.#isLate = isLate;
  }

  /** A process that starts, and a replica, have none. */
  drop(): void {
    this.#untilMs = null;
  }

  isExpired(model: ModelNode, nowMs: number): boolean {
    if (model.follows !== null) this.drop();
    return this.#untilMs !== null && nowMs >= this.#untilMs;
  }

  /** Whether it has one of which a leader knows when it ends. */
  get isKnown(): boolean {
    return this.#untilMs !== null && !this.#isLate;
  }
}
