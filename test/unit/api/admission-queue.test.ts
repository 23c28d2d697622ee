// Who takes nodes in waits for its turn, in order, and not without end.

import { expect, test } from 'vitest';

import { AdmissionQueue } from '../../../src/api/admission/queue.ts';
import { ApiError } from '../../../src/api/errors.ts';
import { FakeClock } from '../leader/fake-clock.ts';

const HERE = new AbortController().signal;

/** Work that goes on until it is told to end, and what became of it. */
class Turns {
  readonly clock = new FakeClock();
  readonly queue = new AdmissionQueue(this.clock);
  readonly begun: string[] = [];
  readonly refused: string[] = [];
  readonly #ends = new Map<string, () => void>();

  ask(name: string, abandoned: AbortSignal = HERE): Promise<void> {
    const work = async (): Promise<void> => {
      this.begun.push(name);
      const gate = Promise.withResolvers<void>();
      this.#ends.set(name, gate.resolve);
      await gate.promise;
    };
    return this.queue.run(abandoned, work).catch((error: unknown) => {
      if (!(error instanceof ApiError)) throw error;
      this.refused.push(`${name} ${error.status}`);
    });
  }

  async end(name: string): Promise<void> {
    this.#ends.get(name)?.();
    await this.clock.advance(0);
  }
}

test('one after the other has its turn, in order of arrival, also behind one that failed', async () => {
  const turns = new Turns();
  const failed = turns.queue.run(HERE, () => Promise.reject(new Error('no')));
  const all = ['a', 'b', 'c'].map((name) => turns.ask(name));
  await expect(failed).rejects.toThrow('no');
  await turns.clock.advance(0);
  expect(turns.begun).toEqual(['a']);
  await turns.end('a');
  expect(turns.begun).toEqual(['a', 'b']);
  await turns.end('b');
  await turns.end('c');
  await Promise.all(all);
  expect(turns.begun).toEqual(['a', 'b', 'c']);
  expect(turns.clock.pendingCount).toBe(0);
});

test('who waits too long, comes when too many wait, or has gone is refused, and the others keep their turns', async () => {
  const turns = new Turns();
  const gone = new AbortController();
  const all = [turns.ask('first'), turns.ask('gone', gone.signal), turns.ask('late')];
  gone.abort();
  await turns.clock.advance(10_000);
  const more = Array.from({ length: 32 }, (_, index) => turns.ask(`more ${index}`));
  await turns.clock.advance(0);
  expect(turns.refused).toEqual(['gone 429', 'more 31 429']);
  await turns.clock.advance(5000);
  expect(turns.refused).toContain('late 429');
  await turns.end('first');
  expect(turns.begun).toEqual(['first', 'more 0']);
  for (let index = 0; index < 31; index += 1) await turns.end(`more ${index}`);
  await Promise.all([...all, ...more]);
  expect(turns.clock.pendingCount).toBe(0);
  const late = new AbortController();
  late.abort();
  const last = turns.ask('last', late.signal);
  await turns.end('last');
  await last;
});
