// The durable log in operation: each group becomes one frame, one write, one sync.

import { assert } from '../../base/assert.ts';
import type { SnapshotMeta } from '../core/types.ts';
import type { Done, DurableLog, LogGroup } from '../ports.ts';
import { ByteWriter } from './bytes.ts';
import type { FileSystem, OpenFile } from './file-system.ts';
import { FORMAT_VERSION, beginFrame, finishFrame, segmentSeed, writeSegmentHeader } from './format.ts';
import { Housekeeping, type SpareSegment } from './housekeeping.ts';
import type { LogOutline } from './outline.ts';
import { type WalRecord, writeRecord } from './records.ts';
import type { SegmentUse } from './scan.ts';
import { type Task, completion } from './task.ts';

/** What the log has to tell besides the answers to its calls. */
export type WalEvent =
  /** The next segment cannot be made for want of space; `bytesLeft` bytes can still be written. */
  | { readonly kind: 'spaceLow'; readonly error: Error; readonly bytesLeft: number }
  | { readonly kind: 'spaceRecovered' }
  /** The first failed disk operation: nothing will be written any more. */
  | { readonly kind: 'failed'; readonly error: Error };

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
  readonly capacityBytes: number;
  /** The next frame goes here. */
  readonly offset: number;
}

export interface LogOptions {
  readonly fileSystem: FileSystem;
  /** The folder of the segments. */
  readonly directory: string;
  readonly segmentBytes: number;
  readonly onEvent: (event: WalEvent) => void;
}

/** The frame buffer keeps at most this much memory between groups. */
const FRAME_BUFFER_BYTES = 1024 * 1024;

/** `DurableLog` on segment files. Made by `openWal`. */
export class SegmentedLog implements DurableLog {
  readonly #options: LogOptions;
  readonly #incarnation: Uint8Array;
  readonly #outline: LogOutline;
  readonly #housekeeping: Housekeeping;
  readonly #writer = new ByteWriter(FRAME_BUFFER_BYTES);
  #active: ActiveSegment;
  /** Ascending. */
  #sealed: SegmentUse[];
  #seed: number;
  #nextOrdinal: number;
  #chain: number;
  #busy = false;
  #failure: Error | null = null;
  #closing: Done | null = null;

  constructor(options: LogOptions, resumption: LogResumption) {
    this.#options = options;
    this.#incarnation = resumption.incarnation;
    this.#outline = resumption.outline;
    this.#active = resumption.active;
    this.#sealed = [...resumption.sealed];
    this.#seed = segmentSeed({ incarnation: resumption.incarnation, number: resumption.active.number });
    this.#nextOrdinal = resumption.nextOrdinal;
    this.#chain = resumption.chain;
    const { fileSystem, directory, segmentBytes, onEvent } = options;
    this.#housekeeping = new Housekeeping({
      fileSystem,
      directory,
      segmentBytes,
      onFailure: (error) => this.#fail(error),
      onSpaceLow: (error) => onEvent({ kind: 'spaceLow', error, bytesLeft: this.#bytesLeft() }),
      onSpaceRecovered: () => onEvent({ kind: 'spaceRecovered' }),
    });
    this.#housekeeping.prepare(this.#active.number + 1);
    this.#removeUnneeded();
  }

  write(group: LogGroup, done: Done): void {
    this.#persist(groupRecords(group), done);
  }

