// Clients that create, delete, look for and list namespaces at random members, and the history of what they were told.

import { setTimeout as sleep } from 'node:timers/promises';

import { type Random, randomBelow } from '../../src/base/random.ts';
import type { Operation } from '../../test/support/linearizability/history.ts';
import type { ExistenceInput, ExistenceOutput } from '../../test/support/linearizability/models.ts';
import { type Answer, type Call, HttpClient } from './http-client.ts';

export type ExistenceOperation = Operation<ExistenceInput, ExistenceOutput>;

export interface WorkloadOptions {
  readonly urls: readonly string[];
  readonly random: Random;
  /** A client asks once more after a refusal, as long as that asks it to wait. */
  readonly retriesRefusals: boolean;
}

/** What became of the requests. */
export interface Counts {
  readonly answered: number;
  /** Certainly without effect: 503, 429, no connection. */
  readonly refused: number;
  readonly unknown: number;
  /** Of all these, asked once more after a first refusal. */
  readonly retried: number;
}

const CLIENT_COUNT = 8;
/** Few, so that clients meet. */
const NAMES = ['amber', 'basalt', 'cobalt', 'dolomite', 'emerald'] as const;
/** Kinds of trouble told apart. */
const TROUBLES_MAX = 20;
const PROBE_NAME = 'probe';
/** Shorter than the faults, so that clients give up on members that hang and go on. */
const TIMEOUT_MS = 2000;
const THINK_MS_MAX = 20;
/** What `Retry-After` of a 503 asks for. */
const RETRY_AFTER_MS = 1000;
/** After a refusal in vain, so that a group without a leader is not flooded. */
const REFUSED_PAUSE_MS = 50;

/** Of 100 requests. */
const SHARES = { create: 35, delete: 30, get: 25 } as const;

const ANSWERS: Record<ExistenceInput, ReadonlyMap<number, ExistenceOutput>> = {
  create: new Map([
    [201, 'created'],
    [409, 'exists'],
  ]),
  delete: new Map([
    [200, 'deleted'],
    [404, 'missing'],
  ]),
  get: new Map([
    [200, 'present'],
    [404, 'absent'],
  ]),
};

