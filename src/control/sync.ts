// A topology told again because somebody asked: to whom, and to whom not.

import { migrationsOf } from '../topology/cluster.ts';
import type { Cluster } from '../topology/types.ts';
import type { NodeReport } from './observation.ts';
import type { Circumstances, Sight } from './sight.ts';

/**
 * Why a node that seems in its place is not told its topology once more; null when it can be. What a migration or a drain has told its ends is
 * not repeated in its midst: their next step tells them.
 */
export function doubtOfRepeating(
  { cluster }: Pick<Circumstances, 'cluster'>,
  { shard }: Pick<Sight, 'shard'>,
  report: NodeReport,
): string | null {
  if (shard.drain !== null) return 'a planned change of masters is under way in its shard';
  if (isMigrating(cluster, shard.id)) return 'its shard takes part in a migration';
  const isMoving = report.sourceJob?.state === 'start' || report.targetJob?.state === 'start';
  return isMoving ? 'somebody moves slots there' : null;
}

function isMigrating(cluster: Cluster, id: Sight['shard']['id']): boolean {
  return migrationsOf(cluster).some(({ source, target }) => source.id === id || target.id === id);
}

/** Whether somebody asked for the topology to be told again, and the node was looked at since. */
export function isAskedAgain({ memory: { push, look } }: Pick<Sight, 'memory'>): boolean {
  return push.askedAtMs !== null && look !== null && look.startedAtMs >= push.askedAtMs;
}
