// One way to one peer: a bounded queue in front of one kept-alive connection.

import { Client } from 'undici';

import { backoffDelayMs, type BackoffPolicy } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Message } from '../core/messages.ts';
import type { MemberId } from '../core/types.ts';
import type { TransportCounters } from './counters.ts';
import { encodeMessages, messageBytes } from './message-codec.ts';

/** Sizes and times of one link. */
export interface LinkLimits {
  /** Messages and estimated bytes that may wait; more are dropped. */
  readonly queueMessagesMax: number;
  readonly queueBytesMax: number;
  /** Estimated bytes after which a frame is closed; one larger message still travels alone. */
  readonly frameBytesTarget: number;
  /** Posts written to the connection and not answered yet. */
  readonly postsInFlightMax: number;
  /**
   * Milliseconds from handing a post to the connection until its answer; then the connection is reset. Sending itself is
   * not in it: see `BYTES_PER_MS_MIN`.
   */
  readonly deadlineMs: number;
}

export interface LinkParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly counters: TransportCounters;
  readonly onUnreachable: (peer: MemberId) => void;
}

export interface LinkAddress {
  readonly name: 'control' | 'append';
  readonly self: MemberId;
  readonly peer: MemberId;
  /** `http://host:port`. */
  readonly origin: string;
}

/** Short, because Raft itself asks again: a peer that is back is found within one heartbeat or two. */
const BACKOFF: BackoffPolicy = { delayMsMin: 20, delayMsMax: 500, factor: 2 };

/** Frames hold at most 4,096 messages; a link closes them well before. */
const FRAME_MESSAGES_MAX = 1024;

/** Idle connections outlive the pauses between elections; the server must keep them at least as long. */
const KEEP_ALIVE_MS = 55_000;

/**
 * The slowest way to a peer that still counts as one: 1 MiB/s. A post may take that long to be sent, and as long as those
 * before it on the connection. With a deadline that ignores size, an entry too large for it could never be replicated,
 * nor anything behind it, while heartbeats keep the lead alive.
 */
const BYTES_PER_MS_MIN = (1024 * 1024) / 1000;

/**
 * Sends messages in order over one connection, several posts pipelined on it, everything that waited in one post.
 * What cannot be sent is dropped, never retried: Raft repeats what still matters, and a stale message only costs.
 */
export class PeerLink {
  readonly #address: LinkAddress;
  readonly #limits: LinkLimits;
  readonly #parts: LinkParts;
  readonly #client: Client;
  #queue: Message[] = [];
  #queueBytes = 0;
  #postsInFlight = 0;
  #bytesInFlight = 0;
  #failures = 0;
  #blockedUntilMs = Number.NEGATIVE_INFINITY;
  #closed = false;

