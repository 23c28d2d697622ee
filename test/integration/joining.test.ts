// Nodes as operators bring them: used before, emptied by hand, under two names, from another shard. Only proven copies are taken as they are.

import { describe, expect, test } from 'vitest';

import { present } from '../../src/base/assert.ts';
import { fillSlot, sourceSays } from '../support/migrations.ts';
import { expectStatus, masterOf, replicasOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { useBefore } from '../support/used-node.ts';
import { waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

async function post(stage: Scene, rest: string, body: unknown): Promise<readonly [number, string]> {
  const answer = await stage.api.post(stage.path('c', rest), body);
  return [answer.status, answer.status < 400 ? '' : answer.body.error.message];
}

describe('a node that joins', () => {
  test('KA1, KA2, KA2b: as a replica is not taken from another shard, nor with data, nor emptied by hand', async () => {
    const stage = scene();
    const nodes = await stage.nodes(5);
    const view = await stage.cluster('c', nodes.slice(0, 4), { replicas: 2 });
    const [first, second] = view.shards;
    if (first === undefined || second === undefined) throw new Error('two shards');
    await fillSlot(stage, masterOf(first).addr, { slot: 0, count: 30 });
    await fillSlot(stage, masterOf(second).addr, { slot: 16_383, count: 90 });
    const [replica] = replicasOf(first);
    await stage.inSync(masterOf(first).addr, replica?.addr ?? '');
    expectStatus(await stage.api.delete(stage.path('c', `/shards/0/nodes/${replica?.id ?? ''}`)), 200);

    expect(await post(stage, '/shards/1/nodes', { addr: replica?.addr })).toEqual([
      409,
      expect.stringMatching(/another shard.*new data directory.*"remake": true/),
    ]);
    expect(await post(stage, '/shards/0/nodes', { addr: replica?.addr })).toEqual([201, '']);
    await stage.converged('c');

    const last = present(nodes[4], 'five nodes');
    const { address } = last;
    await useBefore(stage, last);
    const refusal = [409, expect.stringMatching(/no topology, but it stands at sequence \d+/)];
    expect(await post(stage, '/shards/1/nodes', { addr: address })).toEqual(refusal);
    await stage.ask(address, 'FLUSHALL');
    await stage.ask(address, 'CLUSTER', 'RESET');
    expect(await post(stage, '/shards/1/nodes', { addr: address })).toEqual(refusal);
    expect((await stage.view('c')).shards[1]?.nodes).toHaveLength(2);
  });

  test('KA2: as a master brings its data only when that is wished', async () => {
    const stage = scene();
    const [first, fresh] = await stage.nodes(2);
    const used = present(first, 'two nodes');
    const { address } = used;
    await useBefore(stage, used);
    await stage.makeNamespace();
    const clusters = `/api/v1/namespaces/${stage.namespace}/clusters`;
    const body = { name: 'c', nodes: [address] };
    const refused = await stage.api.post(clusters, body);
    expect([refused.status, refused.body.error.message]).toEqual([
      409,
      expect.stringMatching(/is not empty.*"with_data": true/),
    ]);
    expectStatus(await stage.api.post(clusters, { name: 'c', nodes: [fresh?.address] }), 201);
    await stage.converged('c');
    expect(await post(stage, '/shards', { nodes: [address] })).toEqual([
      409,
      expect.stringContaining('is not empty'),
    ]);
    expect(await post(stage, '/shards', { nodes: [address], with_data: true })).toEqual([201, '']);
    await stage.converged('c');
  });

  test('KA5: is one process, whatever it is called', async () => {
    const stage = scene();
    const [one, other] = await stage.nodes(2);
    await stage.makeNamespace();
    const clusters = `/api/v1/namespaces/${stage.namespace}/clusters`;
    const names = [`127.0.0.1:${one?.port ?? 0}`, `localhost:${one?.port ?? 0}`];
    const twice = await stage.api.post(clusters, { name: 'c', nodes: names, replicas: 2 });
    expect([twice.status, twice.body.error.message]).toEqual([
      409,
      expect.stringContaining('two names of one server process'),
    ]);
    const atOnce = await Promise.all(
      names.map((name, index) => stage.api.post(clusters, { name: `c${index}`, nodes: [name] })),
    );
    expect(atOnce.map(({ status }) => status).toSorted((left, right) => left - right)).toEqual([201, 409]);
    const taken = atOnce[0]?.status === 201 ? 'c0' : 'c1';
    await waitUntil('the node to hear of its id', () => stage.state(one?.address ?? ''));
    const late = await stage.api.post(stage.path(taken, '/shards/0/nodes'), {
      addr: `[::ffff:127.0.0.1]:${one?.port ?? 0}`,
    });
    expect(late.status).toBe(409);
    const leader = new URL((await trio().leader()).url).host;
    const controller = await stage.api.post(clusters, { name: 'd', nodes: [other?.address, leader] });
    expect([controller.status, controller.body.error.message]).toEqual([
      400,
      expect.stringContaining('of this group of controllers'),
    ]);
  });
});

test('KC1b: an import records a hand-over made by hand, and loses no write of it', async () => {
  const stage = scene();
  const nodes = await stage.nodes(2);
  const [source, target] = nodes.map(({ address }) => address);
  if (source === undefined || target === undefined) throw new Error('two nodes');
  const ids = ['a'.repeat(40), 'b'.repeat(40)];
  const slots = ['0-8191', '8192-16383'];
  const text = nodes
    .map(({ port }, index) => `${ids[index] ?? ''} 127.0.0.1 ${port} master - ${slots[index] ?? ''}`)
    .join('\n');
  for (const [index, { address }] of nodes.entries()) {
    await stage.ask(address, 'CLUSTERX', 'SETNODEID', ids[index] ?? '');
    await stage.ask(address, 'CLUSTERX', 'SETNODES', text, '7');
  }
  const [key = ''] = await fillSlot(stage, source, { slot: 1000, count: 3 });
  await stage.ask(source, 'CLUSTERX', 'MIGRATE', '1000', ids[1] ?? '');
  await sourceSays(stage, source, { slots: '1000', state: 'success' });
  expect(await stage.ask(target, 'SET', key, 'written at its new place')).toBe('OK');

  await stage.makeNamespace();
  expect(await post(stage, '/import', { nodes: [source] })).toEqual([201, '']);
  const view = await stage.converged('c');
  expect(view.version).toBe(8);
  expect(view.shards.map((shard) => shard.slot_ranges)).toEqual([
    ['0-999', '1001-8191'],
    ['1000', '8192-16383'],
  ]);
  expect(await stage.askCluster(source, 'GET', key)).toBe('written at its new place');
  expect(await stage.askCluster(source, 'SET', key, 'and writable')).toBe('OK');
});

test('KC1b: a migration of slots that were handed over by hand is refused with the call that records it', async () => {
  const stage = scene();
  const nodes = await stage.nodes(2);
  const view = await stage.cluster('c', nodes);
  const [source, target] = view.shards.map((shard) => masterOf(shard));
  if (source === undefined || target === undefined) throw new Error('two shards');
  const [key = ''] = await fillSlot(stage, source.addr, { slot: 1000, count: 3 });
  await stage.ask(source.addr, 'CLUSTERX', 'MIGRATE', '1000', target.id);
  await sourceSays(stage, source.addr, { slots: '1000', state: 'success' });
  expect(await stage.ask(target.addr, 'SET', key, 'new')).toBe('OK');
  // Within a round the leader records it by itself; whoever is first, the slot stays where it was handed over to.
  const [status, message] = await post(stage, '/migrate', { slot: 1000, target: 1 });
  expect(status).toBeGreaterThanOrEqual(400);
  if (!/shard 1/.test(message)) {
    expect([status, message]).toEqual([
      409,
      expect.stringContaining('{"slot":"1000","target":1,"slot_only":true}'),
    ]);
    await post(stage, '/migrate', { slot: '1000', target: 1, slot_only: true });
  }
  await stage.viewWhere(
    'c',
    'the slot at its new owner',
    ({ shards }) => shards[1]?.slot_ranges?.includes('1000') === true,
  );
  await stage.converged('c');
  expect(await stage.askCluster(source.addr, 'GET', key)).toBe('new');
});

test('KD6: a changed password is stored once the nodes have it', async () => {
  const stage = scene({ password: 'first' });
  const nodes = await stage.nodes(2);
  await stage.cluster('c', nodes, { replicas: 2 });
  const refused = await stage.api.send('PATCH', stage.path('c'), { body: { password: 'second' } });
  expect([refused.status, refused.body.error.message]).toEqual([
    400,
    expect.stringContaining('is refused by'),
  ]);
  for (const { address } of nodes)
    await stage.askAll(address, [
      ['CONFIG', 'SET', 'masterauth', 'second'],
      ['CONFIG', 'SET', 'requirepass', 'second'],
    ]);
  const stored = await stage.api.send('PATCH', stage.path('c'), { body: { password: 'second' } });
  expect([stored.status, stored.body]).toEqual([200, { data: 'ok' }]);
});
