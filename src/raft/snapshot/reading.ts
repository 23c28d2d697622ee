// A snapshot file on its way out, chunk by chunk: to the network, or to a caller that awaits.

import { type Outcome, runSteps, runTask } from '../../base/task.ts';
import type { Done, SnapshotFile } from '../ports.ts';
import type { SnapshotFileReader } from './file-reader.ts';

/** One call at a time, each after the callback of the last; `close` at the end, whatever happened. */
export interface SnapshotReading {
  /** The next verified chunk, the caller's to keep; null when the whole file has proved right. */
  next(done: Outcome<Uint8Array | null>): void;
  close(done: Done): void;
}

/** Made by `SnapshotDirectory.open`. */
export class OpenReading implements SnapshotReading {
  readonly #reader: SnapshotFileReader;

  constructor(reader: SnapshotFileReader) {
    this.#reader = reader;
  }

  next(done: Outcome<Uint8Array | null>): void {
    runTask(this.#reader.next(), done);
  }

  close(done: Done): void {
    runSteps(this.#reader.close(), done);
  }
}

/** The verified chunks of `file` in order, the next one read only when asked for. */
export async function* awaitedChunks(
  from: { open(file: SnapshotFile, done: Outcome<SnapshotReading>): void },
  file: SnapshotFile,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reading = await settled<SnapshotReading>((done) => from.open(file, done));
  try {
    for (;;) {
      const chunk = await settled<Uint8Array | null>((done) => reading.next(done));
      if (chunk === null) return;
      yield chunk;
    }
  } finally {
    await settled<null>((done) => reading.close((error) => done(error)));
  }
}

function settled<T>(start: (done: Outcome<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((result) => {
      if (result instanceof Error) reject(result);
      else resolve(result);
    });
  });
}
