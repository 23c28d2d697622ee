// The one thing the driver needs of the event loop besides timers: "after what has already arrived".

/** Runs work later in the same process. A simulator replaces it together with the clock. */
export interface Scheduler {
  /**
   * Calls `callback` once, soon, after the input that the operating system already holds for this process was
   * delivered. Never from inside the call.
   */
  afterPoll(callback: () => void): void;
}

/** Node's check phase: it follows the poll phase, in which sockets and finished disk operations are served. */
export const eventLoopScheduler: Scheduler = {
  afterPoll: (callback) => {
    setImmediate(callback);
  },
};
