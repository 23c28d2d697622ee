// A snapshot on the wire: posts of some chunks each, every one saying which snapshot and what came before.

import type { Result } from '../../base/result.ts';
import type { SnapshotMeta, Term } from '../core/types.ts';
import {
  MalformedError,
  readBoolean,
  readBytes,
  readFields,
  readNumber,
  readSnapshotMeta,
  readTerm,
  snapshotMetaFields,
} from './fields.ts';
import type { Frame, FrameError, FrameSealer } from './frame.ts';
import { decodeBody, packBody, type BodyLimits } from './message-pack.ts';

/** One chunk at most, in bytes, as in a snapshot's file. */
export const SNAPSHOT_CHUNK_BYTES_MAX = 1024 * 1024;

/** Bytes of chunks after which a post is closed, at most. */
export const SNAPSHOT_BATCH_BYTES_MAX = 1024 * 1024;

/** Chunks in a post, at most; those of a state are far larger than the KiB that this leaves each. */
export const SNAPSHOT_BATCH_CHUNKS_MAX = 1024;

/** Besides its chunks a post has eleven values, one of them binary; the rest is room for what later releases append. */
const LIMITS: BodyLimits = {
  valuesMax: SNAPSHOT_BATCH_CHUNKS_MAX + 1024,
  binariesMax: SNAPSHOT_BATCH_CHUNKS_MAX + 8,
};

/** Room for a batch, one chunk beyond it, and a membership. */
export const SNAPSHOT_BODY_BYTES_MAX = SNAPSHOT_BATCH_BYTES_MAX + SNAPSHOT_CHUNK_BYTES_MAX + 256 * 1024;

/** Some chunks of a snapshot in their order; without chunks, a question how far the receiver is. */
export interface SnapshotBatch {
  /** Chunks before these. */
  readonly offset: number;
  /** CRC32 of all bytes of the chunks before these: two files with the same name are never mixed. */
  readonly crc: number;
  readonly chunks: readonly Uint8Array[];
  /** Nothing comes behind these. */
  readonly last: boolean;
}

export interface SnapshotPost {
  /** The term the sender leads. */
  readonly term: Term;
  /** Counts the transfers of one sender; a later one has the higher number. */
  readonly transfer: number;
  readonly meta: SnapshotMeta;
  /** Size of the sender's file. The same state makes the same file on every member. */
  readonly fileBytes: number;
  readonly batch: SnapshotBatch;
}

/** What the receiver holds of the snapshot; `done` when it lies verified on its disk. */
export interface SnapshotAnswer {
  readonly chunks: number;
  readonly done: boolean;
}

export function encodeSnapshotPost(sealer: FrameSealer, post: SnapshotPost): Buffer {
  const { offset, crc, chunks, last } = post.batch;
  const meta = snapshotMetaFields(post.meta);
  return sealer.seal(
    'snapshot',
    packBody(sealer, [post.term, post.transfer, meta, post.fileBytes, offset, crc, chunks, last]),
  );
}

/** Reads a frame of a snapshot. Never throws, and the chunks own their bytes. */
export function decodeSnapshotPost(frame: Frame): Result<SnapshotPost, FrameError> {
  return decodeBody(frame.body, LIMITS, (value) => {
    if (frame.kind !== 'snapshot') throw new MalformedError('not a part of a snapshot');
    const [term, transfer, meta, fileBytes, offset, crc, chunks, last] = readFields(value, 8, 'snapshot');
    return {
      term: readTerm(term, 'term'),
      transfer: readNumber(transfer, 'transfer'),
      meta: readSnapshotMeta(meta),
      fileBytes: readNumber(fileBytes, 'file size'),
      batch: {
        offset: readNumber(offset, 'offset'),
        crc: readNumber(crc, 'crc'),
        chunks: readFields(chunks, 0, 'chunks').map(readChunk),
        last: readBoolean(last, 'last'),
      },
    };
  });
}

function readChunk(value: unknown): Uint8Array {
  const chunk = readBytes(value, 'chunk');
  if (chunk.byteLength === 0 || chunk.byteLength > SNAPSHOT_CHUNK_BYTES_MAX)
    throw new MalformedError('a chunk is empty or too large');
  return chunk;
}
