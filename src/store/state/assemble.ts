// Building a state out of records read from a disk or a peer: accepted only when it is exactly the state that was written.

import { type Result, err, ok } from '../../base/result.ts';
import { type StateHash, equalHashes, hashText } from './hash.ts';
import { KeyValueState, type StateContents } from './key-value-state.ts';

/** What the writer recorded about the state as a whole. */
export interface StateSummary {
  /** The log index of the last entry applied to it. */
  readonly index: number;
  readonly hash: StateHash;
}

/**
 * The state with `contents`, or the reason why it is not the one summarised: a key twice, a request twice or out of log
 * order, a record newer than the state, or another hash (also when more requests are there than the table holds).
 */
export function assembleState(summary: StateSummary, contents: StateContents): Result<KeyValueState, string> {
  const keys = new Set<string>();
  for (const { key, revision } of contents.stored) {
    if (keys.has(key)) return err('a key is stored twice');
    keys.add(key);
    if (revision > summary.index)
      return err(`a value of entry ${revision} lies in the state of entry ${summary.index}`);
  }
  const requestIds = new Set<string>();
  let previousIndex = 0;
  for (const { requestId, index } of contents.requests) {
    if (requestIds.has(requestId)) return err('a request is recorded twice');
    requestIds.add(requestId);
    if (index <= previousIndex) return err('the requests are not in log order');
    previousIndex = index;
  }
  if (previousIndex > summary.index) {
    return err(`a request of entry ${previousIndex} lies in the state of entry ${summary.index}`);
  }
  const state = new KeyValueState(contents);
  if (equalHashes(state.hash, summary.hash)) return ok(state);
  return err(`the content hashes to ${hashText(state.hash)}, recorded is ${hashText(summary.hash)}`);
}
