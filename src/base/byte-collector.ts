// Pieces of bytes put together as they come, in memory that grows with what is here and not with what was announced.

import type { RoomPlace } from './shared-room.ts';

/** Memory comes in pieces of so many bytes; what is no larger has a block that never grows, which is ten times as quick. */
const STEP_BYTES = 16_384;

export interface CollectorLimits {
  readonly bytesMax: number;
  /** The announced length; null when none was. */
  readonly bytesDeclared: number | null;
}

/**
 * Copies each piece into one block. Kept as they are, pieces of a byte each would cost two hundred times their size, and a piece may hold on to
 * the whole of the buffer it was read into. The block grows where it is, and ends when it is told to: blocks that are left behind would stay
 * until they are collected, and a flood leaves many.
 */
export class ByteCollector {
  readonly #place: RoomPlace;
  readonly #bytesMax: number;
  #block = new ArrayBuffer(0);
  #view = new Uint8Array(this.#block);
  /** Bytes of the block that were taken from the room. */
  #granted = 0;
  #length = 0;

  constructor(place: RoomPlace, { bytesMax, bytesDeclared }: CollectorLimits) {
    this.#place = place;
    this.#bytesMax = Math.min(bytesMax, bytesDeclared ?? bytesMax);
  }

  /** Adds a piece, or says why it cannot be added. */
  add(piece: Uint8Array): 'added' | 'tooLarge' | 'noRoom' {
    const length = this.#length + piece.length;
    if (length > this.#bytesMax) return 'tooLarge';
    if (length > this.#granted && !this.#extend(length)) return 'noRoom';
    this.#view.set(piece, this.#length);
    this.#length = length;
    return 'added';
  }

  /** What was collected, in memory of its own. The collector is at its end. */
  take(): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(this.#length);
    bytes.set(this.#view.subarray(0, this.#length));
    this.discard();
    return bytes;
  }

  /** Gives the memory up. The collector is at its end; the place is its owner's to leave. */
  discard(): void {
    this.#length = 0;
    if (this.#block.resizable) this.#block.resize(0);
  }

  #extend(lengthMin: number): boolean {
    const size = Math.min(this.#bytesMax, Math.ceil(lengthMin / STEP_BYTES) * STEP_BYTES);
    if (!this.#place.grow(size - this.#granted)) return false;
    if (this.#granted === 0) this.#begin(size);
    else this.#block.resize(size);
    this.#granted = size;
    return true;
  }

  /** The first `size` bytes; a body that is small has all of its memory by that. */
  #begin(size: number): void {
    this.#block =
      size === this.#bytesMax
        ? new ArrayBuffer(size)
        : new ArrayBuffer(size, { maxByteLength: this.#bytesMax });
    this.#view = new Uint8Array(this.#block);
  }
}
