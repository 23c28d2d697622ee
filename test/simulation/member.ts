// One member of the group: a machine with a disk and a database, and on it one process after another.

import type { Random } from '../../src/base/random.ts';
import type { RaftCore } from '../../src/raft/core/raft-core.ts';
import {
  term,
  type Entry,
  type Incarnation,
  type MemberId,
  type SnapshotMeta,
} from '../../src/raft/core/types.ts';
import { clusterId } from '../../src/raft/cluster-id.ts';
import type { ExpulsionReason } from '../../src/raft/ports.ts';
import type { RecoveredState } from '../../src/raft/recovery.ts';
import type { OpenedWal } from '../../src/raft/wal/open.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { DiskError, SimulatedDisk } from './disk.ts';
import { Database, DatabaseError } from './kv.ts';
import { DurableModel, WitnessedLog } from './log-witness.ts';
import { witnessed } from './machine-witness.ts';
import type { Peer, Running } from './peer.ts';
import { childRandom } from './prng.ts';
import { Process } from './process.ts';
import {
  RaftDriver,
  StoreStateMachine,
  driverOptions,
  openSnapshotsTask,
  openedCopy,
  openWalTask,
  outcome,
  readCopy,
  recover,
  runTask,
  type SnapshotDirectory,
  type Task,
} from './production.ts';
import type { Surroundings } from './surroundings.ts';
import { SimulatedTransport } from './transport.ts';

const DATA_DIRECTORY = '/data';
const CLUSTER_ID = clusterId('5'.repeat(32));

type ReadCopy = Parameters<Parameters<typeof readCopy>[1]>[0];

export class Member implements Peer {
  readonly id: MemberId;
  readonly disk: SimulatedDisk;
  readonly database: Database;
  readonly model: DurableModel;
  /** Members whose snapshots are being received; a second transfer of one is refused. */
  readonly receivingFrom = new Set<MemberId>();
  readonly hastyTicks = new Set<number>();
  readonly #world: Surroundings;
  readonly #base: SnapshotMeta;
  #process: Process | null = null;
  #running: Running | null = null;
  #snapshots: SnapshotDirectory | null = null;
  #machine: StoreStateMachine | null = null;
  #core: RaftCore | null = null;
  #incarnation: Incarnation | null = null;
  #lives = 0;
  /** The speed of the machine's clock. */
  rate = 1;
  /** A bit on its disk flipped: it may refuse to start, and nobody counts on it. */
  rotten = false;
  /** Its disk was replaced by an empty one. */
  wiped = false;
  /** It refuses to start, or was told to stop, for good. */
  refused = false;

  constructor(world: Surroundings, id: MemberId, base: SnapshotMeta) {
    const { time, trace, knobs, seed } = world;
    this.id = id;
    this.#world = world;
    this.#base = base;
    this.disk = new SimulatedDisk({
      time,
      trace,
      random: childRandom(seed, 'disk', id),
      who: id,
      syncUs: knobs.syncMs * 1000,
      onCrashPoint: () => {
        world.marks.hit('crashAtOperation');
        this.crash();
      },
    });
    const random = childRandom(seed, 'database', id);
    this.database = new Database({ time, random, who: id, syncUs: knobs.copySyncMs * 1000 });
    this.database.losesRecords = knobs.faults.has('copyDamage');
    const initial = { hardState: { term: term(0), votedFor: null }, base, entries: [] };
    this.model = new DurableModel(initial, (_model, operation) =>
      world.invariants.onDurableChange(this, operation),
    );
  }

  /** Nobody counts on what is on its disk. */
  get lost(): boolean {
    return this.rotten || this.wiped || this.refused;
  }

  /** Of the data directory of the running process; null when none has got that far. */
  get incarnation(): Incarnation | null {
    return this.#incarnation;
  }

  get process(): Process | null {
    return this.#process;
  }

  get running(): Running | null {
    return this.#running;
  }

  get core(): RaftCore | null {
    return this.#core;
  }

  get snapshotIndex(): number {
    return this.#snapshots?.newest()?.meta.index ?? 0;
  }

  get applied(): number {
    return this.#machine?.applied ?? 0;
  }

  /** The running parts, if `process` is still the one that runs. */
  runningIn(process: Process): Running | null {
    return this.#process === process ? this.#running : null;
  }

