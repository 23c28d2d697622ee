// What HTTP's parser refuses gets the answer of every other failure, and its connection ends.

import {
  maxHeaderSize,
  STATUS_CODES,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Duplex } from 'node:stream';

import type { Clock } from '../base/clock.ts';
import { excerpt } from '../base/excerpt.ts';
import { failureText } from './answers.ts';
import type { HeadRejection } from './request-head.ts';

/**
 * A connection closed over bytes that were not read is reset, and a reset can overtake the answer. So ours ends at once, and theirs is
 * heard out for so long, milliseconds.
 */
const LINGER_MS = 500;

/** Status and sentence of a refusal. */
interface Refusal {
  readonly status: number;
  readonly message: string;
}

export interface UnreadableOptions {
  readonly clock: Clock;
  readonly requestTimeoutMs: number;
  readonly onRejected: (reason: HeadRejection) => void;
}

/** Answers a request that has a response of its own, and ends the connection. */
export function refuseRequest(response: ServerResponse, { status, message }: Refusal): void {
  const body = failureText(message);
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    Connection: 'close',
  });
  response.end(body);
}

/** Answers on connections whose bytes are no request, or no more. */
export class UnreadableRequests {
  readonly #clock: Clock;
  readonly #requestTimeoutMs: number;
  readonly #onRejected: (reason: HeadRejection) => void;
  /** The newest request of each connection: with its answer due, another one would be taken for it. */
  readonly #newest = new WeakMap<
    Duplex,
    { readonly request: IncomingMessage; readonly response: ServerResponse }
  >();
  readonly #ended = new WeakSet<Duplex>();

  constructor(server: Server, options: UnreadableOptions) {
    this.#clock = options.clock;
    this.#requestTimeoutMs = options.requestTimeoutMs;
    this.#onRejected = options.onRejected;
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.#onError(error, socket));
    server.on('connect', (_request, socket) =>
      this.#end(socket, { status: 405, message: 'CONNECT is not taken: this is no proxy' }),
    );
    server.on('checkExpectation', (_request, response: ServerResponse) =>
      refuseRequest(response, { status: 417, message: 'of the expectations only "100-continue" is met' }),
    );
  }

  /** To be told of every request. */
  saw(request: IncomingMessage, response: ServerResponse): void {
    this.#newest.set(request.socket, { request, response });
  }

  #onError(error: NodeJS.ErrnoException, socket: Duplex): void {
    if (this.#ended.has(socket)) return;
    const refusal = refusalOf(error, this.#requestTimeoutMs);
    if (refusal === null || !socket.writable || !this.#isNext(socket)) socket.destroy();
    else {
      this.#onRejected(refusal.status === 413 || refusal.status === 431 ? 'size' : 'unreadable');
      this.#end(socket, refusal);
    }
  }

  /** Whether what is written now is the answer to the bytes that could not be read. */
  #isNext(socket: Duplex): boolean {
    const newest = this.#newest.get(socket);
    if (newest === undefined || newest.response.writableFinished) return true;
    const { request, response } = newest;
    // A response without a socket waits for that of an earlier request.
    return !request.complete && !response.headersSent && response.socket !== null;
  }

  #end(socket: Duplex, { status, message }: Refusal): void {
    this.#ended.add(socket);
    const body = failureText(message);
    socket.end(
      `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\nContent-Type: application/json\r\n` +
        `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
    );
    const lingering = this.#clock.setTimer(LINGER_MS, () => socket.destroy());
    socket.on('error', () => undefined);
    socket.once('close', () => lingering.cancel());
  }
}

/** Null when the connection itself failed: nobody is there to be answered. */
function refusalOf(
  error: NodeJS.ErrnoException & { readonly reason?: unknown },
  requestTimeoutMs: number,
): Refusal | null {
  switch (error.code) {
    case 'HPE_HEADER_OVERFLOW':
      return { status: 431, message: `the header fields are larger than ${maxHeaderSize} bytes` };
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return { status: 413, message: 'the extensions of a chunk are too large' };
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, message: `the request was not whole after ${requestTimeoutMs / 1000} seconds` };
    default:
      break;
  }
  if (error.code?.startsWith('HPE_') !== true) return null;
  const reason = typeof error.reason === 'string' && error.reason !== '' ? error.reason : error.code;
  return { status: 400, message: `this is no HTTP/1.1 request (${excerpt(reason)})` };
}
