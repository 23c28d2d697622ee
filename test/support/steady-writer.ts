// A client of a Kvrocks cluster that writes without pause and knows which of its writes were acknowledged.

import { expect } from 'vitest';

import { type Command, keysOfSlot } from './node-commands.ts';
import { KvrocksReplyError, RespClient } from './resp-client.ts';
import type { Scene } from './scene.ts';
import { notYet, pause, waitUntil } from './wait-until.ts';

const KEYS = 100;
const TIMEOUT_MS = 5000;
/** Writes in a row before others get the processor. */
const BURST = 10;

/** Sets the keys of one slot in turn to 1, 2, 3, ..., follows MOVED, and goes to the next node after any other failure. */
export class SteadyWriter {
  readonly #stage: Scene;
  readonly #addresses: readonly string[];
  readonly #keys: readonly string[];
  readonly #acknowledged = new Map<string, number>();
  readonly #clients = new Map<string, Promise<RespClient>>();
  readonly #running: Promise<void>;
  #at: string;
  #count = 0;
  #isStopping = false;

  constructor(stage: Scene, addresses: readonly string[], slot: number) {
    this.#stage = stage;
    this.#addresses = addresses;
    this.#keys = keysOfSlot(slot, KEYS);
    this.#at = addresses[0] ?? '';
    this.#running = this.#run();
  }

  /** Waits until `count` more writes than now were acknowledged. */
  async progress(count: number): Promise<void> {
    const goal = this.#count + count;
    await waitUntil(`${count} more writes`, () => (this.#count >= goal ? true : notYet(this.#count)));
  }

  /** Lets the write under way end. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
    for (const client of this.#clients.values())
      await client.then((open) => open.close()).catch(() => undefined);
  }

  /** Fails unless a client finds for each key what was acknowledged last, or what was written after it without an answer. */
  async expectKept(): Promise<void> {
    const lost: string[] = [];
    for (const [key, number] of this.#acknowledged) {
      const found = await this.#stage.askCluster(this.#at, 'GET', key);
      if (!(Number(found) >= number)) lost.push(`${key}: acknowledged ${number}, found ${String(found)}`);
    }
    expect(lost).toEqual([]);
  }

  async #run(): Promise<void> {
    for (let number = 1; !this.#isStopping; number += 1) {
      const key = this.#keys[number % KEYS] ?? '';
      try {
        await this.#send(['SET', key, String(number)]);
        this.#acknowledged.set(key, number);
        this.#count += 1;
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
    return RespClient.open({ host, port: Number(port), timeoutMs: TIMEOUT_MS });
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
