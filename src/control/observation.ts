// What one look at a Kvrocks node can tell. Made by `kvrocks/`, judged by `control/`.

import type { NodesLine } from '../topology/cluster-nodes-text.ts';
import type { NodeAddress, NodeId, NodeRole, SlotRange } from '../topology/types.ts';

/**
 * Why a command got no useful reply. Sorted by what may be concluded:
 * - `ownFault`: this controller could not even try (no descriptor, no route, no address for the name); certainly not
 *   executed, and nothing is known of the node.
 * - `connectionRefused`: nobody listens at the address; certainly not executed.
 * - `unreachable`: no connection within the deadline, or the host cannot be reached; certainly not executed.
 * - `timedOut`, `connectionLost`: no reply; the command may still take effect (facts section 8: also after minutes).
 * - `garbage`: something answered that no server of this protocol would say.
 * - `malformedReply`: a well-formed reply that does not mean anything to this release; the node lives.
 * - `notKvrocks`: certainly another server.
 * - the rest are replies of a living node. `tooManyClients` comes on a new connection, whose commands were certainly
 *   not executed. `fragile` means that the node lives and that asking it for its position could end it.
 */
export type NodeErrorKind =
  | 'ownFault'
  | 'connectionRefused'
  | 'unreachable'
  | 'timedOut'
  | 'connectionLost'
  | 'garbage'
  | 'tooManyClients'
  | 'fragile'
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
  /**
   * Of a success: whether the node still turns clients away from these slots. It stops doing so when a topology that leaves them with it
   * undoes the hand-over (facts section 5.4), and says `success` all the same. Null for other states, and when it could not be asked.
   */
  readonly isInEffect: boolean | null;
}

/** `importing_*` lines of CLUSTER INFO on a target: the last or current import. */
export interface TargetJob {
  readonly range: SlotRange;
  readonly state: 'start' | 'success' | 'error' | 'none';
}

/**
 * Whether the stored password would log in now. A node keeps connections that are logged in when its password changes
 * (facts section 14), so this is asked again at intervals:
 * - `accepted`: it did, or none is stored and none is needed.
 * - `refused`: the node wants another one; what is open works on, a new connection would not.
 * - `needless`: one is stored and the node has none.
 */
export type LoginState = 'accepted' | 'refused' | 'needless';

/**
 * Everything one probe reads: CLUSTER INFO, CLUSTERX MYID, INFO replication, and at intervals login, settings and disk. Never ROLE (facts section
 * 3.4: crashes the server).
 */
export interface NodeReport {
  /** Null on a node that was never given one. */
  readonly id: NodeId | null;
  /**
   * `cluster_current_epoch`; -1 on a node without a topology. A version that no double holds exactly is reported as
   * `Number.MAX_SAFE_INTEGER`: it is above any that can be pushed, which is all that matters of it.
   */
  readonly version: number;
  readonly role: NodeRole;
  /** Whom a replica follows; null on a master. */
  readonly master: NodeAddress | null;
  /** `master_link_status`; null on a master. `up` says nothing about a hung master (facts section 8). */
  readonly link: 'up' | 'down' | null;
  /** Seconds since the replica last heard from its master; null on a master or when it never connected. */
  readonly lastIoSeconds: number | null;
  readonly syncInProgress: boolean;
  /** The node's own sequence number (`master_repl_offset`) as it says it, also a negative one; null when the reply had none. */
  readonly sequence: number | null;
  readonly sourceJob: SourceJob | null;
  readonly targetJob: TargetJob | null;
  readonly login: LoginState;
  /**
   * `slave-empty-db-before-fullsync`: after a full sync that failed, such a replica dies of being asked for its position
   * (facts section 3.4). Null when the node does not tell.
   */
  readonly emptiesBeforeFullSync: boolean | null;
  /** Percent of the volume of its data in use; absent when the node does not tell. */
  readonly diskUsedPercent?: number;
  /** What it holds under a version above ours, by its own word; null where that could not be read, absent where it was not asked. */
  readonly topology?: readonly NodesLine[] | null;
  /** Replicas are kept away from it by a password that only controllers know, until it is told a topology or starts again. */
  readonly isFenced: boolean;
}

export type ProbeResult =
  | { readonly kind: 'answered'; readonly report: NodeReport }
  | { readonly kind: 'failed'; readonly error: NodeError };
