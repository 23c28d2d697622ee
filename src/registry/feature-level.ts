// What is written at which feature level of the group, so that members of two releases can work on the same records.

import { migrationsOf } from '../topology/cluster.ts';
import type { Cluster } from '../topology/types.ts';

// A group works at the lowest level of its members (base/feature-level.ts): at level 1 cluster records are of version 1 and facts are kept
// in memory; from level 2 on cluster records are of version 2, whose migrations can be cancelled, and facts are stored; from level 3 on cluster
// records are of version 3, whose shards can be drained; from level 4 on there are policies; from level 5 on departures, and policies of clusters
// are of version 2, which have spares; from level 6 on moves of slots are tasks; from level 7 on facts are of version 2
// where their cluster is only observed.

/** The level from which on facts are stored. */
export const STORED_FACTS_LEVEL = 2;

const CANCELLED_MIGRATION_LEVEL = 2;

/** The level from which on a planned change of masters can be recorded. */
export const DRAIN_LEVEL = 3;

/** The level from which on policies are stored. */
export const POLICY_LEVEL = 4;

/** The level from which on policies of clusters have spares. */
export const SPARES_LEVEL = 5;

/** The level from which on it is written down what has left a cluster. */
export const DEPARTURE_LEVEL = 5;

/** The level from which on moves of slots are kept as tasks. */
export const TASK_LEVEL = 6;

/** The level at which a cluster can be one that is only observed. A group that is made out of a backup begins there. */
export const OBSERVED_LEVEL = 7;

/** The level without which `cluster` cannot be written. */
export function levelNeededBy(cluster: Cluster): number {
  if (cluster.shards.some(({ drain }) => drain !== null)) return DRAIN_LEVEL;
  const isAnyCancelled = migrationsOf(cluster).some(({ migration }) => migration.isCancelled);
  return isAnyCancelled ? CANCELLED_MIGRATION_LEVEL : 1;
}

export type ClusterRecordVersion = 1 | 2 | 3;

/** The version in which the record of a cluster is written at `level`. */
export function clusterRecordVersion(level: number): ClusterRecordVersion {
  if (level < CANCELLED_MIGRATION_LEVEL) return 1;
  return level < DRAIN_LEVEL ? 2 : 3;
}

export type ClusterPolicyVersion = 1 | 2;

/** The version in which the policy of a cluster is written at `level`. */
export function clusterPolicyVersion(level: number): ClusterPolicyVersion {
  return level < SPARES_LEVEL ? 1 : 2;
}
