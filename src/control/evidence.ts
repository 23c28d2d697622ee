// Is a node there? What observers saw of it as data with an age, and the one verdict over it.

import { type ControlSettings, failureWindowMs } from './settings.ts';

/**
 * What one observer last saw of a node:
 * - `answered`: some reply of this node, be it an error.
 * - `refused`: nobody listens at its address. `silent`: no reply, or nothing that a server would say.
 * - `stranger`: somebody else answers there, which proves that the node does not.
 * - `ownFault`: the observer could not look.
 */
export type EvidenceKind = 'answered' | 'refused' | 'silent' | 'stranger' | 'ownFault';

export interface Evidence {
  /** Who saw it. */
  readonly observer: string;
  readonly kind: EvidenceKind;
  /** Milliseconds since the end of the last look that saw it. */
  readonly ageMs: number;
  /** Milliseconds from the beginning of the first look in a row that saw this kind, or another kind of absence, to the end of the last. */
  readonly lastedMs: number;
  /** Looks in that row. */
  readonly looks: number;
}

/** `unseen`: nobody has looked yet. `blind`: nobody can look. `gone`: proven not to be there. `silent`: not heard for the whole window. */
export type Presence = 'unseen' | 'blind' | 'present' | 'doubtful' | 'silent' | 'gone';

/** A stranger is believed on the second look: the first may have met a connection that was just being handed over. */
const STRANGER_LOOKS = 2;

/** Timers are late now and then, so the first of several intervals may look short from the end of it. */
const INTERVAL_TOLERANCE = 0.9;

/**
 * Judges presence by elapsed time. A window of `n` intervals begins with the look that found nobody and ends with the n-th of such looks,
 * `n - 1` intervals later; looks made in between at a faster pace cannot shorten it, and fewer than two never suffice, because a stall of
 * the observer itself would look like one.
 */
export function presenceOf(evidence: readonly Evidence[], settings: ControlSettings): Presence {
  const seen = evidence.filter(({ kind }) => kind !== 'ownFault');
  if (seen.length === 0) return evidence.length === 0 ? 'unseen' : 'blind';
  if (seen.some(({ kind }) => kind === 'answered')) return 'present';
  if (seen.every(({ kind, looks }) => kind === 'stranger' && looks >= STRANGER_LOOKS)) return 'gone';
  const neededMs = (failureWindowMs(settings) - settings.pingIntervalMs) * INTERVAL_TOLERANCE;
  const looksMin = Math.min(2, settings.maxPingCount);
  const isSilent = seen.every(({ lastedMs, looks }) => lastedMs >= neededMs && looks >= looksMin);
  return isSilent ? 'silent' : 'doubtful';
}
