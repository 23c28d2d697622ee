// How punctual the event loop of this process is: measured, and known where it has stood still.

import type { Clock, Timer } from '../base/clock.ts';

/** Often enough to find what holds Raft up, and seldom enough to cost nothing. */
const TICK_MS = 250;
/** A loop that has not turned for so long is stuck. */
const STUCK_MS = 10_000;

export class EventLoopWatch {
  readonly #clock: Clock;
  readonly #onLag: (lagMs: number) => void;
  #turnedAtMs: number;
  #timer: Timer | null = null;

  /** `onLag` is told at every tick how late it came. */
  constructor(clock: Clock, onLag: (lagMs: number) => void) {
    this.#clock = clock;
    this.#onLag = onLag;
    this.#turnedAtMs = clock.monotonicMs();
    this.#tick();
  }

  /**
   * Whether the loop had stood still until just now. While it stands, nobody is answered; what waits on sockets is served
   * before timers, so a question asked meanwhile is the first to hear of it.
   */
  get check(): { readonly name: string; readonly problem: string | null } {
    const forMs = this.#clock.monotonicMs() - this.#turnedAtMs;
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
      this.#onLag(Math.max(0, nowMs - this.#turnedAtMs - TICK_MS));
      this.#turnedAtMs = nowMs;
      this.#tick();
    });
  }
}
