// How punctual the event loop of this process is: measured, and known where it has stood still.

import type { Clock, Timer } from '../base/clock.ts';

/** Often enough to find what holds Raft up, and seldom enough to cost nothing. */
const TICK_MS = 250;
/** A loop that has not turned for so long is stuck. */
const STUCK_MS = 10_000;
/** While it stands nobody is answered. Who asked meanwhile is within so long of its end. */
const TOLD_MS = 1000;

export class EventLoopWatch {
  readonly #clock: Clock;
  readonly #onLag: (lagMs: number) => void;
  #turnedAtMs: number;
  /** The last time that it stood still. */
  #stall = { forMs: 0, endedAtMs: -Infinity };
  #timer: Timer | null = null;

  /** `onLag` is told at every tick how late it came. */
  constructor(clock: Clock, onLag: (lagMs: number) => void) {
    this.#clock = clock;
    this.#onLag = onLag;
    this.#turnedAtMs = clock.monotonicMs();
    this.#tick();
  }

  /** Whether the loop stands still, or did until just now. */
  get check(): { readonly name: string; readonly problem: string | null } {
    const nowMs = this.#clock.monotonicMs();
    const isJustOver = nowMs - this.#stall.endedAtMs < TOLD_MS;
    const forMs = Math.max(nowMs - this.#turnedAtMs, isJustOver ? this.#stall.forMs : 0);
    const problem =
      forMs < STUCK_MS ? null : `the event loop has not turned for ${Math.round(forMs / 1000)} s`;
    return { name: 'event_loop', problem };
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #tick(): void {
    this.#timer = this.#clock.setTimer(TICK_MS, () => {
      const nowMs = this.#clock.monotonicMs();
      const forMs = nowMs - this.#turnedAtMs;
      this.#onLag(Math.max(0, forMs - TICK_MS));
      if (forMs >= STUCK_MS) this.#stall = { forMs, endedAtMs: nowMs };
      this.#turnedAtMs = nowMs;
      this.#tick();
    });
  }
}
