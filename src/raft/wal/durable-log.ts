// The durable log in operation: each group becomes one frame, one durable write.

import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { SnapshotMeta } from '../core/types.ts';
import type { Done, DurableLog, LogGroup } from '../ports.ts';
import { ByteWriter } from './bytes.ts';
import type { FileSystem } from './file-system.ts';
import {
  FORMAT_VERSION,
  SECTOR_BYTES,
  beginFrame,
  finishFrame,
  segmentSeed,
  writeSegmentHeader,
} from './format.ts';
import { Housekeeping, type SpareSegment } from './housekeeping.ts';
import type { ActiveSegment, LogResumption } from './new-log.ts';
import type { LogOutline } from './outline.ts';
import { type WalRecord, writeRecord } from './records.ts';
import type { SegmentUse } from './scan.ts';

/** What the log has to tell besides the answers to its calls. */
export type WalEvent =
  /** Too little is free, or the next segment cannot be made for want of space; `bytesLeft` fit into the one in use. */
  | { readonly kind: 'spaceLow'; readonly error: Error; readonly bytesLeft: number }
  | { readonly kind: 'spaceRecovered' }
  /** The disk does not say how much is free: only the next segment tells from now on whether space is low. */
  | { readonly kind: 'spaceUnknown'; readonly error: Error }
  /** The first failed disk operation: nothing will be written any more. */
  | { readonly kind: 'failed'; readonly error: Error };

export interface LogOptions {
  readonly fileSystem: FileSystem;
  /** The folder of the segments. */
  readonly directory: string;
  readonly segmentBytes: number;
  /** Free bytes below which space is low; 0: only when the next segment cannot be made. */
  readonly lowWaterBytes: number;
  readonly clock: Clock;
  readonly random: Random;
  readonly onEvent: (event: WalEvent) => void;
}

/** One such part of each segment is kept for everything but entries: at 16 MiB, room for hundreds of votes and cuts. */
const RESERVE_PARTS = 256;
/** While space is low one such part of the segment in use is left alone: the next segment may never come. */
const KEPT_PARTS = 4;
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
    const { onEvent } = options;
    this.#housekeeping = new Housekeeping({
      ...options,
      onFailure: (error) => this.#fail(error),
      onSpaceLow: (error) => onEvent({ kind: 'spaceLow', error, bytesLeft: this.#bytesLeft() }),
      onSpaceRecovered: () => onEvent({ kind: 'spaceRecovered' }),
      onSpaceUnknown: (error) => onEvent({ kind: 'spaceUnknown', error }),
    });
    this.#housekeeping.prepare(this.#active.number + 1);
    this.#removeUnneeded();
  }

  get spaceLow(): boolean {
    return this.#housekeeping.spaceLow;
  }

  get failure(): Error | null {
    return this.#failure;
  }

  /** Of all files of the log, the one that is ready for later included. */
  get bytes(): number {
    const sealed = this.#sealed.reduce((sum, { capacityBytes }) => sum + capacityBytes, 0);
    return sealed + this.#active.capacityBytes + this.#housekeeping.spareBytes;
  }

  hasRoomFor(bytes: number): boolean {
    return !this.spaceLow || this.#bytesLeft() - bytes >= this.#active.capacityBytes / KEPT_PARTS;
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
    if (this.#writer.length <= this.#roomFor(records)) {
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
    file.writeDurably(bytes, offset, (error) => {
      if (error === null) {
        this.#active = { ...this.#active, offset: offset + bytes.length };
        this.#advance(records, chain);
      }
      this.#finish(error, done);
    });
  }

  /**
   * Takes the spare segment into use: its header, its head and the group leave in one write. A group larger than a
   * segment gets a segment of its own, which grows, and with it the reserve behind the group.
   */
  #openSegment(spare: SpareSegment, records: readonly WalRecord[], done: Done): void {
    const { number, file } = spare;
    const previous = this.#active;
    this.#seed = segmentSeed({ incarnation: this.#incarnation, number });
    const chain = this.#encode(records, spare);
    const offset = this.#writer.length;
    const capacityBytes = Math.max(spare.capacityBytes, offset + this.#reserveBytes);
    if (capacityBytes > spare.capacityBytes) this.#writer.zeros(capacityBytes - offset);
    const bytes = this.#writer.view();
    file.writeDurably(bytes, 0, (error) => {
      if (error === null) {
        this.#sealed.push({
          number: previous.number,
          indexMax: previous.indexMax,
          capacityBytes: previous.capacityBytes,
        });
        this.#active = { number, file, capacityBytes, offset, indexMax: 0 };
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
      const { number, capacityBytes } = opened;
      writeSegmentHeader(writer, {
        version: FORMAT_VERSION,
        incarnation,
        number,
        capacityBytes,
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
        this.#sealed = this.#sealed.map((segment) => ({ ...segment, indexMax: 0 }));
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

  /**
   * A full disk must not keep a member from voting, or from the cut that frees space: the end of a segment takes only
   * groups without entries.
   */
  #roomFor(records: readonly WalRecord[]): number {
    const hasEntries = records.some(({ kind }) => kind === 'entries');
    return this.#bytesLeft() - (hasEntries ? this.#reserveBytes : 0);
  }

  get #reserveBytes(): number {
    return Math.max(SECTOR_BYTES, Math.floor(this.#options.segmentBytes / RESERVE_PARTS));
  }

  #bytesLeft(): number {
    return Math.max(0, this.#active.capacityBytes - this.#active.offset);
  }
}

/** In the order in which they must take effect. */
function groupRecords(group: LogGroup): WalRecord[] {
  const records: WalRecord[] = [];
  if (group.hardState !== null) records.push({ kind: 'hardState', hardState: group.hardState });
  if (group.truncateFrom !== null) records.push({ kind: 'truncate', from: group.truncateFrom });
  if (group.append.length > 0) records.push({ kind: 'entries', entries: group.append });
  return records;
}
