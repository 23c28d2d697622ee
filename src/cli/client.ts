// Requests to whichever controller leads: several hosts are tried, and redirects are followed to members of the group alone.

import { request } from 'node:http';
import { Readable } from 'node:stream';

import { codeOfStatus, EXIT, Failure } from './failure.ts';

export interface ClientOptions {
  /** `host:port`, at least one, each without a scheme. */
  readonly hosts: readonly string[];
  /** For one request with all its attempts, milliseconds. */
  readonly timeoutMs: number;
  /** Told every request as it is sent; for `--print-curl` and `-v`. */
  readonly onRequest?: (method: string, url: string, body: string | null) => void;
}

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** A successful answer. */
export interface Answer {
  readonly status: number;
  /** The member that gave it. */
  readonly host: string;
  /** What `data` holds. */
  readonly data: unknown;
}

/** Upstream's client and ours speak to this part of the API. */
const ROOT = '/api/v1';
const REDIRECTS_MAX = 3;
/** Between two rounds over all hosts while nobody leads, milliseconds. */
const RETRY_MS = 300;
/** To find out who belongs to the group. */
const PEERS_PATH = `${ROOT}/raft/peers`;

/** A body that is no JSON, read anew for every host that is asked. */
export interface Upload {
  /** What `--print-curl` calls it. */
  readonly file: string;
  readonly bytes: number;
  readonly open: () => Readable;
}

interface Attempt {
  readonly method: Method;
  readonly path: string;
  readonly body: string | Upload | null;
  readonly endMs: number;
  /** Nothing is changed by it, so that it can be asked again. */
  readonly isSafe: boolean;
}

/** What one member said: an answer, or that another one has to be asked. */
type Outcome =
  | { readonly kind: 'answered'; readonly response: Response; readonly host: string }
  | { readonly kind: 'next'; readonly why: string };

export class Client {
  readonly #options: ClientOptions;
  /** The members of the group, as one of the hosts told; null until somebody redirects. */
  #members: ReadonlySet<string> | null = null;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  get hosts(): readonly string[] {
    return this.#options.hosts;
  }

  /** For other hosts, or with another limit; told in the same way. */
  at(hosts: readonly string[], timeoutMs: number): Client {
    return new Client({ ...this.#options, hosts, timeoutMs });
  }

  /**
   * Asks one host after the other until one answers that can; while nobody leads, until the time is over. A request that changes something is sent again only
   * where it cannot have arrived. Throws `Failure`.
   */
  async send(method: Method, path: string, body?: object): Promise<Answer> {
    const { response, host } = await this.sendRaw(method, `${ROOT}${path}`, body);
    return answerOf(response, host);
  }

  get(path: string): Promise<Answer> {
    return this.send('GET', path);
  }

  /** The same for any path and any answer; only the way to somebody who answers is taken care of. */
  async sendRaw(
    method: Method,
    path: string,
    body?: object,
  ): Promise<{ readonly response: Response; readonly host: string }> {
    const text = body === undefined ? null : JSON.stringify(body);
    return this.#send({ method, path, body: text, endMs: this.#endMs, isSafe: method === 'GET' });
  }

  /** Posts a file to a route below the API that changes nothing. Throws `Failure`. */
  async upload(path: string, upload: Upload): Promise<Answer> {
    const { response, host } = await this.#send({
      method: 'POST',
      path: `${ROOT}${path}`,
      body: upload,
      endMs: this.#endMs,
      isSafe: true,
    });
    return answerOf(response, host);
  }

  get #endMs(): number {
    return performance.now() + this.#options.timeoutMs;
  }

  async #send(attempt: Attempt): Promise<{ readonly response: Response; readonly host: string }> {
    const { endMs } = attempt;
    let why = '';
    do {
      for (const host of this.#options.hosts) {
        const outcome = await this.#ask(host, attempt);
        if (outcome.kind === 'answered') return outcome;
        why = outcome.why;
      }
      await new Promise((resolve) =>
        setTimeout(resolve, Math.min(RETRY_MS, Math.max(0, endMs - performance.now()))),
      );
    } while (performance.now() < endMs);
    const hosts = this.#options.hosts.join(', ');
    throw new Failure(EXIT.unreachable, `${why}; asked ${hosts}`);
  }

  /** One host, and whoever it redirects to. */
  async #ask(host: string, attempt: Attempt): Promise<Outcome> {
    let at = host;
    for (let redirect = 0; redirect <= REDIRECTS_MAX; redirect += 1) {
      const response = await this.#fetch(at, attempt);
      if (typeof response === 'string') return { kind: 'next', why: response };
      if (response.status === 503 && response.headers.has('retry-after')) {
        const { message } = await parsed(response, at);
        return { kind: 'next', why: message ?? 'no leader now' };
      }
      const location = response.status === 307 ? response.headers.get('location') : null;
      if (location === null) return { kind: 'answered', response, host: at };
      await response.body?.cancel();
      at = await this.#redirected(at, location);
    }
    return { kind: 'next', why: `${host} redirects in circles` };
  }

  /** Where to go on; only to a member: whoever stands at a host's address must not send requests elsewhere. */
  async #redirected(from: string, location: string): Promise<string> {
    const { host } = new URL(location, `http://${from}`);
    if (this.#options.hosts.includes(host)) return host;
    this.#members ??= await this.#membersAt(from);
    if (this.#members.has(host)) return host;
    throw new Failure(
      EXIT.unreachable,
      `${from} redirects to ${host}, which is no member of its group: not followed`,
    );
  }

  async #membersAt(host: string): Promise<ReadonlySet<string>> {
    const asking: Attempt = { method: 'GET', path: PEERS_PATH, body: null, endMs: this.#endMs, isSafe: true };
    const response = await this.#fetch(host, asking);
    if (typeof response === 'string') throw new Failure(EXIT.unreachable, response);
    const { data } = await parsed(response, host);
    const peers = isRecord(data) && isRecord(data['peers']) ? Object.values(data['peers']) : [];
    return new Set(peers.map((peer) => (isRecord(peer) ? String(peer['addr']) : String(peer))));
  }

  /** The reason where the host cannot have taken the request; throws where it may have, and must not get it again. */
  async #fetch(host: string, attempt: Attempt): Promise<Response | string> {
    const { method, path, body, endMs, isSafe } = attempt;
    const told = body !== null && typeof body !== 'string' ? `@${body.file}` : body;
    this.#options.onRequest?.(method, `http://${host}${path}`, told);
    try {
      return await exchanged(
        host,
        attempt,
        AbortSignal.timeout(Math.max(1, Math.ceil(endMs - performance.now()))),
      );
    } catch (error) {
      const { text, isUnsent } = reasonOf(error);
      const why = `${host} cannot be reached (${text})`;
      if (isUnsent || isSafe) return why;
      throw new Failure(
        EXIT.unknown,
        `${host} was asked and has not answered (${text}): it may have been done, look before you ask again`,
      );
    }
  }
}

