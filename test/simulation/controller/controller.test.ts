// The share of the simulation of whole controllers that runs with the tests: the same seeds every time.

import { expect, it } from 'vitest';

import { LEASED_FROM, MIGRATING_FROM, TASKS_FROM, WISHFUL_FROM } from './knobs.ts';
import { REGRESSION_SEEDS } from './regression-seeds.ts';
import { describeFailure } from './report.ts';
import { runSeed } from './run.ts';
import { sweep } from './sweep.ts';

/** About ten seconds of one core. */
const SHARE = 40;
const SHARE_LEASED = 20;
const SHARE_WISHFUL = 6;
const SHARE_MIGRATING = 20;
const SHARE_TASKS = 10;

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

it.for([
  { name: 'seeds', from: 1, count: SHARE },
  { name: 'seeds with leases', from: LEASED_FROM, count: SHARE_LEASED },
  { name: 'seeds with long pauses', from: WISHFUL_FROM, count: SHARE_WISHFUL },
  { name: 'seeds with moving slots', from: MIGRATING_FROM, count: SHARE_MIGRATING },
  { name: 'seeds with tasks', from: TASKS_FROM, count: SHARE_TASKS },
])('$count $name are clean', async ({ from, count }) => {
  const failures: string[] = [];
  const totals = await sweep({
    from,
    count,
    workers: 2,
    durationMsMax: Number.POSITIVE_INFINITY,
    failuresMax: 3,
    onProgress: () => undefined,
    onFailure: async (verdict) => void failures.push(await describeFailure(verdict)),
  });
  expect(failures.join('\n\n')).toBe('');
  expect(totals.seeds).toBe(count);
});
