// The values of the state in code unit order of their keys: point access, prefix ranges, and cuts that cost next to nothing.

import { present } from '../../base/assert.ts';
import type { Key, StoredValue } from '../types.ts';

/** Most values in one block. Insertion moves at most this many pointers, and a write after a cut copies as many. */
const BLOCK_VALUES_MAX = 512;

/** A run of neighbours. Changed in place only while `epoch` is that of the whole: an older block may belong to a cut. */
interface Block {
  readonly epoch: number;
  readonly values: StoredValue[];
}

/** The values at one moment, in key order; may be iterated any number of times while the original changes. */
export interface ValueCut extends Iterable<StoredValue> {
  readonly count: number;
}

/**
 * Blocks of sorted values. An access is two binary searches; no operation but `withPrefix` touches more than one block, so
 * none takes noticeably longer in a state of a million keys than in one of a hundred: a hash table of that size stops the
 * process for tens of milliseconds when it grows, and one sorted array moves megabytes for each new key.
 * JavaScript's `<` on strings is code unit order, the same on every machine and in every locale.
 */
export class OrderedValues {
  #blocks: Block[] = [];
  #count = 0;
  #bytes = 0;
  #epoch = 0;

  get count(): number {
    return this.#count;
  }

  /** Of all keys, in code units, and values. */
  get bytes(): number {
    return this.#bytes;
  }

  get(key: Key): StoredValue | null {
    const block = this.#blocks[this.#blockOf(key)];
    if (block === undefined) return null;
    const found = block.values[firstNotBefore(block.values, key)];
    return found?.key === key ? found : null;
  }

  /** Puts a value in its place; returns the one it displaces, null when the key is new. */
  put(stored: StoredValue): StoredValue | null {
    this.#bytes += bytesOf(stored);
    const position = this.#blockOf(stored.key);
    if (this.#blocks[position] === undefined) {
      this.#blocks.push({ epoch: this.#epoch, values: [stored] });
      this.#count += 1;
      return null;
    }
    const { values } = this.#writable(position);
    const place = firstNotBefore(values, stored.key);
    const previous = values[place] ?? null;
    if (previous?.key === stored.key) {
      values[place] = stored;
      this.#bytes -= bytesOf(previous);
      return previous;
    }
    values.splice(place, 0, stored);
    this.#count += 1;
    if (values.length > BLOCK_VALUES_MAX) this.#split(position, place);
    return null;
  }

  /** Takes a value out and returns it; null when there is none. */
  remove(key: Key): StoredValue | null {
    if (this.get(key) === null) return null;
    const position = this.#blockOf(key);
    const { values } = this.#writable(position);
    const [removed] = values.splice(firstNotBefore(values, key), 1);
    this.#count -= 1;
    if (values.length === 0) this.#blocks.splice(position, 1);
    const gone = present(removed, 'the value was there a moment ago');
    this.#bytes -= bytesOf(gone);
    return gone;
  }

  /** All values whose key starts with `prefix`, in order. */
  withPrefix(prefix: string): readonly StoredValue[] {
    const found: StoredValue[] = [];
    for (let position = this.#blockOf(prefix); position < this.#blocks.length; position += 1) {
      const { values } = present(this.#blocks[position], 'the position lies within the blocks');
      for (let place = firstNotBefore(values, prefix); place < values.length; place += 1) {
        const stored = present(values[place], 'the place lies within the block');
        if (!stored.key.startsWith(prefix)) return found;
        found.push(stored);
      }
    }
    return found;
  }

  /**
   * The values whose key starts with `prefix` and comes behind `after`, as they are now, however slowly they are taken. O(blocks), and
   * nothing more for values that nobody takes.
   */
  scan(prefix: string, after: Key | null): Iterable<StoredValue> {
    const bound = after === null || after < prefix ? prefix : after;
    this.#epoch += 1;
    return valuesFrom(this.#blocks.slice(this.#blockOf(bound)), { prefix, after, bound });
  }

  /** The values as they are now. O(blocks): from here on each block is copied before it is first changed. */
  cut(): ValueCut {
    this.#epoch += 1;
    return new BlockCut([...this.#blocks], this.#count);
  }

  /** The block in which `key` is or belongs: the last that does not begin after it, the first block at least. */
  #blockOf(key: string): number {
    let low = 0;
    let high = this.#blocks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (firstKey(present(this.#blocks[middle], 'the middle lies within the blocks')) <= key)
        low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }

  #writable(position: number): Block {
    const block = present(this.#blocks[position], 'the position lies within the blocks');
    if (block.epoch === this.#epoch) return block;
    const copy = { epoch: this.#epoch, values: [...block.values] };
    this.#blocks[position] = copy;
    return copy;
  }

  /** Halves a block that overflowed by an insertion at `place`; keys that arrive in order leave full blocks behind. */
  #split(position: number, place: number): void {
    const { values } = present(this.#blocks[position], 'the position lies within the blocks');
    const appended = position === this.#blocks.length - 1 && place === values.length - 1;
    const upper = values.splice(appended ? place : values.length >>> 1);
    this.#blocks.splice(position + 1, 0, { epoch: this.#epoch, values: upper });
  }
}

class BlockCut implements ValueCut {
  readonly count: number;
  readonly #blocks: readonly Block[];

  constructor(blocks: readonly Block[], count: number) {
    this.#blocks = blocks;
    this.count = count;
  }

  *[Symbol.iterator](): Generator<StoredValue, undefined> {
    for (const { values } of this.#blocks) yield* values;
  }
}

function* valuesFrom(
  blocks: readonly Block[],
  { prefix, after, bound }: { readonly prefix: string; readonly after: Key | null; readonly bound: string },
): Generator<StoredValue, undefined> {
  for (const { values } of blocks) {
    for (let place = firstNotBefore(values, bound); place < values.length; place += 1) {
      const stored = present(values[place], 'the place lies within the block');
      if (!stored.key.startsWith(prefix)) return;
      if (stored.key !== after) yield stored;
    }
  }
}

function firstKey(block: Block): Key {
  return present(block.values[0], 'no block is empty').key;
}

/** The place of the first value whose key is not less than `bound`. */
function firstNotBefore(values: readonly StoredValue[], bound: string): number {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (present(values[middle], 'the middle lies within the block').key < bound) low = middle + 1;
    else high = middle;
  }
  return low;
}

function bytesOf({ key, value }: StoredValue): number {
  return key.length + value.byteLength;
}
