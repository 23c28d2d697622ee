// Writes what a new group needs, or nothing.

import { chmodSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { printable } from '../../base/printable.ts';
import { loadConfig } from '../../config/load.ts';
import { problemText } from '../../config/place.ts';
import { complain } from '../complain.ts';
import { VERB_EXIT, type VerbExit } from '../verb.ts';
import { readVersion } from '../version.ts';
import { countWarning, parseMembers } from './members.ts';
import { nextStepsText } from './next-steps.ts';
import { composeText, configText, STATE_DIR, unitName, unitText, valuesText } from './templates.ts';

export interface InitFlags {
  readonly members: string;
  readonly out: string;
  readonly dataDir?: string;
}

interface File {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** Nobody but its owner reads a configuration, which may come to name what protects the group; the rest is no secret. */
const PRIVATE = 0o600;
const PUBLIC = 0o644;
const FOLDER = 0o700;

export async function init({ members: names, out, dataDir }: InitFlags): Promise<VerbExit> {
  const parsed = parseMembers(names, (id, isTrial) => {
    if (dataDir !== undefined) return join(resolve(dataDir), String(id));
    return isTrial ? resolve(out, String(id), 'data') : join(STATE_DIR, String(id));
  });
  if (!parsed.ok) return refused(parsed.error);
  const members = parsed.value;
  const version = readVersion();
  const files: File[] = members.flatMap((member) => [
    { path: `${member.id}/config.yaml`, text: configText(member, members), mode: PRIVATE },
    { path: `${member.id}/${unitName(member)}`, text: unitText(member), mode: PUBLIC },
  ]);
  files.push({ path: 'compose.yaml', text: composeText(members, version), mode: PUBLIC });
  files.push({ path: 'values.yaml', text: valuesText(members), mode: PUBLIC });
  const problem = problemIn(files) ?? write(out, files);
  if (problem !== null) return refused(problem);
  const warning = countWarning(members.length);
  if (warning !== null) complain(`warning: ${warning}`);
  process.stdout.write(nextStepsText({ out, members, version }));
  return VERB_EXIT.ok;
}

/** What a start with one of the configurations would refuse: members that cannot reach each other, too many of them. */
function problemIn(files: readonly File[]): string | null {
  for (const { path, text, mode } of files) {
    if (mode !== PRIVATE) continue;
    const loaded = loadConfig({ file: { name: path, text }, environment: {}, flags: [] });
    const [problem] = loaded.ok ? [] : loaded.error;
    if (problem !== undefined) return `these members make no group: ${problemText(problem)}`;
  }
  return null;
}

/** The reason where it cannot be done. */
function write(out: string, files: readonly File[]): string | null {
  try {
    mkdirSync(out, { recursive: true, mode: FOLDER });
    if (readdirSync(out).length > 0) return `${out}: is not empty, and nothing there is overwritten`;
    for (const { path, text, mode } of files) {
      const file = join(out, path);
      mkdirSync(join(file, '..'), { recursive: true, mode: FOLDER });
      writeFileSync(file, text, { flag: 'wx' });
      // Whatever the umask is.
      chmodSync(file, mode);
    }
    return null;
  } catch (error) {
    return `${out}: cannot be written: ${error instanceof Error ? error.message : String(error)}`;
  }
}

function refused(problem: string): VerbExit {
  complain(printable(problem));
  return VERB_EXIT.refused;
}
