// The durable copy over a database of records: changes, position and hash in one batch, written behind, one batch at a time.

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { type Task, completion, pause, runSteps } from '../base/task.ts';
import type { CopyUpdate, Done, DurableCopy, StateCut } from './durable-copy.ts';
import {
  META_KEY,
  encodeMeta,
  encodeReplacing,
  encodeRequest,
  encodeStored,
  requestKey,
  storedKey,
} from './level-records.ts';
import type { RecordBatch, RecordDatabase } from './record-database.ts';
import type { StateChange } from './state/key-value-state.ts';

/** Records of a replaced copy are written in batches of about this many bytes. */
const REPLACE_BATCH_BYTES = 1024 * 1024;
/** A batch is filled in slices of at most this many records or about this many bytes, with a turn of the loop between two. */
const SLICE_RECORDS = 500;
const SLICE_BYTES = 256 * 1024;

/**
 * Milliseconds between two batches. A batch costs about as much for one change as for twenty, on every member; what the copy
 * lacks after a crash is replayed from the log. Whoever waits for a flush ends the rest.
 */
const REST_MS = 20;

/** The newest change of each record not yet handed to the database, and the summary that goes with them. */
interface Pending {
  readonly changes: Map<string, StateChange>;
  readonly summary: Pick<CopyUpdate, 'position' | 'hash'>;
}

interface Replacement {
  readonly cut: StateCut;
  readonly done: Done;
}

export interface LevelCopyParts {
  readonly database: RecordDatabase;
  /** Calls back once, soon, never from inside the call, after what else is due. */
  readonly yieldTurn: (callback: () => void) => void;
  /** Called at most once, with the first failure. */
  readonly onFault: (error: Error) => void;
  /** For the rests between batches; without it they follow each other at once. */
  readonly clock?: Clock;
}

/**
 * What accumulates while a batch is in flight becomes the next batch, later changes of a record displacing earlier ones,
 * so the backlog never exceeds the state itself. Every batch takes the copy from one whole state to another.
 */
export class LevelCopy implements DurableCopy {
  readonly #parts: LevelCopyParts;
  /** What the last batch, in flight or done, said of the whole; null before the first entry. */
  #summary: Pending['summary'] | null;
  #pending: Pending | null = null;
  #replacement: Replacement | null = null;
  #flushes: Done[] = [];
  #running = false;
  #fault: Error | null = null;
  #closing: (() => void) | null = null;
  /** Ends the rest under way; null when there is none. */
  #wake: (() => void) | null = null;

  /** `summary` is what the database says of itself. */
  constructor(parts: LevelCopyParts, summary: Pending['summary'] | null) {
    this.#parts = parts;
    this.#summary = summary;
  }

