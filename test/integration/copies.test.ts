// Who has which data: emptied disks, strangers at an address, histories that parted. In the end every copy is compared key by key.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import {
  contentOf,
  expectContent,
  expectEqualCopies,
  restartOnNewDisk,
  successorOf,
  write,
} from '../support/copies.ts';
import { type KvrocksNode, startKvrocksNode } from '../support/kvrocks-node.ts';
import { fillSlot, limitSpeed, migrationEnded, sourceSays } from '../support/migrations.ts';
import { problemTold } from '../support/problems.ts';
import { expectStatus, masterOf, type NodeView, replicasOf, type Scene } from '../support/scene.ts';
import { startStranger } from '../support/stranger.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

/** Long enough for a node to come back before its master counts as dead, short enough to wait for when it does not. */
const trio = useTrio({ pingIntervalSeconds: 0.2, maxPingCount: 15 });
const scene = useScenes(trio);
const STRANGER_ID = 'f'.repeat(40);

interface FilledShard {
  readonly master: NodeView;
  readonly replicas: readonly NodeView[];
  readonly written: ReadonlyMap<string, string>;
}

/** A cluster `c` of one shard whose replicas all have the same two hundred keys. */
async function filledShard(stage: Scene, count: number): Promise<FilledShard> {
  const view = await stage.cluster('c', await stage.nodes(count), { replicas: count });
  const [shard] = view.shards;
  if (shard === undefined) throw new Error('one shard');
  const master = masterOf(shard);
  const written = await write(stage, master.addr, { slot: 1, count: 200, value: 'acknowledged' });
  for (const { addr } of replicasOf(shard)) await stage.inSync(master.addr, addr);
  await untilSeen(stage, master.addr);
  return { master, replicas: replicasOf(shard), written };
}

/** Of a master that was never seen with anything nobody can tell that it has lost it. */
async function untilSeen(stage: Scene, address: string): Promise<void> {
  await waitUntil(`${address} to be seen with its data`, async () => {
    const { nodes } = (await stage.api.get(stage.path('c', '/status'))).body.data.status as {
      nodes: readonly { addr: string; sequence: number | null }[];
    };
    const sequence = nodes.find(({ addr }) => addr === address)?.sequence ?? 0;
    return sequence > 0 ? true : notYet(nodes);
  });
}

/** What the log says about this scene, as text. */
function told(stage: Scene, event: string): string {
  const lines = trio()
    .logged(event)
    .filter((line) => line['namespace'] === stage.namespace);
  return lines.map((line) => JSON.stringify(line)).join('\n');
}

async function untilTold(stage: Scene, event: string, text: RegExp): Promise<void> {
  await waitUntil(`${event} with ${String(text)} in the log`, () => {
    const lines = told(stage, event);
    return text.test(lines) ? true : notYet(lines);
  });
}

/** A shard whose master came back on an empty disk and is fenced, while its only replica is killed. */
async function emptiedAndAlone(stage: Scene): Promise<FilledShard & { readonly replica: NodeView }> {
  const shard = await filledShard(stage, 2);
  const [replica] = shard.replicas;
  if (replica === undefined) throw new Error('one replica');
  await stage.nodeAt(replica.addr).kill();
  await problemTold(trio(), stage, { kind: 'replicaUnreachable', addr: replica.addr });
  await restartOnNewDisk(stage.nodeAt(shard.master.addr));
  await untilTold(stage, 'node.fenced', new RegExp(shard.master.addr));
  return { ...shard, replica };
}

async function pauseControllers(): Promise<() => Promise<void>> {
  for (const member of trio().members) member.pause();
  return async () => {
    for (const member of trio().members) member.resume();
    await trio().leader();
  };
}

