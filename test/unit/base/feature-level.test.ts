// What people are told of levels.

import { expect, test } from 'vitest';

import { FEATURE_LEVEL, FEATURES } from '../../../src/base/feature-level.ts';

test('every level above the first one says what it brings', () => {
  expect(FEATURES.map(({ level }) => level)).toEqual(
    Array.from({ length: FEATURE_LEVEL - 1 }, (_, index) => index + 2),
  );
});
