// What the leader learns of the others' clocks and states by asking them who they are.

import { expect, test } from 'vitest';

import type { Logger } from '../../../src/base/logger.ts';
import { PeerAnswers } from '../../../src/server/peer-answers.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { FakeClock } from '../leader/fake-clock.ts';

function scene() {
  const lines: unknown[] = [];
  const logger: Logger = { ...silentLogger, error: (event, fields) => void lines.push([event, fields]) };
  const counts: number[] = [];
  const own = [
    { index: 64, hash: 'a' },
    { index: 128, hash: 'b' },
  ];
  const clock = new FakeClock();
  const answers = new PeerAnswers({
    clock,
    logger,
    ownMarks: () => own,
    onDiverged: (count) => counts.push(count),
  });
  return { answers, counts, lines, clock };
}

test('how far a clock is ahead is known to half the time of the question, and forgotten with the lead', () => {
  const { answers, clock } = scene();
  expect(answers.aheadSeconds(2)).toBeNull();
  answers.heard(2, { wallMs: clock.wallMs() + 3000, marks: [] }, 200);
  expect(answers.aheadSeconds(2)).toBeCloseTo(3.1, 5);
  answers.heard(3, { wallMs: null, marks: [] }, 200);
  expect(answers.aheadSeconds(3)).toBeNull();
  answers.forget();
  expect(answers.aheadSeconds(2)).toBeNull();
});

test('a state that is not the same after an entry is told and counted once; entries that only one of the two remembers say nothing', () => {
  const { answers, counts, lines } = scene();
  answers.heard(2, { wallMs: null, marks: [{ index: 64, hash: 'a' }] }, 1);
  answers.heard(2, { wallMs: null, marks: [{ index: 192, hash: 'z' }] }, 1);
  expect(counts).toEqual([]);
  const different = [
    { index: 64, hash: 'a' },
    { index: 128, hash: 'x' },
  ];
  answers.heard(2, { wallMs: null, marks: different }, 1);
  answers.heard(2, { wallMs: null, marks: different }, 1);
  expect(counts).toEqual([1]);
  expect(lines).toEqual([['store.diverged', { peer: 2, index: 128, own: 'b', its: 'x' }]]);
});