  constructor(address: LinkAddress, limits: LinkLimits, parts: LinkParts) {
    this.#address = address;
    this.#limits = limits;
    this.#parts = parts;
    this.#client = new Client(address.origin, {
      pipelining: limits.postsInFlightMax,
      connectTimeout: limits.deadlineMs,
      // Every post has a timer of its own, from the first byte to the end of the answer.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: KEEP_ALIVE_MS,
      keepAliveMaxTimeout: KEEP_ALIVE_MS,
    });
  }

  /** True unless the last post failed and none succeeded since. */
  get reachable(): boolean {
    return this.#failures === 0;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Queues `messages` and starts as many posts as may be in flight. Drops and reports what does not fit. */
  send(messages: readonly Message[]): void {
    if (this.#closed) return;
    if (this.#parts.clock.monotonicMs() < this.#blockedUntilMs) {
      this.#drop(messages.length);
      return;
    }
    let dropped = 0;
    for (const message of messages) {
      const bytes = messageBytes(message);
      const full = this.#queue.length >= this.#limits.queueMessagesMax;
      if (full || (this.#queue.length > 0 && this.#queueBytes + bytes > this.#limits.queueBytesMax)) {
        dropped += 1;
      } else {
        this.#queue.push(message);
        this.#queueBytes += bytes;
      }
    }
    if (dropped > 0) this.#drop(dropped);
    this.#pump();
  }

  /** Drops what waits and closes the connection; resolves when its socket is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#clearQueue();
    await this.#client.destroy();
  }

  #pump(): void {
    while (!this.#closed && this.#queue.length > 0 && this.#postsInFlight < this.#limits.postsInFlightMax) {
      this.#post(this.#takeBatch());
    }
  }

  #takeBatch(): readonly Message[] {
    let bytes = 0;
    let count = 0;
    for (const message of this.#queue) {
      const next = bytes + messageBytes(message);
      if (count > 0 && (next > this.#limits.frameBytesTarget || count >= FRAME_MESSAGES_MAX)) break;
      bytes = next;
      count += 1;
    }
    const batch = this.#queue.slice(0, count);
    this.#queue = this.#queue.slice(count);
    this.#queueBytes -= bytes;
    return batch;
  }

  #post(messages: readonly Message[]): void {
    const { clock, counters } = this.#parts;
    const frame = encodeMessages(this.#address.self, this.#address.peer, messages);
    counters.framesSent += 1;
    counters.messagesSent += messages.length;
    counters.bytesSent += frame.byteLength;
    this.#postsInFlight += 1;
    this.#bytesInFlight += frame.byteLength;
    const deadlineMs = this.#limits.deadlineMs + this.#bytesInFlight / BYTES_PER_MS_MIN;

    let abort: ((reason: Error) => void) | null = null;
    let settled = false;
    let status = 0;
    const settle = (reason: string | null) => {
      if (settled) return;
      settled = true;
      timer.cancel();
      this.#postsInFlight -= 1;
      this.#bytesInFlight -= frame.byteLength;
      if (reason === null) this.#succeeded();
      else this.#failed(reason);
      this.#pump();
    };
    const timer = clock.setTimer(deadlineMs, () => {
      abort?.(new Error('deadline passed'));
      settle('deadline passed');
    });
    // `dispatch` and not `request`: no stream or promise a post, and the answer's body is always read to its end.
    // Posts may be pipelined only when declared idempotent, and they are: every Raft message tolerates repetition.
    this.#client.dispatch(
      {
        path: '/raft/messages',
        method: 'POST',
        headers: HEADERS,
        body: frame,
        idempotent: true,
        blocking: false,
      },
      {
        onRequestStart: (controller) => {
          abort = (reason) => controller.abort(reason);
          if (settled) controller.abort(new Error('deadline passed'));
        },
        onResponseStart: (_controller, statusCode) => {
          status = statusCode;
        },
        onResponseData: () => undefined,
        onResponseEnd: () => settle(status === 204 ? null : `answered ${status}`),
        onResponseError: (_controller, error) => settle(error.message),
      },
    );
  }

  #succeeded(): void {
    if (this.#failures > 0) this.#parts.logger.info('raft.peer.reachable', this.#fields());
    this.#failures = 0;
    this.#blockedUntilMs = Number.NEGATIVE_INFINITY;
  }

  #failed(reason: string): void {
    if (this.#closed) return;
    const { clock, random, logger, counters } = this.#parts;
    counters.postsFailed += 1;
    const nowMs = clock.monotonicMs();
    // Posts pipelined on one connection fail together; they are one failure.
    if (nowMs >= this.#blockedUntilMs) {
      if (this.#failures === 0) logger.warn('raft.peer.unreachable', { ...this.#fields(), reason });
      this.#blockedUntilMs = nowMs + backoffDelayMs(BACKOFF, this.#failures, random);
      this.#failures += 1;
    }
    this.#drop(this.#clearQueue());
  }

  #drop(count: number): void {
    this.#parts.counters.messagesDropped += count;
    this.#parts.onUnreachable(this.#address.peer);
  }

  #clearQueue(): number {
    const count = this.#queue.length;
    this.#queue = [];
    this.#queueBytes = 0;
    return count;
  }

  #fields(): { readonly peer: number; readonly link: string; readonly address: string } {
    return { peer: this.#address.peer, link: this.#address.name, address: this.#address.origin };
  }
}

const HEADERS = { 'content-type': 'application/octet-stream' } as const;
