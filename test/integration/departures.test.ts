// Nodes that leave a cluster hear of it, now or when they are back, whoever leads by then; and nodes are told again what they have to be.

import { describe, expect, test } from 'vitest';

import { present } from '../../src/base/assert.ts';
import type { Answer } from '../support/api-client.ts';
import { expectEqualCopies, restartOnNewDisk, write } from '../support/copies.ts';
import { linesOf } from '../support/problems.ts';
import { expectStatus, masterOf, type NodeView, replicasOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

interface Departed {
  readonly id: string;
  readonly addr: string;
  readonly state: string;
  readonly error: string | null;
}

interface Told {
  readonly kind: string;
  readonly text: string;
  readonly node: string | null;
}

/** A cluster `c` of one shard with as many nodes, whose replicas have everything written to it. */
async function filled(
  stage: Scene,
  count: number,
): Promise<{ master: NodeView; replicas: readonly NodeView[] }> {
  const view = await stage.cluster('c', await stage.nodes(count), { replicas: count });
  const shard = present(view.shards[0], 'one shard');
  const [master, replicas] = [masterOf(shard), replicasOf(shard)];
  await write(stage, master.addr, { slot: 1, count: 50, value: 'acknowledged' });
  for (const { addr } of replicas) await stage.inSync(master.addr, addr);
  return { master, replicas };
}

async function remove(stage: Scene, { id }: NodeView): Promise<void> {
  expectStatus(await stage.api.delete(stage.path('c', `/shards/0/nodes/${id}`)), 200);
}

/** Once the leader looks at the cluster. */
async function departed(stage: Scene): Promise<readonly Departed[]> {
  return waitUntil('the status of the cluster', async () => {
    const answer = await stage.api.get(stage.path('c', '/status'));
    return answer.status === 200 ? (answer.body.data.status.departed as Departed[]) : notYet(answer.text);
  });
}

/** Waits until an event of this kind is told of the node. */
async function eventTold(stage: Scene, kind: string, id: string | null): Promise<string> {
  return waitUntil(`the event ${kind}`, async () => {
    const answer = await stage.api.get(stage.path('c', `/events?kind=${kind}`));
    const events = (answer.body.data?.events ?? []) as Told[];
    return events.find(({ node }) => node === id)?.text ?? notYet(answer.text);
  });
}

/** Waits until the node keeps its data, follows nobody and turns clients away. */
async function untilDetached(stage: Scene, addr: string): Promise<void> {
  await waitUntil(`${addr} to be detached`, async () => {
    const { role, slots } = await stage.state(addr);
    return role === 'master' && slots.length === 0 ? true : notYet({ role, slots });
  });
}

async function add(stage: Scene, addr: string): Promise<Answer> {
  return stage.api.post(stage.path('c', '/shards/0/nodes'), { addr, role: 'slave' });
}

describe('a node that leaves', () => {
  test('KD11: is told, follows nobody any more, and comes back as the copy that it is', async () => {
    const stage = scene();
    const { master, replicas } = await filled(stage, 2);
    const replica = present(replicas[0], 'one replica');
    await remove(stage, replica);
    expect(await eventTold(stage, 'nodeDetached', replica.id)).toContain('keeps its data');
    await untilDetached(stage, replica.addr);
    expect(await departed(stage)).toMatchObject([
      { id: replica.id, addr: replica.addr, state: 'detached', error: null },
    ]);
    const position = await stage.position(replica.addr);
    await write(stage, master.addr, { slot: 1, count: 70, value: 'written since' });
    expect(await stage.position(replica.addr)).toBe(position);
    await expect(stage.ask(replica.addr, 'GET', 'key')).rejects.toThrow(/MOVED/);

    expectStatus(await add(stage, replica.addr), 201);
    await expectEqualCopies(stage, 'c');
    expect(await departed(stage)).toEqual([]);
    expect(linesOf(trio(), stage, 'copy.condemn.committed')).toEqual([]);
  });

  test('KD11: hears of it when it is back, from whoever leads by then', async () => {
    const stage = scene();
    const { master, replicas } = await filled(stage, 2);
    const replica = present(replicas[0], 'one replica');
    const node = stage.nodeAt(replica.addr);
    await node.kill();
    await remove(stage, replica);
    await waitUntil('the leader to say why it was not told', async () => {
      const [one] = await departed(stage);
      return one?.state === 'untold' && one.error !== null ? true : notYet(one);
    });
    const leader = await trio().leader();
    await leader.kill();
    await node.restart();
    await untilDetached(stage, replica.addr);
    expect(await eventTold(stage, 'nodeDetached', replica.id)).toContain('keeps its data');
    leader.start();
    await trio().ready();
    const position = await stage.position(replica.addr);
    await write(stage, master.addr, { slot: 1, count: 10, value: 'written since' });
    expect(await stage.position(replica.addr)).toBe(position);
  });

  /** The master ends or hangs, another one takes over, and the old one is removed. */
  async function removedMaster(stage: Scene, master: NodeView, end: () => unknown): Promise<void> {
    await end();
    await waitUntil('another master', async () => {
      const shard = present((await stage.view('c')).shards[0], 'one shard');
      return masterOf(shard).id === master.id ? notYet(shard) : true;
    });
    await waitUntil('the old master to be removed', async () => {
      const answer = await stage.api.delete(stage.path('c', `/shards/0/nodes/${master.id}`));
      return answer.status === 200 ? true : notYet(answer.text);
    });
  }

  async function lostWith(stage: Scene, { id }: NodeView): Promise<unknown> {
    const text = await eventTold(stage, 'nodeDetached', id);
    const { events } = (await stage.api.get(stage.path('c', '/events?kind=nodeDetached'))).body.data;
    return { text, lost: (events as { readonly lost: number | null }[])[0]?.lost };
  }

  test('KD11d: and is an old master that hung is told when it goes on', async () => {
    const stage = scene();
    const { master } = await filled(stage, 3);
    const node = stage.nodeAt(master.addr);
    await removedMaster(stage, master, () => node.pause());
    node.resume();
    await untilDetached(stage, master.addr);
    expect(await lostWith(stage, master)).toMatchObject({ lost: 0 });
  });

  test('KD11e: and is an old master that took writes before it heard: they are counted, and it is no copy any more', async () => {
    const stage = scene();
    const { master } = await filled(stage, 3);
    const node = stage.nodeAt(master.addr);
    const position = await stage.position(master.addr);
    await removedMaster(stage, master, () => node.kill());
    for (const member of trio().members) member.pause();
    await node.restart();
    await write(stage, master.addr, { slot: 1, count: 12, value: 'lost' });
    const lost = (await stage.position(master.addr)) - position;
    for (const member of trio().members) member.resume();
    await trio().leader();
    await untilDetached(stage, master.addr);
    expect(await lostWith(stage, master)).toEqual({
      lost,
      text: expect.stringContaining(
        `Up to ${lost} sequence numbers are its own and are lost with it (from ${position + 1} on)`,
      ),
    });
    expectStatus(await add(stage, master.addr), 409);
    expectStatus(await stage.api.delete(stage.path('c', `/departed/${master.id}`)), 409);
  });

  test('KD11: with an empty shard is reset, and can be taken anywhere again', async () => {
    const stage = scene();
    const [first, second] = await stage.nodes(2);
    await stage.cluster('c', [present(first, 'two nodes')]);
    const { address } = present(second, 'two nodes');
    expectStatus(await stage.api.post(stage.path('c', '/shards'), { nodes: [address] }), 201);
    const view = await stage.converged('c');
    const { id } = masterOf(present(view.shards[1], 'two shards'));
    expectStatus(await stage.api.delete(stage.path('c', '/shards/1')), 200);
    expect(await eventTold(stage, 'nodeDetached', id)).toContain('is empty and was reset');
    expect(await stage.ask(address, 'CLUSTERX', 'VERSION')).toBe('-1');
    expect(await departed(stage)).toEqual([]);
    expectStatus(await stage.api.post(stage.path('c', '/shards'), { nodes: [address] }), 201);
    await stage.converged('c');
  });

  test('KD11: is not told where another node answers at its address', async () => {
    const stage = scene();
    const { replicas } = await filled(stage, 2);
    const replica = present(replicas[0], 'one replica');
    const node = stage.nodeAt(replica.addr);
    await node.kill();
    await remove(stage, replica);
    for (const member of trio().members) member.pause();
    await restartOnNewDisk(node);
    const other = 'd'.repeat(40);
    await stage.ask(replica.addr, 'CLUSTERX', 'SETNODEID', other);
    const text = `${other} 127.0.0.1 ${node.port} master - 0-16383`;
    await stage.ask(replica.addr, 'CLUSTERX', 'SETNODES', text, '1');
    for (const member of trio().members) member.resume();
    await trio().leader();
    expect(await eventTold(stage, 'departureForgotten', replica.id)).toContain(`is node ${other} now`);
    expect(await departed(stage)).toEqual([]);
    expect(await stage.state(replica.addr)).toMatchObject({ id: other, version: 1, slots: ['0-16383'] });
  });

  test('KD11: that never comes back is forgotten when somebody says so', async () => {
    const stage = scene();
    const { replicas } = await filled(stage, 2);
    const replica = present(replicas[0], 'one replica');
    await stage.nodeAt(replica.addr).kill();
    await remove(stage, replica);
    const path = stage.path('c', `/departed/${replica.id}`);
    expectStatus(await stage.api.delete(path), 200);
    expectStatus(await stage.api.delete(path), 404);
    expect(await departed(stage)).toEqual([]);
    expect(await eventTold(stage, 'departureForgotten', replica.id)).toContain('was not told');
  });
});

describe('a topology told again', () => {
  test('KD11b: heals a node whose slots were changed by hand at our own version', async () => {
    const stage = scene();
    const { master, replicas } = await filled(stage, 2);
    const replica = present(replicas[0], 'one replica');
    const { version } = await stage.view('c');
    const { port } = stage.nodeAt(master.addr);
    const wrong = [
      `${master.id} 127.0.0.1 ${port} master - 0-99`,
      `${replica.id} 127.0.0.1 ${stage.nodeAt(replica.addr).port} slave ${master.id}`,
      `${'e'.repeat(40)} 127.0.0.1 1 master - 100-16383`,
    ].join('\n');
    await stage.ask(master.addr, 'CLUSTERX', 'SETNODES', wrong, String(version), 'FORCE');
    expect((await stage.state(master.addr)).slots).toEqual(['0-99']);

    const unknown = await stage.api.post(stage.path('c', '/sync'), { node: 'f'.repeat(40) });
    expectStatus(unknown, 404);
    const answer = await stage.api.post(stage.path('c', '/sync'), { node: master.id });
    expectStatus(answer, 200);
    const told = { version: { wanted: version, seen: version }, told: true, why: null, converged: true };
    expect(answer.body.data.sync.nodes).toEqual([{ id: master.id, addr: master.addr, ...told }]);
    expect((await stage.state(master.addr)).slots).toEqual(['0-16383']);
    expect(await eventTold(stage, 'syncRequested', master.id)).toContain(master.addr);

    await stage.nodeAt(replica.addr).kill();
    const all = await stage.api.post(stage.path('c', '/sync'));
    expectStatus(all, 200);
    expect(all.body.data.sync.nodes).toMatchObject([
      { id: master.id, ...told },
      { id: replica.id, told: false, why: expect.stringMatching(/\w/), converged: false },
    ]);
    expect((await stage.view('c')).version).toBe(version);
  });
});

describe('a node with a higher version', () => {
  test('KD11c: is overruled, and what it held instead of ours is told', async () => {
    const stage = scene();
    const { master, replicas } = await filled(stage, 2);
    const replica = present(replicas[0], 'one replica');
    const { version } = await stage.view('c');
    const stranger = 'e'.repeat(40);
    const other = [
      `${master.id} 127.0.0.1 ${stage.nodeAt(master.addr).port} master - 0-8191`,
      `${replica.id} 127.0.0.1 ${stage.nodeAt(replica.addr).port} slave ${master.id}`,
      `${stranger} 127.0.0.1 1 master - 8192-16383`,
    ].join('\n');
    await stage.ask(replica.addr, 'CLUSTERX', 'SETNODES', other, String(version + 5));
    const text = await eventTold(stage, 'versionRaised', null);
    expect(text).toContain(`higher version ${version + 5}, another content than ours`);
    expect(text).toContain(`${stranger.slice(0, 8)} at 127.0.0.1:1 is in it and none of ours`);
    expect(text).toContain('shard 0 lacks slots 8192-16383');
    const view = await stage.converged('c');
    expect(view.version).toBe(version + 6);
    expect(view.shards).toHaveLength(1);
  });
});
