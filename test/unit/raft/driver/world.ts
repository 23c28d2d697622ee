// A small deterministic world for driver tests: virtual time, one event loop, disks and links with a model behind them.

import type { Clock, Timer } from '../../../../src/base/clock.ts';
import { createSeededRandom } from '../../../../src/base/random.ts';
import type { Message } from '../../../../src/raft/core/messages.ts';
import {
  logIndex,
  memberId,
  term,
  type Entry,
  type HardState,
  type LogIndex,
  type LogPosition,
  type MemberId,
  type RestoredState,
  type SnapshotMeta,
  type Term,
} from '../../../../src/raft/core/types.ts';
import { RaftDriver } from '../../../../src/raft/driver.ts';
import { driverOptions, type DriverOptions } from '../../../../src/raft/driver-options.ts';
import type {
  Done,
  DurableLog,
  LogGroup,
  SnapshotFile,
  SnapshotStore,
  StateMachine,
  StateRestore,
  Transport,
} from '../../../../src/raft/ports.ts';
import { recover } from '../../../../src/raft/recovery.ts';
import type { Scheduler } from '../../../../src/raft/scheduler.ts';
import { silentLogger } from '../../../support/silent-logger.ts';

interface Event {
  readonly atMs: number;
  readonly sequence: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Virtual time: events in order of time, then of arrival. */
export class VirtualLoop {
  nowMs = 0;
  #events: Event[] = [];
  #sequence = 0;

  readonly clock: Clock = {
    monotonicMs: () => this.nowMs,
    wallMs: () => this.nowMs,
    setTimer: (delayMs, callback) => this.after(delayMs, callback),
  };

  readonly scheduler: Scheduler = { afterPoll: (callback) => void this.after(0, callback) };

  after(delayMs: number, run: () => void): Timer {
    const event: Event = { atMs: this.nowMs + delayMs, sequence: this.#sequence, run, cancelled: false };
    this.#sequence += 1;
    this.#events.push(event);
    return {
      cancel: () => {
        event.cancelled = true;
      },
    };
  }

  /** Runs everything due within `durationMs`; stops early when `until` holds. Returns whether it held at the end. */
  run(durationMs: number, until: () => boolean = () => false): boolean {
    const endMs = this.nowMs + durationMs;
    while (!until()) {
      this.#events = this.#events.filter((event) => !event.cancelled);
      const next = this.#events.reduce<Event | null>(
        (best, event) =>
          best === null ||
          event.atMs < best.atMs ||
          (event.atMs === best.atMs && event.sequence < best.sequence)
            ? event
            : best,
        null,
      );
      if (next === null || next.atMs > endMs) {
        this.nowMs = endMs;
        return until();
      }
      this.#events.splice(this.#events.indexOf(next), 1);
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.run();
    }
    return true;
  }
}

/** What survives a crash of one member. Everything below writes into it only when its operation completes. */
export class DiskImage {
  hardState: HardState = { term: term(0), votedFor: null };
  base: SnapshotMeta;
  entries: Entry[] = [];
  snapshots: { readonly meta: SnapshotMeta; readonly chunks: readonly Uint8Array[] }[] = [];
  /** The durable copy of the state. */
  state: { readonly applied: LogIndex; readonly lines: readonly string[] } = {
    applied: logIndex(0),
    lines: [],
  };

  constructor(voters: readonly MemberId[]) {
    this.base = { index: logIndex(0), term: term(0), membership: { voterSets: [voters], learners: [] } };
  }

  restored(): RestoredState {
    return { hardState: this.hardState, base: this.base, entries: [...this.entries] };
  }
}

/** One process life: when `dead`, nothing it started completes or changes the disk any more. */
class Life {
  dead = false;
  readonly loop: VirtualLoop;
  constructor(loop: VirtualLoop) {
    this.loop = loop;
  }

