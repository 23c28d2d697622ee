// `npm run -s sbom`: the software bill of materials (CycloneDX) of what is installed with the program, on standard output.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { Command } from 'commander';

import { type Lock, productionSbom, type Sbom } from './lib/sbom.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

new Command('npm run -s sbom')
  .description(
    'Prints the software bill of materials (CycloneDX): every package of the lock file that is not for development only.',
  )
  .allowExcessArguments(false)
  .parse();

const full = execFileSync('npm', ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only'], {
  cwd: ROOT,
  encoding: 'utf8',
  maxBuffer: 1 << 26,
});
const lock = readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8');
const sbom = productionSbom(JSON.parse(full) as Sbom, JSON.parse(lock) as Lock);
process.stdout.write(`${JSON.stringify(sbom, null, 2)}\n`);