/** One exchange on a connection of its own. Not the platform's `fetch`: that refuses some ports, and takes longer to load than all of kvctl. */
function exchanged(host: string, { method, path, body }: Attempt, signal: AbortSignal): Promise<Response> {
  return new Promise((resolve, reject) => {
    const asked = request(`http://${host}${path}`, {
      method,
      signal,
      agent: false,
      headers: {
        accept: 'application/json',
        ...(body === null ? {} : bodyHeaders(body)),
      },
    });
    asked.once('error', reject);
    asked.once('response', (message) => {
      const headers = new Headers();
      for (const [name, value] of Object.entries(message.headers)) headers.set(name, String(value));
      const status = message.statusCode ?? 500;
      const isEmpty = status === 204 || status === 304;
      if (isEmpty) message.resume();
      resolve(new Response(isEmpty ? null : Readable.toWeb(message), { status, headers }));
    });
    if (body === null || typeof body === 'string') asked.end(body ?? undefined);
    else
      body
        .open()
        .once('error', (error) => asked.destroy(error))
        .pipe(asked);
  });
}

function bodyHeaders(body: string | Upload): Readonly<Record<string, string | number>> {
  return typeof body === 'string'
    ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    : { 'content-type': 'application/octet-stream', 'content-length': body.bytes };
}

/** Codes of failures before a request is sent. */
const UNSENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ERR_INVALID_URL',
]);

function reasonOf(error: unknown): { readonly text: string; readonly isUnsent: boolean } {
  const code = isRecord(error) && typeof error['code'] === 'string' ? error['code'] : '';
  if (code === 'ABORT_ERR') return { text: 'no answer in time', isUnsent: false };
  const text = error instanceof Error && error.message !== '' ? error.message : code;
  return { text, isUnsent: UNSENT.has(code) };
}

/** Throws `Failure` for an answer that is none of success. */
async function answerOf(response: Response, host: string): Promise<Answer> {
  const answer = await parsed(response, host);
  if (response.status < 400) return { status: response.status, host, data: answer.data };
  throw new Failure(codeOfStatus(response.status), answer.message ?? `HTTP ${response.status}`);
}

/** The envelope of an answer; whoever answers anything else is no controller. */
async function parsed(
  response: Response,
  host: string,
): Promise<{ readonly data: unknown; readonly message: string | null }> {
  let body: unknown;
  try {
    body = await response.json();
  } catch (error) {
    throw new Failure(
      EXIT.unreachable,
      `${host} answers, but is no Kvrocks controller: what it said is no JSON (HTTP ${response.status})`,
      { cause: error },
    );
  }
  const failed = isRecord(body) ? body['error'] : undefined;
  if (isRecord(failed)) return { data: null, message: String(failed['message']) };
  if (isRecord(body) && 'data' in body) return { data: body['data'], message: null };
  throw new Failure(
    EXIT.unreachable,
    `${host} answers, but is no Kvrocks controller (HTTP ${response.status})`,
  );
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
