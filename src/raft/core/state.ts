// Everything one member knows, and what each role adds to it. Only the files of this folder see it.

import { present } from '../../base/assert.ts';
import type { RaftLog } from './log.ts';
import type { Outbox } from './outbox.ts';
import type { Progress } from './progress.ts';
import { quorumValue } from './quorum.ts';
import type { CoreOptions, RoleView } from './step.ts';
import { TERM_JUMP_MAX, TERM_MAX } from './types.ts';
import type { HardState, Incarnation, LogIndex, MemberId, SnapshotMeta, Term } from './types.ts';

/** A read of this leader, waiting for `round` to be answered by a quorum. */
export interface RegisteredRead {
  readonly id: number;
  readonly index: LogIndex;
  readonly round: number;
}

/** The lead on its way to another member. Nothing is proposed meanwhile. */
export interface Transfer {
  readonly to: MemberId;
  readonly sinceTick: number;
  /** This member was removed and leaves in any case; otherwise it may take the lead back. */
  readonly departing: boolean;
  /** The target holds the whole log and was told to campaign. */
  asked: boolean;
}

/** What only a leader has; it comes and goes with the lead. */
export interface Leadership {
  readonly kind: 'leader';
  /** Every other member of the membership in force, in ascending order. */
  peers: ReadonlyMap<MemberId, Progress>;
  /** An entry of the own term is committed: the commit index is complete (paper section 8). */
  established: boolean;
  transfer: Transfer | null;
  /** Payload bytes after the commit index. */
  uncommittedBytes: number;
  /** Ticks since the lead was won. */
  ticks: number;
  heartbeatElapsed: number;
  /** The heartbeat round sent last; rises within the term. */
  sentRound: number;
  /** The last round that a quorum has answered. */
  confirmedRound: number;
  /** Reads that came before `established`. */
  earlyReads: number[];
  /** Reads waiting for their round, in order of rounds. */
  registeredReads: RegisteredRead[];
}

export interface Candidacy {
  readonly kind: 'candidate';
  readonly votes: Map<MemberId, boolean>;
  /** Who came with the votes; a founding binds the voters to it. */
  readonly incarnations: Map<MemberId, Incarnation>;
}

export type RoleState =
  | { readonly kind: 'follower' }
  | { readonly kind: 'preCandidate'; readonly votes: Map<MemberId, boolean> }
  | Candidacy
  | Leadership;

export interface CoreState {
  readonly options: CoreOptions;
  readonly log: RaftLog;
  hardState: HardState;
  role: RoleState;
  leader: MemberId | null;
  /** Ticks since the current leader was heard, a vote was given or a campaign began. */
  electionElapsed: number;
  /** Null until the next tick brings the entropy to draw it. */
  electionTimeout: number | null;
  /** The round of the present leader answered last; 0: none of the present term. */
  answeredRound: number;
  /** A snapshot on its way into log and state. */
  installing: SnapshotMeta | null;
  /** Members to whom the driver is sending a snapshot, also across changes of role. */
  readonly snapshotTransfers: Set<MemberId>;
  /** Collects the effects of the present step. */
  out: Outbox;
}

export function roleView(core: CoreState): RoleView {
  return {
    role: core.role.kind,
    term: core.hardState.term,
    leader: core.leader,
    established: core.role.kind === 'leader' && core.role.established,
  };
}

/**
 * Terms rise one by one, so one far ahead of ours is a mistake or malice; taking it over would bring the group close to the
 * last term there can be, after which there are no elections. The bound is more than any group campaigns while one is away.
 */
export function isCredibleTerm(core: CoreState, term: Term): boolean {
  return term <= TERM_MAX && term <= core.hardState.term + TERM_JUMP_MAX;
}

/** The head of a message of the present term. */
export function envelope(core: CoreState, to: MemberId) {
  const { self, incarnation } = core.options;
  return { from: self, to, incarnation, term: core.hardState.term } as const;
}

/** What a majority of every voter set has reached: `own` for this leader, `of` for every other voter. */
export function quorumReached(
  core: CoreState,
  lead: Leadership,
  own: number,
  of: (peer: Progress) => number,
): number {
  return quorumValue(core.log.membership.voterSets, (member) =>
    member === core.options.self ? own : of(present(lead.peers.get(member), 'a leader knows every voter')),
  );
}
