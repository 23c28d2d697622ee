// Virtual time with one event loop, for tests whose only clock it is.

import type { Clock, Timer } from '../../../../src/base/clock.ts';
import type { Scheduler } from '../../../../src/raft/scheduler.ts';

interface Event {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Virtual time: events in order of time, then of arrival. */
export class VirtualLoop {
  nowMs = 0;
  #events: Event[] = [];
  #sequence = 0;

  readonly clock: Clock = {
    monotonicMs: () => this.nowMs,
    wallMs: () => this.nowMs,
    setTimer: (delayMs, callback) => this.after(delayMs, callback),
  };

  readonly scheduler: Scheduler = { afterPoll: (callback) => void this.after(0, callback) };

  after(delayMs: number, run: () => void): Timer {
    const event: Event = { atMs: this.nowMs + delayMs, sequence: this.#sequence, run, cancelled: false };
    this.#sequence += 1;
    this.#events.push(event);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }

  /** Runs everything due within `durationMs`; stops early when `until` holds. Returns whether it held at the end. */
  run(durationMs: number, until: () => boolean = () => false): boolean {
    const endMs = this.nowMs + durationMs;
    while (!until()) {
      this.#events = this.#events.filter((event) => !event.cancelled);
      const next = this.#events.reduce<Event | null>(
        (best, event) =>
          best === null ||
          event.atMs < best.atMs ||
          (event.atMs === best.atMs && event.sequence < best.sequence)
            ? event
            : best,
        null,
      );
      if (next === null || next.atMs > endMs) {
        this.nowMs = endMs;
        return until();
      }
      this.#events.splice(this.#events.indexOf(next), 1);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
    }
    return true;
  }
}
