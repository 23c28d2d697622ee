// The bytes of a snapshot file: header, chunks, trailer, each with its own checksum. Pure.

import { crc32 } from 'node:zlib';

import type { LogPosition, SnapshotMeta } from '../core/types.ts';
import { ByteReader, ByteWriter, MalformedBytes } from '../wal/bytes.ts';
import { readSnapshotMeta, writeSnapshotMeta } from '../wal/snapshot-meta.ts';

export const SNAPSHOT_VERSION = 2;
/** Magic, version, bytes of the meta. */
export const PREAMBLE_BYTES = 16;
/** Tag, length, checksum. */
export const CHUNK_HEADER_BYTES = 12;
/** Tag, chunk count, payload bytes, checksum of the file so far, checksum of the trailer. */
export const TRAILER_BYTES = 24;
/** One chunk at most; bounds the memory that reading needs. */
export const CHUNK_BYTES_MAX = 1024 * 1024;
const META_BYTES_MAX = 64 * 1024;

const MAGIC = Buffer.from('KVCTLSNP', 'latin1');
const CHUNK_TAG = 0x4b_4e_48_43; // "CHNK"
const TRAILER_TAG = 0x4c_49_41_54; // "TAIL"

/** A snapshot by a release with a newer format. */
export class UnknownVersion extends Error {
  override readonly name = 'UnknownVersion';
  readonly version: number;

  constructor(version: number) {
    super(`format version ${version}`);
    this.version = version;
  }
}

export interface Trailer {
  readonly chunks: number;
  readonly payloadBytes: number;
  readonly fileCrc: number;
}

/** `snapshot-<term>-<index>.snap` in fixed width: sorted names are sorted positions. */
export function snapshotName(position: LogPosition): string {
  return `snapshot-${digits(position.term)}-${digits(position.index)}.snap`;
}

export function isSnapshotName(name: string): boolean {
  return /^snapshot-\d{16}-\d{16}\.snap$/.test(name);
}

/** Preamble, meta, checksum of both. */
export function encodeHeader(meta: SnapshotMeta): Buffer {
  const encoded = new ByteWriter();
  writeSnapshotMeta(encoded, meta);
  const writer = new ByteWriter();
  writer.bytes(MAGIC);
  writer.u32(SNAPSHOT_VERSION);
  writer.u32(encoded.length);
  writer.bytes(encoded.view());
  writer.u32(crc32(writer.view()));
  return Buffer.from(writer.view());
}

/** Bytes after the preamble that belong to the header: meta and checksum. */
export function readPreamble(preamble: Buffer): number {
  const reader = new ByteReader(preamble);
  if (!reader.bytes(MAGIC.length).equals(MAGIC)) throw new MalformedBytes('not a snapshot file');
  const version = reader.u32();
  if (version !== SNAPSHOT_VERSION) throw new UnknownVersion(version);
  const metaBytes = reader.u32();
  if (metaBytes > META_BYTES_MAX) throw new MalformedBytes('the header is too long');
  return metaBytes + 4;
}

/** `rest` is what `readPreamble` asked for. */
export function readHeader(preamble: Buffer, rest: Buffer): SnapshotMeta {
  const meta = rest.subarray(0, rest.length - 4);
  if (rest.readUInt32LE(meta.length) !== crc32(meta, crc32(preamble)))
    throw new MalformedBytes('the header is damaged');
  const reader = new ByteReader(meta);
  const result = readSnapshotMeta(reader);
  reader.end();
  return result;
}

export function encodeChunk(payload: Uint8Array): Buffer {
  const bytes = Buffer.alloc(CHUNK_HEADER_BYTES + payload.length);
  bytes.writeUInt32LE(CHUNK_TAG, 0);
  bytes.writeUInt32LE(payload.length, 4);
  bytes.writeUInt32LE(crc32(payload), 8);
  bytes.set(payload, CHUNK_HEADER_BYTES);
  return bytes;
}

export function encodeTrailer(trailer: Trailer): Buffer {
  const bytes = Buffer.alloc(TRAILER_BYTES);
  bytes.writeUInt32LE(TRAILER_TAG, 0);
  bytes.writeUInt32LE(trailer.chunks, 4);
  bytes.writeBigUInt64LE(BigInt(trailer.payloadBytes), 8);
  bytes.writeUInt32LE(trailer.fileCrc, 16);
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 20)), 20);
  return bytes;
}

/** What stands behind the header or a chunk; `head` is the next 12 bytes. */
export function readTag(
  head: Buffer,
): { readonly kind: 'chunk'; readonly bytes: number; readonly crc: number } | { readonly kind: 'trailer' } {
  const tag = head.readUInt32LE(0);
  if (tag === TRAILER_TAG) return { kind: 'trailer' };
  if (tag !== CHUNK_TAG) throw new MalformedBytes('neither a chunk nor the end of the file');
  const bytes = head.readUInt32LE(4);
  if (bytes > CHUNK_BYTES_MAX) throw new MalformedBytes('a chunk is too long');
  return { kind: 'chunk', bytes, crc: head.readUInt32LE(8) };
}

export function readTrailer(bytes: Buffer): Trailer {
  if (bytes.readUInt32LE(20) !== crc32(bytes.subarray(0, 20)))
    throw new MalformedBytes('the end of the file is damaged');
  return {
    chunks: bytes.readUInt32LE(4),
    payloadBytes: Number(bytes.readBigUInt64LE(8)),
    fileCrc: bytes.readUInt32LE(16),
  };
}

function digits(value: number): string {
  return String(value).padStart(16, '0');
}
