// What a node is asked and told, as data: one definition for who decides it, who sends it and who carries it.

import type { Secret } from '../base/secret.ts';
import type { ClusterVersion, NodeAddress, NodeId } from '../topology/types.ts';

/** Whom to talk to. A changed address or password means another connection; an empty password means that AUTH is not sent. */
export interface NodeEndpoint {
  readonly address: NodeAddress;
  /** The node's `requirepass`. */
  readonly password: Secret;
}

/** A lease for the master with this id, which counts from the moment at which the node takes it. */
export interface LeaseRenewal {
  readonly id: NodeId;
  /** The node refuses one older than it has seen. */
  readonly version: ClusterVersion;
  readonly leaseMs: number;
  /** Asked right before it leaves, once the node has answered the questions before it. */
  readonly isStillWanted: () => boolean;
}

/** A topology for one node. */
export interface TopologyPush {
  /** Null when the node already has the right id. */
  readonly id: NodeId | null;
  readonly text: string;
  readonly version: ClusterVersion;
  /** Also over the same or a higher version the node has; its id is then found anew from its address (facts section 2.2). */
  readonly force: boolean;
}

/** What became of a wish that a node forget its topology: a node that has data keeps both. */
export type ResetOutcome = 'reset' | 'keepsData';
