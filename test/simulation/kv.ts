// A model of LevelDB under the production copy: atomic batches in order, of which the last unsynced ones may be lost.

import type { Random } from '../../src/base/random.ts';
import { randomBelow } from '../../src/base/random.ts';
import type { Done } from '../../src/store/durable-copy.ts';
import type { DatabaseRecord, RecordBatch, RecordDatabase } from '../../src/store/record-database.ts';
import { chance, exponential } from './prng.ts';
import type { Process } from './process.ts';
import type { VirtualTime } from './virtual-time.ts';

/** One step of the database: it happens as a whole or not at all. Null removes the key. */
type Change =
  | { readonly kind: 'batch'; readonly records: readonly (readonly [string, Uint8Array | null])[] }
  | { readonly kind: 'clear'; readonly covers: (key: string) => boolean };

export interface DatabaseParts {
  readonly time: VirtualTime;
  readonly random: Random;
  readonly who: number;
  /** Mean duration of a synced batch; one without sync takes a tenth. */
  readonly syncUs: number;
}

/** A failure of the database, not of the disk. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError';
}

/** The database of one machine. */
export class Database {
  readonly #parts: DatabaseParts;
  readonly #records = new Map<string, Uint8Array>();
  readonly #durable = new Map<string, Uint8Array>();
  #unsynced: Change[] = [];
  /** Changes under way; their process's death decides whether they happened. */
  readonly #pending = new Set<Change>();
  failNext = false;
  /** After a power loss one record may be missing without a word, as LevelDB skips a damaged one. */
  losesRecords = false;

  constructor(parts: DatabaseParts) {
    this.#parts = parts;
  }

  /** The database as `process` uses it. */
  attach(process: Process): RecordDatabase {
    return {
      scan: (onRecords, done) => this.#scan(process, onRecords, done),
      batch: () => this.#batch(process),
      clear: (range, done) => {
        const covers = 'lt' in range ? (key: string) => key < range.lt : (key: string) => key > range.gt;
        this.#write(process, { kind: 'clear', covers }, false, done);
      },
      close: (done) => process.scheduler.afterPoll(() => done(null)),
    };
  }

  /** The process died: changes under way happened or not. */
  settlePending(): void {
    for (const change of this.#pending) if (chance(this.#parts.random, 0.5)) this.#land(change);
    this.#pending.clear();
  }

  /** The machine lost its power: some of the last unsynced changes are gone. Returns how many. */
  losePower(): number {
    this.settlePending();
    const { random } = this.#parts;
    const lost = randomBelow(random, this.#unsynced.length + 1);
    this.#sync(this.#unsynced.length - lost);
    this.#unsynced = [];
    this.#records.clear();
    for (const [key, value] of this.#durable) this.#records.set(key, value);
    if (this.losesRecords && chance(random, 0.5)) this.#loseOne();
    return lost;
  }

  /** Makes it empty: a copy that cannot be used is set aside, or the disk was replaced. */
  wipe(): void {
    this.#records.clear();
    this.#durable.clear();
    this.#unsynced = [];
  }

  #scan(process: Process, onRecords: (records: readonly DatabaseRecord[]) => void, done: Done): void {
    const { time, random, who, syncUs } = this.#parts;
    const records = [...this.#records].sort(([left], [right]) => (left < right ? -1 : 1));
    time.after(exponential(random, syncUs / 10) + 1, 'kv', who, () =>
      process.deliver(() => {
        if (records.length > 0) onRecords(records);
        done(null);
      }),
    );
  }

  #batch(process: Process): RecordBatch {
    const records: (readonly [string, Uint8Array | null])[] = [];
    return {
      put: (key, value) => void records.push([key, value]),
      remove: (key) => void records.push([key, null]),
      write: (sync, done) => this.#write(process, { kind: 'batch', records }, sync, done),
    };
  }

  #write(process: Process, change: Change, sync: boolean, done: Done): void {
    if (!process.alive) return;
    const { time, random, who, syncUs } = this.#parts;
    this.#pending.add(change);
    time.after(exponential(random, sync ? syncUs : syncUs / 10) + 1, 'kv', who, () => {
      if (!this.#pending.delete(change)) return;
      const fails = this.failNext;
      this.failNext = false;
      // After a failure nobody knows whether the change is there.
      if (!fails || chance(random, 0.5)) this.#land(change);
      if (sync && !fails) this.#sync(this.#unsynced.length);
      process.deliver(() => done(fails ? new DatabaseError('a simulated failure of a batch') : null));
    });
  }

  #loseOne(): void {
    const keys = [...this.#records.keys()];
    const key = keys[randomBelow(this.#parts.random, Math.max(1, keys.length))];
    if (key === undefined) return;
    this.#records.delete(key);
    this.#durable.delete(key);
  }

  #land(change: Change): void {
    applyChange(this.#records, change);
    this.#unsynced.push(change);
  }

  #sync(count: number): void {
    for (const change of this.#unsynced.slice(0, count)) applyChange(this.#durable, change);
    this.#unsynced = this.#unsynced.slice(count);
  }
}

function applyChange(records: Map<string, Uint8Array>, change: Change): void {
  if (change.kind === 'clear') {
    for (const key of records.keys()) if (change.covers(key)) records.delete(key);
    return;
  }
  for (const [key, value] of change.records) {
    if (value === null) records.delete(key);
    else records.set(key, value);
  }
}
