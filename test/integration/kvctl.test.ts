// kvctl as people and scripts run it: its words, what it prints where, and its exit codes; against real controllers.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, describe, expect, test } from 'vitest';

import { freePort } from '../support/free-port.ts';
import { fillSlot } from '../support/migrations.ts';
import { type ClusterView, masterOf, replicasOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { waitFor } from '../support/wait-until.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'kvctl-'));
const trio = useTrio();
const scene = useScenes(trio);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface Running {
  readonly ended: Promise<Ended>;
  /** What it has said until now. */
  readonly said: () => string;
  readonly interrupt: () => void;
}

function start(words: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(process.execPath, [MAIN, ...words], {
    env: { PATH: process.env['PATH'] ?? '', XDG_CONFIG_HOME: folder, KVCTL_HOST: hosts(), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += String(chunk)));
  child.stderr.on('data', (chunk) => (stderr += String(chunk)));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, stdout, stderr }));
  return { ended, said: () => stderr, interrupt: () => void child.kill('SIGINT') };
}

async function kvctl(...words: readonly string[]): Promise<Ended> {
  return start(words).ended;
}

/** What it prints when it succeeds. */
async function done(...words: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await kvctl(...words);
  if (code !== 0) throw new Error(`kvctl ${words.join(' ')}: exit ${code}, ${stderr}`);
  return stdout;
}

