// The one ordered stream of operations on the durable log. While one runs, the next group forms by itself.

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { payloadBytes } from './core/log.ts';
import type { Message } from './core/messages.ts';
import type { Effects } from './core/step.ts';
import type { Entry, HardState, LogIndex, LogPosition, SnapshotMeta } from './core/types.ts';
import type { DurableLog } from './ports.ts';

/**
 * Payload bytes after which a group is closed and the next one begins: a group is encoded in one go, during which nothing else
 * runs, and one that outgrows its segment is written where no blocks were made ready. What one step brings stays together.
 */
const GROUP_BYTES = 1024 * 1024;

/** What became durable with one group, and what may therefore leave the process now. */
export interface DiskReceipt {
  /** The end of the log and the hard state as of this group; null when the operation was not a group. */
  readonly persisted: { readonly last: LogPosition; readonly hardState: HardState } | null;
  readonly messages: readonly Message[];
}

export interface DiskQueueHandler {
  onDurable(receipt: DiskReceipt): void;
  onError(error: Error): void;
}

/** How the disk has been doing, for status and metrics. */
export interface DiskStatus {
  /** Operations finished, and milliseconds spent in them. */
  readonly operations: number;
  readonly totalMs: number;
  readonly lastMs: number;
  /** Milliseconds the operation under way has taken so far; 0 when none is. */
  readonly pendingMs: number;
}

interface GroupJob {
  readonly kind: 'group';
  hardState: HardState | null;
  truncateFrom: LogIndex | null;
  append: Entry[];
  /** Payload bytes of `append`. */
  bytes: number;
  last: LogPosition;
  lastHardState: HardState;
  readonly messages: Message[];
}

interface BaseJob {
  readonly kind: 'compact' | 'reset';
  readonly base: SnapshotMeta;
  readonly done: () => void;
  readonly messages: Message[];
}

type Job = GroupJob | BaseJob;

/**
 * Serialises groups, compactions and resets; the order of steps is the order on disk. The first error stops it for
 * good: nothing is started, nothing is acknowledged after it.
 */
export class DiskQueue {
  readonly #log: DurableLog;
  readonly #clock: Clock;
  readonly #handler: DiskQueueHandler;
  /** The first one is running when `#startedMs` is set. */
  readonly #jobs: Job[] = [];
  #startedMs: number | null = null;
  #stopped = false;
  #last: LogPosition;
  #hardState: HardState;
  #whenIdle: (() => void) | null = null;
  #operations = 0;
  #totalMs = 0;
  #lastMs = 0;

  constructor(
    log: DurableLog,
    restored: { readonly last: LogPosition; readonly hardState: HardState },
    parts: { readonly clock: Clock; readonly handler: DiskQueueHandler },
  ) {
    this.#log = log;
    this.#clock = parts.clock;
    this.#handler = parts.handler;
    this.#last = restored.last;
    this.#hardState = restored.hardState;
  }

