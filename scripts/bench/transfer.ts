// Measures how long the API takes no writes when the lead is handed over on request.

import { Command } from 'commander';
import { request } from 'undici';

import { startTrio, type Trio } from '../../test/support/controller-process.ts';
import { pause } from '../../test/support/wait-until.ts';
import { median, printTable, wholeNumber } from '../lib/statistics.ts';

interface Options {
  readonly transfers: number;
  readonly writers: number;
}

const program = new Command('node scripts/bench/transfer.ts')
  .description(
    'Longest time without an accepted write around POST /api/v1/controller/leader/transfer, under write load.\n' +
      'The writers follow redirects and ask again after 503, as clients are told to.',
  )
  .option('--transfers <count>', 'how often the lead is handed over', (text) => wholeNumber(text, 1), 20)
  .option('--writers <count>', 'clients, each with one write under way', (text) => wholeNumber(text, 1), 4)
  .parse();

/** Milliseconds of writes before a transfer and after it, so that its gap stands alone. */
const BEFORE_MS = 500;
const AFTER_MS = 2000;
const RETRY_MS = 2;

/** Clients that write until told to stop. */
class Writers {
  /** Moments at which a write was accepted, monotonic milliseconds, ascending. */
  readonly accepted: number[] = [];
  /** Answers that were neither success nor redirect nor 503. */
  failed = 0;
  #stopped = false;
  readonly #ended: Promise<unknown>;

  constructor(urls: readonly string[], count: number, run: number) {
    this.#ended = Promise.all(
      Array.from({ length: count }, async (_, writer) => this.#write(urls, `t${run}-w${writer}-`)),
    );
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#ended;
  }

  async #write(urls: readonly string[], prefix: string): Promise<void> {
    let url = urls[0] ?? '';
    for (let sequence = 0; !this.#stopped;) {
      const outcome = await post(url, `${prefix}${sequence}`);
      if (outcome.kind === 'redirect') {
        url = outcome.origin;
        continue;
      }
      if (outcome.kind === 'accepted') this.accepted.push(performance.now());
      if (outcome.kind === 'failed') this.failed += 1;
      if (outcome.kind === 'unavailable') {
        url = urls[(urls.indexOf(url) + 1) % urls.length] ?? url;
        await pause(RETRY_MS);
      } else sequence += 1;
    }
  }
}

type Outcome =
  | { readonly kind: 'accepted' | 'failed' | 'unavailable' }
  | { readonly kind: 'redirect'; readonly origin: string };

async function post(url: string, namespace: string): Promise<Outcome> {
  try {
    const { statusCode, headers, body } = await request(`${url}/api/v1/namespaces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ namespace }),
    });
    await body.dump();
    if (statusCode === 201) return { kind: 'accepted' };
    if (statusCode === 307) return { kind: 'redirect', origin: new URL(String(headers['location'])).origin };
    return { kind: statusCode === 503 ? 'unavailable' : 'failed' };
  } catch {
    return { kind: 'unavailable' };
  }
}

interface Transfer {
  readonly longestGapMs: number;
  readonly status: number;
  readonly failed: number;
}

async function transfer(trio: Trio, writerCount: number, run: number): Promise<Transfer> {
  const leader = await trio.leader();
  await trio.ready();
  const urls = [leader.url, ...trio.members.map((member) => member.url).filter((url) => url !== leader.url)];
  const writers = new Writers(urls, writerCount, run);
  await pause(BEFORE_MS);
  const { statusCode, body } = await request(`${leader.url}/api/v1/controller/leader/transfer`, {
    method: 'POST',
  });
  await body.dump();
  await pause(AFTER_MS);
  await writers.stop();
  const gaps = writers.accepted.slice(1).map((moment, place) => moment - (writers.accepted[place] ?? moment));
  return { longestGapMs: Math.max(...gaps), status: statusCode, failed: writers.failed };
}

async function main({ transfers, writers }: Options): Promise<void> {
  const trio = await startTrio({ raft: { heartbeatIntervalMs: 50, electionTimeoutMs: 500 } });
  const done: Transfer[] = [];
  try {
    for (let run = 0; run < transfers; run += 1) done.push(await transfer(trio, writers, run));
  } finally {
    await trio.stop();
  }
  const gaps = done.map((each) => each.longestGapMs);
  process.stdout.write(
    `longest time without an accepted write around a planned transfer, ${writers} writers\n`,
  );
  printTable([
    ['transfers', 'refused', 'best', 'median', 'worst', 'failed writes'],
    [
      String(done.length),
      String(done.filter(({ status }) => status !== 200).length),
      ...[Math.min(...gaps), median(gaps), Math.max(...gaps)].map((ms) => `${ms.toFixed(1)} ms`),
      String(done.reduce((sum, each) => sum + each.failed, 0)),
    ],
  ]);
}

await main(program.opts<Options>());
