// Requests byte by byte, for what no proper client would send.

import { connect, type Socket } from 'node:net';

import { notYet, waitUntil } from './wait-until.ts';

/** One answer as it came over the wire. */
export interface RawAnswer {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** A connection on which anything can be said. Its end, proper or not, is `isClosed`. */
export class RawHttp {
  readonly #socket: Socket;
  #received = '';
  #isClosed = false;

  constructor(port: number, host = '127.0.0.1') {
    this.#socket = connect({ port, host });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => {
      this.#received += text;
    });
    this.#socket.on('error', () => undefined);
    this.#socket.on('end', () => {
      this.#isClosed = true;
    });
    this.#socket.on('close', () => {
      this.#isClosed = true;
    });
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Everything received so far. */
  get text(): string {
    return this.#received;
  }

  send(bytes: string | Uint8Array): this {
    this.#socket.write(bytes);
    return this;
  }

  /** Leaves without a word. */
  leave(): void {
    this.#socket.resetAndDestroy();
  }

  /** The first `count` answers, once they are here. */
  async answers(count = 1): Promise<readonly RawAnswer[]> {
    return waitUntil(
      `${count} answers`,
      () => {
        const found = parseAnswers(this.#received);
        return found.length >= count ? found : notYet(this.#received);
      },
      { intervalMs: 5 },
    );
  }

  /** All that was answered when the other side has closed. */
  async closed(): Promise<readonly RawAnswer[]> {
    await waitUntil('the other side to close', () => this.#isClosed || notYet(this.#received), {
      intervalMs: 5,
    });
    this.#socket.destroy();
    return parseAnswers(this.#received);
  }
}

/** Answers with a length or in chunks, as many as are whole; those to HEAD are not for this. */
function parseAnswers(text: string): readonly RawAnswer[] {
  const answers: RawAnswer[] = [];
  let rest = text;
  for (;;) {
    const headEnd = rest.indexOf('\r\n\r\n');
    if (headEnd === -1) return answers;
    const [statusLine = '', ...lines] = rest.slice(0, headEnd).split('\r\n');
    const status = Number(statusLine.split(' ')[1]);
    const headers = new Map(
      lines.map((line) => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
      }),
    );
    const behind = rest.slice(headEnd + 4);
    const taken =
      headers.get('transfer-encoding') === 'chunked' ? chunkedBody(behind) : plainBody(behind, headers);
    if (taken === null) return answers;
    answers.push({ status, headers, body: taken.body });
    rest = behind.slice(taken.length);
  }
}

interface Taken {
  readonly body: string;
  /** Characters it took on the wire. */
  readonly length: number;
}

function plainBody(text: string, headers: ReadonlyMap<string, string>): Taken | null {
  const length = Number(headers.get('content-length') ?? 0);
  return text.length < length ? null : { body: text.slice(0, length), length };
}

function chunkedBody(text: string): Taken | null {
  let body = '';
  let position = 0;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', position);
    if (lineEnd === -1) return null;
    const bytes = Number.parseInt(text.slice(position, lineEnd), 16);
    const next = lineEnd + 2 + bytes + 2;
    if (text.length < next) return null;
    if (bytes === 0) return { body, length: next };
    body += text.slice(lineEnd + 2, next - 2);
    position = next;
  }
}
