// When the state is written out as a snapshot, and how far the log is cut behind it.

import { assert, present } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { AppliedBatch } from './apply-loop.ts';
import {
  logIndex,
  type Entry,
  type LogIndex,
  type LogPosition,
  type Membership,
  type SnapshotMeta,
} from './core/types.ts';
import type { SnapshotFile, SnapshotStore, StateMachine } from './ports.ts';
import { isOutOfSpace } from './wal/file-system.ts';

/** So many times what makes a snapshot due is kept, at most, for members to which a snapshot is on its way. */
const HELD_PARTS = 4;
/** Milliseconds before a snapshot for which there was no room is tried again. */
const NO_SPACE_PAUSE_MS = 10_000;

export interface SnapshotPolicy {
  readonly snapshotEntries: number;
  readonly snapshotBytes: number;
  readonly trailingEntries: number;
}

export interface SnapshotterParts {
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly base: () => SnapshotMeta;
  /** The membership in force at an index from the base of the log on. */
  readonly membershipAt: (index: LogIndex) => Membership;
  readonly entries: (from: LogIndex, toInclusive: LogIndex) => readonly Entry[];
  /** The last entries of the snapshots on their way to members, who will need the log behind them. */
  readonly sending: () => readonly LogIndex[];
  /** Queues the cut behind the groups already handed to the disk; `done` once durable. */
  readonly compact: (base: SnapshotMeta, done: () => void) => void;
  /** The cut is durable: the core may forget the entries. */
  readonly onCompacted: (base: SnapshotMeta) => void;
  readonly onError: (error: Error) => void;
}

/** A stretch of the log. */
interface Growth {
  readonly entries: number;
  readonly bytes: number;
}

/** A consistent state: its chunks may be pulled at any time, while the state goes on. */
export interface StateCut {
  readonly meta: SnapshotMeta;
  readonly chunks: Iterable<Uint8Array>;
}

/**
 * Saves a snapshot at the applied index S, makes the state's own copy durable up to S, then cuts the log to the base
 * B = S - trailing window. So always B <= S: whoever needs an entry at or before B is sent the snapshot at S and goes
 * on with S + 1, which the log still has. A crash between any two of these steps leaves more than is needed, never less.
 * Where the first step finds no room nothing is lost: it leaves no file, nothing is cut, and it is tried again later.
 */
export class Snapshotter {
  readonly #policy: SnapshotPolicy;
  readonly #parts: SnapshotterParts;
  #entriesSince: number;
  #bytesSince: number;
  /** On the clock: no snapshot is begun earlier. */
  #pauseEndMs = Number.NEGATIVE_INFINITY;
  #busy = false;
  #paused = false;
  #whenIdle: (() => void)[] = [];

  /** `since`: what was applied after the newest snapshot, in entries and payload bytes. */
  constructor(policy: SnapshotPolicy, since: Growth, parts: SnapshotterParts) {
    this.#policy = policy;
    this.#parts = parts;
    this.#entriesSince = since.entries;
    this.#bytesSince = since.bytes;
  }

  get busy(): boolean {
    return this.#busy;
  }

