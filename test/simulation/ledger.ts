// The one history of the group as far as anybody has called it committed, and every entry ever written to a log.

import type { Entry, LogIndex, LogPosition, Term } from '../../src/raft/core/types.ts';
import { logIndex } from '../../src/raft/core/types.ts';
import { sameEntry } from './log-witness.ts';

/** How a violation is reported: the invariant's name and what contradicts it. Only the first one counts. */
export type Violate = (invariant: string, text: string) => void;

/** Terms and indexes of a simulated run stay far below this. */
const TERM_FACTOR = 2 ** 26;

interface WrittenEntry {
  readonly entry: Entry;
  readonly previousTerm: Term | null;
}

export class Ledger {
  readonly #violate: Violate;
  readonly #onCommitted: (entry: Entry) => void;
  readonly #committed: Entry[] = [];
  /** The term in which each of them was committed: that of its own leader, or of a later one. */
  readonly #committedIn: Term[] = [];
  readonly #written = new Map<number, WrittenEntry>();

  /** `onCommitted` is called for every entry once, in order, when it is first called committed. */
  constructor(violate: Violate, onCommitted: (entry: Entry) => void) {
    this.#violate = violate;
    this.#onCommitted = onCommitted;
  }

  /** The highest index anybody has called committed; 0 at first. */
  get max(): LogIndex {
    return logIndex(this.#committed.length);
  }

  /** The term of the committed entry at `index`; null when none is committed there. 0 is before the first. */
  termAt(index: number): number | null {
    return index === 0 ? 0 : (this.#committed[index - 1]?.term ?? null);
  }

  /** True when `position` is part of the committed history. */
  has(position: LogPosition): boolean {
    return this.termAt(position.index) === position.term;
  }

  /** Log matching: a position names one entry, and one entry before it, wherever it is written. */
  noteWritten(entries: readonly Entry[], previousTermOf: (index: number) => Term | null): void {
    for (const entry of entries) {
      const key = entry.term * TERM_FACTOR + entry.index;
      const known = this.#written.get(key);
      const previousTerm = previousTermOf(entry.index - 1);
      if (known === undefined) {
        this.#written.set(key, { entry, previousTerm });
      } else if (known.previousTerm !== previousTerm || !sameEntry(known.entry, entry)) {
        this.#violate('log matching', `two different entries at ${entry.index}@${entry.term}`);
      }
    }
  }

  /**
   * Somebody in `term` calls `entries` committed, the first of which directly follows or repeats what is known. Returns the
   * last one if it is new; null when all were known.
   */
  noteCommitted(entries: readonly Entry[], term: Term): Entry | null {
    let newest: Entry | null = null;
    for (const entry of entries) {
      const known = this.#committed[entry.index - 1];
      if (known !== undefined) {
        if (sameEntry(known, entry)) continue;
        this.#violate(
          'committed is immutable',
          `entry ${entry.index} was committed in term ${known.term} and is now of term ${entry.term}`,
        );
        return null;
      }
      if (entry.index !== this.#committed.length + 1) {
        this.#violate('committed is immutable', `entry ${entry.index} committed after ${this.max}: a gap`);
        return null;
      }
      this.#committed.push(entry);
      this.#committedIn.push(term);
      this.#onCommitted(entry);
      newest = entry;
    }
    return newest;
  }

  /**
   * The first index from `from` on that was committed in a term before `term` and that `termAt` does not hold; null when all
   * are held. What later terms committed is nothing a leader of `term` could know: it may learn of its votes long afterwards.
   */
  firstMissing(from: number, term: Term, termAt: (index: LogIndex) => Term | null): number | null {
    for (let index = from; index <= this.#committed.length; index += 1) {
      const committedIn = this.#committedIn[index - 1] ?? 0;
      if (committedIn < term && termAt(logIndex(index)) !== this.termAt(index)) return index;
    }
    return null;
  }
}
