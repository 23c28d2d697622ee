// The bytes of positions, terms and memberships, shared by log records and snapshot files.

import {
  type LogIndex,
  type LogPosition,
  type MemberId,
  type Membership,
  type SnapshotMeta,
  type Term,
  logIndex,
  memberId,
  term,
} from '../core/types.ts';
import { type ByteReader, type ByteWriter, MalformedBytes } from './bytes.ts';

/** One voter set normally, two in a joint configuration (Raft paper section 6). */
const VOTER_SETS_MAX = 2;
/** Far above any sensible group: bounds what a malformed file can make us allocate. */
const MEMBERS_MAX = 1024;

/** Writes `meta`: index, term, voter sets, learners. */
export function writeSnapshotMeta(writer: ByteWriter, meta: SnapshotMeta): void {
  writer.u64(meta.index);
  writer.u64(meta.term);
  writer.u8(meta.membership.voterSets.length);
  for (const voters of meta.membership.voterSets) writeMembers(writer, voters);
  writeMembers(writer, meta.membership.learners);
}

/** Reads what `writeSnapshotMeta` wrote; throws `MalformedBytes` for anything that is no valid membership. */
export function readSnapshotMeta(reader: ByteReader): SnapshotMeta {
  const position = readPosition(reader);
  const setCount = reader.u8();
  if (setCount < 1 || setCount > VOTER_SETS_MAX) throw new MalformedBytes(`${setCount} voter sets`);
  const voterSets: MemberId[][] = [];
  for (let set = 0; set < setCount; set += 1) voterSets.push(readMembers(reader));
  const learners = readMembers(reader);
  return { ...position, membership: { voterSets, learners } satisfies Membership };
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

function writeMembers(writer: ByteWriter, members: readonly MemberId[]): void {
  writer.u32(members.length);
  for (const member of members) writer.u64(member);
}

function readMembers(reader: ByteReader): MemberId[] {
  const count = reader.u32();
  if (count > MEMBERS_MAX) throw new MalformedBytes(`${count} members`);
  const members: MemberId[] = [];
  for (let place = 0; place < count; place += 1) {
    const id = reader.u64();
    if (id === 0) throw new MalformedBytes('member id 0');
    members.push(memberId(id));
  }
  return members;
}
