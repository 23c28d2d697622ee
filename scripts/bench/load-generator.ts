// The process that makes the load, the same for both systems: takes jobs from its parent, one at a time, and answers with figures.

import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

import { RawConnection } from './raw-client.ts';
import { type LoadJob, type LoadResult, requestMaker } from './workloads.ts';

/** Milliseconds after which a job that did not answer is given up. */
const GRACE_MS = 30_000;

/** A load generator in a process of its own. */
export class LoadGenerator {
  readonly #child: ChildProcess = fork(fileURLToPath(import.meta.url), ['serve']);

  /** Runs one job. Rejects when the generator ended or did not answer in time. One at a time. */
  async run(job: LoadJob): Promise<LoadResult> {
    return new Promise((resolve, reject) => {
      const onExit = (): void => end(() => reject(new Error('the load generator ended')));
      const onMessage = (message: unknown): void => end(() => resolve(message as LoadResult));
      const timer = setTimeout(onExit, job.seconds * 1000 + GRACE_MS);
      const end = (settle: () => void): void => {
        clearTimeout(timer);
        this.#child.off('exit', onExit).off('message', onMessage);
        settle();
      };
      this.#child.once('exit', onExit).once('message', onMessage);
      this.#child.send(job);
    });
  }

  stop(): void {
    if (this.#child.connected) this.#child.disconnect();
  }
}

/** Latencies and gaps of one job as they come in. */
class Tally {
  readonly #latenciesMs: number[] = [];
  readonly #startMs = performance.now();
  #lastAcceptedMs = this.#startMs;
  #longestGapMs = 0;
  #failed = 0;
  #firstFailure: string | null = null;

  accept(latencyMs: number, nowMs: number): void {
    this.#latenciesMs.push(latencyMs);
    this.#longestGapMs = Math.max(this.#longestGapMs, nowMs - this.#lastAcceptedMs);
    this.#lastAcceptedMs = nowMs;
  }

  fail(text: string): void {
    this.#failed += 1;
    this.#firstFailure ??= text.slice(0, 400);
  }

  result(): LoadResult {
    const tookSeconds = (performance.now() - this.#startMs) / 1000;
    const sorted = Float64Array.from(this.#latenciesMs).sort();
    const quantile = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
    return {
      perSecond: sorted.length / tookSeconds,
      p50Ms: quantile(0.5),
      p99Ms: quantile(0.99),
      answered: sorted.length,
      failed: this.#failed,
      longestGapMs: this.#longestGapMs,
      firstFailure: this.#firstFailure,
    };
  }
}

/** Milliseconds a caller rests after a failure, so that a system without a leader is not drowned in requests. */
const REST_MS = 10;

async function perform(job: LoadJob): Promise<LoadResult> {
  const make = requestMaker(job);
  const tally = new Tally();
  const endMs = performance.now() + job.seconds * 1000;
  let sequence = 0;
  const caller = async (): Promise<void> =>
    new Promise((resolve) => {
      const connection = new RawConnection(job.host, job.port);
      const next = (): void => {
        const sentMs = performance.now();
        if (sentMs >= endMs) {
          connection.close();
          resolve();
          return;
        }
        sequence += 1;
        connection.send(make(sequence), ({ status, text }) => {
          if (status === 200 || status === 201) {
            const nowMs = performance.now();
            tally.accept(nowMs - sentMs, nowMs);
            next();
          } else {
            tally.fail(text === '' ? 'the connection was closed' : text);
            setTimeout(next, REST_MS);
          }
        });
      };
      next();
    });
  await Promise.all(Array.from({ length: job.connections }, caller));
  return tally.result();
}

if (process.argv[1] === fileURLToPath(import.meta.url) && process.argv[2] === 'serve') {
  process.on('disconnect', () => process.exit(0));
  process.on('message', (job) => {
    void perform(job as LoadJob).then((result) => process.send?.(result));
  });
}