  /** The core of this member's process made a step. */
  noteCore(core: RaftCore): void {
    this.#core = core;
  }

  /** Starts a process; one that cannot start ends, and is tried again like any other. */
  boot(): void {
    if (this.#process !== null || this.refused) return;
    const { time, trace, seed, invariants } = this.#world;
    this.#lives += 1;
    trace.say(this.id, () => `boots, life ${this.#lives}`);
    const process = new Process({
      time,
      random: childRandom(seed, 'process', this.id, this.#lives),
      who: this.id,
      rate: this.rate,
      onUncaught: (error) => this.#uncaught(error),
    });
    this.#process = process;
    invariants.onBoot(this);
    process.enter(() => {
      runTask(this.#open(process), (result) => {
        if (result instanceof Error) this.#exit(process, result);
        else this.#start(process, result);
      });
    });
  }

  /** SIGKILL, or a process that ends itself: the page cache stays. */
  crash(): void {
    if (this.#process === null) return;
    this.#world.marks.hit('crash');
    this.#end();
    this.disk.settlePending();
    this.database.settlePending();
    this.#world.onDown(this);
  }

  /** The machine loses its power: what was not synced may be gone. */
  losePower(): void {
    const { marks, trace } = this.#world;
    trace.say(this.id, () => 'loses its power');
    marks.hit('powerLoss');
    this.#end();
    this.disk.losePower();
    if (this.database.losePower() > 0) marks.hit('copyLost');
    this.#world.onDown(this);
  }

  /** The machine comes back with an empty disk, under the same id. */
  wipe(): void {
    this.#world.trace.say(this.id, () => 'loses its disk');
    this.#world.marks.hit('wiped');
    this.#end();
    this.disk.settlePending();
    this.disk.image.wipe();
    this.database.settlePending();
    this.database.wipe();
    this.model.wipe();
    this.wiped = true;
    this.#world.onDown(this);
  }

  #end(): void {
    this.#world.trace.event('end', this.id);
    this.#world.trace.say(this.id, () => 'its process ends');
    this.#process?.kill();
    this.#process = null;
    this.#running = null;
    this.#snapshots = null;
    this.#machine = null;
    this.#core = null;
    this.receivingFrom.clear();
  }

  *#open(process: Process): Task<Running> {
    const { knobs, invariants, marks } = this.#world;
    const fileSystem = this.disk.attach(process);
    const copy = yield* this.#openCopy(process);
    const { snapshots, damaged } = yield* openSnapshotsTask({
      fileSystem,
      directory: `${DATA_DIRECTORY}/snapshots`,
    });
    if (damaged.length > 0 && !this.rotten) this.#violate('storage', String(damaged[0]));
    const wal = yield* openWalTask({
      fileSystem,
      directory: DATA_DIRECTORY,
      memberId: this.id,
      clusterId: CLUSTER_ID,
      initialBase: this.#base,
      clock: process.clock,
      random: childRandom(this.#world.seed, 'wal', this.id, this.#lives),
      segmentBytes: knobs.segmentBytes,
      onEvent: (event) => {
        if (event.kind === 'spaceLow') marks.hit('spaceLow');
      },
    });
    this.#checkOpened(wal);
    const { incarnation } = wal.identity;
    this.#incarnation = incarnation;
    this.#snapshots = snapshots;
    const log = new WitnessedLog(wal.log, this.model);
    const machine = new StoreStateMachine(copy.copy, copy);
    this.#machine = machine;
    const parts = {
      log,
      snapshots,
      stateMachine: witnessed(machine, {
        isAlive: () => process.alive,
        onApplied: (entries) => this.#onApplied(entries, machine),
        onRestored: () => invariants.noteDigest(machine.applied, machine.digest.hash),
        onSnapshot: () => {
          if (this.model.pending !== null) marks.hit('snapshotDuringAppend');
        },
      }),
      transport: new SimulatedTransport(this.#world.transport, this, { process, incarnation }),
      clock: process.clock,
      scheduler: process.scheduler,
      random: this.#watchedRandom(process),
      logger: silentLogger,
      onFatal: (error: Error) => this.#exit(process, error),
      onExpelled: (reason: ExpulsionReason) => this.#expelled(process, reason),
    };
    const before = { applied: machine.applied, base: this.model.base.index };
    const recovered = yield* outcome<RecoveredState>((done) => recover(parts, wal.restored, done));
    if (this.model.base.index > before.base) marks.hit('snapshotNotInLog');
    else if (machine.applied > before.applied) marks.hit('stateRestored');
    if (machine.applied > 0) invariants.noteDigest(machine.applied, machine.digest.hash);
    const options = driverOptions({ ...knobs.driver, self: this.id, incarnation });
    const driver = new RaftDriver(options, parts, recovered);
    return { driver, machine, snapshots };
  }

  /** The driver draws a number when its clock ticks: the moment at which the tick counts, also when it is stepped later. */
  #watchedRandom(process: Process): Random {
    const random = childRandom(this.#world.seed, 'driver', this.id, this.#lives);
    return {
      uint32: () => {
        const drawn = random.uint32();
        if (process.unread > 0) this.hastyTicks.add(drawn);
        return drawn;
      },
    };
  }

  /** The copy of the state: verified, or emptied when it cannot be used. */
  *#openCopy(process: Process): Task<ReturnType<typeof openedCopy>> {
    const database = this.database.attach(process);
    const read = yield* outcome<ReadCopy>((done) => readCopy(database, done));
    if (!read.ok) {
      this.#world.marks.hit('copyUnusable');
      this.database.wipe();
    }
    const yieldTurn = (callback: () => void): void => process.scheduler.afterPoll(callback);
    const onFault = (error: Error): void => this.#exit(process, error);
    return openedCopy({ database, yieldTurn, onFault }, read.ok ? read.value : null);
  }

  #start(process: Process, running: Running): void {
    this.#running = running;
    if (this.rotten) this.#world.marks.hit('rotHarmless');
    this.#world.onStart(this, process, running);
    running.driver.start();
    this.#world.trace.say(this.id, () => `runs: ${JSON.stringify(this.model.last)}`);
  }

