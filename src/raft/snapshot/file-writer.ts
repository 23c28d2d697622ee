// Writes a snapshot to a temporary file, chunk by chunk, and gives it its name when it is whole.

import { crc32 } from 'node:zlib';

import type { SnapshotMeta } from '../core/types.ts';
import type { FileSystem, OpenFile } from '../wal/file-system.ts';
import { type Task, completion, outcome } from '../../base/task.ts';
import { SnapshotDamaged } from './errors.ts';
import { readSnapshot } from './file-reader.ts';
import { CHUNK_BYTES_MAX, encodeChunk, encodeHeader, encodeTrailer } from './format.ts';

/** Synced in steps of this size, so that a group write of the log never waits behind a whole snapshot. */
const SYNC_STEP_BYTES = 1024 * 1024;

/** Chunks, then `end`; or `abandon` at any point, also after an error. */
export class SnapshotFileWriter {
  readonly #fileSystem: FileSystem;
  readonly #temporary: string;
  readonly #meta: SnapshotMeta;
  #file: OpenFile | null = null;
  #position = 0;
  #syncedTo = 0;
  #crc = 0;
  #chunks = 0;
  #payloadBytes = 0;

  constructor(fileSystem: FileSystem, temporary: string, meta: SnapshotMeta) {
    this.#fileSystem = fileSystem;
    this.#temporary = temporary;
    this.#meta = meta;
  }

  /** Appends a chunk of at most 1 MiB; fails for a larger one. */
  *chunk(payload: Uint8Array): Task<void> {
    if (payload.length > CHUNK_BYTES_MAX)
      throw new Error(`a snapshot chunk of ${payload.length} bytes is too large`);
    const file = yield* this.#open();
    yield* this.#write(file, encodeChunk(payload));
    this.#chunks += 1;
    this.#payloadBytes += payload.length;
  }

  /** Completes and syncs the file, reads it back, and leaves it closed; returns its size in bytes. */
  *end(): Task<number> {
    const file = yield* this.#open();
    const counts = { chunks: this.#chunks, payloadBytes: this.#payloadBytes };
    yield* this.#write(file, encodeTrailer({ ...counts, fileCrc: this.#crc }));
    yield* completion((done) => file.datasync(done));
    this.#file = null;
    yield* completion((done) => file.close(done));
    const { bytes } = yield* readSnapshot(this.#fileSystem, this.#temporary);
    if (bytes !== this.#position)
      throw new SnapshotDamaged(this.#temporary, bytes, 'it reads back shorter than written');
    return bytes;
  }

  /** Closes and removes what was written. Never fails: what cannot be removed is left to `prune`. */
  *abandon(): Task<void> {
    const file = this.#file;
    this.#file = null;
    if (file !== null) yield (resume) => file.close(() => resume());
    yield (resume) => this.#fileSystem.remove(this.#temporary, () => resume());
  }

  /** The first use creates the file and writes its header: an announced snapshot that never comes leaves nothing. */
  *#open(): Task<OpenFile> {
    if (this.#file !== null) return this.#file;
    const file = yield* outcome<OpenFile>((done) => this.#fileSystem.open(this.#temporary, 'replace', done));
    this.#file = file;
    yield* this.#write(file, encodeHeader(this.#meta));
    return file;
  }

  *#write(file: OpenFile, bytes: Buffer): Task<void> {
    yield* completion((done) => file.write(bytes, this.#position, done));
    this.#position += bytes.length;
    this.#crc = crc32(bytes, this.#crc);
    if (this.#position - this.#syncedTo < SYNC_STEP_BYTES) return;
    yield* completion((done) => file.datasync(done));
    this.#syncedTo = this.#position;
  }
}
