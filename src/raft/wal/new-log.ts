// Where a log goes on: after its first write, or after the recovery scan.

import { join } from 'node:path';

import { ByteWriter } from './bytes.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import {
  FORMAT_VERSION,
  beginFrame,
  finishFrame,
  segmentName,
  segmentSeed,
  writeSegmentHeader,
} from './format.ts';
import { type SpareSegment, fillWithZeroes } from './housekeeping.ts';
import type { Identity } from './identity.ts';
import type { LogOutline } from './outline.ts';
import { writeRecord } from './records.ts';
import type { SegmentUse } from './scan.ts';
import { type Task, completion, outcome } from './task.ts';

/** The folder of the segments in a data directory. */
export const LOG_FOLDER = 'wal';
/** 16 MiB: prepared in a fraction of a second, and a tenth of a per mille of its groups pay for a segment change. */
export const SEGMENT_BYTES_DEFAULT = 16 * 1024 * 1024;

/** Where a log continues: what the recovery scan, or the making of a new log, arrived at. */
export interface LogResumption {
  readonly incarnation: Uint8Array;
  readonly outline: LogOutline;
  readonly sealed: readonly SegmentUse[];
  readonly active: ActiveSegment;
  readonly nextOrdinal: number;
  readonly chain: number;
}

/** The segment that groups are written to. */
export interface ActiveSegment extends SegmentUse {
  readonly file: OpenFile;
  /** The next frame goes here. */
  readonly offset: number;
}

/** Where a log is made. */
export interface LogPlace {
  readonly fileSystem: FileSystem;
  /** The folder of the segments; it exists and holds none yet. */
  readonly logFolder: string;
  readonly segmentBytes: number;
}

/** Makes the log of a data directory that has none; durable, with its first segment open, when the task ends. */
export function* makeLog(place: LogPlace, identity: Identity, outline: LogOutline): Task<LogResumption> {
  const { fileSystem, logFolder, segmentBytes: capacityBytes } = place;
  const number = 1;
  const path = join(logFolder, segmentName(number));
  const file = yield* outcome<OpenFile>((done) => fileSystem.open(path, 'create', done));
  yield* fillWithZeroes(file, capacityBytes);
  yield* completion((done) => fileSystem.syncDirectory(logFolder, done));
  const incarnation = Buffer.from(identity.incarnation, 'hex');
  return yield* beginLog(incarnation, { number, file, capacityBytes }, outline);
}

/** Opens a new log: the header and head of its first segment, written into `spare`. Durable when the task ends. */
function* beginLog(incarnation: Uint8Array, spare: SpareSegment, outline: LogOutline): Task<LogResumption> {
  const { number, file, capacityBytes } = spare;
  const writer = new ByteWriter();
  const version = FORMAT_VERSION;
  const place = { ordinal: 1, previousChain: 0 };
  writeSegmentHeader(writer, {
    version,
    incarnation,
    number,
    capacityBytes,
    firstOrdinal: 1,
    previousChain: 0,
  });
  const start = beginFrame(writer);
  writeRecord(writer, { kind: 'head', head: outline.head });
  const chain = finishFrame(writer, start, { seed: segmentSeed({ incarnation, number }), ...place });
  yield* completion((done) => file.writeDurably(writer.view(), 0, done));
  const active = { number, file, capacityBytes, offset: writer.length, indexMax: 0 };
  return { incarnation, outline, sealed: [], active, nextOrdinal: 2, chain };
}
