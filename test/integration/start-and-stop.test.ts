// How a process starts, refuses to start and stops: exit codes, one clear line, nothing lost.

import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { basename, join } from 'node:path';

import { afterEach, describe, expect, test } from 'vitest';

import { ControllerChild, writeMemberConfig } from '../../scripts/lib/controller-child.ts';
import { type ControllerProcess, prepareTrio, startTrio, type Trio } from '../support/controller-process.ts';
import { freePort } from '../support/free-port.ts';

const trios: Trio[] = [];

afterEach(async (context) => {
  for (const trio of trios.splice(0)) {
    if (context.task.result?.state === 'fail') console.error(trio.logTails());
    await trio.stop();
  }
});

async function prepared(): Promise<Trio> {
  const trio = await prepareTrio();
  trios.push(trio);
  return trio;
}

async function running(): Promise<Trio> {
  const trio = await startTrio();
  trios.push(trio);
  return trio;
}

/** The member refused to start: code 1 and exactly one line, which is returned. */
async function refusal(member: ControllerProcess): Promise<string> {
  const { exit, stderr } = await member.startRefused();
  expect(exit).toEqual({ code: 1, signal: null });
  const lines = stderr.trimEnd().split('\n');
  expect(lines, stderr).toHaveLength(1);
  return lines[0] ?? '';
}

function first(trio: Trio): ControllerProcess {
  const [member] = trio.members;
  if (member === undefined) throw new Error('a trio has members');
  return member;
}

/** Paths of all files below `folder` whose path matches. */
function filesBelow(folder: string, pattern: RegExp): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .filter((path) => pattern.test(path));
}

describe('a process', () => {
  test('ends with code 0 on SIGTERM and on SIGINT, and goes on with its data when started again', async () => {
    const trio = await running();
    expect((await trio.api.post('/api/v1/namespaces', { namespace: 'kept' })).status).toBe(201);
    const [one, two, three] = trio.members;
    expect(await one?.stop()).toEqual({ code: 0, signal: null });
    expect(await two?.stop()).toEqual({ code: 0, signal: null });
    expect(await three?.interrupt()).toEqual({ code: 0, signal: null });
    for (const member of trio.members) member.start();
    const answer = await trio.api.get('/api/v1/namespaces');
    expect(answer.body).toEqual({ data: { namespaces: ['kept'] } });
  });

  test.runIf(process.platform === 'linux')(
    'has threads enough that a slow disk never takes all of them',
    async () => {
      const trio = await running();
      expect(readdirSync(`/proc/${first(trio).pid}/task`).length).toBeGreaterThan(16);
    },
  );

  test('refuses a data directory that another process uses', async () => {
    const trio = await running();
    const owner = first(trio);
    const ports = [await freePort(), await freePort(), await freePort()];
    const configFile = join(trio.folder, 'second.yaml');
    writeMemberConfig(configFile, {
      id: 1,
      peers: ports.map((port) => `127.0.0.1:${port}`),
      dataDir: owner.dataDir,
    });
    const second = new ControllerChild({ configFile, logFile: join(trio.folder, 'second.log') });
    expect(await second.exited).toEqual({ code: 1, signal: null });
    expect(second.stderr.trimEnd().split('\n')).toHaveLength(1);
    expect(second.stderr).toContain(owner.dataDir);
    expect(second.stderr).toMatch(/in use|another process|locked/i);
    // The owner is not disturbed.
    expect((await trio.api.post('/api/v1/namespaces', { namespace: 'after' })).status).toBe(201);
  });

  test('refuses a port that is taken', async () => {
    const trio = await prepared();
    const member = first(trio);
    const squatter = createServer();
    await new Promise<void>((resolve) => {
      squatter.listen(Number(member.address.split(':')[1]), '127.0.0.1', resolve);
    });
    try {
      expect(await refusal(member)).toContain(member.address);
    } finally {
      squatter.close();
    }
  });

  test('refuses a log in which an acknowledged entry is damaged, and says where', async () => {
    const trio = await running();
    for (let index = 0; index < 40; index += 1)
      expect((await trio.api.post('/api/v1/namespaces', { namespace: `n${index}` })).status).toBe(201);
    const member = first(trio);
    await member.stop();
    const [log] = filesBelow(member.dataDir, /wal-\d+\.log$/).toSorted();
    if (log === undefined) throw new Error(`no log in ${filesBelow(member.dataDir, /./).join(' ')}`);
    const bytes = readFileSync(log);
    const at = bytes.indexOf('"n5"') === -1 ? bytes.indexOf('n5') : bytes.indexOf('"n5"');
    expect(at).toBeGreaterThan(0);
    bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
    writeFileSync(log, bytes);
    const line = await refusal(member);
    expect(line).toContain(member.dataDir);
    expect(line).toContain(basename(log));
    expect(line).toMatch(/damaged/);
  });

  test('refuses a data directory whose log is gone: its votes would be forgotten', async () => {
    const trio = await running();
    const member = first(trio);
    await member.stop();
    for (const log of filesBelow(member.dataDir, /wal-\d+\.log$/)) rmSync(log);
    expect(await refusal(member)).toContain(member.dataDir);
  });

  test('refuses the data directory of another member', async () => {
    const trio = await running();
    const [one, two] = trio.members;
    if (one === undefined || two === undefined) throw new Error('a trio has members');
    await one.stop();
    await two.stop();
    writeMemberConfig(two.configFile, {
      id: 2,
      peers: trio.members.map((member) => member.address),
      dataDir: one.dataDir,
    });
    expect(await refusal(two)).toContain(one.dataDir);
  });

  test('rebuilds its copy of the state from the log when that copy is damaged', async () => {
    const trio = await running();
    for (let index = 0; index < 20; index += 1)
      expect((await trio.api.post('/api/v1/namespaces', { namespace: `n${index}` })).status).toBe(201);
    for (const member of trio.members) await member.stop();
    for (const member of trio.members) {
      const copies = filesBelow(member.dataDir, /\d+\.(ldb|log)$/).filter(
        (path) => !/wal-\d+\.log$/.test(path),
      );
      expect(copies.length).toBeGreaterThan(0);
      for (const copy of copies) {
        const bytes = readFileSync(copy);
        for (let at = 0; at < bytes.length; at += 16) bytes.writeUInt8(bytes.readUInt8(at) ^ 0xff, at);
        writeFileSync(copy, bytes);
      }
      member.start();
    }
    const answer = await trio.api.get('/api/v1/namespaces');
    expect(answer.body.data.namespaces).toHaveLength(20);
  });
});

