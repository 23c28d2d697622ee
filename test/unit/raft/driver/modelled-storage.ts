// What one member of a driver test has on its disk: a log, snapshots and a state, each with a model of what survives a crash.

import type { Timer } from '../../../../src/base/clock.ts';
import {
  logIndex,
  term,
  type Entry,
  type HardState,
  type LogIndex,
  type LogPosition,
  type Membership,
  type RestoredState,
  type SnapshotMeta,
  type Term,
} from '../../../../src/raft/core/types.ts';
import type {
  Done,
  DurableLog,
  LogGroup,
  SnapshotFile,
  SnapshotStore,
  StateMachine,
  StateRestore,
} from '../../../../src/raft/ports.ts';
import type { VirtualLoop } from './virtual-loop.ts';

/** What survives a crash of one member. Everything below writes into it only when its operation completes. */
export class DiskImage {
  hardState: HardState = { term: term(0), votedFor: null };
  base: SnapshotMeta;
  entries: Entry[] = [];
  snapshots: { readonly meta: SnapshotMeta; readonly chunks: readonly Uint8Array[] }[] = [];
  /** The durable copy of the state. */
  state: { readonly applied: LogIndex; readonly appliedTerm: Term; readonly lines: readonly string[] } = {
    applied: logIndex(0),
    appliedTerm: term(0),
    lines: [],
  };

  constructor(founders: Membership) {
    this.base = { index: logIndex(0), term: term(0), membership: founders };
  }

  get lastIndex(): LogIndex {
    return this.entries.at(-1)?.index ?? this.base.index;
  }

  /** The term of the entry at `index`, or of the base; null elsewhere. */
  termAt(index: LogIndex): Term | null {
    if (index === this.base.index) return this.base.term;
    return this.entries[index - this.base.index - 1]?.term ?? null;
  }

  append(entry: Entry): void {
    if (entry.index !== this.lastIndex + 1) throw new Error(`entry ${entry.index} after ${this.lastIndex}`);
    this.entries.push(entry);
  }

  restored(): RestoredState {
    return { hardState: this.hardState, base: this.base, entries: [...this.entries] };
  }
}

/** One process life: when `dead`, nothing it started completes or changes the disk any more. */
export class Life {
  dead = false;
  /** Until then the process is stopped: what is due happens afterwards. */
  frozenUntilMs = 0;
  readonly loop: VirtualLoop;
  constructor(loop: VirtualLoop) {
    this.loop = loop;
  }

  get isFrozen(): boolean {
    return this.frozenUntilMs > this.loop.nowMs;
  }

  /** Something the process waits for: a timer, a turn of its event loop. */
  later(delayMs: number, run: () => void): Timer {
    let isCancelled = false;
    const attempt = (): void => {
      if (this.dead || isCancelled) return;
      if (this.isFrozen) this.loop.after(this.frozenUntilMs - this.loop.nowMs, attempt);
      else run();
    };
    this.loop.after(delayMs, attempt);
    return {
      cancel: () => {
        isCancelled = true;
      },
    };
  }

  /** Something that comes from outside: after a freeze it is served behind the timers that are due. */
  arrives(run: () => void): void {
    if (this.dead) return;
    if (!this.isFrozen) run();
    else this.loop.after(this.frozenUntilMs - this.loop.nowMs, () => void this.later(0, run));
  }
}

export interface DiskFaults {
  /** Milliseconds one operation takes. */
  latencyMs: number;
  failNext: 'write' | 'save' | 'flush' | null;
  /** The first group this holds for fails, after having written nothing or half: its entries, not its hard state. */
  failGroup: ((group: LogGroup) => boolean) | null;
  spaceLow: boolean;
  /** Bytes of entries for which there is room while space is low. */
  roomBytes: number;
  /** Background work of the log has failed. */
  background?: Error;
  /** Log operations completed, by kind; failed ones do not count. */
  writes: number;
}

export class MemoryLog implements DurableLog {
  closed = false;
  readonly #image: DiskImage;
  readonly #life: Life;
  readonly #faults: DiskFaults;
  #busy = false;

  constructor(image: DiskImage, life: Life, faults: DiskFaults) {
    this.#image = image;
    this.#life = life;
    this.#faults = faults;
  }

