// What is remembered of the lease of one master, and how a renewal changes that.

import type { ProbeResult } from './observation.ts';

/** What the server does without a living lease (`master-lease-mode`), as far as it matters: only `block-write` keeps it from taking writes. */
export type LeaseMode = 'block-write' | 'other';

/** What became of one attempt to renew the lease of a node. */
export type LeaseAnswer =
  | { readonly kind: 'renewed'; readonly mode: LeaseMode }
  /**
   * Nothing to renew, and nothing that would keep it from taking writes: `why` is the end of a sentence that begins with the node. `isLasting`: as
   * long as the process lives.
   */
  | { readonly kind: 'none'; readonly why: string; readonly isLasting: boolean }
  /** The renewal was not sent: the question before it was not answered, or it was not wanted any more. */
  | { readonly kind: 'unsent'; readonly why: string }
  /** Sent, and no reply came: it may take effect at any later time (facts section 8). */
  | { readonly kind: 'unanswered'; readonly mode: LeaseMode; readonly why: string }
  /** The node did not take it. */
  | { readonly kind: 'refused'; readonly why: string };

export interface LeaseMemory {
  /** `unknown`: not told to this leadership yet, or the process may be another one since. `none`: it takes writes with or without one. */
  readonly hold: 'unknown' | 'none' | 'held';
  /** Why there is none, for people; empty otherwise. */
  readonly why: string;
  /** A renewal was let go and has not ended: it may take effect at any moment. */
  readonly isInFlight: boolean;
  /** When the last exchange that sent a renewal ended, which is the latest moment at which that took effect; -Infinity when there was none. */
  readonly renewedAtMs: number;
  /** The last renewal that was sent had no reply: that moment is not certain. */
  readonly isUnanswered: boolean;
}

export const NO_LEASE: LeaseMemory = {
  hold: 'unknown',
  why: '',
  isInFlight: false,
  renewedAtMs: -Infinity,
  isUnanswered: false,
};

export function afterLease(before: LeaseMemory, answer: LeaseAnswer, endedAtMs: number): LeaseMemory {
  const ended: LeaseMemory = { ...before, isInFlight: false };
  switch (answer.kind) {
    case 'none':
      return { ...ended, hold: 'none', why: answer.why };
    case 'renewed':
    case 'unanswered': {
      const isUnanswered = answer.kind === 'unanswered';
      const sent: LeaseMemory = { ...ended, renewedAtMs: endedAtMs, isUnanswered };
      return answer.mode === 'block-write'
        ? { ...sent, hold: 'held', why: '' }
        : { ...sent, hold: 'none', why: 'does not refuse writes without one (master-lease-mode)' };
    }
    default:
      return ended;
  }
}

/**
 * A process that starts again has no lease until its first renewal, and takes writes. Where nobody listened, or the connection ended, what answers
 * at the address afterwards may be such a one; the old one, if it is still there, keeps its lease to its end.
 */
export function doubtedBy(before: LeaseMemory, result: ProbeResult): LeaseMemory {
  if (result.kind === 'answered' || before.hold === 'unknown') return before;
  const { kind } = result.error;
  const isDoubtful = kind === 'connectionRefused' || kind === 'connectionLost' || kind === 'notKvrocks';
  return isDoubtful ? { ...before, hold: 'unknown', why: '' } : before;
}
