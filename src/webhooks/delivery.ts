// One webhook under one term: what is new goes out in order, and how far it is is written down.

import { type BackoffPolicy, backoffDelayMs } from '../base/backoff.ts';
import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { Result } from '../base/result.ts';
import { type ClusterEvent, eventBody, type EventCursor } from '../topology/event.ts';
import type { Webhook } from '../topology/policy.ts';
import { signatureHeaders } from './signature.ts';

/** Events in one request. */
const BATCH_MAX = 50;
const RETRY: BackoffPolicy = { delayMsMin: 1000, delayMsMax: 60_000, factor: 2 };

/** Events behind a cursor, oldest first. */
export interface Batch {
  readonly events: readonly ClusterEvent[];
  /** Where the last of them is. */
  readonly cursor: EventCursor | null;
  /** Some in between were dropped from the log before anybody was told of them. */
  readonly isGap: boolean;
}

export interface DeliveryPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** What comes behind what was delivered last, at most `limit`. */
  readonly next: (webhook: Webhook, limit: number) => Batch;
  /** Writes down that everything up to `cursor` was delivered. Never rejects. */
  readonly delivered: (webhook: Webhook, cursor: EventCursor) => Promise<Result<void, unknown>>;
  /** Posts a body; the error is a phrase for people. Never rejects. */
  readonly post: (
    webhook: Webhook,
    body: string,
    headers: Readonly<Record<string, string>>,
  ) => Promise<Result<void, string>>;
}

export class Delivery {
  readonly webhook: Webhook;
  readonly #ports: DeliveryPorts;
  #timer: Timer | null = null;
  #running: Promise<void> | null = null;
  #failures = 0;
  #isStopped = false;

  constructor(webhook: Webhook, ports: DeliveryPorts) {
    this.webhook = webhook;
    this.#ports = ports;
  }

  /** There may be something new. One that is waiting after a failure goes on waiting. */
  wake(): void {
    if (this.#isStopped || this.#running !== null || this.#timer !== null) return;
    this.#running = this.#deliver()
      .catch((error: unknown) => this.#retry(error instanceof Error ? error.message : String(error)))
      .finally(() => {
        this.#running = null;
      });
  }

  /** Nothing is begun after this; resolves when what is under way has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await this.#running;
  }

  async #deliver(): Promise<void> {
    const { next, delivered } = this.#ports;
    while (!this.#isStopped) {
      const batch = next(this.webhook, BATCH_MAX);
      if (batch.cursor === null) return;
      const posted = batch.events.length === 0 ? null : await this.#post(batch);
      if (posted !== null && !posted.ok) return this.#retry(posted.error);
      const noted = await delivered(this.webhook, batch.cursor);
      // Whoever leads now delivers it again.
      if (!noted.ok) return this.#retry(null);
      if (this.#failures > 0) this.#ports.logger.info('webhook.delivering', { webhook: this.webhook.name });
      this.#failures = 0;
    }
  }

  #post({ events, isGap }: Batch): Promise<Result<void, string>> {
    const { clock, post } = this.#ports;
    const body = JSON.stringify({ events: events.map((event) => eventBody(event)), missed: isGap });
    const atSeconds = Math.floor(clock.wallMs() / 1000);
    return post(this.webhook, body, signatureHeaders(this.webhook.secret, body, atSeconds));
  }

  /** `why`: what the receiver did; null where it was not its fault. */
  #retry(why: string | null): void {
    const { clock, random, logger } = this.#ports;
    if (why !== null && this.#failures === 0)
      logger.warn('webhook.failing', { webhook: this.webhook.name, reason: why });
    const delayMs = backoffDelayMs(RETRY, this.#failures, random);
    this.#failures += 1;
    if (this.#isStopped) return;
    this.#timer = clock.setTimer(delayMs, () => {
      this.#timer = null;
      // What has just failed ends first.
      void (this.#running ?? Promise.resolve()).then(() => this.wake());
    });
  }
}
