// The log as the core sees it: a base that stands for everything compacted, the entries after it, all in memory, and the
// memberships they carry.

import { assert, present } from '../../base/assert.ts';
import { ConfigList } from './config-list.ts';
import { logIndex } from './types.ts';
import type { Entry, LogIndex, LogPosition, Membership, RestoredState, SnapshotMeta, Term } from './types.ts';

/** Index arithmetic in one place: the index before, 0 at the least. */
export function indexBefore(index: LogIndex): LogIndex {
  return logIndex(Math.max(0, index - 1));
}

export function indexAfter(index: LogIndex): LogIndex {
  return logIndex(index + 1);
}

export function lowerIndex(left: LogIndex, right: LogIndex): LogIndex {
  return left < right ? left : right;
}

export function higherIndex(left: LogIndex, right: LogIndex): LogIndex {
  return left > right ? left : right;
}

/** The total payload of `entries` in bytes. */
export function payloadBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entry.data.length;
  return bytes;
}

/** True when `entries` continue `previous` without a gap and with terms that never fall and never pass `termMax`. */
export function continues(previous: LogPosition, entries: readonly Entry[], termMax: Term): boolean {
  let before = previous;
  for (const entry of entries) {
    if (entry.index !== before.index + 1 || entry.term < before.term) return false;
    before = entry;
  }
  return before.term <= termMax;
}

export class RaftLog {
  #base: SnapshotMeta;
  #entries: Entry[];
  #commit: LogIndex;
  #durable: LogIndex;
  #configs: ConfigList;

  /** Everything restored is durable; only what the base stands for is known to be committed. */
  constructor(restored: RestoredState) {
    const { base, entries, hardState } = restored;
    assert(continues(base, entries, hardState.term), 'restored entries continue the base, up to the term');
    this.#base = base;
    this.#entries = [...entries];
    this.#commit = base.index;
    this.#durable = this.lastIndex;
    this.#configs = new ConfigList(base);
    this.#configs.append(entries);
  }

  get base(): SnapshotMeta {
    return this.#base;
  }

  get lastIndex(): LogIndex {
    return logIndex(this.#base.index + this.#entries.length);
  }

  get last(): LogPosition {
    const { index, term } = this.#entries.at(-1) ?? this.#base;
    return { index, term };
  }

  get commitIndex(): LogIndex {
    return this.#commit;
  }

  /** Up to here this member's own disk holds the log as it is now. */
  get durableIndex(): LogIndex {
    return this.#durable;
  }

  /** The membership in force: the newest one in the log. */
  get membership(): Membership {
    return this.#configs.newest;
  }

  /** Where the membership in force stands in the log; the base's index when it is that of the base. */
  get membershipIndex(): LogIndex {
    return this.#configs.newestIndex;
  }

  /** The membership that was in force at `index`, in base..last. */
  membershipAt(index: LogIndex): Membership {
    assert(index >= this.#base.index && index <= this.lastIndex, 'the log reaches from base to last');
    return this.#configs.at(index);
  }

  /** The term of the entry at `index`, or null when it is compacted or not written yet. */
  termAt(index: LogIndex): Term | null {
    const offset = index - this.#base.index;
    if (offset === 0) return this.#base.term;
    return this.#entries[offset - 1]?.term ?? null;
  }

  positionAt(index: LogIndex): LogPosition | null {
    const term = this.termAt(index);
    return term === null ? null : { index, term };
  }

  /** Log Matching: holding (index, term) means holding the same history up to there (paper section 5.3). */
  holds(position: LogPosition): boolean {
    return this.termAt(position.index) === position.term;
  }

  /** Entries `from..toInclusive`, all of which must be in memory. */
  range(from: LogIndex, toInclusive: LogIndex): readonly Entry[] {
    assert(from > this.#base.index, 'entries at or before the base are gone');
    assert(toInclusive <= this.lastIndex, 'entries after the last do not exist');
    return this.#entries.slice(from - this.#base.index - 1, Math.max(0, toInclusive - this.#base.index));
  }

  /** Entries from `from` on, at most `countMax` and `bytesMax` together; a first entry above the limit comes alone. */
  batch(from: LogIndex, countMax: number, bytesMax: number): readonly Entry[] {
    const start = from - this.#base.index - 1;
    assert(start >= 0, 'entries at or before the base are gone');
    let end = start;
    let bytes = 0;
    for (; end < this.#entries.length && end - start < countMax; end += 1) {
      bytes += present(this.#entries[end], 'within the log').data.length;
      if (bytes > bytesMax && end > start) break;
    }
    return this.#entries.slice(start, end);
  }

  /** Compared by the last entry: higher term first, then higher index (paper section 5.4.1). */
  isUpToDate(candidateLast: LogPosition): boolean {
    const own = this.last;
    if (candidateLast.term !== own.term) return candidateLast.term > own.term;
    return candidateLast.index >= own.index;
  }

  /**
   * The last index <= `index` whose term is <= `term`: both sides skip whole conflicting terms with it
   * (paper section 5.3). Below the base nothing is known: the result is then simply below the base.
   */
  lastNotAfterTerm(index: LogIndex, term: Term): LogIndex {
    let place = lowerIndex(index, this.lastIndex);
    while (place >= this.#base.index && place > 0) {
      const here = present(this.termAt(place), 'between base and last');
      if (here <= term) return place;
      place = indexBefore(place);
    }
    return place;
  }

  append(entries: readonly Entry[]): void {
    const lastTerm = entries.at(-1)?.term;
    if (lastTerm === undefined) return;
    assert(continues(this.last, entries, lastTerm), 'appended entries continue the log');
    for (const entry of entries) this.#entries.push(entry);
    this.#configs.append(entries);
  }

  /** Drops all entries from `index` on. Committed entries are never dropped (State Machine Safety). */
  truncateFrom(index: LogIndex): void {
    assert(index > this.#commit, 'a committed entry is never truncated');
    assert(index <= this.lastIndex, 'truncation starts inside the log');
    this.#entries.length = index - this.#base.index - 1;
    this.#durable = lowerIndex(this.#durable, indexBefore(index));
    this.#configs.truncateFrom(index);
  }

  /** Raises the commit index; returns whether it moved. */
  commitTo(index: LogIndex): boolean {
    assert(index <= this.lastIndex, 'only entries that are there can be committed');
    if (index <= this.#commit) return false;
    this.#commit = index;
    return true;
  }

  /**
   * The own disk holds the log up to `last`. A completion for an entry that was overwritten since names a position
   * the log does not hold any more and changes nothing; the caller has already dropped those of earlier terms.
   */
  markDurable(last: LogPosition): void {
    if (last.index > this.#durable && this.holds(last)) this.#durable = last.index;
  }

  /** Forgets entries up to `base.index`, which are in a durable snapshot; an older base than the present one is late and changes nothing. */
  compactTo(base: SnapshotMeta): void {
    if (base.index <= this.#base.index) return;
    assert(base.index <= this.#commit, 'only committed entries are compacted');
    assert(this.holds(base), 'the snapshot is of this log');
    this.#configs.compactTo(base);
    this.#entries = this.#entries.slice(base.index - this.#base.index);
    this.#base = base;
    this.#durable = higherIndex(this.#durable, base.index);
  }

  /** An installed snapshot takes the place of the whole log. */
  reset(base: SnapshotMeta): void {
    assert(base.index > this.#commit, 'an installed snapshot is ahead of the commit index');
    this.#base = base;
    this.#entries = [];
    this.#commit = base.index;
    this.#durable = base.index;
    this.#configs = new ConfigList(base);
  }
}