  get spaceLow(): boolean {
    return this.#faults.spaceLow;
  }

  hasRoomFor(bytes: number): boolean {
    return !this.spaceLow || bytes <= this.#faults.roomBytes;
  }

  get failure(): Error | null {
    return this.#faults.background ?? null;
  }

  write(group: LogGroup, done: Done): void {
    const { failGroup } = this.#faults;
    if (failGroup?.(group) === true) {
      this.#faults.failGroup = null;
      this.#run(done, () => {
        // A short write: how much of it survives is the disk's secret.
        for (const entry of group.append.slice(0, 1)) this.#image.append(entry);
        return new Error('ENOSPC');
      });
      return;
    }
    this.#run(done, () => {
      const image = this.#image;
      if (group.hardState !== null) {
        if (group.hardState.term < image.hardState.term) throw new Error('the term fell on disk');
        image.hardState = group.hardState;
      }
      if (group.truncateFrom !== null) {
        if (group.truncateFrom > image.lastIndex) throw new Error('truncation beyond the log');
        image.entries = image.entries.filter((entry) => entry.index < (group.truncateFrom ?? 0));
      }
      for (const entry of group.append) image.append(entry);
      return null;
    });
  }

  compact(base: SnapshotMeta, done: Done): void {
    this.#run(done, () => {
      const newest = this.#image.snapshots.at(-1);
      if (newest === undefined || newest.meta.index < base.index)
        throw new Error('compaction without a snapshot');
      if (base.index < this.#image.base.index || base.index > this.#image.lastIndex)
        throw new Error('compaction outside the log');
      this.#image.base = base;
      this.#image.entries = this.#image.entries.filter((entry) => entry.index > base.index);
      return null;
    });
  }

  reset(base: SnapshotMeta, done: Done): void {
    this.#run(done, () => {
      if (base.index < this.#image.base.index) throw new Error('reset behind the base');
      this.#image.base = base;
      this.#image.entries = [];
      return null;
    });
  }

  close(done: Done): void {
    if (this.#busy) throw new Error('closed during an operation');
    this.closed = true;
    this.#life.later(0, () => done(null));
  }

  #run(done: Done, effect: () => Error | null): void {
    if (this.#busy) throw new Error('two operations at once');
    this.#busy = true;
    this.#life.later(this.#faults.latencyMs, () => {
      this.#busy = false;
      if (this.#faults.failNext === 'write') {
        this.#faults.failNext = null;
        done(new Error('EIO'));
        return;
      }
      const error = effect();
      if (error === null) this.#faults.writes += 1;
      done(error);
    });
  }
}

export class MemorySnapshots implements SnapshotStore {
  readonly #image: DiskImage;
  readonly #life: Life;
  readonly #faults: DiskFaults;
  /** What was received counts only once it is accepted. */
  #newest: SnapshotFile | null;

  constructor(image: DiskImage, life: Life, faults: DiskFaults) {
    this.#image = image;
    this.#life = life;
    this.#faults = faults;
    const newest = image.snapshots.at(-1);
    this.#newest = newest === undefined ? null : fileOf(newest);
  }

  newest(): SnapshotFile | null {
    return this.#newest;
  }