/** Runs from `start` to `stop`. Times are milliseconds of this process's monotonic clock. */
export class Workload {
  readonly history: ExistenceOperation[] = [];
  /** Answers that the API never gives: each is a violation. */
  readonly unexpected: string[] = [];
  readonly #options: WorkloadOptions;
  readonly #clients: readonly HttpClient[];
  readonly #troubles = new Map<string, number>();
  readonly #counts = { answered: 0, refused: 0, unknown: 0, retried: 0 };
  /** When writes were acknowledged. */
  readonly #writeTimes: number[] = [];
  #running: Promise<unknown> | null = null;
  #isStopping = false;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#clients = Array.from({ length: CLIENT_COUNT }, () => new HttpClient(TIMEOUT_MS));
  }

  get counts(): Counts {
    return { ...this.#counts };
  }

  /** Refusals and unknown outcomes in words, each with how often it came. */
  get troubles(): readonly string[] {
    return [...this.#troubles].map(([trouble, count]) => `${count}x ${trouble}`);
  }

  /** Longest time without an acknowledged write, milliseconds; infinite when there were fewer than two. */
  get longestWriteGapMs(): number {
    const times = this.#writeTimes.toSorted((left, right) => left - right);
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? time));
    return gaps.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...gaps);
  }

  start(): void {
    this.#running = Promise.all(this.#clients.map(async (http, client) => this.#loop(http, client)));
  }

  /** Resolves when every client has its last answer. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running;
  }

  /** Reads every name at every member, as part of the history. Call when the clients rest. */
  async readAll(): Promise<void> {
    const [http] = this.#clients;
    if (http === undefined) return;
    for (const url of this.#options.urls) {
      for (const name of NAMES) await this.#ask(http, { client: 0, url, input: 'get', name });
      await this.#list(http, { client: 0, url });
    }
  }

  /** Creates, finds and deletes a name that nobody else uses: the group takes writes. Call when the clients rest. */
  async probe(): Promise<void> {
    const [http] = this.#clients;
    if (http === undefined) return;
    for (const input of ['create', 'get', 'delete', 'get'] as const)
      await this.#ask(http, { client: 0, url: this.#anyUrl(), input, name: PROBE_NAME });
  }

  async close(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#clients.map(async (http) => http.close()));
    await this.#running;
  }

  async #loop(http: HttpClient, client: number): Promise<void> {
    const { random } = this.#options;
    while (!this.#isStopping) {
      const url = this.#anyUrl();
      const name = NAMES[randomBelow(random, NAMES.length)] ?? NAMES[0];
      const dice = randomBelow(random, 100);
      if (dice < SHARES.create) await this.#ask(http, { client, url, input: 'create', name });
      else if (dice < SHARES.create + SHARES.delete)
        await this.#ask(http, { client, url, input: 'delete', name });
      else if (dice < SHARES.create + SHARES.delete + SHARES.get)
        await this.#ask(http, { client, url, input: 'get', name });
      else await this.#list(http, { client, url });
      await sleep(randomBelow(random, THINK_MS_MAX + 1));
    }
  }

  async #ask(
    http: HttpClient,
    ask: {
      readonly client: number;
      readonly url: string;
      readonly input: ExistenceInput;
      readonly name: string;
    },
  ): Promise<void> {
    const { client, input, name } = ask;
    const call = performance.now();
    const answer = await this.#send(http, ask.url, callOf(input, name));
    const end = performance.now();
    const output = this.#judge(answer, ANSWERS[input]);
    if (output === 'refused') return this.#pause();
    if (output === 'created' || output === 'deleted') this.#writeTimes.push(end);
    this.history.push({ client, key: name, call, return: end, input, output });
    return undefined;
  }

  /** One listing is a look at every name; that they were there at one moment is not checked. */
  async #list(
    http: HttpClient,
    { client, url }: { readonly client: number; readonly url: string },
  ): Promise<void> {
    const call = performance.now();
    const answer = await this.#send(http, url, { method: 'GET', path: '/api/v1/namespaces' });
    const end = performance.now();
    const output = this.#judge(answer, LISTED);
    if (output === 'refused') return this.#pause();
    if (output === 'unknown' || answer.kind !== 'answered') return undefined;
    const listed = namesOf(answer.text);
    if (listed === null) this.unexpected.push(`GET /api/v1/namespaces: ${answer.text.slice(0, 200)}`);
    else
      for (const name of NAMES)
        this.history.push({
          client,
          key: name,
          call,
          return: end,
          input: 'get',
          output: listed.includes(name) ? 'present' : 'absent',
        });
    return undefined;
  }

  /** With `retriesRefusals`, as a patient client: once more after a refusal, waiting as long as it says. */
  async #send(http: HttpClient, url: string, call: Call): Promise<Answer> {
    if (!this.#options.retriesRefusals) return http.send(url, call);
    const first = await this.#sendToListener(http, url, call);
    if (!isRefusal(first)) return first;
    this.#counts.retried += 1;
    this.#note(`asked again after: ${wordsOf(first).slice(0, 200)}`);
    await sleep(RETRY_AFTER_MS);
    return this.#sendToListener(http, this.#anyUrl(), call);
  }

  /** A client that knows several addresses takes the next one where nobody listens. */
  async #sendToListener(http: HttpClient, url: string, call: Call): Promise<Answer> {
    let answer = await http.send(url, call);
    for (const other of this.#options.urls) {
      if (answer.kind !== 'notSent') break;
      if (other !== url) answer = await http.send(other, call);
    }
    return answer;
  }

  #judge<Output>(answer: Answer, outputs: ReadonlyMap<number, Output>): Output | 'refused' | 'unknown' {
    const words = wordsOf(answer);
    if (isRefusal(answer)) {
      this.#counts.refused += 1;
      this.#note(`refused: ${words.slice(0, 200)}`);
      return 'refused';
    }
    const output = answer.kind === 'answered' ? outputs.get(answer.status) : undefined;
    if (output !== undefined) {
      this.#counts.answered += 1;
      return output;
    }
    this.#counts.unknown += 1;
    if (answer.kind === 'answered' && answer.status !== 504) this.unexpected.push(words.slice(0, 200));
    else this.#note(`unknown: ${words.slice(0, 200)}`);
    return 'unknown';
  }

  #note(trouble: string): void {
    const known = this.#troubles.has(trouble) || this.#troubles.size < TROUBLES_MAX;
    const key = known ? trouble : 'others';
    this.#troubles.set(key, (this.#troubles.get(key) ?? 0) + 1);
  }

  async #pause(): Promise<void> {
    await sleep(REFUSED_PAUSE_MS);
  }

  #anyUrl(): string {
    const { urls, random } = this.#options;
    return urls[randomBelow(random, urls.length)] ?? '';
  }
}

const LISTED: ReadonlyMap<number, 'listed'> = new Map([[200, 'listed']]);

/** A refusal is an answer after which the request certainly has no effect. */
function isRefusal(answer: Answer): boolean {
  if (answer.kind === 'notSent') return true;
  return answer.kind === 'answered' && (answer.status === 503 || answer.status === 429);
}

function wordsOf(answer: Answer): string {
  return answer.kind === 'answered' ? `${answer.status} ${answer.text}` : answer.reason;
}

function callOf(input: ExistenceInput, name: string): Call {
  if (input === 'create') return { method: 'POST', path: '/api/v1/namespaces', body: { namespace: name } };
  return { method: input === 'delete' ? 'DELETE' : 'GET', path: `/api/v1/namespaces/${name}` };
}

function namesOf(text: string): readonly unknown[] | null {
  try {
    const parsed: { readonly data?: { readonly namespaces?: unknown } } = JSON.parse(text);
    const names = parsed.data?.namespaces;
    return Array.isArray(names) ? names : null;
  } catch {
    return null;
  }
}
