// A model of LevelDB: atomic batches in order, of which a crash may take the unsynced ones, the last first.

import type { Done } from '../../src/store/durable-copy.ts';
import type { DatabaseRecord, RecordBatch, RecordDatabase } from '../../src/store/record-database.ts';

export type DatabaseChange = readonly [key: string, value: Uint8Array | null];

/** One step towards the disk: a batch, or one removal of a `clear`, which is not atomic. */
export interface DatabaseStep {
  readonly changes: readonly DatabaseChange[];
  readonly sync: boolean;
}

export interface SimulatedDatabaseOptions {
  /** Where completions go; by default a queue that `runUntilIdle` empties in order. */
  readonly schedule?: (callback: () => void) => void;
  /** What an earlier life left. */
  readonly records?: Iterable<DatabaseRecord>;
  /** Records a portion of a scan. */
  readonly scanRecords?: number;
}

export class SimulatedDatabase implements RecordDatabase {
  readonly #schedule: (callback: () => void) => void;
  readonly #queue: (() => void)[] = [];
  readonly #scanRecords: number;
  readonly #before: ReadonlyMap<string, Uint8Array>;
  readonly #steps: DatabaseStep[] = [];
  #batches = 0;
  #inFlight = 0;
  #dead = false;
  /** The batch of this number, from 1 on, fails; 0 is the closing. Nothing of it arrives. */
  failAt: number | null = null;

  constructor(options: SimulatedDatabaseOptions = {}) {
    this.#schedule = options.schedule ?? ((callback) => this.#queue.push(callback));
    this.#before = new Map(options.records ?? []);
    this.#scanRecords = options.scanRecords ?? 3;
  }

  /** Everything that reached the database, in order. */
  get steps(): readonly DatabaseStep[] {
    return this.#steps;
  }

  /** What reads see after `count` steps; all of them by default. */
  records(count: number = this.#steps.length): Map<string, Uint8Array> {
    const records = new Map(this.#before);
    for (const { changes } of this.#steps.slice(0, count)) {
      for (const [key, value] of changes) {
        if (value === null) records.delete(key);
        else records.set(key, value);
      }
    }
    return records;
  }

  /** Steps that a crash cannot take: up to the last synced one. */
  get durableSteps(): number {
    return this.#steps.findLastIndex(({ sync }) => sync) + 1;
  }

  /** The database as the next life finds it after a power loss that takes the last `lost` of the unsynced steps. */
  afterPowerLoss(lost: number, options: SimulatedDatabaseOptions = {}): SimulatedDatabase {
    this.#dead = true;
    const kept = Math.max(this.durableSteps, this.#steps.length - lost);
    return new SimulatedDatabase({ ...options, records: this.records(kept) });
  }

  /** Delivers one completion; false when none waits. */
  runOne(): boolean {
    const next = this.#queue.shift();
    next?.();
    return next !== undefined;
  }

  /** Delivers completions in order until none is left. */
  runUntilIdle(): void {
    while (this.runOne());
  }

  /** For the copy's `yieldTurn`: as one more completion. */
  readonly yieldTurn = (callback: () => void): void => this.#complete(callback);

  scan(onRecords: (records: readonly DatabaseRecord[]) => void, done: Done): void {
    const records = [...this.records()].sort(([left], [right]) => (left < right ? -1 : 1));
    const next = (from: number): void => {
      const portion = records.slice(from, from + this.#scanRecords);
      if (portion.length === 0) {
        done(null);
        return;
      }
      onRecords(portion);
      this.#complete(() => next(from + this.#scanRecords));
    };
    this.#complete(() => next(0));
  }

  batch(): RecordBatch {
    const changes: DatabaseChange[] = [];
    return {
      put: (key, value) => void changes.push([key, value]),
      remove: (key) => void changes.push([key, null]),
      write: (sync, done) => {
        this.#batches += 1;
        const failed = this.#batches === this.failAt;
        this.#enter();
        this.#complete(() => {
          this.#inFlight -= 1;
          if (!failed) this.#steps.push({ changes, sync });
          done(failed ? new Error('no space left on device') : null);
        });
      },
    };
  }

  clear(range: { readonly lt: string } | { readonly gt: string }, done: Done): void {
    this.#enter();
    this.#complete(() => {
      for (const key of this.records().keys()) {
        const isOutside = 'lt' in range ? key >= range.lt : key <= range.gt;
        if (!isOutside) this.#steps.push({ changes: [[key, null]], sync: false });
      }
      this.#inFlight -= 1;
      done(null);
    });
  }

  close(done: Done): void {
    const error = this.failAt === 0 ? new Error('cannot close') : null;
    this.#complete(() => done(error));
  }

  #enter(): void {
    this.#inFlight += 1;
    if (this.#inFlight > 1) throw new Error('two operations at once');
  }

  #complete(callback: () => void): void {
    this.#schedule(() => {
      if (!this.#dead) callback();
    });
  }
}
