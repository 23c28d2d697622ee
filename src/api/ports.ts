// What the routes need of the rest of the program. `server.ts` joins them with the registry, the leader and Raft.

import type { Result } from '../base/result.ts';
import type { Cluster, Name, NodeAddress, NodeId } from '../topology/types.ts';
import type { NodeError } from '../control/observation.ts';
import type { Secret } from '../base/secret.ts';

/** This member's view of the group. All calls are local and immediate. */
export interface GroupView {
  current(): GroupStatus;
  /** Member id -> recorded address. */
  peers(): ReadonlyMap<number, NodeAddress>;
}

export interface GroupStatus {
  readonly self: number;
  readonly term: number;
  readonly leader: { readonly id: number; readonly address: NodeAddress } | null;
  /** Null when this member knows a leader and has applied what it knows committed, else why not. */
  readonly notReady: string | null;
}

/** A cluster as stored, with the revision a change is compared against. */
export interface ClusterRecord {
  readonly namespace: Name;
  readonly cluster: Cluster;
  readonly revision: number;
}

/** Why a change of the records did not happen, or may have happened (`unknown`). */
export type ClustersError =
  | { readonly kind: 'exists' }
  | { readonly kind: 'missing' }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'namespaceNotEmpty' }
  | {
      readonly kind: 'addressTaken';
      readonly address: NodeAddress;
      readonly namespace: Name;
      readonly cluster: Name;
    }
  | { readonly kind: 'notLeader' }
  | { readonly kind: 'overloaded' }
  | { readonly kind: 'tooLarge'; readonly reason: string }
  | { readonly kind: 'unknown'; readonly reason: string };

/** The stored namespaces and clusters. Reads are local: call `linearize` first. No call rejects. */
export interface Clusters {
  linearize(): Promise<Result<void, ClustersError>>;
  listNamespaces(): readonly Name[];
  hasNamespace(namespace: Name): boolean;
  createNamespace(namespace: Name): Promise<Result<void, ClustersError>>;
  deleteNamespace(namespace: Name): Promise<Result<void, ClustersError>>;
  listClusters(namespace: Name): readonly Name[];
  getCluster(namespace: Name, cluster: Name): ClusterRecord | null;
  /** The cluster that has a node at `address`; null when none has. */
  ownerOf(address: NodeAddress): { readonly namespace: Name; readonly cluster: Name } | null;
  createCluster(namespace: Name, cluster: Cluster): Promise<Result<void, ClustersError>>;
  replaceCluster(record: ClusterRecord, next: Cluster): Promise<Result<void, ClustersError>>;
  deleteCluster(record: ClusterRecord): Promise<Result<void, ClustersError>>;
}

/** What a node says about itself before it is taken into a cluster. */
export interface NodeInspection {
  /** Null on a node that was never given one. */
  readonly id: NodeId | null;
  /** -1 without a topology. */
  readonly version: number;
}

/** Asks nodes. Each call has its own deadline and never rejects. */
export interface NodeInspector {
  /** Reachable, Kvrocks, cluster mode, right password; else the reason. */
  inspect(address: NodeAddress, password: Secret): Promise<Result<NodeInspection, NodeError>>;
  /** The text of CLUSTER NODES. */
  clusterNodes(address: NodeAddress, password: Secret): Promise<Result<string, NodeError>>;
}

/** Manual failover, run by the leader of the current term. */
export interface Failovers {
  /**
   * Promotes `preferred`, or the best replica when null. Resolves when the change is committed and the new master was
   * told or a bounded time has passed. Another node than `preferred` is never taken.
   */
  failover(request: FailoverRequest): Promise<Result<NodeId, FailoverRefusal>>;
}

export interface FailoverRequest {
  readonly namespace: Name;
  readonly cluster: Name;
  readonly shardIndex: number;
  readonly preferred: NodeId | null;
}

export type FailoverRefusal = ClustersError | { readonly kind: 'refused'; readonly reason: string };

/** Counts and times of requests; `telemetry/metrics.ts`. */
export interface RequestMetrics {
  observeRequest(labels: RequestLabels, elapsedMs: number, payloadBytes: number): void;
  /** Prometheus text and its content type. */
  render(): Promise<{ readonly text: string; readonly contentType: string }>;
}

export interface RequestLabels {
  readonly method: string;
  /** The route's template, never the raw path: labels are bounded sets. */
  readonly uri: string;
  readonly code: number;
}
