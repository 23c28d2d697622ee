// A new group of one member in the data directory of a member whose old group is lost; what was there is kept in a folder of it.

import { join } from 'node:path';

import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import { type Task, completion, outcome } from '../../base/task.ts';
import type { ClusterId } from '../cluster-id.ts';
import type { MemberId, Membership, SnapshotMeta } from '../core/types.ts';
import type { SnapshotFile } from '../ports.ts';
import { openSnapshotsTask } from '../snapshot/directory.ts';
import type { FileSystem } from '../wal/file-system.ts';
import {
  IDENTITY_FILE,
  type Identity,
  createIdentity,
  markRecovered,
  markRecovering,
  writeIdentity,
} from '../wal/identity.ts';
import { LOG_FOLDER, SEGMENT_BYTES_DEFAULT, makeLog } from '../wal/new-log.ts';
import { LogOutline } from '../wal/outline.ts';
import { SNAPSHOT_FOLDER } from './survey.ts';

/** What is moved away, but for the identity, which goes last: where that is, everything is. */
const PARTS = [LOG_FOLDER, SNAPSHOT_FOLDER, 'state'] as const;

interface Place {
  readonly fileSystem: FileSystem;
  /** The data directory. A folder of it keeps what was there, so that one on a volume of its own can be recovered as well. */
  readonly directory: string;
}

export interface NewGroupOptions extends Place {
  /** The folder that keeps what was there: `keptName`, or what an interrupted call was given. */
  readonly kept: string;
  readonly memberId: MemberId;
  /** host:port at which the members to come will find this one. */
  readonly address: string;
  /** Random, so that members of the old group are foreign to it. */
  readonly clusterId: ClusterId;
  /** Where the new group begins: behind everything that the old one can have written. */
  readonly position: Pick<SnapshotMeta, 'index' | 'term'>;
  /** The state there. */
  readonly chunks: Iterable<Uint8Array>;
  readonly clock: Clock;
  readonly random: Random;
  /** As for `openWal`. */
  readonly segmentBytes?: number;
}

/**
 * Moves what `directory` holds into its folder `kept`. From before the first move until `makeNewGroup` is done a mark has every start refused.
 * Interrupted, it is to be called again with the same folder; what an interrupted `makeNewGroup` has made is removed then.
 */
export function* setAside(place: Place, kept: string): Task<void> {
  const { fileSystem, directory } = place;
  const keptPath = join(directory, kept);
  yield* markRecovering(fileSystem, directory, kept);
  yield* completion((done) => fileSystem.ensureDirectory(keptPath, done));
  const here = yield* namesIn(fileSystem, directory);
  const there = yield* namesIn(fileSystem, keptPath);
  if (there.has(IDENTITY_FILE)) {
    yield* removeUnfinished(place, here);
    return;
  }
  for (const part of PARTS) {
    // A start that was refused meanwhile has made empty folders of these names.
    if (!here.has(part) || there.has(part)) continue;
    yield* completion((done) => fileSystem.rename(join(directory, part), join(keptPath, part), done));
  }
  yield* syncBoth(place, keptPath);
  const [from, to] = [join(directory, IDENTITY_FILE), join(keptPath, IDENTITY_FILE)];
  yield* completion((done) => fileSystem.rename(from, to, done));
  yield* syncBoth(place, keptPath);
}

/** Sets aside what is there, makes the new group in its place, and lets it be started. Interrupted, it is to be called again. */
export function* makeNewGroup(options: NewGroupOptions): Task<Identity> {
  const {
    fileSystem,
    directory,
    memberId,
    address,
    position,
    segmentBytes = SEGMENT_BYTES_DEFAULT,
  } = options;
  yield* setAside(options, options.kept);
  const identity = createIdentity(options, options);
  const membership: Membership = {
    voterSets: [[memberId]],
    learners: [],
    addresses: new Map([[memberId, address]]),
    incarnations: new Map([[memberId, identity.incarnation]]),
    removed: [],
  };
  const meta = { ...position, membership };
  const logFolder = join(directory, LOG_FOLDER);
  yield* completion((done) => fileSystem.ensureDirectory(logFolder, done));
  // No vote: nobody of the old group takes part.
  const outline = LogOutline.empty({ term: meta.term, votedFor: null }, meta);
  const { active } = yield* makeLog({ fileSystem, logFolder, segmentBytes }, identity, outline);
  yield* completion((done) => active.file.close(done));
  const { snapshots } = yield* openSnapshotsTask({
    fileSystem,
    directory: join(directory, SNAPSHOT_FOLDER),
  });
  yield* outcome<SnapshotFile>((done) => snapshots.save(meta, options.chunks, done));
  const ready = { ...identity, state: 'ready' } satisfies Identity;
  yield* writeIdentity(fileSystem, directory, ready);
  yield* markRecovered(fileSystem, directory);
  return ready;
}

/** The files of a new group that was not finished. */
function* removeUnfinished({ fileSystem, directory }: Place, here: ReadonlySet<string>): Task<void> {
  for (const folder of [LOG_FOLDER, SNAPSHOT_FOLDER]) {
    const path = join(directory, folder);
    if (!here.has(folder)) continue;
    for (const name of yield* namesIn(fileSystem, path))
      yield* completion((done) => fileSystem.remove(join(path, name), done));
    yield* completion((done) => fileSystem.syncDirectory(path, done));
  }
  if (here.has(IDENTITY_FILE))
    yield* completion((done) => fileSystem.remove(join(directory, IDENTITY_FILE), done));
  yield* completion((done) => fileSystem.syncDirectory(directory, done));
}

function* syncBoth({ fileSystem, directory }: Place, keptPath: string): Task<void> {
  yield* completion((done) => fileSystem.syncDirectory(keptPath, done));
  yield* completion((done) => fileSystem.syncDirectory(directory, done));
}

function* namesIn(fileSystem: FileSystem, path: string): Task<ReadonlySet<string>> {
  return new Set(yield* outcome<readonly string[]>((done) => fileSystem.list(path, done)));
}
