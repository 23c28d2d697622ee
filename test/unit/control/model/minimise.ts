// A failing run with as little in it as possible: whatever can be left out without making it clean is left out.

import { drawPlan } from './plan.ts';
import { type RunOptions, type RunVerdict, runSeed } from './run.ts';

export interface Minimum {
  /** The happenings of the plan, by their places in it, that have to be there for the run to fail in this way. */
  readonly keep: readonly number[];
  readonly isCalm: boolean;
  readonly verdict: RunVerdict;
}

export function minimise(run: Pick<RunOptions, 'seed' | 'kinds'>): Minimum {
  const kind = kindOf(runSeed(run));
  const fails = (options: RunOptions): boolean => kindOf(runSeed(options)) === kind;
  let keep = drawPlan(run.seed, run.kinds).happenings.map((_, index) => index);
  const isCalm = fails({ ...run, isCalm: true });
  for (let index = keep.length - 1; index >= 0; index -= 1) {
    const fewer = keep.filter((one) => one !== index);
    if (fails({ ...run, isCalm, keep: new Set(fewer) })) keep = fewer;
  }
  return { keep, isCalm, verdict: runSeed({ ...run, isCalm, keep: new Set(keep), isTraced: true }) };
}

/** The words of a fault without its numbers: what tells one way to fail from another. */
function kindOf({ fault }: RunVerdict): string | null {
  return fault === null
    ? null
    : fault
        .split('\n', 1)
        .join('')
        .replaceAll(/\[[^\]]*\]|\d+/g, '#')
        .slice(0, 60);
}