  later(delayMs: number, run: () => void): void {
    this.loop.after(delayMs, () => {
      if (!this.dead) run();
    });
  }
}

export interface DiskFaults {
  /** Milliseconds one operation takes. */
  latencyMs: number;
  failNext: 'write' | 'save' | 'flush' | null;
  /** Log operations completed, by kind; failed ones do not count. */
  writes: number;
}

class MemoryLog implements DurableLog {
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

  write(group: LogGroup, done: Done): void {
    this.#run(done, () => {
      const image = this.#image;
      if (group.hardState !== null) {
        if (group.hardState.term < image.hardState.term) throw new Error('the term fell on disk');
        image.hardState = group.hardState;
      }
      if (group.truncateFrom !== null) {
        const last = image.entries.at(-1)?.index ?? image.base.index;
        if (group.truncateFrom > last) throw new Error('truncation beyond the log');
        image.entries = image.entries.filter((entry) => entry.index < (group.truncateFrom ?? 0));
      }
      for (const entry of group.append) {
        const last = image.entries.at(-1)?.index ?? image.base.index;
        if (entry.index !== last + 1) throw new Error(`entry ${entry.index} after ${last}`);
        image.entries.push(entry);
      }
    });
  }

  compact(base: SnapshotMeta, done: Done): void {
    this.#run(done, () => {
      const newest = this.#image.snapshots.at(-1);
      if (newest === undefined || newest.meta.index < base.index)
        throw new Error('compaction without a snapshot');
      const last = this.#image.entries.at(-1)?.index ?? this.#image.base.index;
      if (base.index < this.#image.base.index || base.index > last)
        throw new Error('compaction outside the log');
      this.#image.base = base;
      this.#image.entries = this.#image.entries.filter((entry) => entry.index > base.index);
    });
  }

  reset(base: SnapshotMeta, done: Done): void {
    this.#run(done, () => {
      if (base.index < this.#image.base.index) throw new Error('reset behind the base');
      this.#image.base = base;
      this.#image.entries = [];
    });
  }

  close(done: Done): void {
    if (this.#busy) throw new Error('closed during an operation');
    this.closed = true;
    this.#life.later(0, () => done(null));
  }

  #run(done: Done, effect: () => void): void {
    if (this.#busy) throw new Error('two operations at once');
    this.#busy = true;
    this.#life.later(this.#faults.latencyMs, () => {
      this.#busy = false;
      if (this.#faults.failNext === 'write') {
        this.#faults.failNext = null;
        done(new Error('EIO'));
        return;
      }
      effect();
      this.#faults.writes += 1;
      done(null);
    });
  }
}

export class MemorySnapshots implements SnapshotStore {
  readonly #image: DiskImage;
  readonly #life: Life;
  readonly #faults: DiskFaults;

  constructor(image: DiskImage, life: Life, faults: DiskFaults) {
    this.#image = image;
    this.#life = life;
    this.#faults = faults;
  }

  newest(): SnapshotFile | null {
    const newest = this.#image.snapshots.at(-1);
    return newest === undefined ? null : { meta: newest.meta, bytes: newest.chunks.length, path: '' };
  }

  save(meta: SnapshotMeta, chunks: Iterable<Uint8Array>, done: (result: SnapshotFile | Error) => void): void {
    this.#life.later(this.#faults.latencyMs * 2, () => {
      if (this.#faults.failNext === 'save') {
        done(new Error('ENOSPC'));
        return;
      }
      done(this.put(meta, [...chunks]));
    });
  }

  /** What a finished reception leaves. */
  put(meta: SnapshotMeta, chunks: readonly Uint8Array[]): SnapshotFile {
    this.#image.snapshots.push({ meta, chunks });
    this.#image.snapshots.sort((left, right) => left.meta.index - right.meta.index);
    return { meta, bytes: chunks.length, path: '' };
  }

  chunksOf(file: SnapshotFile): readonly Uint8Array[] | null {
    return this.#image.snapshots.find(({ meta }) => meta.index === file.meta.index)?.chunks ?? null;
  }

  load(file: SnapshotFile, onChunk: (chunk: Uint8Array) => void, done: Done): void {
    this.#life.later(this.#faults.latencyMs, () => {
      const chunks = this.chunksOf(file);
      if (chunks === null) {
        done(new Error('ENOENT'));
        return;
      }
      for (const chunk of chunks) onChunk(chunk);
      done(null);
    });
  }

  prune(done: Done): void {
    const newest = this.#image.snapshots.at(-1)?.meta.index ?? 0;
    this.#life.later(1, () => {
      this.#image.snapshots = this.#image.snapshots.filter(({ meta }) => meta.index >= newest);
      done(null);
    });
  }
}

