// One way to one peer: a bounded queue in front of one connection that carries frames.

import type { LookupFunction } from 'node:net';

import { backoffDelayMs, type BackoffPolicy } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Message } from '../core/messages.ts';
import type { MemberId } from '../core/types.ts';
import type { ExpulsionReason } from '../ports.ts';
import { countsOf, type TransportCounters } from './counters.ts';
import { FrameStream } from './frame-stream.ts';
import type { FrameSealer } from './frame.ts';
import { encodeMessages, messageBytes } from './message-codec.ts';
import type { PeerOrigin } from './peer-address.ts';

/** Sizes and times of one link. */
export interface LinkLimits {
  /** Messages and estimated bytes that may wait; more are dropped. */
  readonly queueMessagesMax: number;
  readonly queueBytesMax: number;
  /** Estimated bytes after which a frame is closed; one larger message still travels alone. */
  readonly frameBytesTarget: number;
  /** Milliseconds until a frame must have been received, the time to send it on top; then the connection is reset. */
  readonly deadlineMs: number;
}

export interface LinkParts {
  readonly clock: Clock;
  readonly lookup: LookupFunction;
  readonly random: Random;
  readonly logger: Logger;
  readonly counters: TransportCounters;
  readonly onUnreachable: (peer: MemberId) => void;
  /** The peer took a post. */
  readonly onAccepted: (peer: MemberId) => void;
  /** The peer takes nothing from this member any more. */
  readonly onRefused: (peer: MemberId, reason: ExpulsionReason) => void;
}

export interface LinkAddress {
  readonly name: 'control' | 'append';
  readonly sealer: FrameSealer;
  readonly origin: PeerOrigin;
}

/** Short, because Raft itself asks again: a peer that is back is found within one heartbeat or two. */
const BACKOFF: BackoffPolicy = { delayMsMin: 20, delayMsMax: 500, factor: 2 };

/** Frames hold at most 4,096 messages; a link closes them well before. */
const FRAME_MESSAGES_MAX = 1024;

/**
 * Sends messages in order over one connection, everything that waited in one frame.
 * What cannot be sent is dropped, never retried: Raft repeats what still matters, and a stale message only costs.
 */
export class PeerLink {
  readonly #address: LinkAddress;
  readonly #limits: LinkLimits;
  readonly #parts: LinkParts;
  readonly #peer: MemberId;
  /** Made by the first message, and anew by the first one after its end. */
  #stream: FrameStream | null = null;
  #queue: Message[] = [];
  #queueBytes = 0;
  #failures = 0;
  #blockedUntilMs = Number.NEGATIVE_INFINITY;
  #closed = false;
  /** Called when what waits is gone; set by `retire`. */
  #onEmpty: (() => void) | null = null;

  constructor(address: LinkAddress, limits: LinkLimits, parts: LinkParts) {
    this.#address = address;
    this.#limits = limits;
    this.#parts = parts;
    this.#peer = address.sealer.head.to;
  }

  /** True unless the last connection failed and nothing was taken since. */
  get reachable(): boolean {
    return this.#failures === 0;
  }

  get origin(): PeerOrigin {
    return this.#address.origin;
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** Queues `messages` and writes what the connection takes. Drops and reports what does not fit. */
  send(messages: readonly Message[]): void {
    if (this.#closed || this.#onEmpty !== null) return;
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
    const stream = this.#stream;
    this.#stream = null;
    this.#onEmpty?.();
    await stream?.destroy();
  }

  /**
   * Takes no more messages, sends those that wait, then closes the connection: a member that is removed still hears that
   * it was. Takes as long as the deadlines of its frames at most.
   */
  async retire(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      this.#pump();
    });
    await this.close();
  }

  #pump(): void {
    if (this.#closed) return;
    if (this.#queue.length > 0) {
      this.#stream ??= this.#connect();
      while (this.#queue.length > 0 && this.#stream.isWritable) this.#write(this.#stream, this.#takeBatch());
    }
    if (this.#queue.length === 0 && (this.#stream?.isIdle ?? true)) this.#onEmpty?.();
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

  #write(stream: FrameStream, messages: readonly Message[]): void {
    const { counters } = this.#parts;
    const frame = encodeMessages(this.#address.sealer, messages);
    counters.framesSent += 1;
    counters.messagesSent += messages.length;
    countsOf(counters, this.#peer).sent += messages.length;
    counters.bytesSent += frame.byteLength;
    stream.write(frame);
  }

  #connect(): FrameStream {
    const { clock, lookup, counters } = this.#parts;
    let isAccepted = false;
    return new FrameStream(
      { origin: this.#address.origin, deadlineMs: this.#limits.deadlineMs },
      {
        clock,
        lookup,
        onWritable: () => this.#pump(),
        onTaken: () => {
          if (!isAccepted) countsOf(counters, this.#peer).accepted += 1;
          isAccepted = true;
          this.#succeeded();
          this.#pump();
        },
        onEnd: ({ status, reason }) => {
          this.#stream = null;
          if (!isAccepted) countsOf(counters, this.#peer)[status === 0 ? 'failed' : 'refused'] += 1;
          if (status === 409) this.#parts.onRefused(this.#peer, 'otherIncarnation');
          if (status === 410) this.#parts.onRefused(this.#peer, 'removed');
          this.#failed(reason);
          this.#pump();
        },
      },
    );
  }

  #succeeded(): void {
    if (this.#failures > 0) this.#parts.logger.info('raft.peer.reachable', this.#fields());
    this.#failures = 0;
    this.#parts.onAccepted(this.#peer);
    this.#blockedUntilMs = Number.NEGATIVE_INFINITY;
  }

  #failed(reason: string): void {
    if (this.#closed) return;
    const { clock, random, logger, counters } = this.#parts;
    counters.postsFailed += 1;
    if (this.#failures === 0) logger.warn('raft.peer.unreachable', { ...this.#fields(), reason });
    this.#blockedUntilMs = clock.monotonicMs() + backoffDelayMs(BACKOFF, this.#failures, random);
    this.#failures += 1;
    this.#drop(this.#clearQueue());
  }

  #drop(count: number): void {
    this.#parts.counters.messagesDropped += count;
    countsOf(this.#parts.counters, this.#peer).dropped += count;
    this.#parts.onUnreachable(this.#peer);
  }

  #clearQueue(): number {
    const count = this.#queue.length;
    this.#queue = [];
    this.#queueBytes = 0;
    return count;
  }

  #fields(): { readonly peer: number; readonly link: string; readonly address: string } {
    return { peer: this.#peer, link: this.#address.name, address: this.#address.origin };
  }
}