describe('a replica that is made anew', () => {
  test('KA1, KA2, KA2b: ends with exactly the keys of its new master, whatever it had and however it was emptied', async () => {
    const stage = scene();
    const nodes = await stage.nodes(5);
    const view = await stage.cluster('c', nodes.slice(0, 4), { replicas: 2 });
    const [first, second] = view.shards;
    const emptied = nodes[4];
    if (first === undefined || second === undefined || emptied === undefined) throw new Error('two shards');
    await write(stage, masterOf(first).addr, { slot: 0, count: 300, value: 'of the first shard' });
    await write(stage, masterOf(second).addr, { slot: 16_383, count: 900, value: 'of the second shard' });
    const [moved] = replicasOf(first);
    await stage.inSync(masterOf(first).addr, moved?.addr ?? '');
    expectStatus(await stage.api.delete(stage.path('c', `/shards/0/nodes/${moved?.id ?? ''}`)), 200);
    const text = `${STRANGER_ID} 127.0.0.1 ${emptied.port} master - 0-16383`;
    await stage.ask(emptied.address, 'CLUSTERX', 'SETNODEID', STRANGER_ID);
    await stage.ask(emptied.address, 'CLUSTERX', 'SETNODES', text, '1');
    await fillSlot(stage, emptied.address, { slot: 3, count: 200 });
    await stage.ask(emptied.address, 'FLUSHALL');
    await stage.ask(emptied.address, 'CLUSTER', 'RESET');

    for (const addr of [moved?.addr, emptied.address]) {
      const refused = await stage.api.post(stage.path('c', '/shards/1/nodes'), { addr });
      expectStatus(refused, 409);
      expectStatus(await stage.api.post(stage.path('c', '/shards/1/nodes'), { addr, remake: true }), 201);
    }
    for (const addr of [moved?.addr ?? '', emptied.address])
      await untilTold(stage, 'copy.remake.committed', new RegExp(addr));
    const after = await expectEqualCopies(stage, 'c');
    expect(after.shards[1]?.nodes).toHaveLength(4);
  });
});

describe('a master that comes back on an empty disk', () => {
  test('KA3: is replaced by a replica with all the data, and becomes a copy of it', async () => {
    const stage = scene();
    const { master, written } = await filledShard(stage, 3);
    await stage.nodeAt(master.addr).kill();
    await restartOnNewDisk(stage.nodeAt(master.addr));
    const successor = await successorOf(stage, 'c', { address: master.addr });
    await stage.untilWritable(successor, 'after', 'the exchange');
    await expectContent(stage, successor, written);
    await expectEqualCopies(stage, 'c');
  });

  test('KA3: is replaced also when all nodes were down', async () => {
    const stage = scene();
    const { master, replicas, written } = await filledShard(stage, 3);
    await Promise.all([master, ...replicas].map(async ({ addr }) => stage.nodeAt(addr).kill()));
    await Promise.all(replicas.map(async ({ addr }) => stage.nodeAt(addr).restart()));
    await restartOnNewDisk(stage.nodeAt(master.addr));
    const successor = await successorOf(stage, 'c', { address: master.addr });
    await stage.untilWritable(successor, 'after', 'the outage');
    await expectContent(stage, successor, written);
    await expectEqualCopies(stage, 'c');
  });
});

describe('an emptied master whose replica is away', () => {
  test('KA3: is fenced: the replica that comes back keeps what it has and takes over', async () => {
    const stage = scene();
    const { master, replica, written } = await emptiedAndAlone(stage);
    await problemTold(trio(), stage, { kind: 'masterDataLost', addr: master.addr });
    await stage.nodeAt(replica.addr).restart();
    await stage.untilWritable(replica.addr, 'after', '1');
    await expectContent(stage, replica.addr, written);
    await expectEqualCopies(stage, 'c');
  });

  test('and that is accepted without its data serves clients and replicas again, whoever leads', async () => {
    const stage = scene();
    const { master, replica } = await emptiedAndAlone(stage);
    const leader = await trio().leader();
    await leader.kill();
    leader.start();
    await trio().leader();
    const body = { force: true, preferred_node_id: master.id };
    const accepted = await waitUntil('the loss to be seen by the next leader', async () => {
      const answer = await stage.api.post(stage.path('c', '/shards/0/failover'), body);
      return answer.status === 200 ? answer : notYet(answer);
    });
    expectStatus(accepted, 200);
    await stage.untilWritable(master.addr, 'after', '1');
    await stage.nodeAt(replica.addr).restart();
    // It comes back as if it were in its place, before it is cut off and made anew.
    await waitUntil('the replica to be made anew', async () => {
      const { events } = (await stage.api.get(stage.path('c', '/events?kind=copyRemade'))).body.data;
      return events.length > 0 ? true : notYet(events);
    });
    await expectEqualCopies(stage, 'c');
  });
});