/** The state is the list of all commands ever applied: whatever is lost, doubled or misplaced shows. */
export class ListMachine implements StateMachine {
  applied: LogIndex;
  lines: string[];
  readonly #image: DiskImage;
  readonly #life: Life;
  readonly #faults: DiskFaults;

  constructor(image: DiskImage, life: Life, faults: DiskFaults) {
    this.#image = image;
    this.#life = life;
    this.#faults = faults;
    this.applied = image.state.applied;
    this.lines = [...image.state.lines];
  }

  apply(entries: readonly Entry[]): readonly unknown[] {
    return entries.map((entry) => {
      if (entry.index !== this.applied + 1) throw new Error(`applied ${entry.index} after ${this.applied}`);
      this.applied = entry.index;
      if (entry.kind !== 'command') return null;
      this.lines.push(Buffer.from(entry.data).toString());
      return this.lines.length;
    });
  }

  flush(done: Done): void {
    const state = { applied: this.applied, lines: [...this.lines] };
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
      finish: (done) => {
        this.#life.later(this.#faults.latencyMs, () => {
          this.applied = meta.index;
          this.lines = lines;
          this.#image.state = { applied: meta.index, lines: [...lines] };
          done(null);
        });
      },
      abort: () => undefined,
    };
  }
}

/** One life of one member. */
export interface Member {
  readonly id: MemberId;
  readonly driver: RaftDriver;
  readonly machine: ListMachine;
  readonly snapshots: MemorySnapshots;
  readonly log: MemoryLog;
  readonly fatal: Error[];
  readonly life: Life;
}

/** A group of members on one loop. */
export class World {
  readonly loop = new VirtualLoop();
  readonly members = new Map<MemberId, Member>();
  readonly images = new Map<MemberId, DiskImage>();
  readonly faults = new Map<MemberId, DiskFaults>();
  /** Directed links that lose everything, as `from>to`. */
  readonly cut = new Set<string>();
  readonly sent: Message[] = [];
  snapshotsSent = 0;
  readonly #voters: readonly MemberId[];
  readonly #options: Partial<DriverOptions>;
  readonly #random;
  latencyMs = 1;

