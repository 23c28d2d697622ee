// The share of the simulator that runs with the tests: the same seeds every time.

import { expect, it } from 'vitest';

import { REGRESSION_SEEDS } from './regression-seeds.ts';
import { describeFailure } from './report.ts';
import { runSeed } from './run.ts';
import { sweep } from './sweep.ts';

/** About a minute and a half together on two idle cores. */
const SHARE = [
  { members: 3, count: 1400 },
  { members: 5, count: 900 },
] as const;

const REPEATED = Array.from({ length: 12 }, (_, place) => ({
  seed: 7001 + place,
  members: 3 + 2 * (place % 2),
}));

it('the same seed does the same again', () => {
  const run = (): Map<number, string> =>
    new Map(REPEATED.map(({ seed, members }) => [seed, runSeed({ seed, members, writer: null }).hash]));
  const first = run();
  expect(new Set(first.values()).size).toBe(REPEATED.length);
  REPEATED.reverse();
  for (const [seed, hash] of run()) expect(hash, `seed ${seed}`).toBe(first.get(seed));
});

it.for(REGRESSION_SEEDS)('seed $seed of $members members: $found', ({ seed, members }) => {
  const verdict = runSeed({ seed, members, writer: null });
  expect(verdict.violation === null ? '' : describeFailure(verdict)).toBe('');
});

it.for(SHARE)('$count seeds of $members members are clean', async ({ members, count }) => {
  const failures: string[] = [];
  const totals = await sweep({
    members,
    from: 1,
    count,
    workers: 2,
    durationMsMax: Number.POSITIVE_INFINITY,
    failuresMax: 3,
    onProgress: () => undefined,
    onFailure: (verdict) => failures.push(describeFailure(verdict)),
  });
  expect(failures.join('\n\n')).toBe('');
  expect(totals.seeds).toBe(count);
});
