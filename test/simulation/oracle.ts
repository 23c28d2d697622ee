// The second opinion on what clients were told: the committed log replayed by a model so simple that it is obviously right.

import { isDeepStrictEqual } from 'node:util';

import type { Entry } from '../../src/raft/core/types.ts';
import type { TransactionOutcome } from '../../src/store/types.ts';
import type { Violate } from './ledger.ts';
import type { Marks } from './marks.ts';
import { decodeTransaction } from './production.ts';

/** A value of a key and the entry that put it there; null when that entry removed it. */
export interface Version {
  readonly index: number;
  readonly value: string | null;
}

interface RecordedRequest {
  readonly index: number;
  readonly outcome: TransactionOutcome;
}

/** What an operation knew when it was called. */
export interface CalledAt {
  /** The highest index whose effect any client had been told of. */
  readonly acknowledged: number;
}

/**
 * Checks each answer the moment it is given. Together: the answer is what the log says, an operation called after another
 * one returned comes after it in the log, a read sees everything acknowledged before its call, one request is one index.
 */
export class Oracle {
  readonly #violate: Violate;
  readonly #marks: Marks;
  readonly #versions = new Map<string, Version[]>();
  readonly #requests = new Map<string, RecordedRequest>();
  /** Requests whose clients were told that they certainly have no effect. */
  readonly #refused = new Set<string>();
  #acknowledged = 0;

  constructor(violate: Violate, marks: Marks) {
    this.#violate = violate;
    this.#marks = marks;
  }

  /** What a client that calls now must see. */
  call(): CalledAt {
    return { acknowledged: this.#acknowledged };
  }

  /** Every committed entry, once and in order. */
  onCommitted(entry: Entry): void {
    if (entry.kind !== 'command') return;
    const decoded = decodeTransaction(entry.data);
    if (!decoded.ok) {
      this.#violate('log order', `entry ${entry.index} is no transaction: ${decoded.error}`);
      return;
    }
    const { requestId, compare, put, remove } = decoded.value;
    if (this.#refused.has(requestId)) {
      this.#violate('certain refusal', `entry ${entry.index} is a request that was refused for certain`);
    }
    if (this.#requests.has(requestId)) {
      this.#marks.hit('dedupHit');
      return;
    }
    const stale = compare.find(({ key, revision }) => this.#current(key) !== revision);
    const outcome: TransactionOutcome =
      stale === undefined
        ? { kind: 'committed', revision: entry.index }
        : { kind: 'conflict', key: stale.key, revision: this.#current(stale.key) };
    this.#requests.set(requestId, { index: entry.index, outcome });
    if (stale !== undefined) return;
    for (const { key, value } of put) this.#note(key, { index: entry.index, value: textOf(value) });
    for (const key of remove) this.#note(key, { index: entry.index, value: null });
  }

  /** A client was told that `requestId` had `outcome`. */
  onWritten(requestId: string, outcome: unknown, called: CalledAt): void {
    const recorded = this.#requests.get(requestId);
    if (recorded === undefined) {
      this.#violate('log order', `request ${requestId} was answered and is not committed`);
      return;
    }
    if (!isDeepStrictEqual(recorded.outcome, outcome)) {
      const told = JSON.stringify(outcome);
      this.#violate('log order', `told ${told}, the log says ${JSON.stringify(recorded.outcome)}`);
    }
    if (recorded.index <= called.acknowledged) {
      const text = `entry ${recorded.index} was called after ${called.acknowledged} had been acknowledged`;
      this.#violate('real time order', text);
    }
    this.#acknowledged = Math.max(this.#acknowledged, recorded.index);
  }

  /** A client read `found` (its revision 0 for nothing) from a state that had applied `applied`. */
  onRead(
    key: string,
    found: { readonly revision: number; readonly value: string | null },
    at: { readonly applied: number; readonly called: CalledAt },
  ): void {
    const { applied, called } = at;
    if (applied < called.acknowledged) {
      this.#violate('real time order', `a read at ${applied} misses the acknowledged ${called.acknowledged}`);
    }
    const version = this.#versions.get(key)?.findLast(({ index }) => index <= applied);
    const value = version?.value ?? null;
    const revision = value === null ? 0 : (version?.index ?? 0);
    if (found.value !== value || found.revision !== revision) {
      const text = `${key} at ${applied} is revision ${revision}, ${found.revision} was read`;
      this.#violate('log order', text);
    }
    this.#acknowledged = Math.max(this.#acknowledged, applied);
  }

  /** A client was told that `requestId` has no effect and never will. */
  onRefused(requestId: string): void {
    this.#refused.add(requestId);
    if (this.#requests.has(requestId)) {
      this.#violate('certain refusal', `request ${requestId} is committed and was refused for certain`);
    }
  }

  #current(key: string): number {
    const newest = this.#versions.get(key)?.at(-1);
    return newest === undefined || newest.value === null ? 0 : newest.index;
  }

  #note(key: string, version: Version): void {
    const versions = this.#versions.get(key);
    if (versions === undefined) this.#versions.set(key, [version]);
    else versions.push(version);
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('latin1');
}
