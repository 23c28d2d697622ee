// Nodes are taken in one request at a time: two requests at once could take one process under two of its names.

import type { Clock } from '../../base/clock.ts';
import { ApiError } from '../errors.ts';

/** Requests that wait for their turn, at most. */
const WAITING_MAX = 32;

/** Longest wait for a turn, milliseconds: a few requests whose nodes do not answer. */
const WAIT_MS_MAX = 15_000;

/**
 * The turns of this process. Only the leader takes nodes in; a deposed one that still does is stopped at its commit, and what it committed
 * before is known to its successor.
 */
export class AdmissionQueue {
  readonly #clock: Clock;
  #isBusy = false;
  /** In order of arrival. Each is called with whether its turn has come. */
  readonly #waiting = new Set<(isTurn: boolean) => void>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `work` when its turn has come. Throws 429 when too many wait or its own wait was too long. */
  async run<T>(abandoned: AbortSignal, work: () => Promise<T>): Promise<T> {
    if (this.#isBusy && !(await this.#turn(abandoned)))
      throw new ApiError(
        'overloaded',
        'too many requests that take nodes in are waiting, please retry later',
      );
    this.#isBusy = true;
    try {
      return await work();
    } finally {
      this.#isBusy = false;
      const [next] = this.#waiting;
      next?.(true);
    }
  }

  /** Between two turns `#isBusy` never falls to whoever arrives meanwhile: the next in line is told in the same step. */
  #turn(abandoned: AbortSignal): Promise<boolean> {
    if (this.#waiting.size >= WAITING_MAX || abandoned.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const settle = (isTurn: boolean): void => {
        if (!this.#waiting.delete(settle)) return;
        timer.cancel();
        abandoned.removeEventListener('abort', leave);
        if (isTurn) this.#isBusy = true;
        resolve(isTurn);
      };
      const leave = (): void => settle(false);
      const timer = this.#clock.setTimer(WAIT_MS_MAX, leave);
      this.#waiting.add(settle);
      abandoned.addEventListener('abort', leave);
    });
  }
}
