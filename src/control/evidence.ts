// Is a node there? What observers saw of it as data with an age, and the one verdict over it.

import { type ControlSettings, failureWindowMs, linkedMsMin, wordAgeMsMax } from './settings.ts';

/**
 * What one observer last saw of a node:
 * - `answered`: some reply of this node, be it an error.
 * - `refused`: nobody listens at its address. `silent`: no reply, or nothing that a server would say.
 * - `stranger`: somebody else answers there, which proves that the node does not.
 * - `ownFault`: the observer could not look.
 */
export type EvidenceKind = 'answered' | 'refused' | 'silent' | 'stranger' | 'ownFault';

/** A member of the group, by its number in the group. */
export type Observer = number;

export interface Evidence {
  readonly kind: EvidenceKind;
  /** Milliseconds from the beginning of the first look in a row that saw this kind, or another kind of absence, to the end of the last. */
  readonly lastedMs: number;
  /** From the beginning of the first look in a row that saw just this kind to the beginning of the last: a stall in the midst of a look adds nothing. */
  readonly ofKindMs: number;
  /** Looks in that row; of a stranger, those that met one. */
  readonly looks: number;
}

/** What another observer saw in a look that began `ageMs` milliseconds ago at most. */
export interface Word {
  readonly observer: Observer;
  readonly kind: EvidenceKind;
  readonly ageMs: number;
}

/** Whose word decides. In a group of one, and while not all members know how to be asked, the leader's own. */
export interface Panel {
  /** The one that decides. */
  readonly self: Observer;
  /** A majority of each of these sets has to agree; two sets while the voters change (Raft, joint consensus). */
  readonly voters: readonly (readonly Observer[])[];
}

/** What replicas that could be asked since the master is missed say of it: `heard` from it since then, still `linked` to it, or neither. `unasked`: some word is still to come. */
export type ReplicasWord = 'heard' | 'linked' | 'unasked' | 'none';

/** Everything the verdict is made of. */
export interface Testimony {
  /** The leader's own looks; null before the first. */
  readonly own: Evidence | null;
  readonly words: readonly Word[];
  readonly replicas: ReplicasWord;
  readonly panel: Panel;
}

/**
 * - `unseen`: nobody has looked yet. `blind`: this controller cannot look. `present`: it answers.
 * - `elsewhere`: it answers others in the group. `linked`: it is heard by a replica of its own. Neither answers here.
 * - `doubtful`: not for long enough, or not by enough observers.
 * - `gone`: proven not to be there. `silent`: not heard for the whole window, or nobody listens any more, by a majority's word.
 */
export type Presence =
  | 'unseen'
  | 'blind'
  | 'present'
  | 'elsewhere'
  | 'linked'
  | 'doubtful'
  | 'silent'
  | 'gone';

/** A stranger is believed on the second look: the first may have met a connection that was just being handed over. */
const STRANGER_LOOKS = 2;

/** Timers are late now and then, so the first of several intervals may look short from the end of it. */
const INTERVAL_TOLERANCE = 0.9;

/**
 * Judges presence by elapsed time and by majority. A window of `n` intervals begins with the look that found nobody and ends with the n-th of
 * such looks, `n - 1` intervals later; looks made in between at a faster pace cannot shorten it, and fewer than two never suffice, because a stall
 * of the observer itself would look like one. That nobody listens, for a majority and without a replica that is still linked, is proof that the
 * process is gone: it has only the time of a quick restart.
 */
export function presenceOf(testimony: Testimony, settings: ControlSettings): Presence {
  const { own, replicas, panel } = testimony;
  if (own === null) return 'unseen';
  if (own.kind === 'answered') return 'present';
  if (own.kind === 'ownFault') return 'blind';
  const words = validWords(testimony, settings);
  if (words.some(({ kind }) => kind === 'answered')) return 'elsewhere';
  if (!isMajority(panel, words)) return 'doubtful';
  if (isProvenElse(own, words)) return 'gone';
  if (replicas === 'heard') return 'linked';
  return leftMs(testimony, settings) <= 0 ? 'silent' : 'doubtful';
}

/** What others saw that counts still. */
export function validWords({ words }: Pick<Testimony, 'words'>, settings: ControlSettings): readonly Word[] {
  const ageMsMax = wordAgeMsMax(settings);
  return words.filter(({ kind, ageMs }) => kind !== 'ownFault' && ageMs <= ageMsMax);
}

/** By everybody's word somebody else has its address. */
function isProvenElse(own: Evidence, words: readonly Word[]): boolean {
  return isUnanimous('stranger', own, words) && own.looks >= STRANGER_LOOKS;
}

/** By everybody's word nobody listens any more, and no replica says otherwise. */
export function isProcessGone(testimony: Testimony, settings: ControlSettings): boolean {
  const { own, replicas } = testimony;
  return own !== null && replicas === 'none' && isUnanimous('refused', own, validWords(testimony, settings));
}

/** The same by the word of a majority, for what must not be done on one observer's look alone. */
export function isProcessGoneForAll(testimony: Testimony, settings: ControlSettings): boolean {
  return isProcessGone(testimony, settings) && isMajority(testimony.panel, validWords(testimony, settings));
}

/** Whether a majority misses it now, for however short a time, and nobody hears it. */
export function isMissedByMajority(testimony: Testimony, settings: ControlSettings): boolean {
  const { own, replicas, panel } = testimony;
  if (own === null || own.kind === 'answered' || own.kind === 'ownFault' || replicas === 'heard')
    return false;
  const words = validWords(testimony, settings);
  return isMajority(panel, words) && words.every(({ kind }) => kind !== 'answered');
}

function isUnanimous(kind: EvidenceKind, own: Evidence, words: readonly Word[]): boolean {
  return own.kind === kind && words.every((word) => word.kind === kind);
}

/** Milliseconds that it has to be missed for still, as seen by the last look; at most 0 when that is over. Infinity before the first look. */
export function leftMs(testimony: Testimony, settings: ControlSettings): number {
  const { own } = testimony;
  if (own === null) return Infinity;
  const graceMs = isProcessGone(testimony, settings) ? settings.restartGraceMs - own.ofKindMs : Infinity;
  const neededMs = (failureWindowMs(settings) - settings.pingIntervalMs) * INTERVAL_TOLERANCE;
  const looksMin = Math.min(2, settings.maxPingCount);
  // However long one look took, another has to follow; and a replica that is linked may only not have heard from an idle master yet.
  const windowMs = Math.max(
    neededMs - own.lastedMs,
    own.looks >= looksMin ? -Infinity : 1,
    testimony.replicas === 'linked' ? linkedMsMin(settings) - own.lastedMs : -Infinity,
  );
  return Math.min(graceMs, windowMs);
}

/** Whether those who gave their word, and the one that asked, are a majority. */
export function isMajority({ self, voters }: Panel, words: readonly Word[]): boolean {
  const heard = new Set<Observer>([self, ...words.map(({ observer }) => observer)]);
  return voters.every((set) => set.filter((voter) => heard.has(voter)).length * 2 > set.length);
}
