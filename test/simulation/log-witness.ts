// Stands between the driver and its log and knows what must be on the disk: every acknowledged operation, and the one under way.

import { assert } from '../../src/base/assert.ts';
import type {
  Entry,
  HardState,
  LogIndex,
  LogPosition,
  RestoredState,
  SnapshotMeta,
  Term,
} from '../../src/raft/core/types.ts';
import type { Done, DurableLog, LogGroup } from '../../src/raft/ports.ts';

type LogOperation =
  | { readonly kind: 'write'; readonly group: LogGroup }
  | { readonly kind: 'compact' | 'reset'; readonly base: SnapshotMeta };

/** What an acknowledged log holds. Belongs to the disk of a member, and outlives its processes. */
export class DurableModel {
  hardState: HardState;
  base: SnapshotMeta;
  entries: Entry[] = [];
  /** Handed to the disk and not acknowledged: after a crash it happened as a whole or not at all. */
  pending: LogOperation | null = null;
  readonly #initial: RestoredState;
  readonly #onChange: (model: DurableModel, operation: LogOperation) => void;

  constructor(initial: RestoredState, onChange: (model: DurableModel, operation: LogOperation) => void) {
    this.#initial = initial;
    this.#onChange = onChange;
    this.hardState = initial.hardState;
    this.base = initial.base;
  }

  get last(): LogPosition {
    const { index, term } = this.entries.at(-1) ?? this.base;
    return { index, term };
  }

  /** The term of the entry at `index`; null when the log does not hold it. */
  termAt(index: LogIndex | number): Term | null {
    if (index === this.base.index) return this.base.term;
    return this.entries[index - this.base.index - 1]?.term ?? null;
  }

  /** True when the entry at `position` is on this disk, in the log or behind its base. */
  holds(position: LogPosition): boolean {
    return position.index <= this.base.index || this.termAt(position.index) === position.term;
  }

  apply(operation: LogOperation): void {
    this.#onChange(this, operation);
    if (operation.kind === 'write') {
      const { hardState, truncateFrom, append } = operation.group;
      if (hardState !== null) this.hardState = hardState;
      if (truncateFrom !== null) this.entries.length = Math.max(0, truncateFrom - this.base.index - 1);
      for (const entry of append) this.entries.push(entry);
    } else if (operation.kind === 'compact') {
      this.entries.splice(0, Math.max(0, operation.base.index - this.base.index));
      this.base = operation.base;
    } else {
      this.entries = [];
      this.base = operation.base;
    }
  }

  /**
   * Takes over what a start found: exactly what was acknowledged, with the operation under way or without. Returns what is
   * wrong; null when nothing is.
   */
  restart(found: RestoredState): string | null {
    const { pending } = this;
    this.pending = null;
    const without = this.#difference(found);
    if (without === null || pending === null) return without;
    this.apply(pending);
    const problem = this.#difference(found);
    return problem === null ? null : `${problem}; without the last operation: ${without}`;
  }

  /** The disk was replaced. */
  wipe(): void {
    this.hardState = this.#initial.hardState;
    this.base = this.#initial.base;
    this.entries = [];
    this.pending = null;
  }

  #difference(found: RestoredState): string | null {
    const { term, votedFor } = this.hardState;
    if (found.hardState.term !== term || found.hardState.votedFor !== votedFor) {
      return `the hard state is ${found.hardState.term}/${found.hardState.votedFor}, not ${term}/${votedFor}`;
    }
    if (found.base.index !== this.base.index || found.base.term !== this.base.term) {
      return `the base is ${found.base.index}@${found.base.term}, not ${this.base.index}@${this.base.term}`;
    }
    if (found.entries.length !== this.entries.length) {
      return `the log ends at ${found.base.index + found.entries.length}, not at ${this.last.index}`;
    }
    const wrong = this.entries.findIndex((entry, place) => {
      const other = found.entries[place];
      return other === undefined || !sameEntry(entry, other);
    });
    return wrong === -1 ? null : `entry ${this.base.index + wrong + 1} is another one`;
  }
}

/** The same position, kind and bytes. */
export function sameEntry(left: Entry, right: Entry): boolean {
  if (left === right) return true;
  return (
    left.index === right.index &&
    left.term === right.term &&
    left.kind === right.kind &&
    Buffer.compare(left.data, right.data) === 0
  );
}

/** The log of one process, followed by the model of its disk. */
export class WitnessedLog implements DurableLog {
  readonly #log: DurableLog;
  readonly #model: DurableModel;

  constructor(log: DurableLog, model: DurableModel) {
    this.#log = log;
    this.#model = model;
  }

  get failure(): Error | null {
    return this.#log.failure;
  }

  get spaceLow(): boolean {
    return this.#log.spaceLow;
  }

  hasRoomFor(bytes: number): boolean {
    return this.#log.hasRoomFor(bytes);
  }

  write(group: LogGroup, done: Done): void {
    const own = { ...group, append: [...group.append] };
    this.#log.write(group, this.#follow({ kind: 'write', group: own }, done));
  }

  compact(base: SnapshotMeta, done: Done): void {
    this.#log.compact(base, this.#follow({ kind: 'compact', base }, done));
  }

  reset(base: SnapshotMeta, done: Done): void {
    this.#log.reset(base, this.#follow({ kind: 'reset', base }, done));
  }

  close(done: Done): void {
    this.#log.close(done);
  }

  #follow(operation: LogOperation, done: Done): Done {
    assert(this.#model.pending === null, 'one operation on a log at a time');
    this.#model.pending = operation;
    return (error) => {
      // After an error the operation stays pending: nobody can say whether it happened.
      if (error === null) {
        this.#model.pending = null;
        this.#model.apply(operation);
      }
      done(error);
    };
  }
}
