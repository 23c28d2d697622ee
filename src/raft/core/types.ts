// The vocabulary of Raft: who, when, where in the log.

import { assert } from '../../base/assert.ts';
import type { Brand } from '../../base/brand.ts';

/** A Raft term: an integer >= 0. At most one leader a term (Raft paper, figure 3: Election Safety). */
export type Term = Brand<number, 'Term'>;

/** No real group gets here; a message of a later term is dropped, so that terms can always be added to. */
export const TERM_MAX = 2 ** 52;

/** Terms a message may be ahead of ours. */
export const TERM_JUMP_MAX = 2 ** 32;

/** Likewise for a place in the log that somebody else names. */
export const INDEX_MAX = 2 ** 52;

/** A position in the log: an integer >= 0; the first entry has index 1, 0 is "before the first". */
export type LogIndex = Brand<number, 'LogIndex'>;

/** A member of the group: a positive integer, unique in the group and never reused. */
export type MemberId = Brand<number, 'MemberId'>;

/**
 * 128 random bits as 32 lower-case hexadecimal digits, made at a data directory's first boot. A member that lost its
 * disk comes back with another one and is refused: it may have forgotten a vote or an acknowledgement.
 */
export type Incarnation = Brand<string, 'Incarnation'>;

export function term(value: number): Term {
  assert(Number.isSafeInteger(value) && value >= 0, 'a term is an integer >= 0');
  return value as Term;
}

export function logIndex(value: number): LogIndex {
  assert(Number.isSafeInteger(value) && value >= 0, 'a log index is an integer >= 0');
  return value as LogIndex;
}

export function memberId(value: number): MemberId {
  assert(Number.isSafeInteger(value) && value > 0, 'a member id is a positive integer');
  return value as MemberId;
}

/** Throws `AssertionError` unless `text` is 32 lower-case hexadecimal digits. */
export function incarnation(text: string): Incarnation {
  assert(isIncarnation(text), 'an incarnation is 32 hexadecimal digits');
  return text;
}

/** For readers of bytes from outside, which refuse instead of asserting. */
export function isIncarnation(text: string): text is Incarnation {
  return /^[0-9a-f]{32}$/u.test(text);
}

/** The place of one entry: index and the term it was written in. Log Matching makes the pair name one history. */
export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

/**
 * `command` carries a state machine command; `noop` is what a leader writes first in its term (paper section 8);
 * `config` carries an encoded `Membership`, which is in force from the moment the entry is in the log.
 */
export type EntryKind = 'command' | 'noop' | 'config';

/** One log entry. `data` is opaque to Raft and never modified after the entry was made. */
export interface Entry extends LogPosition {
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** Somebody who took part once. `incarnation` is null when it left before it was bound to one. */
export interface RemovedMember {
  readonly member: MemberId;
  readonly incarnation: Incarnation | null;
}

/**
 * Who takes part. A quorum is a majority of *every* voter set: one normally, two while a joint configuration is in
 * force (paper section 6), the first being the one to be, the second the outgoing one. Learners receive the log and
 * never count. Ids ascend, so that equal memberships have equal encodings.
 */
export interface Membership {
  readonly voterSets: readonly (readonly MemberId[])[];
  /** Disjoint from the first voter set. */
  readonly learners: readonly MemberId[];
  /** host:port of members. */
  readonly addresses: ReadonlyMap<MemberId, string>;
  /** What each member is bound to. A member without one is *unbound*: whoever comes under its id is taken for it. */
  readonly incarnations: ReadonlyMap<MemberId, Incarnation>;
  /** The members removed last, oldest first, at most `REMOVED_MAX`, so that they can be told. Never members again. */
  readonly removed: readonly RemovedMember[];
}

export const REMOVED_MAX = 64;

/** What must be durable before a vote or a reply leaves the process. The vote is cleared only when the term rises. */
export interface HardState {
  readonly term: Term;
  readonly votedFor: MemberId | null;
}

/** What a snapshot stands for: the state after applying the entry at this position, and the membership in force there. */
export interface SnapshotMeta extends LogPosition {
  readonly membership: Membership;
}

/** What the durable log held when the process started. `entries` continue `base` without a gap. */
export interface RestoredState {
  readonly hardState: HardState;
  readonly base: SnapshotMeta;
  readonly entries: readonly Entry[];
}

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader';
