// The way in for messages: connections that switched from HTTP to frames, receipts flowing back.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import type { Clock, Timer } from '../../base/clock.ts';
import { refusalBody, refusalStatus, type Refusal } from './refusals.ts';
import { encodeAnswer, FrameCutter, opensStream, STREAM_PROTOCOL, TAKEN } from './stream-wire.ts';

/**
 * Milliseconds until bytes that arrived are confirmed: all frames of that time share one receipt. Far below the deadline of any
 * link, which is about an election timeout.
 */
const RECEIPT_DELAY_MS = 25;

export interface MessageStreamsParts {
  readonly clock: Clock;
  /** Bytes of a frame's body, at most. */
  readonly bodyBytesMax: number;
  /** Takes one frame; a refusal ends the stream. */
  readonly take: (frame: Buffer) => Refusal | null;
}

/**
 * Every stream that is open to this member. A post a message would cost both sides an HTTP exchange for some hundred bytes: most
 * of the processor time of a write, when writes come one at a time.
 */
export class MessageStreams {
  readonly #parts: MessageStreamsParts;
  readonly #sockets = new Set<Duplex>();
  #closed = false;

  constructor(parts: MessageStreamsParts) {
    this.#parts = parts;
  }

  /** Whether a request is to switch protocols; for the server's `shouldUpgradeCallback`. */
  readonly wants = (request: IncomingMessage): boolean => !this.#closed && opensStream(request);

  /** Takes over the connection of a request that `wants` admitted. `head` is what was already read of the stream. */
  readonly accept = (_request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    if (this.#closed) {
      socket.destroy();
      return;
    }
    this.#sockets.add(socket);
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${STREAM_PROTOCOL}\r\n\r\n`,
    );
    this.#receive(socket, head);
  };

  /** Breaks every stream off and accepts no more. */
  close(): void {
    this.#closed = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  #receive(socket: Duplex, head: Buffer): void {
    const { clock, bodyBytesMax } = this.#parts;
    const cutter = new FrameCutter(bodyBytesMax);
    let received = 0;
    let receipt: Timer | null = null;
    const onData = (chunk: Buffer): void => {
      received += chunk.length;
      receipt ??= clock.setTimer(RECEIPT_DELAY_MS, () => {
        receipt = null;
        socket.write(encodeAnswer({ status: TAKEN, received, text: '' }));
      });
      cutter.push(chunk);
      const refused = this.#takeFrames(cutter);
      if (refused === null) return;
      receipt.cancel();
      socket.off('data', onData).resume();
      const status = refusalStatus(refused.reason);
      socket.end(encodeAnswer({ status, received, text: refusalBody(refused) }), () => socket.destroy());
    };
    socket.on('data', onData);
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.on('close', () => {
      receipt?.cancel();
      this.#sockets.delete(socket);
    });
    if (head.length > 0) onData(head);
  }

  #takeFrames(cutter: FrameCutter): Refusal | null {
    for (let frame = cutter.next(); frame !== null; frame = cutter.next()) {
      const refused = this.#parts.take(frame);
      if (refused !== null) return refused;
    }
    return null;
  }
}
