// The way in for messages: connections that switched from HTTP to frames, and how many of whom.

import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

import type { MemberId } from '../core/types.ts';
import type { FrameHead } from './frame.ts';
import { InboundStream, type InboundStreamParts } from './inbound-stream.ts';
import { refusal } from './refusals.ts';
import { StreamPlaces } from './stream-places.ts';
import { opensStream, STREAM_PROTOCOL } from './stream-wire.ts';

/** Streams that have not said yet who is at the other end; each has a second for it. */
const STRANGERS_MAX = 64;
/** Streams of one member. Two are in use; the rest is for those that it left behind and nobody has missed yet. */
const STREAMS_PER_MEMBER_MAX = 4;
/** Streams of senders that this member does not know, all of them together: one that lags hears newer members, two streams each. */
const GUESTS_MAX = 8;

type Places = StreamPlaces<InboundStream>;

export interface MessageStreamsParts extends Omit<InboundStreamParts, 'onSpoken'> {
  /** Whether the membership has this sender, on that data directory. */
  readonly knows: (head: FrameHead) => boolean;
}

/**
 * Every stream that is open to this member. A post a message would cost both sides an HTTP exchange for some hundred bytes: most
 * of the processor time of a write, when writes come one at a time. Each member has places of its own, so that neither strangers nor
 * other members ever take them.
 */
export class MessageStreams {
  readonly #parts: MessageStreamsParts;
  readonly #strangers: Places = new StreamPlaces(STRANGERS_MAX);
  readonly #guests: Places = new StreamPlaces(GUESTS_MAX);
  readonly #members = new Map<MemberId, Places>();
  /** Of each open stream; null for one that has lost its place and is about to end. */
  readonly #placesOf = new Map<InboundStream, Places | null>();
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
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${STREAM_PROTOCOL}\r\n\r\n`,
    );
    const parts = { ...this.#parts, onSpoken: (spoken: FrameHead) => this.#spoken(stream, spoken) };
    const stream: InboundStream = new InboundStream(socket, parts, () => this.#leave(stream));
    this.#seat(stream, this.#strangers, 'that have not said whose they are');
    stream.begin(head);
  };

  /** Breaks every stream off and accepts no more. */
  close(): void {
    this.#closed = true;
    for (const stream of this.#placesOf.keys()) stream.destroy();
  }

  /** The stream speaks for this sender: in names, as members do not authenticate each other yet. */
  #spoken(stream: InboundStream, head: FrameHead): void {
    if (!this.#parts.knows(head)) {
      this.#seat(stream, this.#guests, 'of senders that are unknown here');
      return;
    }
    const { from } = head;
    const places = this.#members.get(from) ?? new StreamPlaces(STREAMS_PER_MEMBER_MAX);
    this.#members.set(from, places);
    this.#seat(stream, places, `of member ${from}`);
  }

  #seat(stream: InboundStream, places: Places, whose: string): void {
    const before = this.#placesOf.get(stream);
    if (before !== places) before?.leave(stream);
    this.#placesOf.set(stream, places);
    const evicted = places.take(stream);
    if (evicted === null) return;
    this.#placesOf.set(evicted, null);
    evicted.refuse(refusal('tooManyStreams', `more than ${places.size} ${whose}`));
  }

  #leave(stream: InboundStream): void {
    this.#placesOf.get(stream)?.leave(stream);
    this.#placesOf.delete(stream);
    for (const [member, places] of this.#members) if (places.size === 0) this.#members.delete(member);
  }
}