  /** Counts what was applied and starts a snapshot at `applied` when one is due and none is under way. */
  onApplied(batch: AppliedBatch, applied: LogPosition): void {
    this.#entriesSince += batch.entries.length;
    for (const entry of batch.entries) this.#bytesSince += entry.data.byteLength;
    const due =
      this.#entriesSince >= this.#policy.snapshotEntries || this.#bytesSince >= this.#policy.snapshotBytes;
    if (!due || this.#busy || this.#paused) return;
    if (this.#parts.clock.monotonicMs() >= this.#pauseEndMs) this.#take(applied);
  }

  /** Starts nothing until `resume`; calls `done` once what is under way has ended (at once when nothing is). */
  pause(done: () => void): void {
    this.#paused = true;
    if (this.#busy) this.#whenIdle.push(done);
    else done();
  }

  /** A snapshot from the leader was installed: counting starts anew behind it. */
  resume(): void {
    this.#paused = false;
    this.#entriesSince = 0;
    this.#bytesSince = 0;
  }

  /** The state as it is now, with what a snapshot says of it: for a snapshot, or for a backup that leaves this machine. */
  cut(applied: LogPosition): StateCut {
    const snapshot = this.#parts.stateMachine.snapshot();
    assert(snapshot.index === applied.index, 'a snapshot is of the state as applied');
    const { index, term } = applied;
    return { meta: { index, term, membership: this.#parts.membershipAt(index) }, chunks: snapshot.chunks };
  }

  #take(applied: LogPosition): void {
    const { snapshots, logger } = this.#parts;
    const since = { entries: this.#entriesSince, bytes: this.#bytesSince };
    this.#busy = true;
    this.#entriesSince = 0;
    this.#bytesSince = 0;
    const { meta, chunks } = this.cut(applied);
    snapshots.save(meta, chunks, (result) => {
      if (result instanceof Error) {
        if (isOutOfSpace(result)) this.#postpone(meta, since, result);
        else this.#fail(result);
        return;
      }
      logger.info('raft.snapshot.saved', { index: meta.index, term: meta.term, bytes: result.bytes });
      this.#flush(meta);
    });
  }

  /** No room for the snapshot says nothing of the log or the state, and the file is gone again: both go on as they are. */
  #postpone(meta: SnapshotMeta, since: Growth, error: Error): void {
    const { clock, logger } = this.#parts;
    logger.warn('raft.snapshot.no_space', { index: meta.index, reason: error.message });
    this.#entriesSince += since.entries;
    this.#bytesSince += since.bytes;
    this.#pauseEndMs = clock.monotonicMs() + NO_SPACE_PAUSE_MS;
    this.#end();
  }

  #flush(meta: SnapshotMeta): void {
    this.#parts.stateMachine.flush((error) => {
      if (error === null) this.#compact(meta);
      else this.#fail(error);
    });
  }

  #compact(meta: SnapshotMeta): void {
    // Paused means that a received snapshot is about to be installed: its log must not be cut behind its reset, and its
    // file must not be pruned for a still newer one that arrives meanwhile.
    if (this.#paused) {
      this.#end();
      return;
    }
    const base = this.#trailingBase(meta);
    if (base !== null) this.#parts.compact(base, () => this.#parts.onCompacted(base));
    this.#parts.snapshots.prune((error) => {
      if (error === null) this.#end();
      else this.#fail(error);
    });
  }

  /**
   * The base that keeps the trailing window before the snapshot of `meta`, in entries and in payload bytes, and what follows
   * each snapshot on its way as far as the bound allows: one so old that it falls behind it has to be sent anew. Null when the
   * log is cut as far already, by an installed snapshot or because little was written.
   */
  #trailingBase(meta: SnapshotMeta): SnapshotMeta | null {
    const from = this.#parts.base().index + 1;
    if (from > meta.index) return null;
    const entries = this.#parts.entries(logIndex(from), meta.index);
    const { snapshotEntries, snapshotBytes, trailingEntries } = this.#policy;
    const trailing = countWithin(entries, { entries: trailingEntries, bytes: snapshotBytes });
    const most = { entries: HELD_PARTS * snapshotEntries, bytes: HELD_PARTS * snapshotBytes };
    const heldMax = countWithin(entries, most);
    const held = this.#parts
      .sending()
      .map((index) => meta.index - index)
      .filter((count) => count <= heldMax);
    const keptCount = Math.max(trailing, ...held);
    const entry = entries[entries.length - keptCount - 1];
    if (entry === undefined) return null;
    const { index, term } = entry;
    return { index, term, membership: this.#parts.membershipAt(index) };
  }

  #end(): void {
    this.#busy = false;
    const waiting = this.#whenIdle;
    this.#whenIdle = [];
    for (const done of waiting) done();
  }

  #fail(error: Error): void {
    this.#paused = true;
    this.#parts.onError(error);
    this.#end();
  }
}

/** How many of the last entries are within `bound`. */
function countWithin(entries: readonly Entry[], bound: Growth): number {
  let count = 0;
  let bytes = 0;
  for (const entry of entries.toReversed()) {
    bytes += entry.data.byteLength;
    if (count >= bound.entries || bytes > bound.bytes) break;
    count += 1;
  }
  return count;
}

/** The file a member behind the log is sent, or a restart falls back to; asserts the invariant that it exists. */
export function snapshotCovering(base: LogPosition, snapshots: SnapshotStore): SnapshotFile {
  const file = present(snapshots.newest(), 'a compacted log has a snapshot');
  assert(file.meta.index >= base.index, 'the newest snapshot is never older than the base of the log');
  return file;
}
