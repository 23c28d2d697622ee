// Bytes of transactions and records: versioned msgpack arrays out, validated values in.

import { Packr } from 'msgpackr';

import { type Result, err, ok } from '../base/result.ts';
import type { StateHash } from './state/hash.ts';
import { isKey, isRequestId } from './state/limits.ts';
import type { RequestRecord } from './state/request-table.ts';
import type { StoredValue, Transaction, TransactionOutcome } from './types.ts';

/**
 * The version of the transaction format, for ever. An entry that is not of this version is refused by this and by every
 * later release: another format may enter the log only under a replicated feature level that all members have reached.
 */
const TRANSACTION_VERSION = 1;

/** `useRecords: false`: msgpackr's record extension keeps state between messages and must not reach a disk. */
const packr = new Packr({ useRecords: false });

/** Packs plain arrays, texts, numbers and bytes. */
export function pack(value: readonly unknown[]): Uint8Array {
  return packr.pack(value);
}

/** The array that `bytes` hold, or null when they hold anything else. Bytes in it may be views of the input. */
export function unpackArray(bytes: Uint8Array): readonly unknown[] | null {
  try {
    const value: unknown = packr.unpack(bytes);
    return Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

export function encodeTransaction(transaction: Transaction): Uint8Array {
  return pack([
    TRANSACTION_VERSION,
    transaction.requestId,
    transaction.compare.map(({ key, revision }) => [key, revision]),
    transaction.put.map(({ key, value }) => [key, value]),
    transaction.remove,
  ]);
}

/** Reads a log entry's command. Total; the reason of a failure depends on the bytes only, it is part of the state. */
export function decodeTransaction(data: Uint8Array): Result<Transaction, string> {
  const fields = unpackArray(data);
  if (fields === null) return err('the command is no msgpack array');
  const [version, requestId, compare, put, remove] = fields;
  if (version !== TRANSACTION_VERSION) return err('the command is of an unknown version');
  if (fields.length !== 5) return err('the command has not five fields');
  if (typeof requestId !== 'string' || !isRequestId(requestId)) return err('the request id is malformed');
  const comparisons = parseEach(compare, parseComparison);
  if (comparisons === null) return err('a comparison is malformed');
  const puts = parseEach(put, parsePut);
  if (puts === null) return err('a put is malformed');
  const removals = parseEach(remove, parseKey);
  if (removals === null) return err('a removal is malformed');
  return ok({ requestId, compare: comparisons, put: puts, remove: removals });
}

export function storedToFields(stored: StoredValue): readonly unknown[] {
  return [stored.key, stored.revision, stored.value];
}

export function parseStored(fields: readonly unknown[]): StoredValue | null {
  const [key, revision, value] = fields;
  if (fields.length !== 3 || typeof key !== 'string' || !isKey(key)) return null;
  if (!isCount(revision) || revision === 0 || !(value instanceof Uint8Array)) return null;
  return { key, revision, value: ownBytes(value) };
}

export function requestToFields(request: RequestRecord): readonly unknown[] {
  return [request.requestId, request.index, ...outcomeToFields(request.outcome)];
}

export function parseRequest(fields: readonly unknown[]): RequestRecord | null {
  const [requestId, index, ...rest] = fields;
  if (typeof requestId !== 'string' || !isCount(index)) return null;
  if (!isRequestId(requestId) && requestId !== `unreadable-${index}`) return null;
  const outcome = parseOutcome(rest);
  return outcome === null ? null : { requestId, index, outcome };
}

/** An integer from 0 to 2^53-1. */
export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** The two halves of a state hash as they are stored; null when they are no 32-bit numbers. */
export function parseHash(high: unknown, low: unknown): StateHash | null {
  if (!isCount(high) || !isCount(low) || high > 0xffff_ffff || low > 0xffff_ffff) return null;
  return { high, low };
}

function outcomeToFields(outcome: TransactionOutcome): readonly unknown[] {
  if (outcome.kind === 'committed') return [outcome.kind, outcome.revision];
  if (outcome.kind === 'conflict') return [outcome.kind, outcome.revision, outcome.key];
  return [outcome.kind, outcome.reason];
}

function parseOutcome(fields: readonly unknown[]): TransactionOutcome | null {
  const [kind, second, third] = fields;
  if (kind === 'committed' && fields.length === 2 && isCount(second)) return { kind, revision: second };
  if (kind === 'refused' && fields.length === 2 && typeof second === 'string')
    return { kind, reason: second };
  if (kind !== 'conflict' || fields.length !== 3 || !isCount(second)) return null;
  return typeof third === 'string' && isKey(third) ? { kind, revision: second, key: third } : null;
}

function parseEach<T>(value: unknown, parse: (item: unknown) => T | null): readonly T[] | null {
  if (!Array.isArray(value)) return null;
  const items: T[] = [];
  for (const item of value) {
    const parsed = parse(item);
    if (parsed === null) return null;
    items.push(parsed);
  }
  return items;
}

function parseKey(item: unknown): string | null {
  return typeof item === 'string' && isKey(item) ? item : null;
}

function parseComparison(item: unknown): { key: string; revision: number } | null {
  if (!Array.isArray(item) || item.length !== 2) return null;
  const [first, revision]: readonly unknown[] = item;
  const key = parseKey(first);
  return key !== null && isCount(revision) ? { key, revision } : null;
}

function parsePut(item: unknown): { key: string; value: Uint8Array } | null {
  if (!Array.isArray(item) || item.length !== 2) return null;
  const [first, value]: readonly unknown[] = item;
  const key = parseKey(first);
  return key !== null && value instanceof Uint8Array ? { key, value: ownBytes(value) } : null;
}

/** A copy of its own: a view would keep the whole message it arrived in alive as long as the value lives. */
function ownBytes(view: Uint8Array): Uint8Array {
  return new Uint8Array(view);
}
