// What the rest of the program may ask of the replicated store, and what it needs of consensus.

import type { Result } from '../base/result.ts';

/** The log index of the transaction that last wrote a key; 0 in a comparison means "must not exist". */
export type Revision = number;

/** Keys are non-empty UTF-8 text without NUL, at most 1 KiB; ordered by code unit. */
export type Key = string;

export interface StoredValue {
  readonly key: Key;
  readonly value: Uint8Array;
  readonly revision: Revision;
}

/**
 * The only write: if every key of `compare` still has the named revision, all puts and deletes happen, else nothing.
 * `requestId` makes a retry after an unknown outcome harmless: the first outcome is returned again.
 */
export interface Transaction {
  /** 32 lower-case hexadecimal digits, new for every intent, the same for every retry of it. */
  readonly requestId: string;
  readonly compare: readonly { readonly key: Key; readonly revision: Revision }[];
  readonly put: readonly { readonly key: Key; readonly value: Uint8Array }[];
  readonly remove: readonly Key[];
}

/** What applying a transaction did; the same on every member and for every retry. */
export type TransactionOutcome =
  | { readonly kind: 'committed'; readonly revision: Revision }
  | { readonly kind: 'conflict'; readonly key: Key; readonly revision: Revision }
  /** The entry could not be read as a transaction, by no release; recorded, nothing changed. */
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Why a transaction or read got no outcome. `notLeader` and `overloaded`: certainly nothing happened.
 * `unknown`: it may have happened or may still happen; retry with the same `requestId` or read.
 */
export type StoreUnavailable =
  | { readonly kind: 'notLeader' }
  | { readonly kind: 'overloaded' }
  | { readonly kind: 'unknown'; readonly reason: string };

/** The transaction breaks a limit or a rule of `Transaction`; it was not proposed. A bug or too large an input, never a matter of time. */
export interface TransactionInvalid {
  readonly kind: 'invalid';
  readonly reason: string;
}

export interface TransactOptions {
  /** Refuse as `notLeader` unless this member leads exactly this term when it proposes: the fence of `leader/`. */
  readonly term?: number;
  /** Milliseconds to wait for the outcome before it is reported as `unknown`. */
  readonly deadlineMs: number;
}

/** Keys changed by one applied transaction, or everything after a snapshot was installed. */
export type StoreChange =
  | { readonly kind: 'keys'; readonly revision: Revision; readonly keys: readonly Key[] }
  | { readonly kind: 'replaced' };

/** The port through which `registry/` works. A second engine (roadmap item 7) would implement the same few functions. */
export interface Store {
  /** Local state. Linearizable only after `linearize()` on the leader. */
  get(key: Key): StoredValue | null;
  /** All keys that start with `prefix`, in key order. */
  list(prefix: string): readonly StoredValue[];
  /** The same behind the key `after`, as of the call, however slowly they are taken: for lists of any length. */
  scan(prefix: string, after: Key | null): Iterable<StoredValue>;
  /** Resolves once local state contains everything acknowledged before the call (ReadIndex). */
  linearize(deadlineMs: number): Promise<Result<void, StoreUnavailable>>;
  /** Resolves when the transaction is committed *and* applied here. Never rejects. */
  transact(
    transaction: Transaction,
    options: TransactOptions,
  ): Promise<Result<TransactionOutcome, StoreUnavailable | TransactionInvalid>>;
  /** Calls `listener` after each applied change, in order, synchronously; it must not throw. Returns the way to stop. */
  watch(listener: (change: StoreChange) => void): () => void;
}

/** What the store needs of consensus; `raft/driver.ts` has this shape. */
export interface Consensus {
  /** Resolves with what `StateMachine.apply` returned for the command, when it was applied on this member. Never rejects. */
  propose(data: Uint8Array, options: TransactOptions): Promise<Result<unknown, StoreUnavailable>>;
  read(deadlineMs: number): Promise<Result<void, StoreUnavailable>>;
}
