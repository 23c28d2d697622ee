// A fresh data directory out of a backup: the first and only member of a new group that goes on from the saved state.

import { join } from 'node:path';

import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { type Task, completion, outcome } from '../../base/task.ts';
import type { ClusterId } from '../cluster-id.ts';
import type { LogPosition, MemberId, Membership, SnapshotMeta } from '../core/types.ts';
import type { SnapshotFile } from '../ports.ts';
import type { FileSystem } from '../wal/file-system.ts';
import {
  type Identity,
  createIdentity,
  markRestored,
  markRestoring,
  writeIdentity,
} from '../wal/identity.ts';
import { LOG_FOLDER, SEGMENT_BYTES_DEFAULT, makeLog } from '../wal/new-log.ts';
import { LogOutline } from '../wal/outline.ts';
import { taskPromise } from '../wal/task.ts';
import { openSnapshotsTask } from './directory.ts';
import { RestoreRefused, SnapshotDamaged, SnapshotUnsupported } from './errors.ts';
import { SnapshotFileReader, readSnapshotPieces } from './file-reader.ts';

/** The folder of the snapshots in a data directory. */
const SNAPSHOT_FOLDER = 'snapshots';
/** What a file system may have put into the root of a new volume. */
const NOT_OURS = 'lost+found';

/** Reads a state only to see whether it is one. */
export interface StateCheck {
  chunk(bytes: Uint8Array): void;
  /** After the last chunk: why they are no state; null when they are. */
  ready(): string | null;
}

export interface RestoreDirectoryOptions {
  readonly fileSystem: FileSystem;
  /** The data directory to be made: missing or empty, in use by nobody. */
  readonly directory: string;
  /** The path of a backup, or of a snapshot file. It is only read. */
  readonly backupFile: string;
  readonly memberId: MemberId;
  /** host:port at which the members to come will find this one. */
  readonly address: string;
  /** The new group's: random, so that members of the old group are foreign to it. */
  readonly clusterId: ClusterId;
  /** Checks the content for the state machine that will run on it. */
  readonly check: (position: LogPosition) => StateCheck;
  readonly clock: Clock;
  readonly random: Random;
  /** As for `openWal`. */
  readonly segmentBytes?: number;
}

export interface RestoredDirectory {
  /** Where the new group begins: the backup's position, with this member alone. */
  readonly meta: SnapshotMeta;
  readonly identity: Identity;
  /** Who took part in the group that was backed up. */
  readonly before: Membership;
}

/**
 * Verifies the whole backup, then makes the directory, which starts like that of any member: its log begins at the backup's
 * index and term, in force is a membership of this member alone, bound to a new incarnation. One that was interrupted leaves a
 * mark by which every start refuses the directory. Rejects with `RestoreRefused`
 * and a line that says what to do when the directory is not empty or the file is not to be used, and with the disk's error.
 */
export function restoreDataDirectory(options: RestoreDirectoryOptions): Promise<RestoredDirectory> {
  return taskPromise(restoreDataDirectoryTask(options));
}

/** `restoreDataDirectory` for a caller that owns the order of events. */
export function* restoreDataDirectoryTask(options: RestoreDirectoryOptions): Task<RestoredDirectory> {
  const { fileSystem, directory, backupFile, memberId, address } = options;
  yield* completion((done) => fileSystem.ensureDirectory(directory, done));
  yield* expectEmpty(fileSystem, directory);
  const found = yield* verify(options);
  const identity = createIdentity(options, options);
  const membership: Membership = {
    voterSets: [[memberId]],
    learners: [],
    addresses: new Map([[memberId, address]]),
    incarnations: new Map([[memberId, identity.incarnation]]),
    removed: [],
  };
  const meta: SnapshotMeta = { index: found.index, term: found.term, membership };
  yield* markRestoring(fileSystem, directory);
  yield* makeRestoredLog(options, identity, meta);
  yield* copySnapshot(fileSystem, { from: backupFile, to: join(directory, SNAPSHOT_FOLDER), meta });
  const ready = { ...identity, state: 'ready' } satisfies Identity;
  yield* writeIdentity(fileSystem, directory, ready);
  yield* markRestored(fileSystem, directory);
  return { meta, identity: ready, before: found.membership };
}

function* expectEmpty(fileSystem: FileSystem, directory: string): Task<void> {
  const names = yield* outcome<readonly string[]>((done) => fileSystem.list(directory, done));
  const found = names.find((name) => name !== NOT_OURS);
  if (found === undefined) return;
  const text = `the data directory ${directory} is not empty (it holds ${found}). A backup is restored into an empty directory only: name another one, or move away what is there. If an earlier restore was interrupted there, empty it and start again.`;
  throw new RestoreRefused('notEmpty', text);
}

/** Reads the whole file twice over: its own checksums, and whether this release makes a state of it. */
function* verify({ fileSystem, backupFile, check }: RestoreDirectoryOptions): Task<SnapshotMeta> {
  try {
    const reader = yield* SnapshotFileReader.open(fileSystem, backupFile);
    const { meta } = reader;
    yield* reader.close();
    const state = check(meta);
    yield* readSnapshotPieces(fileSystem, backupFile, (piece) => state.chunk(piece));
    const problem = state.ready();
    if (problem === null) return meta;
    throw new RestoreRefused(
      'damaged',
      `the backup ${backupFile} is no state this release can read: ${problem}. Use another backup, or the release that wrote this one.`,
    );
  } catch (error) {
    throw refusal(backupFile, error);
  }
}

function refusal(backupFile: string, error: unknown): unknown {
  if (error instanceof SnapshotDamaged) {
    const text = `the backup ${backupFile} is damaged at byte ${error.offset}: ${error.reason}. A download that was cut short looks like this. Use another backup; nothing was restored.`;
    return new RestoreRefused('damaged', text);
  }
  if (error instanceof SnapshotUnsupported) return new RestoreRefused('unsupported', error.message);
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'EACCES')) {
    const text = `the backup ${backupFile} cannot be read (${error.code}). Check the path and its permissions.`;
    return new RestoreRefused('unreadable', text);
  }
  return error;
}

function* makeRestoredLog(
  options: RestoreDirectoryOptions,
  identity: Identity,
  base: SnapshotMeta,
): Task<void> {
  const { fileSystem, directory, segmentBytes = SEGMENT_BYTES_DEFAULT } = options;
  const logFolder = join(directory, LOG_FOLDER);
  yield* completion((done) => fileSystem.ensureDirectory(logFolder, done));
  // No vote: nobody of the old group takes part. The term must not fall, or entries would be of a future one.
  const outline = LogOutline.empty({ term: base.term, votedFor: null }, base);
  const { active } = yield* makeLog({ fileSystem, logFolder, segmentBytes }, identity, outline);
  yield* completion((done) => active.file.close(done));
}

/** The same state under the new membership. */
function* copySnapshot(
  fileSystem: FileSystem,
  copy: { readonly from: string; readonly to: string; readonly meta: SnapshotMeta },
): Task<void> {
  const { snapshots } = yield* openSnapshotsTask({ fileSystem, directory: copy.to });
  const incoming = snapshots.receive(copy.meta);
  const reader = yield* SnapshotFileReader.open(fileSystem, copy.from);
  try {
    for (let chunk = yield* reader.next(); chunk !== null; chunk = yield* reader.next()) {
      const payload = chunk;
      yield* completion((done) => incoming.write(payload, done));
    }
    yield* outcome<SnapshotFile>((done) => incoming.finish(done));
  } finally {
    incoming.abort();
    yield* reader.close();
  }
}
