// The documentation as it lies in the checkout.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type Page, readPage } from './markdown.ts';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The book with its runbooks and decisions, and the README; by their path from the root. */
export const DOCUMENTS: ReadonlyMap<string, Page> = new Map(
  [
    'README.md',
    ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md'))
      .map((name) => `docs/${name}`)
      .toSorted(),
  ].map((path) => [path, readPage(readFileSync(join(ROOT, path), 'utf8'))]),
);
