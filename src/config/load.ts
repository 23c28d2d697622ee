// From flags, environment and file to one checked configuration, or to one line that says what is wrong where.

import { isMap, LineCounter, parseDocument, type Document } from 'yaml';
import type { z } from 'zod';

import { nearest } from '../base/nearest.ts';
import { err, ok, type Result } from '../base/result.ts';
import { checkConfig, type Config } from './config.ts';
import { configSchema } from './schema.ts';
import { readEnvironment, SETTINGS, type SettingPath } from './settings.ts';

/** Where settings come from, highest precedence first: flags, environment, file, defaults. */
export interface ConfigSources {
  /** The file's text and its name for messages; null when no file was given. */
  readonly file: { readonly name: string; readonly text: string } | null;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** `path=value` pairs of `--set`. */
  readonly flags: readonly string[];
}

/** A problem, as one line for people: where it is, what is wrong, how to mend it. */
export type ConfigProblem = string;

/** Reads, merges and checks all sources. The first problem found is returned; nothing is guessed. */
export function loadConfig(sources: ConfigSources): Result<Config, ConfigProblem> {
  const parsed = parseFile(sources.file);
  if (!parsed.ok) return parsed;
  const { tree, where } = parsed.value;
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
  if (!result.success) return err(describeIssue(result.error, locate));
  const checked = checkConfig(result.data);
  if (!checked.ok)
    return err(`${locate(checked.error.path.split('.'))}: ${checked.error.path}: ${checked.error.message}`);
  return checked;
}

interface ParsedFile {
  readonly tree: Record<string, unknown>;
  readonly where: (path: readonly PropertyKey[]) => string;
}

function parseFile(file: ConfigSources['file']): Result<ParsedFile, ConfigProblem> {
  const name = file?.name ?? 'configuration';
  const lines = new LineCounter();
  const document = parseDocument(file?.text ?? '', { lineCounter: lines, prettyErrors: false });
  const at = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${name}:${line}:${col}`;
  };
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined)
    return err(`${at(problem.pos[0])}: not valid YAML: ${firstLine(problem.message)}`);
  if (document.contents !== null && !isMap(document.contents))
    return err(`${name}: expected settings as "key: value" lines`);
  const where = (path: readonly PropertyKey[]): string => {
    for (let depth = path.length; depth > 0; depth -= 1) {
      const offset = keyOffset(document, path.slice(0, depth).map(String));
      if (offset !== null) return at(offset);
    }
    return name;
  };
  try {
    const tree: unknown = document.toJS() ?? {};
    return ok({ tree: tree as Record<string, unknown>, where });
  } catch (error) {
    return err(
      `${name}: not usable YAML: ${error instanceof Error ? firstLine(error.message) : String(error)}`,
    );
  }
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

/** Offset of the key (not the value) that `path` ends in; null when the file does not have it. */
function keyOffset(document: Document, path: readonly string[]): number | null {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return null;
  for (const pair of parent.items) {
    const key: unknown = pair.key;
    if (isScalarKey(key) && String(key.value) === path.at(-1)) return key.range?.[0] ?? null;
  }
  return null;
}

function isScalarKey(key: unknown): key is { value: unknown; range?: [number, number, number] | null } {
  return typeof key === 'object' && key !== null && 'value' in key;
}

function parseFlag(flag: string): Result<{ path: SettingPath; text: string; origin: string }, ConfigProblem> {
  const split = flag.indexOf('=');
  const path = split < 0 ? flag : flag.slice(0, split);
  if (split < 0) return err(`--set ${flag}: expected path=value, for example --set raft.id=2`);
  if (!Object.hasOwn(SETTINGS, path)) {
    return err(
      `--set ${flag}: unknown setting "${path}"; did you mean "${nearest(path, Object.keys(SETTINGS))}"?`,
    );
  }
  return ok({ path: path as SettingPath, text: flag.slice(split + 1), origin: `--set ${flag}` });
}

function describeIssue(error: z.ZodError, locate: (path: readonly PropertyKey[]) => string): ConfigProblem {
  const [issue] = error.issues;
  if (issue === undefined) return 'configuration: not valid';
  if (issue.code === 'unrecognized_keys') {
    const key = issue.keys[0] ?? '';
    const full = [...issue.path, key];
    const siblings = knownKeysAt(issue.path);
    return `${locate(full)}: unknown key "${full.join('.')}"; did you mean "${[...issue.path, nearest(key, siblings)].join('.')}"?`;
  }
  return `${locate(issue.path)}: ${issue.path.join('.')}: ${firstLine(issue.message)}`;
}

function knownKeysAt(path: readonly PropertyKey[]): readonly string[] {
  const prefix = path.length === 0 ? '' : `${path.join('.')}.`;
  const below = Object.keys(SETTINGS).filter((known) => known.startsWith(prefix));
  return [...new Set(below.map((known) => known.slice(prefix.length).split('.')[0] ?? ''))];
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? text;
}
