// The replicated state: keys with values and revisions, the request table, and the hash over both.

import type { Key, Revision, StoredValue, Transaction, TransactionOutcome } from '../types.ts';
import { EMPTY_HASH, type StateHash, addHash, hashRequest, hashStored, subtractHash } from './hash.ts';
import { OrderedValues, type ValueCut } from './ordered-values.ts';
import { REQUEST_TABLE_LIMIT, type RequestRecord, RequestTable } from './request-table.ts';

/** One record that an applied entry changed; what the durable copy has to write. */
export type StateChange =
  | { readonly kind: 'put'; readonly stored: StoredValue }
  | { readonly kind: 'removed'; readonly key: Key }
  | { readonly kind: 'recorded'; readonly request: RequestRecord }
  | { readonly kind: 'forgotten'; readonly request: RequestRecord };

/** What applying one entry did: the answer for whoever proposed it, and the records changed, in order. */
export interface Applied {
  readonly outcome: TransactionOutcome;
  readonly changes: readonly StateChange[];
}

/** A whole state as a value: `stored` in key order, `requests` in log order. Shares the values, which are never modified. */
export interface StateContents {
  readonly stored: ValueCut;
  readonly requests: readonly RequestRecord[];
}

/**
 * Changed only by `apply` and `refuse`, which are deterministic and total: the same calls give the same state, hash and
 * outcomes on every member, in every release. One owner; nothing here waits or fails.
 */
export class KeyValueState {
  readonly #values = new OrderedValues();
  readonly #requests: RequestTable;
  #hash: StateHash = EMPTY_HASH;

  /** The empty state. `requestLimit` differs from the replicated constant only in tests. */
  constructor(requestLimit: number = REQUEST_TABLE_LIMIT) {
    this.#requests = new RequestTable(requestLimit);
  }

  /** Takes back a value that was written out, in any order; false when its key is there already. */
  restoreStored(stored: StoredValue): boolean {
    if (this.#values.put(stored) !== null) return false;
    this.#hash = addHash(this.#hash, hashStored(stored));
    return true;
  }

  /** Takes back a line of the request table, in log order; false when its id is there already. */
  restoreRequest(request: RequestRecord): boolean {
    if (this.#requests.find(request.requestId) !== null) return false;
    this.#record(request);
    return true;
  }

  /** The sum over all records, kept up to date with every change. */
  get hash(): StateHash {
    return this.#hash;
  }

  /** How much is stored: values, and bytes of keys (in code units) and values. */
  get size(): { readonly keys: number; readonly bytes: number } {
    return { keys: this.#values.count, bytes: this.#values.bytes };
  }

  get(key: Key): StoredValue | null {
    return this.#values.get(key);
  }

  /** All values whose key starts with `prefix`, in code unit order of the keys. */
  list(prefix: string): readonly StoredValue[] {
    return this.#values.withPrefix(prefix);
  }

  /** The same behind the key `after`, as of now, however slowly they are taken. */
  scan(prefix: string, after: Key | null): Iterable<StoredValue> {
    return this.#values.scan(prefix, after);
  }

  /**
   * Applies the transaction of the log entry at `index`. Removals come after puts. A request id still in the table answers
   * with its first outcome and changes nothing.
   */
  apply(index: number, transaction: Transaction): Applied {
    const known = this.#requests.find(transaction.requestId);
    if (known !== null) return { outcome: known, changes: [] };
    const conflict = this.#firstConflict(transaction);
    const outcome: TransactionOutcome = conflict ?? { kind: 'committed', revision: index };
    const changes: StateChange[] = [];
    if (conflict === null) {
      for (const { key, value } of transaction.put) {
        const stored = { key, value, revision: index };
        this.#put(stored);
        changes.push({ kind: 'put', stored });
      }
      for (const key of transaction.remove) {
        if (this.#remove(key)) changes.push({ kind: 'removed', key });
      }
    }
    changes.push(...this.#record({ requestId: transaction.requestId, index, outcome }));
    return { outcome, changes };
  }

  /** Records that the entry at `index` is no transaction. It has no readable id, so the table line is named by the index. */
  refuse(index: number, reason: string): Applied {
    const outcome: TransactionOutcome = { kind: 'refused', reason };
    return { outcome, changes: this.#record({ requestId: `unreadable-${index}`, index, outcome }) };
  }

  /** A consistent cut: stays as it is while further entries are applied. No value and no key is copied. */
  contents(): StateContents {
    return { stored: this.#values.cut(), requests: this.#requests.lines() };
  }

  #firstConflict(transaction: Transaction): (TransactionOutcome & { kind: 'conflict' }) | null {
    for (const { key, revision } of transaction.compare) {
      const current: Revision = this.#values.get(key)?.revision ?? 0;
      if (current !== revision) return { kind: 'conflict', key, revision: current };
    }
    return null;
  }

  #put(stored: StoredValue): void {
    const previous = this.#values.put(stored);
    if (previous !== null) this.#hash = subtractHash(this.#hash, hashStored(previous));
    this.#hash = addHash(this.#hash, hashStored(stored));
  }

  /** False when there is no such key. */
  #remove(key: Key): boolean {
    const removed = this.#values.remove(key);
    if (removed === null) return false;
    this.#hash = subtractHash(this.#hash, hashStored(removed));
    return true;
  }

  #record(request: RequestRecord): readonly StateChange[] {
    const evicted = this.#requests.add(request);
    this.#hash = addHash(this.#hash, hashRequest(request));
    if (evicted === null) return [{ kind: 'recorded', request }];
    this.#hash = subtractHash(this.#hash, hashRequest(evicted));
    return [
      { kind: 'recorded', request },
      { kind: 'forgotten', request: evicted },
    ];
  }
}
