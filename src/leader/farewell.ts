// One node that has left and has to be told, as this leadership has tried, and how often it is looked at.

import type { Timer } from '../base/clock.ts';
import { mayTakeWrites } from '../control/departed-data.ts';
import type { Departure } from '../topology/departure.ts';
import type { ClusterRecord } from '../topology/record.ts';
import type { NodeId, NodeRole } from '../topology/types.ts';

export interface Farewell {
  readonly id: NodeId;
  readonly leftAtSeconds: number;
  readonly sinceMs: number;
  /** What it said of itself last; null before. */
  seenRole: NodeRole | null;
  /** When its connection was last found ended, and looked into. */
  lostAtMs: number;
  timer: Timer | null;
  isBusy: boolean;
  isWantedAgain: boolean;
  toldVersion: number | null;
  keepsData: boolean;
  /** Why it was not told yet. */
  why: string | null;
}

/** `sinceMs`: monotonic milliseconds. */
export function newFarewell(
  { id, leftAtSeconds }: Pick<Departure, 'id' | 'leftAtSeconds'>,
  sinceMs: number,
): Farewell {
  return {
    id,
    leftAtSeconds,
    sinceMs,
    seenRole: null,
    lostAtMs: -Infinity,
    timer: null,
    isBusy: false,
    isWantedAgain: false,
    toldVersion: null,
    keepsData: false,
    why: null,
  };
}

/** Until it hears, a replica follows its old master and serves stale reads. */
const PACE_MS = 1_000;

/** What a node that clients may find as a master acknowledges until it hears is lost: as members that are expected back. */
const WRITABLE_PACE_MS = 100;

/** Milliseconds from the end of one look to the next, for ever: a node that was away for a week has as many clients as one that was for a minute. */
export function paceMs(farewell: Farewell, departure: Departure | null, record: ClusterRecord): number {
  const isReplica = departure !== null && !mayTakeWrites(departure, farewell.seenRole, record);
  return isReplica ? PACE_MS : WRITABLE_PACE_MS;
}
