// The previous release, as git has it, beside this checkout: what members of two releases need to meet.

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { z } from 'zod';

import type { Release } from './controller-process.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const WHICH = 'test/previous-release.json';
/** What runs; Node strips the types of both releases. */
const RUNS = ['src', 'package.json'];

const whichSchema = z.object({
  commit: z.string().regex(/^[0-9a-f]{40}$/),
  featureLevel: z.int().positive(),
  why: z.string(),
});

const run = promisify(execFile);

export interface PreviousRelease {
  /** What it supports. */
  readonly featureLevel: number;
  /** For `ControllerProcess.start`. */
  readonly release: Release;
  remove(): void;
}

/** In a temporary folder, with the packages of this checkout: both releases need the same ones. */
export async function takePreviousRelease(): Promise<PreviousRelease> {
  const { commit, featureLevel } = whichSchema.parse(JSON.parse(readFileSync(join(ROOT, WHICH), 'utf8')));
  const folder = mkdtempSync(join(tmpdir(), 'kvrocks-controller-previous-'));
  try {
    const archive = join(folder, 'sources.tar');
    await git(commit, 'archive', '--format=tar', '-o', archive, commit, ...RUNS);
    await run('tar', ['-xf', archive, '-C', folder]);
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  } catch (error) {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    featureLevel,
    release: {
      main: join(folder, 'src', 'main.ts'),
      // Of its own: this folder is another one each time, and its code would stay in the cache of this checkout for ever.
      env: { NODE_COMPILE_CACHE: join(folder, 'compile-cache') },
    },
    remove: () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }),
  };
}

async function git(commit: string, ...words: readonly string[]): Promise<void> {
  try {
    await run('git', ['-C', ROOT, 'cat-file', '-e', `${commit}^{commit}`]);
  } catch (error) {
    throw new Error(
      `the previous release is commit ${commit} (${WHICH}), which this clone does not have; fetch it: git fetch --unshallow origin, or git fetch origin ${commit}`,
      { cause: error },
    );
  }
  await run('git', ['-C', ROOT, ...words]);
}
