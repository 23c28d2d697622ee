// The bytes of a segment: its header and the frames in it. Pure: buffers in, values out.

import { crc32 } from 'node:zlib';

import { assert } from '../../base/assert.ts';
import type { ByteWriter } from './bytes.ts';

export const FORMAT_VERSION = 2;
export const SEGMENT_HEADER_BYTES = 64;
export const FRAME_HEADER_BYTES = 32;
/** Frames start at multiples of this, so that a search for one does not have to look at every byte. */
const ALIGNMENT_BYTES = 8;
/** Bytes a disk writes whole or not at all; the unit of a torn write. */
export const SECTOR_BYTES = 512;
/** 128 bits. */
export const INCARNATION_BYTES = 16;
/** Node reads and writes at most 2 GiB at once. */
const PAYLOAD_BYTES_MAX = 0x4000_0000;

const SEGMENT_MAGIC = Buffer.from('KVCTLWAL', 'latin1');
const FRAME_MAGIC = Buffer.from('WFRM', 'latin1');
const TWO_TO_32 = 0x1_0000_0000;

/** Which log a segment belongs to and its place in it. */
export interface SegmentIdentity {
  /** 128 random bits made when the member's data directory was: files of another log never parse. */
  readonly incarnation: Uint8Array;
  /** 1 for the first segment, one more for each next. */
  readonly number: number;
}

export interface SegmentHeader extends SegmentIdentity {
  readonly version: number;
  /** Bytes that were zeroed and synced before first use: the file can never be shorter. */
  readonly capacityBytes: number;
  /** The ordinal of the segment's first frame. */
  readonly firstOrdinal: number;
  /** The chain value of the frame before that one; 0 at the very beginning. */
  readonly previousChain: number;
}

/** One group write. `chain` covers the header, which covers the payload and the previous frame's `chain`. */
export interface Frame {
  readonly ordinal: number;
  readonly previousChain: number;
  readonly chain: number;
  readonly payload: Buffer;
  /** Where the next frame starts. */
  readonly end: number;
}

/** `none`: no frame was ever started here, or its header is damaged. `torn`: the header is whole, the rest is not. */
export type FrameReading =
  | { readonly kind: 'frame'; readonly frame: Frame }
  | { readonly kind: 'torn'; readonly ordinal: number; readonly previousChain: number }
  | { readonly kind: 'none' };

export type HeaderReading =
  | { readonly kind: 'header'; readonly header: SegmentHeader }
  /** Magic and version fit a segment, of a format this release does not know. */
  | { readonly kind: 'unsupported'; readonly version: number }
  | { readonly kind: 'none' };

/** The file name of a segment; names sort like numbers. */
export function segmentName(number: number): string {
  return `wal-${String(number).padStart(16, '0')}.log`;
}

/** The number in a segment's file name; null for any other name. */
export function parseSegmentName(name: string): number | null {
  const digits = /^wal-(\d{16})\.log$/.exec(name)?.[1];
  if (digits === undefined) return null;
  const number = Number(digits);
  return Number.isSafeInteger(number) && number >= 1 ? number : null;
}

/**
 * What every checksum in a segment starts from: made of log and segment number, so that frames of another segment or
 * another log (a recycled block, a copied file) do not check. Known without reading the segment.
 */
export function segmentSeed(identity: SegmentIdentity): number {
  const bytes = Buffer.alloc(SEGMENT_MAGIC.length + 4 + INCARNATION_BYTES + 8);
  SEGMENT_MAGIC.copy(bytes);
  bytes.writeUInt32LE(FORMAT_VERSION, 8);
  bytes.set(identity.incarnation, 12);
  writeU64(bytes, 12 + INCARNATION_BYTES, identity.number);
  return crc32(bytes);
}

/** Appends the 64 bytes of a segment header. */
export function writeSegmentHeader(writer: ByteWriter, header: SegmentHeader): void {
  assert(header.incarnation.length === INCARNATION_BYTES, 'an incarnation has 128 bits');
  const start = writer.length;
  writer.bytes(SEGMENT_MAGIC);
  writer.u32(header.version);
  writer.u32(0);
  writer.bytes(header.incarnation);
  writer.u64(header.number);
  writer.u64(header.capacityBytes);
  writer.u64(header.firstOrdinal);
  writer.u32(header.previousChain);
  writer.u32(crc32(writer.view(start)));
  assert(writer.length - start === SEGMENT_HEADER_BYTES, 'a segment header has 64 bytes');
}

