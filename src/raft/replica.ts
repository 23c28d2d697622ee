// What one member keeps: the durable log, the applied state and its snapshots, in the order they depend on each other.

import { assert } from '../base/assert.ts';
import { ApplyLoop, type AppliedBatch } from './apply-loop.ts';
import type { RaftCore } from './core/raft-core.ts';
import type { Input } from './core/step.ts';
import { logIndex, type LogIndex, type LogPosition, type RestoredState } from './core/types.ts';
import { DiskQueue, type DiskReceipt } from './disk-queue.ts';
import type { DriverOptions } from './driver-options.ts';
import type { DriverParts } from './driver-parts.ts';
import type { Done, SnapshotFile, SnapshotStore } from './ports.ts';
import { lastPosition, type RecoveredState } from './recovery.ts';
import { SnapshotInstaller } from './snapshot-installer.ts';
import { type StateCut, Snapshotter } from './snapshotter.ts';

export interface ReplicaHandler {
  onDurable(receipt: DiskReceipt): void;
  /** The last entries of the snapshots on their way to other members. */
  sending(): readonly LogIndex[];
  /** Something the core must be told. */
  post(input: Input): void;
  /** The first fault; nothing here goes on after it. */
  fail(error: Error): void;
}

/** Does what the core's effects ask of disk and state, for the driver alone. */
export class Replica {
  readonly disk: DiskQueue;
  readonly #core: RaftCore;
  readonly #parts: DriverParts;
  readonly #apply: ApplyLoop;
  readonly #snapshotter: Snapshotter;
  readonly #installer: SnapshotInstaller;

  constructor(
    core: RaftCore,
    started: {
      readonly options: DriverOptions;
      readonly parts: DriverParts;
      readonly recovered: RecoveredState;
    },
    handler: ReplicaHandler,
  ) {
    const { options, parts } = started;
    const { restored, applied } = started.recovered;
    this.#core = core;
    this.#parts = parts;
    const onError = (error: Error): void => handler.fail(error);
    this.disk = new DiskQueue(
      parts.log,
      { last: lastPosition(restored), hardState: restored.hardState },
      { clock: parts.clock, handler: { onDurable: (receipt) => handler.onDurable(receipt), onError } },
    );
    const entries = core.entries.bind(core);
    this.#apply = new ApplyLoop(applied, { ...options, stateMachine: parts.stateMachine, entries });
    this.#snapshotter = new Snapshotter(options, sinceSnapshot(restored, applied, parts.snapshots), {
      ...parts,
      base: () => core.base,
      membershipAt: (index) => core.membershipAt(index),
      entries,
      sending: () => handler.sending(),
      compact: (base, done) => this.disk.compact(base, done),
      onCompacted: (base) => handler.post({ kind: 'compacted', base }),
      onError,
    });
    this.#installer = new SnapshotInstaller({
      ...parts,
      applyLoop: this.#apply,
      snapshotter: this.#snapshotter,
      reset: (base, done) => this.disk.reset(base, done),
      onInstalled: (snapshot) => handler.post({ kind: 'snapshotInstalled', snapshot }),
      onError,
    });
  }

  /** The last entry whose effect is in the state. */
  get applied(): LogPosition {
    return this.#apply.applied;
  }

  get isInstalling(): boolean {
    return this.#installer.busy;
  }

  /** Checks a received snapshot to its last byte; calls `offer` when the core may be told of it. */
  prepare(file: SnapshotFile, offer: () => void): void {
    this.#installer.prepare(file, offer);
  }

  /** The core was told of `file`: what it does not want installed is let go of. */
  decided(file: SnapshotFile): void {
    this.#installer.decided(file);
  }

  /** Replaces log and state by a prepared snapshot; the core is told when it is done. */
  install(file: SnapshotFile | null, index: LogIndex): void {
    assert(file !== null && file.meta.index === index, 'the snapshot to install is the one just received');
    this.#installer.install(file);
  }

  /**
   * Applies what is committed *and* on this disk, so that the state never contains an entry its own log could lose: as
   * much as one turn may, null when there is nothing. The price is paid only by a leader whose disk is slower than those
   * of a majority.
   */
  applyCommitted(): AppliedBatch | null {
    const batch = this.#apply.run(this.#limit());
    if (batch !== null) this.#snapshotter.onApplied(batch, this.#apply.applied);
    return batch;
  }

  /** Another turn would apply something. */
  get hasMoreToApply(): boolean {
    return this.#apply.hasWork(this.#limit());
  }

  /** The state as it is now, with what a snapshot says of it; null for the moment in which a received one takes its place. */
  cut(): StateCut | null {
    const { applied } = this.#apply;
    const isWhole =
      this.#parts.stateMachine.applied === applied.index && applied.index <= this.#core.last.index;
    return isWhole ? this.#snapshotter.cut(applied) : null;
  }

  /** Awaits the disk operation, snapshot or restore under way, starts no other, closes the log. */
  stop(done: Done): void {
    this.disk.stop(() => {
      this.#snapshotter.pause(() => this.#installer.stop(() => this.#parts.log.close(done)));
    });
  }

  #limit(): LogIndex {
    return logIndex(Math.min(this.#core.commitIndex, this.#core.durableIndex));
  }
}

/** What the state contains beyond the newest snapshot, as far as the log still tells. */
function sinceSnapshot(
  restored: RestoredState,
  applied: LogPosition,
  snapshots: SnapshotStore,
): { readonly entries: number; readonly bytes: number } {
  const from = snapshots.newest()?.meta.index ?? 0;
  const to = applied.index;
  let bytes = 0;
  for (const entry of restored.entries) {
    if (entry.index > from && entry.index <= to) bytes += entry.data.byteLength;
  }
  return { entries: Math.max(0, to - from), bytes };
}
