// From flags, environment and file to one checked configuration, or to a list of what is wrong where.

import { hintAt, nearest } from '../base/nearest.ts';
import { printable, quoted } from '../base/printable.ts';
import { err, ok, type Result } from '../base/result.ts';
import { checkConfig, type Config, type Contradiction } from './config.ts';
import { parseFile, type ConfigFile } from './file.ts';
import { describeIssue, type Issue, valueAt } from './issues.ts';
import type { ConfigProblem, Place } from './place.ts';
import { configSchema, withoutEffect } from './schema.ts';
import {
  type Override,
  readEnvironment,
  type Setting,
  SETTING_PATHS,
  SETTINGS,
  type SettingPath,
  type SettingValue,
} from './settings.ts';

/** Where settings come from, highest precedence first: flags, environment, file, defaults. */
export interface ConfigSources {
  /** Null when no file was given. */
  readonly file: ConfigFile | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `path=value` pairs of `--set`. */
  readonly flags: readonly string[];
}

export interface Loaded {
  readonly config: Config;
  /** Every setting, in the order of the schema. */
  readonly settings: readonly Setting[];
}

/** Characters of a key that are compared with known ones: more cannot be a slip of the pen. */
const KEY_LENGTH_MAX = 100;

/** Problems that are told of one configuration. Whoever has more mends these first. */
const PROBLEMS_MAX = 20;

/** Reads, merges and checks all sources. At least one problem is told, those of the file in the order of its lines; nothing is guessed. */
export function loadConfig(sources: ConfigSources): Result<Loaded, readonly ConfigProblem[]> {
  const parsed = parseFile(sources.file);
  if (!parsed.ok) return err([parsed.error]);
  const { tree, where } = parsed.value;
  const ignored = withoutEffect(tree);
  const inFile = new Set(SETTING_PATHS.filter((path) => valueAt(tree, path.split('.')) !== undefined));
  const overridden = override(tree, sources);
  if (!overridden.ok) return overridden;
  const overrides = overridden.value;
  const result = configSchema.safeParse(tree);
  const locate = (path: readonly PropertyKey[]): Place => overrides.get(path.join('.')) ?? where(path);
  if (!result.success) return err(describeProblems(result.error.issues, tree, locate));
  const checked = checkConfig(result.data);
  if (!checked.ok) return err([placed(checked.error, locate)]);
  const settings = SETTING_PATHS.map((path): Setting => {
    const inherited: Place = inFile.has(path) ? where(path.split('.')) : { kind: 'default' };
    return {
      path,
      value: valueAt(result.data, path.split('.')) as SettingValue,
      source: overrides.get(path) ?? inherited,
    };
  });
  return ok({ config: { ...checked.value, withoutEffect: ignored }, settings });
}

/** The configuration that consists of these settings, which come from loaded ones; they may contradict each other. */
export function configOf(settings: readonly Setting[]): ReturnType<typeof checkConfig> {
  const tree = {};
  for (const { path, value } of settings) setPath(tree, path.split('.'), value);
  return checkConfig(configSchema.parse(tree));
}

/** Writes what environment and flags say into `tree`. Returns who has said it, by path. */
function override(
  tree: Record<string, unknown>,
  { environment, flags }: ConfigSources,
): Result<ReadonlyMap<string, Place>, readonly ConfigProblem[]> {
  const problems: ConfigProblem[] = [];
  const overrides: Override[] = [...readEnvironment(environment)];
  for (const flag of flags) {
    const read = parseFlag(flag);
    if (read.ok) overrides.push(read.value);
    else problems.push(read.error);
  }
  const places = new Map<string, Place>();
  for (const { path, text, place } of overrides) {
    const value = SETTINGS[path].parse(text);
    if (!value.ok) {
      problems.push({ place, path, message: value.error });
      continue;
    }
    setPath(tree, path.split('.'), value.value);
    places.set(path, place);
  }
  return problems.length === 0 ? ok(places) : err(problems.slice(0, PROBLEMS_MAX));
}

/** Sets the value at `path`, making the maps on the way; where something else than a map is in the way the schema will say so. */
function setPath(tree: Record<string, unknown>, path: readonly string[], value: unknown): void {
  let level = tree;
  for (const key of path.slice(0, -1)) {
    const below = level[key] ?? {};
    if (typeof below !== 'object' || Array.isArray(below)) return;
    level[key] = below;
    level = below as Record<string, unknown>;
  }
  level[path.at(-1) ?? ''] = value;
}

function parseFlag(flag: string): Result<Override, ConfigProblem> {
  const split = flag.indexOf('=');
  const path = split < 0 ? flag : flag.slice(0, split);
  const place: Place = { kind: 'flag', flag: printable(flag.slice(0, KEY_LENGTH_MAX)) };
  const refuse = (message: string): Result<never, ConfigProblem> => err({ place, path: null, message });
  if (split < 0) return refuse('expected path=value, for example --set raft.id=2');
  if (!Object.hasOwn(SETTINGS, path)) {
    const meant = nearest(path.slice(0, KEY_LENGTH_MAX), SETTING_PATHS);
    const hint = meant === null ? 'config.example.yaml has them all' : `did you mean "${meant}"?`;
    return refuse(`unknown setting ${quoted(path)}; ${hint}`);
  }
  return ok({ path: path as SettingPath, text: flag.slice(split + 1), place });
}

function describeProblems(
  issues: readonly Issue[],
  tree: unknown,
  locate: (path: readonly PropertyKey[]) => Place,
): readonly ConfigProblem[] {
  const problems: ConfigProblem[] = [];
  for (const issue of issues) {
    const found =
      issue.code === 'unrecognized_keys'
        ? issue.keys.slice(0, PROBLEMS_MAX).map((key) => unknownKey(issue.path, key, locate))
        : [described(issue, tree, locate)];
    problems.push(...found);
    if (problems.length >= PROBLEMS_MAX) break;
  }
  return problems.slice(0, PROBLEMS_MAX).toSorted((left, right) => lineOf(left) - lineOf(right));
}

function described(
  issue: Issue,
  tree: unknown,
  locate: (path: readonly PropertyKey[]) => Place,
): ConfigProblem {
  const message = describeIssue(issue, valueAt(tree, issue.path));
  return { place: locate(issue.path), path: issue.path.join('.'), message };
}

function unknownKey(
  path: readonly PropertyKey[],
  key: string,
  locate: (path: readonly PropertyKey[]) => Place,
): ConfigProblem {
  const prefix = path.map((part) => `${String(part)}.`).join('');
  const hint = hintAt(key.slice(0, KEY_LENGTH_MAX), knownKeysAt(prefix), prefix);
  return {
    place: locate([...path, key]),
    path: null,
    message: `unknown key ${quoted(prefix + key)}; ${hint}`,
  };
}

function knownKeysAt(prefix: string): readonly string[] {
  const below = SETTING_PATHS.filter((known) => known.startsWith(prefix));
  return [...new Set(below.map((known) => known.slice(prefix.length).split('.')[0] ?? ''))];
}

function placed(
  { path, message }: Contradiction,
  locate: (path: readonly PropertyKey[]) => Place,
): ConfigProblem {
  return { place: locate(path.split('.')), path, message };
}

/** What is in no line comes first. */
function lineOf({ place }: ConfigProblem): number {
  return place.kind === 'line' ? place.line : 0;
}
