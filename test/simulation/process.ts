// One life of one process: its event loop, its clock and its end. What it started does nothing any more when it is over.

import type { Clock, Timer } from '../../src/base/clock.ts';
import type { Random } from '../../src/base/random.ts';
import type { Scheduler } from '../../src/raft/scheduler.ts';
import { chance, exponential } from './prng.ts';
import type { VirtualTime } from './virtual-time.ts';

/** One turn of the event loop: what was scheduled for "after the poll phase" comes this much later. */
const TURN_US = 10;
/** How late a timer fires on average. */
const TIMER_LATE_US = 100;

export interface ProcessParts {
  readonly time: VirtualTime;
  readonly random: Random;
  /** The member this is a life of. */
  readonly who: number;
  /** How fast this process's clock runs: local seconds a true second. */
  readonly rate: number;
  /** A callback threw: an uncaught exception, which in production ends the process and here is a bug. */
  readonly onUncaught: (error: unknown) => void;
}

/** Work that arrived while the process was paused, by the phase of the event loop that serves it. */
interface Held {
  readonly timers: (() => void)[];
  readonly io: (() => void)[];
  readonly checks: (() => void)[];
}

/** The process whose code is running; null between events. */
const stage: { running: Process | null } = { running: null };

export class Process {
  readonly who: number;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly #parts: ProcessParts;
  #alive = true;
  #held: Held | null = null;
  #rate: number;
  #localMs: number;
  #sinceUs: number;
  #frozenSinceMs = 0;
  #frozenMs = 0;
  #freezes = 0;
  #unread = 0;
  readonly #bornMs: number;

  constructor(parts: ProcessParts) {
    this.who = parts.who;
    this.#parts = parts;
    this.#rate = parts.rate;
    this.#localMs = parts.random.uint32() / 1000;
    this.#sinceUs = parts.time.nowUs;
    this.#bornMs = this.#localMs;
    this.clock = {
      monotonicMs: () => this.#nowMs(),
      wallMs: () => Date.UTC(2030, 0, 1) + this.#nowMs(),
      setTimer: (delayMs, callback) => this.#setTimer(delayMs, callback),
    };
    this.scheduler = { afterPoll: (callback) => this.#afterPoll(callback) };
  }

  /** The process whose callback is being run; null when none is. */
  static get current(): Process | null {
    return stage.running;
  }

  get alive(): boolean {
    return this.#alive;
  }

  get paused(): boolean {
    return this.#held !== null;
  }

  /** Local milliseconds since the start in which this process could run. */
  get awakeMs(): number {
    return this.#nowMs() - this.#bornMs - this.#frozenMs;
  }

  /** How often it was frozen. */
  get freezes(): number {
    return this.#freezes;
  }

  /** What arrived while it was frozen and is not read yet. */
  get unread(): number {
    return this.#unread;
  }

  /** The end, without a word: SIGKILL, or the power. */
  kill(): void {
    this.#alive = false;
    this.#held = null;
  }

  /** SIGSTOP: everything that arrives from now on waits. */
  pause(): void {
    if (!this.#alive || this.#held !== null) return;
    this.#held = { timers: [], io: [], checks: [] };
    this.#frozenSinceMs = this.#nowMs();
    this.#freezes += 1;
    // What was still to be read joins what arrives from now on; nobody asks about it before the next awakening.
    this.#unread = 0;
  }

  /**
   * SIGCONT. As in Node, timers that became due run first, before what waits in sockets is read; and a request may need
   * two turns of the loop, one for its head and one for its body, so half of what waits is read in the second.
   */
  resume(): void {
    const held = this.#held;
    if (held === null) return;
    this.#held = null;
    this.#frozenMs += this.#nowMs() - this.#frozenSinceMs;
    // Frozen halfway to a tick, the loop goes on with it: that one is no late one.
    this.#unread = held.checks.length === 0 ? held.io.length : 0;
    const read = (run: () => void): void => {
      this.#unread = Math.max(0, this.#unread - 1);
      run();
    };
    for (const run of held.timers) this.enter(run);
    for (const run of held.io) {
      if (chance(this.#parts.random, 0.5)) this.enter(() => read(run));
      else this.#later('poll', TURN_US * 1.5, 'io', () => read(run));
    }
    for (const run of held.checks) this.#later('check', TURN_US, 'checks', run);
  }

  /** Changes the speed of the clock from now on. */
  setRate(rate: number): void {
    this.#localMs = this.#nowMs();
    this.#sinceUs = this.#parts.time.nowUs;
    this.#rate = rate;
  }

  /** Something from outside is ready now: runs `run` in the poll phase, at once unless the process is paused or dead. */
  deliver(run: () => void): void {
    this.#arrive('io', run);
  }

  /** Runs code of this process; nothing when it is dead. */
  enter(run: () => void): void {
    if (!this.#alive) return;
    const outer = stage.running;
    stage.running = this;
    try {
      run();
    } catch (error) {
      this.#parts.onUncaught(error);
    } finally {
      stage.running = outer;
    }
  }

  #nowMs(): number {
    return this.#localMs + ((this.#parts.time.nowUs - this.#sinceUs) * this.#rate) / 1000;
  }

  #setTimer(delayMs: number, callback: () => void): Timer {
    const state = { cancelled: false };
    const dueMs = this.#nowMs() + delayMs;
    const fire = (): void => {
      if (state.cancelled) return;
      // The clock was slowed down meanwhile: a timer never fires early.
      if (this.#nowMs() < dueMs - 0.001) arm();
      else callback();
    };
    const arm = (): void => {
      const waitUs = (Math.max(0, dueMs - this.#nowMs()) * 1000) / this.#rate;
      this.#later('timer', waitUs + exponential(this.#parts.random, TIMER_LATE_US), 'timers', fire);
    };
    if (this.#alive) arm();
    return {
      cancel: () => {
        state.cancelled = true;
      },
    };
  }

  #afterPoll(callback: () => void): void {
    if (this.#alive) this.#later('check', TURN_US, 'checks', callback);
  }

  #later(name: string, delayUs: number, phase: keyof Held, run: () => void): void {
    this.#parts.time.after(delayUs, name, this.who, () => this.#arrive(phase, run));
  }

  #arrive(phase: keyof Held, run: () => void): void {
    if (this.#held === null) this.enter(run);
    else this.#held[phase].push(run);
  }
}
