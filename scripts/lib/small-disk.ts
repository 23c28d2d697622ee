// A small file system in memory that can be filled to its last byte and emptied again.

import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { command, commandAtExit, complaintOf, isRoot } from './commands.ts';

/** Holds three log segments of 16 MiB, the state and some snapshots. */
const SIZE = '96m';
const BALLAST = 'ballast';
/** Written in steps, the smallest last, so that not even a byte is left. */
const STEP_BYTES = [1024 * 1024, 4096, 1] as const;

/** Mounted at `folder`, which is made. */
export class SmallDisk {
  readonly folder: string;
  readonly #unmountAtExit = (): void => commandAtExit('umount', '--lazy', this.folder);

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Null where tmpfs can be mounted, else what is missing. */
  static missing(): string | null {
    return isRoot() ? null : 'mounting a small file system needs root';
  }

  static async mount(folder: string): Promise<SmallDisk> {
    const disk = new SmallDisk(folder);
    mkdirSync(folder, { recursive: true });
    await command('mount', '-t', 'tmpfs', '-o', `size=${SIZE},mode=700`, 'kvrocks-controller', folder);
    process.once('exit', disk.#unmountAtExit);
    return disk;
  }

  /** Takes all the space that is left. */
  fill(): void {
    const file = openSync(join(this.folder, BALLAST), 'a');
    try {
      for (const stepBytes of STEP_BYTES) {
        const step = Buffer.alloc(stepBytes, 1);
        while (hasWritten(file, step));
      }
    } finally {
      closeSync(file);
    }
  }

  /** Gives the space back. */
  empty(): void {
    rmSync(join(this.folder, BALLAST), { force: true });
  }

  async unmount(): Promise<void> {
    await complaintOf('umount', '--lazy', this.folder);
    process.off('exit', this.#unmountAtExit);
  }
}

function hasWritten(file: number, step: Buffer): boolean {
  try {
    return writeSync(file, step) === step.length;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOSPC') return false;
    throw error;
  }
}