  save(meta: SnapshotMeta, chunks: Iterable<Uint8Array>, done: (result: SnapshotFile | Error) => void): void {
    this.#life.later(this.#faults.latencyMs * 2, () => {
      if (this.#faults.failNext === 'save') {
        done(new Error('ENOSPC'));
        return;
      }
      const file = this.put(meta, [...chunks]);
      this.accept(file);
      done(file);
    });
  }

  /** What a finished reception leaves; what is here already stays as it is. */
  put(meta: SnapshotMeta, chunks: readonly Uint8Array[]): SnapshotFile {
    const stored = { meta, chunks };
    const file = fileOf(stored);
    if (this.chunksOf(file) !== null) return file;
    this.#image.snapshots.push(stored);
    this.#image.snapshots.sort((left, right) => left.meta.index - right.meta.index);
    return file;
  }

  chunksOf(file: SnapshotFile): readonly Uint8Array[] | null {
    return this.#image.snapshots.find(({ meta }) => meta.index === file.meta.index)?.chunks ?? null;
  }

  load(file: SnapshotFile, onChunk: (chunk: Uint8Array) => void, done: Done): void {
    // An open file can be read to its end, whatever becomes of its name.
    const chunks = this.chunksOf(file);
    this.#life.later(this.#faults.latencyMs, () => {
      if (chunks === null) {
        done(new Error('ENOENT'));
        return;
      }
      for (const chunk of chunks) onChunk(chunk);
      done(null);
    });
  }

  older(file: SnapshotFile, done: (result: SnapshotFile | null | Error) => void): void {
    const older = this.#image.snapshots.findLast(({ meta }) => meta.index < file.meta.index);
    this.#life.later(1, () => done(older === undefined ? null : fileOf(older)));
  }

  accept(file: SnapshotFile): void {
    if (this.#newest === null || this.#newest.meta.index <= file.meta.index) this.#newest = file;
  }

  discard(file: SnapshotFile, done: Done): void {
    this.#image.snapshots = this.#image.snapshots.filter(({ meta }) => meta.index !== file.meta.index);
    if (this.#newest?.meta.index === file.meta.index) {
      const older = this.#image.snapshots.findLast(({ meta }) => meta.index < file.meta.index);
      this.#newest = older === undefined ? null : fileOf(older);
    }
    this.#life.later(1, () => done(null));
  }

  prune(done: Done): void {
    const newest = this.#newest?.meta.index ?? 0;
    this.#life.later(1, () => {
      this.#image.snapshots = this.#image.snapshots.filter(({ meta }) => meta.index >= newest);
      done(null);
    });
  }
}

function fileOf({ meta, chunks }: DiskImage['snapshots'][number]): SnapshotFile {
  return { meta, bytes: chunks.length, path: `${meta.index}-${meta.term}` };
}

/** A snapshot with this line is one that this release cannot read. */
export const UNREADABLE = 'a line of a newer release';

/** The state is the list of all commands ever applied: whatever is lost, doubled or misplaced shows. */
export class ListMachine implements StateMachine {
  applied: LogIndex;
  appliedTerm: Term;
  lines: string[];
  readonly #image: DiskImage;
  readonly #life: Life;
  readonly #faults: DiskFaults;

  constructor(image: DiskImage, life: Life, faults: DiskFaults) {
    this.#image = image;
    this.#life = life;
    this.#faults = faults;
    this.applied = image.state.applied;
    this.appliedTerm = image.state.appliedTerm;
    this.lines = [...image.state.lines];
  }

  apply(entries: readonly Entry[]): readonly unknown[] {
    return entries.map((entry) => {
      if (entry.index !== this.applied + 1) throw new Error(`applied ${entry.index} after ${this.applied}`);
      this.applied = entry.index;
      this.appliedTerm = entry.term;
      if (entry.kind !== 'command') return null;
      this.lines.push(Buffer.from(entry.data).toString());
      return this.lines.length;
    });
  }

  flush(done: Done): void {
    const state = { applied: this.applied, appliedTerm: this.appliedTerm, lines: [...this.lines] };
    this.#life.later(this.#faults.latencyMs, () => {
      if (this.#faults.failNext === 'flush') {
        done(new Error('EIO'));
        return;
      }
      if (state.applied > this.#image.state.applied) this.#image.state = state;
      done(null);
    });
  }

  snapshot(): { readonly index: LogIndex; readonly chunks: Iterable<Uint8Array> } {
    return { index: this.applied, chunks: this.lines.map((line) => Buffer.from(line)) };
  }

  restore(meta: LogPosition): StateRestore {
    const lines: string[] = [];
    return {
      chunk: (bytes) => void lines.push(Buffer.from(bytes).toString()),
      ready: () => (lines.includes(UNREADABLE) ? 'a line of it is unreadable' : null),
      swap: (done) => {
        this.applied = meta.index;
        this.appliedTerm = meta.term;
        this.lines = lines;
        this.#life.later(this.#faults.latencyMs, () => {
          this.#image.state = { applied: meta.index, appliedTerm: meta.term, lines: [...lines] };
          done(null);
        });
      },
      abort: () => undefined,
    };
  }
}
