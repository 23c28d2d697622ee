// Passwords of nodes: in a flag as upstream has it, or in a file, where no list of processes shows them.

import { readFileSync } from 'node:fs';

import type { Command } from 'commander';

import { EXIT, Failure } from '../failure.ts';

export function withPasswordFlags(command: Command): Command {
  return command
    .option('-p, --password <password>', 'requirepass of the nodes; others see it in the list of processes')
    .option('--password-file <file>', 'a file whose first line is the password');
}

/** What a body needs of it; nothing where neither was said. */
export function passwordOf(flags: Readonly<Record<string, unknown>>): { readonly password?: string } {
  const { password, passwordFile } = flags;
  if (typeof password === 'string') return { password };
  if (typeof passwordFile !== 'string') return {};
  try {
    return { password: readFileSync(passwordFile, 'utf8').split(/\r?\n/, 1)[0] ?? '' };
  } catch (error) {
    throw new Failure(
      EXIT.usage,
      `--password-file ${passwordFile}: ${error instanceof Error ? error.message : 'cannot be read'}`,
    );
  }
}
