// Bodies of frames as MessagePack: values to bytes and back, and a look over the bytes before anything is made of them.

import { Packr, RESERVE_START_SPACE } from 'msgpackr';

import { err, ok, type Result } from '../../base/result.ts';
import { MalformedError, type Fields } from './fields.ts';
import type { FrameError, FrameSealer } from './frame.ts';

/**
 * Records off: a record's names would live in the sender's and receiver's memory, and a lost frame would garble the next.
 * Binaries are copied: an entry kept in the log must not pin, or change with, the buffer it arrived in.
 */
const packr = new Packr({ useRecords: false, copyBuffers: true });

/** Lists inside each other, at most: an entry is at the fourth place, the rest is room for later releases. */
const DEPTH_MAX = 8;

/** What one body may hold. Each receiver's own limits say how much that has to be. */
export interface BodyLimits {
  /** Values in all lists together; of a text, every byte counts as one. */
  readonly valuesMax: number;
  /** Binaries among them: each becomes a buffer of its own, which costs as much as a dozen numbers. */
  readonly binariesMax: number;
}

/** `value` as MessagePack, with room for the sealer's head in front. */
export function packBody(sealer: FrameSealer, value: Fields): Buffer {
  return packr.pack(value, RESERVE_START_SPACE | sealer.headBytes);
}

/**
 * Unpacks `body` and reads it with `read`; what either refuses becomes a `malformed` error.
 * The look before it is what bounds the work: msgpackr makes millions of objects of as many bytes, and for bytes behind the value
 * it writes all of that value as JSON, to say so in 100 characters.
 */
export function decodeBody<T>(
  body: Uint8Array,
  limits: BodyLimits,
  read: (value: unknown) => T,
): Result<T, FrameError> {
  const flaw = flawOf(body, limits);
  if (flaw !== null) return malformed(flaw);
  let value: unknown;
  try {
    value = packr.unpack(body);
  } catch {
    return malformed('the body is not MessagePack');
  }
  try {
    return ok(read(value));
  } catch (error) {
    if (error instanceof MalformedError) return malformed(error.message);
    throw error;
  }
}

export function malformed(reason: string): Result<never, FrameError> {
  return err({ kind: 'malformed', reason });
}

/** What a first byte begins. Maps and extensions are nothing that a member sends. */
const OTHER = 0;
/** A value of fixed size: `SIZES` bytes follow. */
const PLAIN = 1;
/** A binary, a text, a list: how long it is follows in `SIZES` bytes; with none, it is in the last bits of the first byte. */
const BINARY = 2;
const TEXT = 3;
const LIST = 4;

/** Kind, size, and the first bytes from one to another that have them. 0xc1, maps (0x80, 0xde) and extensions (0xc7, 0xd4) have none. */
const FIRST_BYTES: readonly (readonly [kind: number, size: number, from: number, to: number])[] = [
  [PLAIN, 0, 0x00, 0x7f],
  [LIST, 0, 0x90, 0x9f],
  [TEXT, 0, 0xa0, 0xbf],
  [PLAIN, 0, 0xc0, 0xc0],
  [PLAIN, 0, 0xc2, 0xc3],
  [BINARY, 1, 0xc4, 0xc4],
  [BINARY, 2, 0xc5, 0xc5],
  [BINARY, 4, 0xc6, 0xc6],
  [PLAIN, 4, 0xca, 0xca],
  [PLAIN, 8, 0xcb, 0xcb],
  [PLAIN, 1, 0xcc, 0xcc],
  [PLAIN, 2, 0xcd, 0xcd],
  [PLAIN, 4, 0xce, 0xce],
  [PLAIN, 8, 0xcf, 0xcf],
  [PLAIN, 1, 0xd0, 0xd0],
  [PLAIN, 2, 0xd1, 0xd1],
  [PLAIN, 4, 0xd2, 0xd2],
  [PLAIN, 8, 0xd3, 0xd3],
  [TEXT, 1, 0xd9, 0xd9],
  [TEXT, 2, 0xda, 0xda],
  [TEXT, 4, 0xdb, 0xdb],
  [LIST, 2, 0xdc, 0xdc],
  [LIST, 4, 0xdd, 0xdd],
  [PLAIN, 0, 0xe0, 0xff],
];

const KINDS = new Uint8Array(256).fill(OTHER);
const SIZES = new Uint8Array(256);
for (const [kind, size, from, to] of FIRST_BYTES) {
  KINDS.fill(kind, from, to + 1);
  SIZES.fill(size, from, to + 1);
}

/**
 * Why `bytes` are not exactly one value made of lists, numbers, truths, texts and binaries within the limits; null when they are.
 * Looks at one byte a value and steps over contents, so entries of any size cost the same.
 */
function flawOf(bytes: Uint8Array, { valuesMax, binariesMax }: BodyLimits): string | null {
  let at = 0;
  let values = 0;
  let binaries = 0;
  /** Values still to come in the innermost open list, and in those around it; outermost is the body, a list of one. */
  let lacking = 1;
  const outer: number[] = [];
  for (;;) {
    if (lacking === 0) {
      const around = outer.pop();
      if (around === undefined) return at === bytes.length ? null : 'the body goes on behind its end';
      lacking = around;
      continue;
    }
    lacking -= 1;
    const first = bytes[at] ?? 0;
    const kind = KINDS[first];
    const size = SIZES[first] ?? 0;
    at += 1 + size;
    if (kind === OTHER) return 'the body holds more than lists, numbers, texts and binaries';
    if (kind !== PLAIN) {
      const length = size > 0 ? uintBefore(bytes, at, size) : first & (kind === LIST ? 0x0f : 0x1f);
      if (kind === BINARY) binaries += 1;
      else values += length;
      if (values > valuesMax) return `the body holds more than ${valuesMax} values`;
      if (binaries > binariesMax) return `the body holds more than ${binariesMax} binaries`;
      if (kind === LIST) {
        if (outer.length === DEPTH_MAX) return `the body has more than ${DEPTH_MAX} lists inside each other`;
        outer.push(lacking);
        lacking = length;
      } else at += length;
    }
    if (at > bytes.length) return 'the body ends too early';
  }
}

/** The unsigned integer in the `size` bytes before `end`; beyond every limit where they are not all there. */
function uintBefore(bytes: Uint8Array, end: number, size: number): number {
  let value = 0;
  for (let at = end - size; at < end; at += 1) value = value * 256 + (bytes[at] ?? Number.POSITIVE_INFINITY);
  return value;
}
