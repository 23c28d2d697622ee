// Text of others in a line for people.

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { printable, quoted } from '../../../src/base/printable.ts';

test('what would end the line, move the cursor, hide or turn text is written out', () => {
  expect(printable('one\ntwo\r\u001b[2J\u0085\u2028\u202e\u200b\ud800 end')).toBe(
    'one\\u{a}two\\u{d}\\u{1b}[2J\\u{85}\\u{2028}\\u{202e}\\u{200b}\\u{d800} end',
  );
});

test('everything else stays as it is', () => {
  const text = 'größer als 64 KiB "x" \\ \u{1f600} 日本';
  expect(printable(text)).toBe(text);
});

test('any text becomes one line of a bounded length', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 500 }), (text) => {
      expect(quoted(text)).toMatch(/^"[^\p{Cc}\p{Zl}\p{Zp}]*"$/u);
      expect(quoted(text).length).toBeLessThanOrEqual(200 * 10 + 5);
    }),
  );
  expect(quoted('x'.repeat(201))).toBe(`"${'x'.repeat(200)}..."`);
});
