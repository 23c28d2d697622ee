// The API described by itself: made when somebody asks for the first time, and kept.

import { extname } from 'node:path';
import { Worker } from 'node:worker_threads';

import type { Clock } from '../base/clock.ts';
import type { RenderedDocument } from './openapi/rendered.ts';

/** Milliseconds after which it counts as failed: a hundred times what it takes. */
const DEADLINE_MS = 30_000;
/** Enough for ten of it: what a thread takes, the process keeps for a while. */
const LIMITS = { maxYoungGenerationSizeMb: 8, maxOldGenerationSizeMb: 64 };
/** Compiled or not, as this file is. */
const WORKER = new URL(`./openapi/worker${extname(import.meta.url)}`, import.meta.url);

/** One for the whole process, whoever answers at the moment. */
export class ApiDescription {
  readonly #release: string;
  readonly #clock: Clock;
  #made: Promise<RenderedDocument> | null = null;

  /** `release`: the version of the package. */
  constructor(release: string, clock: Clock) {
    this.#release = release;
    this.#clock = clock;
  }

  /** Rejects when it could not be made; whoever asks next has it tried again. */
  async rendered(): Promise<RenderedDocument> {
    const made = (this.#made ??= render(this.#release, this.#clock));
    try {
      return await made;
    } catch (error) {
      if (this.#made === made) this.#made = null;
      throw error;
    }
  }
}

/**
 * In a thread of its own: to load and run what makes it takes a tenth of a second, on a busy machine several, and a leader that stands still
 * for that long is replaced.
 */
async function render(release: string, clock: Clock): Promise<RenderedDocument> {
  const worker = new Worker(WORKER, { workerData: release, resourceLimits: LIMITS });
  const { promise, resolve, reject } = Promise.withResolvers<RenderedDocument>();
  const fail = (why: string): void => reject(new Error(`the description of the API was not made: ${why}`));
  const deadline = clock.setTimer(DEADLINE_MS, () => fail('it took too long'));
  worker.once('message', (message: RenderedDocument) => resolve(message));
  worker.once('error', reject);
  worker.once('exit', (code) => fail(`its thread ended with ${code}`));
  try {
    return await promise;
  } finally {
    deadline.cancel();
    await worker.terminate();
  }
}
