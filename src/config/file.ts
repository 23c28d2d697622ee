// A configuration file: YAML of a bounded size, as a tree of settings that still knows where each of them stands.

import { isMap, isScalar, LineCounter, parseDocument, visit, type Document, type YAMLMap } from 'yaml';

import { printable, quoted } from '../base/printable.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { ConfigProblem, Place } from './place.ts';
import { isTree, type Tree } from './tree.ts';

/**
 * Bytes of a configuration file, at most: ten times what the longest sensible one has. More is a mistake (a log, an image), and
 * would keep the parser busy for longer than anybody waits for a start.
 */
export const CONFIG_BYTES_MAX = 64 * 1024;

export interface ConfigFile {
  /** For messages. */
  readonly name: string;
  readonly text: string;
}

export interface ParsedFile {
  readonly tree: Record<string, unknown>;
  /** Where the setting at a path stands, or the nearest one above it. */
  readonly where: (path: readonly PropertyKey[]) => Place;
}

/** The settings in `file`; none where there is no file. */
export function parseFile(file: ConfigFile | null): Result<ParsedFile, ConfigProblem> {
  const name = printable(file?.name ?? 'configuration');
  const whole: Place = { kind: 'file', file: name };
  const text = file?.text ?? '';
  if (Buffer.byteLength(text) > CONFIG_BYTES_MAX)
    return fault(whole, `larger than ${CONFIG_BYTES_MAX / 1024} KiB, which no configuration is`);
  const lines = new LineCounter();
  const at = (offset: number): Place => {
    const { line, col: column } = lines.linePos(offset);
    return { kind: 'line', file: name, line, column };
  };
  try {
    // The library compares every key of a map with every other; `repeatedKey` below does not.
    const options = {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: false,
      logLevel: 'silent',
    } as const;
    const document = parseDocument(text, options);
    const [problem] = [...document.errors, ...document.warnings];
    if (problem !== undefined)
      return fault(at(problem.pos[0]), `not valid YAML: ${firstLine(problem.message)}`);
    if (document.contents !== null && !isMap(document.contents))
      return fault(whole, 'expected settings as "key: value" lines');
    const bad = badKey(document);
    if (bad !== null) return fault(at(bad.offset), bad.reason);
    const tree: unknown = document.toJS() ?? {};
    return ok({ tree: withoutNulls(tree as Record<string, unknown>), where: locator(document, whole, at) });
  } catch (error) {
    // Too deep, or too many aliases: the library throws what it cannot hold.
    const reason = error instanceof Error ? firstLine(error.message) : 'it cannot be read';
    return fault(whole, `not usable YAML: ${reason}`);
  }
}

function fault(place: Place, message: string): Result<never, ConfigProblem> {
  return err({ place, path: null, message });
}

function locator(
  document: Document,
  whole: Place,
  at: (offset: number) => Place,
): (path: readonly PropertyKey[]) => Place {
  return (path) => {
    for (let depth = path.length; depth > 0; depth -= 1) {
      const offset = keyOffset(document, path.slice(0, depth).map(String));
      if (offset !== null) return at(offset);
    }
    return whole;
  };
}

interface KeyFault {
  readonly offset: number;
  readonly reason: string;
}

/** The first key that is no text, or that its map has already; null when all are well. */
function badKey(document: Document): KeyFault | null {
  let found: KeyFault | null = null;
  visit(document, {
    Map: (_key, map) => {
      found = badKeyOf(map);
      return found === null ? undefined : visit.BREAK;
    },
  });
  return found;
}

function badKeyOf(map: YAMLMap): KeyFault | null {
  const seen = new Set<string>();
  for (const { key } of map.items) {
    if (!isScalar(key)) return { offset: map.range?.[0] ?? 0, reason: 'a key must be a word' };
    const word = String(key.value);
    const offset = key.range?.[0] ?? 0;
    if (seen.has(word)) return { offset, reason: `the key ${quoted(word)} is there twice` };
    seen.add(word);
  }
  return null;
}

/** Offset of the key (not the value) that `path` ends in; null when the file does not have it. */
function keyOffset(document: Document, path: readonly string[]): number | null {
  const parent = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true);
  if (!isMap(parent)) return null;
  for (const { key } of parent.items) {
    if (isScalar(key) && String(key.value) === path.at(-1)) return key.range?.[0] ?? null;
  }
  return null;
}

/** A key with nothing behind it sets nothing: what is left of a section whose lines are all commented out. */
function withoutNulls(tree: Tree): Record<string, unknown> {
  const kept = Object.entries(tree).filter(([, value]) => value !== null);
  return Object.fromEntries(kept.map(([key, value]) => [key, isTree(value) ? withoutNulls(value) : value]));
}

function firstLine(text: string): string {
  if (text.includes('call stack')) return 'it is nested too deeply';
  return printable((text.split('\n')[0] ?? text).slice(0, 200));
}
