// What a node's disk holds: its history, entry by entry. Two nodes hold the same data only if their histories say so; a sequence number is just a length.

import type { Slot } from '../../../../src/topology/types.ts';

/** One change of the data. `end` is the sequence number after it; an entry that uses up more than one number is an outrun. */
export type Entry =
  | { readonly kind: 'put'; readonly write: number; readonly slot: Slot; readonly end: number }
  | { readonly kind: 'clear'; readonly slot: Slot; readonly end: number }
  | { readonly kind: 'bump'; readonly end: number };

/** A log as it was at some time: logs only grow, and a full synchronisation puts another one in their place. */
export interface LogView {
  readonly entries: readonly Entry[];
  readonly length: number;
}

/** The key that an outrun writes counts as a write of its own: it has to be gone from a copy made anew. */
export const BUMP_WRITE = -1;

export class Log {
  readonly #entries: Entry[];

  constructor(entries: Entry[] = []) {
    this.#entries = entries;
  }

  get sequence(): number {
    return this.#entries.at(-1)?.end ?? 0;
  }

  get view(): LogView {
    return { entries: this.#entries, length: this.#entries.length };
  }

  put(write: number, slot: Slot): number {
    const end = this.sequence + 1;
    this.#entries.push({ kind: 'put', write, slot, end });
    return end;
  }

  clear(slot: Slot): void {
    this.#entries.push({ kind: 'clear', slot, end: this.sequence + 1 });
  }

  bump(count: number): void {
    this.#entries.push({ kind: 'bump', end: this.sequence + count });
  }

  /** Takes up to `count` entries of `other` above the own sequence number, whatever is below it here and there (facts section 3.5). */
  pull(other: Log, count: number): void {
    const entries = other.#entries;
    let index = entries.length;
    const { sequence } = this;
    for (; index > 0; index -= 1) {
      const before = entries[index - 1];
      if (before === undefined || before.end <= sequence) break;
    }
    for (let taken = 0; taken < count; taken += 1) {
      const entry = entries[index + taken];
      if (entry === undefined) return;
      this.#entries.push(entry);
    }
  }

  copy(): Log {
    return new Log(this.#entries.slice());
  }

  /** Whether both are the same entry by entry: then their data is the same, too. */
  equals(other: Log): boolean {
    const [left, right] = [this.#entries, other.#entries];
    return left.length === right.length && left.every((entry, index) => entry === right[index]);
  }

  writes(): ReadonlySet<number> {
    return writesOf(this.view);
  }
}

/** The writes that can be read in the end. */
export function writesOf(view: LogView): ReadonlySet<number> {
  const slots = new Map<Slot, Set<number>>();
  let isBumped = false;
  for (let index = 0; index < view.length; index += 1) {
    const entry = view.entries[index];
    if (entry === undefined) break;
    if (entry.kind === 'bump') isBumped = true;
    else if (entry.kind === 'clear') slots.delete(entry.slot);
    else {
      const known = slots.get(entry.slot);
      if (known === undefined) slots.set(entry.slot, new Set([entry.write]));
      else known.add(entry.write);
    }
  }
  const all = new Set<number>(isBumped ? [BUMP_WRITE] : []);
  for (const writes of slots.values()) for (const write of writes) all.add(write);
  return all;
}

/** The writes of one slot that can be read in the end. */
export function writesOfSlot(view: LogView, slot: Slot): ReadonlySet<number> {
  const writes = new Set<number>();
  for (let index = 0; index < view.length; index += 1) {
    const entry = view.entries[index];
    if (entry === undefined || entry.kind === 'bump' || entry.slot !== slot) continue;
    if (entry.kind === 'clear') writes.clear();
    else writes.add(entry.write);
  }
  return writes;
}
