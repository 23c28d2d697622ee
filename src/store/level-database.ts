// LevelDB behind the port of the copy: the only place where its promises are turned into callbacks.

import type { Level } from 'level';

import type { Done } from './durable-copy.ts';
import type { DatabaseRecord, RecordBatch, RecordDatabase } from './record-database.ts';

/** A LevelDB handle with text keys and bytes as values. */
export type LevelHandle = Level<string, Uint8Array>;

/** Records a portion of a scan: some milliseconds of decoding at most. */
const SCAN_RECORDS = 500;

/** `RecordDatabase` on an open LevelDB. Whatever it rejects with is reported as it came; nothing is tried again. */
export class LevelDatabase implements RecordDatabase {
  readonly #handle: LevelHandle;

  constructor(handle: LevelHandle) {
    this.#handle = handle;
  }

  /** The only iterator this database ever sees, and nothing may be written meanwhile. */
  scan(onRecords: (records: readonly DatabaseRecord[]) => void, done: Done): void {
    void report(this.#scan(onRecords), done);
  }

  batch(): RecordBatch {
    const chained = this.#handle.batch();
    return {
      put: (key, value) => void chained.put(key, value),
      remove: (key) => void chained.del(key),
      write: (sync, done) => void report(chained.write({ sync }), done),
    };
  }

  clear(range: { readonly lt: string } | { readonly gt: string }, done: Done): void {
    void report(this.#handle.clear(range), done);
  }

  close(done: Done): void {
    void report(this.#handle.close(), done);
  }

  async #scan(onRecords: (records: readonly DatabaseRecord[]) => void): Promise<void> {
    const iterator = this.#handle.iterator();
    try {
      for (;;) {
        const records = await iterator.nextv(SCAN_RECORDS);
        if (records.length === 0) return;
        onRecords(records);
      }
    } finally {
      await iterator.close();
    }
  }
}

/** A `done` that throws is a bug: it surfaces as an unhandled rejection and ends the process. */
async function report(operation: Promise<unknown>, done: Done): Promise<void> {
  let failure: Error | null = null;
  try {
    await operation;
  } catch (cause) {
    failure = asError(cause);
  }
  done(failure);
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error('the database failed without an error', { cause });
}
