// A client of a Kvrocks cluster that writes without pause and knows which of its writes were acknowledged.

import { type Command, keysOfSlot } from './node-commands.ts';
import { KvrocksReplyError, RespClient } from './resp-client.ts';
import type { Scene } from './scene.ts';
import { notYet, pause, waitUntil } from './wait-until.ts';

const KEYS = 100;
/** Keys that a failure names. */
const LOST_TOLD = 5;
const TIMEOUT_MS = 5000;
/** Writes in a row before others get the processor. */
const BURST = 10;

interface Acknowledged {
  readonly key: string;
  readonly number: number;
  readonly by: string;
  readonly atMs: number;
}

/** Writes that may be lost although they were acknowledged: those that `by` answered from `fromMs` to `untilMs`, by `performance.now()`. */
export interface GivenUp {
  readonly by: string;
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Sets the keys of one slot in turn to 1, 2, 3, ..., follows MOVED, and goes to the next node after any other failure. */
export class SteadyWriter {
  readonly #stage: Scene;
  readonly #addresses: readonly string[];
  readonly #keys: readonly string[];
  readonly #timeoutMs: number;
  readonly #acknowledged: Acknowledged[] = [];
  readonly #clients = new Map<string, Promise<RespClient>>();
  readonly #running: Promise<void>;
  #at: string;
  #isStopping = false;

  /** `timeoutMs`: how long it waits for an answer before it goes to the next node. */
  constructor(stage: Scene, addresses: readonly string[], slot: number, timeoutMs = TIMEOUT_MS) {
    this.#stage = stage;
    this.#timeoutMs = timeoutMs;
    this.#addresses = addresses;
    this.#keys = keysOfSlot(slot, KEYS);
    this.#at = addresses[0] ?? '';
    this.#running = this.#run();
  }

  /** Writes that were acknowledged so far. */
  get count(): number {
    return this.#acknowledged.length;
  }

  /** Waits until `count` more writes than now were acknowledged. */
  async progress(count: number): Promise<void> {
    const goal = this.#acknowledged.length + count;
    await waitUntil(`${count} more writes`, () =>
      this.#acknowledged.length >= goal ? true : notYet(this.#acknowledged.length),
    );
  }

  /** Lets the write under way end. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    for (const client of this.#clients.values())
      await client.then((open) => open.close()).catch(() => undefined);
  }

  /** Throws unless a client finds for each key what was acknowledged last, but for what is given up, or what was written after it without an answer. */
  async expectKept(givenUp: GivenUp | null = null): Promise<void> {
    const lost: string[] = [];
    const kept = new Map<string, number>();
    for (const { key, number, by, atMs } of this.#acknowledged) {
      const isGivenUp = by === givenUp?.by && atMs >= givenUp.fromMs && atMs <= givenUp.untilMs;
      if (!isGivenUp) kept.set(key, number);
    }
    for (const [key, number] of kept) {
      const found = await this.#stage.askCluster(this.#at, 'GET', key);
      if (!(Number(found) >= number)) lost.push(`${key}: acknowledged ${number}, found ${String(found)}`);
    }
    if (lost.length > 0)
      throw new Error(`${lost.length} keys lack acknowledged writes: ${lost.slice(0, LOST_TOLD).join('; ')}`);
  }

  async #run(): Promise<void> {
    for (let number = 1; !this.#isStopping; number += 1) {
      const key = this.#keys[number % KEYS] ?? '';
      try {
        const by = this.#at;
        await this.#send(['SET', key, String(number)]);
        this.#acknowledged.push({ key, number, by, atMs: performance.now() });
        if (number % BURST === 0) await pause(1);
      } catch (error) {
        this.#turnAfter(error);
        await pause(5);
      }
    }
  }

  async #send(command: Command): Promise<void> {
    const known = this.#clients.get(this.#at) ?? this.#open(this.#at);
    this.#clients.set(this.#at, known);
    const client = await known;
    await client.command(command);
  }

  async #open(address: string): Promise<RespClient> {
    const [host = '', port] = address.split(':');
    return RespClient.open({ host, port: Number(port), timeoutMs: this.#timeoutMs });
  }

  #turnAfter(error: unknown): void {
    if (error instanceof KvrocksReplyError) {
      const moved = /^MOVED \d+ (\S+)$/.exec(error.message)?.[1];
      if (moved !== undefined) this.#at = moved;
      return;
    }
    this.#clients.delete(this.#at);
    const index = this.#addresses.indexOf(this.#at);
    this.#at = this.#addresses[(index + 1) % this.#addresses.length] ?? this.#at;
  }
}