  get status(): DiskStatus {
    const pendingMs = this.#startedMs === null ? 0 : this.#clock.monotonicMs() - this.#startedMs;
    return { operations: this.#operations, totalMs: this.#totalMs, lastMs: this.#lastMs, pendingMs };
  }

  /** Payload bytes of the entries that are not on the disk yet. */
  get waitingBytes(): number {
    return this.#jobs.reduce((sum, job) => sum + (job.kind === 'group' ? job.bytes : 0), 0);
  }

  /** Adds the durable part of one step, and the messages that must wait for it, to the group that is forming. */
  add(effects: Pick<Effects, 'hardState' | 'truncateFrom' | 'append' | 'sendAfterPersist'>): void {
    const { hardState, truncateFrom, append } = effects;
    if (hardState === null && truncateFrom === null && append.length === 0) {
      this.#addMessages(effects.sendAfterPersist);
      return;
    }
    const group = this.#formingGroup();
    if (hardState !== null) {
      group.hardState = hardState;
      this.#hardState = hardState;
    }
    if (truncateFrom !== null) {
      assert(append[0]?.index === truncateFrom, 'a log is cut only to put other entries there');
      this.#truncate(group, truncateFrom);
    }
    for (const entry of append) group.append.push(entry);
    group.bytes += payloadBytes(append);
    const tail = append.at(-1);
    if (tail !== undefined) this.#last = { index: tail.index, term: tail.term };
    group.last = this.#last;
    group.lastHardState = this.#hardState;
    for (const message of effects.sendAfterPersist) group.messages.push(message);
  }

  /** Queues cutting the log up to `base`; `done` when durable. */
  compact(base: SnapshotMeta, done: () => void): void {
    this.#jobs.push({ kind: 'compact', base, done, messages: [] });
    this.kick();
  }

  /** Queues replacing the log by `base`; `done` when durable. */
  reset(base: SnapshotMeta, done: () => void): void {
    this.#last = { index: base.index, term: base.term };
    this.#jobs.push({ kind: 'reset', base, done, messages: [] });
    this.kick();
  }

  /** Starts the next operation if none is running. Called once a turn, so that one turn makes one group. */
  kick(): void {
    while (this.#startedMs === null && !this.#stopped) {
      const job = this.#jobs[0];
      if (job === undefined) break;
      this.#start(job);
    }
    if (this.#startedMs === null) this.#settleIdle();
  }

  /** Starts nothing more; calls `done` once the operation under way has ended (at once when there is none). */
  stop(done: () => void): void {
    this.#stopped = true;
    this.#jobs.length = this.#startedMs === null ? 0 : 1;
    this.#whenIdle = done;
    if (this.#startedMs === null) this.#settleIdle();
  }

  /** Without a durable part of their own, messages wait for whatever was handed over before them. */
  #addMessages(messages: readonly Message[]): void {
    if (messages.length === 0) return;
    const lastJob = this.#jobs.at(-1);
    if (lastJob === undefined) {
      this.#handler.onDurable({ persisted: null, messages });
    } else {
      for (const message of messages) lastJob.messages.push(message);
    }
  }

  #formingGroup(): GroupJob {
    const lastJob = this.#jobs.at(-1);
    const running = this.#startedMs !== null && this.#jobs.length === 1;
    if (lastJob?.kind === 'group' && !running && lastJob.bytes < GROUP_BYTES) return lastJob;
    const group: GroupJob = {
      kind: 'group',
      hardState: null,
      truncateFrom: null,
      append: [],
      bytes: 0,
      last: this.#last,
      lastHardState: this.#hardState,
      messages: [],
    };
    this.#jobs.push(group);
    return group;
  }

  /**
   * Entries that only wait in this group are taken back; a truncation is written only for what went before it, be that on the
   * disk or waiting in an earlier group, which is written as it is.
   */
  #truncate(group: GroupJob, from: LogIndex): void {
    const firstWaiting = group.append[0]?.index;
    if (firstWaiting !== undefined && from >= firstWaiting) {
      group.append.length = from - firstWaiting;
    } else {
      group.append.length = 0;
      group.truncateFrom =
        group.truncateFrom === null || from < group.truncateFrom ? from : group.truncateFrom;
    }
    group.bytes = payloadBytes(group.append);
  }

  #start(job: Job): void {
    this.#startedMs = this.#clock.monotonicMs();
    const done = (error: Error | null): void => this.#finished(job, error);
    if (job.kind === 'group') {
      this.#log.write({ hardState: job.hardState, truncateFrom: job.truncateFrom, append: job.append }, done);
    } else if (job.kind === 'compact') {
      this.#log.compact(job.base, done);
    } else {
      this.#log.reset(job.base, done);
    }
  }

  #finished(job: Job, error: Error | null): void {
    assert(this.#jobs[0] === job && this.#startedMs !== null, 'operations on the log end in their order');
    this.#lastMs = this.#clock.monotonicMs() - this.#startedMs;
    this.#totalMs += this.#lastMs;
    this.#operations += 1;
    this.#startedMs = null;
    this.#jobs.shift();
    if (error !== null) {
      this.#stopped = true;
      this.#jobs.length = 0;
      this.#handler.onError(error);
    } else if (!this.#stopped) {
      this.#completed(job);
    }
    this.kick();
  }

  #completed(job: Job): void {
    // The next operation starts before anybody reacts to this one: the disk is the slowest part of a write.
    this.kick();
    const persisted = job.kind === 'group' ? { last: job.last, hardState: job.lastHardState } : null;
    this.#handler.onDurable({ persisted, messages: job.messages });
    if (job.kind !== 'group') job.done();
  }

  #settleIdle(): void {
    const done = this.#whenIdle;
    this.#whenIdle = null;
    if (done !== null) done();
  }
}
