// One change of the registry from its plan to a certain outcome: proposes, retries what is unknown, plans again on conflict.

import { assert, unreachable } from '../base/assert.ts';
import { type BackoffPolicy, backoffDelayMs } from '../base/backoff.ts';
import type { Clock } from '../base/clock.ts';
import { type Random, randomHex } from '../base/random.ts';
import { type Result, err, ok } from '../base/result.ts';
import type {
  Revision,
  Store,
  StoreUnavailable,
  Transaction,
  TransactionInvalid,
  TransactionOutcome,
} from '../store/types.ts';
import type { ChangeError } from '../topology/record.ts';

/** A transaction before it has a request id. */
export type TransactionPlan = Omit<Transaction, 'requestId'>;

/** What to commit, as of the local state, or why not. */
export type Planned = Result<TransactionPlan, ChangeError>;

export interface CommitterOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Request ids must not repeat across restarts and members: cryptographic randomness. */
  readonly random: Random;
  /** Milliseconds one change may take, all retries included. */
  readonly deadlineMs: number;
}

interface Limits {
  readonly deadlineAtMs: number;
  readonly term: number | null;
}

/** How soon an unknown outcome is asked for again. */
const RETRY: BackoffPolicy = { delayMsMin: 20, delayMsMax: 500, factor: 2 };

export class Committer {
  readonly #options: CommitterOptions;

  constructor(options: CommitterOptions) {
    this.#options = options;
  }

  /**
   * Commits what `plan` makes of the local state. `plan` checks everything the change relies on and puts it into the
   * comparisons; it is called again, on the newer state, each time others were faster, until the deadline. Its refusal is the
   * answer once it was made on a linearizable read: a deposed leader must not refuse on what it no longer knows. With `term`,
   * nothing is proposed unless this member leads exactly that term. The value is the revision that all keys written have now.
   */
  async commit(plan: () => Planned, term: number | null = null): Promise<Result<Revision, ChangeError>> {
    const { clock, deadlineMs } = this.#options;
    const limits: Limits = { deadlineAtMs: clock.monotonicMs() + deadlineMs, term };
    let isCurrent = false;
    do {
      const planned = plan();
      if (!planned.ok) {
        if (isCurrent) return planned;
        const read = await this.#options.store.linearize(limits.deadlineAtMs - clock.monotonicMs());
        if (!read.ok) return read;
        isCurrent = true;
        continue;
      }
      const outcome = await this.#submit(planned.value, limits);
      if (!outcome.ok) return err(toChangeError(outcome.error));
      if (outcome.value.kind === 'committed') return ok(outcome.value.revision);
      assert(outcome.value.kind === 'conflict', 'what the store encodes, it can read');
    } while (clock.monotonicMs() < limits.deadlineAtMs);
    return err({ kind: 'conflict' });
  }

  /**
   * One intent, one request id. An unknown outcome is asked for again: whichever attempt is applied first gives the outcome of
   * all. Once one attempt is unknown, no later refusal makes it certain that nothing happened.
   */
  async #submit(
    plan: TransactionPlan,
    limits: Limits,
  ): Promise<Result<TransactionOutcome, StoreUnavailable | TransactionInvalid>> {
    const { store, clock, random } = this.#options;
    const transaction: Transaction = { requestId: randomHex(random, 32), ...plan };
    const fence = limits.term === null ? {} : { term: limits.term };
    let unknown: StoreUnavailable | null = null;
    for (let attempt = 0; ; attempt += 1) {
      const deadlineMs = Math.max(1, limits.deadlineAtMs - clock.monotonicMs());
      const result = await store.transact(transaction, { ...fence, deadlineMs });
      if (result.ok) return result;
      if (result.error.kind === 'unknown') unknown = result.error;
      if (unknown === null) return result;
      // The first attempt is with the former leadership; who asks the new leader reads its outcome there.
      if (result.error.kind === 'notLeader') return err(unknown);
      const delayMs = backoffDelayMs(RETRY, attempt, random);
      if (clock.monotonicMs() + delayMs >= limits.deadlineAtMs) return err(unknown);
      await this.#sleep(delayMs);
    }
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      this.#options.clock.setTimer(delayMs, resolve);
    });
  }
}

/** An invalid transaction was refused before it was proposed. */
function toChangeError(error: StoreUnavailable | TransactionInvalid): ChangeError {
  switch (error.kind) {
    case 'notLeader':
    case 'overloaded':
    case 'unknown':
      return error;
    case 'invalid':
      return { kind: 'tooLarge', reason: error.reason };
    default:
      return unreachable(error);
  }
}
