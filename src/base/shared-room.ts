// Memory for what arrives from outside: each arrival has a limit of its own, and all of them one together.

/** The part of a room that one arrival has. */
export interface RoomPlace {
  /** Takes so many bytes more. False when there is no room: then nothing was taken, and the arrival should end. */
  grow(bytes: number): boolean;
  /** It is all here, and keeps its bytes until it leaves. */
  settle(): void;
  /** Gives all bytes back; again is harmless. */
  leave(): void;
}

interface Arrival {
  bytes: number;
  readonly giveWay: () => void;
}

/**
 * While there is room nobody waits for anybody. When it is used up, the arrival that began first gives way: whoever sends properly is through in
 * a moment, so it is one of those that stand still, and they cannot keep the others out.
 */
export class SharedRoom {
  readonly #bytesMax: number;
  /** Those still on their way, the oldest first. */
  readonly #arriving = new Set<Arrival>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** Bytes in use. */
  get bytes(): number {
    return this.#bytes;
  }

  /** A new arrival, without any bytes yet. `giveWay` is called at most once, when it lost its place to others. */
  enter(giveWay: () => void): RoomPlace {
    const arrival: Arrival = { bytes: 0, giveWay };
    this.#arriving.add(arrival);
    return {
      grow: (bytes) => this.#grow(arrival, bytes),
      settle: () => void this.#arriving.delete(arrival),
      leave: () => this.#leave(arrival),
    };
  }

  #grow(arrival: Arrival, bytes: number): boolean {
    while (this.#bytes + bytes > this.#bytesMax) {
      const [oldest] = this.#arriving;
      if (oldest === undefined || oldest === arrival) return false;
      this.#leave(oldest);
      oldest.giveWay();
    }
    arrival.bytes += bytes;
    this.#bytes += bytes;
    return true;
  }

  #leave(arrival: Arrival): void {
    this.#arriving.delete(arrival);
    this.#bytes -= arrival.bytes;
    arrival.bytes = 0;
  }
}