describe('a bad configuration', () => {
  const CASES: readonly { readonly what: string; readonly text: string; readonly says: readonly string[] }[] =
    [
      {
        what: 'an unknown key, with the nearest known one',
        text: 'raft:\n  id: 1\n  dta_dir: x\n',
        says: [':3:3: ', 'raft.dta_dir', 'raft.data_dir'],
      },
      { what: 'a value of the wrong type', text: 'raft:\n  id: one\n', says: [':2:3: ', 'raft.id'] },
      {
        what: 'a value out of range',
        text: 'controller:\n  failover:\n    ping_interval_seconds: 0.05\n',
        says: [':3:5: ', 'controller.failover.ping_interval_seconds', '0.2'],
      },
      { what: 'an address without a port', text: 'addr: localhost\n', says: [':1:1: ', 'addr'] },
      {
        what: 'a member that is not among the peers',
        text: 'raft:\n  id: 4\n',
        says: [':2:3: ', 'raft.id', '4'],
      },
      {
        what: 'a peer entry that is not the own address',
        text: 'addr: "127.0.0.1:7777"\nraft:\n  peers: ["127.0.0.1:9379"]\n',
        says: [':3:3: ', 'raft.peers', '127.0.0.1:7777'],
      },
      { what: 'text that is not YAML', text: 'addr: [\n', says: [':2:1: ', 'YAML'] },
    ];

  test.each(CASES)('is refused with file, line, column and key: $what', async ({ text, says }) => {
    const trio = await prepared();
    const member = first(trio);
    writeFileSync(member.configFile, text);
    const line = await refusal(member);
    expect(line).toContain(member.configFile + (says[0] ?? ''));
    for (const part of says) expect(line).toContain(part);
  });

  test('KD3h: is refused in one printable line, whatever is quoted, and before a file is read that is none', async () => {
    const trio = await prepared();
    const member = first(trio);
    const { configFile, logFile } = member;
    const env = { KVROCKS_CONTROLLER_RAFT_ID: 'one\ntwo\u001b[2J' };
    const variable = new ControllerChild({ configFile, logFile, env });
    expect(await variable.exited).toEqual({ code: 1, signal: null });
    expect(variable.stderr).toMatch(/^kvrocks-controller: [^\p{Cc}]*got "one\\u\{a\}two\\u\{1b\}\[2J"\n$/u);
    const flag = new ControllerChild({ configFile, logFile, args: ['--no\nsuch'] });
    expect(await flag.exited).toEqual({ code: 1, signal: null });
    expect(flag.stderr.trimEnd().split('\n')).toHaveLength(1);
    writeFileSync(configFile, Array.from({ length: 100_000 }, (_, index) => `key${index}: 1\n`).join(''));
    expect(await refusal(member)).toContain(`${configFile}: larger than 64 KiB`);
  });

  test('KD8c: is none where a file of an earlier controller has settings of other stores: they are named', async () => {
    const trio = await prepared();
    const { configFile, logFile } = first(trio);
    writeFileSync(
      configFile,
      'addr: "127.0.0.1:9379"\nstorage_type: etcd\netcd:\n  addrs: ["127.0.0.1:2379"]\n  username:\ncontroller:\n  failover:\n    gc_interval_seconds: 5\n',
    );
    const child = new ControllerChild({ configFile, logFile, args: ['--check-config'] });
    expect([await child.exited, child.stderr]).toEqual([{ code: 0, signal: null }, '']);
    expect(child.logText().trim().split('\n')).toEqual([
      'the configuration is good',
      'without effect here: storage_type, etcd, controller.failover.gc_interval_seconds',
    ]);
  });

  test('is refused when the file is not there', async () => {
    const trio = await prepared();
    const member = first(trio);
    rmSync(member.configFile);
    expect(await refusal(member)).toContain(member.configFile);
  });

  test('is refused when a flag or a variable is wrong, and the line names it', async () => {
    const trio = await prepared();
    const { configFile, logFile } = first(trio);
    const flag = new ControllerChild({ configFile, logFile, args: ['--set', 'raft.idd=3'] });
    expect(await flag.exited).toEqual({ code: 1, signal: null });
    expect(flag.stderr).toMatch(/--set raft\.idd=3.*raft\.id/);
    const env = { KVROCKS_CONTROLLER_RAFT_HEARTBEAT_INTERVAL_MS: 'often' };
    const variable = new ControllerChild({ configFile, logFile, env });
    expect(await variable.exited).toEqual({ code: 1, signal: null });
    expect(variable.stderr).toContain('KVROCKS_CONTROLLER_RAFT_HEARTBEAT_INTERVAL_MS');
  });
});
