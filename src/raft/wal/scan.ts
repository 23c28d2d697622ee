// The recovery scan: segments in order become the restored log, or a refusal that says where and why. Pure.

import { assert, present } from '../../base/assert.ts';
import type { Entry, LogIndex, RestoredState } from '../core/types.ts';
import { MalformedBytes } from './bytes.ts';
import { WalDamaged, WalUnsupported } from './errors.ts';
import {
  type Frame,
  type SegmentHeader,
  SEGMENT_HEADER_BYTES,
  contentEnd,
  findFrameHeader,
  readFrame,
  readSegmentHeader,
  segmentName,
  segmentSeed,
} from './format.ts';
import { LogOutline, headViolation } from './outline.ts';
import { type WalRecord, UnknownRecord, readRecords } from './records.ts';

/** One segment file as found on disk. */
export interface SegmentBytes {
  readonly name: string;
  readonly number: number;
  readonly bytes: Buffer;
}

/** A segment in use and the highest entry index it ever held that may still be live. */
export interface SegmentUse {
  readonly number: number;
  readonly indexMax: number;
  /** Of its file. */
  readonly capacityBytes: number;
}

/** Where the log ends. */
export interface LogTail {
  readonly name: string;
  readonly number: number;
  readonly capacityBytes: number;
  readonly indexMax: number;
  /** The next frame goes here. */
  readonly offset: number;
  /** The bytes of the last group write: the one whose sync may have failed without a trace. */
  readonly lastWrite: { readonly offset: number; readonly bytes: Uint8Array };
  /** The offset after the last byte that is not zero; above `offset` when a torn write is to be cut. */
  readonly contentEnd: number;
}

/** A write that was under way when the process ended, and is forgotten: it was never acknowledged. */
export interface Cut {
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

export interface ScanResult {
  readonly restored: RestoredState;
  readonly outline: LogOutline;
  /** The segments before the tail, ascending. */
  readonly sealed: readonly SegmentUse[];
  readonly tail: LogTail;
  readonly nextOrdinal: number;
  readonly chain: number;
  readonly cuts: readonly Cut[];
  /** Prepared or torn segments behind the tail: nothing in them was acknowledged. */
  readonly unused: readonly string[];
}

/** Feed it every segment in ascending order, then ask for the result. Throws `WalDamaged` or `WalUnsupported`. */
export class LogScanner {
  readonly #incarnation: Uint8Array;
  #previousNumber: number | null = null;
  #ended = false;
  #outline: LogOutline | null = null;
  /** Entries after the base, as far as the segments at hand hold them; the last is the log's last. */
  #entries: Entry[] = [];
  #firstHeld = 0;
  #sealed: SegmentUse[] = [];
  #tail: LogTail | null = null;
  #indexMax = 0;
  #nextOrdinal = 0;
  #chain = 0;
  readonly #cuts: Cut[] = [];
  readonly #unused: string[] = [];

  constructor(incarnation: Uint8Array) {
    this.#incarnation = incarnation;
  }

  /** Takes the next segment in. `bytes` is not kept. */
  add(segment: SegmentBytes): void {
    const expected = this.#previousNumber === null ? segment.number : this.#previousNumber + 1;
    if (segment.number !== expected) {
      throw damaged(segmentName(expected), null, 'the file is missing, though a later segment exists');
    }
    this.#previousNumber = segment.number;
    if (this.#ended) {
      // A segment is prepared only after the first write to the one before it was durable.
      const empty = segmentName(segment.number - 1);
      throw damaged(empty, 0, `the segment is empty, though ${segment.name} was made after it came into use`);
    }
    const header = this.#header(segment);
    if (header === null) this.#endBefore(segment);
    else this.#readFrames(segment, header);
  }