  compact(base: SnapshotMeta, done: Done): void {
    this.#persist([{ kind: 'compact', base }], (error) => {
      if (error === null) this.#removeUnneeded();
      done(error);
    });
  }

  reset(base: SnapshotMeta, done: Done): void {
    this.#persist([{ kind: 'reset', base }], (error) => {
      if (error === null) this.#removeUnneeded();
      done(error);
    });
  }

  close(done: Done): void {
    assert(this.#closing === null, 'the log is closed once');
    this.#closing = done;
    if (!this.#busy) this.#closeFiles(done);
  }

  #persist(records: readonly WalRecord[], done: Done): void {
    assert(!this.#busy, 'one log operation at a time');
    assert(this.#closing === null, 'a closed log takes no operations');
    assert(records.length > 0, 'a log operation has something to write');
    if (this.#failure !== null) {
      const failure = this.#failure;
      this.#options.fileSystem.defer(() => done(failure));
      return;
    }
    this.#busy = true;
    const chain = this.#encode(records);
    if (this.#writer.length <= this.#bytesLeft()) {
      this.#absorb(records);
      this.#append(records, chain, done);
      return;
    }
    // The head of the next segment tells the state before this group.
    const head: WalRecord = { kind: 'head', head: this.#outline.head };
    this.#absorb(records);
    this.#housekeeping.take((spare) => {
      if (spare instanceof Error) this.#finish(spare, done);
      else this.#openSegment(spare, [head, ...records], done);
    });
  }

  /** Writes the frame at the end of the active segment. */
  #append(records: readonly WalRecord[], chain: number, done: Done): void {
    const { file, offset } = this.#active;
    const bytes = this.#writer.view();
    writeDurably(file, bytes, offset, (error) => {
      if (error === null) {
        this.#active = { ...this.#active, offset: offset + bytes.length };
        this.#advance(records, chain);
        this.#housekeeping.noteUse(this.#active.offset);
      }
      this.#finish(error, done);
    });
  }

  /**
   * Takes the spare segment into use: its header, its head and the group leave in one write. A group larger than a
   * segment gets a segment of its own, which grows.
   */
  #openSegment(spare: SpareSegment, records: readonly WalRecord[], done: Done): void {
    const { number, file, capacityBytes } = spare;
    const previous = this.#active;
    this.#seed = segmentSeed({ incarnation: this.#incarnation, number });
    const chain = this.#encode(records, { number, capacityBytes });
    const bytes = this.#writer.view();
    writeDurably(file, bytes, 0, (error) => {
      if (error === null) {
        this.#sealed.push({ number: previous.number, indexMax: previous.indexMax });
        this.#active = { number, file, capacityBytes, offset: bytes.length, indexMax: 0 };
        this.#advance(records, chain);
        this.#housekeeping.retire(previous.file);
        this.#housekeeping.prepare(number + 1);
      }
      this.#finish(error, done);
    });
  }

  /** Fills the buffer with a frame, behind a segment header when a segment is opened; returns the chain value. */
  #encode(
    records: readonly WalRecord[],
    opened?: { readonly number: number; readonly capacityBytes: number },
  ): number {
    const writer = this.#writer;
    const place = { ordinal: this.#nextOrdinal, previousChain: this.#chain };
    writer.reset(FRAME_BUFFER_BYTES);
    if (opened !== undefined) {
      const { ordinal: firstOrdinal, previousChain } = place;
      const incarnation = this.#incarnation;
      writeSegmentHeader(writer, {
        version: FORMAT_VERSION,
        incarnation,
        ...opened,
        firstOrdinal,
        previousChain,
      });
    }
    const start = beginFrame(writer);
    for (const record of records) writeRecord(writer, record);
    return finishFrame(writer, start, { seed: this.#seed, ...place });
  }

  /** Takes the records into the outline; a record that cannot follow is a bug of the caller. */
  #absorb(records: readonly WalRecord[]): void {
    for (const record of records) {
      const violation = this.#outline.violation(record);
      assert(violation === null, `the log was asked for ${violation}`);
      this.#outline.apply(record);
    }
  }

  /** The frame of `records` is durable. */
  #advance(records: readonly WalRecord[], chain: number): void {
    this.#nextOrdinal += 1;
    this.#chain = chain;
    for (const record of records) {
      if (record.kind === 'entries') {
        const indexMax = Math.max(this.#active.indexMax, record.entries.at(-1)?.index ?? 0);
        this.#active = { ...this.#active, indexMax };
      } else if (record.kind === 'reset') {
        this.#active = { ...this.#active, indexMax: 0 };
        this.#sealed = this.#sealed.map(({ number }) => ({ number, indexMax: 0 }));
      }
    }
  }

  #finish(error: Error | null, done: Done): void {
    if (error !== null) this.#fail(error);
    const closing = this.#closing;
    this.#busy = false;
    done(error);
    if (closing !== null) this.#closeFiles(closing);
  }

  #fail(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.#options.onEvent({ kind: 'failed', error });
  }

  /** Drops the oldest segments that hold no entry after the base; hard state and base are repeated in every later one. */
  #removeUnneeded(): void {
    const base = this.#outline.base.index;
    const firstNeeded = this.#sealed.findIndex((segment) => segment.indexMax > base);
    const unneeded = this.#sealed.splice(0, firstNeeded === -1 ? this.#sealed.length : firstNeeded);
    this.#housekeeping.remove(unneeded.map((segment) => segment.number));
  }

  #closeFiles(done: Done): void {
    this.#housekeeping.close((first) => {
      this.#active.file.close((second) => done(this.#failure ?? first ?? second));
    });
  }

  #bytesLeft(): number {
    return Math.max(0, this.#active.capacityBytes - this.#active.offset);
  }
}

/** Opens a new log: the header and head of its first segment, written into `spare`. Durable when the task ends. */
export function* beginLog(
  incarnation: Uint8Array,
  spare: SpareSegment,
  outline: LogOutline,
): Task<LogResumption> {
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
  yield* completion((done) => writeDurably(file, writer.view(), 0, done));
  const active = { number, file, capacityBytes, offset: writer.length, indexMax: 0 };
  return { incarnation, outline, sealed: [], active, nextOrdinal: 2, chain };
}

/** One write, one sync. */
function writeDurably(file: OpenFile, bytes: Uint8Array, position: number, done: Done): void {
  file.write(bytes, position, (error) => {
    if (error === null) file.datasync(done);
    else done(error);
  });
}

/** In the order in which they must take effect. */
function groupRecords(group: LogGroup): WalRecord[] {
  const records: WalRecord[] = [];
  if (group.hardState !== null) records.push({ kind: 'hardState', hardState: group.hardState });
  if (group.truncateFrom !== null) records.push({ kind: 'truncate', from: group.truncateFrom });
  if (group.append.length > 0) records.push({ kind: 'entries', entries: group.append });
  return records;
}
