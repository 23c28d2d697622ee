// Links of the documentation lead somewhere.

import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

import { expect, test } from 'vitest';

import { DOCUMENTS, ROOT } from '../../support/documents.ts';
import { anchorsOf, headingsOf, inlineCodes, linksOf, type Page, readPage } from '../../support/markdown.ts';

const pages = [...DOCUMENTS];

/** Why a link of the page at `path` leads nowhere; null for one that does, and for other sites. */
function brokenLink(path: string, target: string): string | null {
  if (/^[a-z]+:/.test(target)) return null;
  const [file = '', anchor] = target.split('#');
  const named = file === '' ? path : normalize(join(dirname(path), file));
  if (!existsSync(join(ROOT, named))) return `there is no ${named}`;
  if (anchor === undefined) return null;
  const page = DOCUMENTS.get(named);
  if (page === undefined) return `${named} is no page with anchors`;
  return anchorsOf(page).has(anchor) ? null : `${named} has no #${anchor}`;
}

function brokenLinks(path: string, page: Page): readonly string[] {
  return linksOf(page).flatMap(({ target, line }) => {
    const why = brokenLink(path, target);
    return why === null ? [] : [`line ${line}: ${target}: ${why}`];
  });
}

test('headings become anchors as GitHub makes them, and code is no link', () => {
  const page = readPage(
    '# A `b`: c, d-e\n## A\n## A\n```\n# no heading\n[x](y)\n```\n`[x](z)` [a](b#c) [d](#e)\n',
  );
  expect([...anchorsOf(page)]).toEqual(['a-b-c-d-e', 'a', 'a-1']);
  expect(linksOf(page)).toEqual([
    { target: 'b#c', line: 8 },
    { target: '#e', line: 8 },
  ]);
});

test('a link to nothing is found', () => {
  const page = readPage('[a](start.md) [b](nothing.md)\n[c](operations.md#nothing) [d](https://example.org)');
  expect(brokenLinks('docs/x.md', page)).toEqual([
    'line 1: nothing.md: there is no docs/nothing.md',
    'line 2: operations.md#nothing: docs/operations.md has no #nothing',
  ]);
});

test.each(pages)('%s links to files and headings that are there', (path, page) => {
  expect(brokenLinks(path, page)).toEqual([]);
});

test.each(pages)('%s names files and folders that are there', (_path, page) => {
  const named = inlineCodes(page).filter((code) => /^(?:deploy|docs|scripts|src|test)\/[\w./-]*\w\/?$/.test(code));
  expect(named.filter((file) => !existsSync(join(ROOT, file)))).toEqual([]);
});

test('a section that is named in italics behind its page is a heading of it', () => {
  const missing = pages.flatMap(([path, { prose }]) =>
    [...prose.join('\n').matchAll(/`(docs\/[\w/-]+\.md)`, \*([^*]+)\*/g)].flatMap(([, file = '', title = '']) => {
      const page = DOCUMENTS.get(file);
      return page !== undefined && headingsOf(page).some((heading) => heading.startsWith(title.replaceAll('\n', ' ')))
        ? []
        : [`${path}: ${file}, ${title}`];
    }),
  );
  expect(missing).toEqual([]);
});

test('every page of the book is in its table of contents', () => {
  const contents = DOCUMENTS.get('docs/README.md');
  const linked = new Set(contents === undefined ? [] : linksOf(contents).map(({ target }) => `docs/${target}`));
  const book = pages.map(([path]) => path).filter((path) => /^docs\/[^/]+\.md$/.test(path));
  expect(book.filter((path) => path !== 'docs/README.md' && !linked.has(path))).toEqual([]);
  for (const folder of ['docs/runbooks', 'docs/decisions']) expect(linked).toContain(folder);
});
