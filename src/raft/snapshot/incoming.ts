// A snapshot on its way in from the network: temporary until it is whole.

import { assert } from '../../base/assert.ts';
import type { Done, SnapshotFile } from '../ports.ts';
import type { Outcome } from '../wal/file-system.ts';
import { type Task, runSteps, runTask } from '../../base/task.ts';
import type { SnapshotFileWriter } from './file-writer.ts';

/** One call at a time, each after the `done` of the last. After an error, or to give up: `abort`. */
export interface IncomingSnapshot {
  /** The next chunk of the state, at most 1 MiB, not to be changed before `done`. */
  write(chunk: Uint8Array, done: Done): void;
  /** No more chunks: syncs, verifies and publishes the snapshot, or fails without a trace. */
  finish(done: Outcome<SnapshotFile>): void;
  /** Drops what came so far, after the call under way. Does nothing after `finish` or another `abort`. */
  abort(): void;
}

export interface IncomingParts {
  readonly writer: SnapshotFileWriter;
  /** Ends the writer and gives the file its name; leaves nothing behind on an error. */
  readonly publish: () => Task<SnapshotFile>;
  /** The temporary file is not in use any more. */
  readonly ended: () => void;
}

/** Made by `SnapshotDirectory.receive`. */
export class IncomingFile implements IncomingSnapshot {
  readonly #parts: IncomingParts;
  #busy = false;
  #state: 'receiving' | 'aborting' | 'ended' = 'receiving';

  constructor(parts: IncomingParts) {
    this.#parts = parts;
  }

  write(chunk: Uint8Array, done: Done): void {
    this.#begin();
    runSteps(this.#parts.writer.chunk(chunk), (error) => {
      this.#busy = false;
      if (this.#state === 'aborting') this.#discard();
      done(error);
    });
  }

  finish(done: Outcome<SnapshotFile>): void {
    this.#begin();
    this.#state = 'ended';
    runTask(this.#parts.publish(), (result) => {
      this.#parts.ended();
      done(result);
    });
  }

  abort(): void {
    if (this.#state !== 'receiving') return;
    this.#state = 'aborting';
    if (!this.#busy) this.#discard();
  }

  #begin(): void {
    assert(!this.#busy, 'one call at a time on an incoming snapshot');
    assert(this.#state === 'receiving', 'an ended incoming snapshot takes no calls');
    this.#busy = true;
  }

  #discard(): void {
    this.#state = 'ended';
    runSteps(this.#parts.writer.abandon(), () => this.#parts.ended());
  }
}
