// One request as a client of the API sends it: follows redirects, and says honestly whether it may have had an effect.

import { Agent, errors } from 'undici';

/** How a request ended. */
export type Answer =
  | { readonly kind: 'answered'; readonly status: number; readonly text: string }
  /** It certainly did not reach a server. */
  | { readonly kind: 'notSent'; readonly reason: string }
  /** Sent, perhaps, and not answered: whether it had an effect is not known. */
  | { readonly kind: 'lost'; readonly reason: string };

export interface Call {
  readonly method: 'GET' | 'POST' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
}

/** More would be a circle. */
const REDIRECTS_MAX = 5;
const CONNECT_TIMEOUT_MS = 1000;
/** Errors of a connection that never came to be. */
const NOT_SENT_CODES: ReadonlySet<unknown> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Connections of its own, so that one client's trouble is not another's. */
export class HttpClient {
  readonly #agent: Agent;
  readonly #timeoutMs: number;

  /** `timeoutMs` is the time for the whole answer of each server asked. */
  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
    this.#agent = new Agent({ connect: { timeout: CONNECT_TIMEOUT_MS }, pipelining: 1 });
  }

  /** Asks the member at `url`, then whomever it redirects to. Never rejects. */
  async send(url: string, call: Call): Promise<Answer> {
    let target = url + call.path;
    for (let hop = 0; hop <= REDIRECTS_MAX; hop += 1) {
      const { answer, location } = await this.#once(target, call);
      if (location === null) return answer;
      target = location;
    }
    return { kind: 'notSent', reason: `redirected more than ${REDIRECTS_MAX} times` };
  }

  async close(): Promise<void> {
    await this.#agent.destroy();
  }

  async #once(
    target: string,
    { method, body }: Call,
  ): Promise<{ readonly answer: Answer; readonly location: string | null }> {
    const { origin, pathname, search } = new URL(target);
    try {
      const response = await this.#agent.request({
        origin,
        path: pathname + search,
        method,
        signal: AbortSignal.timeout(this.#timeoutMs),
        ...(body === undefined
          ? {}
          : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
      const text = await response.body.text();
      const { location } = response.headers;
      const answer: Answer = { kind: 'answered', status: response.statusCode, text };
      return {
        answer,
        location: response.statusCode === 307 && typeof location === 'string' ? location : null,
      };
    } catch (error) {
      return { answer: failure(error), location: null };
    }
  }
}

function failure(error: unknown): Answer {
  if (!(error instanceof Error)) return { kind: 'lost', reason: String(error) };
  const code: unknown = 'code' in error ? error.code : null;
  const reason = typeof code === 'string' ? `${code}: ${error.message}` : error.message;
  const isNotSent = error instanceof errors.ConnectTimeoutError || NOT_SENT_CODES.has(code);
  return { kind: isNotSent ? 'notSent' : 'lost', reason };
}
