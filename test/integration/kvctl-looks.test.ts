// kvctl's commands that look, as a process of its own against a real group: what stands on standard output, what on standard error, and the exit code.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { freePort } from '../support/free-port.ts';
import { type ClusterView, expectStatus, masterOf, replicasOf, Scene } from '../support/scene.ts';
import { useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const CLUSTER = 'carts';

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running kvctl. */
class Kvctl {
  stdout = '';
  stderr = '';
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;

  constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    const child = spawn(process.execPath, [MAIN, ...args], {
      env: { PATH: process.env['PATH'] ?? '', XDG_CONFIG_HOME: folder, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.stderr += text));
    this.#child = child;
    this.ended = new Promise((resolve) =>
      child.once('close', (code) => resolve({ code, stdout: this.stdout, stderr: this.stderr })),
    );
  }

  /** Waits until `text` stands on one of the streams. */
  async says(stream: 'stdout' | 'stderr', text: string, times = 1): Promise<void> {
    await waitUntil(`kvctl to say ${text}`, () =>
      this[stream].split(text).length > times ? true : notYet([this.stdout, this.stderr]),
    );
  }

  /** Ctrl-C. */
  async interrupt(): Promise<Ended> {
    this.#child.kill('SIGINT');
    return this.ended;
  }
}

const trio = useTrio();
let folder = '';
let scene: Scene;
let view: ClusterView;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'kvctl-'));
  scene = new Scene(trio().api);
  view = await scene.cluster(CLUSTER, await scene.nodes(4), { replicas: 2 });
});

afterAll(async () => {
  await scene?.end();
  rmSync(folder, { recursive: true, force: true });
});

function start(args: readonly string[], env: Readonly<Record<string, string>> = {}): Kvctl {
  const hosts = trio()
    .members.map(({ address }) => address)
    .join(',');
  return new Kvctl(args, { KVCTL_HOST: hosts, KVCTL_NAMESPACE: scene.namespace, ...env });
}

async function kvctl(...args: readonly string[]): Promise<Ended> {
  return start(args).ended;
}

function shardOf(index: number): ClusterView['shards'][number] {
  const shard = view.shards[index];
  if (shard === undefined) throw new Error(`no shard ${index}`);
  return shard;
}

function replicaOf(index: number): string {
  const [replica] = replicasOf(shardOf(index));
  if (replica === undefined) throw new Error(`no replica of shard ${index}`);
  return replica.addr;
}

describe('status', () => {
  test('shows people the shards with their slots and nodes, and who leads', async () => {
    const { code, stdout, stderr } = await kvctl('status', CLUSTER);
    const { address } = await trio().leader();
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(
      `cluster ${scene.namespace}/${CLUSTER}: version 1, converged, 4 of 4 nodes answer`,
    );
    expect(stdout).toContain(`${address} leads, 3 of 3 answer`);
    expect(stdout).toMatch(new RegExp(`0-8191 +master +${masterOf(shardOf(0)).addr} .*answering`));
    expect(stdout).toMatch(new RegExp(`replica +${replicaOf(1)} .*answering +up +0`));
  });

  test('gives programs what the API says', async () => {
    const { code, stdout } = await kvctl('status', CLUSTER, '-o', 'json');
    const answer = await trio().api.get(scene.path(CLUSTER, '/status'));
    const told = JSON.parse(stdout);
    expect(code).toBe(0);
    expect(Object.keys(told.status)).toEqual(Object.keys(answer.body.data.status));
    expect(told.status.nodes.map(({ id }: { id: string }) => id)).toEqual(
      answer.body.data.status.nodes.map(({ id }: { id: string }) => id),
    );
  });

  test('without a name has a line for each cluster, of the namespace or of all', async () => {
    const one = await kvctl('status');
    expect(one.stdout).toMatch(new RegExp(`${scene.namespace} +${CLUSTER} +1 +yes +4/4 +2 +none +-`));
    const all = await start(['status', '-o', 'name'], { KVCTL_NAMESPACE: 'elsewhere' }).ended;
    expect(all).toMatchObject({ code: 3, stdout: '' });
    const every = await start(['status', '--all', '-o', 'name'], { KVCTL_NAMESPACE: 'elsewhere' }).ended;
    expect(every).toMatchObject({ code: 0, stdout: `${scene.namespace}/${CLUSTER}\n` });
  });

  test('--watch looks again until Ctrl-C', async () => {
    const watching = start(['status', CLUSTER, '--watch', '200ms']);
    await watching.says('stdout', 'no problems', 3);
    expect(await watching.interrupt()).toMatchObject({ code: 130, stderr: '' });
  });

  test('a dead master without a replica is told first, and the exit code is 0 nevertheless', async () => {
    const [node] = await scene.nodes(1);
    if (node === undefined) throw new Error('no node');
    await scene.cluster('lonely', [node]);
    await node.kill();
    const waiting = await kvctl('wait', 'cluster', 'lonely', '--for', 'healthy', '--timeout', '5s');
    expect(waiting).toMatchObject({ code: 7, stdout: '' });
    const { code, stdout } = await kvctl('status', 'lonely');
    expect(code).toBe(0);
    expect(stdout.indexOf('critical  ')).toBeGreaterThan(0);
    expect(stdout.indexOf('critical  ')).toBeLessThan(stdout.indexOf('SHARD'));
    expect(stdout).toContain('  to do: ');
    const explained = await kvctl('explain', 'shard', '0', '-c', 'lonely');
    expect(explained.stdout).toContain('candidates: none');
    const checked = await kvctl('check', '-c', 'lonely');
    expect(checked.code).toBe(8);
    expect(checked.stdout).toContain('not clean');
    expect(checked.stdout).toContain('  to do: ');
    expectStatus(await trio().api.delete(scene.path('lonely')), 200);
  });
});

