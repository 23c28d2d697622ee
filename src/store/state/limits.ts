// What a transaction may look like; checked before it is proposed, never while it is applied.

import { type Result, err, ok } from '../../base/result.ts';
import type { Key, Transaction, TransactionInvalid } from '../types.ts';

/** Longest key in UTF-8 bytes. */
export const KEY_BYTES_MAX = 1024;
/** Largest value in bytes: 1 MiB. */
export const VALUE_BYTES_MAX = 1024 * 1024;
/** Largest encoded transaction in bytes: 4 MiB. */
export const TRANSACTION_BYTES_MAX = 4 * 1024 * 1024;

const REQUEST_ID = /^[0-9a-f]{32}$/;

/** Whether `text` is a request id: 32 lower-case hexadecimal digits. */
export function isRequestId(text: string): boolean {
  return REQUEST_ID.test(text);
}

/**
 * Whether `key` can be stored: non-empty, no NUL, and no lone surrogate (it has no UTF-8 form, two keys would become one).
 * The length is no part of this: a limit may change between releases, what a committed entry does may not.
 */
export function isKey(key: string): boolean {
  return key !== '' && !key.includes('\0') && key.isWellFormed();
}

/**
 * Refuses what must not get into the log. The log's vocabulary has no limits: were they checked by `apply`, members of two
 * releases with different limits would come to different states.
 */
export function checkTransaction(transaction: Transaction): Result<void, TransactionInvalid> {
  if (!isRequestId(transaction.requestId))
    return invalid('the request id must be 32 lower-case hexadecimal digits');
  const compared = transaction.compare.map(({ key }) => key);
  const changed = [...transaction.put.map(({ key }) => key), ...transaction.remove];
  for (const key of [...compared, ...changed]) {
    if (!isKey(key))
      return invalid(`the key ${JSON.stringify(key.slice(0, 80))} is empty or has NUL or half characters`);
    if (utf8Bytes(key) > KEY_BYTES_MAX)
      return invalid(`the key ${key.slice(0, 80)}... is longer than ${KEY_BYTES_MAX} bytes`);
  }
  const twice = firstRepeated(compared) ?? firstRepeated(changed);
  if (twice !== null) return invalid(`the key ${twice} is named twice`);
  for (const { revision } of transaction.compare) {
    if (!Number.isSafeInteger(revision) || revision < 0) return invalid(`${revision} is no revision`);
  }
  for (const { key, value } of transaction.put) {
    if (value.length > VALUE_BYTES_MAX) {
      return invalid(`the value of ${key} has ${value.length} bytes, more than ${VALUE_BYTES_MAX}`);
    }
  }
  return ok(undefined);
}

/** Refuses an encoded transaction that is too large to be one log entry. */
export function checkEncodedBytes(bytes: number): Result<void, TransactionInvalid> {
  if (bytes <= TRANSACTION_BYTES_MAX) return ok(undefined);
  return invalid(`the transaction has ${bytes} bytes, more than ${TRANSACTION_BYTES_MAX}`);
}

function invalid(reason: string): Result<void, TransactionInvalid> {
  return err({ kind: 'invalid', reason });
}

function firstRepeated(keys: readonly Key[]): Key | null {
  const seen = new Set<Key>();
  for (const key of keys) {
    if (seen.has(key)) return key;
    seen.add(key);
  }
  return null;
}

/** The length of well-formed `text` in UTF-8. */
function utf8Bytes(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const unit = character.charCodeAt(0);
    if (character.length === 2) bytes += 4;
    else if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    else bytes += 3;
  }
  return bytes;
}
