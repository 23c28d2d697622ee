// Start-up of the durable log: identity, recovery scan, repair of a torn tail, or the making of a new log.

import { join } from 'node:path';

import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { ClusterId } from '../cluster-id.ts';
import { type MemberId, type RestoredState, type SnapshotMeta, term } from '../core/types.ts';
import { SegmentedLog, type WalEvent } from './durable-log.ts';
import { IdentityRefused } from './errors.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { SECTOR_BYTES, segmentName } from './format.ts';
import { IDENTITY_FILE, type Identity, createIdentity, readIdentity, writeIdentity } from './identity.ts';
import { LOG_FOLDER, type LogPlace, type LogResumption, SEGMENT_BYTES_DEFAULT, makeLog } from './new-log.ts';
import { LogOutline } from './outline.ts';
import { listSegments, logMissing, scanSegments } from './read.ts';
import type { Cut, LogTail, ScanResult } from './scan.ts';
import { type Task, completion, outcome, taskPromise } from './task.ts';

const SEGMENT_BYTES_MIN = 4096;
const SEGMENT_BYTES_MAX = 1024 * 1024 * 1024;
/** The low-water mark in segments: 32 MiB of free bytes at the default size. One for the next segment, one for all the rest. */
const LOW_WATER_SEGMENTS = 2;

export interface WalOptions {
  readonly fileSystem: FileSystem;
  /** The member's data directory; made when missing. The caller holds it exclusively: see the README. */
  readonly directory: string;
  readonly memberId: MemberId;
  /** The group a new directory is made for; one that is in use keeps its own, which `identity` tells. */
  readonly clusterId: ClusterId;
  /** What a brand-new log starts from: index 0, term 0, the membership of the configuration. */
  readonly initialBase: SnapshotMeta;
  readonly clock: Clock;
  readonly random: Random;
  /** 4 KiB to 1 GiB, a multiple of 512; 16 MiB when absent. Segments made earlier keep their size. */
  readonly segmentBytes?: number;
  /** Free bytes on the disk below which `spaceLow` holds; two segments when absent, and with 0 nothing is looked at. */
  readonly lowWaterBytes?: number;
  readonly onEvent?: (event: WalEvent) => void;
}

export interface OpenedWal {
  readonly log: SegmentedLog;
  readonly restored: RestoredState;
  readonly identity: Identity;
  /** The directory was empty: this member has never run before. */
  readonly firstBoot: boolean;
  /** Torn writes that were forgotten; worth a line in the log of the process. */
  readonly cuts: readonly Cut[];
}

/** Where everything is, once the options are checked. */
interface Place extends LogPlace {
  readonly directory: string;
  readonly lowWaterBytes: number;
}

/**
 * Opens the member's log, or makes it at first boot. Rejects with `WalDamaged`, `WalUnsupported` or `IdentityRefused`,
 * each with a line for the operator, or with the disk's own error. Everything restored is durable again before this
 * resolves, even where an earlier sync had failed.
 */
export function openWal(options: WalOptions): Promise<OpenedWal> {
  return taskPromise(openWalTask(options));
}

/** `openWal` for a caller that owns the order of events, such as a simulator. */
export function* openWalTask(options: WalOptions): Task<OpenedWal> {
  const place = placeOf(options);
  const { fileSystem, directory, logFolder } = place;
  yield* completion((done) => fileSystem.ensureDirectory(directory, done));
  yield* completion((done) => fileSystem.ensureDirectory(logFolder, done));
  // A process that was killed may have renamed the identity without having synced the name; this one relies on it.
  yield* completion((done) => fileSystem.syncDirectory(directory, done));
  const identity = yield* readIdentity(fileSystem, directory, {
    memberId: options.memberId,
    clusterId: null,
  });
  const segments = yield* listSegments(place);
  const identityPath = join(directory, IDENTITY_FILE);
  if (identity === null && segments.length > 0) {
    throw new IdentityRefused(
      identityPath,
      'missing',
      `the file is missing, though ${logFolder} holds a log.`,
    );
  }
  if (identity?.state !== 'ready') return yield* firstBoot(options, place, identity);
  if (segments.length === 0) throw logMissing(logFolder, identityPath);
  const incarnation = Buffer.from(identity.incarnation, 'hex');
  const scan = yield* scanSegments(place, segments, incarnation);
  const file = yield* repairTail(place, scan);
  const active = { ...scan.tail, file };
  const { outline, sealed, nextOrdinal, chain, restored, cuts } = scan;
  const log = startLog(options, place, { incarnation, outline, sealed, active, nextOrdinal, chain });
  return { log, restored, identity, firstBoot: false, cuts };
}

