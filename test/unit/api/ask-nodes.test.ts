// Many nodes asked for one request: how many at once, for how long, and for whom.

import { describe, expect, test } from 'vitest';

import { type AskingLimits, askAll } from '../../../src/api/ask-nodes.ts';
import { FakeClock } from '../leader/fake-clock.ts';

/** Nodes that answer with their own number, `answerMs` after they were asked; never when that is null. */
class Crowd {
  readonly clock = new FakeClock();
  readonly client = new AbortController();
  readonly asked: number[] = [];
  readonly #answerMs: number | null;

  constructor(answerMs: number | null) {
    this.#answerMs = answerMs;
  }

  ask(count: number, limits: Partial<AskingLimits<number>> = {}): Promise<readonly (number | null)[]> {
    const all = Array.from({ length: count }, (_, index) => index);
    const { clock, client } = this;
    return askAll(all, (item) => this.#answer(item), {
      clock,
      deadlineMs: 30_000,
      abandoned: client.signal,
      ...limits,
    });
  }

  #answer(item: number): Promise<number> {
    this.asked.push(item);
    return new Promise((resolve) => {
      if (this.#answerMs !== null) this.clock.setTimer(this.#answerMs, () => resolve(item));
    });
  }
}

describe('many nodes', () => {
  test('KD3: are asked side by side, 64 at a time, and answer in their order', async () => {
    const crowd = new Crowd(1000);
    const answers = crowd.ask(200);
    expect(crowd.asked).toHaveLength(64);
    await crowd.clock.advance(999);
    expect(crowd.asked).toHaveLength(64);
    await crowd.clock.advance(1);
    expect(crowd.asked).toHaveLength(128);
    await crowd.clock.advance(3000);
    expect(await answers).toEqual(Array.from({ length: 200 }, (_, index) => index));
  });

  test('KD3: have one deadline together: who was not asked by then is not asked any more', async () => {
    const crowd = new Crowd(4000);
    const answers = crowd.ask(1000, { deadlineMs: 10_000 });
    await crowd.clock.advance(12_000);
    expect(crowd.asked).toHaveLength(3 * 64);
    expect((await answers).filter((answer) => answer === null)).toHaveLength(1000 - 3 * 64);
  });

  test('KD3: are not asked any more once the client is gone, or one answer settles the matter', async () => {
    const left = new Crowd(100);
    const unread = left.ask(1000);
    left.client.abort();
    await left.clock.advance(100);
    expect(left.asked).toHaveLength(64);
    expect((await unread).slice(63)).toEqual([63, ...Array.from({ length: 936 }, () => null)]);

    const settled = new Crowd(100);
    const answers = settled.ask(1000, { isEnough: (answer) => answer === 0 });
    await settled.clock.advance(100);
    expect(settled.asked).toHaveLength(64);
    expect((await answers)[0]).toBe(0);
  });

  test('KD3: are not asked at all for a client that is gone already', async () => {
    const crowd = new Crowd(null);
    crowd.client.abort();
    const answers = crowd.ask(3);
    expect(crowd.asked).toEqual([]);
    expect(await answers).toEqual([null, null, null]);
  });
});
