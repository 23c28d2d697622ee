// What a caller of the driver may learn when there is no result. The store states the same shape as its own port.

import type { Result } from '../base/result.ts';
import type { ProposalRefusal, TransferRefusal } from './core/step.ts';
import type { MemberId } from './core/types.ts';
import type { ApplyResult } from './ports.ts';

/**
 * Why a member that leads takes no more work. `noSpace`: the disk of the log is nearly full, and what is left is kept
 * for votes and changes of members. `diskStalled`: the disk does not answer. `tooLarge`: one command above the limit.
 */
export type OverloadReason = 'tooMuchWaiting' | 'tooLarge' | 'noSpace' | 'diskStalled';

/**
 * `notLeader` and `overloaded`: certainly nothing happened and nothing will.
 * `unknown`: it may have happened or may still happen.
 */
export type Unavailable =
  | { readonly kind: 'notLeader' }
  | { readonly kind: 'overloaded'; readonly reason: OverloadReason }
  | { readonly kind: 'unknown'; readonly reason: string };

export type ProposalOutcome = Result<ApplyResult, Unavailable>;
export type ReadOutcome = Result<void, Unavailable>;

export interface ProposeOptions {
  /** Refuse as `notLeader` unless this member leads exactly this term, established, when the entry gets its place. */
  readonly term?: number;
  /** Milliseconds until the outcome is reported as `unknown`. */
  readonly deadlineMs: number;
}

/** Why the group will not make a change of members: at all, or not now. */
export type ChangeRefusal = Exclude<ProposalRefusal, 'notLeader' | 'overloaded' | 'transferring'>;

/** `ok`: the change, the leave of a joint one included, is committed and applied here. `refused`: nothing happened. */
export type ChangeOutcome = Result<
  void,
  Unavailable | { readonly kind: 'refused'; readonly reason: ChangeRefusal }
>;

/**
 * `refused`: nothing happened. `aborted`: the other member did not take over in time, this one still leads. `unknown`:
 * this member does not lead any more, and who does was not learnt in time.
 */
export type TransferFailure =
  | { readonly kind: 'notLeader' }
  | { readonly kind: 'refused'; readonly reason: Exclude<TransferRefusal, 'notLeader'> }
  | { readonly kind: 'aborted' }
  | { readonly kind: 'unknown'; readonly reason: string };

/** The value is the member that leads now: the one asked for, or whoever was faster. */
export type TransferOutcome = Result<MemberId, TransferFailure>;

/**
 * How giving the lead away before an orderly end went. `handedOver`: another member leads, and nothing placed by this
 * one is open. `notLeading`: there was nothing to give. `nobodyElse`: no other voter was heard lately. `deadline`: out of
 * time.
 */
export type HandOverOutcome = 'handedOver' | 'notLeading' | 'nobodyElse' | 'deadline';
