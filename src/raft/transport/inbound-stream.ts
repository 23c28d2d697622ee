// One connection that switched from HTTP to frames, at the end that receives: frames cut out, receipts written back.

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import type { Clock, Timer } from '../../base/clock.ts';
import type { Result } from '../../base/result.ts';
import { setDeadline } from './deadline.ts';
import { peekHead, type FrameHead } from './frame.ts';
import { refusal, refusalBody, refusalStatus, type Refusal } from './refusals.ts';
import { encodeAnswer, FrameCutter, KEEP_ALIVE_MS, TAKEN } from './stream-wire.ts';

/**
 * Milliseconds until bytes that arrived are confirmed: all frames of that time share one receipt. Far below the deadline of any
 * link, which is about an election timeout.
 */
const RECEIPT_DELAY_MS = 25;

/**
 * Milliseconds in which the head of the first frame must be here: a member opens a stream because it has something to send. Only the
 * head, because a large first frame may take long on a slow way.
 */
const PROOF_DEADLINE_MS = 1000;

/** Milliseconds in which a frame that has begun must be whole. Senders give a frame far less; who takes longer is gone, or only wants the memory. */
const FRAME_DEADLINE_MS = 60_000;

/** Milliseconds for the last answer to leave this machine. */
const ANSWER_DEADLINE_MS = 1000;

export interface InboundStreamParts {
  readonly clock: Clock;
  /** Bytes of a frame's body, at most. */
  readonly bodyBytesMax: number;
  /** Takes one frame and tells its head; a refusal ends the stream. */
  readonly take: (frame: Buffer) => Result<FrameHead, Refusal>;
  /** Whether a frame still on its way is worth waiting for. Nothing has proved its head undamaged yet. */
  readonly refuseHead: (head: FrameHead) => Refusal | null;
  /** The head of a frame is here that is meant for this member, or the whole of it. May end this or another stream. */
  readonly onSpoken: (head: FrameHead) => void;
  /** Once a stream at most, for metrics: what its sender is told, or why there was nobody to tell. */
  readonly onRefused: (refused: Refusal) => void;
}

export class InboundStream {
  /** The address at the other end. */
  readonly source: string;
  readonly #socket: Duplex;
  readonly #parts: InboundStreamParts;
  readonly #cutter: FrameCutter;
  readonly #onData = (chunk: Buffer): void => this.#receive(chunk);
  #received = 0;
  #receipt: Timer | null = null;
  #deadline: Timer | null = null;
  /** Of the frame that is not whole yet. */
  #headSeen = false;
  /** A head has said who is at the other end. */
  #hasSpoken = false;
  #ended = false;

  /** `onGone` is called once the connection is closed, by whomever. */
  constructor(socket: Duplex, parts: InboundStreamParts, onGone: () => void) {
    this.#socket = socket;
    this.#parts = parts;
    this.#cutter = new FrameCutter(parts.bodyBytesMax);
    this.#setDeadline(PROOF_DEADLINE_MS);
    this.source = socket instanceof Socket ? (socket.remoteAddress ?? '') : '';
    // A machine that vanished sends no end: only the kernel's own questions find out.
    if (socket instanceof Socket) socket.setKeepAlive(true, KEEP_ALIVE_MS);
    socket.on('data', this.#onData);
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      this.#closed();
      onGone();
    });
  }

  /** Takes what was already read of the stream. */
  begin(head: Buffer): void {
    if (head.length > 0) this.#receive(head);
  }

  /** Breaks the connection off. */
  destroy(): void {
    this.#ended = true;
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#received += chunk.length;
    this.#receipt ??= this.#parts.clock.setTimer(RECEIPT_DELAY_MS, () => {
      this.#receipt = null;
      this.#socket.write(this.#answer(TAKEN, ''));
    });
    this.#cutter.push(chunk);
    const refused = this.#takeFrames() ?? this.#lookAhead();
    if (refused !== null) this.refuse(refused);
    else if (this.#cutter.pendingBytes > 0 && this.#deadline === null) this.#setDeadline(FRAME_DEADLINE_MS);
  }

  #takeFrames(): Refusal | null {
    for (let frame = this.#cutter.next(); frame !== null && !this.#ended; frame = this.#cutter.next()) {
      this.#deadline?.cancel();
      this.#deadline = null;
      this.#headSeen = false;
      const taken = this.#parts.take(frame);
      if (!taken.ok) return taken.error;
      this.#hasSpoken = true;
      this.#parts.onSpoken(taken.value);
    }
    return null;
  }

  /** Megabytes are not collected for a frame whose head already says that it is none of ours. */
  #lookAhead(): Refusal | null {
    const { begun } = this.#cutter;
    if (this.#headSeen || this.#ended || begun === null) return null;
    const head = peekHead(begun);
    if (head === null) return null;
    this.#headSeen = true;
    const refused = this.#parts.refuseHead(head);
    if (refused !== null) return refused;
    if (!this.#hasSpoken) this.#setDeadline(FRAME_DEADLINE_MS);
    this.#hasSpoken = true;
    this.#parts.onSpoken(head);
    return null;
  }

  /** Says why, once, and closes. */
  refuse(refused: Refusal): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#receipt?.cancel();
    this.#setDeadline(ANSWER_DEADLINE_MS);
    this.#socket.off('data', this.#onData).resume();
    const answer = this.#answer(refusalStatus(refused.reason), refusalBody(refused));
    this.#socket.end(answer, () => this.#socket.destroy());
    this.#parts.onRefused(refused);
  }

  #setDeadline(delayMs: number): void {
    this.#deadline?.cancel();
    this.#deadline = setDeadline(this.#parts.clock, delayMs, () => {
      if (!this.#ended) this.#parts.onRefused(refusal('stalled', this.#position()));
      this.destroy();
    });
  }

  #closed(): void {
    this.#receipt?.cancel();
    this.#deadline?.cancel();
    if (!this.#ended && this.#cutter.pendingBytes > 0)
      this.#parts.onRefused(refusal('aborted', this.#position()));
  }

  #answer(status: number, text: string): Buffer {
    return encodeAnswer({ status, received: this.#received, text });
  }

  #position(): string {
    return `a stream, after ${this.#cutter.pendingBytes} bytes of a frame`;
  }
}
