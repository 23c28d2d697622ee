// When a replica's link to its master lives, and how far the replica is behind.

import type { NodeReport } from './observation.ts';
import { type ControlSettings, LAG_MS_MAX, linkSilenceMsMax } from './settings.ts';

/** A link comes up, and brings what is missing, in well under a second (facts section 3); one that does not is left to the usual rounds, and told. */
export const LINKING_MS = 5000;

/** Where a node was at some time, by the monotonic clock. */
export interface Position {
  readonly atMs: number;
  readonly sequence: number;
}

/**
 * The one predicate for a living link: `up`, not in a full synchronisation, and heard from lately. `up` alone stays for ever behind a
 * hung master and behind dropped packets (facts section 8).
 */
export function isLivingLink(report: NodeReport, settings: ControlSettings): boolean {
  const { link, syncInProgress, lastIoSeconds } = report;
  if (link !== 'up' || syncInProgress || lastIoSeconds === null) return false;
  return lastIoSeconds * 1000 <= linkSilenceMsMax(settings);
}

/** Why the link of a replica does not live, for people; null when it does. */
export function linkFault(report: NodeReport, settings: ControlSettings): string | null {
  if (isLivingLink(report, settings)) return null;
  if (report.syncInProgress) return 'a full synchronisation is going on';
  if (report.link !== 'up') return 'its link to the master is down';
  if (report.lastIoSeconds === null) return 'it has never heard from its master';
  return `its link says "up", but it last heard from its master ${report.lastIoSeconds} s ago`;
}

/** How far a replica is behind what is known of its master. */
export type Lag =
  | { readonly kind: 'unknown' }
  | {
      readonly kind: 'known';
      /** Sequence numbers it lacks of the master's last known position; 0 when it has all. */
      readonly count: number;
      /** Whether it lacks anything that the master had `LAG_MS_MAX` before its end, or before it was last seen. */
      readonly isOld: boolean;
      /** Whether that can be told: its master has been seen for long enough. */
      readonly isAgeKnown: boolean;
    };

/** What is known of the end of a master whose successor is looked for. */
export interface MasterEnd {
  /** When it ended at the latest, by the monotonic clock; -Infinity where it may have ended at any time since its last sight. */
  readonly diedAtMs: number;
  /** Between sights further apart than this, milliseconds, nobody knows when it got what the later one shows: all of that counts as old. */
  readonly pauseMs: number;
}

const STILL_THERE: MasterEnd = { diedAtMs: -Infinity, pauseMs: Infinity };

/**
 * Compares a replica's sequence with the positions its master was seen at, oldest first: what that had `LAG_MS_MAX` before its end is measured,
 * or before its last sight.
 */
export function lagBehind(
  positions: readonly Position[],
  sequence: number,
  { diedAtMs, pauseMs }: MasterEnd = STILL_THERE,
): Lag {
  const last = positions.at(-1);
  if (last === undefined) return { kind: 'unknown' };
  const old = positionAt(positions, Math.max(last.atMs, diedAtMs) - LAG_MS_MAX, pauseMs);
  const count = Math.max(0, last.sequence - sequence);
  return { kind: 'known', count, isOld: old > sequence, isAgeKnown: old !== -Infinity };
}

/** Sights further apart than this, milliseconds, do not tell what came between them. */
export const CLOSE_MS = 1_000;

/**
 * Where a node stood at a time: between two sights that are close, in proportion; after a pause, at the one after it; else at the one before.
 * -Infinity before the first.
 */
function positionAt(positions: readonly Position[], atMs: number, pauseMs: number): number {
  const index = positions.findLastIndex((position) => position.atMs <= atMs);
  const [before, after] = [positions[index], positions[index + 1]];
  if (before === undefined) return -Infinity;
  if (after === undefined) return before.sequence;
  const apartMs = after.atMs - before.atMs;
  if (apartMs > pauseMs) return after.sequence;
  if (apartMs > CLOSE_MS) return before.sequence;
  const part = (atMs - before.atMs) / apartMs;
  return before.sequence + Math.floor((after.sequence - before.sequence) * part);
}