  write(update: CopyUpdate): void {
    assert(this.#closing === null, 'a closed copy takes no updates');
    if (this.#fault !== null) return;
    const changes = this.#pending?.changes ?? new Map<string, StateChange>();
    for (const change of update.changes) changes.set(recordKey(change), change);
    this.#pending = { changes, summary: update };
    this.#start();
  }

  flush(done: Done): void {
    assert(this.#closing === null, 'a closed copy takes no flush');
    this.#flushes.push(done);
    this.#start();
  }

  replace(cut: StateCut, done: Done): void {
    assert(this.#closing === null, 'a closed copy takes no replacement');
    assert(this.#replacement === null, 'one replacement at a time');
    this.#replacement = { cut, done };
    this.#pending = null;
    this.#start();
  }

  close(done: () => void): void {
    assert(this.#closing === null, 'a copy is closed once');
    this.#closing = done;
    this.#start();
  }

  /** Starts the one writer unless it runs; it ends when nothing is left to write. */
  #start(): void {
    if (this.#isUrgent()) this.#wake?.();
    if (this.#running) return;
    this.#running = true;
    runSteps(this.#run(), (error) => {
      // Every failure of the database is caught where it happens; what else is thrown here is a bug.
      assert(error === null, 'the writer of the copy never fails');
    });
  }

  *#run(): Task<void> {
    // Leaves the caller's turn: `done` must not be called from inside the call that was given it, and what
    // the caller adds in the same turn belongs into the same batch.
    yield* pause(this.#parts.yieldTurn);
    while (this.#replacement !== null || this.#pending !== null || this.#flushes.length > 0) {
      const replacement = this.#replacement;
      // A replacement is synced, so it answers the flushes before it as well.
      const dones = replacement === null ? this.#flushes : [...this.#flushes, replacement.done];
      this.#flushes = [];
      if (this.#fault === null) {
        yield* this.#latching(
          replacement === null ? this.#writePending(dones.length > 0) : this.#writeWhole(replacement.cut),
        );
      }
      if (replacement !== null) this.#replacement = null;
      if (this.#fault !== null) this.#pending = null;
      for (const done of dones) done(this.#fault);
      yield* this.#rest();
    }
    // In the same turn as the last look at the work: whatever comes later starts a new run.
    this.#running = false;
    const closing = this.#closing;
    if (closing === null) return;
    yield* this.#latching(completion((done) => this.#parts.database.close(done)));
    closing();
  }

  /** Somebody waits for more than that changes get there some time. */
  #isUrgent(): boolean {
    return this.#flushes.length > 0 || this.#replacement !== null || this.#closing !== null;
  }

  *#rest(): Task<void> {
    const { clock, yieldTurn } = this.#parts;
    if (clock === undefined || this.#isUrgent()) return;
    yield* pause((resume) => {
      const timer = clock.setTimer(REST_MS, () => this.#wake?.());
      this.#wake = () => {
        this.#wake = null;
        timer.cancel();
        // Not from inside the call that ended the rest.
        yieldTurn(resume);
      };
    });
  }

  /** The first failure is final: after it LevelDB may acknowledge writes that are gone when it is opened again. */
  *#latching(task: Task<void>): Task<void> {
    try {
      yield* task;
    } catch (cause) {
      assert(cause instanceof Error, 'a database fails with an error');
      if (this.#fault !== null) return;
      this.#fault = cause;
      this.#parts.onFault(cause);
    }
  }

  /**
   * One batch of all that is pending; `sync` covers the earlier, unsynced batches too, as they lie before it in the same log
   * file. Where LevelDB has just changed files, a power cut may still take earlier ones: the hash shows it at the next start.
   */
  *#writePending(sync: boolean): Task<void> {
    const pending = this.#pending;
    this.#pending = null;
    const summary = pending?.summary ?? this.#summary;
    if (summary === null) return;
    this.#summary = summary;
    const batch = this.#parts.database.batch();
    batch.put(META_KEY, encodeMeta(summary));
    const slice = new Slice();
    for (const [key, change] of pending?.changes ?? []) {
      const bytes = addChange(batch, key, change);
      if (slice.isFull(bytes)) yield* pause(this.#parts.yieldTurn);
    }
    yield* completion((done) => batch.write(sync, done));
  }

  /**
   * Mark, empty, fill, summarise. The mark is synced before the first record goes and the summary is synced last, so a copy
   * left by a crash in between is known to be neither the old state nor the new one.
   */
  *#writeWhole(cut: StateCut): Task<void> {
    const { database, yieldTurn } = this.#parts;
    const mark = database.batch();
    mark.put(META_KEY, encodeReplacing());
    yield* completion((done) => mark.write(true, done));
    yield* completion((done) => database.clear({ lt: META_KEY }, done));
    yield* completion((done) => database.clear({ gt: META_KEY }, done));
    let batch = database.batch();
    let batchBytes = 0;
    const slice = new Slice();
    for (const [key, value] of wholeContents(cut)) {
      batch.put(key, value);
      batchBytes += key.length + value.length;
      if (batchBytes >= REPLACE_BATCH_BYTES) {
        const full = batch;
        yield* completion((done) => full.write(false, done));
        batch = database.batch();
        batchBytes = 0;
      }
      if (slice.isFull(value.length)) yield* pause(yieldTurn);
    }
    batch.put(META_KEY, encodeMeta(cut));
    this.#summary = cut;
    yield* completion((done) => batch.write(true, done));
  }
}

/** Counts what one turn of the event loop has done. */
class Slice {
  #records = 0;
  #bytes = 0;

  /** Adds one record; true when the turn should end here, and counting starts anew. */
  isFull(bytes: number): boolean {
    this.#records += 1;
    this.#bytes += bytes;
    if (this.#records < SLICE_RECORDS && this.#bytes < SLICE_BYTES) return false;
    this.#records = 0;
    this.#bytes = 0;
    return true;
  }
}

function recordKey(change: StateChange): string {
  if (change.kind === 'put') return storedKey(change.stored.key);
  if (change.kind === 'removed') return storedKey(change.key);
  return requestKey(change.request);
}

/** Returns the bytes of the value. */
function addChange(batch: RecordBatch, key: string, change: StateChange): number {
  if (change.kind === 'removed' || change.kind === 'forgotten') {
    batch.remove(key);
    return 0;
  }
  const value = change.kind === 'put' ? encodeStored(change.stored) : encodeRequest(change.request);
  batch.put(key, value);
  return value.length;
}

function* wholeContents({ contents }: StateCut): Generator<readonly [string, Uint8Array], undefined> {
  for (const stored of contents.stored) yield [storedKey(stored.key), encodeStored(stored)];
  for (const request of contents.requests) yield [requestKey(request), encodeRequest(request)];
}