  constructor(count: number, options: Partial<DriverOptions> = {}, seed = 1) {
    this.#voters = Array.from({ length: count }, (_, offset) => memberId(offset + 1));
    this.#options = options;
    this.#random = createSeededRandom(seed);
    for (const id of this.#voters) {
      this.images.set(id, new DiskImage(this.#voters));
      this.faults.set(id, { latencyMs: 1, failNext: null, writes: 0 });
      this.boot(id);
    }
  }

  /** Starts a member from what its disk holds. Throws what recovery refuses. */
  boot(id: MemberId): Member {
    const image = this.image(id);
    const faults = this.fault(id);
    const life = new Life(this.loop);
    const log = new MemoryLog(image, life, faults);
    const snapshots = new MemorySnapshots(image, life, faults);
    const machine = new ListMachine(image, life, faults);
    const fatal: Error[] = [];
    const parts = {
      log,
      snapshots,
      stateMachine: machine,
      transport: this.#transport(id, life),
      clock: this.loop.clock,
      scheduler: { afterPoll: (callback: () => void) => life.later(0, callback) },
      random: createSeededRandom(this.#random.uint32()),
      logger: silentLogger,
      onFatal: (error: Error) => void fatal.push(error),
    };
    const options = driverOptions({
      self: id,
      heartbeatIntervalMs: 50,
      electionTimeoutMs: 500,
      ...this.#options,
    });
    let member: Member | null = null;
    let failure: Error | null = null;
    recover(parts, image.restored(), (result) => {
      if (result instanceof Error) {
        failure = result;
        return;
      }
      const driver = new RaftDriver(options, parts, result);
      member = { id, driver, machine, snapshots, log, fatal, life };
      this.members.set(id, member);
      driver.start();
    });
    this.loop.run(10_000, () => member !== null || failure !== null);
    if (failure !== null) throw failure as Error;
    if (member === null) throw new Error('recovery did not end');
    return member;
  }

  /** The process is gone; its disk keeps what had completed. */
  crash(id: MemberId): void {
    this.member(id).life.dead = true;
    this.members.delete(id);
  }

  member(id: MemberId | number): Member {
    const found = this.members.get(id as MemberId);
    if (found === undefined) throw new Error(`member ${id} is not running`);
    return found;
  }

  image(id: MemberId): DiskImage {
    return this.images.get(id)!;
  }

  fault(id: MemberId): DiskFaults {
    return this.faults.get(id)!;
  }

  isolate(id: MemberId): void {
    for (const other of this.#voters) {
      this.cut.add(`${id}>${other}`);
      this.cut.add(`${other}>${id}`);
    }
  }

  heal(): void {
    this.cut.clear();
  }

  /** The established leader of the highest term, if any. */
  leader(): Member | null {
    const leaders = [...this.members.values()].filter((member) => member.driver.role.established);
    leaders.sort((left, right) => right.driver.role.term - left.driver.role.term);
    return leaders[0] ?? null;
  }

  /** Runs until there is an established leader, not counting `except`. */
  elect(except?: MemberId): Member {
    const found = this.loop.run(10_000, () => {
      const leader = this.leader();
      return leader !== null && leader.id !== except;
    });
    const leader = this.leader();
    if (!found || leader === null) throw new Error('no leader was elected');
    return leader;
  }

  /** Lines of every running member, after `ms` of settling. */
  settle(ms = 500): readonly (readonly string[])[] {
    this.loop.run(ms);
    return [...this.members.values()].map((member) => member.machine.lines);
  }

  #transport(self: MemberId, life: Life): Transport {
    const deliver = (
      to: MemberId,
      run: (target: Member) => void,
      lost: () => void = () => undefined,
    ): void => {
      life.loop.after(this.latencyMs, () => {
        const target = this.members.get(to);
        if (target === undefined || this.cut.has(`${self}>${to}`)) lost();
        else run(target);
      });
    };
    return {
      send: (messages) => {
        for (const message of messages) {
          this.sent.push(message);
          deliver(
            message.to,
            (target) => target.driver.onMessage(message),
            () => {
              if (!life.dead) this.members.get(self)?.driver.onUnreachable(message.to);
            },
          );
        }
      },
      sendSnapshot: (
        to: MemberId,
        leaderTerm: Term,
        file: SnapshotFile,
        done: (delivered: boolean) => void,
      ) => {
        this.snapshotsSent += 1;
        const chunks = this.member(self).snapshots.chunksOf(file);
        const end = (delivered: boolean): void => life.later(this.latencyMs, () => done(delivered));
        if (chunks === null) {
          end(false);
          return;
        }
        deliver(
          to,
          (target) => {
            target.driver.onSnapshot(self, leaderTerm, target.snapshots.put(file.meta, chunks));
            end(true);
          },
          () => end(false),
        );
      },
    };
  }
}
