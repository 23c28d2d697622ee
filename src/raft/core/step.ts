// The core's contract: everything that goes in, everything that comes out.

import type { MembershipChange, MembershipRefusal } from './membership-change.ts';
import type { Message } from './messages.ts';
import type {
  Entry,
  HardState,
  Incarnation,
  LogIndex,
  LogPosition,
  MemberId,
  Membership,
  Role,
  SnapshotMeta,
  Term,
} from './types.ts';

/** A command waiting for a place in the log. `id` is the driver's name for it and never leaves the process. */
export interface Proposal {
  readonly id: number;
  readonly data: Uint8Array;
}

/** Everything the core can be told. It reacts to nothing else. */
export type Input =
  /** One tick of the driver's clock has passed. `entropy` (uint32) seeds the next randomised election timeout. */
  | { readonly kind: 'tick'; readonly entropy: number }
  | { readonly kind: 'message'; readonly message: Message }
  | { readonly kind: 'propose'; readonly proposals: readonly Proposal[] }
  /** `id` is the driver's name for it, from the same numbers as those of proposals. One change at a time. */
  | { readonly kind: 'changeMembership'; readonly id: number; readonly change: MembershipChange }
  /** Hand the lead to `to`; null: to the voter that has most of the log and was heard lately. */
  | { readonly kind: 'transfer'; readonly to: MemberId | null }
  /** A linearizable read wants to know the index it must wait for (thesis section 6.4). */
  | { readonly kind: 'read'; readonly id: number }
  /**
   * Everything handed out so far up to `last` and `hardState` is durable. The pair (index, term) makes a late
   * completion of an overwritten entry harmless.
   */
  | { readonly kind: 'persisted'; readonly last: LogPosition; readonly hardState: HardState }
  /**
   * The log was durably cut up to `base`, which lies at or before a durable snapshot (the entries between the two are
   * the trailing window for followers slightly behind); `base.index` <= applied index.
   */
  | { readonly kind: 'compacted'; readonly base: SnapshotMeta }
  /** A whole, verified snapshot from the leader of `term` lies on disk, not yet installed. */
  | {
      readonly kind: 'snapshotReceived';
      readonly from: MemberId;
      readonly term: Term;
      readonly snapshot: SnapshotMeta;
    }
  /** The snapshot of an `installSnapshot` effect is now the durable base of the log and the applied state. */
  | { readonly kind: 'snapshotInstalled'; readonly snapshot: SnapshotMeta }
  /** A snapshot transfer to `to` ended. */
  | {
      readonly kind: 'snapshotSent';
      readonly to: MemberId;
      readonly index: LogIndex;
      readonly delivered: boolean;
    }
  /** The transport failed to deliver to `peer`: stop streaming, probe. */
  | { readonly kind: 'unreachable'; readonly peer: MemberId };

/** Why a proposal or a membership change got no place in the log. */
export type ProposalRefusal =
  | 'notLeader'
  /** Proposals only: too much is uncommitted. */
  | 'overloaded'
  /** The lead is being handed over. */
  | 'transferring'
  /** Changes only: nothing of the own term is committed yet (the single-server change bug of 2015). */
  | 'notEstablished'
  /** Changes only: another change is not committed yet, or is joint and not left yet. */
  | 'changePending'
  /** Changes only: the voters to be have no majority that was heard within an election timeout. */
  | 'noQuorum'
  /** Changes only: it makes no sense for the present membership. */
  | MembershipRefusal;

export type TransferRefusal =
  | 'notLeader'
  | 'notEstablished'
  | 'changePending'
  /** Another transfer is under way. */
  | 'transferring'
  | 'isSelf'
  | 'notVoter'
  /** No other voter, or not the one named, was heard within an election timeout. */
  | 'noTarget';

/**
 * A transfer that started ends with `aborted` (not done within an election timeout; this member still leads) or with
 * the loss of the lead. A leader that was removed starts one by itself when its removal is committed.
 */
export type TransferEvent =
  | { readonly kind: 'started'; readonly to: MemberId }
  | { readonly kind: 'refused'; readonly reason: TransferRefusal }
  | { readonly kind: 'aborted' };

/** What the core knows about its own place; published at every change. */
export interface RoleView {
  readonly role: Role;
  readonly term: Term;
  readonly leader: MemberId | null;
  /**
   * True once a leader has *committed* its own term's first entry: from then on its committed state is complete
   * (Leader Completeness) and it may serve reads and act. Always false in other roles.
   */
  readonly established: boolean;
}

/**
 * What one step asks the shell to do. Order within one step: the durable part (`hardState`, `truncateFrom`,
 * `append`) goes to disk as one group, groups in the order of their steps. `sendNow` may leave before that,
 * `sendAfterPersist` only when this group and all earlier ones are durable.
 */
export interface Effects {
  readonly hardState: HardState | null;
  /** Drop all entries from this index on, before `append`. Never at or below the commit index. */
  readonly truncateFrom: LogIndex | null;
  readonly append: readonly Entry[];
  readonly sendNow: readonly Message[];
  readonly sendAfterPersist: readonly Message[];
  /** The membership now in force, when that changed: by an append, a truncation or an installed snapshot. */
  readonly membership: Membership | null;
  readonly transfer: TransferEvent | null;
  /** Entries up to here are committed; null when nothing changed. The driver applies them in order. */
  readonly commit: LogIndex | null;
  /** Places of proposals and changes; a joint change is done when its leave entry, which follows, is committed. */
  readonly accepted: readonly { readonly id: number; readonly position: LogPosition }[];
  readonly refused: readonly { readonly id: number; readonly reason: ProposalRefusal }[];
  /** The read may be answered once the state machine has applied `index`. */
  readonly readsReady: readonly { readonly id: number; readonly index: LogIndex }[];
  /** The read cannot be confirmed by this leader any more, or this member is not the leader. */
  readonly readsRefused: readonly number[];
  /** Send the newest snapshot to these members; answered by `snapshotSent`. At most one under way a member. */
  readonly sendSnapshot: readonly MemberId[];
  /** Make this received snapshot the base of the log and the state; answered by `snapshotInstalled`. */
  readonly installSnapshot: SnapshotMeta | null;
  /** Set when role, term, leader or `established` changed. */
  readonly role: RoleView | null;
}

/** Fixed sizes and times of the protocol, in ticks of the driver's clock. */
export interface CoreOptions {
  readonly self: MemberId;
  /** Of this member's data directory. */
  readonly incarnation: Incarnation;
  /** Ticks between heartbeats of a leader; >= 1. */
  readonly heartbeatTicks: number;
  /** Base election timeout; randomised in [electionTicks, 2 * electionTicks). At least 3 * heartbeatTicks. */
  readonly electionTicks: number;
  /** Entries and payload bytes of one append request, at most; an entry larger than the limit travels alone. */
  readonly appendEntriesMax: number;
  readonly appendBytesMax: number;
  /** Append requests under way to one follower, at most. */
  readonly inflightMax: number;
  /** Payload bytes proposed and not committed yet; more proposals are refused as overloaded. */
  readonly uncommittedBytesMax: number;
  /** Reads waiting for confirmation, at most; more are refused. */
  readonly readsMax: number;
}
