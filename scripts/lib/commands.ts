// Runs programs of the system, and says in a few words why one cannot be run.

import { execFile, execFileSync } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const TIMEOUT_MS = 10_000;

/** Standard output. Rejects with the program's own words when it ends with another code than 0. */
export async function command(program: string, ...args: readonly string[]): Promise<string> {
  const { stdout } = await run(program, args, { timeout: TIMEOUT_MS });
  return stdout;
}

/** For cleaning up while the process ends: waits, and never throws. */
export function commandAtExit(program: string, ...args: readonly string[]): void {
  try {
    execFileSync(program, args, { timeout: TIMEOUT_MS, stdio: 'ignore' });
  } catch {
    // There is nobody left to be told.
  }
}

/** Null when it ran, else its last line of complaint. */
export async function complaintOf(program: string, ...args: readonly string[]): Promise<string | null> {
  try {
    await command(program, ...args);
    return null;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (isMissing) return `there is no ${program}`;
    const text = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    return text.trim().split('\n').at(-1) ?? `${program} failed`;
  }
}

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}
