// Clients of two nodes that both may think to be master: which writes the one acknowledged that were sent after the other had acknowledged one.

import { RespClient } from './resp-client.ts';
import { notYet, pause, waitUntil } from './wait-until.ts';

const TIMEOUT_MS = 5000;
const PAUSE_MS = 3;

/**
 * Writes to `address` alone, following nobody, one write after the other. Judged by the order of events in this process, so that a busy machine
 * changes nothing: a write counts as late only when it was sent after the other node's reply was here.
 */
export class StubbornWriter {
  readonly #address: string;
  readonly #keyOf: (number: number) => string;
  readonly #running: Promise<void>;
  #isStopping = false;
  #isLate = false;
  /** Writes that were acknowledged, and those of them that were sent after `fromNowOnLate`. */
  acknowledged = 0;
  late = 0;
  /** Of the last write that was acknowledged. */
  lastKey = '';
  /** What the last write that was not acknowledged got; empty when the last one was. */
  lastError = '';

  constructor(address: string, keyOf = (number: number): string => `stubborn-${number}`) {
    this.#address = address;
    this.#keyOf = keyOf;
    this.#running = this.#run();
  }

  /** The other node has just acknowledged a write. */
  fromNowOnLate(): void {
    this.#isLate = true;
  }

  /** Waits until a write of those that begin from now on has failed with `pattern`. */
  async refusedWith(pattern: RegExp): Promise<void> {
    this.lastError = '';
    await waitUntil(`${this.#address} to refuse a write with ${pattern.source}`, () =>
      pattern.test(this.lastError) ? true : notYet(this.lastError),
    );
  }

  async progress(count: number): Promise<void> {
    const goal = this.acknowledged + count;
    await waitUntil(`${count} more writes at ${this.#address}`, () =>
      this.acknowledged >= goal ? true : notYet([this.acknowledged, this.lastError]),
    );
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    const [host = '', port] = this.#address.split(':');
    let client: RespClient | null = null;
    for (let number = 1; !this.#isStopping; number += 1) {
      const isLate = this.#isLate;
      try {
        client ??= await RespClient.open({ host, port: Number(port), timeoutMs: TIMEOUT_MS });
        await client.command(['SET', this.#keyOf(number), String(number)]);
        this.acknowledged += 1;
        this.lastKey = this.#keyOf(number);
        this.lastError = '';
        if (isLate) this.late += 1;
      } catch (error) {
        this.lastError = String(error);
      }
      await pause(PAUSE_MS);
    }
    client?.close();
  }
}
