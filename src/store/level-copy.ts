// The durable copy in LevelDB: changes, position and hash in one batch, written behind, one batch at a time.

import { assert } from '../base/assert.ts';
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
import type { StateChange } from './state/key-value-state.ts';

/** The part of a LevelDB handle that the copy writes through. */
export interface LevelTarget {
  batch(operations: LevelOperation[], options: { readonly sync: boolean }): Promise<void>;
  /** Removes every record before or after a key. */
  clear(range: { readonly lt: string } | { readonly gt: string }): Promise<void>;
  close(): Promise<void>;
}

export type LevelOperation =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string };

/** Records of a replaced copy are written in batches of about this many bytes. */
const REPLACE_BATCH_BYTES = 1024 * 1024;

/** The newest change of each record not yet handed to LevelDB, and the summary that goes with them. */
interface Pending {
  readonly changes: Map<string, StateChange>;
  readonly summary: Pick<CopyUpdate, 'position' | 'hash'>;
}

interface Replacement {
  readonly cut: StateCut;
  readonly done: Done;
}

/**
 * What accumulates while a batch is in flight becomes the next batch, later changes of a record displacing earlier ones,
 * so the backlog never exceeds the state itself. Every batch takes the copy from one whole state to another.
 */
export class LevelCopy implements DurableCopy {
  readonly #target: LevelTarget;
  readonly #onFault: (error: Error) => void;
  /** What the last batch, in flight or done, said of the whole; null before the first entry. */
  #summary: Pending['summary'] | null;
  #pending: Pending | null = null;
  #replacement: Replacement | null = null;
  #flushes: Done[] = [];
  #running: Promise<void> | null = null;
  #fault: Error | null = null;
  #closed = false;

  /** `summary` is what the database behind `target` says of itself. `onFault` is called at most once. */
  constructor(target: LevelTarget, summary: Pending['summary'] | null, onFault: (error: Error) => void) {
    this.#target = target;
    this.#summary = summary;
    this.#onFault = onFault;
  }

  write(update: CopyUpdate): void {
    assert(!this.#closed, 'a closed copy takes no updates');
    if (this.#fault !== null) return;
    const changes = this.#pending?.changes ?? new Map<string, StateChange>();
    for (const change of update.changes) changes.set(recordKey(change), change);
    this.#pending = { changes, summary: update };
    this.#start();
  }

  flush(done: Done): void {
    assert(!this.#closed, 'a closed copy takes no flush');
    this.#flushes.push(done);
    this.#start();
  }

  replace(cut: StateCut, done: Done): void {
    assert(!this.#closed, 'a closed copy takes no replacement');
    assert(this.#replacement === null, 'one replacement at a time');
    this.#replacement = { cut, done };
    this.#pending = null;
    this.#start();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    try {
      await this.#target.close();
    } catch (cause) {
      this.#latch(asError(cause));
    }
  }

  /** Starts the one writer unless it runs. It rejects only when a `done` throws, which is a bug and ends the process. */
  #start(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Leaves the caller's turn: `done` must not be called from inside the call that was given it, and what
    // the caller adds in the same turn belongs into the same batch.
    await Promise.resolve();
    while (this.#replacement !== null || this.#pending !== null || this.#flushes.length > 0) {
      const replacement = this.#replacement;
      // A replacement is synced, so it answers the flushes before it as well.
      const dones = replacement === null ? this.#flushes : [...this.#flushes, replacement.done];
      this.#flushes = [];
      if (this.#fault === null) {
        try {
          await (replacement === null
            ? this.#writePending(dones.length > 0)
            : this.#writeWhole(replacement.cut));
        } catch (cause) {
          this.#latch(asError(cause));
        }
      }
      if (replacement !== null) this.#replacement = null;
      if (this.#fault !== null) this.#pending = null;
      for (const done of dones) done(this.#fault);
    }
    // In the same turn as the last look at the work: whatever comes later starts a new run.
    this.#running = null;
  }

  /**
   * One batch of all that is pending; `sync` covers the earlier, unsynced batches too, as they lie before it in the same log
   * file. Where LevelDB has just changed files, a power cut may still take earlier ones: the hash shows it at the next start.
   */
  async #writePending(sync: boolean): Promise<void> {
    const pending = this.#pending;
    this.#pending = null;
    const summary = pending?.summary ?? this.#summary;
    if (summary === null) return;
    const operations: LevelOperation[] = [{ type: 'put', key: META_KEY, value: encodeMeta(summary) }];
    for (const [key, change] of pending?.changes ?? []) operations.push(toOperation(key, change));
    this.#summary = summary;
    await this.#target.batch(operations, { sync });
  }

  /**
   * Mark, empty, fill, summarise. The mark is synced before the first record goes and the summary is synced last, so a copy
   * left by a crash in between is known to be neither the old state nor the new one.
   */
  async #writeWhole(cut: StateCut): Promise<void> {
    await this.#target.batch([{ type: 'put', key: META_KEY, value: encodeReplacing() }], { sync: true });
    await this.#target.clear({ lt: META_KEY });
    await this.#target.clear({ gt: META_KEY });
    let operations: LevelOperation[] = [];
    let bytes = 0;
    for (const operation of wholeContents(cut)) {
      operations.push(operation);
      bytes += operation.value.length;
      if (bytes < REPLACE_BATCH_BYTES) continue;
      await this.#target.batch(operations, { sync: false });
      operations = [];
      bytes = 0;
    }
    operations.push({ type: 'put', key: META_KEY, value: encodeMeta(cut) });
    this.#summary = cut;
    await this.#target.batch(operations, { sync: true });
  }

  /** The first failure is final: after it LevelDB may acknowledge writes that are gone when it is opened again. */
  #latch(error: Error): void {
    if (this.#fault !== null) return;
    this.#fault = error;
    this.#onFault(error);
  }
}

function recordKey(change: StateChange): string {
  if (change.kind === 'put') return storedKey(change.stored.key);
  if (change.kind === 'removed') return storedKey(change.key);
  return requestKey(change.request);
}

function toOperation(key: string, change: StateChange): LevelOperation {
  if (change.kind === 'put') return { type: 'put', key, value: encodeStored(change.stored) };
  if (change.kind === 'recorded') return { type: 'put', key, value: encodeRequest(change.request) };
  return { type: 'del', key };
}

function* wholeContents({ contents }: StateCut): Generator<LevelOperation & { type: 'put' }> {
  for (const stored of contents.stored) {
    yield { type: 'put', key: storedKey(stored.key), value: encodeStored(stored) };
  }
  for (const request of contents.requests) {
    yield { type: 'put', key: requestKey(request), value: encodeRequest(request) };
  }
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error('the database failed without an error', { cause });
}
