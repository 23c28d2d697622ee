// A member's storage without the protocol: real log, snapshots, state and durable copy on simulated disks, restartable.

import type { Clock } from '../../../../src/base/clock.ts';
import { type Task, runTask } from '../../../../src/base/task.ts';
import { ApplyLoop } from '../../../../src/raft/apply-loop.ts';
import {
  type Entry,
  type HardState,
  type LogIndex,
  type Membership,
  type SnapshotMeta,
  logIndex,
  term,
} from '../../../../src/raft/core/types.ts';
import { DiskQueue } from '../../../../src/raft/disk-queue.ts';
import type { SnapshotFile } from '../../../../src/raft/ports.ts';
import { type RecoveredState, lastPosition, recover } from '../../../../src/raft/recovery.ts';
import { SnapshotInstaller } from '../../../../src/raft/snapshot-installer.ts';
import { type SnapshotDirectory, openSnapshotsTask } from '../../../../src/raft/snapshot/directory.ts';
import { type SnapshotPolicy, Snapshotter } from '../../../../src/raft/snapshotter.ts';
import type { OpenedWal } from '../../../../src/raft/wal/open.ts';
import { openWalTask } from '../../../../src/raft/wal/open.ts';
import { openedCopy, readCopy } from '../../../../src/store/level-open.ts';
import type { LoadedState } from '../../../../src/store/level-records.ts';
import { StoreStateMachine } from '../../../../src/store/state-machine.ts';
import { createSeededRandom } from '../../../../src/base/random.ts';
import { foundingClusterId } from '../../../../src/raft/cluster-id.ts';
import { memberId } from '../../../../src/raft/core/types.ts';
import { INITIAL_BASE, SEGMENT_BYTES } from '../../../support/log-script.ts';
import { membership } from '../../../support/raft-core/builders.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { type PowerLoss, SimulatedDisk } from '../../../support/simulated-disk.ts';
import { SimulatedDatabase } from '../../../support/simulated-database.ts';
import { entry, memoryMachine, put } from '../../store/support.ts';

const clock: Clock = { monotonicMs: () => 0, wallMs: () => 0, setTimer: () => ({ cancel: () => undefined }) };

/** What the group has agreed on: entry `index` sets one of four keys; entries from 6 on are of term 2. */
export function groupEntry(index: number): Entry {
  const { data } = entry(index, put(index, `k${index % 4}`, `value ${index}`));
  return {
    index: logIndex(index),
    term: term(index < 6 ? 1 : 2),
    kind: 'command',
    data: Uint8Array.from(data),
  };
}

export function groupEntries(from: number, to: number): Entry[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, place) => groupEntry(from + place));
}

const HASHES: string[] = [];

/** The hash of the state after entry `index`. */
export function hashAt(index: number): string {
  if (HASHES.length === 0) {
    const machine = memoryMachine();
    HASHES.push(machine.digest.hash);
    for (let next = 1; next <= 200; next += 1) {
      machine.apply([groupEntry(next)]);
      HASHES.push(machine.digest.hash);
    }
  }
  return HASHES[index]!;
}

/** A snapshot as a leader sends it. */
export function leaderSnapshot(
  index: number,
  of: Membership = membership([1, 2, 3]),
): { readonly meta: SnapshotMeta; readonly chunks: readonly Uint8Array[] } {
  const machine = memoryMachine();
  machine.apply(groupEntries(1, index));
  const meta = { index: logIndex(index), term: groupEntry(index).term, membership: of };
  return { meta, chunks: [...machine.snapshot().chunks] };
}

export interface Disks {
  readonly disk: SimulatedDisk;
  readonly database: SimulatedDatabase;
}

