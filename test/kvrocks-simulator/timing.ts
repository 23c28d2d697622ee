// Waiting, and the durations that were measured on the real server.

import { setImmediate as immediate, setTimeout as delay } from 'node:timers/promises';

/** Milliseconds; each with the section of the facts that it comes from. */
export const TIMING = {
  /** The replication thread looks at its stop flag this often (3.6: 0.10 s for a replica of a hung master). */
  threadTick: 100,
  /** Pause before the next attempt after a lost or refused connection (12). */
  reconnect: 1_000,
  /** From the wake-up that sees the stop flag to the thread's end (12: wakes at 1.00 s, done at 1.09 s). */
  stopAfterSleep: 90,
  /** Pause after AUTH failure, NOAUTH or LOADING (3.6). */
  reconnectAfterRefusal: 10_000,
  /** Connect timeout of a replica (3.6). */
  connect: 3_100,
  /** A master pings its replicas when idle (8). */
  ping: 2_000,
  /** The feed thread looks for new writes this often. */
  feedPoll: 2,
  /** Ended feeds are removed from the list this often (8: the line goes at 3.29 s, the count at 3.39 s). */
  feedCleanup: 100,
  /** Fetching the files of a full sync, at the least (3.5: 0.06 s to 0.25 s). */
  fullSyncFetch: 100,
  /** Restoring them, at the least: the node answers LOADING (3.5: 0.25 s to 0.52 s). */
  fullSyncRestore: 200,
  /** A migration waits this long for an answer of its target (5.1). */
  migrationAnswer: 1_000,
} as const;

/** Waits, however long the process was stopped meanwhile. */
export async function sleep(milliseconds: number): Promise<void> {
  await delay(milliseconds);
}

/** One turn of the event loop: what is in the sockets' buffers is read before this resolves. */
export async function turn(): Promise<void> {
  await immediate();
}

/**
 * Calls `onExpiry` after `milliseconds` unless cancelled. After a SIGSTOP a timer fires before the sockets are read;
 * two turns of the event loop let an answer that is already here win.
 */
export function startDeadline(milliseconds: number, onExpiry: () => void): () => void {
  let cancelled = false;
  const timer = setTimeout(() => {
    setImmediate(() => {
      setImmediate(() => {
        if (!cancelled) onExpiry();
      });
    });
  }, milliseconds);
  return () => {
    cancelled = true;
    clearTimeout(timer);
  };
}
