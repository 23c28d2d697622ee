// The store as the rest of the program sees it: reads from the local state, writes through consensus.

import { assert } from '../base/assert.ts';
import { type Result, err, ok } from '../base/result.ts';
import { encodeTransaction } from './codec.ts';
import { checkEncodedBytes, checkTransaction } from './state/limits.ts';
import type {
  Consensus,
  Key,
  Store,
  StoreChange,
  StoreUnavailable,
  StoredValue,
  TransactOptions,
  Transaction,
  TransactionInvalid,
  TransactionOutcome,
} from './types.ts';

/** What is read of the state machine. */
export interface LocalState {
  get(key: Key): StoredValue | null;
  list(prefix: string): readonly StoredValue[];
  scan(prefix: string, after: Key | null): Iterable<StoredValue>;
  watch(listener: (change: StoreChange) => void): () => void;
}

/** Holds no state of its own. Retrying an unknown outcome is the caller's choice, with the same request id. */
export class ReplicatedStore implements Store {
  readonly #consensus: Consensus;
  readonly #local: LocalState;

  constructor(consensus: Consensus, local: LocalState) {
    this.#consensus = consensus;
    this.#local = local;
  }

  get(key: Key): StoredValue | null {
    return this.#local.get(key);
  }

  list(prefix: string): readonly StoredValue[] {
    return this.#local.list(prefix);
  }

  scan(prefix: string, after: Key | null): Iterable<StoredValue> {
    return this.#local.scan(prefix, after);
  }

  watch(listener: (change: StoreChange) => void): () => void {
    return this.#local.watch(listener);
  }

  linearize(deadlineMs: number): Promise<Result<void, StoreUnavailable>> {
    return this.#consensus.read(deadlineMs);
  }

  async transact(
    transaction: Transaction,
    options: TransactOptions,
  ): Promise<Result<TransactionOutcome, StoreUnavailable | TransactionInvalid>> {
    const checked = checkTransaction(transaction);
    if (!checked.ok) return err(checked.error);
    const data = encodeTransaction(transaction);
    const fits = checkEncodedBytes(data.length);
    if (!fits.ok) return err(fits.error);
    const proposed = await this.#consensus.propose(data, options);
    return proposed.ok ? ok(parseApplyResult(proposed.value)) : err(proposed.error);
  }
}

/** Consensus hands back what `apply` returned without knowing its type; anything else is a wiring mistake. */
function parseApplyResult(value: unknown): TransactionOutcome {
  const kind = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : null;
  assert(
    kind === 'committed' || kind === 'conflict' || kind === 'refused',
    'consensus answers a proposal with its outcome',
  );
  return value as TransactionOutcome;
}
