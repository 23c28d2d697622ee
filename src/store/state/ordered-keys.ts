// The keys of the state in code unit order, so that a prefix is one contiguous range.

import { present } from '../../base/assert.ts';
import type { Key } from '../types.ts';

/**
 * A sorted array. Insertion and removal move the tail (a memmove: about 10 us at 100,000 keys); finding a prefix is a
 * binary search. JavaScript's `<` on strings is code unit order, the same on every machine and in every locale.
 */
export class OrderedKeys {
  readonly #keys: Key[];

  /** `keys` must be distinct; any order. */
  constructor(keys: Iterable<Key>) {
    this.#keys = [...keys].sort(byCodeUnit);
  }

  /** Adds a key that is not there. */
  add(key: Key): void {
    this.#keys.splice(this.#firstNotBefore(key), 0, key);
  }

  /** Removes a key that is there. */
  remove(key: Key): void {
    this.#keys.splice(this.#firstNotBefore(key), 1);
  }

  /** All keys that start with `prefix`, in order. */
  withPrefix(prefix: string): readonly Key[] {
    const start = this.#firstNotBefore(prefix);
    let end = start;
    while (end < this.#keys.length && this.#keys[end]?.startsWith(prefix) === true) end += 1;
    return this.#keys.slice(start, end);
  }

  /** The position of the first key that is not less than `bound`. */
  #firstNotBefore(bound: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (present(this.#keys[middle], 'the middle lies within the array') < bound) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** For distinct keys. */
function byCodeUnit(a: Key, b: Key): number {
  return a < b ? -1 : 1;
}
