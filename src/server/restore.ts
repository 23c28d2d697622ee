// A new group of one member from a backup, which only observes the clusters of it.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { type Random, randomHex } from '../base/random.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Config } from '../config/config.ts';
import { randomClusterId } from '../raft/cluster-id.ts';
import { allMembers } from '../raft/core/membership.ts';
import { logIndex, type LogPosition, memberId } from '../raft/core/types.ts';
import { RestoreRefused } from '../raft/snapshot/errors.ts';
import { restoreDataDirectory, type StateReader } from '../raft/snapshot/restore-directory.ts';
import { nodeFileSystem } from '../raft/wal/node-file-system.ts';
import { OBSERVED_LEVEL } from '../registry/feature-level.ts';
import { observation, type ObservationStart } from '../registry/observation.ts';
import { SnapshotDecoder, snapshotChunks } from '../store/snapshot-codec.ts';

/** Makes the data directory; the ordinary start goes on from there. The error is for people; an error of the disk rejects. */
export async function restoreBackup(
  { raft, advertiseAddress }: Config,
  backup: string,
  parts: { readonly clock: Clock; readonly random: Random; readonly logger: Logger },
): Promise<Result<void, string>> {
  if (raft.clusterState === 'existing') {
    return err('--restore makes a new group, but raft.cluster_state is "existing"; set it to "new"');
  }
  if (raft.featureLevel < OBSERVED_LEVEL) {
    return err(
      `--restore makes a group at feature level ${OBSERVED_LEVEL}, but raft.feature_level_max is ${raft.featureLevel}; leave it out`,
    );
  }
  const start = {
    nowSeconds: Math.floor(parts.clock.wallMs() / 1000),
    requestId: randomHex(parts.random, 32),
  };
  try {
    const restored = await restoreDataDirectory({
      fileSystem: nodeFileSystem,
      directory: raft.dataDir,
      backupFile: backup,
      memberId: memberId(raft.id),
      address: advertiseAddress,
      clusterId: randomClusterId(parts.random),
      read: (position) => firstState(position, start),
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

/** The state of the backup and one entry more, with which every cluster of it is only observed. */
function firstState(position: LogPosition, start: ObservationStart): StateReader {
  const decoder = new SnapshotDecoder();
  return {
    chunk: (bytes) => decoder.chunk(bytes),
    ready() {
      const state = decoder.finish(position.index);
      if (!state.ok) return state;
      const first = observation(state.value, start);
      if (!first.ok) return first;
      const index = logIndex(position.index + 1);
      state.value.apply(index, first.value);
      const { hash } = state.value;
      const chunks = snapshotChunks({
        position: { ...position, index },
        hash,
        contents: state.value.contents(),
      });
      return ok({ entries: 1, chunks });
    },
  };
}
