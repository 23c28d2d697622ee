// A clock that stands still until a test moves it.

import type { Clock, Timer } from '../../../src/base/clock.ts';

interface Pending {
  readonly dueAtMs: number;
  readonly order: number;
  readonly callback: () => void;
}

export class FakeClock implements Clock {
  #nowMs = 1000;
  #order = 0;
  readonly #pending = new Set<Pending>();

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const pending = { dueAtMs: this.#nowMs + delayMs, order: this.#order, callback };
    this.#order += 1;
    this.#pending.add(pending);
    return { cancel: () => this.#pending.delete(pending) };
  }

  /** Timers that have not fired and were not cancelled. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  /** Fires everything due within `ms`, in order, letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#nowMs + ms;
    await settle();
    for (;;) {
      const next = this.#earliest();
      if (next === null || next.dueAtMs > untilMs) break;
      this.#pending.delete(next);
      this.#nowMs = Math.max(this.#nowMs, next.dueAtMs);
      next.callback();
      await settle();
    }
    this.#nowMs = untilMs;
  }

  /** Advances in steps of `stepMs` until `condition` holds; how long that took. Throws after `limitMs`. */
  async until(condition: () => boolean, limitMs: number, stepMs = 5): Promise<number> {
    const startedAtMs = this.#nowMs;
    await settle();
    while (!condition()) {
      if (this.#nowMs - startedAtMs > limitMs)
        throw new Error(`not within ${limitMs} ms: ${condition.toString()}`);
      await this.advance(stepMs);
    }
    return this.#nowMs - startedAtMs;
  }

  #earliest(): Pending | null {
    let earliest: Pending | null = null;
    for (const pending of this.#pending) {
      const isEarlier =
        earliest === null ||
        pending.dueAtMs < earliest.dueAtMs ||
        (pending.dueAtMs === earliest.dueAtMs && pending.order < earliest.order);
      if (isEarlier) earliest = pending;
    }
    return earliest;
  }
}

/** One turn of the event loop: every promise chain without a timer in it has run to its end. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
