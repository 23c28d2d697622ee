// Reads untrusted decoded values into the branded types of the protocol; every doubt is a `MalformedError`.

import {
  logIndex,
  memberId,
  term,
  type EntryKind,
  type LogIndex,
  type LogPosition,
  type MemberId,
  type Membership,
  type SnapshotMeta,
  type Term,
} from '../core/types.ts';

/** A value from a peer has the wrong shape. Never leaves this folder: decoders turn it into a `FrameError`. */
export class MalformedError extends Error {
  override readonly name = 'MalformedError';
}

/** At most this many members are read from a peer; far above any sensible group. */
const MEMBERS_MAX = 64;

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

export function readMember(value: unknown, name: string): MemberId {
  const id = readNumber(value, name);
  if (id === 0) throw new MalformedError(`${name} is not a member id`);
  return memberId(id);
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

/** The fields of a snapshot's meta data: index, term, voter sets, learners. */
export function snapshotMetaFields(meta: SnapshotMeta): Fields {
  return [meta.index, meta.term, meta.membership.voterSets, meta.membership.learners];
}

export function readSnapshotMeta(value: unknown): SnapshotMeta {
  const fields = readFields(value, 4, 'snapshot meta');
  const position = readPosition(fields[0], fields[1], 'snapshot');
  if (position.index === 0) throw new MalformedError('a snapshot stands for at least one entry');
  return { ...position, membership: readMembership(fields[2], fields[3]) };
}

function readMembership(voterSets: unknown, learners: unknown): Membership {
  const sets = readFields(voterSets, 1, 'voter sets');
  if (sets.length > 2) throw new MalformedError('there are at most two voter sets');
  return { voterSets: sets.map((set) => readMembers(set, 1)), learners: readMembers(learners, 0) };
}

function readMembers(value: unknown, countMin: number): MemberId[] {
  const fields = readFields(value, countMin, 'members');
  if (fields.length > MEMBERS_MAX) throw new MalformedError(`more than ${MEMBERS_MAX} members`);
  const members = fields.map((field) => readMember(field, 'member'));
  if (new Set(members).size !== members.length) throw new MalformedError('a member is listed twice');
  return members;
}
