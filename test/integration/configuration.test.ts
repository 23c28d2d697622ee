// The configuration of running controllers: read again by signal, API and kvctl, compared, printed; and a group from nothing but names.

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, test } from 'vitest';

import { ControllerChild } from '../../scripts/lib/controller-child.ts';
import { ApiClient } from '../support/api-client.ts';
import type { ControllerProcess } from '../support/controller-process.ts';
import { freePort } from '../support/free-port.ts';
import { type Ended, runProgram } from '../support/program.ts';
import { masterOf, replicasOf } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitFor, waitUntil } from '../support/wait-until.ts';

const CONFIG = '/api/v1/controller/config';
const RELOAD = '/api/v1/controller/reload';
const LOG_LEVEL = '/api/v1/controller/log-level';

const folder = mkdtempSync(join(tmpdir(), 'configuration-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function fileOf(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe('a running controller', () => {
  // Silence alone replaces no master, as the file has it at first.
  const trio = useTrio({ maxPingCount: 1000 });
  const scene = useScenes(trio);

  function kvctl(...words: readonly string[]): Promise<Ended> {
    const hosts = trio().members.map(({ address }) => address);
    return runProgram('kvctl', words, { XDG_CONFIG_HOME: folder, KVCTL_HOST: hosts.join(',') });
  }

  /** Writes the file of a member anew. */
  function edit(member: ControllerProcess, change: (text: string) => string): void {
    writeFileSync(member.configFile, change(readFileSync(member.configFile, 'utf8')));
  }

  async function metric(member: ControllerProcess, name: string): Promise<number> {
    const { text } = await trio().api.sendTo(member.url, 'GET', '/metrics');
    return Number(new RegExp(`^kvrocks_controller_${name} (\\S+)$`, 'm').exec(text)?.[1]);
  }

  /** Sends SIGHUP and waits for the line that says what became of it. */
  async function hangUp(
    member: ControllerProcess,
    event: string,
  ): Promise<Readonly<Record<string, unknown>>> {
    const heard = (): readonly Readonly<Record<string, unknown>>[] =>
      member.log().filter((line) => line.event === event && line['by'] === 'SIGHUP');
    const before = heard().length;
    process.kill(member.pid, 'SIGHUP');
    return waitUntil(event, () => heard()[before] ?? notYet(member.log().at(-1)));
  }

  test('takes other settings of failovers on SIGHUP, for a master that hangs already, and leads on', async () => {
    const stage = scene();
    const view = await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
    const [shard] = view.shards;
    if (shard === undefined) throw new Error('one shard');
    const [master, [replica]] = [masterOf(shard), replicasOf(shard)];
    await stage.untilWritable(master.addr, 'key', '1');
    await stage.inSync(master.addr, replica?.addr ?? '');
    stage.nodeAt(master.addr).pause();
    await waitUntil('the master to be missed', async () => {
      const { nodes } = (await stage.api.get(stage.path('c', '/status'))).body.data.status;
      const seen = nodes.find((node: { id: string }) => node.id === master.id);
      return seen.missed_probes > 3 ? true : notYet(seen);
    });
    const leader = await trio().leader();
    const { term } = (await trio().api.sendTo(leader.url, 'GET', '/api/v1/controller/leader')).body.data;
    edit(leader, (text) => text.replace('max_ping_count: 1000', 'max_ping_count: 3'));
    expect(await hangUp(leader, 'config.reloaded')).toMatchObject({
      level: 'info',
      applied: ['controller.failover.max_ping_count: 1000 -> 3'],
      needsRestart: [],
    });
    await stage.untilWritable(replica?.addr ?? '', 'key', '2');
    expect(await trio().leader()).toBe(leader);
    expect((await trio().api.sendTo(leader.url, 'GET', '/api/v1/controller/leader')).body.data.term).toBe(
      term,
    );
    stage.nodeAt(master.addr).resume();
  });

  test('changes nothing for a file that is not valid, by signal, API and kvctl alike, and names the place', async () => {
    const [member] = trio().members;
    if (member === undefined) throw new Error('three members');
    const good = readFileSync(member.configFile, 'utf8');
    const settings = async (): Promise<unknown> =>
      (await trio().api.sendTo(member.url, 'GET', CONFIG)).body.data.settings;
    const before = await settings();
    expect(await metric(member, 'config_reload_success')).toBe(1);
    const readAt = await metric(member, 'config_reload_timestamp_seconds');
    expect(readAt).toBeGreaterThan(1_700_000_000);
    edit(member, (text) => `${text.replace('max_ping_count: 1000', 'max_ping_count: 7')}rafft:\n  id: 9\n`);
    const line = good.split('\n').length;
    const problem = `${member.configFile}:${line}:1: unknown key "rafft"; did you mean "raft"?`;
    expect(await hangUp(member, 'config.reload_failed')).toMatchObject({
      level: 'error',
      problems: [problem],
    });
    const { status, body } = await trio().api.sendTo(member.url, 'POST', RELOAD);
    expect({ status, body }).toEqual({
      status: 422,
      body: {
        error: {
          message: `nothing was changed: ${problem}`,
          problems: [
            {
              file: member.configFile,
              line,
              column: 1,
              path: null,
              message: 'unknown key "rafft"; did you mean "raft"?',
            },
          ],
        },
      },
    });
    const said = await kvctl('reload', '--member', '1');
    expect(said).toMatchObject({ code: 1, stdout: '' });
    expect(said.stderr).toContain(problem);
    expect(await settings()).toEqual(before);
    expect(await metric(member, 'config_reload_success')).toBe(0);
    expect(await metric(member, 'config_reload_timestamp_seconds')).toBe(readAt);
    writeFileSync(member.configFile, good);
    expect(await kvctl('reload', '--member', '1')).toMatchObject({
      code: 0,
      stdout: 'controller 1: nothing differs\n',
    });
    expect(await metric(member, 'config_reload_success')).toBe(1);
  });

  test('is reached through any other, and tells who has set what and what waits for a restart', async () => {
    const [first, , third] = trio().members;
    if (first === undefined || third === undefined) throw new Error('three members');
    edit(
      third,
      (text) =>
        `${text.replace('heartbeat_interval_ms: 100', 'heartbeat_interval_ms: 90')}log:\n  level: warn\n`,
    );
    const reloaded = await trio().api.sendTo(first.url, 'POST', `${RELOAD}?member=3`);
    expect(reloaded.body.data).toEqual({
      member: 3,
      applied: [{ path: 'log.level', from: 'info', to: 'warn' }],
      needs_restart: [{ path: 'raft.heartbeat_interval_ms', from: 100, to: 90 }],
    });
    const { data } = (await trio().api.sendTo(first.url, 'GET', `${CONFIG}?member=3`)).body;
    const setting = (path: string) => data.settings.find((each: { path: string }) => each.path === path);
    expect(setting('log.level')).toEqual({
      path: 'log.level',
      value: 'warn',
      source: { kind: 'line', text: expect.stringMatching(/3\.yaml:\d+:3$/) },
      reloadable: true,
    });
    expect(setting('raft.heartbeat_interval_ms')).toMatchObject({ value: 100, reloadable: false });
    expect(setting('raft.snapshot_entries').source).toEqual({ kind: 'default', text: 'default' });
    const { stdout } = await kvctl('config', '--member', '3');
    expect(stdout).toMatch(/^log\.level +warn +yes +\S+3\.yaml:\d+:3$/m);
    expect(stdout).toContain('controller 3: after a restart: raft.heartbeat_interval_ms 100 -> 90');
    const other = await runProgram('kvrocks-controller', [
      'config',
      'diff',
      first.configFile,
      '-H',
      third.address,
    ]);
    expect(other.code).toBe(8);
    expect(other.stdout).toContain('log.level: "warn" -> "info"  (on a reload)\n');
    expect(other.stdout).toContain('raft.id: 3 -> 1  (after a restart)\n');
    const same = await runProgram('kvrocks-controller', [
      'config',
      'diff',
      first.configFile,
      '-H',
      first.address,
    ]);
    expect(same).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('says more for a while, all of them or one, and then as much as before', async () => {
    const [first, second] = trio().members;
    if (first === undefined || second === undefined) throw new Error('three members');
    const all = await kvctl('log-level', 'debug', '--for', '5m');
    expect(all.stdout).toMatch(
      /^controller 1: debug until \S+Z\ncontroller 2: debug until \S+Z\ncontroller 3: debug/,
    );
    const level = async (member: ControllerProcess): Promise<unknown> =>
      (await trio().api.sendTo(member.url, 'GET', CONFIG)).body.data.log_level;
    expect(await level(second)).toMatchObject({ level: 'debug', configured: 'info' });
    await trio().api.sendTo(first.url, 'PUT', `${LOG_LEVEL}?member=2`, {
      body: { level: 'debug', seconds: 1 },
    });
    await waitUntil('the configured level to be back', async () => {
      const now = await level(second);
      return (now as { until: unknown }).until === null ? true : notYet(now);
    });
    expect((await kvctl('log-level', 'info', '--member', '1')).stdout).toBe(
      'controller 1: info, as configured\n',
    );
    expect((await kvctl('log-level', 'loud')).code).toBe(2);
  });
});

describe('kvrocks-controller config', () => {
  function config(...words: readonly string[]): Promise<Ended> {
    return runProgram('kvrocks-controller', ['config', ...words]);
  }

  test('check says in which lines a file is wrong, and is quiet about its values', async () => {
    const bad = fileOf(
      'bad.yaml',
      'raft:\n  data-dir: /x\n  heartbeat_interval_ms: soon\nlog: {level: info}\n',
    );
    expect(await config('check', bad)).toEqual({
      code: 1,
      stdout: '',
      stderr:
        `${bad}:2:3: unknown key "raft.data-dir"; did you mean "raft.data_dir"?\n` +
        `${bad}:3:3: raft.heartbeat_interval_ms: expected a number, got "soon"\n`,
    });
    const torn = fileOf('torn.yaml', 'raft: {election_timeout_ms: 100}\n');
    expect(await config('check', torn)).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^\S+torn\.yaml:1:8: raft\.election_timeout_ms: must be at least 4 x/),
    });
    const good = fileOf('good.yaml', 'etcd: {password: sesame}\nlog: {level: warn}\n');
    expect(await config('check', good)).toEqual({
      code: 0,
      stdout: 'the configuration is good\nwithout effect here: etcd\n',
      stderr: '',
    });
    const printed = await config('print', good, '--set', 'raft.snapshot_entries=77');
    expect(printed.stdout).toMatch(/^ {2}level: warn +# \S+good\.yaml:2:7$/m);
    expect(printed.stdout).toMatch(/^ {2}snapshot_entries: 77 +# --set raft\.snapshot_entries=77$/m);
    expect(printed.stdout).not.toContain('sesame');
    expect(await config('check', fileOf('printed.yaml', printed.stdout))).toMatchObject({
      code: 0,
      stderr: '',
    });
  });

  test('diff tells what would change and when', async () => {
    const [a, b] = [fileOf('a.yaml', ''), fileOf('b.yaml', 'log: {level: warn}\nraft: {data_dir: /b}\n')];
    expect(await config('diff', a, b)).toEqual({
      code: 8,
      stdout:
        'raft.data_dir: "./data/1" -> "/b"  (after a restart)\nlog.level: "info" -> "warn"  (on a reload)\n',
      stderr: '',
    });
    expect(await config('diff', a, a)).toMatchObject({ code: 0, stdout: '' });
    const nobody = await config('diff', a, '-H', `127.0.0.1:${await freePort()}`);
    expect(nobody).toMatchObject({ code: 1, stdout: '' });
    expect(nobody.stderr).toContain('cannot be reached');
  }, 30_000);

  test('a command line that makes no sense ends with 2', async () => {
    const senseless = [[], ['chek'], ['check'], ['diff', 'a', 'b', '-H', 'c']];
    for (const { code, stdout } of await Promise.all(senseless.map((words) => config(...words))))
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});

describe('kvrocks-controller init', () => {
  const init = (members: string, out: string, ...more: readonly string[]): Promise<Ended> =>
    runProgram('kvrocks-controller', ['init', '--members', members, '--out', out, ...more]);

  /** The lines of the printed steps that begin with `program`, as words behind it. */
  function commandsIn({ stdout }: Ended, program: string): readonly (readonly string[])[] {
    return stdout.split('\n').flatMap((line) => {
      const [first, ...words] = line.trim().split(' ');
      return first === program ? [words] : [];
    });
  }

  test('writes a group that starts with the commands that it prints, and answers', async () => {
    const out = join(folder, 'trial');
    const members = await Promise.all([1, 2, 3].map(async (id) => `127.0.0.${id + 1}:${await freePort()}`));
    const ended = await init(members.join(','), out);
    expect(ended).toMatchObject({ code: 0, stderr: '' });
    expect(statSync(join(out, '1', 'config.yaml')).mode & 0o777).toBe(0o600);
    expect(statSync(out).mode & 0o777).toBe(0o700);
    const commands = commandsIn(ended, 'kvrocks-controller');
    const checks = commands.filter(([word]) => word === 'config');
    expect(checks).toHaveLength(3);
    for (const words of checks)
      expect(await runProgram('kvrocks-controller', words)).toMatchObject({ code: 0, stderr: '' });
    const children = commands
      .filter(([word]) => word === '-c')
      .map(([, configFile = '']) => new ControllerChild({ configFile, logFile: join(folder, 'trial.log') }));
    const api = new ApiClient(() => members.map((address) => `http://${address}`));
    try {
      const [status = []] = commandsIn(ended, 'kvctl');
      await waitUntil('a leader', async () => {
        const said = await runProgram('kvctl', status, { XDG_CONFIG_HOME: folder });
        return / leads, term /.test(said.stdout) ? true : notYet(said);
      });
      expect((await api.post('/api/v1/namespaces', { namespace: 'first' })).status).toBe(201);
      expect((await api.get('/api/v1/namespaces')).body.data.namespaces).toEqual(['first']);
      const stopped = await Promise.all(children.map((child) => child.stop()));
      expect(stopped).toEqual(children.map(() => ({ code: 0, signal: null })));
    } finally {
      await api.close();
      await Promise.all(children.map((child) => child.kill()));
    }
    await waitFor('the ports to be free', () => children.every(({ exit }) => exit !== null));
  });

  test('writes nothing where something is already, or where the names make no group', async () => {
    const out = join(folder, 'taken');
    expect((await init('a,b,c', out)).code).toBe(0);
    const before = readFileSync(join(out, '1', 'config.yaml'), 'utf8');
    const again = await init('d,e,f', out);
    expect(again).toMatchObject({ code: 1, stdout: '' });
    expect(again.stderr).toContain('is not empty, and nothing there is overwritten');
    expect(readFileSync(join(out, '1', 'config.yaml'), 'utf8')).toBe(before);
    const mixed = await init('127.0.0.1,10.0.0.2,10.0.0.3', join(folder, 'mixed'));
    expect(mixed).toMatchObject({ code: 1, stdout: '' });
    expect(mixed.stderr).toContain('these members make no group: ');
    expect(existsSync(join(folder, 'mixed'))).toBe(false);
  });
});
