// Reads a snapshot front to back, chunk by chunk, and checks every byte of it.

import { crc32 } from 'node:zlib';

import { present } from '../../base/assert.ts';
import type { SnapshotMeta } from '../core/types.ts';
import { MalformedBytes } from '../wal/bytes.ts';
import type { FileSystem, OpenFile } from '../wal/file-system.ts';
import { type Task, completion, outcome, pause } from '../../base/task.ts';
import { SnapshotDamaged, SnapshotUnsupported } from './errors.ts';
import {
  CHUNK_HEADER_BYTES,
  PREAMBLE_BYTES,
  TRAILER_BYTES,
  UnknownVersion,
  readHeader,
  readPreamble,
  readTag,
  readTrailer,
} from './format.ts';

/** Decoding so much takes one to two milliseconds when it is all small records. */
const PIECE_BYTES_MAX = 16 * 1024;

/** A snapshot file being read. Its methods throw `SnapshotDamaged`, `SnapshotUnsupported` or the disk's error. */
export class SnapshotFileReader {
  readonly #file: OpenFile;
  readonly #path: string;
  #meta: SnapshotMeta | null = null;
  /** Bytes read, and the checksum of all of them. */
  #position = 0;
  #crc = 0;
  #chunks = 0;
  #payloadBytes = 0;

  constructor(file: OpenFile, path: string) {
    this.#file = file;
    this.#path = path;
  }

  /** Opens the file and reads its header. After an error nothing is left to close. */
  static *open(fileSystem: Pick<FileSystem, 'open'>, path: string): Task<SnapshotFileReader> {
    const file = yield* outcome<OpenFile>((done) => fileSystem.open(path, 'read', done));
    const reader = new SnapshotFileReader(file, path);
    try {
      yield* reader.#guarded(reader.#readHeader());
    } catch (error) {
      yield* reader.close();
      throw error;
    }
    return reader;
  }

  get meta(): SnapshotMeta {
    return present(this.#meta, 'open reads the header');
  }

  /** Bytes read so far; of the whole file once `next` has returned null. */
  get bytes(): number {
    return this.#position;
  }

  /** The next chunk's payload, the caller's to keep; null when the whole file has proved right. */
  *next(): Task<Buffer | null> {
    return yield* this.#guarded(this.#readChunk());
  }

  *close(): Task<void> {
    yield* completion((done) => this.#file.close(done));
  }

  *#readHeader(): Task<void> {
    const preamble = yield* this.#take(PREAMBLE_BYTES);
    this.#meta = readHeader(preamble, yield* this.#take(readPreamble(preamble)));
  }

  *#readChunk(): Task<Buffer | null> {
    const fileCrc = this.#crc;
    const head = yield* this.#take(CHUNK_HEADER_BYTES);
    const tag = readTag(head);
    if (tag.kind === 'trailer') {
      yield* this.#readEnd(head, fileCrc);
      return null;
    }
    const payload = yield* this.#take(tag.bytes);
    if (crc32(payload) !== tag.crc) throw new MalformedBytes('the checksum of a chunk is wrong');
    this.#chunks += 1;
    this.#payloadBytes += payload.length;
    return payload;
  }

  *#readEnd(head: Buffer, fileCrc: number): Task<void> {
    const rest = yield* this.#take(TRAILER_BYTES - CHUNK_HEADER_BYTES);
    const trailer = readTrailer(Buffer.concat([head, rest]));
    const counted = trailer.chunks === this.#chunks && trailer.payloadBytes === this.#payloadBytes;
    if (!counted || trailer.fileCrc !== fileCrc) {
      throw new MalformedBytes('the end of the file does not fit what precedes it');
    }
    const probe = Buffer.alloc(1);
    const more = yield* outcome<number>((done) => this.#file.read(probe, this.#position, done));
    if (more > 0) throw new MalformedBytes('bytes follow the end of the snapshot');
  }

  /** The next `count` bytes; `MalformedBytes` when the file ends before. */
  *#take(count: number): Task<Buffer> {
    const bytes = Buffer.alloc(count);
    let filled = 0;
    while (filled < count) {
      const into = bytes.subarray(filled);
      const at = this.#position + filled;
      const read = yield* outcome<number>((done) => this.#file.read(into, at, done));
      if (read === 0) throw new MalformedBytes('the file ends too early');
      filled += read;
    }
    this.#position += count;
    this.#crc = crc32(bytes, this.#crc);
    return bytes;
  }

  *#guarded<T>(task: Task<T>): Task<T> {
    try {
      return yield* task;
    } catch (error) {
      if (error instanceof MalformedBytes)
        throw new SnapshotDamaged(this.#path, this.#position, error.message);
      if (error instanceof UnknownVersion) throw new SnapshotUnsupported(this.#path, error.message);
      throw error;
    }
  }
}

/** Reads the whole file and checks every byte of it. */
export function* readSnapshot(
  fileSystem: FileSystem,
  path: string,
): Task<{ readonly meta: SnapshotMeta; readonly bytes: number }> {
  const reader = yield* SnapshotFileReader.open(fileSystem, path);
  try {
    while ((yield* reader.next()) !== null);
    return { meta: reader.meta, bytes: reader.bytes };
  } finally {
    yield* reader.close();
  }
}

/**
 * Reads the whole file; every byte goes to `onPiece`, also those before a damaged place, in pieces that are little work each. It may come from
 * anywhere that hands out bytes in their order.
 */
export function* readSnapshotPieces(
  fileSystem: Pick<FileSystem, 'open' | 'defer'>,
  path: string,
  onPiece: (piece: Uint8Array) => void,
): Task<{ readonly meta: SnapshotMeta; readonly bytes: number }> {
  const reader = yield* SnapshotFileReader.open(fileSystem, path);
  try {
    for (let chunk = yield* reader.next(); chunk !== null; chunk = yield* reader.next()) {
      for (let from = 0; from < chunk.length; from += PIECE_BYTES_MAX) {
        if (from > 0) yield* pause((callback) => fileSystem.defer(callback));
        onPiece(chunk.subarray(from, from + PIECE_BYTES_MAX));
      }
    }
    return { meta: reader.meta, bytes: reader.bytes };
  } finally {
    yield* reader.close();
  }
}
