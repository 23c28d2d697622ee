// What a caller of the driver may learn when there is no result. The store states the same shape as its own port.

import type { Result } from '../base/result.ts';
import type { ApplyResult } from './ports.ts';

/**
 * `notLeader` and `overloaded`: certainly nothing happened and nothing will.
 * `unknown`: it may have happened or may still happen.
 */
export type Unavailable =
  | { readonly kind: 'notLeader' }
  | { readonly kind: 'overloaded' }
  | { readonly kind: 'unknown'; readonly reason: string };

export type ProposalOutcome = Result<ApplyResult, Unavailable>;
export type ReadOutcome = Result<void, Unavailable>;

export interface ProposeOptions {
  /** Refuse as `notLeader` unless this member leads exactly this term, established, when the entry gets its place. */
  readonly term?: number;
  /** Milliseconds until the outcome is reported as `unknown`. */
  readonly deadlineMs: number;
}
