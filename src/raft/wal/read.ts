// What a data directory's identity and log say, with nothing changed on the disk: for the start, which repairs afterwards, and for who only looks.

import { join } from 'node:path';

import type { MemberId, RestoredState } from '../core/types.ts';
import { IdentityRefused, WalDamaged } from './errors.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { parseSegmentName, segmentName } from './format.ts';
import { IDENTITY_FILE, type Identity, readIdentity } from './identity.ts';
import { LOG_FOLDER, type LogPlace } from './new-log.ts';
import { type Cut, LogScanner, type ScanResult } from './scan.ts';
import { type Task, completion, outcome } from './task.ts';

const READ_STEP_BYTES = 1024 * 1024;

type Folder = Pick<LogPlace, 'fileSystem' | 'logFolder'>;

export interface ReadWal {
  readonly identity: Identity;
  readonly restored: RestoredState;
  /** Torn writes, which a start would forget: they are not in `restored`. */
  readonly cuts: readonly Cut[];
}

/**
 * The identity and the log in `directory`, as a start would find them, and nothing is written. `memberId`: whose it has to be; null where only
 * the directory can tell. Throws as `openWal` does, and `IdentityRefused` also where no member ever ran.
 */
export function* readWalTask(
  fileSystem: FileSystem,
  directory: string,
  memberId: MemberId | null,
): Task<ReadWal> {
  const identity = yield* readIdentity(fileSystem, directory, { memberId, clusterId: null });
  const path = join(directory, IDENTITY_FILE);
  if (identity?.state !== 'ready')
    throw new IdentityRefused(path, 'neverRan', `no member has ever run with ${directory}.`);
  const folder = { fileSystem, logFolder: join(directory, LOG_FOLDER) };
  const segments = yield* listSegments(folder);
  if (segments.length === 0) throw logMissing(folder.logFolder, path);
  const scan = yield* scanSegments(folder, segments, Buffer.from(identity.incarnation, 'hex'));
  return { identity, restored: scan.restored, cuts: scan.cuts };
}

/** An identity whose log is not there. */
export function logMissing(logFolder: string, identityPath: string): IdentityRefused {
  const text = `the log of this member is missing from ${logFolder}.`;
  return new IdentityRefused(identityPath, 'logMissing', text);
}

/** The numbers of the segments on disk, ascending. */
export function* listSegments({ fileSystem, logFolder }: Folder): Task<number[]> {
  const names = yield* outcome<readonly string[]>((done) => fileSystem.list(logFolder, done));
  const numbers = names.map(parseSegmentName).filter((number) => number !== null);
  return numbers.sort((left, right) => left - right);
}

/** Throws `WalDamaged` or `WalUnsupported`, with the path. */
export function* scanSegments(
  { fileSystem, logFolder }: Folder,
  segments: readonly number[],
  incarnation: Uint8Array,
): Task<ScanResult> {
  const scanner = new LogScanner(incarnation);
  try {
    for (const number of segments) {
      const name = segmentName(number);
      const bytes = yield* readWhole(fileSystem, join(logFolder, name));
      scanner.add({ name, number, bytes });
    }
    return scanner.finish();
  } catch (error) {
    // The scanner knows names only; the operator needs the path.
    if (!(error instanceof WalDamaged)) throw error;
    throw new WalDamaged({ file: join(logFolder, error.file), offset: error.offset }, error.reason);
  }
}

function* readWhole(fileSystem: FileSystem, path: string): Task<Buffer> {
  const file = yield* outcome<OpenFile>((done) => fileSystem.open(path, 'read', done));
  const size = yield* outcome<number>((done) => file.sizeBytes(done));
  const bytes = Buffer.alloc(size);
  let filled = 0;
  while (filled < size) {
    const into = bytes.subarray(filled, Math.min(size, filled + READ_STEP_BYTES));
    const at = filled;
    const count = yield* outcome<number>((done) => file.read(into, at, done));
    if (count === 0) break;
    filled += count;
  }
  yield* completion((done) => file.close(done));
  return bytes.subarray(0, filled);
}
