// Numbers and byte runs in little-endian order: the writer and the checked reader behind every file format here.

import { assert } from '../../base/assert.ts';

const TWO_TO_32 = 0x1_0000_0000;

/** The bytes do not hold what their format says; `message` names what is missing or out of range. */
export class MalformedBytes extends Error {
  override readonly name = 'MalformedBytes';
}

/** Appends to a buffer that grows; `reset` keeps the memory for the next use. */
export class ByteWriter {
  #buffer: Buffer;
  #length = 0;

  constructor(capacityBytes = 4096) {
    this.#buffer = Buffer.alloc(capacityBytes);
  }

  get length(): number {
    return this.#length;
  }

  /** Forgets the content; gives the memory back when it grew beyond `keepBytesMax`. */
  reset(keepBytesMax: number): void {
    this.#length = 0;
    if (this.#buffer.length > keepBytesMax) this.#buffer = Buffer.alloc(keepBytesMax);
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#length = this.#buffer.writeUInt8(value, this.#length);
  }

  u32(value: number): void {
    this.#reserve(4);
    this.#length = this.#buffer.writeUInt32LE(value, this.#length);
  }

  /** A non-negative safe integer in 8 bytes. */
  u64(value: number): void {
    assert(Number.isSafeInteger(value) && value >= 0, 'a stored number is a non-negative safe integer');
    this.#reserve(8);
    this.#length = this.#buffer.writeUInt32LE(value % TWO_TO_32, this.#length);
    this.#length = this.#buffer.writeUInt32LE(Math.floor(value / TWO_TO_32), this.#length);
  }

  bytes(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#buffer.set(value, this.#length);
    this.#length += value.length;
  }

  zeros(count: number): void {
    this.#reserve(count);
    this.#buffer.fill(0, this.#length, this.#length + count);
    this.#length += count;
  }

  /** What was written, without a copy: valid until the next `reset` or growth. */
  view(from = 0): Buffer {
    return this.#buffer.subarray(from, this.#length);
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    const grown = Buffer.alloc(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

/** Reads front to back; every read beyond the end throws `MalformedBytes`. */
export class ByteReader {
  readonly #buffer: Buffer;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.#buffer.length - this.#offset;
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1));
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4));
  }

  u64(): number {
    const offset = this.#take(8);
    const value = this.#buffer.readUInt32LE(offset) + this.#buffer.readUInt32LE(offset + 4) * TWO_TO_32;
    if (!Number.isSafeInteger(value)) throw new MalformedBytes('a number is out of range');
    return value;
  }

  /** The next `count` bytes without a copy. */
  bytes(count: number): Buffer {
    const offset = this.#take(count);
    return this.#buffer.subarray(offset, offset + count);
  }

  /** Throws unless everything was read. */
  end(): void {
    if (this.remaining !== 0) throw new MalformedBytes(`${this.remaining} bytes too many`);
  }

  #take(count: number): number {
    if (count > this.remaining) throw new MalformedBytes(`ends ${count - this.remaining} bytes too early`);
    const offset = this.#offset;
    this.#offset += count;
    return offset;
  }
}
