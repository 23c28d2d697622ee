// The state machine Raft drives: entries in, outcomes out, a durable copy behind, watchers told.

import { assert, present } from '../base/assert.ts';
import { type Result, err, ok } from '../base/result.ts';
import { decodeTransaction } from './codec.ts';
import type { Done, DurableCopy, StateCut } from './durable-copy.ts';
import { type CopyOpenError, type CopyVerdict, type OpenCopyOptions, openLevelCopy } from './level-open.ts';
import type { LoadedState } from './level-records.ts';
import type { LogEntry, LogIndex, LogPosition, Term } from './log-entry.ts';
import { SnapshotDecoder, snapshotChunks } from './snapshot-codec.ts';
import { hashText } from './state/hash.ts';
import { type StateMark, StateMarks } from './state-marks.ts';
import type { KeyValueState, StateChange } from './state/key-value-state.ts';
import type { Key, StoreChange, StoredValue, TransactionOutcome } from './types.ts';

/** State and position for comparison between members: equal indexes must have equal hashes. */
export interface StateDigest {
  readonly index: LogIndex;
  readonly hash: string;
}

/**
 * The authoritative state, in memory. Has the shape of Raft's `StateMachine`; owned by the Raft driver, read by everybody in
 * the same process. `apply` never waits for the disk: the copy follows behind, and what it lacks is replayed from the log.
 */
export class StoreStateMachine {
  readonly #copy: DurableCopy;
  readonly #listeners = new Set<(change: StoreChange) => void>();
  readonly #marks = new StateMarks();
  #state: KeyValueState;
  #position: LogPosition;

  /** `loaded` is what `copy` holds. */
  constructor(copy: DurableCopy, loaded: LoadedState) {
    this.#copy = copy;
    this.#state = loaded.state;
    this.#position = loaded.position;
  }

  /** The last entry whose effect is in memory; 0 when the state must be rebuilt from the beginning. */
  get applied(): LogIndex {
    return this.#position.index;
  }

  /** The term of that entry, for checking that the state and the log are of one history. */
  get appliedTerm(): Term {
    return this.#position.term;
  }

