// What a frame says: the records of one group write, to bytes and back.

import { unreachable } from '../../base/assert.ts';
import type { Entry, EntryKind, HardState, LogIndex, MemberId, SnapshotMeta, Term } from '../core/types.ts';
import { logIndex, memberId } from '../core/types.ts';
import { ByteReader, type ByteWriter, MalformedBytes } from './bytes.ts';
import { readIndex, readSnapshotMeta, readTerm, writeSnapshotMeta } from './snapshot-meta.ts';

/** Entries from `first` on have this term, up to the next run or the end of the log. */
export interface TermRun {
  readonly first: LogIndex;
  readonly term: Term;
}

/** Everything about the log except its entries; the first record of every segment. */
export interface LogHead {
  readonly hardState: HardState;
  readonly base: SnapshotMeta;
  readonly last: LogIndex;
  /** The first run is the base itself. */
  readonly runs: readonly TermRun[];
}

export type WalRecord =
  | { readonly kind: 'head'; readonly head: LogHead }
  | { readonly kind: 'hardState'; readonly hardState: HardState }
  /** Entries from `from` on are gone. */
  | { readonly kind: 'truncate'; readonly from: LogIndex }
  /** At least one entry. */
  | { readonly kind: 'entries'; readonly entries: readonly Entry[] }
  /** Entries up to `base` are in a snapshot; later ones stay. */
  | { readonly kind: 'compact'; readonly base: SnapshotMeta }
  /** The whole log is replaced by a snapshot at `base`. */
  | { readonly kind: 'reset'; readonly base: SnapshotMeta };

const TAGS = {
  head: 1,
  hardState: 2,
  truncate: 3,
  entries: 4,
  compact: 5,
  reset: 6,
} as const satisfies Record<WalRecord['kind'], number>;
const ENTRY_TAGS: Readonly<Record<EntryKind, number>> = { command: 1, noop: 2, config: 3 };
const ENTRY_KINDS: ReadonlyMap<number, EntryKind> = new Map([
  [1, 'command'],
  [2, 'noop'],
  [3, 'config'],
]);

/** A whole, checksummed frame holds a record or entry of a kind this release does not know. */
export class UnknownRecord extends Error {
  override readonly name = 'UnknownRecord';
}

/** Appends the bytes of one record. */
export function writeRecord(writer: ByteWriter, record: WalRecord): void {
  writer.u8(TAGS[record.kind]);
  switch (record.kind) {
    case 'head':
      writeHead(writer, record.head);
      return;
    case 'hardState':
      writeHardState(writer, record.hardState);
      return;
    case 'truncate':
      writer.u64(record.from);
      return;
    case 'entries':
      writeEntries(writer, record.entries);
      return;
    case 'compact':
    case 'reset':
      writeSnapshotMeta(writer, record.base);
      return;
    default:
      unreachable(record);
  }
}

/** All records of a frame. Throws `MalformedBytes`, or `UnknownRecord` for what a newer release may have written. */
export function readRecords(payload: Uint8Array): WalRecord[] {
  const reader = new ByteReader(payload);
  const records: WalRecord[] = [];
  while (reader.remaining > 0) records.push(readRecord(reader));
  return records;
}

function readRecord(reader: ByteReader): WalRecord {
  const tag = reader.u8();
  switch (tag) {
    case TAGS.head:
      return { kind: 'head', head: readHead(reader) };
    case TAGS.hardState:
      return { kind: 'hardState', hardState: readHardState(reader) };
    case TAGS.truncate:
      return { kind: 'truncate', from: readIndex(reader) };
    case TAGS.entries:
      return { kind: 'entries', entries: readEntries(reader) };
    case TAGS.compact:
      return { kind: 'compact', base: readSnapshotMeta(reader) };
    case TAGS.reset:
      return { kind: 'reset', base: readSnapshotMeta(reader) };
    default:
      throw new UnknownRecord(`a record of unknown kind ${tag}`);
  }
}

function writeHead(writer: ByteWriter, head: LogHead): void {
  writeHardState(writer, head.hardState);
  writeSnapshotMeta(writer, head.base);
  writer.u64(head.last);
  writer.u32(head.runs.length);
  for (const run of head.runs) {
    writer.u64(run.first);
    writer.u64(run.term);
  }
}

function readHead(reader: ByteReader): LogHead {
  const hardState = readHardState(reader);
  const base = readSnapshotMeta(reader);
  const last = readIndex(reader);
  const count = reader.u32();
  const runs: TermRun[] = [];
  for (let place = 0; place < count; place += 1)
    runs.push({ first: readIndex(reader), term: readTerm(reader) });
  return { hardState, base, last, runs };
}

function writeHardState(writer: ByteWriter, hardState: HardState): void {
  writer.u64(hardState.term);
  writer.u64(hardState.votedFor ?? 0);
}

function readHardState(reader: ByteReader): HardState {
  const term = readTerm(reader);
  const vote = reader.u64();
  return { term, votedFor: vote === 0 ? null : (memberId(vote) satisfies MemberId) };
}

/** First index, count, then term, kind, length and data of each: indices follow one another and are not repeated. */
function writeEntries(writer: ByteWriter, entries: readonly Entry[]): void {
  writer.u64(entries[0]?.index ?? 0);
  writer.u32(entries.length);
  for (const entry of entries) {
    writer.u64(entry.term);
    writer.u8(ENTRY_TAGS[entry.kind]);
    writer.u32(entry.data.length);
    writer.bytes(entry.data);
  }
}

function readEntries(reader: ByteReader): Entry[] {
  const first = readIndex(reader);
  const count = reader.u32();
  if (first === 0 || count === 0) throw new MalformedBytes('an entries record without entries');
  const entries: Entry[] = [];
  for (let place = 0; place < count; place += 1) {
    const term = readTerm(reader);
    const tag = reader.u8();
    const kind = ENTRY_KINDS.get(tag);
    if (kind === undefined) throw new UnknownRecord(`an entry of unknown kind ${tag}`);
    // Copied: a view would keep a whole segment in memory for as long as one of its entries lives.
    const data = Uint8Array.from(reader.bytes(reader.u32()));
    entries.push({ index: logIndex(first + place), term, kind, data });
  }
  return entries;
}