/** What it says when it does not; nothing is printed then. */
async function refused(code: number, ...words: readonly string[]): Promise<string> {
  const ended = await kvctl(...words);
  expect({ ...ended, words }).toMatchObject({ code, stdout: '' });
  return ended.stderr;
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests look into answers of every shape
async function json(...words: readonly string[]): Promise<any> {
  return JSON.parse(await done(...words, '-o', 'json'));
}

function hosts(): string {
  return trio()
    .members.map(({ address }) => address)
    .join(',');
}

interface Stage {
  readonly stage: Scene;
  readonly view: ClusterView;
  /** Words that name the cluster. */
  readonly where: readonly string[];
}

async function cluster(shards: number, replicas = 1): Promise<Stage> {
  const stage = scene();
  const view = await stage.cluster('c', await stage.nodes(shards * replicas), { replicas });
  return { stage, view, where: ['-n', stage.namespace, '-c', 'c'] };
}

describe('the verbs of upstream', () => {
  test('a namespace, a cluster, a shard and a node come and go', async () => {
    const stage = scene();
    const nodes = (await stage.nodes(4)).map(({ address }) => address);
    const [one = '', two = '', three = '', four = ''] = nodes;
    const inside = ['-n', stage.namespace];
    const where = [...inside, '-c', 'c'];
    expect(await done('create', 'namespace', stage.namespace)).toContain('was created');
    expect(await refused(4, 'create', 'namespace', stage.namespace)).toMatch(/^error: /);
    await done('create', 'cluster', 'c', ...inside, '--nodes', `${one},${two}`, '--replica', '2');
    await done('create', 'shard', ...where, '--nodes', three);
    await done('create', 'node', four, ...where, '-s', '1');
    await stage.converged('c');
    expect(await done('list', 'namespaces', '-o', 'name')).toContain(`${stage.namespace}\n`);
    expect(await done('list', 'clusters', ...inside)).toBe('c\n');
    expect(await done('get', 'cluster', 'c', ...inside)).toContain(one);
    expect(await done('get', 'shard', '1', ...where)).toContain(three);
    expect(await done('list', 'shards', ...where, '-o', 'name')).toBe('0\n1\n');
    const id = (await done('get', 'node', four, ...where, '-o', 'name')).trim();
    expect(id).toMatch(/^[0-9a-f]{40}$/);
    expect((await done('list', 'nodes', ...where, '-o', 'jsonl')).trim().split('\n')).toHaveLength(4);
    expect(await refused(2, 'delete', 'node', four, ...where)).toContain('--yes');
    await done('delete', 'node', id, ...where, '-s', '1', '--yes');
    await done('delete', 'shard', '1', ...where, '--yes');
    expect(await refused(3, 'get', 'shard', '1', ...where)).toContain('no shard 1');
    await done('delete', 'cluster', 'c', ...inside, '-y');
    expect(await refused(3, 'get', 'cluster', 'c', ...inside)).toMatch(/^error: /);
    await done('import', 'cluster', 'c', ...inside, '--nodes', one);
    expect((await json('get', 'cluster', 'c', ...inside)).cluster.shards[0].nodes).toHaveLength(2);
    expect(await refused(5, 'delete', 'namespace', stage.namespace, '-y')).toMatch(/^error: /);
    await done('delete', 'cluster', 'c', ...inside, '-y');
    await done('delete', 'namespace', stage.namespace, '-y');
    expect(await refused(3, 'get', 'namespace', stage.namespace)).toMatch(/^error: /);
  });

  test('slots move: one, a range by --slot, and without their data', async () => {
    const { view, where } = await cluster(2);
    expect(view.shards).toHaveLength(2);
    const moved = await kvctl('migrate', 'slot', '5', '--target', '1', ...where, '--wait');
    expect(moved).toMatchObject({ code: 0, stderr: expect.stringMatching(/^migration 1 \(migrate\): /) });
    expect(moved.stdout).toContain('succeeded');
    await done('migrate', 'slot', '--slot', '6-9', '--target', '1', ...where, '--wait', '60s');
    const recorded = await kvctl('migrate', 'slot', '11', '--target', '1', '--slot-only', ...where);
    expect(recorded).toMatchObject({ code: 0, stderr: expect.stringContaining('their data stays') });
    expect((await json('get', 'shard', '1', ...where)).shards[0].slot_ranges).toEqual(
      expect.arrayContaining(['5-9', '11']),
    );
    expect(await refused(2, 'migrate', 'slot', '--target', '1', ...where)).toContain('which slots?');
    expect(await refused(1, 'migrate', 'slot', '5', '--target', '1', ...where)).toMatch(/^error: /);
  });

  test('a shard gets another master: the one that is preferred, after a look at the plan', async () => {
    const { stage, view, where } = await cluster(1, 2);
    const [shard] = view.shards;
    if (shard === undefined) throw new Error('no shard');
    const [master, replica] = [masterOf(shard), replicasOf(shard)[0]];
    if (replica === undefined) throw new Error('no replica');
    const plan = await done('failover', 'shard', '0', ...where, '--dry-run');
    expect(plan).toMatch(/^the master would hand over first: /);
    expect(plan).toMatch(new RegExp(`^${replica.addr}  +${replica.id.slice(0, 8)}  +master `, 'm'));
    const after = await done('failover', 'shard', '0', ...where, '--preferred', replica.id);
    expect(after).toBe(`${replica.id} is the master of shard 0 now\n`);
    await stage.converged('c');
    expect(await json('switchover', '0', ...where, '--preferred', master.addr)).toEqual({
      new_master_id: master.id,
    });
    expect(await refused(2, 'failover', 'shard', '0', ...where, '--force')).toContain('--yes');
    await stage.converged('c');
    await done('failover', 'shard', '0', ...where, '--force', '--yes');
    expect(await refused(3, 'failover', 'shard', '7', ...where)).toMatch(/^error: /);
  });

  test('the group is looked at by any member, and a controller is added and removed', async () => {
    const peers = await json('raft', 'list', 'peers');
    expect(Object.keys(peers.peers)).toEqual(['1', '2', '3']);
    expect(await done('list', 'peers', '-o', 'name')).toBe('1\n2\n3\n');
    const address = `127.0.0.1:${await freePort()}`;
    await done('raft', 'add', 'peer', '9', address);
    expect(await refused(2, 'raft', 'remove', 'peer', '9')).toContain('--yes');
    await done('raft', 'remove', 'peer', '9', '--yes');
    expect(await done('raft', 'list', 'peers', '-o', 'name')).toBe('1\n2\n3\n');
  });
});

describe('whom it asks', () => {
  test('a dead one is passed over, a follower leads on, and nobody is exit 6', async () => {
    const dead = `127.0.0.1:${await freePort()}`;
    for (const { address } of trio().members)
      expect(await done('-H', `${dead},http://${address}`, 'api', 'GET', '/namespaces')).toContain(
        '{"data":',
      );
    expect(await refused(6, '-H', dead, '--timeout', '1s', 'list', 'namespaces')).toContain(dead);
    expect(await refused(2, 'list', 'nonsense')).toMatch(/^error: /);
    expect(await refused(2, 'task', 'list', 'more', '-n', 'a', '-c', 'b')).toMatch(/^error: too many/);
  });

  test('an error is JSON where the answer would be', async () => {
    const said = JSON.parse(await refused(3, 'get', 'namespace', 'none', '-o', 'json'));
    expect(said.error).toMatchObject({ exit_code: 3 });
  });

  test('a context stands for controllers, namespace and cluster', async () => {
    const { stage } = await cluster(1);
    const env = { KVCTL_HOST: '', XDG_CONFIG_HOME: mkdtempSync(join(folder, 'contexts-')) };
    const by = (...words: readonly string[]): Promise<Ended> => start(words, env).ended;
    expect(await by('context', 'show')).toMatchObject({ code: 3, stdout: '' });
    expect(await by('context', 'set', 'mine')).toMatchObject({ code: 2 });
    expect(await by('context', 'set', 'mine', '-H', hosts(), '-n', stage.namespace, '-c', 'c')).toMatchObject(
      { code: 0 },
    );
    const file = join(env.XDG_CONFIG_HOME, 'kvctl', 'config.yaml');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await by('task', 'list', '-o', 'json')).toMatchObject({ code: 0, stderr: '' });
    await by('context', 'set', 'other', '-H', '127.0.0.1:1');
    expect(await by('context', 'list')).toMatchObject({ stdout: expect.stringMatching(/^\* +mine /m) });
    expect(await by('context', 'use', 'none')).toMatchObject({ code: 3 });
    expect(await by('context', 'use', 'other')).toMatchObject({ code: 0 });
    expect(await by('context', 'show', '-o', 'name')).toMatchObject({ stdout: 'other\n' });
    expect(await by('context', 'delete', 'other')).toMatchObject({ code: 0 });
    expect(await by('--context', 'other', 'context', 'list', '-o', 'name')).toMatchObject({
      stdout: 'mine\n',
    });
  });
});

