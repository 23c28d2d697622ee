// Every thread of libuv's pool held, as by host names whose servers are dead, until the test lets them go.

import { execFileSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** More than the pool has: those that get no thread wait in front of whatever comes later. */
const HOLDERS = 16;

export interface BusyThreadPool {
  /** Resolves when all threads are free again. */
  release(): Promise<void>;
}

/** Opening a pipe for reading holds its thread until somebody writes to it. */
export function holdThreadPool(): BusyThreadPool {
  const folder = mkdtempSync(join(tmpdir(), 'busy-pool-'));
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const holders = Array.from({ length: HOLDERS }, () => open(pipe, 'r'));
  return {
    release: async () => {
      const writer = openSync(pipe, constants.O_RDWR);
      await Promise.all(holders.map(async (holder) => (await holder).close()));
      closeSync(writer);
      rmSync(folder, { recursive: true });
    },
  };
}
