// When a group rises, and what keeps it from rising.

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { raisedLevel, whatHolds } from '../../../../src/server/feature-level/raising.ts';

function support(current: number, ...levels: readonly (number | null)[]) {
  return { current, members: levels.map((level, index) => ({ id: index + 1, level })) };
}

describe('a group', () => {
  test.each([
    ['rises when every member supports it', support(1, 2, 2, 2), 2],
    ['rises over several levels at once', support(1, 4, 3, 5), 3],
    ['stays while one is of an earlier release', support(1, 2, 1, 2), null],
    ['stays while one does not say', support(1, 2, null, 2), null],
    ['stays at what all support already', support(2, 2, 2), null],
    ['is never lowered', support(3, 2, 2), null],
    ['of one rises by itself', support(1, 2), 2],
    ['of nobody does nothing', support(1), null],
  ])('%s', (_what, told, level) => {
    expect(raisedLevel(told)).toBe(level);
  });

  test('never rises above anybody, nor falls', () => {
    const levels = fc.array(fc.option(fc.integer({ min: 1, max: 9 })), { maxLength: 7 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9 }), levels, (current, told) => {
        const next = raisedLevel(support(current, ...told));
        if (next === null) return;
        expect(next).toBeGreaterThan(current);
        for (const level of told) expect(level ?? 0).toBeGreaterThanOrEqual(next);
      }),
    );
  });
});

describe('what holds it', () => {
  test('is told by member', () => {
    expect(whatHolds(support(1, 2, 1, null), 2)).toBe(
      'member 2 supports level 1, member 3 does not say what it supports',
    );
  });

  test('is nothing once it works at what is wanted', () => {
    expect(whatHolds(support(2, 2, 1), 2)).toBeNull();
    expect(whatHolds(support(1, 2, 2), 2)).toBeNull();
  });
});
