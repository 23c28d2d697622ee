// A backup is read to its last byte and replayed into a state, and what it holds is looked through. Nothing else is needed, and nothing is changed.

import { err, ok, type Result } from '../base/result.ts';
import { printTime } from '../base/wall-time.ts';
import { type Task } from '../base/task.ts';
import { allMembers, isVoter } from '../raft/core/membership.ts';
import type { SnapshotMeta } from '../raft/core/types.ts';
import { SnapshotDamaged, SnapshotUnsupported } from '../raft/snapshot/errors.ts';
import { readSnapshotPieces } from '../raft/snapshot/file-reader.ts';
import { SNAPSHOT_VERSION } from '../raft/snapshot/format.ts';
import type { FileSystem } from '../raft/wal/file-system.ts';
import { SnapshotDecoder } from '../store/snapshot-codec.ts';
import { type StateAudit, auditTask } from './audit.ts';
import type { BackupReport } from './report.ts';

/** Why a file is no backup that this release can read; for people, with the place. */
export interface BackupRefusal {
  readonly kind: 'damaged' | 'unsupported';
  readonly reason: string;
}

/** Where a backup comes from: a file, or bytes on their way in. */
export type BackupSource = Pick<FileSystem, 'open' | 'defer'>;

/** `path` is opened at `source`. Errors of the source itself are thrown. */
export function* readBackupTask(
  source: BackupSource,
  path: string,
): Task<Result<BackupReport, BackupRefusal>> {
  const decoder = new SnapshotDecoder();
  try {
    const { meta, bytes } = yield* readSnapshotPieces(source, path, (piece) => decoder.chunk(piece));
    const state = decoder.finish(meta.index);
    if (!state.ok)
      return err({ kind: 'damaged', reason: `it holds no state that this release can read: ${state.error}` });
    const audit = yield* auditTask(state.value, (callback) => source.defer(callback));
    return ok(reportOf(meta, bytes, audit));
  } catch (error) {
    if (error instanceof SnapshotDamaged)
      return err({ kind: 'damaged', reason: `it is damaged at byte ${error.offset}: ${error.reason}` });
    if (error instanceof SnapshotUnsupported) return err({ kind: 'unsupported', reason: error.message });
    throw error;
  }
}

function reportOf({ index, term, membership }: SnapshotMeta, bytes: number, audit: StateAudit): BackupReport {
  const { counts, featureLevel, newestEventAtMs, findings, findingCount } = audit;
  return {
    backup: {
      format: SNAPSHOT_VERSION,
      bytes,
      index,
      term,
      members: allMembers(membership).map((id) => ({
        id,
        addr: membership.addresses.get(id) ?? '',
        role: isVoter(membership, id) ? 'voter' : 'learner',
      })),
      feature_level: featureLevel,
      newest_event_at: newestEventAtMs === null ? null : printTime(Math.floor(newestEventAtMs / 1000)),
      namespaces: counts.namespaces,
      clusters: counts.clusters,
      shards: counts.shards,
      nodes: counts.nodes,
      open_tasks: counts.openTasks,
      events: counts.events,
    },
    finding_count: findingCount,
    findings,
  };
}
