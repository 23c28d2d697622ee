// Clients that write without pause, as careful as a client has to be and no more, and remember what became of every request.

import type { ApiClient, Answer } from './api-client.ts';
import type { ControllerGroup, ControllerProcess } from './controller-process.ts';
import { notYet, pause, waitUntil } from './wait-until.ts';

/** What `Retry-After: 1` asks for. */
const RETRY_AFTER_MS = 1000;
const WRITERS = 4;
/** Members asked for one request while they do not listen. */
const ATTEMPTS = 30;

export interface LoadReport {
  /** Namespaces whose creation was acknowledged. */
  readonly acknowledged: readonly string[];
  /** Requests that failed for such a client, each with what it was answered. */
  readonly failures: readonly string[];
}

/**
 * Each writer creates namespaces one after the other. It asks any member that it knows, passes on where nobody listens, follows
 * redirects and repeats once after a 503, at another member; everything else is a failure.
 */
export class Load {
  readonly #group: ControllerGroup;
  readonly #acknowledged: string[] = [];
  readonly #failures: string[] = [];
  readonly #writers: readonly Promise<void>[];
  #known: readonly ControllerProcess[];
  readonly #pauseMs: number;
  #isStopping = false;
  #turn = 0;

  /** `pauseMs`: between two writes of a writer; none when left out. */
  constructor(group: ControllerGroup, prefix: string, pauseMs = 0) {
    this.#pauseMs = pauseMs;
    this.#group = group;
    this.#known = group.members;
    this.#writers = Array.from({ length: WRITERS }, (_, writer) => this.#write(`${prefix}-${writer}`));
  }

  /** From now on requests start at these members: as an operator tells clients whom to ask. */
  know(members: readonly ControllerProcess[]): void {
    this.#known = members;
  }

  /** Waits until `count` more writes than now were acknowledged. */
  async progress(count: number): Promise<void> {
    const goal = this.#acknowledged.length + count;
    await waitUntil(`${count} more writes`, () =>
      this.#acknowledged.length >= goal ? true : notYet([this.#acknowledged.length, this.#failures]),
    );
  }

  /** Lets every request under way end. */
  async stop(): Promise<LoadReport> {
    this.#isStopping = true;
    await Promise.all(this.#writers);
    return { acknowledged: this.#acknowledged, failures: this.#failures };
  }

  async #write(prefix: string): Promise<void> {
    for (let index = 0; !this.#isStopping; index += 1) {
      const namespace = `${prefix}-${index}`;
      const outcome = await this.#create(namespace);
      if (outcome === null) this.#acknowledged.push(namespace);
      else this.#failures.push(`${namespace}: ${outcome}`);
      if (this.#pauseMs > 0) await pause(this.#pauseMs);
    }
  }

  /** Null when it was acknowledged, else why not. */
  async #create(namespace: string): Promise<string | null> {
    try {
      const first = await this.#ask(namespace, null);
      if (first.answer.status === 201) return null;
      const told = `member ${first.asked.id}: ${first.answer.status} ${first.answer.text}`;
      if (first.answer.status !== 503) return told;
      await pause(RETRY_AFTER_MS);
      const second = await this.#ask(namespace, first.asked);
      if (second.answer.status === 201) return null;
      return `${told}, then member ${second.asked.id}: ${second.answer.status} ${second.answer.text}`;
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    }
  }

  async #ask(
    namespace: string,
    except: ControllerProcess | null,
  ): Promise<{ readonly asked: ControllerProcess; readonly answer: Answer }> {
    const { api } = this.#group;
    for (let attempt = 1; ; attempt += 1) {
      const asked = this.#next(except);
      const answer = await firstAnswer(api, asked, namespace);
      if (answer !== null) return { asked, answer };
      if (attempt >= ATTEMPTS) throw new Error('no member listens');
      await pause(10);
    }
  }

  #next(except: ControllerProcess | null): ControllerProcess {
    const running = this.#known.filter((member) => member.isRunning);
    const others = running.filter((member) => member !== except);
    const asked = others.length === 0 ? running : others;
    this.#turn += 1;
    const member = asked[this.#turn % asked.length];
    if (member === undefined) throw new Error('no member runs');
    return member;
  }
}

/** The answer of a request that starts at `member`; null when nobody listens there. A redirect to where nobody listens throws. */
async function firstAnswer(
  api: ApiClient,
  member: ControllerProcess,
  namespace: string,
): Promise<Answer | null> {
  const path = '/api/v1/namespaces';
  const request = { body: { namespace } };
  let answer: Answer;
  try {
    answer = await api.sendTo(member.url, 'POST', path, { ...request, followRedirects: false });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED') return null;
    throw error;
  }
  const { location } = answer.headers;
  if (answer.status !== 307 || typeof location !== 'string') return answer;
  return api.sendTo(new URL(location).origin, 'POST', path, request);
}
