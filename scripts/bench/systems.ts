// The two systems under load as three local processes each: who leads, in which term, what they used.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { request } from 'undici';

import { startTrio, type TrioOptions } from '../../test/support/controller-process.ts';
import { freePort } from '../../test/support/free-port.ts';
import { notYet, waitUntil } from '../../test/support/wait-until.ts';
import type { SystemName } from './workloads.ts';

export interface Leader {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
  readonly term: number;
}

/** Three running members of one system. */
export interface SystemUnderTest {
  readonly name: SystemName;
  /** The leader first asked for when the others follow it; waits for one. */
  leader(): Promise<Leader>;
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

const HOST = '127.0.0.1';
const MEMBER_COUNT = 3;

/** Three controllers with the default times of the configuration. */
export async function startControllers(options: TrioOptions = {}): Promise<SystemUnderTest> {
  const trio = await startTrio({ raft: { heartbeatIntervalMs: 50, electionTimeoutMs: 500 }, ...options });
  return {
    name: 'controller',
    pids: trio.members.map((member) => member.pid),
    leader: async () => {
      const leader = await trio.leader();
      const answer = await trio.api.sendTo(leader.url, 'GET', '/api/v1/controller/leader');
      const port = Number(leader.address.slice(leader.address.lastIndexOf(':') + 1));
      return { host: HOST, port, pid: leader.pid, term: Number(answer.body.data.term) };
    },
    stop: async () => trio.stop(),
  };
}

/** The version of the `etcd` binary at `path`; null when there is none. */
export function etcdVersion(path: string): string | null {
  try {
    return /etcd Version: (\S+)/.exec(execFileSync(path, ['--version'], { encoding: 'utf8' }))?.[1] ?? null;
  } catch {
    return null;
  }
}

interface EtcdMember {
  readonly clientPort: number;
  readonly child: ChildProcess;
}

/** Three members of etcd with its defaults, data in a temporary folder on the disk the controllers use. */
export async function startEtcd(path: string): Promise<SystemUnderTest> {
  const folder = mkdtempSync(join(tmpdir(), 'bench-etcd-'));
  const places: { readonly name: string; readonly clientPort: number; readonly peerUrl: string }[] = [];
  while (places.length < MEMBER_COUNT) {
    const name = `member${places.length + 1}`;
    places.push({ name, clientPort: await freePort(), peerUrl: `http://${HOST}:${await freePort()}` });
  }
  const cluster = places.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
  const members = places.map(({ name, clientPort, peerUrl }): EtcdMember => {
    const clientUrl = `http://${HOST}:${clientPort}`;
    const flags = {
      name,
      'data-dir': join(folder, name),
      'listen-peer-urls': peerUrl,
      'initial-advertise-peer-urls': peerUrl,
      'listen-client-urls': clientUrl,
      'advertise-client-urls': clientUrl,
      'initial-cluster': cluster,
      'log-level': 'error',
    };
    const args = Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
    return { clientPort, child: spawn(path, args, { stdio: 'ignore' }) };
  });
  const killAll = (): void => {
    for (const { child } of members) child.kill('SIGKILL');
  };
  process.once('exit', killAll);
  const system: SystemUnderTest = {
    name: 'etcd',
    pids: members.map(({ child }) => child.pid ?? 0),
    leader: async () => waitUntil('a leader of etcd', async () => findEtcdLeader(members)),
    stop: async () => {
      process.off('exit', killAll);
      const ended = members.map(async ({ child }) => new Promise((resolve) => child.once('close', resolve)));
      killAll();
      await Promise.all(ended);
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  await system.leader();
  return system;
}

async function findEtcdLeader(members: readonly EtcdMember[]): Promise<Leader | ReturnType<typeof notYet>> {
  for (const { clientPort, child } of members) {
    const url = `http://${HOST}:${clientPort}/v3/maintenance/status`;
    const { body } = await request(url, { method: 'POST', body: '{}' });
    const status = (await body.json()) as EtcdStatus;
    if (status.leader !== undefined && status.leader === status.header?.member_id)
      return { host: HOST, port: clientPort, pid: child.pid ?? 0, term: Number(status.raftTerm) };
  }
  return notYet('no member leads');
}

interface EtcdStatus {
  readonly leader?: string;
  readonly raftTerm?: string;
  readonly header?: { readonly member_id?: string };
}
