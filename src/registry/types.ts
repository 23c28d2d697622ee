// What the rest of the program sees of stored namespaces and clusters.

import type { Revision, StoreUnavailable } from '../store/types.ts';
import type { Cluster, Name, NodeAddress } from '../topology/types.ts';

/** A cluster as committed and applied here. Every change of it is compared against `revision`. */
export interface ClusterRecord {
  readonly namespace: Name;
  readonly cluster: Cluster;
  readonly revision: Revision;
}

/** Which cluster of which namespace. */
export interface ClusterPlace {
  readonly namespace: Name;
  readonly cluster: Name;
}

/**
 * Why a change did not happen, or may have happened (`unknown`). After every other kind it certainly did not.
 * `missing`: the namespace or cluster does not exist. `conflict`: it was changed by others since it was read; read it again.
 * `tooLarge`: the record would exceed what one log entry may carry.
 */
export type RegistryError =
  | StoreUnavailable
  | { readonly kind: 'exists' }
  | { readonly kind: 'missing' }
  | { readonly kind: 'conflict' }
  | { readonly kind: 'namespaceNotEmpty' }
  | ({ readonly kind: 'addressTaken'; readonly address: NodeAddress } & ClusterPlace)
  | { readonly kind: 'tooLarge'; readonly reason: string };

/** What can be in the way of changing a cluster that exists. */
export type ReplaceError = Exclude<RegistryError, { readonly kind: 'exists' | 'namespaceNotEmpty' }>;

/** Clusters created, changed or deleted by one applied transaction, or possibly all of them after a snapshot. */
export type RegistryChange =
  | { readonly kind: 'clusters'; readonly clusters: readonly ClusterPlace[] }
  | { readonly kind: 'replaced' };
