// A lean HTTP/1.1 client for load generation: one kept-alive connection, one request under way, no stream a request.

import { connect, type Socket } from 'node:net';

export interface RawAnswer {
  readonly status: number;
  /** The whole answer, head and body, as Latin-1 text. */
  readonly text: string;
}

const HEAD_END = '\r\n\r\n';
/** How a chunked body ends when no trailers follow. */
const CHUNKS_END = '\r\n0\r\n\r\n';

/**
 * Sends one request at a time and calls back with the answer. Bodies must come with `Content-Length` or chunked without trailers.
 * Anything else, and a connection that ends early, is reported as status 0; the next request connects anew.
 */
export class RawConnection {
  readonly #host: string;
  readonly #port: number;
  #socket: Socket | null = null;
  #received = '';
  #done: ((answer: RawAnswer) => void) | null = null;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  /** `done` is called once, never from inside this call. */
  send(request: string, done: (answer: RawAnswer) => void): void {
    this.#done = done;
    this.#received = '';
    this.#socket ??= this.#connect();
    this.#socket.write(request, 'latin1');
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = null;
  }

  #connect(): Socket {
    const socket = connect({ host: this.#host, port: this.#port, noDelay: true });
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#take(text));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#settle(0);
    });
    return socket;
  }

  #take(text: string): void {
    this.#received += text;
    if (isWhole(this.#received)) this.#settle(Number(this.#received.slice(9, 12)));
  }

  #settle(status: number): void {
    const done = this.#done;
    this.#done = null;
    done?.({ status, text: this.#received });
  }
}

function isWhole(text: string): boolean {
  const head = text.indexOf(HEAD_END);
  if (head === -1) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text);
  if (length !== null) return text.length >= head + HEAD_END.length + Number(length[1]);
  return text.endsWith(CHUNKS_END);
}

/** The bytes of one request as text. `body` is empty for requests without one. */
export function requestText(method: string, path: string, host: string, body: string): string {
  const head = `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n`;
  if (body === '') return `${head}\r\n`;
  return `${head}Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}
