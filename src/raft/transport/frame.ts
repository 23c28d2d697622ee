// The envelope of everything members send each other: who to whom, of which cluster, then an opaque body with its checksum.

import { crc32 } from 'node:zlib';

import { assert } from '../../base/assert.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { clusterId, type ClusterId } from '../cluster-id.ts';
import { incarnation, memberId, type Incarnation, type MemberId } from '../core/types.ts';
import { ADDRESS_LENGTH_MAX } from './peer-address.ts';

/**
 * Layout, integers big-endian; the first three bytes mean the same in every version:
 *  0 magic "KR"            4 body bytes (uint32)      12 cluster id (16 bytes)    44 sender (uint64)
 *  2 version (uint8)       8 CRC32 of all the rest    28 incarnation (16 bytes)   52 recipient (uint64)
 *  3 frame kind (uint8)                               60 address bytes (uint8), address, body
 */
const FIXED_BYTES = 61;
const AT = {
  version: 2,
  kind: 3,
  bodyBytes: 4,
  checksum: 8,
  cluster: 12,
  incarnation: 28,
  from: 44,
  to: 52,
  address: 60,
};
const ID_BYTES = 16;

/** The largest head of a frame, in bytes. */
export const FRAME_HEAD_BYTES_MAX = FIXED_BYTES + ADDRESS_LENGTH_MAX;

/** Rises when an old release could misread the new one; a receiver refuses every other version. */
export const PROTOCOL_VERSION = 2;

const MAGIC = 0x4b52;

/** Codes on the wire. Never reused; 2 to 4 were the parts of a snapshot stream in version 1. */
const FRAME_CODES = { messages: 1, snapshot: 5 } as const;

export type FrameKind = keyof typeof FRAME_CODES;

const FRAME_KINDS: ReadonlyMap<number, FrameKind> = new Map([
  [FRAME_CODES.messages, 'messages'],
  [FRAME_CODES.snapshot, 'snapshot'],
]);

/** Who speaks to whom. The same for all frames of one link. */
export interface FrameHead {
  readonly clusterId: ClusterId;
  readonly from: MemberId;
  readonly to: MemberId;
  readonly incarnation: Incarnation;
  /** Where the sender takes requests, `host:port`; not checked by the decoder, and never proof of who it is. */
  readonly address: string;
}

/** One frame; `body` is a view of the received bytes, valid as long as they are. */
export interface Frame {
  readonly kind: FrameKind;
  readonly head: FrameHead;
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

/** Seals frames with one head, encoded once. */
export class FrameSealer {
  readonly head: FrameHead;
  readonly #encoded: Buffer;

  constructor(head: FrameHead) {
    this.head = head;
    this.#encoded = encodeHead(head);
  }

  /** Bytes to be left free in front of a body. */
  get headBytes(): number {
    return this.#encoded.byteLength;
  }