  /** What the segments held. At least one was added. */
  finish(): ScanResult {
    const tail = present(this.#tail, 'a scan without a readable segment throws earlier');
    const outline = present(this.#outline, 'the first frame sets the outline');
    const { hardState, base, last } = outline.head;
    if (this.#firstHeld !== base.index + 1) {
      const oldest = segmentName(this.#sealed[0]?.number ?? tail.number);
      throw damaged(
        oldest,
        null,
        `entries ${base.index + 1} to ${this.#firstHeld - 1} are missing before this segment`,
      );
    }
    assert(
      this.#entries.length === last - base.index,
      'the restored entries reach from the base to the last',
    );
    return {
      restored: { hardState, base, entries: this.#entries },
      outline,
      sealed: this.#sealed,
      tail,
      nextOrdinal: this.#nextOrdinal,
      chain: this.#chain,
      cuts: tail.contentEnd > tail.offset ? [tailCut(tail), ...this.#cuts] : this.#cuts,
      unused: this.#unused,
    };
  }

  /** The header, checked against file name, log and the segment before; null when the segment is not in use. */
  #header(segment: SegmentBytes): SegmentHeader | null {
    const { name, number, bytes } = segment;
    const reading = readSegmentHeader(bytes);
    if (reading.kind === 'unsupported') throw new WalUnsupported(name, `format version ${reading.version}`);
    if (reading.kind === 'none') {
      if (this.#tail === null) throw damaged(name, 0, 'the header of the first segment is unreadable');
      return null;
    }
    const { header } = reading;
    if (!Buffer.from(header.incarnation).equals(this.#incarnation)) {
      throw damaged(name, 0, 'the segment belongs to another data directory (its incarnation differs)');
    }
    if (header.number !== number) throw damaged(name, 0, `the file holds segment ${header.number}`);
    if (bytes.length < header.capacityBytes) {
      throw damaged(
        name,
        bytes.length,
        `the file was shortened: it was made with ${header.capacityBytes} bytes`,
      );
    }
    if (this.#tail === null) {
      this.#nextOrdinal = header.firstOrdinal;
      this.#chain = header.previousChain;
    } else if (header.firstOrdinal !== this.#nextOrdinal || header.previousChain !== this.#chain) {
      const lost = `unreadable, though ${name} continues with write ${header.firstOrdinal} (write ${this.#nextOrdinal} was expected here)`;
      throw damaged(this.#tail.name, this.#tail.offset, lost);
    }
    return header;
  }

  #readFrames(segment: SegmentBytes, header: SegmentHeader): void {
    const { name, number, bytes } = segment;
    const seed = segmentSeed(header);
    let start = 0;
    let offset = SEGMENT_HEADER_BYTES;
    let reading = readFrame(bytes, offset, seed);
    for (; reading.kind === 'frame'; reading = readFrame(bytes, offset, seed)) {
      this.#expectOrder(segment, offset, reading.frame);
      if (offset === SEGMENT_HEADER_BYTES) this.#seal();
      this.#takeFrame(segment, offset, reading.frame);
      // The segment header travels with the first frame in one write.
      start = offset === SEGMENT_HEADER_BYTES ? 0 : offset;
      offset = reading.frame.end;
    }
    if (reading.kind === 'torn') this.#expectOrder(segment, offset, reading);
    this.#expectNothingAfter(segment, offset, seed);
    if (offset === SEGMENT_HEADER_BYTES) {
      this.#endBefore(segment);
      return;
    }
    this.#tail = {
      name,
      number,
      // A group larger than the segment made the file grow.
      capacityBytes: Math.max(header.capacityBytes, bytes.length),
      indexMax: this.#indexMax,
      offset,
      lastWrite: { offset: start, bytes: Uint8Array.from(bytes.subarray(start, offset)) },
      contentEnd: Math.max(offset, contentEnd(bytes)),
    };
  }

  /** The tail so far is followed by another segment in use. Left-over bytes behind its last frame lost nothing: the chain holds. */
  #seal(): void {
    if (this.#tail !== null) {
      const { number, indexMax, capacityBytes } = this.#tail;
      this.#sealed.push({ number, indexMax, capacityBytes });
    }
    this.#indexMax = 0;
  }

  /** `segment` holds no whole write: it was prepared, or its first write was torn. The log ends before it. */
  #endBefore(segment: SegmentBytes): void {
    const { name, number, bytes } = segment;
    if (this.#tail === null)
      throw damaged(name, SEGMENT_HEADER_BYTES, 'the first write of the log is unreadable');
    const seed = segmentSeed({ incarnation: this.#incarnation, number });
    const header = readSegmentHeader(bytes).kind === 'header';
    this.#expectNothingAfter(segment, header ? SEGMENT_HEADER_BYTES : 0, seed);
    this.#ended = true;
    this.#unused.push(name);
    const end = contentEnd(bytes);
    if (end > 0) this.#cuts.push({ file: name, offset: 0, bytes: end });
  }

  /**
   * One write is under way at a time, and the next starts only when it is durable. So a frame *behind* an unreadable
   * place proves that what stood there had been acknowledged: it is damage, not a torn write.
   */
  #expectNothingAfter(segment: SegmentBytes, offset: number, seed: number): void {
    const later = findFrameHeader(segment.bytes, offset + 1, seed);
    if (later === null) return;
    throw damaged(segment.name, offset, `unreadable, though a valid write follows at byte ${later}`);
  }

  #expectOrder(
    segment: SegmentBytes,
    offset: number,
    frame: { ordinal: number; previousChain: number },
  ): void {
    if (frame.ordinal === this.#nextOrdinal && frame.previousChain === this.#chain) return;
    throw damaged(
      segment.name,
      offset,
      `write ${frame.ordinal} stands where write ${this.#nextOrdinal} belongs`,
    );
  }

  #takeFrame(segment: SegmentBytes, offset: number, frame: Frame): void {
    try {
      const records = readRecords(frame.payload);
      const opensSegment = offset === SEGMENT_HEADER_BYTES;
      records.forEach((record, place) => {
        const problem = this.#takeRecord(record, opensSegment && place === 0);
        if (problem !== null) throw damaged(segment.name, offset, problem);
      });
    } catch (error) {
      if (error instanceof UnknownRecord) throw new WalUnsupported(segment.name, error.message);
      if (error instanceof MalformedBytes)
        throw damaged(segment.name, offset, `a malformed record: ${error.message}`);
      throw error;
    }
    this.#nextOrdinal += 1;
    this.#chain = frame.chain;
  }

  /** Why the record cannot stand here; null when it was taken in. */
  #takeRecord(record: WalRecord, opensSegment: boolean): string | null {
    if ((record.kind === 'head') !== opensSegment) return 'the head of a segment is missing or misplaced';
    if (record.kind === 'head' && this.#outline === null) {
      const problem = headViolation(record.head);
      if (problem !== null) return problem;
      this.#outline = new LogOutline(record.head);
      this.#firstHeld = record.head.last + 1;
      return null;
    }
    const outline = present(this.#outline, 'a head precedes every other record');
    const problem = outline.violation(record);
    if (problem !== null) return problem;
    outline.apply(record);
    this.#takeEntries(record);
    return null;
  }

  #takeEntries(record: WalRecord): void {
    if (record.kind === 'truncate') {
      this.#entries.length = Math.max(0, Math.min(this.#entries.length, record.from - this.#firstHeld));
      this.#firstHeld = Math.min(this.#firstHeld, record.from);
    } else if (record.kind === 'entries') {
      for (const entry of record.entries) this.#entries.push(entry);
      this.#indexMax = Math.max(this.#indexMax, lastIndex(record.entries));
    } else if (record.kind === 'compact') {
      this.#entries.splice(0, Math.max(0, record.base.index + 1 - this.#firstHeld));
      this.#firstHeld = Math.max(this.#firstHeld, record.base.index + 1);
    } else if (record.kind === 'reset') {
      this.#entries = [];
      this.#firstHeld = record.base.index + 1;
      this.#indexMax = 0;
      this.#sealed = this.#sealed.map((segment) => ({ ...segment, indexMax: 0 }));
    }
  }
}

/** The index of the last of at least one entry. */
function lastIndex(entries: readonly Entry[]): LogIndex {
  return present(entries.at(-1), 'an entries record holds entries').index;
}

function tailCut({ name, offset, contentEnd: end }: LogTail): Cut {
  return { file: name, offset, bytes: end - offset };
}

function damaged(file: string, offset: number | null, reason: string): WalDamaged {
  return new WalDamaged({ file, offset }, reason);
}
