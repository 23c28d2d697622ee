// Clocks of member processes: a wall clock that jumps while they run, and monotonic clocks that are days apart.

import { closeSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { command, complaintOf } from '../lib/commands.ts';

const SOURCE = fileURLToPath(new URL('fake-clock.c', import.meta.url));
const NANOSECONDS = 1_000_000_000n;
const READ_WALL = 'process.stdout.write(String(Date.now()))';
const READ_UPTIME = 'process.stdout.write(String(process.hrtime()[0]))';
const HOUR_SECONDS = 3600;

/** The wall clock of one process. */
export class WallClock {
  /** For the process that is to have this clock. */
  readonly env: Readonly<Record<string, string>>;
  readonly #file: number;

  constructor(library: string, file: string) {
    this.env = { LD_PRELOAD: library, FAKE_CLOCK_FILE: file };
    this.#file = openSync(file, 'w+');
    this.set(0);
  }

  /** The process's wall clock is `seconds` (fractions allowed) ahead of the true one from now on. */
  set(seconds: number): void {
    const bytes = Buffer.alloc(8);
    bytes.writeBigInt64LE((BigInt(Math.round(seconds * 1000)) * NANOSECONDS) / 1000n);
    writeSync(this.#file, bytes, 0, bytes.length, 0);
  }

  close(): void {
    closeSync(this.#file);
  }
}

/** The library that moves wall clocks, compiled into `folder`. Rejects with the compiler's words. */
export async function compileClock(folder: string): Promise<string> {
  const library = join(folder, 'fake-clock.so');
  await command('cc', '-shared', '-fPIC', '-O2', '-o', library, SOURCE);
  return library;
}

/** Throws unless a process with `clock` reads another time than this one does. */
export async function verifyClock(clock: WallClock): Promise<void> {
  clock.set(HOUR_SECONDS);
  const assignments = Object.entries(clock.env).map(([name, value]) => `${name}=${value}`);
  const read = Number(await command('env', ...assignments, process.execPath, '-e', READ_WALL));
  clock.set(0);
  if (Math.abs(read - Date.now()) < (HOUR_SECONDS * 1000) / 2)
    throw new Error('a preloaded library does not move the wall clock of this Node');
}

/** The command that starts a process whose monotonic clock is `seconds` ahead. */
export function monotonicAhead(seconds: number): readonly string[] {
  return ['unshare', '--time', '--monotonic', String(seconds), '--boottime', String(seconds), '--'];
}

/** True where `monotonicAhead` works: it takes root, time namespaces, and a kernel that enters them at exec. */
export async function canMoveMonotonic(): Promise<boolean> {
  const [program = '', ...args] = monotonicAhead(HOUR_SECONDS);
  if ((await complaintOf(program, ...args, 'true')) !== null) return false;
  const moved = Number(await command(program, ...args, process.execPath, '-e', READ_UPTIME));
  return moved > process.hrtime()[0] + HOUR_SECONDS / 2;
}
