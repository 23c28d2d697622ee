// What signals do to a controller, from the first moment of its life on.

import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterEach, describe, expect, test } from 'vitest';

import { ControllerChild } from '../../scripts/lib/controller-child.ts';
import { prepareTrio, startTrio, type Trio } from '../support/controller-process.ts';
import { waitFor, waitUntil, notYet } from '../support/wait-until.ts';

const HELD_LOADING = fileURLToPath(new URL('../support/held-loading.ts', import.meta.url));
const trios: Trio[] = [];

afterEach(async (context) => {
  for (const trio of trios.splice(0)) {
    if (context.task.result?.state === 'fail') console.error(trio.logTails());
    await trio.stop();
  }
});

describe('a process that is told to stop', () => {
  test.each(['SIGTERM', 'SIGINT'] as const)(
    'KD3h: by %s while it still loads its modules ends with code 0',
    async (signal) => {
      const trio = await prepareTrio();
      trios.push(trio);
      const { configFile, logFile } = trio.member(1);
      const env = {
        NODE_OPTIONS: `--import=${HELD_LOADING}`,
        TEST_LOADING_REACHED: join(trio.folder, 'reached'),
        TEST_LOADING_GO_ON: join(trio.folder, 'go-on'),
      };
      const child = new ControllerChild({ configFile, logFile, env });
      try {
        await waitFor('the modules to be loaded', () => existsSync(env.TEST_LOADING_REACHED));
        child.signal(signal);
        writeFileSync(env.TEST_LOADING_GO_ON, '');
        expect(await child.exited).toEqual({ code: 0, signal: null });
      } finally {
        await child.kill();
      }
    },
  );

  test('KD3h: while it waits for the others of its group ends with code 0', async () => {
    const trio = await prepareTrio();
    trios.push(trio);
    const member = trio.member(1);
    member.start();
    await waitUntil('an answer', async () => (await trio.api.sendTo(member.url, 'GET', '/healthz')).status);
    expect(await member.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('a leader', () => {
  test.each(['SIGHUP', 'SIGUSR1'] as const)(
    'KD3e: goes on after %s, and opens no debugger; a wish to reload is heard',
    async (signal) => {
      const trio = await startTrio();
      trios.push(trio);
      const leader = await trio.leader();
      process.kill(leader.pid, signal);
      // SIGUSR1 does not even arrive: the flag that keeps the debugger away keeps it away, too.
      const isLogged = signal === 'SIGHUP';
      await waitUntil('the signal to be heard', async () => {
        const lines = leader.log().filter(({ event }) => event === 'config.reloaded');
        const created = await trio.api.sendTo(leader.url, 'POST', '/api/v1/namespaces', {
          body: { namespace: `after-${Math.floor(performance.now())}` },
        });
        expect(created.status).toBe(201);
        return lines.length > 0 || !isLogged ? true : notYet(lines);
      });
      expect(await trio.leader()).toBe(leader);
      expect(leader.stderr).toBe('');
    },
  );
});
