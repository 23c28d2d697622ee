// `npm run release:check`: refuses a release with every reason there is, not only the first.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { Command } from 'commander';

import { releaseProblems } from './lib/release-state.ts';
import { type Lock, type Sbom, sbomProblems } from './lib/sbom.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** What `npm test` runs, one by one: a failure of the first must not hide the others. */
const COMMANDS = ['check', 'check:package', 'test:unit', 'test:simulation', 'test:integration'];

const { quick } = new Command('npm run release:check --')
  .description(
    `Whether this checkout may be released: a clean tree; one version in package.json, the lock file, the chart and a dated section of CHANGELOG.md, without a tag; an SBOM that is complete; and these pass: ${COMMANDS.map((name) => `npm run ${name}`).join(', ')}.`,
  )
  .option('--quick', 'runs none of those commands')
  .addHelpText(
    'after',
    '\nExit codes: 0 when nothing speaks against it, else 1, with every reason on a line of its own.',
  )
  .allowExcessArguments(false)
  .parse()
  .opts<{ quick?: true }>();

const problems = [
  ...releaseProblems(ROOT, new Date().toISOString().slice(0, 10)),
  ...sbom(),
  ...(quick === true ? [] : COMMANDS.flatMap(command)),
];
for (const problem of problems) process.stdout.write(`- ${problem}\n`);
if (problems.length > 0) {
  process.stdout.write(`not to be released (reasons: ${problems.length})\n`);
  process.exitCode = 1;
} else if (quick === true) {
  process.stdout.write('nothing speaks against a release so far; checks and tests were not run\n');
} else {
  process.stdout.write('ready to be released\n');
}

function command(name: string): readonly string[] {
  process.stdout.write(`npm run ${name}\n`);
  const { status } = spawnSync('npm', ['run', name], { cwd: ROOT, stdio: 'inherit' });
  return status === 0 ? [] : [`npm run ${name} fails`];
}

function sbom(): readonly string[] {
  const { status, stdout } = spawnSync('npm', ['run', '--silent', 'sbom'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (status !== 0) return ['npm run sbom fails'];
  const lock = readFileSync(join(ROOT, 'package-lock.json'), 'utf8');
  return sbomProblems(JSON.parse(stdout) as Sbom, JSON.parse(lock) as Lock);
}
