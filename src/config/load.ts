// From flags, environment and file to one checked configuration, or to one line that says what is wrong where.

import type { z } from 'zod';

import { hintAt, nearest } from '../base/nearest.ts';
import { printable, quoted } from '../base/printable.ts';
import { err, ok, type Result } from '../base/result.ts';
import { checkConfig, type Config } from './config.ts';
import { parseFile, type ConfigFile } from './file.ts';
import { describeIssue, valueAt } from './issues.ts';
import { configSchema, withoutEffect } from './schema.ts';
import { readEnvironment, SETTINGS, type SettingPath } from './settings.ts';

/** Where settings come from, highest precedence first: flags, environment, file, defaults. */
export interface ConfigSources {
  /** Null when no file was given. */
  readonly file: ConfigFile | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `path=value` pairs of `--set`. */
  readonly flags: readonly string[];
}

/** A problem, as one line for people: where it is, what is wrong, how to mend it. */
export type ConfigProblem = string;

/** Characters of a key that are compared with known ones: more cannot be a slip of the pen. */
const KEY_LENGTH_MAX = 100;

/** Reads, merges and checks all sources. The first problem found is returned, printable; nothing is guessed. */
export function loadConfig(sources: ConfigSources): Result<Config, ConfigProblem> {
  const parsed = parseFile(sources.file);
  if (!parsed.ok) return parsed;
  const { tree, where } = parsed.value;
  const ignored = withoutEffect(tree);
  const origins = new Map<string, string>();
  const overrides = [...readEnvironment(sources.environment)];
  for (const flag of sources.flags) {
    const override = parseFlag(flag);
    if (!override.ok) return override;
    overrides.push(override.value);
  }
  for (const { path, text, origin } of overrides) {
    const value = SETTINGS[path].parse(text);
    if (!value.ok) return err(`${origin}: ${path}: ${value.error}`);
    setPath(tree, path.split('.'), value.value);
    origins.set(path, origin);
  }
  const result = configSchema.safeParse(tree);
  const locate = (path: readonly PropertyKey[]): string => origins.get(path.join('.')) ?? where(path);
  if (!result.success) return err(describeProblem(result.error, tree, locate));
  const checked = checkConfig(result.data);
  if (!checked.ok)
    return err(`${locate(checked.error.path.split('.'))}: ${checked.error.path}: ${checked.error.message}`);
  return ok({ ...checked.value, withoutEffect: ignored });
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

function parseFlag(flag: string): Result<{ path: SettingPath; text: string; origin: string }, ConfigProblem> {
  const split = flag.indexOf('=');
  const path = split < 0 ? flag : flag.slice(0, split);
  const origin = `--set ${printable(flag.slice(0, KEY_LENGTH_MAX))}`;
  if (split < 0) return err(`${origin}: expected path=value, for example --set raft.id=2`);
  if (!Object.hasOwn(SETTINGS, path)) {
    const meant = nearest(path.slice(0, KEY_LENGTH_MAX), Object.keys(SETTINGS));
    const hint = meant === null ? 'config.example.yaml has them all' : `did you mean "${meant}"?`;
    return err(`${origin}: unknown setting ${quoted(path)}; ${hint}`);
  }
  return ok({ path: path as SettingPath, text: flag.slice(split + 1), origin });
}

function describeProblem(
  error: z.ZodError,
  tree: unknown,
  locate: (path: readonly PropertyKey[]) => string,
): ConfigProblem {
  const [issue] = error.issues;
  if (issue === undefined) return 'configuration: not valid';
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const prefix = issue.path.map((part) => `${String(part)}.`).join('');
    const hint = hintAt(key.slice(0, KEY_LENGTH_MAX), knownKeysAt(issue.path), prefix);
    return `${locate([...issue.path, key])}: unknown key ${quoted(prefix + key)}; ${hint}`;
  }
  return `${locate(issue.path)}: ${issue.path.join('.')}: ${describeIssue(issue, valueAt(tree, issue.path))}`;
}

function knownKeysAt(path: readonly PropertyKey[]): readonly string[] {
  const prefix = path.length === 0 ? '' : `${path.join('.')}.`;
  const below = Object.keys(SETTINGS).filter((known) => known.startsWith(prefix));
  return [...new Set(below.map((known) => known.slice(prefix.length).split('.')[0] ?? ''))];
}
