// The state hash: a 64-bit sum over everything stored, updated with each change, the same on every member.

import type { StoredValue, TransactionOutcome } from '../types.ts';
import type { RequestRecord } from './request-table.ts';

/**
 * 64 bits as two unsigned 32-bit halves. Hashes of single records are *added*, so the sum neither depends on the order in
 * which the state was built nor on the order it is read back in, and a change costs only the records it touches.
 *
 * Strength: two states that differ by accident (lost write, flipped bit, diverged apply) agree with probability 2^-64.
 * It is no defence against somebody who chooses values in order to collide; nobody who can is outside the group.
 */
export interface StateHash {
  readonly high: number;
  readonly low: number;
}

export const EMPTY_HASH: StateHash = { high: 0, low: 0 };

export function addHash(sum: StateHash, part: StateHash): StateHash {
  return { high: (sum.high + part.high) >>> 0, low: (sum.low + part.low) >>> 0 };
}

export function subtractHash(sum: StateHash, part: StateHash): StateHash {
  return { high: (sum.high - part.high) >>> 0, low: (sum.low - part.low) >>> 0 };
}

export function equalHashes(a: StateHash, b: StateHash): boolean {
  return a.high === b.high && a.low === b.low;
}

/** 16 lower-case hexadecimal digits, for logs, metrics and comparison between members. */
export function hashText(hash: StateHash): string {
  return hash.high.toString(16).padStart(8, '0') + hash.low.toString(16).padStart(8, '0');
}

/** The hash of one stored value: key, revision and bytes. */
export function hashStored(stored: StoredValue): StateHash {
  const lanes = new Lanes(RECORD_TAG.stored);
  lanes.text(stored.key);
  lanes.integer(stored.revision);
  lanes.bytes(stored.value);
  return lanes.finish();
}

/** The hash of one line of the request table. The index makes the order of the lines part of the sum. */
export function hashRequest(request: RequestRecord): StateHash {
  const lanes = new Lanes(RECORD_TAG.request);
  lanes.text(request.requestId);
  lanes.integer(request.index);
  addOutcome(lanes, request.outcome);
  return lanes.finish();
}

/** A checksum over the numbers that say where a state stands and what it hashes to: LevelDB verifies nothing it reads. */
export function hashSummary(summary: {
  readonly index: number;
  readonly term: number;
  readonly hash: StateHash;
}): StateHash {
  const lanes = new Lanes(RECORD_TAG.summary);
  for (const value of [summary.index, summary.term, summary.hash.high, summary.hash.low])
    lanes.integer(value);
  return lanes.finish();
}

// Tags and the mixing below are part of the replicated format: changing them makes members of two releases disagree.
const RECORD_TAG = { stored: 1, request: 2, summary: 3 } as const;
const OUTCOME_TAG = { committed: 1, conflict: 2, refused: 3 } as const satisfies Record<
  TransactionOutcome['kind'],
  number
>;

function addOutcome(lanes: Lanes, outcome: TransactionOutcome): void {
  lanes.integer(OUTCOME_TAG[outcome.kind]);
  if (outcome.kind === 'refused') {
    lanes.text(outcome.reason);
    return;
  }
  lanes.integer(outcome.revision);
  if (outcome.kind === 'conflict') lanes.text(outcome.key);
}

/**
 * Two independent 32-bit lanes over the same words. Each step is a bijection of the lane for a given word and of the word
 * for a given lane, so records that differ in one word never collide; lengths are mixed in, so fields cannot run together.
 */
class Lanes {
  #first: number;
  #second: number;

  constructor(tag: number) {
    this.#first = 0x243f6a88 ^ tag;
    this.#second = 0x13198a2e ^ tag;
  }

  #word(word: number): void {
    const first = this.#first ^ Math.imul(word, 0x9e3779b1);
    this.#first = (Math.imul((first << 13) | (first >>> 19), 0x85ebca6b) + 0x3c6ef372) | 0;
    const second = this.#second ^ Math.imul(word, 0xc2b2ae35);
    this.#second = (Math.imul((second << 17) | (second >>> 15), 0x27d4eb2f) + 0x1b873593) | 0;
  }

  /** A non-negative safe integer. */
  integer(value: number): void {
    this.#word(value >>> 0);
    this.#word(Math.floor(value / 0x1_0000_0000));
  }

  text(value: string): void {
    this.integer(value.length);
    for (let index = 0; index < value.length; index += 1) this.#word(value.charCodeAt(index));
  }

  bytes(value: Uint8Array): void {
    this.integer(value.length);
    const view = new DataView(value.buffer, value.byteOffset, value.byteLength);
    const wholeWords = value.length - (value.length % 4);
    for (let offset = 0; offset < wholeWords; offset += 4) this.#word(view.getUint32(offset, true));
    for (let offset = wholeWords; offset < value.length; offset += 1) this.#word(view.getUint8(offset));
  }

  finish(): StateHash {
    const high = avalanche(this.#first);
    return { high, low: avalanche(this.#second ^ high) };
  }
}

/** Spreads every input bit over the whole word; a bijection. Without it, sums of similar records would cancel. */
function avalanche(word: number): number {
  let mixed = word ^ (word >>> 16);
  mixed = Math.imul(mixed, 0x7feb352d);
  mixed ^= mixed >>> 15;
  mixed = Math.imul(mixed, 0x846ca68b);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
