// What a group that begins with the state of another one changes in it first.

import type { ReadableState } from '../../backup/audit.ts';
import type { Transaction } from '../../store/types.ts';

/** Values to be written, and keys to be removed, by the first entry of the new group. */
export type TakeOver = Pick<Transaction, 'put' | 'remove'>;

/** The one place for it: `state` is everything that the old group is known to have had. Nothing is changed. */
export function takeOver(_state: ReadableState): TakeOver {
  return { put: [], remove: [] };
}