  /** Fills in the `headBytes` in front of the body in `frame`, which is then whole: no copy is made. */
  seal(kind: FrameKind, frame: Buffer): Buffer {
    frame.set(this.#encoded, 0);
    frame.writeUInt8(FRAME_CODES[kind], AT.kind);
    frame.writeUInt32BE(frame.byteLength - this.headBytes, AT.bodyBytes);
    frame.writeUInt32BE(checksum(frame), AT.checksum);
    return frame;
  }
}

function encodeHead(head: FrameHead): Buffer {
  assert(head.address.length <= ADDRESS_LENGTH_MAX, 'an address fits the head of a frame');
  const encoded = Buffer.alloc(FIXED_BYTES + head.address.length);
  encoded.writeUInt16BE(MAGIC, 0);
  encoded.writeUInt8(PROTOCOL_VERSION, AT.version);
  encoded.write(head.clusterId, AT.cluster, 'hex');
  encoded.write(head.incarnation, AT.incarnation, 'hex');
  encoded.writeBigUInt64BE(BigInt(head.from), AT.from);
  encoded.writeBigUInt64BE(BigInt(head.to), AT.to);
  encoded.writeUInt8(head.address.length, AT.address);
  encoded.write(head.address, FIXED_BYTES, 'latin1');
  return encoded;
}

/** Bytes of the frame that `bytes` begin with, as its head declares; null while too few are here to tell. */
export function frameBytes(bytes: Buffer): number | null {
  const bodyAt = headBytes(bytes);
  return bodyAt === null ? null : bodyAt + bytes.readUInt32BE(AT.bodyBytes);
}

/**
 * The head that `bytes` begin with, though nothing has proved it undamaged: good enough not to wait for the rest, never to decide
 * about its sender. Null while it is not whole, or where it names no members.
 */
export function peekHead(bytes: Buffer): FrameHead | null {
  const bodyAt = headBytes(bytes);
  return bodyAt === null ? null : readHead(bytes, bodyAt);
}

/** Bytes in front of the body; null while that many are not here. */
function headBytes(bytes: Buffer): number | null {
  if (bytes.byteLength < FIXED_BYTES) return null;
  const bodyAt = FIXED_BYTES + bytes.readUInt8(AT.address);
  return bytes.byteLength < bodyAt ? null : bodyAt;
}

/** False when `openFrame` would refuse `bytes` whatever followed them; enough to cut a stream by. */
export function mayBeFrame(bytes: Buffer, bodyBytesMax: number): boolean {
  if (bytes.byteLength >= 4) {
    if (bytes.readUInt16BE(0) !== MAGIC || bytes.readUInt8(AT.version) !== PROTOCOL_VERSION) return false;
  }
  return bytes.byteLength < FIXED_BYTES || bytes.readUInt32BE(AT.bodyBytes) <= bodyBytesMax;
}

/**
 * Reads bytes that must be exactly one frame with a body of at most `bodyBytesMax`. Never throws, and copies nothing but
 * the head; what is not read here is not allocated for.
 */
export function openFrame(frame: Buffer, bodyBytesMax: number): Result<Frame, FrameError> {
  if (frame.byteLength < 4) return err({ kind: 'truncated' });
  if (frame.readUInt16BE(0) !== MAGIC) return err({ kind: 'notAFrame' });
  const version = frame.readUInt8(AT.version);
  if (version !== PROTOCOL_VERSION) return err({ kind: 'version', version });
  if (frame.byteLength < FIXED_BYTES) return err({ kind: 'truncated' });
  const code = frame.readUInt8(AT.kind);
  const kind = FRAME_KINDS.get(code);
  if (kind === undefined) return err({ kind: 'unknownFrame', code });
  const bodyBytes = frame.readUInt32BE(AT.bodyBytes);
  if (bodyBytes > bodyBytesMax) return err({ kind: 'tooLarge', bytes: bodyBytes });
  const bodyAt = FIXED_BYTES + frame.readUInt8(AT.address);
  if (frame.byteLength !== bodyAt + bodyBytes) return err({ kind: 'truncated' });
  if (frame.readUInt32BE(AT.checksum) !== checksum(frame)) return err({ kind: 'checksum' });
  const head = readHead(frame, bodyAt);
  if (head === null) return err({ kind: 'malformed', reason: 'sender or recipient is not a member id' });
  return ok({ kind, head, body: frame.subarray(bodyAt) });
}

function readHead(frame: Buffer, bodyAt: number): FrameHead | null {
  const from = readMember(frame, AT.from);
  const to = readMember(frame, AT.to);
  if (from === null || to === null) return null;
  return {
    clusterId: clusterId(frame.toString('hex', AT.cluster, AT.cluster + ID_BYTES)),
    from,
    to,
    incarnation: incarnation(frame.toString('hex', AT.incarnation, AT.incarnation + ID_BYTES)),
    address: frame.toString('latin1', FIXED_BYTES, bodyAt),
  };
}

function readMember(frame: Buffer, offset: number): MemberId | null {
  const id = frame.readUInt32BE(offset) * 2 ** 32 + frame.readUInt32BE(offset + 4);
  return Number.isSafeInteger(id) && id > 0 ? memberId(id) : null;
}

function checksum(frame: Buffer): number {
  return crc32(frame.subarray(AT.checksum + 4), crc32(frame.subarray(0, AT.checksum)));
}
