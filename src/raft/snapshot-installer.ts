// Makes a snapshot received from the leader the base of the log and the state, safe against a crash at every step.

import { assert } from '../base/assert.ts';
import type { Logger } from '../base/logger.ts';
import type { ApplyLoop } from './apply-loop.ts';
import type { SnapshotMeta } from './core/types.ts';
import type { SnapshotFile, SnapshotStore, StateMachine } from './ports.ts';
import { restoreState } from './restore.ts';
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
 * The order: the file is durable before it is offered here; then one log record makes its place the base of the log;
 * then the state is replaced. A crash after the first step leaves the old log and state and one file too many; after the
 * second, a state behind its log's base, which the next start repairs from that same file.
 */
export class SnapshotInstaller {
  readonly #parts: InstallerParts;
  #phase: 'idle' | 'preparing' | 'restoring' = 'idle';
  #stopped = false;
  #whenIdle: (() => void) | null = null;

  constructor(parts: InstallerParts) {
    this.#parts = parts;
  }

  get busy(): boolean {
    return this.#phase !== 'idle';
  }

  /** Installs `file`, answered by `onInstalled`. One at a time. */
  install(file: SnapshotFile): void {
    const { applyLoop, snapshotter, reset, logger } = this.#parts;
    assert(this.#phase === 'idle', 'one snapshot is installed at a time');
    assert(file.meta.index > applyLoop.applied.index, 'an installed snapshot is ahead of the state');
    this.#phase = 'preparing';
    logger.info('raft.snapshot.installing', {
      index: file.meta.index,
      term: file.meta.term,
      bytes: file.bytes,
    });
    applyLoop.pause();
    // First the own snapshot under way ends: the cut that follows it must not come behind the reset.
    snapshotter.pause(() => reset(file.meta, () => this.#restore(file)));
  }

  /** Goes no further than the step under way; calls `done` once that has ended (at once when there is none). */
  stop(done: () => void): void {
    this.#stopped = true;
    if (this.#phase === 'restoring') this.#whenIdle = done;
    else done();
  }

  #restore(file: SnapshotFile): void {
    if (this.#stopped) return;
    this.#phase = 'restoring';
    restoreState(this.#parts, file, (error) => {
      this.#phase = 'idle';
      if (error === null) this.#installed(file.meta);
      else this.#parts.onError(error);
      const done = this.#whenIdle;
      this.#whenIdle = null;
      if (done !== null) done();
    });
  }

  #installed(meta: SnapshotMeta): void {
    const { applyLoop, snapshotter, logger, onInstalled } = this.#parts;
    applyLoop.resume(meta);
    if (!this.#stopped) snapshotter.resume();
    logger.info('raft.snapshot.installed', { index: meta.index, term: meta.term });
    onInstalled(meta);
  }
}