describe('describe, explain, check and placement', () => {
  test('describe tells everything of a cluster, a shard and a node', async () => {
    const cluster = await kvctl('describe', 'cluster', CLUSTER);
    expect(cluster).toMatchObject({ code: 0, stderr: '' });
    expect(cluster.stdout).toMatch(/on divergence +resync/);
    expect(cluster.stdout).toContain('clusterCreated');
    const shard = await kvctl('describe', 'shard', '1', '-c', CLUSTER);
    expect(shard.stdout).toMatch(/slots +8192-16383/);
    expect(shard.stdout).toContain('gates of an automatic failover');
    const node = await kvctl('describe', 'node', replicaOf(0), '-c', CLUSTER);
    expect(node.stdout).toMatch(/role +replica/);
    const json = await kvctl('describe', 'node', replicaOf(0), '-c', CLUSTER, '-o', 'json');
    expect(JSON.parse(json.stdout).node.addr).toBe(replicaOf(0));
  });

  test('explain shows gates, candidates and what happens next', async () => {
    const { code, stdout } = await kvctl('explain', '0', '-c', CLUSTER);
    expect(code).toBe(0);
    expect(stdout).toContain('next: nothing');
    expect(stdout).toMatch(/missed +closed/);
    expect(stdout).toMatch(new RegExp(`${replicaOf(0)} .*eligible`));
  });

  test('check ends with 0 where all is clean, and with 8 where a node does not answer', async () => {
    expect(await kvctl('check', '-c', CLUSTER)).toMatchObject({ code: 0, stderr: '' });
    const node = scene.nodeAt(replicaOf(0));
    node.pause();
    const found = await kvctl('check', '-c', CLUSTER);
    const json = await kvctl('check', '-c', CLUSTER, '-o', 'json');
    node.resume();
    expect(found.code).toBe(8);
    expect(found.stdout).toContain('3 of 4 nodes answered');
    expect(json.code).toBe(8);
    expect(JSON.parse(json.stdout).check.is_clean).toBe(false);
    expect(await kvctl('wait', 'cluster', CLUSTER, '--for', 'healthy')).toMatchObject({ code: 0 });
  });

  test('placement names faults and the failovers that mend them', async () => {
    const zones = [
      [0, masterOf(shardOf(0)), 'east'],
      [0, replicasOf(shardOf(0))[0], 'west'],
      [1, masterOf(shardOf(1)), 'east'],
      [1, replicasOf(shardOf(1))[0], 'west'],
    ] as const;
    for (const [shard, node, zone] of zones)
      expectStatus(
        await trio().api.send('PATCH', scene.path(CLUSTER, `/shards/${shard}/nodes/${node?.id ?? ''}`), {
          body: { zone },
        }),
        200,
      );
    const { code, stdout } = await kvctl('placement', '-c', CLUSTER, '--zone', 'west');
    expect(code).toBe(0);
    expect(stdout).toContain('crowdedZone');
    expect(stdout).toMatch(/kvctl failover shard 0 --preferred [0-9a-f]{40}/);
  });
});

describe('events', () => {
  test('are told oldest first, and newest first as the API has them to programs', async () => {
    const people = await kvctl('events', '-c', CLUSTER);
    expect(people).toMatchObject({ code: 0, stderr: '' });
    expect(people.stdout.split('\n')[1]).toContain('clusterCreated');
    const limited = await kvctl('events', '-c', CLUSTER, '--limit', '1', '-o', 'json');
    expect(JSON.parse(limited.stdout).events).toHaveLength(1);
    const none = await kvctl('events', '-c', CLUSTER, '--severity', 'error', '-o', 'jsonl');
    expect(none).toMatchObject({ code: 0, stdout: '' });
    const group = await kvctl('events', '--since', '1h', '--kind', 'clusterCreated');
    expect(group.stdout).toContain(`${scene.namespace}/${CLUSTER}`);
  });

  test('--follow tells what comes once, across a change of the leader, until Ctrl-C', async () => {
    const following = start(['events', '-f', '-c', CLUSTER]);
    await following.says('stdout', 'clusterCreated');
    await hold('paused', 'racks move');
    await following.says('stdout', 'automationChanged');
    const leader = await trio().leader();
    await leader.kill();
    await hold('on', 'done');
    await following.says('stdout', 'automationChanged', 2);
    leader.start();
    await trio().ready();
    const { code, stdout } = await following.interrupt();
    expect(code).toBe(130);
    expect(stdout.match(/automationChanged/g)).toHaveLength(2);
    expect(stdout.match(/clusterCreated/g)).toHaveLength(1);
  });

  async function hold(failover: string, reason: string): Promise<void> {
    expectStatus(await trio().api.put(scene.path(CLUSTER, '/automation'), { failover, reason }), 200);
  }
});

