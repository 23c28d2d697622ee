// What the durable copy needs of a database of records: LevelDB in production, a model in simulations.

import type { Done } from './durable-copy.ts';

/** A record as it lies in the database. */
export type DatabaseRecord = readonly [key: string, value: Uint8Array];

/** Changes on their way in: none of them is there before `write`, and afterwards all or, after a failure or crash, none. */
export interface RecordBatch {
  put(key: string, value: Uint8Array): void;
  remove(key: string): void;
  /** `sync` makes this and every earlier batch durable before `done(null)`. The batch is used up. */
  write(sync: boolean, done: Done): void;
}

/**
 * Ordered records. Unsynced batches may be lost by a crash, the last first. One operation at a time; after the first error
 * nothing that it holds or says is relied on until it was opened and verified again.
 */
export interface RecordDatabase {
  /** All records in key order, handed over in portions of bounded size with a turn of the event loop between two. */
  scan(onRecords: (records: readonly DatabaseRecord[]) => void, done: Done): void;
  batch(): RecordBatch;
  /** Removes every record before or after a key; not atomic. */
  clear(range: { readonly lt: string } | { readonly gt: string }, done: Done): void;
  close(done: Done): void;
}
