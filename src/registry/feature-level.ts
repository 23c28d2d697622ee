// What is written at which feature level of the group, so that members of two releases can work on the same records.

import { migrationsOf } from '../topology/cluster.ts';
import type { Cluster } from '../topology/types.ts';

/**
 * The level of this release. A group works at the lowest level of its members: every record is written in the format of the group's
 * level, and every member reads all formats up to its own.
 *  1  cluster records of version 1; facts are kept in memory
 *  2  cluster records of version 2, whose migrations can be cancelled; facts are stored
 */
export const FEATURE_LEVEL = 2;

/** The level from which on facts are stored. */
export const STORED_FACTS_LEVEL = 2;

const CANCELLED_MIGRATION_LEVEL = 2;

/** The level without which `cluster` cannot be written. */
export function levelNeededBy(cluster: Cluster): number {
  const isAnyCancelled = migrationsOf(cluster).some(({ migration }) => migration.isCancelled);
  return isAnyCancelled ? CANCELLED_MIGRATION_LEVEL : 1;
}

/** The version in which the record of a cluster is written at `level`. */
export function clusterRecordVersion(level: number): 1 | 2 {
  return level < CANCELLED_MIGRATION_LEVEL ? 1 : 2;
}
