// What the supervisors need of the world. `server.ts` gives them the adapters.

import type { Result } from '../base/result.ts';
import type { NodeError, ProbeResult } from '../control/observation.ts';
import type { ClusterVersion, NodeAddress, NodeId, SlotRange } from '../topology/types.ts';
import type { Secret } from '../base/secret.ts';

/** Whom to talk to. A changed address or password means another connection. */
export interface NodeEndpoint {
  readonly address: NodeAddress;
  readonly password: Secret;
}

/** The commands a supervisor sends. Each has its own hard deadline, resolves always and never rejects. */
export interface NodeClient {
  /** One look; `deadlineMs` covers connecting, authentication and all replies. */
  probe(endpoint: NodeEndpoint, deadlineMs: number): Promise<ProbeResult>;
  /**
   * SETNODEID (only when `id` is given) and SETNODES in one write. May take over 10 s and stalls the node meanwhile
   * (facts section 3.6), hence a connection of its own. A timeout is "unknown".
   */
  setTopology(endpoint: NodeEndpoint, push: TopologyPush, deadlineMs: number): Promise<Result<void, NodeError>>;
  /** CLUSTERX MIGRATE, asynchronous: success means queued, nothing more. */
  migrate(endpoint: NodeEndpoint, range: SlotRange, target: NodeId, deadlineMs: number): Promise<Result<void, NodeError>>;
  /** Closes the connections to nodes not in `keep`. */
  retain(keep: ReadonlySet<NodeAddress>): void;
}

export interface TopologyPush {
  readonly id: NodeId | null;
  readonly text: string;
  readonly version: ClusterVersion;
}
