// The body of a request as a file that is read once, front to back: as fast as it is read, and no further ahead than the connection is.

import type { Readable } from 'node:stream';

import { assert } from '../base/assert.ts';
import type { BackupSource } from '../backup/read-backup.ts';
import type { Outcome } from '../base/task.ts';
import type { OpenFile } from '../raft/wal/file-system.ts';

/** The body is larger than is read here. */
export class TooManyBytes extends Error {
  override readonly name = 'TooManyBytes';
}

const NOTHING = new Uint8Array(0);

export class IncomingBackup implements BackupSource {
  readonly #pieces: AsyncIterator<Uint8Array>;
  readonly #bytesMax: number;
  #piece: Uint8Array = NOTHING;
  /** Bytes handed out, and bytes that have come. */
  #position = 0;
  #received = 0;

  constructor(body: Readable, bytesMax: number) {
    // Whoever reads next learns of it; nobody may be reading.
    body.on('error', () => undefined);
    // Given up early, the connection would be cut before the answer.
    this.#pieces = body.iterator({ destroyOnReturn: false });
    this.#bytesMax = bytesMax;
  }

  /** There is one file, whatever it is called. */
  open(_path: string, mode: 'read', done: Outcome<OpenFile>): void;
  open(_path: string, mode: string, done: Outcome<OpenFile>): void {
    assert(mode === 'read', 'what comes in is read alone');
    const unchangeable = (): never => {
      throw new Error('what comes in is read alone');
    };
    const file: OpenFile = {
      read: (into, position, readDone) => void this.#read(into, position).then(readDone, readDone),
      write: unchangeable,
      datasync: unchangeable,
      writeDurably: unchangeable,
      sizeBytes: unchangeable,
      close: (closed) => this.defer(() => closed(null)),
    };
    this.defer(() => done(file));
  }

  defer(callback: () => void): void {
    setImmediate(callback);
  }

  /** Reads what is left, and forgets it. */
  async drain(): Promise<void> {
    while ((await this.#next()) !== null);
  }

  async #read(into: Uint8Array, position: number): Promise<number> {
    assert(position === this.#position, 'a body is read front to back');
    while (this.#piece.length === 0) {
      const next = await this.#next();
      if (next === null) return 0;
      this.#piece = next;
    }
    const count = Math.min(into.length, this.#piece.length);
    into.set(this.#piece.subarray(0, count));
    this.#piece = this.#piece.subarray(count);
    this.#position += count;
    return count;
  }

  async #next(): Promise<Uint8Array | null> {
    const next = await this.#pieces.next();
    if (next.done === true) return null;
    this.#received += next.value.length;
    if (this.#received > this.#bytesMax) throw new TooManyBytes();
    return next.value;
  }
}