/** Nothing was promised before `ready`: what an interrupted first boot left is removed and made anew. */
function* firstBoot(options: WalOptions, place: Place, found: Identity | null): Task<OpenedWal> {
  const { fileSystem, directory } = place;
  // The configuration may have been corrected since the boot that was interrupted.
  const fits = found !== null && found.clusterId === options.clusterId;
  const identity = fits ? found : createIdentity(options, options);
  if (!fits) yield* writeIdentity(fileSystem, directory, identity);
  const leftovers = yield* listSegments(place);
  yield* removeFiles(place, leftovers.map(segmentName));
  const hardState = { term: term(0), votedFor: null };
  const outline = LogOutline.empty(hardState, options.initialBase);
  const resumption = yield* makeLog(place, identity, outline);
  const ready = { ...identity, state: 'ready' } satisfies Identity;
  yield* writeIdentity(fileSystem, directory, ready);
  const log = startLog(options, place, resumption);
  const restored = { hardState, base: options.initialBase, entries: [] };
  return { log, restored, identity: ready, firstBoot: true, cuts: [] };
}

function startLog(options: WalOptions, place: Place, resumption: LogResumption): SegmentedLog {
  const { fileSystem, logFolder: directory, segmentBytes, lowWaterBytes } = place;
  const { clock, random, onEvent = (): void => undefined } = options;
  const logOptions = { fileSystem, directory, segmentBytes, lowWaterBytes, clock, random, onEvent };
  return new SegmentedLog(logOptions, resumption);
}

/**
 * Makes the tail what the scan says it is. The last write is written again, byte for byte: when its sync had failed,
 * the system may hold it in memory, marked clean, and another sync alone would prove nothing. What was torn behind
 * it becomes zeroes. Segments behind the tail go; a fresh one is prepared when the log runs.
 */
function* repairTail(place: Place, scan: ScanResult): Task<OpenFile> {
  const { fileSystem, logFolder } = place;
  const { name, lastWrite, offset, contentEnd }: LogTail = scan.tail;
  const path = join(logFolder, name);
  const file = yield* outcome<OpenFile>((done) => fileSystem.open(path, 'update', done));
  yield* completion((done) => file.write(lastWrite.bytes, lastWrite.offset, done));
  if (contentEnd > offset) {
    const zeroes = Buffer.alloc(contentEnd - offset);
    yield* completion((done) => file.write(zeroes, offset, done));
  }
  yield* completion((done) => file.datasync(done));
  yield* removeFiles(place, scan.unused);
  return file;
}

/** The directory is synced in any case: names the last process made may not be durable yet. */
function* removeFiles(place: Place, names: readonly string[]): Task<void> {
  const { fileSystem, logFolder } = place;
  for (const name of names) yield* completion((done) => fileSystem.remove(join(logFolder, name), done));
  yield* completion((done) => fileSystem.syncDirectory(logFolder, done));
}

function placeOf(options: WalOptions): Place {
  const { fileSystem, directory, initialBase, segmentBytes = SEGMENT_BYTES_DEFAULT } = options;
  assert(initialBase.index === 0 && initialBase.term === 0, 'a new log starts from index 0, term 0');
  const sizeFits = segmentBytes >= SEGMENT_BYTES_MIN && segmentBytes <= SEGMENT_BYTES_MAX;
  assert(sizeFits && segmentBytes % SECTOR_BYTES === 0, 'segments have 4 KiB to 1 GiB, in whole sectors');
  const { lowWaterBytes = LOW_WATER_SEGMENTS * segmentBytes } = options;
  return { fileSystem, directory, logFolder: join(directory, LOG_FOLDER), segmentBytes, lowWaterBytes };
}