test('KA3: the target of a migration that lost its disk after the hand-over does not cost the source its copy', async () => {
  const stage = scene();
  const view = await stage.cluster('c', await stage.nodes(2));
  const [source, target] = view.shards.map((shard) => masterOf(shard));
  if (source === undefined || target === undefined) throw new Error('two shards');
  const written = await write(stage, source.addr, { slot: 100, count: 300, value: 'moving' });
  await limitSpeed(stage, source.addr, 300);
  expectStatus(await stage.api.post(stage.path('c', '/migrate'), { slot: 100, target: 1 }), 200);
  await sourceSays(stage, source.addr, { slots: '100', state: 'start' });
  const resume = await pauseControllers();
  await sourceSays(stage, source.addr, { slots: '100', state: 'success' });
  await stage.nodeAt(target.addr).kill();
  await restartOnNewDisk(stage.nodeAt(target.addr));
  await resume();

  await migrationEnded(stage, 'c');
  // What else it had is gone too, which is for a person to accept.
  await stage.converged('c', [target.addr]);
  await expectContent(stage, source.addr, written);
  expect((await stage.view('c')).shards[0]?.slot_ranges).toEqual(['0-8191']);
  for (const [key, value] of written) expect(await stage.askCluster(source.addr, 'GET', key)).toBe(value);
});

describe('what answers at the address of a dead master', () => {
  /** A master of all slots of another cluster, with data of its own, that listens at `port`. */
  async function otherCluster(port: number, dir: string): Promise<KvrocksNode> {
    const node = await startKvrocksNode({ dir });
    await node.command('CLUSTERX', 'SETNODEID', STRANGER_ID);
    await node.command('CLUSTERX', 'SETNODES', `${STRANGER_ID} 127.0.0.1 ${port} master - 0-16383`, '1000');
    for (let index = 0; index < 50; index += 1) await node.command('SET', `foreign:${index}`, 'foreign');
    await node.stop();
    return startKvrocksNode({ port, dir });
  }

  test('KA4: if it is a node of another cluster is left alone, and no replica copies from it', async () => {
    const stage = scene();
    const { master, written } = await filledShard(stage, 3);
    const dir = mkdtempSync(join(tmpdir(), 'kvrocks-stranger-'));
    await stage.nodeAt(master.addr).kill();
    const stranger = await otherCluster(stage.nodeAt(master.addr).port, dir);
    try {
      const successor = await successorOf(stage, 'c', { address: master.addr });
      await stage.untilWritable(successor, 'after', 'the stranger');
      await stage.converged('c', [master.addr]);
      await expectContent(stage, successor, written);
      await untilTold(stage, 'problem.found', /"foreignNode"/);
      expect(await stranger.command('CLUSTERX', 'VERSION')).toBe('1000');
      expect((await contentOf(stage, stranger.address)).size).toBe(50);
    } finally {
      await stranger.dispose();
      rmSync(dir, { recursive: true, force: true });
    }
    await stage.nodeAt(master.addr).restart();
    await expectEqualCopies(stage, 'c');
  });

  test.each(['redis', 'garbage'] as const)('KA4: if it is %s is no sign of life', async (as) => {
    const stage = scene();
    const { master, written } = await filledShard(stage, 2);
    await stage.nodeAt(master.addr).kill();
    const stranger = await startStranger({ port: stage.nodeAt(master.addr).port, as });
    const successor = await successorOf(stage, 'c', { address: master.addr });
    await stage.untilWritable(successor, 'after', 'the stranger');
    await expectContent(stage, successor, written);
    await stranger.kill();
    await stage.nodeAt(master.addr).restart();
    await expectEqualCopies(stage, 'c');
  });
});