describe('wait', () => {
  test('ends with 0 once it is reached', async () => {
    const { code, stdout } = await kvctl('wait', 'cluster', CLUSTER, '--for', 'converged');
    expect({ code, stdout }).toMatchObject({ code: 0 });
    expect(stdout).toContain(`${CLUSTER}: every node has version`);
  });

  test('tells on standard error what stands against it, and goes on to the end', async () => {
    const node = scene.nodeAt(replicaOf(1));
    node.pause();
    await waitUntil('the problem', async () => {
      const answer = await trio().api.get(scene.path(CLUSTER, '/status'));
      return answer.body.data.status.problems.length > 0 ? true : notYet(answer.body.data.status.problems);
    });
    const waiting = start(['wait', 'cluster', CLUSTER, '--for', 'healthy', '--timeout', '2m']);
    await waiting.says('stderr', node.address);
    node.resume();
    const { code, stdout } = await waiting.ended;
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `${CLUSTER}: every node is in its place, no problems\n`,
    });
  });

  test('ends with 7 when the time is over, saying what it is now and how to look further', async () => {
    const address = replicaOf(0);
    const goal = `master=${address}`;
    const waiting = start(['wait', 'cluster', CLUSTER, '--for', goal, '--timeout', '1500ms']);
    const { code, stdout, stderr } = await waiting.ended;
    expect({ code, stdout }).toEqual({ code: 7, stdout: '' });
    expect(stderr).toContain(
      `${address} is a replica of shard 0, whose master is ${masterOf(shardOf(0)).addr}`,
    );
    expect(stderr).toContain(`kvctl status ${CLUSTER} -n ${scene.namespace}`);
  });

  test('Ctrl-C ends it with 130 and says that nothing was stopped', async () => {
    const waiting = start(['wait', 'cluster', CLUSTER, '--for', `master=${replicaOf(0)}`]);
    await waiting.says('stderr', 'is a replica');
    const { code, stderr } = await waiting.interrupt();
    expect(code).toBe(130);
    expect(stderr).toContain('nothing was stopped');
  });

  test('a task ends it: with 0 when it has succeeded, with 1 when it was cancelled', async () => {
    const { api } = trio();
    const asked = await api.post(scene.path(CLUSTER, '/migrate'), { target: 1, slot: '0-9' });
    expectStatus(asked, 200);
    const list = await api.get(scene.path(CLUSTER, '/migrations'));
    const [{ id }] = list.body.data.migrations;
    const done = await kvctl('wait', 'cluster', CLUSTER, '--for', `task=${id}`);
    expect(done.code).toBe(0);
    expect(done.stdout).toContain('10 of 10 slots moved');
    scene.nodeAt(masterOf(shardOf(0)).addr).pause();
    expectStatus(await api.post(scene.path(CLUSTER, '/migrate'), { target: 1, slot: '10-19' }), 200);
    const waiting = start(['wait', 'cluster', CLUSTER, '--for', `task=${id + 1}`]);
    await waiting.says('stderr', `migration ${id + 1} is`);
    await api.post(scene.path(CLUSTER, `/migrations/${id + 1}/cancel`));
    scene.nodeAt(masterOf(shardOf(0)).addr).resume();
    const { code, stdout, stderr } = await waiting.ended;
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('is cancelled');
  });
});

test('what cannot be done is said on standard error, with an exit code of its own', async () => {
  expect(await kvctl('status', 'nope')).toMatchObject({ code: 3, stdout: '' });
  expect(await kvctl('explain', '7', '-c', CLUSTER)).toMatchObject({ code: 3, stdout: '' });
  expect(await kvctl('wait', 'cluster', CLUSTER, '--for', 'task=99')).toMatchObject({ code: 3, stdout: '' });
  expect(await kvctl('status', CLUSTER, 'more')).toMatchObject({ code: 2, stdout: '' });
  expect(await kvctl('explain', 'shard', '0', '1', '-c', CLUSTER)).toMatchObject({ code: 2, stdout: '' });
  expect(await kvctl('wait', 'cluster', CLUSTER, '--for', 'luck')).toMatchObject({ code: 2, stdout: '' });
  const nobody = { KVCTL_HOST: `127.0.0.1:${await freePort()}` };
  const unreached = await start(['status', CLUSTER, '--timeout', '500ms'], nobody).ended;
  expect(unreached).toMatchObject({ code: 6, stdout: '' });
});
