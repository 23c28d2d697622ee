// The network: every directed link loses, repeats, delays, reorders and is cut, each on its own.

import type { Random } from '../../src/base/random.ts';
import type { Knobs } from './knobs.ts';
import { chance, childRandom, exponential } from './prng.ts';
import type { VirtualTime } from './virtual-time.ts';

/** No hop is faster than this. */
const FLOOR_US = 30;
/** A repeated batch comes up to this many times the usual delay later; now and then very late. */
const REPEAT_FACTOR = 20;

interface Link {
  readonly random: Random;
  /** By lane: nothing sent later on the same connection arrives before this. */
  readonly lastUs: Map<string, number>;
  cut: boolean;
  /** Multiplies the delay: a clogged link. */
  slowness: number;
}

export interface NetworkParts {
  readonly time: VirtualTime;
  readonly seed: number;
  readonly knobs: Pick<Knobs, 'linkMs' | 'lossShare' | 'duplicationShare' | 'reordering'>;
}

/** One thing on its way. */
export interface Parcel {
  readonly from: number;
  readonly to: number;
  /** A connection: what goes over one lane arrives in order unless reordering is on. */
  readonly lane: string;
  /** May run twice when the lane repeats. */
  readonly arrive: () => void;
  /** Runs when it certainly did not, or may not have, arrived: the sender's post failed. */
  readonly failed: () => void;
}

export class Network {
  readonly #parts: NetworkParts;
  readonly #links = new Map<number, Link>();
  #healed = false;

  constructor(parts: NetworkParts) {
    this.#parts = parts;
  }

  /** Sends; the fate is decided now. A lost parcel is noticed by its sender after `deadlineUs`. */
  send(parcel: Parcel, deadlineUs: number): void {
    const { from, to, lane } = parcel;
    const { time, knobs } = this.#parts;
    const link = this.#link(from, to);
    const { random } = link;
    const lossShare = this.#healed ? 0 : knobs.lossShare;
    if (link.cut || chance(random, lossShare)) {
      time.after(chance(random, 0.5) ? deadlineUs : this.#delay(link), 'lost', from, parcel.failed);
      return;
    }
    const delayUs = this.#delay(link);
    const dueUs = time.nowUs + delayUs;
    const inOrderUs = this.#reorders(link) ? dueUs : Math.max(dueUs, (link.lastUs.get(lane) ?? 0) + 1);
    if (inOrderUs - time.nowUs > deadlineUs) {
      // The post's deadline passes first: the connection is given up, with everything on it, and a new one made.
      link.lastUs.delete(lane);
      time.after(deadlineUs, 'lost', from, parcel.failed);
      return;
    }
    link.lastUs.set(lane, inOrderUs);
    this.#deliver(parcel, inOrderUs - time.nowUs, parcel.failed);
    if (this.#healed) return;
    // The request ran and its answer was lost: the sender believes that it failed.
    if (chance(random, lossShare / 2)) time.after(deadlineUs, 'lost', from, parcel.failed);
    if (chance(random, knobs.duplicationShare)) {
      const lateUs = exponential(random, delayUs * REPEAT_FACTOR * (chance(random, 0.1) ? 20 : 1));
      this.#deliver(parcel, inOrderUs - time.nowUs + lateUs, () => undefined);
    }
  }

  /** It loses nothing any more. */
  get healed(): boolean {
    return this.#healed;
  }

  cut(from: number, to: number): void {
    this.#link(from, to).cut = true;
  }

  slow(from: number, to: number, factor: number): void {
    this.#link(from, to).slowness = factor;
  }

  /** Ends a cut, or a clog, of one link. */
  mend(from: number, to: number): void {
    const link = this.#link(from, to);
    link.cut = false;
    link.slowness = 1;
    link.lastUs.clear();
  }

  /** What is sent now gets there and back. */
  isOpen(one: number, other: number): boolean {
    return !this.#link(one, other).cut && !this.#link(other, one).cut;
  }

  /** Nothing is lost on the way there, and nothing is late. */
  isClear(from: number, to: number): boolean {
    const { cut, slowness } = this.#link(from, to);
    return !cut && slowness === 1;
  }

  /** Ends cuts and clogs. */
  reconnect(): void {
    for (const link of this.#links.values()) {
      link.cut = false;
      link.slowness = 1;
      link.lastUs.clear();
    }
  }

  /** From now on the network is a good one. */
  heal(): void {
    this.#healed = true;
    this.reconnect();
  }

  #deliver(parcel: Parcel, delayUs: number, failed: () => void): void {
    const { from, to } = parcel;
    this.#parts.time.after(delayUs, 'arrive', to, () => {
      // A cut link also loses what is on its way.
      if (this.#link(from, to).cut) failed();
      else parcel.arrive();
    });
  }

  #reorders(link: Link): boolean {
    return this.#parts.knobs.reordering && !this.#healed && chance(link.random, 0.3);
  }

  #delay(link: Link): number {
    return FLOOR_US + exponential(link.random, this.#parts.knobs.linkMs * 1000 * link.slowness);
  }

  #link(from: number, to: number): Link {
    const key = from * 1024 + to;
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    const random = childRandom(this.#parts.seed, 'link', from, to);
    const link: Link = { random, lastUs: new Map(), cut: false, slowness: 1 };
    this.#links.set(key, link);
    return link;
  }
}
