// A failover that a person asks for, and why there was none: one definition for who serves it and who does it.

import type { ChangeError, ClusterPlace } from '../topology/record.ts';
import type { NodeId } from '../topology/types.ts';

export interface FailoverRequest extends ClusterPlace {
  readonly shardIndex: number;
  /** Null: the best replica. */
  readonly preferred: NodeId | null;
  /** Whether to promote also where writes may be lost by it. */
  readonly isForced: boolean;
  /** Refused when another node is the master by then. */
  readonly onlyFrom?: NodeId;
}

/** A failover that was committed. */
export interface FailoverDone {
  readonly newMaster: NodeId;
  /** What may be lost by it, one sentence; null where the master handed over, or takes no writes any more. */
  readonly warning: string | null;
}

/** `refused` carries a sentence for people. After `unknown` there may have been a failover. */
export type FailoverRefusal = ChangeError | { readonly kind: 'refused'; readonly reason: string };
