// One connection that switched from HTTP to frames, at the end that receives: frames cut out, receipts written back.

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

import type { Clock, Timer } from '../../base/clock.ts';
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
 * Milliseconds in which a frame that has begun must be whole, and the first one of a stream there. Senders give a frame far less; who
 * takes longer is gone, or only wants the memory.
 */
const FRAME_DEADLINE_MS = 60_000;

export interface InboundStreamParts {
  readonly clock: Clock;
  /** Bytes of a frame's body, at most. */
  readonly bodyBytesMax: number;
  /** Takes one frame; a refusal ends the stream. */
  readonly take: (frame: Buffer) => Refusal | null;
  /** Whether a frame still on its way is worth waiting for. Nothing has proved its head undamaged yet. */
  readonly refuseHead: (head: FrameHead) => Refusal | null;
  /** Once a stream at most, for metrics: what its sender is told, or why there was nobody to tell. */
  readonly onRefused: (refused: Refusal) => void;
}

export class InboundStream {
  readonly #socket: Duplex;
  readonly #parts: InboundStreamParts;
  readonly #cutter: FrameCutter;
  readonly #onData = (chunk: Buffer): void => this.#receive(chunk);
  #received = 0;
  #receipt: Timer | null = null;
  #deadline: Timer | null;
  /** Of the frame that is not whole yet. */
  #headSeen = false;
  #ended = false;

  /** `onGone` is called once the connection is closed, by whomever. */
  constructor(socket: Duplex, parts: InboundStreamParts, onGone: () => void) {
    this.#socket = socket;
    this.#parts = parts;
    this.#cutter = new FrameCutter(parts.bodyBytesMax);
    this.#deadline = this.#newDeadline();
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
    if (refused !== null) this.#refuse(refused);
    else if (this.#cutter.pendingBytes > 0) this.#deadline ??= this.#newDeadline();
  }

  #takeFrames(): Refusal | null {
    for (let frame = this.#cutter.next(); frame !== null; frame = this.#cutter.next()) {
      this.#deadline?.cancel();
      this.#deadline = null;
      this.#headSeen = false;
      const refused = this.#parts.take(frame);
      if (refused !== null) return refused;
    }
    return null;
  }

  /** Megabytes are not collected for a frame whose head already says that it is none of ours. */
  #lookAhead(): Refusal | null {
    const { begun } = this.#cutter;
    if (this.#headSeen || begun === null) return null;
    const head = peekHead(begun);
    if (head === null) return null;
    this.#headSeen = true;
    return this.#parts.refuseHead(head);
  }

  /** Says why, and closes; who does not even take the answer has until the deadline. */
  #refuse(refused: Refusal): void {
    this.#ended = true;
    this.#receipt?.cancel();
    this.#deadline ??= this.#newDeadline();
    this.#socket.off('data', this.#onData).resume();
    const answer = this.#answer(refusalStatus(refused.reason), refusalBody(refused));
    this.#socket.end(answer, () => this.#socket.destroy());
    this.#parts.onRefused(refused);
  }

  #newDeadline(): Timer {
    return setDeadline(this.#parts.clock, FRAME_DEADLINE_MS, () => {
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
