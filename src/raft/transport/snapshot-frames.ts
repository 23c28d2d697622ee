// A snapshot on the wire: who sends it and what it stands for, then its chunks, then how much there was.

import { err, ok, type Result } from '../../base/result.ts';
import type { MemberId, SnapshotMeta, Term } from '../core/types.ts';
import {
  readFields,
  readMember,
  readNumber,
  readSnapshotMeta,
  readTerm,
  snapshotMetaFields,
} from './fields.ts';
import { sealFrame, type Frame, type FrameError } from './frame.ts';
import { decodeBody, packr } from './message-codec.ts';

/** Bodies of snapshot frames, at most; the state machine makes chunks of at most 64 KiB. */
export const SNAPSHOT_FRAME_BYTES_MAX = 1024 * 1024;

/** The first frame of a transfer. */
export interface SnapshotHead {
  readonly from: MemberId;
  readonly to: MemberId;
  /** The term the sender leads. */
  readonly term: Term;
  readonly meta: SnapshotMeta;
}

/** The last frame: what must have arrived, so that a transfer that ends early is never taken for a whole one. */
export interface SnapshotEnd {
  readonly chunks: number;
  readonly bytes: number;
}

export function sealSnapshotHead(head: SnapshotHead): Buffer {
  return sealFrame(
    'snapshotMeta',
    packr.pack([head.from, head.to, head.term, snapshotMetaFields(head.meta)]),
  );
}

export function sealSnapshotChunk(chunk: Uint8Array): Buffer {
  return sealFrame('snapshotChunk', chunk);
}

export function sealSnapshotEnd(end: SnapshotEnd): Buffer {
  return sealFrame('snapshotEnd', packr.pack([end.chunks, end.bytes]));
}

export function readSnapshotHead(frame: Frame): Result<SnapshotHead, FrameError> {
  if (frame.kind !== 'snapshotMeta')
    return err({ kind: 'malformed', reason: 'a snapshot begins with its meta data' });
  return decodeBody(frame.body, (value) => {
    const [from, to, term, meta] = readFields(value, 4, 'snapshot head');
    return {
      from: readMember(from, 'sender'),
      to: readMember(to, 'recipient'),
      term: readTerm(term, 'term'),
      meta: readSnapshotMeta(meta),
    };
  });
}

/** Null when the transfer ends with exactly what was counted. */
export function checkSnapshotEnd(frame: Frame, counted: SnapshotEnd): FrameError | null {
  const read = decodeBody(frame.body, (value) => {
    const [chunks, bytes] = readFields(value, 2, 'snapshot end');
    return { chunks: readNumber(chunks, 'chunks'), bytes: readNumber(bytes, 'bytes') };
  });
  const end: Result<SnapshotEnd, FrameError> = read.ok ? ok(read.value) : read;
  if (!end.ok) return end.error;
  if (end.value.chunks === counted.chunks && end.value.bytes === counted.bytes) return null;
  return { kind: 'malformed', reason: 'the snapshot ended with another size than its sender counted' };
}
