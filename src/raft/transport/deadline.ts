// Deadlines for what a peer has to send: silence counts only when this process was able to hear.

import type { Clock, Timer } from '../../base/clock.ts';
import { eventLoopScheduler } from '../scheduler.ts';

/**
 * Calls `onPassed` unless cancelled before. Timers run before sockets are read, so after a pause of this process every deadline
 * would pass although what it waits for is in the socket: when the time is over, what has arrived is delivered first, twice as for
 * a tick, and may still cancel.
 */
export function setDeadline(clock: Clock, delayMs: number, onPassed: () => void): Timer {
  let isCancelled = false;
  const passed = (): void => {
    if (!isCancelled) onPassed();
  };
  const scheduler = eventLoopScheduler;
  const timer = clock.setTimer(delayMs, () => scheduler.afterPoll(() => scheduler.afterPoll(passed)));
  return {
    cancel: () => {
      isCancelled = true;
      timer.cancel();
    },
  };
}