describe('an old master that comes back', () => {
  test('KA7: with writes that the new one never had is made anew, even if the new one has the higher number', async () => {
    const stage = scene();
    const { master, written } = await filledShard(stage, 2);
    await stage.nodeAt(master.addr).kill();
    const successor = await successorOf(stage, 'c', { address: master.addr });
    await stage.untilWritable(successor, 'after', 'the promotion');
    const later = await write(stage, successor, { slot: 1, count: 500, value: 'of the new master' });
    await stage.converged('c', [master.addr]);
    const resume = await pauseControllers();
    await stage.nodeAt(master.addr).restart();
    // Nobody has told it yet: it takes writes as the master it was.
    await write(stage, master.addr, { slot: 2, count: 20, value: 'too late' });
    await resume();

    await untilTold(stage, 'copy.condemn.committed', /numbers are its own/);
    await untilTold(stage, 'copy.remake.committed', new RegExp(master.addr));
    await expectEqualCopies(stage, 'c');
    await expectContent(stage, successor, new Map([...written, ...later]));
    expect((await contentOf(stage, master.addr)).size).toBe(501);
  });

  test('in quarantine is kept with them, turning clients away, whoever leads, until somebody says that they may go', async () => {
    const stage = scene();
    const { master, written } = await filledShard(stage, 2);
    const set = await stage.api.send('PATCH', stage.path('c'), { body: { on_divergence: 'quarantine' } });
    expect(set.status).toBe(200);
    await stage.nodeAt(master.addr).kill();
    const successor = await successorOf(stage, 'c', { address: master.addr });
    await stage.converged('c', [master.addr]);
    const resume = await pauseControllers();
    await stage.nodeAt(master.addr).restart();
    await write(stage, master.addr, { slot: 2, count: 20, value: 'only here' });
    const number = await stage.position(master.addr);
    await resume();

    await problemTold(trio(), stage, { kind: 'copyNotProven', addr: master.addr, detail: /kept aside/ });
    await expect(stage.ask(master.addr, 'SET', 'k', 'v')).rejects.toThrow(/MOVED/);
    const leader = await trio().leader();
    await leader.kill();
    await trio().leader();
    leader.start();
    const { events } = (await stage.api.get(stage.path('c', '/events?kind=copyCondemned'))).body.data;
    expect(events[0].text).toMatch(/numbers are its own/);
    await waitUntil('the next leader to keep it, too', async () => {
      const { status } = (await stage.api.get(stage.path('c', '/status'))).body.data ?? {};
      const details = (status?.problems ?? []).map(({ detail }: { detail: string }) => detail).join();
      return /kept aside/.test(details) ? true : notYet(status);
    });
    expect(await stage.position(master.addr)).toBe(number);

    const path = stage.path('c', `/shards/0/nodes/${master.id}/resync`);
    expect((await stage.api.post(path)).status).toBe(200);
    await untilTold(stage, 'copy.remake.committed', new RegExp(master.addr));
    await expectEqualCopies(stage, 'c');
    await expectContent(stage, successor, written);
  });

  test('KA7: after a death under writes equals its successor key by key', async () => {
    const stage = scene();
    const { master } = await filledShard(stage, 2);
    const stop = new AbortController();
    const writer = (async () => {
      for (let number = 0; !stop.signal.aborted; number += 1) {
        const batch = { slot: number % 100, count: 50, value: String(number) };
        await write(stage, master.addr, batch).catch(() => undefined);
      }
    })();
    const before = (await contentOf(stage, master.addr)).size;
    await waitUntil('writes to be under way', async () =>
      (await contentOf(stage, master.addr)).size > before ? true : notYet(before),
    );
    await stage.nodeAt(master.addr).kill();
    stop.abort();
    await writer;
    const successor = await successorOf(stage, 'c', { address: master.addr });
    await stage.untilWritable(successor, 'after', 'the promotion');
    await write(stage, successor, { slot: 1, count: 500, value: 'of the new master' });
    await stage.nodeAt(master.addr).restart();
    await expectEqualCopies(stage, 'c');
  });
});
