// What a checkout says of itself before a release: each function gives the reasons against one, as sentences.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { parse } from 'yaml';

const VERSION = /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z.-]+)?$/;
/** `## [1.2.3] - 2026-11-30` */
const HEADING = /^## \[([^\]]+)\](?: - (.*))?$/;
const CHART = 'deploy/helm/kvrocks-controller/Chart.yaml';

/** All that can be told without running anything of the project. `today` is a day as in `2026-11-30`. */
export function releaseProblems(root: string, today: string): readonly string[] {
  const version = versionOf(readFileSync(join(root, 'package.json'), 'utf8'));
  return [
    ...treeProblems(root),
    ...versionProblems(root, version),
    ...changelogProblems(readFileSync(join(root, 'CHANGELOG.md'), 'utf8'), version, today),
    ...tagProblems(root, version),
  ];
}

function versionOf(manifest: string): string {
  return String((JSON.parse(manifest) as { version?: unknown }).version);
}

function treeProblems(root: string): readonly string[] {
  const changed = git(root, 'status', '--porcelain')
    .split('\n')
    .filter((line) => line !== '');
  return changed.length === 0
    ? []
    : [`the tree is not clean: ${changed.map((line) => line.slice(3)).join(', ')}`];
}

function versionProblems(root: string, version: string): readonly string[] {
  const problems = VERSION.test(version) ? [] : [`package.json: "${version}" is no version`];
  const locked = versionOf(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  if (locked !== version) problems.push(`package-lock.json has version ${locked}, package.json ${version}`);
  const chart = parse(readFileSync(join(root, CHART), 'utf8')) as Readonly<Record<string, unknown>>;
  for (const key of ['version', 'appVersion'])
    if (chart[key] !== version)
      problems.push(`${CHART} has ${key} ${String(chart[key])}, package.json ${version}`);
  return problems;
}

/** The newest release of the changelog is this one, with its day, and nothing waits above it. */
export function changelogProblems(text: string, version: string, today: string): readonly string[] {
  const sections = sectionsOf(text);
  const waiting = sections.find(({ name }) => name === 'Unreleased');
  const newest = sections.find(({ name }) => name !== 'Unreleased');
  const problems: string[] = [];
  if (waiting !== undefined && waiting.lines.length > 0)
    problems.push(`CHANGELOG.md: what stands under [Unreleased] belongs to [${version}]`);
  if (newest === undefined || newest.name !== version)
    return [
      ...problems,
      `CHANGELOG.md: its newest release is ${newest === undefined ? 'none' : newest.name}, package.json has ${version}`,
    ];
  if (!isDay(newest.day))
    problems.push(`CHANGELOG.md: [${version}] has no day ("## [${version}] - ${today}")`);
  else if (newest.day > today)
    problems.push(`CHANGELOG.md: [${version}] is of ${newest.day}, which is to come`);
  if (newest.lines.length === 0) problems.push(`CHANGELOG.md: [${version}] says nothing`);
  return problems;
}

interface Section {
  readonly name: string;
  readonly day: string;
  /** Its lines but for headings and empty ones. */
  readonly lines: string[];
}

function sectionsOf(text: string): readonly Section[] {
  const sections: Section[] = [];
  for (const line of text.split('\n')) {
    const [, name, day = ''] = HEADING.exec(line) ?? [];
    if (name !== undefined) sections.push({ name, day, lines: [] });
    else if (line.trim() !== '' && !line.startsWith('#')) sections.at(-1)?.lines.push(line);
  }
  return sections;
}

function isDay(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) && new Date(`${text}T00:00:00Z`).toJSON()?.slice(0, 10) === text;
}

function tagProblems(root: string, version: string): readonly string[] {
  const tag = `v${version}`;
  return git(root, 'tag', '--list', tag).trim() === ''
    ? []
    : [`${version} is released already: there is a tag ${tag}`];
}

function git(root: string, ...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: root, encoding: 'utf8' });
}
