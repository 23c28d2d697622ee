// One connection to one peer that carries frames and nothing else, once it has switched from HTTP to them.

import { request as httpRequest, type ClientRequest } from 'node:http';
import type { LookupFunction } from 'node:net';
import type { Duplex } from 'node:stream';

import type { Clock, Timer } from '../../base/clock.ts';
import { setDeadline } from './deadline.ts';
import type { PeerOrigin } from './peer-address.ts';
import {
  AnswerReader,
  KEEP_ALIVE_MS,
  STREAM_PATH,
  STREAM_PROTOCOL,
  TAKEN,
  type StreamAnswer,
} from './stream-wire.ts';

/**
 * The slowest way to a peer that still counts as one: 1 MiB/s. What is written may take that long to arrive, and as long as what
 * was written before it. With a deadline that ignores size, an entry too large for it could never be replicated, nor anything
 * behind it, while heartbeats keep the lead alive.
 */
const BYTES_PER_MS_MIN = (1024 * 1024) / 1000;

export interface FrameStreamOptions {
  readonly origin: PeerOrigin;
  /** Milliseconds until the connection must stand, and until what was written must have been received; time to send comes on top. */
  readonly deadlineMs: number;
}

export interface FrameStreamParts {
  readonly clock: Clock;
  /** Finds the address of the peer's host name, without the threads that the log writes with. */
  readonly lookup: LookupFunction;
  /** More can be written: the connection stands, or has sent what it held. */
  readonly onWritable: () => void;
  /** The peer has taken everything up to some point. */
  readonly onTaken: () => void;
  /**
   * Called once, unless `destroy` came before. Nothing can be written any more. `status` is that of a refusal by a member of the
   * cluster that these frames name: members refuse any other frame before they look at its sender. In all other cases it is 0.
   */
  readonly onEnd: (end: { readonly status: number; readonly reason: string }) => void;
}

/** Bytes written up to some moment whose receipt is awaited; `timer` ends the connection. */
interface Mark {
  readonly offset: number;
  readonly timer: Timer;
}

type Way =
  | { readonly kind: 'connecting'; readonly request: ClientRequest; readonly timer: Timer }
  | { readonly kind: 'open'; readonly socket: Duplex }
  | { readonly kind: 'ended' };

/** Connects at once. One of a kind: after its end a new one is made. */
export class FrameStream {
  readonly #options: FrameStreamOptions;
  readonly #parts: FrameStreamParts;
  readonly #answers = new AnswerReader();
  #way: Way;
  #written = 0;
  #mark: Mark | null = null;
  #whenGone: Promise<void> = Promise.resolve();

  constructor(options: FrameStreamOptions, parts: FrameStreamParts) {
    this.#options = options;
    this.#parts = parts;
    this.#way = this.#connect();
  }

  /** False while connecting, and while the connection holds as much as it should. */
  get isWritable(): boolean {
    return this.#way.kind === 'open' && !this.#way.socket.writableNeedDrain;
  }

  /** True when the receipt of everything written is confirmed. */
  get isIdle(): boolean {
    return this.#way.kind === 'ended' || (this.#way.kind === 'open' && this.#mark === null);
  }

  /** Only when `isWritable`. The bytes must not be changed afterwards. */
  write(frame: Buffer): void {
    if (this.#way.kind !== 'open') return;
    this.#written += frame.length;
    this.#way.socket.write(frame);
    if (this.#mark === null) this.#setMark(frame.length);
  }

  /** Breaks the connection off; resolves when it is gone. No callback comes any more. */
  async destroy(): Promise<void> {
    this.#leave();
    await this.#whenGone;
  }

  #connect(): Way {
    const { origin, deadlineMs } = this.#options;
    const headers = { Connection: 'Upgrade', Upgrade: STREAM_PROTOCOL };
    const { lookup } = this.#parts;
    const request = httpRequest(`${origin}${STREAM_PATH}`, { agent: false, headers, lookup });
    const timer = setDeadline(this.#parts.clock, deadlineMs, () => this.#end(0, 'deadline passed'));
    request.setNoDelay(true);
    request.setSocketKeepAlive(true, KEEP_ALIVE_MS);
    request.on('error', (error) => this.#end(0, error.message));
    request.on('response', (response) => {
      response.resume();
      // Not by a program that speaks this protocol, so its status says nothing about this member.
      this.#end(0, `answered ${response.statusCode ?? 0}`);
    });
    request.on('upgrade', (response, socket: Duplex, head: Buffer) => {
      timer.cancel();
      if (response.headers.upgrade !== STREAM_PROTOCOL) this.#end(0, 'switched to another protocol');
      if (this.#way.kind === 'connecting') this.#open(socket, head);
      else socket.destroy();
    });
    request.end();
    this.#whenGone = new Promise((resolve) => {
      request.once('close', resolve);
    });
    return { kind: 'connecting', request, timer };
  }

  #open(socket: Duplex, head: Buffer): void {
    this.#way = { kind: 'open', socket };
    this.#whenGone = new Promise((resolve) => {
      socket.once('close', () => resolve());
    });
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('drain', () => {
      if (this.#way.kind === 'open') this.#parts.onWritable();
    });
    socket.on('error', (error) => this.#end(0, error.message));
    socket.on('end', () => this.#end(0, 'the peer closed the connection'));
    socket.on('close', () => this.#end(0, 'the connection was closed'));
    if (head.length > 0) this.#take(head);
    if (this.#way.kind === 'open') this.#parts.onWritable();
  }

  #take(chunk: Buffer): void {
    for (const answer of this.#answers.push(chunk)) {
      if (this.#way.kind !== 'open') return;
      this.#answered(answer);
    }
  }

  #answered({ status, received, text }: StreamAnswer): void {
    if (status !== TAKEN) {
      this.#end(status, `answered ${status} ${text}`);
      return;
    }
    if (this.#mark !== null && received >= this.#mark.offset) {
      this.#mark.timer.cancel();
      this.#mark = null;
      if (this.#written > received) this.#setMark(this.#written - received);
    }
    this.#parts.onTaken();
  }

  /** One mark at a time: once its bytes are confirmed, the next covers everything written meanwhile. */
  #setMark(unconfirmedBytes: number): void {
    const deadlineMs = this.#options.deadlineMs + unconfirmedBytes / BYTES_PER_MS_MIN;
    const timer = setDeadline(this.#parts.clock, deadlineMs, () => this.#end(0, 'deadline passed'));
    this.#mark = { offset: this.#written, timer };
  }

  #end(status: number, reason: string): void {
    if (this.#way.kind === 'ended') return;
    this.#leave();
    this.#parts.onEnd({ status, reason });
  }

  #leave(): void {
    const way = this.#way;
    this.#way = { kind: 'ended' };
    this.#mark?.timer.cancel();
    this.#mark = null;
    if (way.kind === 'connecting') {
      way.timer.cancel();
      way.request.destroy();
    }
    if (way.kind === 'open') way.socket.destroy();
  }
}
