// kvctl doctor against running controllers: nothing to say of a healthy group, and a row for each fault, also while a member is down.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import type { Row } from '../../src/cli/doctor/checks.ts';
import { freePort } from '../support/free-port.ts';
import { type Ended, runProgram } from '../support/program.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);
const folder = mkdtempSync(join(tmpdir(), 'doctor-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function kvctl(...words: readonly string[]): Promise<Ended> {
  const hosts = trio().members.map(({ address }) => address);
  return runProgram('kvctl', words, { XDG_CONFIG_HOME: folder, KVCTL_HOST: hosts.join(',') });
}

interface Examined {
  /** `verdict name subject` of what is not well. */
  readonly found: readonly string[];
  /** How fast the disk of this machine is stays out of them. */
  readonly rows: readonly Row[];
}

async function doctor(...words: readonly string[]): Promise<Examined> {
  const { code, stdout } = await kvctl('doctor', '-o', 'json', ...words);
  const { rows: all } = JSON.parse(stdout) as { readonly rows: readonly Row[] };
  expect(code).toBe(all.some(({ verdict }) => verdict === 'fail') ? 8 : 0);
  const rows = all.filter(({ name }) => name !== 'disk.sync');
  const found = rows
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ name, verdict, subject }) => `${verdict} ${name} ${subject}`);
  return { found, rows };
}

/** Clocks are compared, and nodes looked at, within seconds. */
function untilFound(rows: readonly string[], ...words: readonly string[]): Promise<Examined> {
  return waitUntil(`the doctor to find ${rows.join(', ') || 'nothing'}`, async () => {
    const examined = await doctor(...words);
    return JSON.stringify(examined.found) === JSON.stringify(rows) ? examined : notYet(examined.found);
  });
}

test('a healthy group with a cluster and a fresh backup has nothing but ok, also before an upgrade', async () => {
  const stage = scene();
  await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
  expect(await kvctl('backup', 'save', join(folder, 'backup'))).toMatchObject({ code: 0 });
  const { rows } = await untilFound([], '--before-upgrade');
  expect(rows.at(-1)?.name).toBe('before-upgrade.clusters');
  const { stdout } = await kvctl('doctor', '--no-color');
  expect(stdout).toMatch(/^ok +members\.reachable +the group: 3 of 3 controllers answer$/m);
  expect(stdout).toMatch(/^\d fail, \d warn, 2\d ok$/m);
});

test('another setting at one member, and one that waits for a restart, are told as warnings', async () => {
  const [, , third] = trio().members;
  if (third === undefined) throw new Error('three members');
  const before = readFileSync(third.configFile, 'utf8');
  writeFileSync(
    third.configFile,
    before
      .replace('max_ping_count: 3', 'max_ping_count: 4')
      .replace('heartbeat_interval_ms: 100', 'heartbeat_interval_ms: 90'),
  );
  expect(await kvctl('reload', '--member', '3')).toMatchObject({ code: 0 });
  const { rows } = await untilFound([
    'warn config.settings controller.failover.max_ping_count',
    `warn config.restart controller 3 at ${third.address}`,
  ]);
  expect(rows[0]?.why).toBe('controller 1 has 3, controller 2 has 3, controller 3 has 4');
  writeFileSync(third.configFile, before);
  expect(await kvctl('reload', '--member', '3')).toMatchObject({ code: 0 });
});

test('a paused cluster is told by its name, with the command that ends it', async () => {
  const stage = scene();
  await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
  const where = ['-n', stage.namespace, '-c', 'c'];
  expect(await kvctl('pause', ...where, '--reason', 'a move')).toMatchObject({ code: 0 });
  const { rows } = await untilFound([`warn clusters.paused ${stage.namespace}/c`]);
  expect(rows[0]).toMatchObject({
    why: expect.stringContaining('because: a move'),
    remedy: expect.stringContaining(`kvctl resume ${where.join(' ')}`),
  });
});

test('with a member down the others are looked over all the same, and exit code 8 says that something fails', async () => {
  const [down] = await trio().followers();
  if (down === undefined) throw new Error('a follower');
  await down.kill();
  const { found, rows } = await doctor('--before-upgrade');
  expect(found.slice(0, 2)).toEqual([
    `fail members.reachable controller ${down.id} at ${down.address}`,
    'fail before-upgrade.members the group',
  ]);
  const ready = rows.find(({ name }) => name === 'members.ready');
  expect(ready).toMatchObject({ verdict: 'ok', why: '2 of 3 controllers are ready' });
  down.start();
  await trio().ready();
});

test('where nobody answers there are no rows: exit code 6', async () => {
  const words = ['doctor', '-H', `127.0.0.1:${await freePort()}`, '--timeout', '1s'];
  expect(await kvctl(...words)).toMatchObject({
    code: 6,
    stdout: '',
    stderr: expect.stringMatching(/^error: /),
  });
});