/** One life of one member; `boot` is null when its disk died on the way. */
export class Follower {
  readonly disks: Disks;
  readonly wal: OpenedWal;
  readonly snapshots: SnapshotDirectory;
  readonly machine: StoreStateMachine;
  readonly recovered: RecoveredState;
  readonly queue: DiskQueue;
  readonly applyLoop: ApplyLoop;
  readonly snapshotter: Snapshotter;
  readonly installer: SnapshotInstaller;
  readonly installed: SnapshotMeta[] = [];
  readonly errors: Error[] = [];
  /** Events of warnings. */
  readonly warnings: string[] = [];
  nowMs = 0;
  /** The last entries of snapshots on their way. */
  sending: readonly LogIndex[] = [];
  #base: SnapshotMeta;
  #entries: readonly Entry[];

  constructor(
    disks: Disks,
    opened: {
      readonly wal: OpenedWal;
      readonly snapshots: SnapshotDirectory;
      readonly machine: StoreStateMachine;
      readonly recovered: RecoveredState;
    },
    policy: SnapshotPolicy,
  ) {
    this.disks = disks;
    this.wal = opened.wal;
    this.snapshots = opened.snapshots;
    this.machine = opened.machine;
    this.recovered = opened.recovered;
    const { restored, applied } = this.recovered;
    this.#base = restored.base;
    this.#entries = restored.entries;
    const onError = (error: Error): void => void this.errors.push(error);
    const started = { last: lastPosition(restored), hardState: restored.hardState };
    const handler = { onDurable: () => undefined, onError };
    this.queue = new DiskQueue(this.wal.log, started, { clock, handler });
    const entries = (from: number, to: number): readonly Entry[] =>
      this.#entries.filter(({ index }) => index >= from && index <= to);
    const limits = { applyEntriesMax: 100, applyBytesMax: 1_000_000 };
    this.applyLoop = new ApplyLoop(applied, { stateMachine: this.machine, entries, ...limits });
    const logger = { ...silentLogger, warn: (event: string) => void this.warnings.push(event) };
    const common = { snapshots: this.snapshots, stateMachine: this.machine, logger, onError };
    this.snapshotter = new Snapshotter(
      policy,
      { entries: 0, bytes: 0 },
      {
        ...common,
        clock: { ...clock, monotonicMs: () => this.nowMs },
        base: () => this.#base,
        // Learner 100 + n joined with entry n, so that a mistaken index shows.
        membershipAt: (index) => membership([1, 2, 3], index === 0 ? [] : [100 + index]),
        entries,
        sending: () => this.sending,
        compact: (base, done) => this.queue.compact(base, done),
        onCompacted: (base) => {
          this.#base = base;
          this.#entries = this.#entries.filter(({ index }) => index > base.index);
        },
      },
    );
    this.installer = new SnapshotInstaller({
      ...common,
      applyLoop: this.applyLoop,
      snapshotter: this.snapshotter,
      reset: (base, done) => this.queue.reset(base, done),
      onInstalled: (meta) => {
        this.installed.push(meta);
        this.#base = meta;
        this.#entries = [];
      },
    });
  }

  /** Starts a member on what its disks hold; null when the disk died on the way, an error when it is refused. */
  static start(disks: Disks, policy: SnapshotPolicy = NO_SNAPSHOTS): Follower | Error | null {
    const results: (Follower | Error)[] = [];
    runTask(startOn(disks, policy), (result) => results.push(result));
    settle(disks);
    return results[0] ?? null;
  }

  /** As `start`, where nothing may go wrong. */
  static mustStart(disks: Disks, policy?: SnapshotPolicy): Follower {
    const started = Follower.start(disks, policy);
    if (started === null) throw new Error('the disk died');
    if (started instanceof Error) throw started;
    return started;
  }

  get base(): SnapshotMeta {
    return this.#base;
  }

  get lastIndex(): number {
    return this.#entries.at(-1)?.index ?? this.#base.index;
  }

  /** Writes a group. */
  write(group: { readonly hardState?: HardState; readonly append?: readonly Entry[] }): void {
    const { hardState = null, append = [] } = group;
    this.queue.add({ hardState, truncateFrom: null, append, sendAfterPersist: [] });
    this.queue.kick();
    this.#entries = [...this.#entries, ...append];
    settle(this.disks);
  }

