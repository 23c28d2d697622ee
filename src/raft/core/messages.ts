// What members say to each other. Every message may be lost, repeated, delayed or reordered.

import type { Entry, Incarnation, LogIndex, LogPosition, MemberId, Term } from './types.ts';

interface Envelope {
  readonly from: MemberId;
  readonly to: MemberId;
  /** The sender's; a receiver that knows it bound to another one drops the message. */
  readonly incarnation: Incarnation;
  /** The sender's term; in `preVoteRequest` the term it would campaign in. */
  readonly term: Term;
}

/** "Would you vote for me in `term`?" Changes nothing at the receiver (thesis section 9.6). */
export interface PreVoteRequest extends Envelope {
  readonly kind: 'preVoteRequest';
  readonly last: LogPosition;
}

/** A grant echoes the term asked for; a refusal carries the receiver's own term. */
export interface PreVoteReply extends Envelope {
  readonly kind: 'preVoteReply';
  readonly granted: boolean;
}

export interface VoteRequest extends Envelope {
  readonly kind: 'voteRequest';
  readonly last: LogPosition;
  /** The leader asked for this election, so its lease does not speak against it (thesis section 3.10). */
  readonly transfer: boolean;
}

export interface VoteReply extends Envelope {
  readonly kind: 'voteReply';
  readonly granted: boolean;
}

/** AppendEntries (paper figure 2). `entries` continue `previous`; empty for a probe. */
export interface AppendRequest extends Envelope {
  readonly kind: 'appendRequest';
  readonly previous: LogPosition;
  readonly entries: readonly Entry[];
  readonly commit: LogIndex;
}

/** The receiver's log equals the sender's, durably, up to and including `matched`. */
export interface AppendAccepted extends Envelope {
  readonly kind: 'appendAccepted';
  readonly matched: LogIndex;
}

/**
 * `previous.index` of the request did not fit. `hint` is the last place at or below it where the receiver's log
 * may agree (skips a whole conflicting term at once; paper section 5.3).
 */
export interface AppendRejected extends Envelope {
  readonly kind: 'appendRejected';
  readonly probed: LogIndex;
  readonly hint: LogPosition;
}

/** Keeps the lead and confirms reads. `commit` is never beyond what this follower is known to match. */
export interface Heartbeat extends Envelope {
  readonly kind: 'heartbeat';
  readonly commit: LogIndex;
  /** Counter made by the leader, rising within its term: an answer confirms rounds up to the one it echoes. */
  readonly readRound: number;
}

export interface HeartbeatReply extends Envelope {
  readonly kind: 'heartbeatReply';
  readonly readRound: number;
}

/**
 * "Campaign now": a leader hands the lead over (thesis section 3.10). `last` is where its log ended: a receiver whose
 * log ends elsewhere got it late and does nothing.
 */
export interface TimeoutNow extends Envelope {
  readonly kind: 'timeoutNow';
  readonly last: LogPosition;
}

export type Message =
  | PreVoteRequest
  | PreVoteReply
  | VoteRequest
  | VoteReply
  | AppendRequest
  | AppendAccepted
  | AppendRejected
  | Heartbeat
  | HeartbeatReply
  | TimeoutNow;

export type MessageKind = Message['kind'];

const REPLIES = {
  preVoteRequest: false,
  preVoteReply: true,
  voteRequest: false,
  voteReply: true,
  appendRequest: false,
  appendAccepted: true,
  appendRejected: true,
  heartbeat: false,
  heartbeatReply: true,
  timeoutNow: false,
} as const satisfies Record<MessageKind, boolean>;

/** Whether `message` answers another one. */
export function isReply(message: Message): boolean {
  return REPLIES[message.kind];
}