describe('what is done to a cluster', () => {
  test('failovers are paused and resumed, of one and of all', async () => {
    const { where } = await cluster(1);
    const paused = await json('pause', ...where, '--until', '2h', '--reason', 'racks');
    expect(paused.automation).toMatchObject({ failover: 'paused', reason: 'racks' });
    await done('pause', '--all', '--dry-run-failover');
    const resumed = await kvctl('resume', ...where);
    expect(resumed).toMatchObject({
      code: 0,
      stdout: 'automatic failover of c is on\n',
      stderr: expect.stringContaining('kvctl resume --all'),
    });
    expect(await done('resume', '--all')).toBe('automatic failover of all clusters is on\n');
    expect(await refused(2, 'pause', ...where, '--until', 'tomorrow')).toContain('expected a time');
  });

  test('a node is worked on, told again, moved, and its copy made anew', async () => {
    const { stage, view, where } = await cluster(1, 2);
    const [shard] = view.shards;
    const [replica] = shard === undefined ? [] : replicasOf(shard);
    if (shard === undefined || replica === undefined) throw new Error('no replica');
    const master = masterOf(shard);
    const offline = await kvctl('node', 'offline', master.addr, ...where, '--reason', 'disk');
    expect(offline).toMatchObject({
      code: 0,
      stderr: expect.stringContaining(`${replica.id} is the master`),
    });
    await done('node', 'online', master.id.slice(0, 12), ...where);
    await stage.converged('c');
    await done('node', 'set', master.addr, ...where, '--priority', '200', '--zone', 'rack-1');
    expect(await refused(2, 'node', 'set', master.addr, ...where)).toContain('set what?');
    expect(await done('sync', ...where)).toMatch(new RegExp(`^${master.addr} .* yes  +yes`, 'm'));
    expect((await json('sync', master.addr, ...where)).sync.nodes).toHaveLength(1);
    expect(await refused(2, 'resync', master.addr, ...where)).toContain('--yes');
    expect(await refused(4, 'resync', master.addr, ...where, '--yes')).toContain('proven');
    await done('resync', master.addr, ...where, '--force', '--yes');
    await stage.converged('c');
    const moved = master.addr.replace('127.0.0.1', 'localhost');
    await done('node', 'move', master.addr, '--to', moved, ...where);
    expect(await done('list', 'nodes', ...where)).toContain(moved);
  });

  test('its spares are named, and its password is stored', async () => {
    const stage = scene({ password: 'secret' });
    await stage.cluster('c', await stage.nodes(1));
    const where = ['-n', stage.namespace, '-c', 'c'];
    const spare = `127.0.0.1:${await freePort()}`;
    await done('spares', 'set', ...where, '--nodes', spare, '--copies', '2', '--replace-after', '10m');
    const shown = await done('spares', 'show', ...where);
    expect(shown).toContain('fewer than 2 nodes for 600 s');
    expect(shown).toContain(spare);
    const file = join(folder, 'password');
    writeFileSync(file, 'secret\n');
    await done('password', 'set', ...where, '--password-file', file);
    writeFileSync(file, 'wrong\n');
    expect(await refused(1, 'password', 'set', ...where, '--password-file', file)).toMatch(/^error: /);
    expect(await refused(2, 'password', 'set', ...where)).toContain('--password-file');
    await done('password', 'set', ...where, '--password', 'wrong', '--force', '--yes');
    await done('password', 'set', ...where, '--password', 'secret');
  });

  test('it grows, evens out and shrinks: the plan first, then until it is done', async () => {
    const { stage, where } = await cluster(2);
    const [node] = await stage.nodes(1);
    const address = node?.address ?? '';
    const dry = await done('rebalance', ...where, '--weight', '0=3', '--dry-run', '-o', 'wide');
    expect(dry).toMatch(/^0 +8192 +12288 +\+4096$/m);
    expect(dry).toMatch(/^1 +0 +8192-12287$/m);
    const grown = await json('scale-out', ...where, '--nodes', address, '--batch', '4096', '--wait');
    expect(grown.migration).toMatchObject({ kind: 'scaleOut', state: 'succeeded' });
    expect(grown.plan.shards).toHaveLength(3);
    expect(await done('drain', '2', ...where, '--dry-run')).toMatch(/^2 +5461 +0 +-5461$/m);
    expect(await refused(2, 'scale-in', ...where, '--shards', '2')).toContain('--yes');
    const shrunk = await kvctl('scale-in', ...where, '--shards', '2', '--wait', '--yes');
    expect(shrunk).toMatchObject({ code: 0, stderr: expect.stringContaining('(drain): ') });
    expect((await json('get', 'cluster', 'c', '-n', stage.namespace)).cluster.shards).toHaveLength(2);
    await done('shard', 'drain', '1', ...where, '--wait');
    expect(await done('rebalance', ...where, '--wait')).toContain('rebalance');
    expect(await done('rebalance', ...where)).toContain('nothing has to be done');
  });

  test('a migration is followed, left alone, held up, given up and tried again', async () => {
    const { stage, view, where } = await cluster(2);
    const [source] = view.shards;
    if (source === undefined) throw new Error('no shard');
    await fillSlot(stage, masterOf(source).addr, { slot: 5, count: 600 });
    const asked = start([
      'migrate',
      'slots',
      '5',
      '7-8',
      '--target',
      '1',
      '--speed',
      '10',
      ...where,
      '--wait',
    ]);
    await waitFor('progress', () => asked.said().includes('migration 1 (migrate): '));
    asked.interrupt();
    const left = await asked.ended;
    expect(left).toMatchObject({ code: 130, stdout: '' });
    expect(left.stderr).toContain(`kvctl task show 1 -n ${stage.namespace} -c c --wait`);
    expect(await refused(7, 'task', 'show', '1', ...where, '--wait', '300ms')).toContain(
      'goes on without you',
    );
    expect(await done('task', 'list', ...where)).toMatch(/^1 +migrate +running +0%/m);
    expect((await json('list', 'tasks', ...where)).migrations).toHaveLength(1);
    expect(await done('task', 'pause', '1', ...where)).toContain('paused');
    expect(await done('task', 'resume', '1', ...where)).toContain('running');
    expect(await done('task', 'cancel', '1', ...where, '--wait')).toContain('cancelled');
    expect(await refused(4, 'task', 'cancel', '1', ...where)).toMatch(/^error: /);
    const listed = await kvctl('task', 'list', ...where);
    expect(listed.stderr).toContain('--all');
    expect(await done('task', 'list', '--all', ...where, '-o', 'name')).toBe('1\n');
    expect(await done('task', 'retry', '1', ...where)).toMatch(/^1 +migrate /m);
    const waiting = start(['task', 'show', '1', ...where, '--wait']);
    await waitFor('progress', () => waiting.said().includes('migration 1 (migrate): '));
    await done('migrate', 'cancel', ...where);
    expect(await waiting.ended).toMatchObject({ code: 1, stdout: '' });
    expect(await refused(3, 'task', 'show', '9', ...where)).toMatch(/^error: /);
    expect(await refused(2, 'task', 'show', 'nine', ...where)).toContain('number');
  });
});

