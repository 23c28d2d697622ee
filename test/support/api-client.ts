// A client of the HTTP API as people write them: any member will do, redirects are followed.

import type { Readable } from 'node:stream';

import { Agent, request } from 'undici';

import { checkDocumented } from './documented.ts';
import { lookupForTests } from './test-names.ts';
import { pause } from './wait-until.ts';

/** Redirects followed in a row, at most. */
const REDIRECTS_MAX = 5;
const TIMEOUT_MS = 40_000;
const NO_LEADER = 'no leader now, please retry later';
const RETRY_MS = 50;

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
  /** The parsed body; undefined when it is not JSON. */
  readonly body: any; // oxlint-disable-line typescript/no-explicit-any -- tests look into answers of every shape
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is, in chunks when it is a stream; objects go as JSON through `body`. */
  readonly rawBody?: string | Uint8Array | (() => Readable);
  readonly body?: unknown;
  readonly followRedirects?: boolean;
}

/** Sends requests to a base address such as `http://127.0.0.1:9379`. Call `close` when done. */
export class ApiClient {
  readonly #agent = new Agent({
    connections: 128,
    pipelining: 1,
    keepAliveTimeout: 1000,
    connect: { lookup: lookupForTests },
  });
  readonly #bases: () => readonly string[];
  /** How long a request is repeated while there is no leader, as that answer asks for. */
  readonly #retryMs: number;

  constructor(bases: () => readonly string[], options: { readonly retryMs?: number } = {}) {
    this.#bases = bases;
    this.#retryMs = options.retryMs ?? 30_000;
  }

  async get(path: string, options: RequestOptions = {}): Promise<Answer> {
    return this.send('GET', path, options);
  }

  async post(path: string, body?: unknown, options: RequestOptions = {}): Promise<Answer> {
    return this.send('POST', path, { body, ...options });
  }

  async put(path: string, body: unknown): Promise<Answer> {
    return this.send('PUT', path, { body });
  }

  async delete(path: string, body?: unknown, options: RequestOptions = {}): Promise<Answer> {
    return this.send('DELETE', path, { body, ...options });
  }

  /**
   * Asks one member after the other while they refuse connections or know no leader: in both cases nothing was done. A GET is
   * also repeated when its outcome is not known, as a leader that cannot reach its followers in time answers. Any other answer,
   * and any other failure, is the caller's.
   */
  async send(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    const endMs = performance.now() + this.#retryMs;
    for (let attempt = 0; ; attempt += 1) {
      const bases = this.#bases();
      const base = bases[attempt % Math.max(1, bases.length)];
      const isLast = performance.now() >= endMs;
      if (base !== undefined) {
        try {
          const answer = await this.sendTo(base, method, path, options);
          if (isLast || !isToBeRepeated(method, answer)) return answer;
        } catch (error) {
          if (isLast || !isRefusedConnection(error)) throw error;
        }
      } else if (isLast) throw new Error('no member to ask');
      await pause(RETRY_MS);
    }
  }

  /** One request to one member, with redirects followed unless told otherwise. Nothing is repeated. */
  async sendTo(base: string, method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
    let url = base + path;
    for (let hop = 0; ; hop += 1) {
      const answer = await this.#sendOnce(url, method, options);
      const { location } = answer.headers;
      if (answer.status !== 307 || options.followRedirects === false) return answer;
      if (typeof location !== 'string' || hop >= REDIRECTS_MAX)
        throw new Error(`${method} ${path}: redirect ${hop + 1} to ${String(location)}`);
      url = location;
    }
  }

  /** The bytes behind `url`, redirects followed, and the name the server proposes for them. */
  async download(url: string): Promise<{ readonly content: Buffer; readonly disposition: string }> {
    const response = await request(url, { dispatcher: this.#agent, bodyTimeout: TIMEOUT_MS });
    const content = Buffer.from(await response.body.arrayBuffer());
    const { location } = response.headers;
    if (response.statusCode === 307 && typeof location === 'string') return this.download(location);
    if (response.statusCode !== 200) throw new Error(`${url}: ${response.statusCode} ${content.toString()}`);
    return { content, disposition: String(response.headers['content-disposition']) };
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #sendOnce(url: string, method: string, options: RequestOptions): Promise<Answer> {
    const { body } = options;
    const hasJson = body !== undefined && options.rawBody === undefined;
    const response = await request(url, {
      method,
      dispatcher: this.#agent,
      headers: { ...(hasJson ? { 'content-type': 'application/json' } : {}), ...options.headers },
      body: hasJson ? JSON.stringify(body) : rawBodyOf(options),
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
    });
    const text = await response.body.text();
    const contentType = response.headers['content-type'];
    checkDocumented({
      method,
      target: url.slice(new URL(url).origin.length),
      sent: hasJson ? body : undefined,
      status: response.statusCode,
      contentType: typeof contentType === 'string' ? contentType : null,
      text,
    });
    return { status: response.statusCode, headers: response.headers, text, body: parsed(text) };
  }
}

/** A stream can be sent once only, hence made anew for every redirect. */
function rawBodyOf({ rawBody }: RequestOptions): string | Uint8Array | Readable | null {
  return typeof rawBody === 'function' ? rawBody() : (rawBody ?? null);
}

function isToBeRepeated(method: string, answer: Answer): boolean {
  if (method === 'GET' && answer.status === 504) return true;
  return answer.status === 503 && answer.body?.error?.message === NO_LEADER;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isRefusedConnection(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED';
}
