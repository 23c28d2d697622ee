// The log's background work, one thing at a time: the next segment made ready, old segments removed, files closed; and a look at how much room is left.

import { join } from 'node:path';

import { assert } from '../../base/assert.ts';
import { type BackoffPolicy, backoffDelayMs } from '../../base/backoff.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Random } from '../../base/random.ts';
import type { Done } from '../ports.ts';
import { type FileSystem, type OpenFile, type Outcome, isOutOfSpace } from './file-system.ts';
import { segmentName } from './format.ts';
import { FreeSpace, tooLittle } from './free-space.ts';
import { type Task, completion, outcome, runSteps } from './task.ts';

/** Zeroes are written and synced in steps of this size, so that no group write waits long behind them on the disk. */
const FILL_STEP_BYTES = 256 * 1024;
const ZEROES = Buffer.alloc(FILL_STEP_BYTES);
/** After space ran out it is tried again, until it comes back: proposals are refused meanwhile, so no write would do it. */
const SPACE_RETRY: BackoffPolicy = { delayMsMin: 500, delayMsMax: 10_000, factor: 2 };
/** One such part of the low-water mark stays free beside a new segment: the state's database must not meet a full disk. */
const SPARE_MARGIN_PARTS = 4;

/** An open, zero-filled, durable segment file that nothing was written to yet. */
export interface SpareSegment {
  readonly number: number;
  readonly file: OpenFile;
  readonly capacityBytes: number;
}

export interface HousekeepingOptions {
  readonly fileSystem: FileSystem;
  /** The folder of the segments. */
  readonly directory: string;
  readonly segmentBytes: number;
  /** Bytes; with fewer free, space is low. 0: only when the next segment cannot be made. */
  readonly lowWaterBytes: number;
  readonly clock: Clock;
  readonly random: Random;
  /** A disk error that ends the log's life. Called at most once. */
  readonly onFailure: (error: Error) => void;
  /** Too little is free, or the next segment cannot be made for want of space. */
  readonly onSpaceLow: (error: Error) => void;
  readonly onSpaceRecovered: () => void;
  /** The disk does not say how much is free. Called at most once. */
  readonly onSpaceUnknown: (error: Error) => void;
}

/** `noSpace`: tried and failed; tried again when `retry` fires, a segment was removed, or a write needs it. */
type SpareState =
  | { readonly kind: 'none' }
  | { readonly kind: 'preparing' }
  | { readonly kind: 'ready'; readonly spare: SpareSegment }
  | { readonly kind: 'noSpace'; readonly retry: Timer };

/** Owns the spare segment and everything that happens to files outside a group write. */
export class Housekeeping {
  readonly #options: HousekeepingOptions;
  readonly #queue: Task<unknown>[] = [];
  #running = false;
  #failure: Error | null = null;
  #spare: SpareState = { kind: 'none' };
  #spareNumber = 0;
  readonly #freeSpace: FreeSpace;
  /** Why the next segment could not be made for want of space; null when one has been made since. */
  #spareShortage: Error | null = null;
  #spaceLow = false;
  /** Preparations that failed in a row for want of space. */
  #attempts = 0;
  #waiter: Outcome<SpareSegment> | null = null;
  #onIdle: (() => void) | null = null;

