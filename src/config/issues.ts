// What the schema found wrong, in our own words.

import type { z } from 'zod';

import { quoted } from '../base/printable.ts';

export type Issue = z.core.$ZodIssue;

/** What was expected, by the schema's name for it. */
const EXPECTED: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a text',
  array: 'a list',
  object: 'settings as "key: value" lines below it',
};

/** What is wrong with `value`, as a clause for people; unknown keys are another matter. */
export function describeIssue(issue: Issue, value: unknown): string {
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${EXPECTED[issue.expected] ?? issue.expected}, got ${described(value)}`;
    case 'too_small':
      return issue.origin === 'string'
        ? 'must not be empty'
        : `must be at least ${issue.minimum}, got ${described(value)}`;
    case 'too_big':
      return issue.origin === 'array'
        ? `has more than ${issue.maximum} entries`
        : `must be at most ${issue.maximum}, got ${described(value)}`;
    case 'invalid_value':
      return `expected ${issue.values.map(String).join(' or ')}, got ${described(value)}`;
    default:
      return `cannot be ${described(value)}`;
  }
}

/** The value at `path` of a tree; undefined where there is none. */
export function valueAt(tree: unknown, path: readonly PropertyKey[]): unknown {
  let value = tree;
  for (const key of path) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

function described(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return quoted(value);
    case 'number':
    case 'boolean':
    case 'bigint':
      return String(value);
    case 'undefined':
      return 'nothing';
    default:
      return value === null ? 'nothing' : Array.isArray(value) ? 'a list' : 'further settings';
  }
}