export function readSegmentHeader(bytes: Buffer): HeaderReading {
  if (bytes.length < SEGMENT_HEADER_BYTES) return { kind: 'none' };
  if (!bytes.subarray(0, 8).equals(SEGMENT_MAGIC)) return { kind: 'none' };
  if (bytes.readUInt32LE(60) !== crc32(bytes.subarray(0, 60))) return { kind: 'none' };
  const version = bytes.readUInt32LE(8);
  if (version !== FORMAT_VERSION) return { kind: 'unsupported', version };
  const header = {
    version,
    incarnation: Uint8Array.from(bytes.subarray(16, 32)),
    number: readU64(bytes, 32),
    capacityBytes: readU64(bytes, 40),
    firstOrdinal: readU64(bytes, 48),
    previousChain: bytes.readUInt32LE(56),
  };
  return { kind: 'header', header };
}

/** Room for a frame header; `finishFrame` fills it in when the payload behind it is written. */
export function beginFrame(writer: ByteWriter): number {
  const start = writer.length;
  writer.zeros(FRAME_HEADER_BYTES);
  return start;
}

/** Completes the frame begun at `start` with the payload written since; returns its chain value. */
export function finishFrame(
  writer: ByteWriter,
  start: number,
  place: { readonly seed: number; readonly ordinal: number; readonly previousChain: number },
): number {
  const payloadBytes = writer.length - start - FRAME_HEADER_BYTES;
  assert(payloadBytes > 0 && payloadBytes <= PAYLOAD_BYTES_MAX, 'a frame has 1 byte to 1 GiB of payload');
  writer.zeros(padding(payloadBytes));
  const payloadCrc = crc32(writer.view(start + FRAME_HEADER_BYTES), place.seed);
  const header = writer.view(start).subarray(0, FRAME_HEADER_BYTES);
  FRAME_MAGIC.copy(header, 0);
  header.writeUInt32LE(payloadBytes, 8);
  header.writeUInt32LE(payloadCrc, 12);
  writeU64(header, 16, place.ordinal);
  header.writeUInt32LE(place.previousChain, 24);
  const chain = crc32(header.subarray(8), place.seed);
  header.writeUInt32LE(chain, 4);
  return chain;
}

/** What stands at `offset`. */
export function readFrame(bytes: Buffer, offset: number, seed: number): FrameReading {
  if (offset + FRAME_HEADER_BYTES > bytes.length) return { kind: 'none' };
  const header = bytes.subarray(offset, offset + FRAME_HEADER_BYTES);
  if (!header.subarray(0, 4).equals(FRAME_MAGIC)) return { kind: 'none' };
  const chain = header.readUInt32LE(4);
  if (chain !== crc32(header.subarray(8), seed)) return { kind: 'none' };
  const payloadBytes = header.readUInt32LE(8);
  const ordinal = readU64(header, 16);
  const previousChain = header.readUInt32LE(24);
  const start = offset + FRAME_HEADER_BYTES;
  const end = start + payloadBytes + padding(payloadBytes);
  if (end > bytes.length) return { kind: 'torn', ordinal, previousChain };
  const checks = crc32(bytes.subarray(start, end), seed) === header.readUInt32LE(12);
  if (!checks) return { kind: 'torn', ordinal, previousChain };
  const payload = bytes.subarray(start, start + payloadBytes);
  return { kind: 'frame', frame: { ordinal, previousChain, chain, payload, end } };
}

/** The offset of the first whole frame header at or after `from`; null when there is none. */
export function findFrameHeader(bytes: Buffer, from: number, seed: number): number | null {
  for (let at = bytes.indexOf(FRAME_MAGIC, from); at !== -1; at = bytes.indexOf(FRAME_MAGIC, at + 1)) {
    if (at % ALIGNMENT_BYTES === 0 && readFrame(bytes, at, seed).kind !== 'none') return at;
  }
  return null;
}

/** The offset after the last byte that is not zero; 0 when all are. */
export function contentEnd(bytes: Uint8Array): number {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return end;
}

function padding(payloadBytes: number): number {
  return (ALIGNMENT_BYTES - (payloadBytes % ALIGNMENT_BYTES)) % ALIGNMENT_BYTES;
}

function writeU64(bytes: Buffer, offset: number, value: number): void {
  bytes.writeUInt32LE(value % TWO_TO_32, offset);
  bytes.writeUInt32LE(Math.floor(value / TWO_TO_32), offset + 4);
}

function readU64(bytes: Buffer, offset: number): number {
  return bytes.readUInt32LE(offset) + bytes.readUInt32LE(offset + 4) * TWO_TO_32;
}