  #checkOpened(wal: OpenedWal): void {
    const { marks } = this.#world;
    if (wal.cuts.length > 0) marks.hit('tornTailCut');
    if (wal.firstBoot && this.#lives > 1) marks.hit('firstBootInterrupted');
    const problem = this.model.restart(wal.restored);
    if (problem !== null) this.#violate('storage', `member ${this.id} found another log: ${problem}`);
  }

  #onApplied(entries: readonly Entry[], machine: StoreStateMachine): void {
    const { trace, invariants } = this.#world;
    trace.event('apply', this.id, machine.applied, entries.length);
    invariants.onApply(this, entries, machine.digest.hash);
  }

  #uncaught(error: unknown): void {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#violate('uncaught exception', text);
  }

  /** The process ends itself and says why: right after a fault of its disk, wrong otherwise. */
  #exit(process: Process, reason: Error): void {
    if (this.#process !== process || !process.alive) return;
    const { trace, marks } = this.#world;
    trace.say(this.id, () => `exits: ${reason.message}`);
    const damaged =
      reason.name === 'WalDamaged' || reason.name === 'RecoveryRefused' || reason.name === 'SnapshotDamaged';
    if (reason instanceof DiskError && (reason.code === 'EIO' || reason.code === 'ENOSPC')) {
      const failure = reason.isSync ? 'syncFailed' : 'writeFailed';
      marks.hit(reason.code === 'ENOSPC' ? 'diskFull' : failure);
    } else if (reason instanceof DatabaseError) {
      marks.hit('copyFailed');
    } else if (damaged && this.rotten) {
      marks.hit('rotRefused');
      this.refused = reason.name !== 'SnapshotDamaged';
    } else {
      this.#violate('exit', `member ${this.id} gives up: ${reason.stack ?? reason.message}`);
    }
    this.crash();
  }

  /** It may not take part any more: the process ends for good. */
  #expelled(process: Process, reason: ExpulsionReason): void {
    if (this.#process !== process || !process.alive) return;
    const { marks, trace, configurations } = this.#world;
    trace.say(this.id, () => `is expelled: ${reason}`);
    marks.hit('expelled');
    const removed = configurations.newest.removed.some(({ member }) => member === this.id);
    const justified = reason === 'removed' ? removed : this.wiped;
    if (!justified) this.#violate('identity', `member ${this.id} is expelled: ${reason}`);
    this.refused = true;
    this.crash();
  }

  #violate(invariant: string, text: string): void {
    this.#world.violate(invariant, text);
  }
}
