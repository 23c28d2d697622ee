// Time as a dependency, so that every timer of the program can run on a simulated clock.

/** A pending timer. `cancel` is idempotent and may be called after it fired. */
export interface Timer {
  cancel(): void;
}

/** The only source of time. `system/clock.ts` is the real one. */
export interface Clock {
  /** Monotonic milliseconds since an arbitrary start; never goes back; may have fractions. */
  monotonicMs(): number;
  /** Wall-clock milliseconds since the Unix epoch; may jump. For people and records only, never for decisions. */
  wallMs(): number;
  /** Calls `callback` once, not sooner than `delayMs` (>= 0) from now. */
  setTimer(delayMs: number, callback: () => void): Timer;
}
