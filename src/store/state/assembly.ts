// Building a state out of records read from a disk or a peer: accepted only when it is exactly the state that was written.

import { type Result, err, ok } from '../../base/result.ts';
import type { StoredValue } from '../types.ts';
import { type StateHash, equalHashes, hashText } from './hash.ts';
import { KeyValueState } from './key-value-state.ts';
import type { RequestRecord } from './request-table.ts';

/** What the writer recorded about the state as a whole. */
export interface StateSummary {
  /** The log index of the last entry applied to it. */
  readonly index: number;
  readonly hash: StateHash;
}

/** Records in, one by one, each hashed and put in its place at once, so that the end has nothing left to do but compare. */
export class StateAssembly {
  readonly #state = new KeyValueState();
  #storedCount = 0;
  #requestCount = 0;
  #newestRevision = 0;
  #newestRequest = 0;

  get storedCount(): number {
    return this.#storedCount;
  }

  get requestCount(): number {
    return this.#requestCount;
  }

  /** Why the value cannot belong to any state; null when it was taken in. Any order, fastest in key order. */
  addStored(stored: StoredValue): string | null {
    if (!this.#state.restoreStored(stored)) return 'a key is stored twice';
    this.#storedCount += 1;
    this.#newestRevision = Math.max(this.#newestRevision, stored.revision);
    return null;
  }

  /** The same for a line of the request table, in log order. */
  addRequest(request: RequestRecord): string | null {
    if (!this.#state.restoreRequest(request)) return 'a request is recorded twice';
    if (request.index <= this.#newestRequest) return 'the requests are not in log order';
    this.#requestCount += 1;
    this.#newestRequest = request.index;
    return null;
  }

  /**
   * The state, or the reason why it is not the one summarised: a record newer than the state, or another hash (also when
   * more requests are there than the table holds). Nothing may be added afterwards.
   */
  finish(summary: StateSummary): Result<KeyValueState, string> {
    const { index } = summary;
    if (this.#newestRevision > index)
      return err(`a value of entry ${this.#newestRevision} lies in the state of entry ${index}`);
    if (this.#newestRequest > index)
      return err(`a request of entry ${this.#newestRequest} lies in the state of entry ${index}`);
    if (equalHashes(this.#state.hash, summary.hash)) return ok(this.#state);
    return err(`the content hashes to ${hashText(this.#state.hash)}, recorded is ${hashText(summary.hash)}`);
  }
}
