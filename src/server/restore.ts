// A new group of one member from a backup.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Config } from '../config/config.ts';
import { randomClusterId } from '../raft/cluster-id.ts';
import { allMembers } from '../raft/core/membership.ts';
import { memberId } from '../raft/core/types.ts';
import { RestoreRefused } from '../raft/snapshot/errors.ts';
import { restoreDataDirectory } from '../raft/snapshot/restore-directory.ts';
import { nodeFileSystem } from '../raft/wal/node-file-system.ts';
import { snapshotCheck } from '../store/snapshot-codec.ts';

/** Makes the data directory; the ordinary start goes on from there. The error is for people; an error of the disk rejects. */
export async function restoreBackup(
  { raft, advertiseAddress }: Config,
  backup: string,
  parts: { readonly clock: Clock; readonly random: Random; readonly logger: Logger },
): Promise<Result<void, string>> {
  if (raft.clusterState === 'existing') {
    return err('--restore makes a new group, but raft.cluster_state is "existing"; set it to "new"');
  }
  try {
    const restored = await restoreDataDirectory({
      fileSystem: nodeFileSystem,
      directory: raft.dataDir,
      backupFile: backup,
      memberId: memberId(raft.id),
      address: advertiseAddress,
      clusterId: randomClusterId(parts.random),
      check: ({ index }) => snapshotCheck(index),
      ...parts,
    });
    parts.logger.info('controller.restored', {
      backup,
      index: restored.meta.index,
      cluster: restored.identity.clusterId,
      membersBefore: allMembers(restored.before).join(','),
    });
    return ok(undefined);
  } catch (error) {
    if (error instanceof RestoreRefused) return err(`--restore: ${error.message}`);
    throw error;
  }
}
