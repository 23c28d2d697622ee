// A plain RESP connection for tests: exact bytes of each reply, in order, with a deadline.

import { connect, type Socket } from 'node:net';

import { lookupForTests } from './test-names.ts';

/** A decoded reply. Errors inside arrays are `KvrocksReplyError` values; at the top they are thrown. */
export type KvrocksReply = string | number | null | KvrocksReplyError | readonly KvrocksReply[];

/** The node answered with an error; `message` is the whole text, code first. */
export class KvrocksReplyError extends Error {
  override readonly name = 'KvrocksReplyError';
}

/** The connection could not be made, ended, or gave no answer in time: what became of the command is unknown. */
export class KvrocksConnectionError extends Error {
  override readonly name = 'KvrocksConnectionError';
}

interface Waiting {
  readonly resolve: (raw: string) => void;
  readonly reject: (cause: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export interface RespClientOptions {
  readonly host: string;
  readonly port: number;
  /** How long one command, or making the connection, may take, in ms. SETNODES may take over 10 s (facts section 3.6). */
  readonly timeoutMs: number;
}

export class RespClient {
  readonly #socket: Socket;
  readonly #timeoutMs: number;
  readonly #waiting: Waiting[] = [];
  #received = '';
  #closed = false;
  #onClose: () => void = () => undefined;

  private constructor(socket: Socket, timeoutMs: number) {
    this.#socket = socket;
    this.#timeoutMs = timeoutMs;
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => this.#fail('connection closed by the node'));
  }

  static async open(options: RespClientOptions): Promise<RespClient> {
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: options.host,
        port: options.port,
        noDelay: true,
        lookup: lookupForTests,
      });
      const refused = (cause: Error): void => {
        clearTimeout(timer);
        reject(new KvrocksConnectionError(cause.message));
      };
      const timer = setTimeout(() => {
        socket.destroy(new Error(`no connection within ${options.timeoutMs} ms`));
      }, options.timeoutMs);
      socket.once('error', refused);
      socket.once('connect', () => {
        clearTimeout(timer);
        socket.off('error', refused);
        resolve(new RespClient(socket, options.timeoutMs));
      });
    });
  }

  /** `callback` is called once, at once if the connection is gone already. */
  onClose(callback: () => void): void {
    if (this.#closed) callback();
    else this.#onClose = callback;
  }

  /** Sends one command; the result is the reply's bytes as a latin1 string. */
  async raw(args: readonly string[]): Promise<string> {
    if (this.#closed) throw new KvrocksConnectionError('connection closed');
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#fail(`no answer to ${args[0]} within ${this.#timeoutMs} ms`);
        this.#socket.destroy();
      }, this.#timeoutMs);
      this.#waiting.push({ resolve, reject, timer });
      const parts = args.map((arg) => `$${arg.length}\r\n${arg}\r\n`);
      this.#socket.write(`*${args.length}\r\n${parts.join('')}`, 'latin1');
    });
  }

  /** Sends one command and decodes the reply; an error reply is thrown as `KvrocksReplyError`. */
  async command(args: readonly string[]): Promise<KvrocksReply> {
    const decoded = readReply(await this.raw(args), 0)?.value ?? null;
    if (decoded instanceof KvrocksReplyError) throw decoded;
    return decoded;
  }

  close(): void {
    this.#fail('connection closed by the test');
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#received += chunk.toString('latin1');
    for (;;) {
      const reply = readReply(this.#received, 0);
      if (reply === null) return;
      const raw = this.#received.slice(0, reply.end);
      this.#received = this.#received.slice(reply.end);
      const waiting = this.#waiting.shift();
      if (waiting === undefined) continue;
      clearTimeout(waiting.timer);
      waiting.resolve(raw);
    }
  }

  #fail(reason: string): void {
    if (!this.#closed) {
      this.#closed = true;
      this.#onClose();
    }
    for (const { reject, timer } of this.#waiting.splice(0)) {
      clearTimeout(timer);
      reject(new KvrocksConnectionError(reason));
    }
  }
}

/** The reply that starts at `offset`, RESP2 or RESP3, and where it ends; null when it is not complete. */
function readReply(
  text: string,
  offset: number,
): { readonly value: KvrocksReply; readonly end: number } | null {
  const lineEnd = text.indexOf('\r\n', offset);
  if (lineEnd === -1) return null;
  const head = text.slice(offset + 1, lineEnd);
  const end = lineEnd + 2;
  switch (text.charAt(offset)) {
    case '+':
      return { value: head, end };
    case '-':
      return { value: new KvrocksReplyError(head), end };
    case ':':
      return { value: Number(head), end };
    case '_':
      return { value: null, end };
    case '$':
    case '=':
      return readBulk(text, end, { length: Number(head), verbatim: text.charAt(offset) === '=' });
    case '*':
      return readItems(text, end, Number(head));
    case '%':
      return readItems(text, end, Number(head) * 2);
    default:
      throw new KvrocksConnectionError(`not RESP: ${text.slice(offset, offset + 40)}`);
  }
}

function readBulk(
  text: string,
  start: number,
  { length, verbatim }: { readonly length: number; readonly verbatim: boolean },
): { readonly value: KvrocksReply; readonly end: number } | null {
  if (length < 0) return { value: null, end: start };
  const end = start + length + 2;
  if (text.length < end) return null;
  return { value: text.slice(verbatim ? start + 4 : start, start + length), end };
}

function readItems(
  text: string,
  start: number,
  count: number,
): { readonly value: KvrocksReply; readonly end: number } | null {
  if (count < 0) return { value: null, end: start };
  const items: KvrocksReply[] = [];
  let end = start;
  for (let index = 0; index < count; index += 1) {
    const item = readReply(text, end);
    if (item === null) return null;
    items.push(item.value);
    end = item.end;
  }
  return { value: items, end };
}
