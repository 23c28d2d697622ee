// Which release this is, as package.json has it, and of which commit it was built.

import { existsSync, readFileSync } from 'node:fs';

export function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : '';
}

/** As `npm run build` wrote it beside the built program; empty where it runs from its sources, or was not built from a commit. */
export function readCommit(): string {
  const file = new URL('../commit.txt', import.meta.url);
  return existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
}
