// What one look at a Kvrocks node can tell. Made by `kvrocks/`, judged by `control/`.

import type { NodeAddress, NodeId, NodeRole, SlotRange } from '../topology/types.ts';

/**
 * Why a command got no useful reply. Sorted by what may be concluded:
 * - `unreachable`: no connection, or it broke before the command was sent; certainly not executed.
 * - `timedOut`, `connectionLost`: no reply; the command may still take effect (facts section 8: also after minutes).
 * - the rest are replies of a living node.
 */
export type NodeErrorKind =
  | 'unreachable'
  | 'timedOut'
  | 'connectionLost'
  | 'loading'
  | 'notInitialized'
  | 'masterDown'
  | 'passwordRequired'
  | 'wrongPassword'
  | 'passwordNotSet'
  | 'clusterDisabled'
  | 'invalidVersion'
  | 'migrationRunning'
  | 'alreadyMigrated'
  | 'notKvrocks'
  | 'refused'
  | 'malformedReply';

/** `message` is the node's own text or the system's, for people. */
export interface NodeError {
  readonly kind: NodeErrorKind;
  readonly message: string;
}

/** `migrating_*` lines of CLUSTER INFO on a source: the last or current job (facts section 5.2). */
export interface SourceJob {
  readonly range: SlotRange;
  readonly destination: NodeId;
  readonly state: 'start' | 'success' | 'fail' | 'none';
}

/** `importing_*` lines of CLUSTER INFO on a target: the last or current import. */
export interface TargetJob {
  readonly range: SlotRange;
  readonly state: 'start' | 'success' | 'error' | 'none';
}

/** Everything one probe reads: CLUSTER INFO, CLUSTERX MYID, INFO replication. Never ROLE (facts section 3.4: crashes the server). */
export interface NodeReport {
  /** Null on a node that was never given one. */
  readonly id: NodeId | null;
  /** `cluster_current_epoch`; -1 on a node without a topology. */
  readonly version: number;
  readonly role: NodeRole;
  /** Whom a replica follows; null on a master. */
  readonly master: NodeAddress | null;
  /** `master_link_status`; null on a master. `up` says nothing about a hung master (facts section 8). */
  readonly link: 'up' | 'down' | null;
  /** Seconds since the replica last heard from its master; null on a master or when it never connected. */
  readonly lastIoSeconds: number | null;
  readonly syncInProgress: boolean;
  /** The node's own sequence number (`master_repl_offset`); null when the reply had none. */
  readonly sequence: number | null;
  readonly sourceJob: SourceJob | null;
  readonly targetJob: TargetJob | null;
}

export type ProbeResult =
  | { readonly kind: 'answered'; readonly report: NodeReport }
  | { readonly kind: 'failed'; readonly error: NodeError };
