// A fresh data directory out of a backup: the first and only member of a new group that goes on from the saved state.

import { join } from 'node:path';

import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { Result } from '../../base/result.ts';
import { type Task, completion, outcome } from '../../base/task.ts';
import type { ClusterId } from '../cluster-id.ts';
import {
  type LogPosition,
  logIndex,
  type MemberId,
  type Membership,
  type SnapshotMeta,
} from '../core/types.ts';
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

/** Reads a state, and makes of it what the new group begins with. */
export interface StateReader {
  chunk(bytes: Uint8Array): void;
  /** After the last chunk; the error says why they are no state. */
  ready(): Result<FirstState, string>;
}

export interface FirstState {
  /** Log entries by which it is ahead of the backup. */
  readonly entries: number;
  /** As those of `StateMachine.snapshot`. */
  readonly chunks: Iterable<Uint8Array>;
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
  /** Reads the content for the state machine that will run on it. */
  readonly read: (position: LogPosition) => StateReader;
  readonly clock: Clock;
  readonly random: Random;
  /** As for `openWal`. */
  readonly segmentBytes?: number;
}

export interface RestoredDirectory {
  /** Where the new group begins, with this member alone. */
  readonly meta: SnapshotMeta;
  readonly identity: Identity;
  /** Who took part in the group that was backed up. */
  readonly before: Membership;
}

/**
 * Verifies the whole backup, then makes the directory, which starts like that of any member: its log begins right behind the
 * state it is given, in the backup's term, in force is a membership of this member alone, bound to a new incarnation. One that was interrupted leaves a
 * mark by which every start refuses the directory. Rejects with `RestoreRefused`
 * and a line that says what to do when the directory is not empty or the file is not to be used, and with the disk's error.
 */
export function restoreDataDirectory(options: RestoreDirectoryOptions): Promise<RestoredDirectory> {
  return taskPromise(restoreDataDirectoryTask(options));
}

/** `restoreDataDirectory` for a caller that owns the order of events. */
export function* restoreDataDirectoryTask(options: RestoreDirectoryOptions): Task<RestoredDirectory> {
  const { fileSystem, directory, memberId, address } = options;
  yield* completion((done) => fileSystem.ensureDirectory(directory, done));
  yield* expectEmpty(fileSystem, directory);
  const { found, first } = yield* verify(options);
  const identity = createIdentity(options, options);
  const membership: Membership = {
    voterSets: [[memberId]],
    learners: [],
    addresses: new Map([[memberId, address]]),
    incarnations: new Map([[memberId, identity.incarnation]]),
    removed: [],
  };
  const index = logIndex(found.index + first.entries);
  const meta: SnapshotMeta = { index, term: found.term, membership };
  yield* markRestoring(fileSystem, directory);
  yield* makeRestoredLog(options, identity, meta);
  yield* writeSnapshot(options, first, meta);
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

interface Verified {
  readonly found: SnapshotMeta;
  readonly first: FirstState;
}

/** Reads the whole file twice over: its own checksums, and whether this release makes a state of it. */
function* verify({ fileSystem, backupFile, read }: RestoreDirectoryOptions): Task<Verified> {
  try {
    const reader = yield* SnapshotFileReader.open(fileSystem, backupFile);
    const { meta } = reader;
    yield* reader.close();
    const state = read(meta);
    yield* readSnapshotPieces(fileSystem, backupFile, (piece) => state.chunk(piece));
    const first = state.ready();
    if (first.ok) return { found: meta, first: first.value };
    throw new RestoreRefused(
      'damaged',
      `the backup ${backupFile} is no state this release can read: ${first.error}. Use another backup, or the release that wrote this one.`,
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

function* writeSnapshot(
  { fileSystem, directory }: RestoreDirectoryOptions,
  { chunks }: FirstState,
  meta: SnapshotMeta,
): Task<void> {
  const { snapshots } = yield* openSnapshotsTask({ fileSystem, directory: join(directory, SNAPSHOT_FOLDER) });
  const incoming = snapshots.receive(meta);
  try {
    for (const chunk of chunks) yield* completion((done) => incoming.write(chunk, done));
    yield* outcome<SnapshotFile>((done) => incoming.finish(done));
  } finally {
    incoming.abort();
  }
}
