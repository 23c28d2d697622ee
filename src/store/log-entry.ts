// What the store sees of the replicated log. The brands are those of Raft by structure, without an import in either direction.

import { assert } from '../base/assert.ts';
import type { Brand } from '../base/brand.ts';

/** A position in the log: an integer >= 0; 0 is "before the first entry". */
export type LogIndex = Brand<number, 'LogIndex'>;

/** The term an entry was written in: an integer >= 0. */
export type Term = Brand<number, 'Term'>;

export interface LogPosition {
  readonly index: LogIndex;
  readonly term: Term;
}

/** A committed entry. Only `command` means something here; the others move the position. */
export interface LogEntry extends LogPosition {
  readonly kind: 'command' | 'noop' | 'config';
  readonly data: Uint8Array;
}

/** The position of `index` and `term`, both integers >= 0. */
export function logPosition(index: number, term: number): LogPosition {
  assert(Number.isSafeInteger(index) && index >= 0, 'a log index is an integer >= 0');
  assert(Number.isSafeInteger(term) && term >= 0, 'a term is an integer >= 0');
  return { index: index as LogIndex, term: term as Term };
}

/** Before the first entry. */
export const LOG_START: LogPosition = logPosition(0, 0);
