// One direction of a proxied connection: bytes wait for the link's delay, and as long as the link is cut.

import type { Duplex } from 'node:stream';

/** The state of one direction between two parties; shared by all connections on it. */
export interface Link {
  readonly isCut: boolean;
  /** Milliseconds for the next piece of data; drawn anew for each. */
  readonly nextDelayMs: () => number;
}

type Piece =
  | { readonly kind: 'data'; readonly bytes: Buffer }
  | { readonly kind: 'end' }
  | { readonly kind: 'gone' };

interface Waiting {
  readonly piece: Piece;
  readonly dueMs: number;
}

/** Bytes under way in one direction; a sender that has more waits, as for a full window. */
const WINDOW_BYTES = 4 * 1024 * 1024;

/**
 * Nothing is lost and nothing reordered, as in TCP: what a cut holds back arrives when it is mended, also the news that a
 * side has closed. A sender that gave up meanwhile has opened other connections, so old messages arrive behind new ones.
 */
export class Pump {
  readonly #from: Duplex;
  readonly #to: Duplex;
  readonly #link: Link;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(from: Duplex, to: Duplex, link: Link) {
    this.#from = from;
    this.#to = to;
    this.#link = link;
    from.on('data', (bytes: Buffer) => this.#take({ kind: 'data', bytes }));
    from.on('end', () => this.#take({ kind: 'end' }));
    from.on('close', () => this.#take({ kind: 'gone' }));
  }

  /** Delivers what is due. To be called when the link was mended. */
  deliver(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
      if (this.#link.isCut) return;
      const delayMs = next.dueMs - performance.now();
      if (delayMs > 0) {
        this.#timer = setTimeout(() => this.deliver(), delayMs);
        return;
      }
      this.#waiting.shift();
      this.#pass(next.piece);
    }
  }

  /** Forgets what waits. */
  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#waiting = [];
  }

  #take(piece: Piece): void {
    const lastDueMs = this.#waiting.at(-1)?.dueMs ?? 0;
    this.#waiting.push({ piece, dueMs: Math.max(lastDueMs, performance.now() + this.#link.nextDelayMs()) });
    if (piece.kind === 'data') {
      this.#waitingBytes += piece.bytes.length;
      if (this.#waitingBytes > WINDOW_BYTES) this.#from.pause();
    }
    if (this.#timer === null) this.deliver();
  }

  #pass(piece: Piece): void {
    // Ended first: what came before still goes out.
    if (piece.kind === 'gone') this.#to.end(() => this.#to.destroy());
    else if (piece.kind === 'end') this.#to.end();
    else {
      this.#waitingBytes -= piece.bytes.length;
      if (this.#waitingBytes <= WINDOW_BYTES) this.#from.resume();
      if (!this.#to.destroyed) this.#to.write(piece.bytes);
    }
  }
}
