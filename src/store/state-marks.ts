// The hash of the state at certain entries, kept for a while, so that members can compare what they made of the same log.

import type { LogIndex } from './log-entry.ts';
import { hashText, type StateHash } from './state/hash.ts';

/** The same on all members, whatever batches they apply: every so many entries there is a mark. */
const MARK_ENTRIES = 64;
/** Marks that are kept; a member that is further behind than these reach is compared when it has caught up. */
const MARKS_MAX = 64;

/** Equal indexes must have equal hashes. */
export interface StateMark {
  readonly index: number;
  readonly hash: string;
}

export class StateMarks {
  /** Oldest first. */
  #marks: { readonly index: LogIndex; readonly hash: StateHash }[] = [];

  /** The state is `hash` after the entry at `index`. */
  note(index: LogIndex, hash: StateHash): void {
    if (index % MARK_ENTRIES !== 0) return;
    this.#marks.push({ index, hash });
    if (this.#marks.length > MARKS_MAX) this.#marks.shift();
  }

  /** Another state took the place of this one. */
  clear(): void {
    this.#marks = [];
  }

  get all(): readonly StateMark[] {
    return this.#marks.map(({ index, hash }) => ({ index, hash: hashText(hash) }));
  }
}
