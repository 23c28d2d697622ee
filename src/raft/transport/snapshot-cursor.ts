// Reads a snapshot's file in batches for a transfer that may have to go back.

import { crc32 } from 'node:zlib';

import type { SnapshotFile } from '../ports.ts';
import { SNAPSHOT_BATCH_CHUNKS_MAX, type SnapshotBatch } from './snapshot-codec.ts';

/** What the sender needs of the snapshots on disk. */
export interface SnapshotSource {
  /**
   * The verified chunks of `file` in order, the next read only when asked for; each is the reader's own. Throws when the
   * file is damaged or gone.
   */
  read(file: SnapshotFile): AsyncIterable<Uint8Array>;
}

/** One call at a time; `close` at the end. Holds what was given out until a later offset shows that it arrived. */
export class SnapshotCursor {
  readonly #source: SnapshotSource;
  readonly #file: SnapshotFile;
  #chunks: AsyncIterator<Uint8Array> | null = null;
  /** Chunks before `#held`, and the CRC32 of their bytes. */
  #offset = 0;
  #crc = 0;
  #held: Uint8Array[] = [];
  #ended = false;

  constructor(source: SnapshotSource, file: SnapshotFile) {
    this.#source = source;
    this.#file = file;
  }

  /**
   * The chunks from number `offset` on, until they have `bytesTarget` bytes or more or are as many as fit a post. An offset before
   * the last one opens the file again. Throws when there are fewer chunks than `offset`, or when the file cannot be read.
   */
  async batch(offset: number, bytesTarget: number): Promise<SnapshotBatch> {
    if (offset < this.#offset) await this.close();
    while (this.#offset < offset) {
      const chunk = this.#held.shift() ?? (await this.#read());
      if (chunk === null) throw new Error('the peer holds more than there is');
      this.#offset += 1;
      this.#crc = crc32(chunk, this.#crc);
    }
    const chunks: Uint8Array[] = [];
    for (let bytes = 0; bytes < bytesTarget && chunks.length < SNAPSHOT_BATCH_CHUNKS_MAX;) {
      const chunk = this.#held[chunks.length] ?? (await this.#hold());
      if (chunk === null) break;
      chunks.push(chunk);
      bytes += chunk.byteLength;
    }
    return { offset, crc: this.#crc, chunks, last: this.#ended && chunks.length === this.#held.length };
  }

  /** Lets go of the file; a later `batch` opens it again. */
  async close(): Promise<void> {
    const chunks = this.#chunks;
    this.#chunks = null;
    this.#offset = 0;
    this.#crc = 0;
    this.#held = [];
    this.#ended = false;
    await chunks?.return?.();
  }

  async #hold(): Promise<Uint8Array | null> {
    const chunk = await this.#read();
    if (chunk !== null) this.#held.push(chunk);
    return chunk;
  }

  async #read(): Promise<Uint8Array | null> {
    if (this.#ended) return null;
    this.#chunks ??= this.#source.read(this.#file)[Symbol.asyncIterator]();
    const next = await this.#chunks.next();
    if (next.done !== true) return next.value;
    this.#ended = true;
    return null;
  }
}
