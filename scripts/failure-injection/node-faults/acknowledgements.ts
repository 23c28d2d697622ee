// When which writer was answered by which node: how soon a shard takes writes again, and the gaps that clients see. Pure.

import type { Write } from '../hostile-operator/ledger.ts';

interface Acknowledgement {
  readonly atMs: number;
  readonly node: string;
}

export class Acknowledgements {
  /** By writer, in the order of time. */
  readonly #byWriter = new Map<string, Acknowledgement[]>();

  acknowledge({ key, atMs, node }: Pick<Write, 'key' | 'atMs' | 'node'>): void {
    const writer = key.slice(0, key.indexOf(':'));
    const known = this.#byWriter.get(writer);
    if (known === undefined) this.#byWriter.set(writer, [{ atMs, node }]);
    else known.push({ atMs, node });
  }

  /** When `node` first acknowledged a write after `fromMs`; null when it has not yet. */
  firstAt(node: string, fromMs: number): number | null {
    let firstMs: number | null = null;
    for (const all of this.#byWriter.values()) {
      const own = all.find((each) => each.atMs > fromMs && each.node === node);
      if (own !== undefined && (firstMs === null || own.atMs < firstMs)) firstMs = own.atMs;
    }
    return firstMs;
  }

  /** When `node` last acknowledged a write after `fromMs`; null when it did not. */
  lastAt(node: string, fromMs: number): number | null {
    let lastMs: number | null = null;
    for (const all of this.#byWriter.values()) {
      const own = all.findLast((each) => each.node === node);
      if (own !== undefined && own.atMs > fromMs && own.atMs > (lastMs ?? 0)) lastMs = own.atMs;
    }
    return lastMs;
  }

  /** The longest time between two acknowledged writes of one writer that touches the time from `fromMs` to `toMs`. */
  longestGapMs({ fromMs, toMs }: { readonly fromMs: number; readonly toMs: number }): number {
    let longestMs = 0;
    for (const all of this.#byWriter.values())
      for (const [index, { atMs }] of all.entries()) {
        const before = all[index - 1];
        if (before === undefined || atMs < fromMs || before.atMs > toMs) continue;
        longestMs = Math.max(longestMs, atMs - before.atMs);
      }
    return longestMs;
  }
}
