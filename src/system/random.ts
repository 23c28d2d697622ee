// The real source of randomness.

import { randomFillSync } from 'node:crypto';

import type { Random } from '../base/random.ts';

const WORDS = 256;

/** Cryptographic randomness, drawn in blocks of 1 KiB: ids must not repeat across restarts or processes. */
export function createSystemRandom(): Random {
  const words = new Uint32Array(WORDS);
  let next = WORDS;
  return {
    uint32() {
      if (next === WORDS) {
        randomFillSync(words);
        next = 0;
      }
      const word = words[next] ?? 0;
      next += 1;
      return word;
    },
  };
}
