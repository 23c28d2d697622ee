// When a group takes a level, when it may be raised, and what keeps it.

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import {
  foundingLevel,
  highestLevel,
  judgeFinalize,
  whatHolds,
} from '../../../../src/server/feature-level/raising.ts';

function members(...levels: readonly (number | null)[]) {
  return levels.map((level, index) => ({ id: index + 1, level }));
}

function support(current: number, ...levels: readonly (number | null)[]) {
  return { current, members: members(...levels) };
}

const LEVELS = fc.array(fc.option(fc.integer({ min: 1, max: 9 })), { maxLength: 7 });

describe('a group that has no level yet', () => {
  test.each([
    ['takes what every member supports', members(2, 2, 2), 2],
    ['takes the lowest of what they support', members(4, 3, 5), 3],
    ['waits while one is of the first release', members(2, 1, 2), null],
    ['waits while one does not say', members(2, null, 2), null],
    ['of one takes its own', members(2), 2],
    ['of nobody does nothing', members(), null],
  ])('%s', (_what, told, level) => {
    expect(foundingLevel(told)).toBe(level);
  });

  test('never takes what somebody does not support', () => {
    fc.assert(
      fc.property(LEVELS, (told) => {
        const level = foundingLevel(members(...told));
        if (level !== null) for (const each of told) expect(each ?? 0).toBeGreaterThanOrEqual(level);
      }),
    );
  });
});

describe('a request to finalize', () => {
  test.each([
    ['raises a group whose members all support it', support(2, 3, 3), 3, 'raise'],
    ['raises no further than it says', support(2, 4, 4), 3, 'raise'],
    ['does nothing where the group is', support(3, 3, null), 3, 'there'],
  ])('%s', (_what, seen, wanted, judged) => {
    expect(judgeFinalize(seen, wanted)).toBe(judged);
  });

  test.each([
    [
      'a member that is older',
      support(2, 3, 2),
      3,
      'by every member: member 2 supports level 2; restart who',
    ],
    ['a member that is away', support(2, null, 3), 3, 'member 1 does not say what it supports; restart who'],
    ['a level of which nobody has heard', support(2, 3), 9, 'member 1 supports level 3'],
    ['a lower level', support(3, 3), 2, 'the group works at level 3 and never goes back to a lower one'],
  ])('is refused for %s', (_what, seen, wanted, refusal) => {
    expect(judgeFinalize(seen, wanted)).toEqual({ refusal: expect.stringContaining(refusal) });
  });

  test('is granted only where nobody supports less, and never lowers', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9 }),
        LEVELS,
        fc.integer({ min: 1, max: 9 }),
        (current, told, wanted) => {
          if (judgeFinalize(support(current, ...told), wanted) !== 'raise') return;
          expect(wanted).toBeGreaterThan(current);
          for (const level of told) expect(level ?? 0).toBeGreaterThanOrEqual(wanted);
        },
      ),
    );
  });
});

test('an upgrade leads to the highest level that any member supports, never below that of the group', () => {
  expect(highestLevel(support(2, 2, null, 4, 3))).toBe(4);
  expect(highestLevel(support(2, 1, null))).toBe(2);
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
