// Reads untrusted decoded values into the branded types of the protocol; every doubt is a `MalformedError`.

import { decodeMembership, encodeMembership } from '../core/membership-codec.ts';
import {
  logIndex,
  term,
  type EntryKind,
  type LogIndex,
  type LogPosition,
  type SnapshotMeta,
  type Term,
} from '../core/types.ts';

/** A value from a peer has the wrong shape. Never leaves this folder: decoders turn it into a `FrameError`. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

export type Fields = readonly unknown[];

/** `value` as an array of at least `lengthMin` fields. More are allowed: a later release may append some. */
export function readFields(value: unknown, lengthMin: number, name: string): Fields {
  if (!Array.isArray(value) || value.length < lengthMin)
    throw new MalformedError(`${name} is not a list of ${lengthMin} fields`);
  return value;
}

export function readNumber(value: unknown, name: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) {
    throw new MalformedError(`${name} is not an integer in 0..2^53-1`);
  }
  return value;
}

export function readBoolean(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw new MalformedError(`${name} is not a boolean`);
  return value;
}

export function readTerm(value: unknown, name: string): Term {
  return term(readNumber(value, name));
}

export function readIndex(value: unknown, name: string): LogIndex {
  return logIndex(readNumber(value, name));
}

/** A position from two fields. Index 0 means "before the first entry" and has term 0, no other index has. */
export function readPosition(index: unknown, positionTerm: unknown, name: string): LogPosition {
  const position = { index: readIndex(index, `${name} index`), term: readTerm(positionTerm, `${name} term`) };
  if ((position.index === 0) !== (position.term === 0))
    throw new MalformedError(`${name} is not a position in a log`);
  return position;
}

/** `value` as bytes; the decoder was told to copy them, so they share nothing with the received buffer. */
export function readBytes(value: unknown, name: string): Uint8Array {
  if (!(value instanceof Uint8Array)) throw new MalformedError(`${name} is not binary`);
  return value;
}

const ENTRY_KINDS: readonly EntryKind[] = ['command', 'noop', 'config'];

/** The code of an entry kind on the wire: its place in the list above, which therefore only ever grows at its end. */
export function entryKindCode(kind: EntryKind): number {
  return ENTRY_KINDS.indexOf(kind);
}

export function readEntryKind(value: unknown): EntryKind {
  const kind = ENTRY_KINDS[readNumber(value, 'entry kind')];
  if (kind === undefined) throw new MalformedError('entry kind is unknown');
  return kind;
}

/** The fields of a snapshot's meta data: index, term, encoded membership. */
export function snapshotMetaFields(meta: SnapshotMeta): Fields {
  return [meta.index, meta.term, encodeMembership(meta.membership)];
}

export function readSnapshotMeta(value: unknown): SnapshotMeta {
  const fields = readFields(value, 3, 'snapshot meta');
  const position = readPosition(fields[0], fields[1], 'snapshot');
  if (position.index === 0) throw new MalformedError('a snapshot stands for at least one entry');
  const membership = decodeMembership(readBytes(fields[2], 'membership'));
  if (membership === null) throw new MalformedError('the membership cannot be read');
  return { ...position, membership };
}
