// The driver's pulse: turns time into ticks, forgiving a process that was frozen.

import type { Clock, Timer } from '../base/clock.ts';
import { randomUnit, type Random } from '../base/random.ts';
import type { Scheduler } from './scheduler.ts';

export interface TickParts {
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
}

/**
 * Calls `onTick` every `tickMs`. Timers run before sockets are read, so after a stall a due tick would be counted
 * before the heartbeats that arrived meanwhile: each tick therefore waits until pending input was delivered, twice,
 * because a request needs one turn for its head and one for its body. However late, it is one tick: time in which
 * this process could not have heard anybody is no evidence of silence.
 */
export class TickSource {
  readonly #tickMs: number;
  readonly #parts: TickParts;
  readonly #onTick: () => void;
  #dueMs = 0;
  #timer: Timer | null = null;
  #running = false;

  constructor(tickMs: number, parts: TickParts, onTick: () => void) {
    this.#tickMs = tickMs;
    this.#parts = parts;
    this.#onTick = onTick;
  }

  /** Starts; the first tick comes after a random part of a tick, so that members started together drift apart. */
  start(): void {
    this.#running = true;
    const firstMs = randomUnit(this.#parts.random) * this.#tickMs;
    this.#dueMs = this.#parts.clock.monotonicMs() + firstMs;
    this.#arm(firstMs);
  }

  /** No tick comes after this. */
  stop(): void {
    this.#running = false;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(delayMs: number): void {
    this.#timer = this.#parts.clock.setTimer(delayMs, () => {
      const { scheduler } = this.#parts;
      scheduler.afterPoll(() => scheduler.afterPoll(() => this.#fire()));
    });
  }

  #fire(): void {
    if (!this.#running) return;
    const nowMs = this.#parts.clock.monotonicMs();
    // Small delays are made up for, so that the rate holds; after a large one the rhythm starts anew.
    const late = nowMs - this.#dueMs > this.#tickMs / 2;
    this.#dueMs = (late ? nowMs : this.#dueMs) + this.#tickMs;
    this.#arm(Math.max(0, this.#dueMs - nowMs));
    this.#onTick();
  }
}
