// The end of the process: once, however many reasons there are, and within a bounded time.

import type { Logger } from '../base/logger.ts';
import type { End } from '../server/expulsion.ts';
import type { Controller } from '../server.ts';
import { complain } from './complain.ts';

/** Longest orderly stop, milliseconds, a lead handed over and requests under way included; what has not ended by then is cut off. */
const STOP_DEADLINE_MS = 12_000;

export class Ending {
  /** Fires with the first reason: a start that waits for others is given up. */
  readonly abandoned = new AbortController();
  readonly #logger: Logger;
  #controller: Controller | null = null;
  #isEnding = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** From now on ending means closing `controller`. */
  started(controller: Controller): void {
    this.#controller = controller;
    if (this.abandoned.signal.aborted) void this.#close(0);
  }

  onSignal(signal: NodeJS.Signals): void {
    // A start that is cut off has promised nothing that it does not keep.
    if (!this.#begin(this.#controller === null ? 0 : 1)) return;
    this.#logger.info('controller.stopping', { signal });
    if (this.#controller !== null) void this.#close(0);
  }

  async onExpelled(end: End): Promise<void> {
    if (!this.#begin(1)) return;
    if (end.exitCode === 0) this.#logger.info(end.event, { reason: end.message });
    else {
      this.#logger.error(end.event, { reason: end.message });
      complain(end.message);
    }
    await end.record();
    await this.#close(end.exitCode);
  }

  /** False when the end has begun already. `lateExitCode` is for one that takes too long. */
  #begin(lateExitCode: 0 | 1): boolean {
    if (this.#isEnding) return false;
    this.#isEnding = true;
    this.abandoned.abort();
    setTimeout(() => {
      this.#logger.error('controller.stop_timed_out', { deadlineMs: STOP_DEADLINE_MS });
      process.exit(lateExitCode);
    }, STOP_DEADLINE_MS).unref();
    return true;
  }

  async #close(exitCode: number): Promise<void> {
    try {
      await this.#controller?.close();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#logger.error('controller.stop_failed', { reason });
      process.exit(1);
    }
    this.#logger.info('controller.stopped');
    process.exit(exitCode);
  }
}
