// Random command sequences over few keys, so that they meet: transactions, repeats, garbage, entries of Raft's own.

import * as fc from 'fast-check';

import type { Transaction } from '../../../src/store/types.ts';
import { requestId } from './support.ts';

const key = fc.constantFrom('a', 'a/1', 'a/2', 'b', 'b/ü', 'c/\u{1f600}', 'z');
const value = fc.uint8Array({ maxLength: 40 });

/** Request ids repeat now and then. */
export const arbitraryTransaction: fc.Arbitrary<Transaction> = fc.record({
  requestId: fc.nat({ max: 60 }).map(requestId),
  compare: fc.array(fc.record({ key, revision: fc.nat({ max: 12 }) }), { maxLength: 2 }),
  put: fc.array(fc.record({ key, value }), { maxLength: 3 }),
  remove: fc.array(key, { maxLength: 2 }),
});

export const arbitraryCommand: fc.Arbitrary<Transaction | Uint8Array | 'noop'> = fc.oneof(
  { weight: 8, arbitrary: arbitraryTransaction },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 30 }) },
  { weight: 1, arbitrary: fc.constant<'noop'>('noop') },
);
