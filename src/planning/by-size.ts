// Things of a size, kept in order, so that the fitting one is found without looking at all.

/** `key`, a number of at least 0, tells things of one size apart: the lower comes first. */
export interface Sized {
  readonly size: number;
  readonly key: number;
}

/**
 * By rising size, and of one size by falling key: what is taken most, the first of the largest, is the last of the array, where taking it moves
 * nothing else.
 */
export class BySize {
  readonly #entries: Sized[];

  constructor(entries: readonly Sized[]) {
    this.#entries = entries.toSorted((left, right) => left.size - right.size || right.key - left.key);
  }

  /** The first of the smallest of at least `size`; null when all are smaller. */
  atLeast(size: number): Sized | null {
    const smallest = this.#entries[this.#placeOf(size, Infinity)];
    return smallest === undefined ? null : (this.#entries[this.#placeOf(smallest.size, -1) - 1] ?? smallest);
  }

  largest(): Sized | null {
    return this.#entries.at(-1) ?? null;
  }

  /** The `count` first of the largest, the very first last. */
  largestFew(count: number): readonly Sized[] {
    return this.#entries.slice(-count);
  }

  add(entry: Sized): void {
    this.#entries.splice(this.#placeOf(entry.size, entry.key), 0, entry);
  }

  remove(entry: Sized): void {
    if (this.#entries.at(-1) === entry) this.#entries.pop();
    else this.#entries.splice(this.#placeOf(entry.size, entry.key), 1);
  }

  /** The place of the first that does not come before one of `size` and `key`. */
  #placeOf(size: number, key: number): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = this.#entries[middle];
      if (other !== undefined && (other.size < size || (other.size === size && other.key > key)))
        low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
