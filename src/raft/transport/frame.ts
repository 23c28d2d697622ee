// The envelope of everything peers send each other: version, kind, length, checksum, then an opaque body.

import { crc32 } from 'node:zlib';

import { err, ok, type Result } from '../../base/result.ts';

/**
 * Layout, integers big-endian: magic (2 bytes, "KR"), protocol version (uint8), frame kind (uint8), body length (uint32),
 * CRC32 of the 8 bytes before it and of the body (uint32), body.
 */
export const FRAME_HEADER_BYTES = 12;

/** Rises when an old release could misread the new one; a receiver refuses every other version. */
export const PROTOCOL_VERSION = 1;

const MAGIC = 0x4b52;
const CHECKED_HEADER_BYTES = 8;

/** Codes on the wire. Never reused. */
const FRAME_CODES = { messages: 1, snapshotMeta: 2, snapshotChunk: 3, snapshotEnd: 4 } as const;

export type FrameKind = keyof typeof FRAME_CODES;

const FRAME_KINDS: ReadonlyMap<number, FrameKind> = new Map([
  [FRAME_CODES.messages, 'messages'],
  [FRAME_CODES.snapshotMeta, 'snapshotMeta'],
  [FRAME_CODES.snapshotChunk, 'snapshotChunk'],
  [FRAME_CODES.snapshotEnd, 'snapshotEnd'],
]);

/** One frame; `body` is a view of the received bytes, valid as long as they are. */
export interface Frame {
  readonly kind: FrameKind;
  readonly body: Uint8Array;
}

/** Why bytes from a peer were not taken. */
export type FrameError =
  | { readonly kind: 'notAFrame' }
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'unknownFrame'; readonly code: number }
  | { readonly kind: 'tooLarge'; readonly bytes: number }
  | { readonly kind: 'truncated' }
  | { readonly kind: 'checksum' }
  | { readonly kind: 'malformed'; readonly reason: string };

/** Wraps `body` into a frame of `kind`. The result is one buffer that shares nothing with `body`. */
export function sealFrame(kind: FrameKind, body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + body.byteLength);
  frame.writeUInt16BE(MAGIC, 0);
  frame.writeUInt8(PROTOCOL_VERSION, 2);
  frame.writeUInt8(FRAME_CODES[kind], 3);
  frame.writeUInt32BE(body.byteLength, 4);
  frame.set(body, FRAME_HEADER_BYTES);
  frame.writeUInt32BE(checksum(frame.subarray(0, CHECKED_HEADER_BYTES), body), CHECKED_HEADER_BYTES);
  return frame;
}

/** Reads bytes that must be exactly one frame with a body of at most `bodyBytesMax`. */
export function openFrame(bytes: Uint8Array, bodyBytesMax: number): Result<Frame, FrameError> {
  const header = readHeader(bytes, bodyBytesMax);
  if (!header.ok) return header;
  if (bytes.byteLength !== FRAME_HEADER_BYTES + header.value.bodyBytes) return err({ kind: 'truncated' });
  return checkBody(bytes, header.value);
}

/** Cuts a stream of bytes into frames. Holds at most one incomplete frame and one received chunk. */
export class FrameReader {
  readonly #bodyBytesMax: number;
  #pending: Buffer = Buffer.alloc(0);

  constructor(bodyBytesMax: number) {
    this.#bodyBytesMax = bodyBytesMax;
  }

  /** True when no part of a frame is waiting for its rest. */
  get atBoundary(): boolean {
    return this.#pending.byteLength === 0;
  }

  /** Adds received bytes. Take all frames with `next` before adding more. */
  push(chunk: Uint8Array): void {
    this.#pending =
      this.#pending.byteLength === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
  }

  /** The next whole frame; null when more bytes are needed. After an error the stream is lost. */
  next(): Result<Frame | null, FrameError> {
    if (this.#pending.byteLength < FRAME_HEADER_BYTES) return ok(null);
    const header = readHeader(this.#pending, this.#bodyBytesMax);
    if (!header.ok) return header;
    const end = FRAME_HEADER_BYTES + header.value.bodyBytes;
    if (this.#pending.byteLength < end) return ok(null);
    const frame = checkBody(this.#pending.subarray(0, end), header.value);
    this.#pending = this.#pending.subarray(end);
    return frame;
  }
}

interface Header {
  readonly kind: FrameKind;
  readonly bodyBytes: number;
  readonly checksum: number;
}

function readHeader(bytes: Uint8Array, bodyBytesMax: number): Result<Header, FrameError> {
  if (bytes.byteLength < FRAME_HEADER_BYTES) return err({ kind: 'truncated' });
  const view = new DataView(bytes.buffer, bytes.byteOffset, FRAME_HEADER_BYTES);
  if (view.getUint16(0) !== MAGIC) return err({ kind: 'notAFrame' });
  const version = view.getUint8(2);
  if (version !== PROTOCOL_VERSION) return err({ kind: 'version', version });
  const code = view.getUint8(3);
  const kind = FRAME_KINDS.get(code);
  if (kind === undefined) return err({ kind: 'unknownFrame', code });
  const bodyBytes = view.getUint32(4);
  if (bodyBytes > bodyBytesMax) return err({ kind: 'tooLarge', bytes: bodyBytes });
  return ok({ kind, bodyBytes, checksum: view.getUint32(CHECKED_HEADER_BYTES) });
}

function checkBody(bytes: Uint8Array, header: Header): Result<Frame, FrameError> {
  const body = bytes.subarray(FRAME_HEADER_BYTES);
  const found = checksum(bytes.subarray(0, CHECKED_HEADER_BYTES), body);
  return found === header.checksum ? ok({ kind: header.kind, body }) : err({ kind: 'checksum' });
}

function checksum(header: Uint8Array, body: Uint8Array): number {
  return crc32(body, crc32(header));
}