describe('the group, and what is kvctl’s own', () => {
  test('the lead is given away, and the status says who has it', async () => {
    const before = (await json('raft', 'status')).leader.id;
    const to = before === 1 ? 2 : 1;
    expect(await done('raft', 'transfer', '--to', String(to))).toContain(`controller ${to} at `);
    const status = await json('raft', 'status');
    expect(status.leader.id).toBe(to);
    expect(status.members.map(({ ready }: { ready: boolean }) => ready)).toEqual([true, true, true]);
  });

  test('a backup is there whole, for its owner alone, and never over another file', async () => {
    const file = join(folder, 'group.backup');
    await done('backup', 'save', file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(existsSync(`${file}.part`)).toBe(false);
    writeFileSync(file, 'something else');
    expect(await refused(2, 'backup', 'save', file)).toContain('--yes');
    expect(readFileSync(file, 'utf8')).toBe('something else');
    await done('backup', 'save', file, '--yes');
    expect(statSync(file).size).toBeGreaterThan(100);
    expect(await refused(1, 'backup', 'save', join(folder, 'none', 'file'))).toContain('was not written');
  });

  test('a backup is looked into and verified without a controller, and by one where that is wanted', async () => {
    await cluster(2);
    const file = join(folder, 'verified.backup');
    await done('backup', 'save', file);
    const nobody = ['-H', '127.0.0.1:1'];
    expect(await done('backup', 'inspect', file, ...nobody)).toMatch(/^feature level {2}\d+$/m);
    const told = JSON.parse(await done('backup', 'inspect', file, ...nobody, '-o', 'json'));
    expect(told).toMatchObject({ backup: { members: [{ id: 1 }, { id: 2 }, { id: 3 }] }, finding_count: 0 });
    expect(told.backup.nodes).toBeGreaterThan(1);
    expect(await done('backup', 'verify', file, ...nobody)).toContain('is good');
    expect(JSON.parse(await done('backup', 'verify', file, '--server', '-o', 'json'))).toEqual(told);
    const content = readFileSync(file);
    content.writeUInt8(content.readUInt8(300) ^ 1, 300);
    writeFileSync(file, content);
    expect(await refused(1, 'backup', 'verify', file, ...nobody)).toMatch(/damaged at byte \d+: /);
    expect(await refused(1, 'backup', 'verify', file, '--server')).toMatch(/damaged at byte \d+: /);
    expect(await refused(3, 'backup', 'inspect', join(folder, 'none'))).toContain('there is no file');
  });

  test('any request can be sent, and its answer comes as it is', async () => {
    const { stage } = await cluster(1);
    const path = `/namespaces/${stage.namespace}/clusters/c`;
    expect(await done('api', 'patch', path, '-d', '{"on_divergence":"quarantine"}')).toBe('{"data":"ok"}\n');
    const missing = await kvctl('api', 'GET', '/api/v1/namespaces/none');
    expect(missing).toMatchObject({ code: 3, stdout: '' });
    expect(JSON.parse(missing.stderr)).toHaveProperty('error.message');
    expect(await refused(2, 'api', 'PATCH', path, '-d', '{')).toContain('no JSON');
    const shown = await kvctl('api', 'GET', path, '--print-curl');
    expect(shown.stderr).toContain(`curl -L -X GET 'http://`);
  });

  test('scripts of shells and releases are printed without asking anybody', async () => {
    expect(await done('completion', 'bash')).toContain('complete -o default -F _kvctl kvctl');
    expect(await refused(2, 'completion', 'tcsh')).toContain('bash, zsh, fish');
    expect(await done('version')).toMatch(/^kvctl \d/);
    expect(await done('version', '--server')).toContain('feature level');
  });
});
