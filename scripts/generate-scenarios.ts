// Writes test/scenarios.md, the tables from scenario ids to the tests that show them; with --check says what is missing.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** The tables, each with the letter that its ids begin with. */
const SECTIONS = [
  {
    letter: 'S',
    title: 'Raft',
    about: 'What a Raft has to get right.',
  },
  {
    letter: 'K',
    title: 'What keeps the data and the cluster alive',
    about:
      'What a controller of Kvrocks has to get right besides: who has which data (KA), who may be promoted (KB), how migrations end (KC), and what else must not stop a shard, a cluster or the group (KD).',
  },
] as const;

const root = new URL('..', import.meta.url).pathname;
const table = join(root, 'test/scenarios.md');
const claims = new Map(Object.entries(parseClaims(readFileSync(join(root, 'test/scenarios.json'), 'utf8'))));

const tests = new Map<string, Set<string>>([...claims.keys()].map((id) => [id, new Set<string>()]));
const unknown: string[] = [];
for (const file of testFiles()) {
  for (const id of idsIn(readFileSync(join(root, file), 'utf8'))) {
    const files = tests.get(id);
    if (files === undefined) unknown.push(`${file} names the unknown scenario ${id}`);
    else files.add(file);
  }
}

const text = render();
const missing = [...tests].filter(([, files]) => files.size === 0).map(([id]) => id);
const problems = [...unknown];
if (missing.length > 0) problems.push(`no test is named with: ${missing.join(', ')}`);
if (process.argv.includes('--check')) {
  if (readFileSync(table, 'utf8') !== text)
    problems.push('test/scenarios.md is out of date: run "npm run generate"');
} else {
  writeFileSync(table, text);
}
for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exitCode = 1;

/** A scenario is claimed by a test's name, or a transcript's first words, that begin with its id: "S07: …", "KA1, KA2: …". */
function idsIn(source: string): readonly string[] {
  const heads = source.matchAll(
    /(?:^# |['"`])((?:S\d\d|K?[ABCND]\d{1,2}[a-h]?)(?:, (?:S\d\d|K?[ABCND]\d{1,2}[a-h]?))*)[,:( ]/gmu,
  );
  return [...heads].flatMap(([, ids]) => (ids ?? '').split(', ').filter((id) => /^[SK]/u.test(id)));
}

function testFiles(): readonly string[] {
  const names = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' });
  const wanted = names.filter(
    (name) => name.endsWith('.test.ts') || /^raft-scripts[/\\].*\.txt$/u.test(name),
  );
  return wanted.map((name) => `test/${name.replaceAll('\\', '/')}`).sort();
}

function render(): string {
  const lines = [
    '# Scenarios',
    '',
    'What has to be got right, and the tests that show it: each is named with its id. Written by `npm run generate` from `scenarios.json` and the names of the tests; `npm run check` fails when one has no test.',
    '',
  ];
  for (const { letter, title, about } of SECTIONS) {
    const rows = [...claims].filter(([id]) => id.startsWith(letter)).map(([id, claim]) => row(id, claim));
    lines.push(`## ${title}`, '', about, '', '| id | claim | shown by |', '| --- | --- | --- |', ...rows, '');
  }
  return lines.join('\n');
}

function row(id: string, claim: string): string {
  const files = [...(tests.get(id) ?? [])].map((file) => `\`${file.replace(/^test\//u, '')}\``);
  return `| ${id} | ${claim} | ${files.join(', ')} |`;
}

function parseClaims(json: string): Record<string, string> {
  const value: unknown = JSON.parse(json);
  if (typeof value !== 'object' || value === null)
    throw new Error('test/scenarios.json is an object of claims');
  return Object.fromEntries(Object.entries(value).map(([id, claim]) => [id, String(claim)]));
}
