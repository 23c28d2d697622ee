// The bytes of positions, terms and memberships, shared by log records and snapshot files.

import { decodeMembership, encodeMembership } from '../core/membership-codec.ts';
import {
  type LogIndex,
  type LogPosition,
  type SnapshotMeta,
  type Term,
  logIndex,
  term,
} from '../core/types.ts';
import { type ByteReader, type ByteWriter, MalformedBytes } from './bytes.ts';

/** Writes `meta`: index, term, length of the encoded membership, encoded membership. */
export function writeSnapshotMeta(writer: ByteWriter, meta: SnapshotMeta): void {
  const membership = encodeMembership(meta.membership);
  writer.u64(meta.index);
  writer.u64(meta.term);
  writer.u32(membership.length);
  writer.bytes(membership);
}

/** Reads what `writeSnapshotMeta` wrote; throws `MalformedBytes` for anything that is no valid membership. */
export function readSnapshotMeta(reader: ByteReader): SnapshotMeta {
  const position = readPosition(reader);
  const membership = decodeMembership(reader.bytes(reader.u32()));
  if (membership === null) throw new MalformedBytes('the membership makes no sense');
  return { ...position, membership };
}

function readPosition(reader: ByteReader): LogPosition {
  return { index: readIndex(reader), term: readTerm(reader) };
}

export function readIndex(reader: ByteReader): LogIndex {
  return logIndex(reader.u64());
}

export function readTerm(reader: ByteReader): Term {
  return term(reader.u64());
}
