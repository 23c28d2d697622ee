// Waiting for what another process will do: polling with a generous deadline and a description of what was waited for.

import { inspect } from 'node:util';

export interface WaitOptions {
  /** How long to wait at most, milliseconds. Generous: it only bounds a failing test. */
  readonly deadlineMs?: number;
  readonly intervalMs?: number;
}

const DEADLINE_MS = 45_000;
const INTERVAL_MS = 50;

/** What an attempt gives while the time has not come yet, with what it saw, for the message of a failure. */
export class NotYet {
  readonly seen: unknown;

  constructor(seen: unknown) {
    this.seen = seen;
  }
}

/** Thrown by an attempt when waiting on is in vain. */
export class InVainError extends Error {
  override readonly name = 'InVainError';
}

/** `seen` is not what is waited for. */
export function notYet(seen: unknown): NotYet {
  return new NotYet(seen);
}

/**
 * Calls `attempt` until it gives something else than `notYet(...)`, and returns that. What it throws counts as "not yet",
 * but for `InVainError`. At the deadline throws with `what` and the last thing seen.
 */
export async function waitUntil<T>(
  what: string,
  attempt: () => Promise<T | NotYet> | T | NotYet,
  options: WaitOptions = {},
): Promise<T> {
  const { deadlineMs = DEADLINE_MS, intervalMs = INTERVAL_MS } = options;
  const endMs = performance.now() + deadlineMs;
  let seen: unknown;
  do {
    try {
      const result = await attempt();
      if (!(result instanceof NotYet)) return result;
      seen = result.seen;
    } catch (error) {
      if (error instanceof InVainError) throw error;
      seen = error;
    }
    await pause(intervalMs);
  } while (performance.now() < endMs);
  throw new Error(
    `waited ${deadlineMs} ms for ${what}; last seen: ${seen instanceof Error ? seen.message : inspect(seen, { depth: 8 })}`,
  );
}

/** Waits until `condition` holds. */
export async function waitFor(
  what: string,
  condition: () => Promise<boolean> | boolean,
  options: WaitOptions = {},
): Promise<void> {
  await waitUntil(what, async () => ((await condition()) ? true : notYet(false)), options);
}

/** `delayMs` milliseconds. For polling and for "nothing happens meanwhile" only, never to give a race time to end well. */
export async function pause(delayMs: number): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
}
