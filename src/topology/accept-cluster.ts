// A cluster that was only observed is managed from now on: what its nodes cannot have heard from this group counts no more.

import { ok, type Result } from '../base/result.ts';
import { cancelMigration } from './change-slots.ts';
import { type TaskRefusal, withTaskCancelled, type Worked } from './change-tasks.ts';
import { clusterWithVersion, migrationsOf } from './cluster.ts';
import type { TopologyError } from './errors.ts';
import type { ClusterFacts } from './facts.ts';
import { openTasks } from './task.ts';
import type { ClusterVersion } from './types.ts';

export interface Acceptance {
  /** The highest version that any of its nodes has; 0 when none has one. */
  readonly highestVersion: number;
  /** Seconds since the Unix epoch. */
  readonly nowSeconds: number;
}

export interface Accepted extends Worked {
  readonly facts: ClusterFacts;
}

/**
 * The cluster as it is recorded, under a version above every node's. Moves of slots that were under way when the backup was made are given up: they may
 * have been carried out, or given up, since. Where nodes have heard of versions that are not recorded here, masters may have changed in between, so
 * that nothing older than their present topology proves a copy.
 */
export function acceptedCluster(
  worked: Worked,
  facts: ClusterFacts,
  { highestVersion, nowSeconds }: Acceptance,
): Result<Accepted, TopologyError | TaskRefusal> {
  const recordedVersion = worked.cluster.version;
  let { cluster, tasks } = worked;
  for (const task of openTasks(tasks)) {
    const cancelled = withTaskCancelled({ cluster, tasks }, task, nowSeconds);
    if (!cancelled.ok) return cancelled;
    ({ cluster, tasks } = cancelled.value);
  }
  for (const { sourceIndex } of migrationsOf(cluster)) {
    const cancelled = cancelMigration(cluster, sourceIndex);
    if (!cancelled.ok) return cancelled;
    cluster = cancelled.value;
  }
  const raised = clusterWithVersion(cluster, Math.max(cluster.version, highestVersion) + 1);
  if (!raised.ok) return raised;
  const managed = { ...facts, contestedVersion: null, observedSinceSeconds: null };
  if (highestVersion <= recordedVersion) return ok({ cluster: raised.value, tasks, facts: managed });
  const sinceVersion = highestVersion as ClusterVersion;
  const shards = new Map(
    [...facts.shards.keys()].map((id) => [id, { sinceVersion, promotions: [] }] as const),
  );
  return ok({ cluster: raised.value, tasks, facts: { ...managed, shards } });
}
