// Clients of a Kvrocks cluster that write every key once, so that each acknowledged write can be asked for afterwards.

import { askAll } from './node-commands.ts';
import { KvrocksReplyError, RespClient } from './resp-client.ts';
import { notYet, pause, waitUntil } from './wait-until.ts';

const CLIENTS = 4;
const TIMEOUT_MS = 5000;
/** Reads sent together when the writes are looked for. */
const READS = 250;
/** Writes in a row before others get the processor. */
const BURST = 10;

export interface CountingWriterOptions {
  readonly addresses: readonly string[];
  /** Told apart from other writers' by this. */
  readonly prefix: string;
  /** Without it each client writes as fast as it can. */
  readonly slow?: {
    /** Milliseconds between two writes of a client. */
    readonly pauseMs: number;
    readonly valueBytes: number;
  };
}

/** Four clients. Each follows MOVED at once and goes to the next node after any other failure. */
export class CountingWriter {
  readonly #addresses: readonly string[];
  readonly #prefix: string;
  readonly #slow: CountingWriterOptions['slow'];
  readonly #acknowledged: string[] = [];
  readonly #running: readonly Promise<void>[];
  #longestGapMs = 0;
  #isStopping = false;

  constructor({ addresses, prefix, slow }: CountingWriterOptions) {
    this.#addresses = addresses;
    this.#prefix = prefix;
    this.#slow = slow;
    this.#running = Array.from({ length: CLIENTS }, (_, client) => this.#run(client));
  }

  get count(): number {
    return this.#acknowledged.length;
  }

  /** Waits until `count` more writes than now were acknowledged. */
  async progress(count: number): Promise<void> {
    const goal = this.count + count;
    await waitUntil(`${count} more writes`, () => (this.count >= goal ? true : notYet(this.count)));
  }

  /** The longest time since the last call in which one client had no write acknowledged, milliseconds. */
  takeLongestGapMs(): number {
    const gapMs = this.#longestGapMs;
    this.#longestGapMs = 0;
    return gapMs;
  }

  /** Lets the writes under way end. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#running);
  }

  /** The acknowledged keys that the node at `address`, a master of all slots, does not have. */
  async lostAt(address: string): Promise<readonly string[]> {
    const lost: string[] = [];
    for (let from = 0; from < this.#acknowledged.length; from += READS) {
      const keys = this.#acknowledged.slice(from, from + READS);
      const values = await askAll(
        address,
        keys.map((key) => ['GET', key] as const),
        '',
      );
      lost.push(...keys.filter((key, index) => values[index] !== this.#valueOf(key)));
    }
    return lost;
  }

  async #run(client: number): Promise<void> {
    const links = new Map<string, RespClient>();
    let at = this.#addresses[0] ?? '';
    let lastMs = performance.now();
    for (let number = 1; !this.#isStopping; number += 1) {
      const key = `${this.#prefix}-${client}-${number}`;
      try {
        const link = links.get(at) ?? (await this.#open(at));
        links.set(at, link);
        await link.command(['SET', key, this.#valueOf(key)]);
        this.#acknowledged.push(key);
        const nowMs = performance.now();
        this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - lastMs);
        lastMs = nowMs;
        if (this.#slow !== undefined) await pause(this.#slow.pauseMs);
        else if (number % BURST === 0) await pause(1);
      } catch (error) {
        const moved = movedTo(error);
        if (moved === null && !(error instanceof KvrocksReplyError)) links.delete(at);
        at = moved ?? this.#next(at);
        await pause(2);
      }
    }
    for (const link of links.values()) link.close();
  }

  #valueOf(key: string): string {
    return key.padEnd(this.#slow?.valueBytes ?? 0, '.');
  }

  #next(at: string): string {
    const index = this.#addresses.indexOf(at);
    return this.#addresses[(index + 1) % this.#addresses.length] ?? at;
  }

  #open(address: string): Promise<RespClient> {
    const [host = '', port] = address.split(':');
    return RespClient.open({ host, port: Number(port), timeoutMs: TIMEOUT_MS });
  }
}

function movedTo(error: unknown): string | null {
  return error instanceof KvrocksReplyError ? (/^MOVED \d+ (\S+)$/.exec(error.message)?.[1] ?? null) : null;
}
