// Clients of the cluster that write without pause, follow MOVED, and put every acknowledged write down in the ledger.

import { setTimeout as sleep } from 'node:timers/promises';

import { type Random, randomBelow } from '../../../src/base/random.ts';
import { SLOT_COUNT, slotOfKey } from '../../../test/kvrocks-simulator/slots.ts';
import { KvrocksReplyError, RespClient } from '../../../test/support/resp-client.ts';
import { oneOf } from '../choose.ts';
import type { Write } from './ledger.ts';

/** Each has its own part of the slots, so that a dead shard stops its own writers only. */
const WRITER_COUNT = 12;
const KEYS_PER_WRITER = 500;
const THINK_MS_MAX = 20;
/** Shorter than most hangs, so that clients give up on a hung node and go elsewhere. */
const TIMEOUT_MS = 1000;
/** After an error that says "later", and after many redirects. */
const RETRY_MS = 20;
const QUICK_HOPS = 2;

export interface WritersOptions {
  /** Where a client begins that knows no owner: all nodes that ever were masters or replicas. */
  readonly addresses: () => readonly string[];
  readonly ledger: { readonly acknowledge: (write: Write) => void };
  readonly random: Random;
  /** Milliseconds since the beginning of the run. */
  readonly now: () => number;
}

/** All writers together. They start paused. */
export class Writers {
  readonly #writers: readonly Writer[];
  readonly #running: Promise<void>;
  readonly #gate: Gate = { isOpen: false, isEnding: false };

  constructor(options: WritersOptions) {
    this.#writers = Array.from(
      { length: WRITER_COUNT },
      (_, index) => new Writer(index, options, this.#gate),
    );
    this.#running = Promise.all(this.#writers.map(async (writer) => writer.loop())).then(() => undefined);
  }

  /** Writes whose outcome is not known: their keys are not written again. */
  get unknownCount(): number {
    return this.#writers.reduce((sum, { unknownCount }) => sum + unknownCount, 0);
  }

  resume(): void {
    this.#gate.isOpen = true;
  }

  /** Resolves when no write is under way any more. */
  async pause(): Promise<void> {
    this.#gate.isOpen = false;
    while (this.#writers.some(({ isBusy }) => isBusy)) await sleep(RETRY_MS);
  }

  async close(): Promise<void> {
    this.#gate.isOpen = false;
    this.#gate.isEnding = true;
    await this.#running;
  }
}

interface Gate {
  isOpen: boolean;
  isEnding: boolean;
}

type Outcome =
  | { readonly kind: 'acknowledged'; readonly previous: number | null }
  | { readonly kind: 'moved'; readonly to: string }
  /** Certainly not executed. */
  | { readonly kind: 'refused' }
  | { readonly kind: 'unknown' };

interface Key {
  readonly name: string;
  value: number;
}

class Writer {
  readonly #index: number;
  /** Of the names tried, the last. */
  #nameCount = 0;
  readonly #options: WritersOptions;
  readonly #gate: Gate;
  readonly #keys: Key[];
  /**
   * Whom it asks first: who answered last, or whom MOVED named. Like clients that refresh their whole map it leaves a node that
   * fails for good, so that a replaced master which is back gets no writes but by chance.
   */
  #home: string | null = null;
  readonly #clients = new Map<string, Promise<RespClient>>();
  #turn = 0;
  isBusy = false;
  unknownCount = 0;

  constructor(index: number, options: WritersOptions, gate: Gate) {
    this.#index = index;
    this.#options = options;
    this.#gate = gate;
    this.#keys = Array.from({ length: KEYS_PER_WRITER }, () => this.#newKey());
  }

  async loop(): Promise<void> {
    while (!this.#gate.isEnding) {
      if (this.#gate.isOpen) {
        this.isBusy = true;
        await this.#writeNext();
        this.isBusy = false;
      }
      await sleep(randomBelow(this.#options.random, THINK_MS_MAX + 1));
    }
    for (const client of this.#clients.values())
      await client.then((open) => open.close()).catch(() => undefined);
  }

  async #writeNext(): Promise<void> {
    const index = this.#turn % this.#keys.length;
    this.#turn += 1;
    const key = this.#keys[index];
    if (key === undefined) return;
    key.value += 1;
    if (await this.#write(key)) return;
    // It may yet be executed, by a node that hangs, after later writes of the key: so there are none.
    this.unknownCount += 1;
    this.#keys[index] = this.#newKey();
  }

  /** A key of this writer's part of the slots. */
  #newKey(): Key {
    for (;;) {
      this.#nameCount += 1;
      const name = `w${this.#index}:${this.#nameCount}`;
      if (Math.floor((slotOfKey(name) * WRITER_COUNT) / SLOT_COUNT) === this.#index)
        return { name, value: 0 };
    }
  }

  /** Tries until it is acknowledged; false when it is not known whether it was executed. */
  async #write({ name, value }: Key): Promise<boolean> {
    const { ledger, now } = this.#options;
    for (let hop = 1; this.#gate.isOpen; hop += 1) {
      const node = this.#home ?? oneOf(this.#options.random, this.#options.addresses());
      const outcome = await this.#send(node, ['GETSET', name, String(value)]);
      switch (outcome.kind) {
        case 'acknowledged':
          this.#home = node;
          ledger.acknowledge({ key: name, value, previous: outcome.previous, atMs: now(), node });
          return true;
        case 'moved':
          this.#home = outcome.to;
          if (hop > QUICK_HOPS) await sleep(RETRY_MS);
          break;
        case 'refused':
          this.#home = null;
          await sleep(RETRY_MS);
          break;
        case 'unknown':
          this.#home = null;
          return false;
      }
    }
    return true;
  }

  async #send(node: string, command: readonly string[]): Promise<Outcome> {
    let client: RespClient;
    try {
      client = await this.#clientOf(node);
    } catch {
      return { kind: 'refused' };
    }
    try {
      const reply = await client.command(command);
      return { kind: 'acknowledged', previous: reply === null ? null : Number(reply) };
    } catch (error) {
      if (!(error instanceof KvrocksReplyError)) return { kind: 'unknown' };
      const to = /^MOVED \d+ (\S+)$/.exec(error.message)?.[1];
      return to === undefined ? { kind: 'refused' } : { kind: 'moved', to };
    }
  }

  async #clientOf(node: string): Promise<RespClient> {
    const known = this.#clients.get(node);
    if (known !== undefined) return known;
    const colon = node.lastIndexOf(':');
    const opening = RespClient.open({
      host: node.slice(0, colon),
      port: Number(node.slice(colon + 1)),
      timeoutMs: TIMEOUT_MS,
    });
    const forget = (): void => {
      if (this.#clients.get(node) === opening) this.#clients.delete(node);
    };
    this.#clients.set(node, opening);
    opening.then((client) => client.onClose(forget), forget);
    return opening;
  }
}
