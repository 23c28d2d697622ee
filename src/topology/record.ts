// What the program keeps of a cluster, and what can be in the way of changing it: one definition for whoever reads, changes or serves it.

import { type ClusterFacts, factsFor } from './facts.ts';
import type { Cluster, Name, NodeAddress } from './types.ts';

/** Which cluster of which namespace. */
export interface ClusterPlace {
  readonly namespace: Name;
  readonly cluster: Name;
}

/** A cluster as committed and applied here. Every change of it is compared against what its maker read: the two revisions. */
export interface ClusterRecord {
  readonly namespace: Name;
  readonly cluster: Cluster;
  /** Rises with every change of `cluster`. */
  readonly revision: number;
  /** Always in step with `cluster`: `clusterRecord` sees to it. */
  readonly facts: ClusterFacts;
  /** Rises with every change of the stored facts; 0 while none are stored. */
  readonly factsRevision: number;
}

/** The record of `fields`. Facts are stored apart from their cluster, so a change of the cluster alone leaves them a step behind. */
export function clusterRecord(fields: ClusterRecord): ClusterRecord {
  const facts = factsFor(fields.facts, fields.cluster);
  return facts === fields.facts ? fields : { ...fields, facts };
}

/**
 * Why a change of a namespace or cluster did not happen, or may have happened (`unknown`). After every other kind it certainly did not.
 */
export type ChangeError =
  /** The namespace or cluster does not exist. */
  | { readonly kind: 'missing' }
  | { readonly kind: 'exists' }
  /** It was changed by others since it was read; read it again. */
  | { readonly kind: 'conflict' }
  | { readonly kind: 'namespaceNotEmpty' }
  | ({ readonly kind: 'addressTaken'; readonly address: NodeAddress } & ClusterPlace)
  /** The record would exceed what one log entry may carry. */
  | { readonly kind: 'tooLarge'; readonly reason: string }
  /** Some member of the group still runs a release that could not read the change: it needs level `needed`, the group is at `current`. */
  | { readonly kind: 'featureLevel'; readonly needed: number; readonly current: number }
  /** This group was made out of a backup and only looks at the cluster, since then, until somebody accepts it. */
  | { readonly kind: 'observed'; readonly sinceSeconds: number }
  | { readonly kind: 'notLeader' }
  | { readonly kind: 'overloaded' }
  | { readonly kind: 'unknown'; readonly reason: string };
