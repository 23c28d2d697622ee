import { describe, expect, it } from 'vitest';

import {
  KEY_BYTES_MAX,
  TRANSACTION_BYTES_MAX,
  VALUE_BYTES_MAX,
  checkEncodedBytes,
  checkTransaction,
} from '../../../../src/store/state/limits.ts';
import type { Transaction } from '../../../../src/store/types.ts';
import { bytes, put, transaction } from '../support.ts';

const reason = (parts: Partial<Transaction>): string | null => {
  const checked = checkTransaction(transaction(1, parts));
  return checked.ok ? null : checked.error.reason;
};

describe('limits of a transaction', () => {
  it.each(['a'.repeat(KEY_BYTES_MAX), 'ü'.repeat(KEY_BYTES_MAX / 2), '\u{1f600}'.repeat(KEY_BYTES_MAX / 4)])(
    'a key may have as many bytes as the limit says',
    (key) => {
      expect(reason({ put: [{ key, value: bytes('') }] })).toBeNull();
      expect(reason({ put: [{ key: `${key}x`, value: bytes('') }] })).toMatch('longer than 1024 bytes');
    },
  );

  it('counts three bytes for a character of three', () => {
    const key = '\u20ac'.repeat(341);
    expect(reason({ remove: [`${key}x`] })).toBeNull();
    expect(reason({ remove: [`${key}xx`] })).toMatch('longer');
  });

  it.each(['', 'a\0b', '\ud800', 'x\udc00y'])('refuses the key %j', (key) => {
    expect(reason({ compare: [{ key, revision: 0 }] })).toMatch('is empty or has NUL or half characters');
  });

  it('refuses keys named twice, but a key may be both compared and changed', () => {
    const value = bytes('');
    expect(reason({ compare: [{ key: 'a', revision: 0 }], put: [{ key: 'a', value }] })).toBeNull();
    expect(reason({ put: [{ key: 'a', value }], remove: ['a'] })).toBe('the key a is named twice');
    expect(reason({ compare: ['a', 'a'].map((key) => ({ key, revision: 0 })) })).toBe(
      'the key a is named twice',
    );
  });

  it.each([-1, 0.5, 2 ** 53, Number.NaN])('refuses the revision %d', (revision) => {
    expect(reason({ compare: [{ key: 'a', revision }] })).toBe(`${revision} is no revision`);
  });

  it('refuses values above 1 MiB and transactions above 4 MiB', () => {
    expect(reason({ put: [{ key: 'a', value: new Uint8Array(VALUE_BYTES_MAX) }] })).toBeNull();
    expect(reason({ put: [{ key: 'a', value: new Uint8Array(VALUE_BYTES_MAX + 1) }] })).toMatch(
      '1048577 bytes',
    );
    expect(checkEncodedBytes(TRANSACTION_BYTES_MAX).ok).toBe(true);
    expect(checkEncodedBytes(TRANSACTION_BYTES_MAX + 1).ok).toBe(false);
  });

  it('refuses a request id that is not 32 lower-case hexadecimal digits', () => {
    expect(checkTransaction({ ...put(1, 'a', ''), requestId: 'ABC' }).ok).toBe(false);
  });
});
