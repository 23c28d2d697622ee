// A delivery for each recorded webhook, while this member leads.

import type { LookupFunction } from 'node:net';

import { Agent, request } from 'undici';

import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { EventCursor } from '../topology/event.ts';
import type { Webhook } from '../topology/policy.ts';
import { type Batch, Delivery } from './delivery.ts';

/** Milliseconds in which a receiver has to answer. */
const POST_DEADLINE_MS = 10_000;
/** Milliseconds after a change until it is looked at: many are looked at together. */
const GATHER_MS = 20;

export interface WebhooksPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly lookup: LookupFunction;
  /** As recorded now. */
  readonly webhooks: () => readonly Webhook[];
  readonly next: (webhook: Webhook, limit: number) => Batch;
  readonly delivered: (webhook: Webhook, cursor: EventCursor, term: number) => Promise<Result<void, unknown>>;
  /** Calls `listener` after every applied change of events or webhooks. Returns the way to stop. */
  readonly watch: (listener: () => void) => () => void;
}

/** Whether this member leads and has applied its own term's first entry, and in which term. */
interface LeadView {
  readonly term: number;
  readonly established: boolean;
}

export class Webhooks {
  readonly #ports: WebhooksPorts;
  readonly #agent: Agent;
  readonly #unwatch: () => void;
  #term: number | null = null;
  #deliveries: Delivery[] = [];
  readonly #ending = new Set<Promise<void>>();
  #timer: Timer | null = null;

  constructor(ports: WebhooksPorts) {
    this.#ports = ports;
    this.#agent = new Agent({ connect: { lookup: ports.lookup } });
    this.#unwatch = ports.watch(() => this.#syncSoon());
  }

  /** To be told of every change of the lead. */
  follow({ term, established }: LeadView): void {
    const wanted = established ? term : null;
    if (wanted === this.#term) return;
    for (const delivery of this.#deliveries.splice(0)) this.#end(delivery);
    this.#term = wanted;
    this.#sync();
  }

  async close(): Promise<void> {
    this.#unwatch();
    this.#timer?.cancel();
    this.#term = null;
    for (const delivery of this.#deliveries.splice(0)) this.#end(delivery);
    await this.#agent.destroy();
    await Promise.all(this.#ending);
  }

  /** Not in the midst of what is being applied. */
  #syncSoon(): void {
    if (this.#term === null) return;
    this.#timer ??= this.#ports.clock.setTimer(GATHER_MS, () => {
      this.#timer = null;
      this.#sync();
    });
  }

  /** One that was changed is another one: its delivery begins where the record says. */
  #sync(): void {
    const term = this.#term;
    if (term === null) return;
    const wanted = this.#ports.webhooks();
    const kept = this.#deliveries.filter(({ webhook }) => wanted.includes(webhook));
    for (const delivery of this.#deliveries) if (!kept.includes(delivery)) this.#end(delivery);
    const known = new Set(kept.map(({ webhook }) => webhook));
    const begun = wanted
      .filter((webhook) => !known.has(webhook))
      .map((webhook) => this.#begin(webhook, term));
    this.#deliveries = [...kept, ...begun];
    for (const delivery of this.#deliveries) delivery.wake();
  }

  #begin(webhook: Webhook, term: number): Delivery {
    const { delivered } = this.#ports;
    return new Delivery(webhook, {
      ...this.#ports,
      delivered: (one, cursor) => delivered(one, cursor, term),
      post: (one, body, headers) => this.#post(one, body, headers),
    });
  }

  #end(delivery: Delivery): void {
    const ended = delivery.stop();
    this.#ending.add(ended);
    void ended.then(() => this.#ending.delete(ended));
  }

  async #post(
    { url }: Webhook,
    body: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<Result<void, string>> {
    const abort = new AbortController();
    const timer = this.#ports.clock.setTimer(POST_DEADLINE_MS, () => abort.abort());
    try {
      const { statusCode, body: answer } = await request(url.reveal(), {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'user-agent': 'kvrocks-controller', ...headers },
        body,
        dispatcher: this.#agent,
        signal: abort.signal,
      });
      await answer.dump();
      return statusCode >= 200 && statusCode < 300 ? ok(undefined) : err(`it answers ${statusCode}`);
    } catch (error) {
      if (abort.signal.aborted) return err(`it did not answer within ${POST_DEADLINE_MS / 1000} s`);
      return err(error instanceof Error ? error.message : String(error));
    } finally {
      timer.cancel();
    }
  }
}
