// The state's database and the snapshots of one data directory.

import { join } from 'node:path';

import type { Logger } from '../base/logger.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { RaftDriver } from '../raft/driver.ts';
import { openSnapshots, type SnapshotDirectory } from '../raft/snapshot/directory.ts';
import { nodeFileSystem } from '../raft/wal/node-file-system.ts';
import { openStateMachine, type StoreStateMachine } from '../store/state-machine.ts';
import { systemClock } from '../system/clock.ts';
import { SnapshotTimes } from './snapshot-times.ts';

export interface Storage {
  readonly machine: StoreStateMachine;
  readonly snapshots: SnapshotDirectory;
  readonly snapshotTimes: SnapshotTimes;
  /** Where a failed write of the state's copy is reported from now on. */
  failTo(driver: RaftDriver): void;
}

/** The state's database first: its lock keeps a second process out of the whole data directory. */
export async function openStorage(dataDir: string, logger: Logger): Promise<Result<Storage, string>> {
  let early: Error | null = null;
  let onFault = (error: Error): void => {
    early = error;
  };
  await makeDataDirectory(dataDir);
  const opened = await openStateMachine({
    directory: join(dataDir, 'state'),
    logger,
    onFault: (error) => onFault(error),
    clock: systemClock,
  });
  if (!opened.ok) {
    return err(
      opened.error.kind === 'dataDirectoryInUse'
        ? `the data directory ${dataDir} is in use by another process; stop it or set another raft.data_dir`
        : `the data directory ${dataDir} cannot be opened: ${opened.error.cause.message}`,
    );
  }
  const { snapshots, damaged } = await openSnapshots({
    fileSystem: nodeFileSystem,
    directory: join(dataDir, 'snapshots'),
  });
  for (const problem of damaged) logger.warn('raft.snapshot.unusable', { reason: problem.message });
  return ok({
    machine: opened.value.machine,
    snapshots,
    snapshotTimes: await SnapshotTimes.open(systemClock, () => snapshots.newest()),
    failTo: (driver) => {
      onFault = (error) => driver.fail(error);
      if (early !== null) driver.fail(early);
    },
  });
}

function makeDataDirectory(dataDir: string): Promise<void> {
  return new Promise((resolve, reject) => {
    nodeFileSystem.ensureDirectory(dataDir, (error) => (error === null ? resolve() : reject(error)));
  });
}
