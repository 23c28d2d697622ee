// Gives committed entries to the state machine: in order, each once, a bounded number at a time.

import { assert, present } from '../base/assert.ts';
import { logIndex, type Entry, type LogIndex, type LogPosition } from './core/types.ts';
import type { ApplyResult, StateMachine } from './ports.ts';

export interface ApplyParts {
  readonly stateMachine: StateMachine;
  /** Entries `from..toInclusive` of the log. */
  readonly entries: (from: LogIndex, toInclusive: LogIndex) => readonly Entry[];
  readonly applyEntriesMax: number;
  readonly applyBytesMax: number;
}

/** One go: the entries applied and what each did. */
export interface AppliedBatch {
  readonly entries: readonly Entry[];
  readonly results: readonly ApplyResult[];
}

/**
 * Where the state machine stands, and the one way to move it. Paused while a snapshot replaces the state: the entries
 * in between are then gone from the log.
 */
export class ApplyLoop {
  readonly #parts: ApplyParts;
  #applied: LogPosition;
  #paused = false;

  constructor(applied: LogPosition, parts: ApplyParts) {
    assert(parts.stateMachine.applied === applied.index, 'the state is where recovery left it');
    this.#applied = applied;
    this.#parts = parts;
  }

  /** The last entry whose effect is visible here. */
  get applied(): LogPosition {
    return this.#applied;
  }

  /** True when a call of `run` with this limit would apply something. */
  hasWork(limit: LogIndex): boolean {
    return !this.#paused && this.#applied.index < limit;
  }

  /** Applies the next entries up to `limit`, as many as one turn may; null when there is nothing to do. */
  run(limit: LogIndex): AppliedBatch | null {
    if (!this.hasWork(limit)) return null;
    const { stateMachine, applyEntriesMax, applyBytesMax } = this.#parts;
    const from = logIndex(this.#applied.index + 1);
    const to = logIndex(Math.min(limit, this.#applied.index + applyEntriesMax));
    const entries = within(applyBytesMax, this.#parts.entries(from, to));
    const last = present(entries.at(-1), 'committed entries are in the log');
    assert(entries[0]?.index === from, 'entries are applied without a gap');
    const results = stateMachine.apply(entries);
    assert(
      results.length === entries.length && stateMachine.applied === last.index,
      'every entry has one result',
    );
    this.#applied = { index: last.index, term: last.term };
    return { entries, results };
  }

  /** Stops applying until `resume`. */
  pause(): void {
    this.#paused = true;
  }

  /** Goes on behind `position`, the state the snapshot left. */
  resume(position: LogPosition): void {
    assert(position.index >= this.#applied.index, 'a state never goes back');
    this.#applied = { index: position.index, term: position.term };
    this.#paused = false;
  }
}

/** The first entries that together have at most `bytesMax` of payload; the first one in any case. */
function within(bytesMax: number, entries: readonly Entry[]): readonly Entry[] {
  let bytes = 0;
  const end = entries.findIndex((entry, place) => {
    bytes += entry.data.byteLength;
    return place > 0 && bytes > bytesMax;
  });
  return end === -1 ? entries : entries.slice(0, end);
}
