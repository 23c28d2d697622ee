// The records of the LevelDB copy: which keys it has and what their values mean.

import { type Result, err, ok } from '../base/result.ts';
import {
  isCount,
  pack,
  parseHash,
  parseRequest,
  parseStored,
  requestToFields,
  storedToFields,
  unpackArray,
} from './codec.ts';
import type { CopyUpdate } from './durable-copy.ts';
import { type LogPosition, logPosition } from './log-entry.ts';
import type { DatabaseRecord } from './record-database.ts';
import { StateAssembly } from './state/assembly.ts';
import { type StateHash, equalHashes, hashSummary } from './state/hash.ts';
import type { KeyValueState } from './state/key-value-state.ts';
import type { RequestRecord } from './state/request-table.ts';
import type { Key, StoredValue } from './types.ts';

/** The version of the copy. A copy of another version is rebuilt, so a change here needs no migration. */
const COPY_VERSION = 1;

/** The one record that says what the others add up to. */
export const META_KEY = 'meta';
const STORED_PREFIX = 'k/';
const REQUEST_PREFIX = 'r/';
const INDEX_DIGITS = 16;

/** A state that was read back and verified. */
export interface LoadedState {
  readonly position: LogPosition;
  readonly state: KeyValueState;
}

export function storedKey(key: Key): string {
  return STORED_PREFIX + key;
}

export function requestKey(request: RequestRecord): string {
  return REQUEST_PREFIX + String(request.index).padStart(INDEX_DIGITS, '0');
}

export function encodeStored(stored: StoredValue): Uint8Array {
  return pack(storedToFields(stored));
}

export function encodeRequest(request: RequestRecord): Uint8Array {
  return pack(requestToFields(request));
}

/** The summary of a whole copy at a position. */
export function encodeMeta({ position, hash }: Pick<CopyUpdate, 'position' | 'hash'>): Uint8Array {
  const { index, term } = position;
  const check = hashSummary({ index, term, hash });
  return pack([COPY_VERSION, 'whole', index, term, hash.high, hash.low, check.high, check.low]);
}

/** The mark of a copy whose content is being replaced; written and synced before the first record goes. */
export function encodeReplacing(): Uint8Array {
  return pack([COPY_VERSION, 'replacing']);
}

/**
 * Reads a whole copy, portion by portion in key order, and checks it: every record parses, the summary is there, nothing is
 * newer than it, and the hash recomputed over the records is the one it names. LevelDB itself may skip damaged records in
 * silence, hence the hash.
 */
export class CopyReader {
  readonly #assembly = new StateAssembly();
  #summary: Summary | null = null;
  #isEmpty = true;
  #fault: string | null = null;

  /** Takes the next records; the first fault is kept and reported by `finish`. */
  add(records: readonly DatabaseRecord[]): void {
    for (const [key, value] of records) {
      this.#isEmpty = false;
      if (this.#fault !== null) return;
      this.#fault = this.#take(key, value);
    }
  }

  /** The state, null for a database without any record, or the reason why the copy cannot be used. */
  finish(): Result<LoadedState | null, string> {
    if (this.#fault !== null) return err(this.#fault);
    if (this.#isEmpty) return ok(null);
    if (this.#summary === null) return err('the summary record is missing');
    const { position, hash } = this.#summary;
    const state = this.#assembly.finish({ index: position.index, hash });
    return state.ok ? ok({ position, state: state.value }) : state;
  }

  #take(key: string, bytes: Uint8Array): string | null {
    const fields = unpackArray(bytes);
    if (fields === null) return damaged(key);
    if (key === META_KEY) {
      const parsed = parseMeta(fields);
      if (!parsed.ok) return parsed.error;
      this.#summary = parsed.value;
      return null;
    }
    const stored = key.startsWith(STORED_PREFIX) ? parseStored(fields) : null;
    if (stored !== null && storedKey(stored.key) === key) return this.#assembly.addStored(stored);
    const request = key.startsWith(REQUEST_PREFIX) ? parseRequest(fields) : null;
    if (request !== null && requestKey(request) === key) return this.#assembly.addRequest(request);
    return damaged(key);
  }
}

interface Summary {
  readonly position: LogPosition;
  readonly hash: StateHash;
}

function parseMeta(fields: readonly unknown[]): Result<Summary, string> {
  const [version, status, index, term, high, low, checkHigh, checkLow] = fields;
  if (version !== COPY_VERSION) return err('the copy is of another version');
  if (status === 'replacing') return err('the process ended while the copy was being replaced');
  const hash = parseHash(high, low);
  const check = parseHash(checkHigh, checkLow);
  if (status !== 'whole' || !isCount(index) || !isCount(term) || hash === null || check === null) {
    return err('the summary record is damaged');
  }
  if (!equalHashes(check, hashSummary({ index, term, hash }))) return err('the summary record is damaged');
  return ok({ position: logPosition(index, term), hash });
}

/** Keys may come from damaged files: shortened and escaped before they reach a log line. */
function damaged(key: string): string {
  return `the record ${JSON.stringify(key.slice(0, 80))} is damaged`;
}
