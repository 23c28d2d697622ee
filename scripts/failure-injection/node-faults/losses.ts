// Lost writes put beside what befell the node that acknowledged them: before it, meanwhile, after another was master, or after its return. Pure.

import type { Write } from '../hostile-operator/ledger.ts';
import { LOSS_WINDOW_MS, RETURN_WINDOW_MS } from '../hostile-operator/verdicts.ts';

/** What befell a master. */
export interface Fault {
  readonly kind: 'death' | 'hang' | 'cut';
  readonly node: string;
  readonly atMs: number;
  /** When another was seen to be the master; null when nobody was. */
  readonly replacedAtMs: number | null;
  /** When it ran again, or was reached again; null when it was not in this round. */
  readonly backAtMs: number | null;
}

export type Phase = 'before' | 'meanwhile' | 'replaced' | 'returned' | 'unrelated';

const PHASES: readonly Phase[] = ['before', 'meanwhile', 'replaced', 'returned', 'unrelated'];

export interface Placed {
  readonly phase: Phase;
  /** `212 ms before its death`. */
  readonly words: string;
}

/** Where a lost write belongs: to the fault during which or soon after which it was acknowledged, else to the next one. */
export function placeOf(write: Write, faults: readonly Fault[]): Placed {
  const fault = faultOf(write, faults);
  if (fault === undefined) return { phase: 'unrelated', words: 'long before any fault of it' };
  const { kind, atMs, replacedAtMs, backAtMs } = fault;
  if (write.atMs < atMs) return { phase: 'before', words: `${msOf(atMs - write.atMs)} before its ${kind}` };
  if (backAtMs !== null && write.atMs >= backAtMs)
    return { phase: 'returned', words: `${msOf(write.atMs - backAtMs)} after its return` };
  if (replacedAtMs !== null && write.atMs >= replacedAtMs)
    return { phase: 'replaced', words: `${msOf(write.atMs - replacedAtMs)} after it was replaced` };
  return { phase: 'meanwhile', words: `${msOf(write.atMs - atMs)} after its ${kind}` };
}

/** One lost write with key, value, node and time. */
export function tellLoss(write: Write, faults: readonly Fault[]): string {
  return `${write.key} = ${write.value}, acknowledged by ${write.node} ${placeOf(write, faults).words}`;
}

/** Lost writes of a whole run, counted by phase. */
export class LossCounts {
  readonly #counts = new Map<Phase, number>();
  #longestBeforeMs = 0;

  add(lost: readonly Write[], faults: readonly Fault[]): void {
    for (const write of lost) {
      const { phase } = placeOf(write, faults);
      this.#counts.set(phase, (this.#counts.get(phase) ?? 0) + 1);
      const fault = faultOf(write, faults);
      if (fault !== undefined)
        this.#longestBeforeMs = Math.max(this.#longestBeforeMs, fault.atMs - write.atMs);
    }
  }

  get total(): number {
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** `12 up to 212 ms before, 40 until another was master, 7 after that, 3 after the return`. */
  describe(): string {
    const words: Record<Phase, string> = {
      before: `up to ${msOf(this.#longestBeforeMs)} before the fault`,
      meanwhile: 'until another was master',
      replaced: 'by the old master after that',
      returned: 'by the old master after its return',
      unrelated: 'UNRELATED TO ANY FAULT',
    };
    return PHASES.flatMap((phase) => {
      const count = this.#counts.get(phase) ?? 0;
      return count === 0 ? [] : [`${count} ${words[phase]}`];
    }).join(', ');
  }
}

function faultOf({ node, atMs }: Write, faults: readonly Fault[]): Fault | undefined {
  const own = faults.filter((fault) => fault.node === node);
  const current = own.findLast(
    (fault) => fault.atMs <= atMs && atMs <= (fault.backAtMs ?? Infinity) + RETURN_WINDOW_MS,
  );
  return current ?? own.find((fault) => fault.atMs - LOSS_WINDOW_MS <= atMs && atMs < fault.atMs);
}

function msOf(ms: number): string {
  return `${Math.round(ms)} ms`;
}