  /** Applies the log up to `index`. */
  apply(index: number): void {
    for (let batch = this.applyLoop.run(logIndex(index)); batch !== null;) {
      this.snapshotter.onApplied(batch, this.applyLoop.applied);
      batch = this.applyLoop.run(logIndex(index));
    }
    settle(this.disks);
  }

  /** Takes a snapshot in as the transport does; null when it did not arrive whole. */
  receive(snapshot: {
    readonly meta: SnapshotMeta;
    readonly chunks: readonly Uint8Array[];
  }): SnapshotFile | null {
    const incoming = this.snapshots.receive(snapshot.meta);
    for (const chunk of snapshot.chunks) {
      const written: (Error | null)[] = [];
      incoming.write(chunk, (error) => written.push(error));
      settle(this.disks);
      if (written[0] !== null) return null;
    }
    const files: (SnapshotFile | Error)[] = [];
    incoming.finish((result) => files.push(result));
    settle(this.disks);
    const [file] = files;
    return file === undefined || file instanceof Error ? null : file;
  }

  /** Checks a received file and, if it is offered and wanted, installs it, as driver and core do together. */
  take(file: SnapshotFile, isWanted: (meta: SnapshotMeta) => boolean = () => true): void {
    this.installer.prepare(file, () => {
      if (file.meta.index > this.applyLoop.applied.index && isWanted(file.meta)) this.installer.install(file);
      this.installer.decided(file);
    });
    settle(this.disks);
  }

  /** What the machine leaves behind when its power goes. */
  afterPowerLoss(loss: PowerLoss, lostBatches = 0): Disks {
    return {
      disk: this.disks.disk.afterPowerLoss(loss),
      database: this.disks.database.afterPowerLoss(lostBatches),
    };
  }
}

export const NO_SNAPSHOTS: SnapshotPolicy = {
  snapshotEntries: 1_000_000,
  snapshotBytes: 1_000_000_000,
  trailingEntries: 2,
};

export function newDisks(): Disks {
  return { disk: new SimulatedDisk(), database: new SimulatedDatabase() };
}

/** Lets everything happen that is under way. */
export function settle({ disk, database }: Disks): void {
  do {
    disk.runUntilIdle();
  } while (database.runOne());
}

function* startOn(disks: Disks, policy: SnapshotPolicy): Task<Follower> {
  const { disk } = disks;
  const wal = yield* openWalTask({
    fileSystem: disk,
    directory: '/data',
    memberId: memberId(1),
    clusterId: foundingClusterId(['127.0.0.1:9379']),
    initialBase: INITIAL_BASE,
    clock,
    random: createSeededRandom(7),
    segmentBytes: SEGMENT_BYTES,
  });
  const { snapshots } = yield* openSnapshotsTask({ fileSystem: disk, directory: '/data/snapshots' });
  const loaded: { state: LoadedState | null; isUsable: boolean } = { state: null, isUsable: true };
  yield (resume) =>
    readCopy(disks.database, (result) => {
      loaded.isUsable = result.ok;
      if (result.ok) loaded.state = result.value;
      resume();
    });
  // A copy that cannot be used is set aside and an empty one takes its place.
  const database = loaded.isUsable
    ? disks.database
    : new SimulatedDatabase({ schedule: disks.database.yieldTurn });
  const { yieldTurn } = disks.database;
  const onFault = (error: Error): void => {
    throw error;
  };
  const copy = openedCopy({ database, yieldTurn, onFault }, loaded.state);
  const machine = new StoreStateMachine(copy.copy, copy);
  const recovered: { state: RecoveredState | Error | null } = { state: null };
  yield (resume) =>
    recover(
      { log: wal.log, snapshots, stateMachine: machine, logger: silentLogger },
      wal.restored,
      (result) => {
        recovered.state = result;
        resume();
      },
    );
  if (recovered.state === null) throw new Error('recovery gave no answer');
  if (recovered.state instanceof Error) throw recovered.state;
  return new Follower({ disk, database }, { wal, snapshots, machine, recovered: recovered.state }, policy);
}