  constructor(options: HousekeepingOptions) {
    this.#options = options;
    this.#freeSpace = new FreeSpace({
      ...options,
      onChange: () => this.#judgeSpace(),
      onUnknown: options.onSpaceUnknown,
    });
    this.#freeSpace.start();
  }

  /** The disk is below its low-water mark, or the next segment could not be made for want of space. */
  get spaceLow(): boolean {
    return this.#spaceLow;
  }

  /** Of the segment that is ready; 0 while there is none. */
  get spareBytes(): number {
    return this.#spare.kind === 'ready' ? this.#spare.spare.capacityBytes : 0;
  }

  /** Starts making segment `number` ready; the one before it is in use and durable. */
  prepare(number: number): void {
    assert(this.#spare.kind === 'none', 'one spare segment at a time');
    this.#spareNumber = number;
    this.#startPreparing();
  }

  /** Hands the spare segment out, waiting for it if need be. An error here is final. May call back at once. */
  take(done: Outcome<SpareSegment>): void {
    assert(this.#waiter === null, 'one taker at a time');
    if (this.#failure !== null) {
      done(this.#failure);
      return;
    }
    if (this.#spare.kind === 'ready') {
      const { spare } = this.#spare;
      this.#spare = { kind: 'none' };
      done(spare);
      return;
    }
    this.#waiter = done;
    if (this.#spare.kind === 'noSpace') this.#startPreparing();
  }

  /**
   * Removes segments, oldest first, each durably before the next: a crash on the way leaves a shorter prefix, never a
   * hole, so that a missing segment is always damage.
   */
  remove(numbers: readonly number[]): void {
    for (const number of numbers) this.#enqueue(this.#remove(number));
  }

  /** Closes a segment file that is full. */
  retire(file: OpenFile): void {
    this.#enqueue(completion((done) => file.close(done)));
  }

  /** Waits for the work under way, drops the rest and closes the spare. What was dropped is done at the next start. */
  close(done: Done): void {
    this.#queue.length = 0;
    this.#freeSpace.stop();
    if (this.#spare.kind === 'noSpace') this.#spare.retry.cancel();
    const finish = (): void => {
      if (this.#spare.kind === 'ready') this.#spare.spare.file.close(done);
      else done(null);
    };
    if (this.#running) this.#onIdle = finish;
    else finish();
  }

  #startPreparing(): void {
    if (this.#spare.kind === 'noSpace') this.#spare.retry.cancel();
    this.#spare = { kind: 'preparing' };
    this.#enqueue(this.#prepare(this.#spareNumber));
  }

  #enqueue(task: Task<unknown>): void {
    if (this.#failure !== null || this.#onIdle !== null) return;
    this.#queue.push(task);
    if (!this.#running) this.#next();
  }

  #next(): void {
    const task = this.#queue.shift();
    this.#running = task !== undefined;
    if (task === undefined) {
      this.#onIdle?.();
      return;
    }
    runSteps(task, (error) => {
      if (error !== null) this.#fail(error);
      this.#next();
    });
  }

  #fail(error: Error): void {
    this.#failure = error;
    this.#queue.length = 0;
    this.#freeSpace.stop();
    this.#options.onFailure(error);
    const waiter = this.#waiter;
    this.#waiter = null;
    waiter?.(error);
  }

  *#prepare(number: number): Task<void> {
    const { fileSystem, directory, segmentBytes } = this.#options;
    const shortage = yield* this.#shortage();
    if (shortage !== null) {
      this.#outOfSpace(shortage);
      return;
    }
    const path = join(directory, segmentName(number));
    let file: OpenFile | null = null;
    try {
      file = yield* outcome<OpenFile>((done) => fileSystem.open(path, 'create', done));
      yield* fillWithZeroes(file, segmentBytes);
    } catch (error) {
      if (!(error instanceof Error) || !isOutOfSpace(error)) throw error;
      if (file !== null) yield* discard(fileSystem, path, file);
      this.#outOfSpace(error);
      return;
    }
    yield* completion((done) => fileSystem.syncDirectory(directory, done));
    this.#attempts = 0;
    this.#spareShortage = null;
    this.#judgeSpace();
    this.#spare = { kind: 'ready', spare: { number, file, capacityBytes: segmentBytes } };
    const waiter = this.#waiter;
    this.#waiter = null;
    if (waiter !== null) this.take(waiter);
  }

  /**
   * Why the next segment is not even tried: filling it to see whether it fits would take the last byte from whatever else
   * writes to this disk. With a write waiting for it there is nothing left to spare.
   */
  *#shortage(): Task<Error | null> {
    const { segmentBytes, lowWaterBytes } = this.#options;
    if (lowWaterBytes === 0 || this.#waiter !== null) return null;
    const free = yield* this.#freeSpace.bytes();
    const isEnough = free >= segmentBytes + lowWaterBytes / SPARE_MARGIN_PARTS;
    return isEnough || this.#waiter !== null ? null : tooLittle(free);
  }

  /** With a write waiting there is no room left to wait in: the failure becomes final. */
  #outOfSpace(error: Error): void {
    if (this.#waiter !== null) throw error;
    const { clock, random } = this.#options;
    const delayMs = backoffDelayMs(SPACE_RETRY, this.#attempts, random);
    this.#attempts += 1;
    const retry = clock.setTimer(delayMs, () => this.#retry());
    this.#spare = { kind: 'noSpace', retry };
    if (this.#onIdle !== null) retry.cancel();
    this.#spareShortage = error;
    this.#judgeSpace();
  }

  /** Tells the change, if it is one. */
  #judgeSpace(): void {
    const reason = this.#spareShortage ?? this.#freeSpace.shortage;
    if ((reason !== null) === this.#spaceLow) return;
    this.#spaceLow = reason !== null;
    if (reason === null) this.#options.onSpaceRecovered();
    else this.#options.onSpaceLow(reason);
  }

  *#remove(number: number): Task<void> {
    const { fileSystem, directory } = this.#options;
    yield* completion((done) => fileSystem.remove(join(directory, segmentName(number)), done));
    yield* completion((done) => fileSystem.syncDirectory(directory, done));
    this.#retry();
  }

  #retry(): void {
    if (this.#spare.kind === 'noSpace') this.#startPreparing();
  }
}

function* discard(fileSystem: FileSystem, path: string, file: OpenFile): Task<void> {
  yield* completion((done) => file.close(done));
  yield* completion((done) => fileSystem.remove(path, done));
}

/** Gives a new file its size: blocks that are written once need no allocation, and so no metadata, in a later sync. */
export function* fillWithZeroes(file: OpenFile, bytes: number): Task<void> {
  for (let position = 0; position < bytes; position += FILL_STEP_BYTES) {
    const step = ZEROES.subarray(0, Math.min(FILL_STEP_BYTES, bytes - position));
    const at = position;
    yield* completion((done) => file.write(step, at, done));
    yield* completion((done) => file.datasync(done));
  }
}
