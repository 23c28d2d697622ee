// Retry schedules as numbers: who waits and how is the caller's business.

import { type Random, randomUnit } from './random.ts';

/** `delayMsMin` for the first retry, multiplied by `factor` each time, at most `delayMsMax`. */
export interface BackoffPolicy {
  readonly delayMsMin: number;
  readonly delayMsMax: number;
  readonly factor: number;
}

/**
 * Milliseconds to wait before retry number `attempt` (0 = first retry). Jittered over the upper half of the
 * nominal delay, so that many owners of one fault do not come back in step.
 */
export function backoffDelayMs(policy: BackoffPolicy, attempt: number, random: Random): number {
  const nominalMs = Math.min(policy.delayMsMax, policy.delayMsMin * policy.factor ** Math.min(attempt, 64));
  return nominalMs * (0.5 + 0.5 * randomUnit(random));
}
