// A node that has another address: only the very same one is recorded there.

import { expect, test } from 'vitest';

import { masterOf, replicasOf } from '../../../src/topology/cluster.ts';
import type { Cluster } from '../../../src/topology/types.ts';
import { name } from '../topology/arbitrary.ts';
import { failure, said, testApi, type TestApi } from './support.ts';

const CLUSTER = '/api/v1/namespaces/ns/clusters/c';
const NEW = '127.0.0.1:9';

/** A shard of a master and a replica, and one of a lone master. */
async function scene(): Promise<TestApi> {
  const api = testApi();
  for (let port = 1; port <= 3; port += 1) api.fleet.add(`127.0.0.1:${port}`);
  await api.call('POST', '/api/v1/namespaces', { namespace: 'ns' });
  const body = { name: 'c', nodes: ['127.0.0.1:1', '127.0.0.1:2'], replicas: 2 };
  expect((await api.call('POST', '/api/v1/namespaces/ns/clusters', body)).status).toBe(201);
  expect((await api.call('POST', `${CLUSTER}/shards`, { nodes: ['127.0.0.1:3'] })).status).toBe(201);
  return api;
}

function clusterOf(api: TestApi): Cluster {
  return api.registry.getCluster(name('ns'), name('c'))!.cluster;
}

test('a replica and a lone master are recorded at their new address under a higher version, and the old one is free', async () => {
  for (const index of [0, 1]) {
    const api = await scene();
    const before = clusterOf(api);
    const shard = before.shards[index]!;
    const node = replicasOf(shard)[0] ?? masterOf(shard);
    api.fleet.nodes.delete(node.address);
    api.fleet.set(NEW, said({ id: node.id, version: before.version }));
    expect(
      (await api.call('PATCH', `${CLUSTER}/shards/${index}/nodes/${node.id}`, { addr: NEW })).status,
    ).toBe(200);
    const after = clusterOf(api);
    expect(after.version).toBe(before.version + 1);
    expect(after.shards[index]?.nodes.find(({ id }) => id === node.id)?.address).toBe(NEW);
    expect([
      api.registry.ownerOf(node.address),
      api.registry.ownerOf(after.shards[index]!.nodes.at(-1)!.address),
    ]).toEqual([null, { namespace: 'ns', cluster: 'c' }]);
    // The same again is no change.
    expect(
      (await api.call('PATCH', `${CLUSTER}/shards/${index}/nodes/${node.id}`, { addr: NEW })).status,
    ).toBe(200);
    expect(clusterOf(api).version).toBe(after.version);
  }
});

test('nobody else, nobody unknown and no second process of the same id is', async () => {
  const api = await scene();
  const { id, address } = masterOf(clusterOf(api).shards[1]!);
  const path = `${CLUSTER}/shards/1/nodes/${id}`;
  const refusals: readonly (readonly [() => void, number, unknown])[] = [
    [() => {}, 502, expect.stringContaining('ECONNREFUSED')],
    [() => api.fleet.set(NEW, said({})), 409, expect.stringContaining('has no topology')],
    [() => api.fleet.set(NEW, said({ id, version: -1 })), 409, expect.stringContaining('has no topology')],
    [
      () => api.fleet.set(NEW, said({ id: masterOf(clusterOf(api).shards[0]!).id, version: 2 })),
      409,
      expect.stringContaining('is node'),
    ],
    [
      () => {
        api.fleet.set(NEW, said({ id, version: 2 }));
        api.fleet.set(address, said({ id, version: 2 }));
      },
      409,
      expect.stringContaining('are two processes'),
    ],
  ];
  for (const [arrange, status, why] of refusals) {
    arrange();
    expect(await api.call('PATCH', path, { addr: NEW })).toMatchObject({ status, body: failure(why) });
  }
  expect(clusterOf(api).version).toBe(2);
  // One process under two names is one node.
  api.fleet.set(NEW, said({ id, version: 2 }), { process: address });
  expect((await api.call('PATCH', path, { addr: NEW })).status).toBe(200);
});

test('a master with replicas hands over first, and taken addresses are refused', async () => {
  const api = await scene();
  const [first, second] = clusterOf(api).shards;
  const master = masterOf(first!);
  api.fleet.set(NEW, said({ id: master.id, version: 2 }));
  expect(await api.call('PATCH', `${CLUSTER}/shards/0/nodes/${master.id}`, { addr: NEW })).toMatchObject({
    status: 409,
    body: failure(expect.stringContaining('fail over to one of them first')),
  });
  const lone = masterOf(second!);
  for (const [addr, status] of [
    [replicasOf(first!)[0]!.address, 409],
    ['127.0.0.1:9379', 400],
    ['nowhere', 400],
  ] as const)
    expect((await api.call('PATCH', `${CLUSTER}/shards/1/nodes/${lone.id}`, { addr })).status).toBe(status);
});
