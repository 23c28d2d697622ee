// Makes a snapshot received from the leader the base of the log and the state, safe against a crash at every step.

import { assert } from '../base/assert.ts';
import type { Logger } from '../base/logger.ts';
import { runSteps, runTask } from '../base/task.ts';
import type { ApplyLoop } from './apply-loop.ts';
import type { LogPosition, SnapshotMeta } from './core/types.ts';
import type { SnapshotFile, SnapshotStore, StateMachine, StateRestore } from './ports.ts';
import { buildState, swapState } from './restore.ts';
import type { Snapshotter } from './snapshotter.ts';

export interface InstallerParts {
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine;
  readonly logger: Logger;
  readonly applyLoop: ApplyLoop;
  readonly snapshotter: Snapshotter;
  /** Queues the reset behind the groups already handed to the disk; `done` once durable. */
  readonly reset: (base: SnapshotMeta, done: () => void) => void;
  readonly onInstalled: (meta: SnapshotMeta) => void;
  readonly onError: (error: Error) => void;
}

/**
 * `checking`: its state is being built aside. `ready`: built, and the core was told. `preparing`: the core wants it; the
 * log is being reset. `restoring`: the state is being swapped.
 */
type Phase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'checking'; readonly file: SnapshotFile }
  | { readonly kind: 'ready'; readonly file: SnapshotFile; readonly restore: StateRestore }
  | { readonly kind: 'preparing' | 'restoring'; readonly file: SnapshotFile };

/**
 * The order: the file is durable before it is offered here; its whole state is built aside and checked before anybody relies
 * on it; then it becomes the newest snapshot; then one log record makes its place the base of the log; then the state is
 * swapped. So a file that cannot be read costs nothing but itself. A crash before the log record leaves the old log and state
 * and one file too many; after it, a state behind its log's base, which the next start builds from that same file.
 */
export class SnapshotInstaller {
  readonly #parts: InstallerParts;
  #phase: Phase = { kind: 'idle' };
  #stopped = false;
  #whenIdle: (() => void) | null = null;

  constructor(parts: InstallerParts) {
    this.#parts = parts;
  }

  get busy(): boolean {
    return this.#phase.kind !== 'idle';
  }

  /**
   * Checks a received file and calls `offer` when the core may be told of it. A file that is no state here is refused: said,
   * set aside, and everything goes on as if it had not come. While another is checked or installed it is refused as well;
   * the leader sends again what is still missing.
   */
  prepare(file: SnapshotFile, offer: () => void): void {
    const { applyLoop, logger } = this.#parts;
    if (this.#stopped) return;
    if (file.meta.index <= applyLoop.applied.index) {
      // Brings nothing; but the leader has to be told so, which is the core's business.
      offer();
      return;
    }
    if (this.#phase.kind !== 'idle') {
      if (isSame(this.#phase.file.meta, file.meta)) return;
      logger.info('raft.snapshot.not_now', { index: file.meta.index, busyWith: this.#phase.file.meta.index });
      this.#discard(file);
      return;
    }
    this.#phase = { kind: 'checking', file };
    runTask(buildState(this.#parts, file), (built) => {
      this.#phase = { kind: 'idle' };
      if (built instanceof Error) this.#parts.onError(built);
      else if (built.ok && !this.#stopped) {
        this.#phase = { kind: 'ready', file, restore: built.value };
        offer();
      } else if (built.ok) {
        built.value.abort();
      } else {
        logger.warn('raft.snapshot.refused', { index: file.meta.index, reason: built.error });
        this.#discard(file);
      }
      this.#settleIdle();
    });
  }

  /** The core has been told of `file`: unless it is being installed by now, nobody wants it. */
  decided(file: SnapshotFile): void {
    const phase = this.#phase;
    if (phase.kind === 'ready' && isSame(phase.file.meta, file.meta)) {
      phase.restore.abort();
      this.#phase = { kind: 'idle' };
    }
    if (this.#phase.kind === 'idle') this.#discard(file);
  }

  /** Installs `file`, which was prepared; answered by `onInstalled`. */
  install(file: SnapshotFile): void {
    const { applyLoop, snapshotter, snapshots, reset, logger } = this.#parts;
    const phase = this.#phase;
    assert(
      phase.kind === 'ready' && isSame(phase.file.meta, file.meta),
      'a snapshot is checked before it is installed',
    );
    assert(file.meta.index > applyLoop.applied.index, 'an installed snapshot is ahead of the state');
    this.#phase = { kind: 'preparing', file };
    const { index, term } = file.meta;
    logger.info('raft.snapshot.installing', { index, term, bytes: file.bytes });
    applyLoop.pause();
    // First the own snapshot under way ends: the cut that follows it must not come behind the reset.
    snapshotter.pause(() => {
      // From here on the log may say that what is before it lies in this file: it must not be pruned.
      snapshots.accept(file);
      reset(file.meta, () => this.#swap(file, phase.restore));
    });
  }

  /** Goes no further than the step under way; calls `done` once that has ended (at once when there is none). */
  stop(done: () => void): void {
    this.#stopped = true;
    if (this.#phase.kind === 'ready') this.#phase.restore.abort();
    this.#whenIdle = done;
    if (this.#phase.kind !== 'checking' && this.#phase.kind !== 'restoring') this.#settleIdle();
  }

  #swap(file: SnapshotFile, restore: StateRestore): void {
    if (this.#stopped) return;
    this.#phase = { kind: 'restoring', file };
    runSteps(swapState(this.#parts.stateMachine, { restore, position: file.meta }), (error) => {
      this.#phase = { kind: 'idle' };
      if (error === null) this.#installed(file.meta);
      else this.#parts.onError(error);
      this.#settleIdle();
    });
  }

  #installed(meta: SnapshotMeta): void {
    const { applyLoop, snapshotter, snapshots, logger, onInstalled } = this.#parts;
    applyLoop.resume(meta);
    if (!this.#stopped) snapshotter.resume();
    logger.info('raft.snapshot.installed', { index: meta.index, term: meta.term });
    onInstalled(meta);
    snapshots.prune((error) => this.#check(error));
  }

  #discard(file: SnapshotFile): void {
    // The leader may send what this member has: then the file is the one in use.
    if (this.#parts.snapshots.newest()?.path === file.path) return;
    this.#parts.snapshots.discard(file, (error) => this.#check(error));
  }

  #check(error: Error | null): void {
    if (error !== null && !this.#stopped) this.#parts.onError(error);
  }

  #settleIdle(): void {
    const done = this.#whenIdle;
    this.#whenIdle = null;
    if (done !== null) done();
  }
}

function isSame(left: LogPosition, right: LogPosition): boolean {
  return left.index === right.index && left.term === right.term;
}
