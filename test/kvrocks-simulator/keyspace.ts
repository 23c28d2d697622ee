// The data of one node by slot, its sequence number, and the log of writes that replicas and migrations read.

import { join } from 'node:path';

import { unreachable } from '../../src/base/assert.ts';
import { Journal } from './journal.ts';
import { SLOT_COUNT, slotOfKey, type SlotRange } from './slots.ts';

/** One step of the sequence (facts section 3.3). */
export type Write =
  | { readonly kind: 'set'; readonly key: string; readonly value: string }
  | { readonly kind: 'delete'; readonly key: string }
  | { readonly kind: 'flush' }
  | { readonly kind: 'delete-slots'; readonly range: SlotRange };

/** Writes kept for partial syncs; older ones need a full sync, as when the server's WAL was purged. */
const LOG_LENGTH_MAX = 400_000;
const LOG_LENGTH_KEPT = 200_000;

export class Keyspace {
  readonly #journal: Journal;
  #slots = new Map<number, Map<string, string>>();
  /** Sorted keys of a slot, made when first asked for and dropped when a key comes or goes. */
  readonly #sortedKeys = new Map<number, readonly string[]>();
  #sequence = 0;
  /** `#log[i]` has the sequence number `#logStart + i`. */
  #log: string[] = [];
  #logStart = 1;
  /** Called after writes were added; the replication feeds listen. */
  onWrite: () => void = () => undefined;

  /** Opens or creates the data under `directory`. */
  constructor(directory: string) {
    this.#journal = new Journal(join(directory, 'db', 'journal'), (line) => this.#load(line));
    this.#trimLog();
  }

  get sequence(): number {
    return this.#sequence;
  }

