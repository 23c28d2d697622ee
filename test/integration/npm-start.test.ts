// `npm start` as people run it: the signal goes to npm, and has to reach the three controllers.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, expect, test } from 'vitest';

import { freePortOfThree } from '../support/free-port.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

async function isAnswering(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/healthz`)).ok;
  } catch {
    return false;
  }
}

test.each(['SIGTERM', 'SIGINT'] as const)('%s to npm stops all three controllers', async (signal) => {
  const folder = mkdtempSync(join(tmpdir(), 'kvrocks-controller-npm-start-'));
  folders.push(folder);
  const base = await freePortOfThree();
  const ports = [base, base + 1, base + 2];
  const args = ['start', '--', '--base-port', String(base), '--data-dir', join(folder, 'data')];
  const npm = spawn('npm', args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [npm.stdout, npm.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const exited = new Promise((resolve) => npm.once('exit', resolve));
  try {
    await waitUntil('a leader', () => (/ leads /.test(said) ? true : notYet(said)));
    npm.kill(signal);
    await exited;
    await waitUntil('the end of all three', async () => {
      const left = await Promise.all(ports.map(isAnswering));
      return left.includes(true) ? notYet(said) : true;
    });
    expect(said).toMatch(new RegExp(`${signal}: stopping[^]*stopped`));
  } finally {
    npm.kill('SIGKILL');
  }
});
