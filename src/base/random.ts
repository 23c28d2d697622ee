// Randomness as a dependency. The seeded generator makes every simulated run repeatable.

/** The only source of randomness. `system/random.ts` is the real one. */
export interface Random {
  /** A uniform integer in [0, 2^32). */
  uint32(): number;
}

/** A uniform float in [0, 1). */
export function randomUnit(random: Random): number {
  return random.uint32() / 0x1_0000_0000;
}

/** A uniform integer in [0, boundExclusive); `boundExclusive` in 1..2^32. */
export function randomBelow(random: Random, boundExclusive: number): number {
  return Math.floor(randomUnit(random) * boundExclusive);
}

/** `length` lower-case hexadecimal digits. */
export function randomHex(random: Random, length: number): string {
  let text = '';
  while (text.length < length) text += random.uint32().toString(16).padStart(8, '0');
  return text.slice(0, length);
}

/** A small deterministic generator (mulberry32). Not for secrets. */
export function createSeededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    uint32() {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = state;
      mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return (mixed ^ (mixed >>> 14)) >>> 0;
    },
  };
}
