// The share of the simulation of whole controllers that runs with the tests: the same seeds every time.

import { expect, it } from 'vitest';

import { REGRESSION_SEEDS } from './regression-seeds.ts';
import { describeFailure } from './report.ts';
import { runSeed } from './run.ts';
import { sweep } from './sweep.ts';

/** Some twenty seconds on one slow core. */
const SHARE = 60;

const REPEATED = [7001, 7002, 7003, 7004, 7005, 7006];

it('the same seed does the same again', async () => {
  const first = new Map<number, string>();
  for (const seed of REPEATED) first.set(seed, (await runSeed({ seed, writer: null })).hash);
  expect(new Set(first.values()).size).toBe(REPEATED.length);
  for (const seed of REPEATED.toReversed()) {
    const lines: string[] = [];
    const { hash } = await runSeed({ seed, writer: (line) => lines.push(line) });
    expect(hash, `seed ${seed}`).toBe(first.get(seed));
  }
});

it.for(REGRESSION_SEEDS)('seed $seed: $found', async ({ seed }) => {
  const verdict = await runSeed({ seed, writer: null });
  expect(verdict.violation === null ? '' : await describeFailure(verdict)).toBe('');
});

it(`${SHARE} seeds are clean`, async () => {
  const failures: string[] = [];
  const totals = await sweep({
    from: 1,
    count: SHARE,
    workers: 2,
    durationMsMax: Number.POSITIVE_INFINITY,
    failuresMax: 3,
    onProgress: () => undefined,
    onFailure: async (verdict) => void failures.push(await describeFailure(verdict)),
  });
  expect(failures.join('\n\n')).toBe('');
  expect(totals.seeds).toBe(SHARE);
});
