// The replicated memory of past transactions: request id -> outcome, the last N of them, evicted first in, first out.

import { assert, present } from '../../base/assert.ts';
import type { TransactionOutcome } from '../types.ts';

/**
 * How many outcomes every member remembers. Part of the replicated format: all members must forget the same line at the
 * same entry, so this is no setting. At 1,000 writes a second it covers 10 s of retries, far more than any deadline.
 */
export const REQUEST_TABLE_LIMIT = 10_000;

/** One line of the table: what the entry at log index `index` did. */
export interface RequestRecord {
  readonly requestId: string;
  readonly index: number;
  readonly outcome: TransactionOutcome;
}

/** A ring of the last `limit` requests in log order, with an index by id. `find` and `add` are O(1). */
export class RequestTable {
  readonly #limit: number;
  readonly #byId = new Map<string, RequestRecord>();
  readonly #ring: RequestRecord[] = [];
  /** Where the oldest line is once the ring is full; 0 before. */
  #oldest = 0;

  constructor(limit: number) {
    assert(Number.isSafeInteger(limit) && limit > 0, 'the request table holds at least one line');
    this.#limit = limit;
  }

  find(requestId: string): TransactionOutcome | null {
    return this.#byId.get(requestId)?.outcome ?? null;
  }

  /** Remembers a request not yet in the table; returns the line that had to make room, if any. */
  add(request: RequestRecord): RequestRecord | null {
    assert(!this.#byId.has(request.requestId), 'a request is recorded once');
    this.#byId.set(request.requestId, request);
    if (this.#ring.length < this.#limit) {
      this.#ring.push(request);
      return null;
    }
    const evicted = present(this.#ring[this.#oldest], 'the full ring has no holes');
    this.#ring[this.#oldest] = request;
    this.#oldest = (this.#oldest + 1) % this.#limit;
    this.#byId.delete(evicted.requestId);
    return evicted;
  }

  /** A copy of all lines, oldest first. */
  lines(): readonly RequestRecord[] {
    return [...this.#ring.slice(this.#oldest), ...this.#ring.slice(0, this.#oldest)];
  }
}
