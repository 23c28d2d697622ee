// The way in for messages: connections that switched from HTTP to frames.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import { InboundStream, type InboundStreamParts } from './inbound-stream.ts';
import { refusal, refusalBody } from './refusals.ts';
import { opensStream, STREAM_PROTOCOL } from './stream-wire.ts';

/** Open streams, at most. Two a peer are in use; the rest is for those that a peer left behind and nobody has missed yet. */
const STREAMS_MAX = 64;

/**
 * Every stream that is open to this member. A post a message would cost both sides an HTTP exchange for some hundred bytes: most
 * of the processor time of a write, when writes come one at a time.
 */
export class MessageStreams {
  readonly #parts: InboundStreamParts;
  readonly #streams = new Set<InboundStream>();
  #closed = false;

  constructor(parts: InboundStreamParts) {
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
    if (this.#streams.size >= STREAMS_MAX) {
      this.#turnAway(socket);
      return;
    }
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${STREAM_PROTOCOL}\r\n\r\n`,
    );
    const stream = new InboundStream(socket, this.#parts, () => this.#streams.delete(stream));
    this.#streams.add(stream);
    stream.begin(head);
  };

  /** Breaks every stream off and accepts no more. */
  close(): void {
    this.#closed = true;
    for (const stream of this.#streams) stream.destroy();
  }

  #turnAway(socket: Duplex): void {
    const refused = refusal('tooManyStreams', `${STREAMS_MAX} are open`);
    const body = refusalBody(refused);
    socket.on('error', () => socket.destroy());
    socket.end(
      `HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
      () => socket.destroy(),
    );
    this.#parts.onRefused(refused);
  }
}
