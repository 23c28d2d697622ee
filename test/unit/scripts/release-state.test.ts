// What speaks against a release: all of it is told, and nothing where nothing does.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { afterEach, describe, expect, test } from 'vitest';

import { changelogProblems, releaseProblems } from '../../../scripts/lib/release-state.ts';
import { type Lock, productionSbom, type Sbom, sbomProblems } from '../../../scripts/lib/sbom.ts';

const TODAY = '2026-11-30';
const GOOD =
  '# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-11-30\n\n### Added\n- All.\n\n## [1.1.0] - 2026-01-01\n- Less.\n';

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function git(root: string, ...args: readonly string[]): void {
  const who = ['-c', 'user.name=test', '-c', 'user.email=test@localhost', '-c', 'commit.gpgsign=false'];
  execFileSync('git', [...who, ...args], { cwd: root, stdio: 'pipe' });
}

function checkout(files: Readonly<Record<string, string>> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'kvrocks-controller-release-'));
  folders.push(root);
  const all = {
    'package.json': '{"version":"1.2.0"}',
    'package-lock.json': '{"version":"1.2.0"}',
    'CHANGELOG.md': GOOD,
    'deploy/helm/kvrocks-controller/Chart.yaml': 'version: 1.2.0\nappVersion: 1.2.0\n',
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(dirname(join(root, name)), { recursive: true });
    writeFileSync(join(root, name), text);
  }
  git(root, 'init', '--quiet');
  git(root, 'add', '.');
  git(root, 'commit', '--quiet', '--message', 'all');
  return root;
}

describe('a checkout', () => {
  test('that is in order may be released', () => {
    expect(releaseProblems(checkout(), TODAY)).toEqual([]);
  });

  test('is refused with every reason at once', () => {
    const root = checkout({
      'package-lock.json': '{"version":"1.1.0"}',
      'CHANGELOG.md': '## [Unreleased]\n- New.\n## [1.1.0] - 2026-01-01\n- Less.\n',
      'deploy/helm/kvrocks-controller/Chart.yaml': 'version: 1.2.0\nappVersion: 1.1.0\n',
    });
    git(root, 'tag', 'v1.2.0');
    writeFileSync(join(root, 'left'), '');
    expect(releaseProblems(root, TODAY)).toEqual([
      'the tree is not clean: left',
      'package-lock.json has version 1.1.0, package.json 1.2.0',
      'deploy/helm/kvrocks-controller/Chart.yaml has appVersion 1.1.0, package.json 1.2.0',
      'CHANGELOG.md: what stands under [Unreleased] belongs to [1.2.0]',
      'CHANGELOG.md: its newest release is 1.1.0, package.json has 1.2.0',
      '1.2.0 is released already: there is a tag v1.2.0',
    ]);
  });
});

describe('a changelog', () => {
  test.each([
    ['without a day', '## [1.2.0]\n- All.\n', 'has no day'],
    ['with a day that is none', '## [1.2.0] - 2026-02-30\n- All.\n', 'has no day'],
    ['of a day to come', '## [1.2.0] - 2026-12-01\n- All.\n', 'is to come'],
    ['that says nothing', '## [1.2.0] - 2026-11-30\n### Added\n', 'says nothing'],
    ['without any release', '## [Unreleased]\n', 'newest release is none'],
  ])('%s is refused', (_what, text, reason) => {
    const problems = changelogProblems(text, '1.2.0', TODAY);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(reason);
  });
});

describe('a bill of materials', () => {
  const lock: Lock = {
    name: 'program',
    version: '1.2.0',
    packages: {
      '': { version: '1.2.0' },
      'node_modules/@of/needed': { version: '1.0.0' },
      'node_modules/tool': { version: '2.0.0', dev: true },
      'node_modules/@of/needed/node_modules/inner': { version: '3.0.0' },
    },
  };
  const component = (name: string, version: string) => ({
    'bom-ref': `${name}@${version}`,
    purl: `pkg:npm/${name.replace('@', '%40')}@${version}`,
  });
  const full: Sbom = {
    bomFormat: 'CycloneDX',
    metadata: { component: { 'bom-ref': 'program@1.2.0', name: 'folder' } },
    components: [component('@of/needed', '1.0.0'), component('tool', '2.0.0'), component('inner', '3.0.0')],
    dependencies: [
      { ref: 'program@1.2.0', dependsOn: ['@of/needed@1.0.0', 'tool@2.0.0'] },
      { ref: '@of/needed@1.0.0', dependsOn: ['inner@3.0.0'] },
      { ref: 'tool@2.0.0', dependsOn: ['@of/needed@1.0.0'] },
    ],
  };

  test('has what is installed with the program, also where a tool needs it too, and no tool', () => {
    const sbom = productionSbom(full, lock);
    expect(sbomProblems(sbom, lock)).toEqual([]);
    expect(sbom.metadata.component.name).toBe('program');
    expect(sbom.dependencies).toEqual([
      { ref: 'program@1.2.0', dependsOn: ['@of/needed@1.0.0'] },
      { ref: '@of/needed@1.0.0', dependsOn: ['inner@3.0.0'] },
    ]);
  });

  test('that lacks something, has too much or is of another version is refused', () => {
    const { components } = full;
    expect(
      sbomProblems({ ...full, components: components.slice(0, 2) }, { ...lock, version: '1.3.0' }),
    ).toEqual([
      'the SBOM is not of program@1.3.0',
      'the SBOM lacks inner@3.0.0',
      'the SBOM has what is not installed: tool@2.0.0',
    ]);
  });
});