  get digest(): StateDigest {
    return { index: this.#position.index, hash: hashText(this.#state.hash) };
  }

  /** What this member made of the last entries, for comparison with the others. */
  get marks(): readonly StateMark[] {
    return this.#marks.all;
  }

  /** How much is stored: values, and bytes of keys (in code units) and values. */
  get size(): { readonly keys: number; readonly bytes: number } {
    return this.#state.size;
  }

  /**
   * Applies committed entries in order, the first being `applied + 1`, and returns one result an entry: the outcome of a
   * command, null for the others. Watchers are called after the whole group is in memory.
   */
  apply(entries: readonly LogEntry[]): readonly (TransactionOutcome | null)[] {
    const results: (TransactionOutcome | null)[] = [];
    const changes: StateChange[] = [];
    const notices: StoreChange[] = [];
    for (const entry of entries) {
      assert(
        entry.index === this.#position.index + 1,
        `entry ${entry.index} cannot follow entry ${this.#position.index}`,
      );
      this.#position = { index: entry.index, term: entry.term };
      if (entry.kind !== 'command') {
        results.push(null);
        this.#marks.note(entry.index, this.#state.hash);
        continue;
      }
      const transaction = decodeTransaction(entry.data);
      const applied = transaction.ok
        ? this.#state.apply(entry.index, transaction.value)
        : this.#state.refuse(entry.index, transaction.error);
      results.push(applied.outcome);
      this.#marks.note(entry.index, this.#state.hash);
      for (const change of applied.changes) changes.push(change);
      const keys = changedKeys(applied.changes);
      if (keys.length > 0) notices.push({ kind: 'keys', revision: entry.index, keys });
    }
    if (entries.length > 0) this.#copy.write({ position: this.#position, hash: this.#state.hash, changes });
    for (const notice of notices) this.#notify(notice);
    return results;
  }

  /** Everything applied so far is in the copy and on the disk when `done(null)` is called. */
  flush(done: Done): void {
    this.#copy.flush(done);
  }

  /** The state at `applied` as chunks of at most 64 KiB. The cut is taken now, the encoding happens as chunks are pulled. */
  snapshot(): { readonly index: LogIndex; readonly chunks: Iterable<Uint8Array> } {
    return { index: this.#position.index, chunks: snapshotChunks(this.#cut()) };
  }

  /** Starts building the state of the snapshot at `position` beside this one; `swap` puts it in its place. */
  restore(position: LogPosition): StateRestore {
    return new StateRestore(position, (loaded, done) => {
      this.#state = loaded.state;
      this.#position = loaded.position;
      this.#marks.clear();
      this.#copy.replace(this.#cut(), done);
      this.#notify({ kind: 'replaced' });
    });
  }

  get(key: Key): StoredValue | null {
    return this.#state.get(key);
  }

  list(prefix: string): readonly StoredValue[] {
    return this.#state.list(prefix);
  }

  scan(prefix: string, after: Key | null): Iterable<StoredValue> {
    return this.#state.scan(prefix, after);
  }

  /** Calls `listener` after each change, in order; a listener that throws is a bug and ends the process. */
  watch(listener: (change: StoreChange) => void): () => void {
    const own = (change: StoreChange): void => listener(change);
    this.#listeners.add(own);
    return () => {
      this.#listeners.delete(own);
    };
  }

  /** Writes what is left to the copy and closes it. Nothing may be applied after this. Never fails. */
  stop(done: () => void): void {
    this.#copy.close(done);
  }

  /** `stop` for callers that await. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.stop(resolve);
    });
  }

  #cut(): StateCut {
    return { position: this.#position, hash: this.#state.hash, contents: this.#state.contents() };
  }

  #notify(change: StoreChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** A snapshot on its way in, decoded and hashed as it comes. `chunk`s, then `ready`, then `swap`; or `abort` at any point. */
export class StateRestore {
  readonly #position: LogPosition;
  readonly #accept: (loaded: LoadedState, done: Done) => void;
  #decoder: SnapshotDecoder | null = new SnapshotDecoder();
  #state: KeyValueState | null = null;

  constructor(position: LogPosition, accept: (loaded: LoadedState, done: Done) => void) {
    this.#position = position;
    this.#accept = accept;
  }

  /** Takes the next chunk; the bytes may be reused afterwards. */
  chunk(bytes: Uint8Array): void {
    present(this.#decoder, 'a restore that ended takes no chunk').chunk(bytes);
  }

  /** Why the chunks are no whole snapshot of the position; null when they are. */
  ready(): string | null {
    const state = present(this.#decoder, 'a restore is asked once').finish(this.#position.index);
    this.#decoder = null;
    if (!state.ok) return state.error;
    this.#state = state.value;
    return null;
  }

  /** The new state is visible on return and in the copy when `done(null)` is called. */
  swap(done: Done): void {
    const state = present(this.#state, 'only a state that is ready is swapped in');
    this.#state = null;
    this.#accept({ position: this.#position, state }, done);
  }

  abort(): void {
    this.#decoder = null;
    this.#state = null;
  }
}

function changedKeys(changes: readonly StateChange[]): readonly Key[] {
  const keys: Key[] = [];
  for (const change of changes) {
    if (change.kind === 'put') keys.push(change.stored.key);
    if (change.kind === 'removed') keys.push(change.key);
  }
  return keys;
}

/** Opens the LevelDB copy and puts the state machine on it. */
export async function openStateMachine(
  options: OpenCopyOptions,
): Promise<Result<{ readonly machine: StoreStateMachine; readonly verdict: CopyVerdict }, CopyOpenError>> {
  const opened = await openLevelCopy(options);
  if (!opened.ok) return err(opened.error);
  const { copy, verdict } = opened.value;
  return ok({ machine: new StoreStateMachine(copy, opened.value), verdict });
}
