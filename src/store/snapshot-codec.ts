// Snapshots as bytes: one stream of framed records, cut into chunks; the same state gives the same bytes on every member.

import { type Result, err } from '../base/result.ts';
import {
  isCount,
  pack,
  parseHash,
  parseRequest,
  parseStored,
  requestToFields,
  storedToFields,
  unpackArray,
} from './codec.ts';
import type { StateCut } from './durable-copy.ts';
import { StateAssembly } from './state/assembly.ts';
import type { StateHash } from './state/hash.ts';
import type { KeyValueState } from './state/key-value-state.ts';

const FORMAT = 'kvrocks-controller state';
const SNAPSHOT_VERSION = 1;
const LENGTH_BYTES = 4;
const DAMAGED = 'a record of the snapshot is damaged';

/** Largest chunk in bytes: 64 KiB. */
export const CHUNK_BYTES_MAX = 64 * 1024;
/** Most records that begin in one chunk: encoding a chunk is one slice of work, and the smallest records have ten bytes. */
const CHUNK_RECORDS_MAX = 1000;

/**
 * The chunks of a snapshot, encoded as they are pulled; may be iterated again. The stream is a header, the values in key
 * order and the requests in log order, each a 4-byte big-endian length and a msgpack array; chunks ignore record borders.
 */
export function snapshotChunks(cut: StateCut): Iterable<Uint8Array> {
  return { [Symbol.iterator]: () => chunks(cut) };
}

function* chunks(cut: StateCut): Generator<Uint8Array, undefined> {
  const length = new Uint8Array(LENGTH_BYTES);
  const lengthView = new DataView(length.buffer);
  let chunk = new Uint8Array(CHUNK_BYTES_MAX);
  let filled = 0;
  let records = 0;
  for (const body of bodies(cut)) {
    records += 1;
    lengthView.setUint32(0, body.length);
    for (const part of [length, body]) {
      let taken = 0;
      while (taken < part.length) {
        const bytes = Math.min(part.length - taken, CHUNK_BYTES_MAX - filled);
        chunk.set(bytes === part.length ? part : part.subarray(taken, taken + bytes), filled);
        taken += bytes;
        filled += bytes;
        const isLast = part === body && taken === body.length && records === CHUNK_RECORDS_MAX;
        if (filled < CHUNK_BYTES_MAX && !isLast) continue;
        yield chunk.subarray(0, filled);
        chunk = new Uint8Array(CHUNK_BYTES_MAX);
        filled = 0;
        records = 0;
      }
    }
  }
  if (filled > 0) yield chunk.subarray(0, filled);
}

/** The records of the stream, without their lengths. */
function* bodies({ position, hash, contents }: StateCut): Generator<Uint8Array> {
  const { stored, requests } = contents;
  const counts = [stored.count, requests.length];
  yield pack([FORMAT, SNAPSHOT_VERSION, position.index, ...counts, hash.high, hash.low]);
  for (const value of stored) yield pack(storedToFields(value));
  for (const request of requests) yield pack(requestToFields(request));
}

interface Header {
  readonly index: number;
  readonly storedCount: number;
  readonly requestCount: number;
  readonly hash: StateHash;
}

/** Reads a snapshot's chunks in order, however they are cut. Bytes are copied; the first fault is kept and reported by `finish`. */
export class SnapshotDecoder {
  /** Bytes of a record that is not yet whole. */
  #parts: Uint8Array[] = [];
  #partBytes = 0;
  /** Bytes the record needs, its length included; null until the length is there. */
  #recordBytes: number | null = null;
  #header: Header | null = null;
  readonly #assembly = new StateAssembly();
  #fault: string | null = null;

  chunk(bytes: Uint8Array): void {
    let taken = 0;
    while (this.#fault === null && taken < bytes.length) {
      const wanted = (this.#recordBytes ?? LENGTH_BYTES) - this.#partBytes;
      const part = bytes.subarray(taken, taken + wanted);
      taken += part.length;
      if (part.length < wanted) {
        // Copied, as the caller may reuse its buffer; whole records are decoded where they lie.
        this.#parts.push(part.slice());
        this.#partBytes += part.length;
      } else {
        this.#takePart(
          this.#partBytes === 0 ? part : concatenate([...this.#parts, part], this.#partBytes + wanted),
        );
      }
    }
  }

  /** The state at `index`, or why the chunks are not a whole snapshot of it. */
  finish(index: number): Result<KeyValueState, string> {
    if (this.#fault !== null) return err(this.#fault);
    const header = this.#header;
    if (header === null || this.#partBytes > 0) return err('the snapshot ends early');
    const { storedCount, requestCount } = this.#assembly;
    if (storedCount < header.storedCount || requestCount < header.requestCount) {
      return err('the snapshot ends early');
    }
    if (header.index !== index) return err(`the snapshot is of entry ${header.index}, not of ${index}`);
    return this.#assembly.finish(header);
  }

  /** Called with the whole length, then with length and record. */
  #takePart(bytes: Uint8Array): void {
    if (this.#recordBytes === null) {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
      this.#recordBytes = LENGTH_BYTES + view.getUint32(0);
      this.#parts = [bytes.slice()];
      this.#partBytes = LENGTH_BYTES;
      return;
    }
    this.#parts = [];
    this.#partBytes = 0;
    this.#recordBytes = null;
    const fields = unpackArray(bytes.subarray(LENGTH_BYTES));
    this.#fault = fields === null ? DAMAGED : this.#take(fields);
  }

  /** Why the record does not belong here; null when it does. */
  #take(fields: readonly unknown[]): string | null {
    if (this.#header === null) {
      this.#header = parseHeader(fields);
      return this.#header === null ? 'the snapshot is of another format or version' : null;
    }
    if (this.#assembly.storedCount < this.#header.storedCount) {
      const stored = parseStored(fields);
      return stored === null ? DAMAGED : this.#assembly.addStored(stored);
    }
    const request = parseRequest(fields);
    if (request === null || this.#assembly.requestCount === this.#header.requestCount) return DAMAGED;
    return this.#assembly.addRequest(request);
  }
}

function parseHeader(fields: readonly unknown[]): Header | null {
  const [format, version, index, storedCount, requestCount, high, low] = fields;
  if (format !== FORMAT || version !== SNAPSHOT_VERSION) return null;
  const hash = parseHash(high, low);
  if (hash === null || !isCount(index) || !isCount(storedCount) || !isCount(requestCount)) return null;
  return { index, storedCount, requestCount, hash };
}

function concatenate(parts: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}
