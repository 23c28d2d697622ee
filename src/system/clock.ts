// The real clock.

import type { Clock } from '../base/clock.ts';

/** The process's clock: `performance.now` for durations, so that wall-clock jumps change no decision. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  setTimer(delayMs, callback) {
    const handle = setTimeout(callback, delayMs);
    return { cancel: () => clearTimeout(handle) };
  },
};
