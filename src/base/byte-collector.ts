// Pieces of bytes put together as they come, in memory that grows with what is here and not with what was announced.

import type { RoomPlace } from './shared-room.ts';

/** Bytes set aside at first. */
const FIRST_BYTES = 4096;

export interface CollectorLimits {
  readonly bytesMax: number;
  /** The announced length; null when none was. */
  readonly bytesDeclared: number | null;
}

/**
 * Copies each piece into one block. Kept as they are, pieces of a byte each would cost two hundred times their size, and a piece may hold on to
 * the whole of the buffer it was read into.
 */
export class ByteCollector {
  readonly #place: RoomPlace;
  readonly #bytesMax: number;
  readonly #blockBytesMax: number;
  #block = new Uint8Array(0);
  #length = 0;

  constructor(place: RoomPlace, { bytesMax, bytesDeclared }: CollectorLimits) {
    this.#place = place;
    this.#bytesMax = bytesMax;
    this.#blockBytesMax = Math.min(bytesMax, bytesDeclared ?? bytesMax);
  }

  /** Adds a piece, or says why it cannot be added. */
  add(piece: Uint8Array): 'added' | 'tooLarge' | 'noRoom' {
    const length = this.#length + piece.length;
    if (length > this.#bytesMax) return 'tooLarge';
    if (length > this.#block.length && !this.#extend(length)) return 'noRoom';
    this.#block.set(piece, this.#length);
    this.#length = length;
    return 'added';
  }

  /** What was collected, in the collector's own memory. */
  get bytes(): Uint8Array<ArrayBuffer> {
    return this.#block.subarray(0, this.#length);
  }

  #extend(lengthMin: number): boolean {
    const comfortable = Math.max(FIRST_BYTES, 2 * this.#block.length);
    const size = Math.max(lengthMin, Math.min(this.#blockBytesMax, comfortable));
    if (!this.#place.grow(size - this.#block.length)) return false;
    const block = new Uint8Array(size);
    block.set(this.bytes);
    this.#block = block;
    return true;
  }
}
