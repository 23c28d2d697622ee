// The lease of a master that does not answer: whether it may last still, and what is known of who can write to that master.

import { isProcessGoneForAll } from './evidence.ts';
import { leaseOverMs, renewalMsMax } from './settings.ts';
import { type NodeView, type Situation, testimonyOf } from './situation.ts';
import { isDrained } from './target.ts';

export interface LeaseWait {
  /** A sentence's end for people. */
  readonly why: string;
  /** When it is over, monotonic milliseconds; Infinity while a renewal is under way. */
  readonly untilMs: number;
}

/**
 * What `master`, which does not answer, has to be waited for although everything else speaks for its replacement; null when there is nothing. With
 * its lease it takes writes of clients that still reach it. Not waited for: who is proven to be gone, or turns its clients away, or has no lease.
 */
export function leaseWait(situation: Situation, master: NodeView): LeaseWait | null {
  const { settings, nowMs } = situation;
  const { lease } = master.memory;
  if (settings.leaseMs === 0 || isHarmless(situation, master)) return null;
  const why = 'its lease may last still: until it is over, clients that reach it may write to it';
  if (lease.isInFlight) return { why, untilMs: Infinity };
  if (lease.hold === 'none') return null;
  const untilMs = leaseEndMs(situation, master);
  return nowMs < untilMs ? { why, untilMs } : null;
}

/**
 * When every lease that it may have been given is over: by this leadership, and by one before it, which may not have known at first that it had lost
 * the lead. What that one sent was confirmed before this leadership began (`docs/decisions/0016-leases.md`).
 */
function leaseEndMs({ settings, leadSinceMs }: Situation, { memory: { lease } }: NodeView): number {
  const otherMs = leadSinceMs + renewalMsMax(settings);
  return Math.max(otherMs, lease.renewedAtMs) + leaseOverMs(settings);
}

/**
 * What is known of a master that is about to be replaced: who may write to it, and what becomes of that. A sentence's end for people. `isAnswering`: to
 * us, in the looks that the decision is made from.
 */
export function exposureText(situation: Situation, master: NodeView, isAnswering: boolean): string {
  const { settings } = situation;
  const { lease } = master.memory;
  if (master.condition === 'gone') return 'it is not at its address any more';
  if (isGoneForAll(situation, master)) return 'its process is gone, so it takes no writes';
  if (isDrained(master)) return 'it had turned its clients away, so it takes no writes';
  if (isAnswering) return `it answers and is told as soon as its successor is; ${LOST_UNTIL_THEN}`;
  if (settings.leaseMs === 0) return `it is silent and has no lease: ${EXPOSED}`;
  switch (lease.hold) {
    case 'none':
      return `it is silent and has no lease (it ${lease.why}): ${EXPOSED}`;
    case 'held':
      return lease.isUnanswered
        ? `it is silent and its lease is over, but the last renewal had no reply; if that takes effect late, ${EXPOSED}`
        : 'it is silent and its lease is over, so it takes no writes';
    default:
      return `it is silent, and a lease that it may have had is over; if it had none, ${EXPOSED}`;
  }
}

/** Whether a master that does not answer may be taking writes of clients that reach it, as far as is known. */
export function mayTakeWrites(situation: Situation, master: NodeView): boolean {
  if (isHarmless(situation, master)) return false;
  const { hold, isUnanswered } = master.memory.lease;
  return situation.settings.leaseMs === 0 || hold !== 'held' || isUnanswered;
}

const LOST_UNTIL_THEN = 'what clients write to it until then is lost';
const EXPOSED = 'clients that still reach it may write to it until it is told; those writes are lost';

/** Whether a master that answers, be it an error, refuses writes, as far as is known: its lease is over, and was not renewed. */
export function isLeaseExpired({ settings, nowMs }: Situation, master: NodeView): boolean {
  const { lease } = master.memory;
  const isThere = master.presence === 'present' && master.node.role === 'master';
  return (
    settings.leaseMs > 0 && isThere && lease.hold === 'held' && nowMs >= lease.renewedAtMs + settings.leaseMs
  );
}

/** Whatever reaches it, it takes no writes, or none that could be kept from it by waiting. */
function isHarmless(situation: Situation, master: NodeView): boolean {
  return (
    master.loss !== null ||
    master.condition === 'gone' ||
    isGoneForAll(situation, master) ||
    isDrained(master)
  );
}

/** Nobody listens at its address by the word of a majority. Somebody who asks by hand may ask before that has spoken. */
function isGoneForAll(situation: Situation, master: NodeView): boolean {
  return isProcessGoneForAll(testimonyOf(situation, master, master.memory), situation.settings);
}
