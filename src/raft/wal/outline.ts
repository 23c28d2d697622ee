// The log without its entries: what every record may and may not do to it. One set of rules for writing and reading.

import { assert, unreachable } from '../../base/assert.ts';
import {
  type Entry,
  type HardState,
  type LogIndex,
  type SnapshotMeta,
  type Term,
  logIndex,
} from '../core/types.ts';
import { ByteWriter } from './bytes.ts';
import { type LogHead, type TermRun, type WalRecord, writeRecord } from './records.ts';

/**
 * Follows the log record by record. `violation` says why a record cannot follow what is there: the writer asserts that
 * it does not happen, the recovery scan refuses a log in which it did.
 */
export class LogOutline {
  #hardState: HardState;
  #base: SnapshotMeta;
  #last: LogIndex;
  /** Ascending; the first is the base itself. */
  #runs: TermRun[];

  constructor(head: LogHead) {
    this.#hardState = head.hardState;
    this.#base = head.base;
    this.#last = head.last;
    this.#runs = [...head.runs];
  }

  /** The outline of a log that holds nothing but its base. */
  static empty(hardState: HardState, base: SnapshotMeta): LogOutline {
    return new LogOutline({
      hardState,
      base,
      last: base.index,
      runs: [{ first: base.index, term: base.term }],
    });
  }

  get head(): LogHead {
    return { hardState: this.#hardState, base: this.#base, last: this.#last, runs: [...this.#runs] };
  }

  get base(): SnapshotMeta {
    return this.#base;
  }

  /** Why `record` cannot come next; null when it can. */
  violation(record: WalRecord): string | null {
    switch (record.kind) {
      case 'head':
        return sameHead(record.head, this.head)
          ? null
          : 'the head of a segment contradicts the records before it';
      case 'hardState':
        return this.#hardStateViolation(record.hardState);
      case 'truncate':
        if (record.from > this.#base.index && record.from <= this.#last) return null;
        return `truncation from entry ${record.from} of a log that holds ${this.#base.index + 1} to ${this.#last}`;
      case 'entries':
        return this.#entriesViolation(record.entries);
      case 'compact':
        return this.#compactViolation(record.base);
      case 'reset':
        if (record.base.index >= this.#base.index) return null;
        return `a reset to entry ${record.base.index} behind the base at ${this.#base.index}`;
      default:
        return unreachable(record);
    }
  }

  /** Takes `record` in; `violation` must have been null. */
  apply(record: WalRecord): void {
    switch (record.kind) {
      case 'head':
        return;
      case 'hardState':
        this.#hardState = record.hardState;
        return;
      case 'truncate':
        this.#runs = this.#runs.filter((run) => run.first < record.from);
        this.#last = logIndex(record.from - 1);
        return;
      case 'entries':
        for (const entry of record.entries) this.#append(entry);
        return;
      case 'compact':
        this.#runs = [
          { first: record.base.index, term: record.base.term },
          ...this.#runs.filter((run) => run.first > record.base.index),
        ];
        this.#base = record.base;
        return;
      case 'reset':
        this.#runs = [{ first: record.base.index, term: record.base.term }];
        this.#base = record.base;
        this.#last = record.base.index;
        return;
      default:
        unreachable(record);
    }
  }

  #append(entry: Entry): void {
    if (this.#termAt(this.#last) !== entry.term) this.#runs.push({ first: entry.index, term: entry.term });
    this.#last = entry.index;
  }

  /** The term of the base or of an entry after it, up to the last. */
  #termAt(index: LogIndex): Term {
    const run = this.#runs.findLast((candidate) => candidate.first <= index);
    assert(run !== undefined && index <= this.#last, 'the index lies in the log');
    return run.term;
  }

  /** The term never falls; within one term a vote is given once and never taken back (Raft paper section 5.2). */
  #hardStateViolation(next: HardState): string | null {
    const { term, votedFor } = this.#hardState;
    if (next.term < term) return `term ${next.term} after term ${term}`;
    if (next.term === term && votedFor !== null && next.votedFor !== votedFor)
      return `a second vote in term ${term}`;
    return null;
  }

  /** Indices follow without a gap; terms never fall and never exceed the member's own term. */
  #entriesViolation(entries: readonly Entry[]): string | null {
    let index: number = this.#last;
    let term: number = this.#termAt(this.#last);
    for (const entry of entries) {
      if (entry.index !== index + 1) return `entry ${entry.index} after entry ${index}: an index hole`;
      if (entry.term < term) return `entry ${entry.index} of term ${entry.term} after one of term ${term}`;
      if (entry.term > this.#hardState.term)
        return `entry ${entry.index} is of the future term ${entry.term}`;
      index = entry.index;
      term = entry.term;
    }
    return null;
  }

  #compactViolation(base: SnapshotMeta): string | null {
    if (base.index < this.#base.index || base.index > this.#last) {
      return `compaction up to entry ${base.index} of a log that holds ${this.#base.index + 1} to ${this.#last}`;
    }
    const term = this.#termAt(base.index);
    return term === base.term
      ? null
      : `compaction names term ${base.term} for entry ${base.index} of term ${term}`;
  }
}

/** Why `head` describes no log at all; null when it does. For the first segment, before which nothing is known. */
export function headViolation(head: LogHead): string | null {
  const [first] = head.runs;
  if (first?.first !== head.base.index || first.term !== head.base.term) return 'the term runs miss the base';
  const ascending = head.runs.every((run, place) => {
    const next = head.runs[place + 1];
    return next === undefined || (run.first < next.first && run.term < next.term);
  });
  if (!ascending) return 'the term runs do not ascend';
  return head.runs.every((run) => run.first <= head.last) ? null : 'a term run begins after the last entry';
}

function sameHead(left: LogHead, right: LogHead): boolean {
  return headBytes(left).equals(headBytes(right));
}

/** Equal heads have equal bytes: everything in them is encoded canonically. */
function headBytes(head: LogHead): Buffer {
  const writer = new ByteWriter();
  writeRecord(writer, { kind: 'head', head });
  return writer.view();
}
