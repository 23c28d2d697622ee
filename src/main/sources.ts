// Everything that a start is told, read at the start and again on a reload: the file, the environment, the flags.

import { err, ok, type Result } from '../base/result.ts';
import type { ConfigFile } from '../config/file.ts';
import { loadConfig, type Loaded } from '../config/load.ts';
import { type ConfigProblem, problemText } from '../config/place.ts';
import { refuseToStart } from './complain.ts';
import { readConfigFile, readConfigFileAgain } from './config-file.ts';

export interface Told {
  /** Path of the file; null where none was given. */
  readonly config: string | null;
  /** `path=value` pairs of `--set`. */
  readonly set: readonly string[];
}

export function readSources(told: Told): Result<Loaded, readonly ConfigProblem[]> {
  return loaded(told, told.config === null ? ok(null) : readConfigFile(told.config));
}

/** The process ends with one line, of the first problem; `config check` has them all. */
export function readOrRefuse(told: Told): Loaded {
  const sources = readSources(told);
  if (sources.ok) return sources.value;
  const [problem] = sources.error;
  return refuseToStart(problem === undefined ? 'the configuration is not valid' : problemText(problem));
}

/** Flags and environment are those of the start: nobody changes them in a process that runs. */
export async function readSourcesAgain(told: Told): Promise<Result<Loaded, readonly ConfigProblem[]>> {
  return loaded(told, told.config === null ? ok(null) : await readConfigFileAgain(told.config));
}

function loaded(
  told: Told,
  file: Result<ConfigFile | null, ConfigProblem>,
): Result<Loaded, readonly ConfigProblem[]> {
  if (!file.ok) return err([file.error]);
  return loadConfig({ file: file.value, environment: process.env, flags: told.set });
}
