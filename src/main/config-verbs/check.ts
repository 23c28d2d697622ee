// Whether a configuration is valid, and what it comes to.

import type { Result } from '../../base/result.ts';
import { printSettings } from '../../config/example.ts';
import type { Loaded } from '../../config/load.ts';
import { type ConfigProblem, problemText } from '../../config/place.ts';
import { readSources, type Told } from '../sources.ts';
import { VERB_EXIT, type VerbExit } from '../verb.ts';

export function checkConfiguration(told: Told): Promise<VerbExit> {
  return said(readSources(told), (loaded) => `the configuration is good\n${withoutEffectText(loaded)}`);
}

export function printConfiguration(told: Told): Promise<VerbExit> {
  return said(readSources(told), ({ settings }) => printSettings(settings));
}

/** A line for settings that mean nothing here; none where there are none. */
export function withoutEffectText({ config: { withoutEffect } }: Loaded): string {
  return withoutEffect.length === 0 ? '' : `without effect here: ${withoutEffect.join(', ')}\n`;
}

/** Problems in the form in which editors and compilers jump to them. */
export function tellProblems(problems: readonly ConfigProblem[]): VerbExit {
  process.stderr.write(problems.map((problem) => `${problemText(problem)}\n`).join(''));
  return VERB_EXIT.refused;
}

async function said(
  loaded: Result<Loaded, readonly ConfigProblem[]>,
  text: (loaded: Loaded) => string,
): Promise<VerbExit> {
  if (!loaded.ok) return tellProblems(loaded.error);
  process.stdout.write(text(loaded.value));
  return VERB_EXIT.ok;
}