  get keyCount(): number {
    let count = 0;
    for (const keys of this.#slots.values()) count += keys.size;
    return count;
  }

  get(key: string): string | undefined {
    return this.#slots.get(slotOfKey(key))?.get(key);
  }

  set(key: string, value: string): void {
    this.write({ kind: 'set', key, value });
  }

  /** False, and no step of the sequence, when there was no such key. */
  delete(key: string): boolean {
    if (this.get(key) === undefined) return false;
    this.write({ kind: 'delete', key });
    return true;
  }

  /** Deletes everything; an empty database does not move the sequence. */
  flushAll(): void {
    if (this.#slots.size > 0) this.write({ kind: 'flush' });
  }

  /** Deletes the keys of the slots; always a step of the sequence. */
  deleteSlots(range: SlotRange): void {
    this.write({ kind: 'delete-slots', range });
  }

  write(write: Write): void {
    const line = encodeWrite(write);
    this.#apply(write);
    this.#remember(line);
    this.#journal.append(line);
    this.onWrite();
  }

  /** Applies a line of a master's log as the next step of this node's own sequence. */
  applyLine(line: string): void {
    this.write(decodeWrite(line));
  }

  /** Makes all writes so far survive a kill -9. */
  flush(): void {
    this.#journal.flush();
  }

  /** Up to `countMax` lines from sequence number `from` on; null when the log does not reach back that far. */
  linesFrom(from: number, countMax: number): readonly string[] | null {
    if (from < this.#logStart) return null;
    return this.#log.slice(from - this.#logStart, from - this.#logStart + countMax);
  }

  keysOfSlot(slot: number): readonly string[] {
    const cached = this.#sortedKeys.get(slot);
    if (cached !== undefined) return cached;
    const keys = [...(this.#slots.get(slot)?.keys() ?? [])].sort();
    this.#sortedKeys.set(slot, keys);
    return keys;
  }

  /** A copy of the slot's keys and values as they are now. */
  entriesOfSlot(slot: number): readonly (readonly [string, string])[] {
    return [...(this.#slots.get(slot) ?? [])];
  }

  /** Up to `countMax` keys in the server's order, slot by slot, after the given place. */
  keysAfter(
    place: { readonly slot: number; readonly key: string | null },
    countMax: number,
  ): readonly string[] {
    const found: string[] = [];
    for (let slot = place.slot; slot < SLOT_COUNT && found.length < countMax; slot += 1) {
      if (!this.#slots.has(slot)) continue;
      const keys = this.keysOfSlot(slot);
      const from = slot === place.slot && place.key !== null ? firstAfter(keys, place.key) : 0;
      for (let index = from; index < keys.length && found.length < countMax; index += 1) {
        found.push(keys[index] ?? '');
      }
    }
    return found;
  }

  /** Everything, for a full sync and for `restore`. */
  snapshot(): readonly string[] {
    const lines = [JSON.stringify(['h', this.#sequence])];
    for (const keys of this.#slots.values()) {
      for (const [key, value] of keys) lines.push(JSON.stringify(['l', key, value]));
    }
    return lines;
  }

  /** Replaces all data by a snapshot; the log starts anew behind it. */
  restore(lines: readonly string[]): void {
    this.#slots = new Map();
    this.#sortedKeys.clear();
    this.#journal.replace(lines);
    for (const line of lines) this.#load(line);
  }

  /** Removes the data and its history from the disk, as a new data directory would be. */
  destroy(): void {
    this.restore([JSON.stringify(['h', 0])]);
  }

  #load(line: string): void {
    const fields: unknown = JSON.parse(line);
    const [tag, first, second] = Array.isArray(fields) ? fields : [];
    if (tag === 'h') {
      this.#sequence = Number(first);
      this.#log = [];
      this.#logStart = this.#sequence + 1;
    } else if (tag === 'l') {
      this.#put(String(first), String(second));
    } else {
      this.#apply(decodeWrite(line));
      this.#remember(line);
    }
  }

  #remember(line: string): void {
    this.#sequence += 1;
    this.#log.push(line);
    if (this.#log.length > LOG_LENGTH_MAX) this.#trimLog();
  }

  #trimLog(): void {
    if (this.#log.length <= LOG_LENGTH_KEPT) return;
    this.#logStart += this.#log.length - LOG_LENGTH_KEPT;
    this.#log = this.#log.slice(-LOG_LENGTH_KEPT);
  }

  #apply(write: Write): void {
    switch (write.kind) {
      case 'set':
        this.#put(write.key, write.value);
        return;
      case 'delete':
        this.#remove(write.key);
        return;
      case 'flush':
        this.#slots = new Map();
        this.#sortedKeys.clear();
        return;
      case 'delete-slots':
        for (let slot = write.range.start; slot <= write.range.end; slot += 1) {
          this.#slots.delete(slot);
          this.#sortedKeys.delete(slot);
        }
        return;
      default:
        unreachable(write);
    }
  }

  #put(key: string, value: string): void {
    const slot = slotOfKey(key);
    let keys = this.#slots.get(slot);
    if (keys === undefined) {
      keys = new Map();
      this.#slots.set(slot, keys);
    }
    if (!keys.has(key)) this.#sortedKeys.delete(slot);
    keys.set(key, value);
  }

  #remove(key: string): void {
    const slot = slotOfKey(key);
    const keys = this.#slots.get(slot);
    if (keys === undefined || !keys.delete(key)) return;
    this.#sortedKeys.delete(slot);
    if (keys.size === 0) this.#slots.delete(slot);
  }
}

/** The index of the first key greater than `key` in a sorted list. */
function firstAfter(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] ?? '') <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function encodeWrite(write: Write): string {
  switch (write.kind) {
    case 'set':
      return JSON.stringify(['s', write.key, write.value]);
    case 'delete':
      return JSON.stringify(['d', write.key]);
    case 'flush':
      return '["f"]';
    case 'delete-slots':
      return JSON.stringify(['r', write.range.start, write.range.end]);
    default:
      return unreachable(write);
  }
}

/** Reads a line of the log; throws on anything `encodeWrite` did not write. */
export function decodeWrite(line: string): Write {
  const fields: unknown = JSON.parse(line);
  const [tag, first, second] = Array.isArray(fields) ? fields : [];
  switch (tag) {
    case 's':
      return { kind: 'set', key: String(first), value: String(second) };
    case 'd':
      return { kind: 'delete', key: String(first) };
    case 'f':
      return { kind: 'flush' };
    case 'r':
      return { kind: 'delete-slots', range: { start: Number(first), end: Number(second) } };
    default:
      throw new Error(`not a line of the log: ${line.slice(0, 100)}`);
  }
}
