// How much room the disk of the log has left: looked at once a second, judged with a margin between low and regained.

import type { Clock, Timer } from '../../base/clock.ts';
import type { FileSystem } from './file-system.ts';
import { type Task, outcome, runTask } from './task.ts';

const LOOK_INTERVAL_MS = 1000;
/** Room has come back when so many times the low-water mark are free: a disk at the mark does not change its mind each second. */
const REGAINED_PARTS = 1.25;

export interface FreeSpaceOptions {
  readonly fileSystem: Pick<FileSystem, 'freeBytes'>;
  readonly directory: string;
  /** Bytes; with fewer free, space is low. 0: never, and nothing is looked at. */
  readonly lowWaterBytes: number;
  readonly clock: Clock;
  /** `shortage` has appeared or gone. */
  readonly onChange: () => void;
  /** The disk does not say how much is free. Called at most once: room that is unknown does not count as low. */
  readonly onUnknown: (error: Error) => void;
}

/** Whether the disk is nearly full, as of the last look. One look at a time: on a disk that hangs none is added. */
export class FreeSpace {
  readonly #options: FreeSpaceOptions;
  #shortage: Error | null = null;
  #isStopped = false;
  #isUnknownTold = false;
  #timer: Timer | null = null;

  constructor(options: FreeSpaceOptions) {
    this.#options = options;
  }

  /** Why space is low; null while it is not. */
  get shortage(): Error | null {
    return this.#shortage;
  }

  /** Looks now and from now on. */
  start(): void {
    if (this.#options.lowWaterBytes > 0) this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** The bytes that are free at this moment; infinite when the disk does not say. */
  *bytes(): Task<number> {
    const { fileSystem, directory, onUnknown } = this.#options;
    try {
      return yield* outcome<number>((done) => fileSystem.freeBytes(directory, done));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      if (!this.#isUnknownTold && !this.#isStopped) onUnknown(error);
      this.#isUnknownTold = true;
      return Number.POSITIVE_INFINITY;
    }
  }

  #look(): void {
    runTask(this.bytes(), (free) => {
      if (this.#isStopped || free instanceof Error) return;
      this.#judge(free);
      this.#timer = this.#options.clock.setTimer(LOOK_INTERVAL_MS, () => this.#look());
    });
  }

  #judge(freeBytes: number): void {
    const wasLow = this.#shortage !== null;
    const isLow = freeBytes < this.#options.lowWaterBytes * (wasLow ? REGAINED_PARTS : 1);
    if (isLow === wasLow) return;
    this.#shortage = isLow ? tooLittle(freeBytes) : null;
    this.#options.onChange();
  }
}

/** Why nothing more is begun on the disk. */
export function tooLittle(freeBytes: number): Error {
  return new Error(`no more than ${freeBytes} bytes are free on the disk of the log`);
}
