// Everything one member knows, and what each role adds to it. Only the files of this folder see it.

import { present } from '../../base/assert.ts';
import type { RaftLog } from './log.ts';
import type { Outbox } from './outbox.ts';
import type { Progress } from './progress.ts';
import { quorumValue } from './quorum.ts';
import type { CoreOptions, RoleView } from './step.ts';
import type { HardState, LogIndex, MemberId, Membership, SnapshotMeta } from './types.ts';

/** A read of this leader, waiting for `round` to be answered by a quorum. */
export interface RegisteredRead {
  readonly id: number;
  readonly index: LogIndex;
  readonly round: number;
}

/** What only a leader has; it comes and goes with the lead. */
export interface Leadership {
  readonly kind: 'leader';
  /** Every other member, in ascending order. */
  readonly peers: ReadonlyMap<MemberId, Progress>;
  /** An entry of the own term is committed: the commit index is complete (paper section 8). */
  established: boolean;
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

export type RoleState =
  | { readonly kind: 'follower' }
  | { readonly kind: 'preCandidate'; readonly votes: Map<MemberId, boolean> }
  | { readonly kind: 'candidate'; readonly votes: Map<MemberId, boolean> }
  | Leadership;

export interface CoreState {
  readonly options: CoreOptions;
  readonly log: RaftLog;
  hardState: HardState;
  membership: Membership;
  role: RoleState;
  leader: MemberId | null;
  /** Ticks since the current leader was heard, a vote was given or a campaign began. */
  electionElapsed: number;
  /** Null until the next tick brings the entropy to draw it. */
  electionTimeout: number | null;
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

/** The head of a message of the present term. */
export function envelope(
  core: CoreState,
  to: MemberId,
): { readonly from: MemberId; readonly to: MemberId; readonly term: HardState['term'] } {
  return { from: core.options.self, to, term: core.hardState.term };
}

/** What a majority of every voter set has reached: `own` for this leader, `of` for every other voter. */
export function quorumReached(
  core: CoreState,
  lead: Leadership,
  own: number,
  of: (peer: Progress) => number,
): number {
  return quorumValue(core.membership.voterSets, (member) =>
    member === core.options.self ? own : of(present(lead.peers.get(member), 'a leader knows every voter')),
  );
}
