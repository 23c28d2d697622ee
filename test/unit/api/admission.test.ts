// What nodes have to be before they are taken in, and what is written down of them.

import { describe, expect, test } from 'vitest';

import type { Clock } from '../../../src/base/clock.ts';
import { err } from '../../../src/base/result.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import type { NodeAddress } from '../../../src/topology/types.ts';
import { FakeClock } from '../leader/fake-clock.ts';
import { name } from '../registry/support.ts';
import { nodesText } from '../topology/nodes-text.ts';
import { said, testApi, type TestApi } from './support.ts';

const ROOT = '/api/v1/namespaces';
const CLUSTER = `${ROOT}/ns/clusters/c`;
const WAIVED = { 'X-Dont-Check-Cluster-Mode': 'yes' };
const [M0, R0, M1, R1, X] = ['1', '2', '3', '4', '9'].map((port) => `127.0.0.1:${port}`) as [
  NodeAddress,
  NodeAddress,
  NodeAddress,
  NodeAddress,
  NodeAddress,
];

async function scene(clock?: Clock): Promise<TestApi> {
  const api = testApi(clock);
  api.fleet.add(M0, R0, M1, R1, X);
  await api.call('POST', ROOT, { namespace: 'ns' });
  return api;
}

/** Two shards with a master and a replica each, all of which have taken data since. */
async function cluster(): Promise<TestApi> {
  const api = await scene();
  await create(api, { nodes: [M0, R0, M1, R1], replicas: 2 });
  api.fleet.set(M0, said({ sequence: 300 }));
  api.fleet.set(M1, said({ sequence: 900 }));
  api.fleet.asked.length = 0;
  return api;
}

function create(api: TestApi, body: object, headers: Record<string, string> = {}) {
  return api.call('POST', `${ROOT}/ns/clusters`, { name: 'c', ...body }, headers);
}

function add(api: TestApi, shard: number, body: object, headers: Record<string, string> = {}) {
  return api.call('POST', `${CLUSTER}/shards/${shard}/nodes`, body, headers);
}

function record(api: TestApi): ClusterRecord {
  const found = api.registry.getCluster(name('ns'), name('c'));
  if (found === null) throw new Error('there is no cluster');
  return found;
}

function factsAt(api: TestApi, address: string) {
  const { cluster: stored, facts } = record(api);
  const node = stored.shards.flatMap(({ nodes }) => nodes).find((candidate) => candidate.address === address);
  return node === undefined ? undefined : facts.nodes.get(node.id);
}

/** Takes the replica of a shard out again, and has it hold the topology it had. */
async function removed(api: TestApi, shardIndex: number, sequence: number): Promise<string> {
  const before = record(api).cluster;
  const [master, replica] = before.shards[shardIndex]?.nodes ?? [];
  if (master === undefined || replica === undefined) throw new Error('no replica');
  expect((await api.call('DELETE', `${CLUSTER}/shards/${shardIndex}/nodes/${replica.id}`)).status).toBe(200);
  const topology = nodesText(before).split('\n');
  const own = topology.map((line) =>
    line.startsWith(replica.id) ? line.replace(' slave ', ' myself,slave ') : line,
  );
  const words = {
    id: replica.id,
    version: before.version,
    role: 'replica',
    master: master.address,
    sequence,
  } as const;
  api.fleet.set(replica.address, said(words), { topology: own.join('\n') });
  return replica.id;
}

describe('a replica', () => {
  test('KA1: of one shard is not taken into another, though nothing but numbers would ever tell', async () => {
    const api = await cluster();
    await removed(api, 0, 300);
    const answer = await add(api, 1, { addr: R0 });
    expect(answer.status).toBe(409);
    expect(JSON.stringify(answer.body)).toMatch(/another shard.*new data directory.*\\"remake\\": true/);
    expect(record(api).cluster.shards[1]?.nodes).toHaveLength(2);
    const remade = await add(api, 1, { addr: R0, remake: true });
    expect(remade.status).toBe(201);
    expect(factsAt(api, R0)?.remake).toMatch(/to be made anew: .*another shard/);
  });

  test('KA1: comes back to its own shard under its id, as the copy it is', async () => {
    const api = await cluster();
    const id = await removed(api, 0, 300);
    expect((await add(api, 0, { addr: R0 })).status).toBe(201);
    expect(record(api).cluster.shards[0]?.nodes[1]).toMatchObject({ id, address: R0 });
    expect(factsAt(api, R0)?.remake).toBeNull();
    expect(api.fleet.asked).toEqual([
      `inspect ${R0}`,
      `clusterNodes ${R0}`,
      `inspect ${R0}`,
      `inspect ${M0}`,
    ]);
  });

  test('KA1: that is ahead of its master, or whose master does not tell where it is, proves nothing', async () => {
    const api = await cluster();
    await removed(api, 0, 301);
    expect((await add(api, 0, { addr: R0 })).status).toBe(409);
    api.fleet.nodes.delete(M0);
    expect((await add(api, 0, { addr: R0 })).status).toBe(409);
  });

  test.each([60, 201])(
    'KA2, KA2b: without a topology but with sequence %i is not taken as it is',
    async (sequence) => {
      const api = await cluster();
      api.fleet.set(X, said({ sequence }));
      const answer = await add(api, 0, { addr: X });
      expect(answer.status).toBe(409);
      expect(JSON.stringify(answer.body)).toContain(`it stands at sequence ${sequence}`);
      expect((await add(api, 0, { addr: X, remake: true })).status).toBe(201);
      expect(factsAt(api, X)?.remake).toContain(`sequence ${sequence}`);
    },
  );

  test('KA1: that is empty needs no remaking, wished or not', async () => {
    const api = await cluster();
    expect((await add(api, 0, { addr: X, remake: true })).status).toBe(201);
    expect(factsAt(api, X)).toMatchObject({ remake: null, sequence: null });
  });

  test('KB8: that says what cannot be true, or belongs to somebody else, is never taken', async () => {
    const api = await cluster();
    for (const words of [{ sequence: -5 }, { version: 0, sequence: 3 }, { version: 4 }]) {
      api.fleet.set(X, said(words));
      expect((await add(api, 0, { addr: X, remake: true })).status).toBe(409);
    }
  });

  test('that nobody could look at is taken only when the checks are waived, and never trusted', async () => {
    const api = await cluster();
    api.fleet.nodes.delete(X);
    expect((await add(api, 0, { addr: X })).status).toBe(502);
    expect((await add(api, 0, { addr: X }, WAIVED)).status).toBe(201);
    expect(factsAt(api, X)?.remake).toBe('it was never looked at');
  });

  test('KA2: with data is refused also where the checks are waived', async () => {
    const api = await cluster();
    api.fleet.set(X, said({ sequence: 7 }));
    expect((await add(api, 0, { addr: X }, WAIVED)).status).toBe(409);
  });
});

describe('new shards', () => {
  test('are of empty nodes, which is written down', async () => {
    const api = await scene();
    expect((await create(api, { nodes: [M0, R0], replicas: 2 })).status).toBe(201);
    expect(factsAt(api, M0)).toMatchObject({
      sequence: 0,
      following: record(api).cluster.shards[0]?.nodes[0]?.id,
    });
    expect(factsAt(api, R0)).toMatchObject({ sequence: null, remake: null });
    expect((await api.call('POST', `${CLUSTER}/shards`, { nodes: [M1] })).status).toBe(201);
    expect(factsAt(api, M1)?.sequence).toBe(0);
  });

  test('KA2: take a master with data on request only', async () => {
    const api = await scene();
    api.fleet.set(M0, said({ sequence: 60 }));
    const refused = await create(api, { nodes: [M0, R0], replicas: 2 });
    expect(refused.status).toBe(409);
    expect(JSON.stringify(refused.body)).toMatch(/new data directory.*\\"with_data\\": true/);
    expect((await create(api, { nodes: [M0, R0], replicas: 2, remake: true })).status).toBe(409);
    expect((await api.call('GET', CLUSTER)).status).toBe(404);
    expect((await create(api, { nodes: [M0, R0], replicas: 2, with_data: true })).status).toBe(201);
    expect(factsAt(api, M0)?.sequence).toBe(60);
    api.fleet.set(M1, said({ sequence: 5 }));
    expect((await api.call('POST', `${CLUSTER}/shards`, { nodes: [M1] })).status).toBe(409);
    const shard = await api.call('POST', `${CLUSTER}/shards`, { nodes: [M1], with_data: true });
    expect(shard.status).toBe(201);
    expect(factsAt(api, M1)?.sequence).toBe(5);
  });

  test('KA2: take a replica with data on request only', async () => {
    const api = await scene();
    api.fleet.set(R0, said({ sequence: 60 }));
    expect((await create(api, { nodes: [M0, R0], replicas: 2, with_data: true })).status).toBe(409);
    expect((await create(api, { nodes: [M0, R0], replicas: 2, remake: true })).status).toBe(201);
    expect(factsAt(api, R0)?.remake).toContain('sequence 60');
    expect(factsAt(api, M0)?.remake).toBeNull();
  });
});

describe('one process', () => {
  test('KA5: is one node, whatever names it has in one request', async () => {
    const api = await scene();
    api.fleet.set('localhost:1', said({}), { process: M0 });
    const answer = await create(api, { nodes: [M0, 'localhost:1'], replicas: 2 });
    expect(answer.status).toBe(409);
    expect(JSON.stringify(answer.body)).toContain('two names of one server process');
    expect((await create(api, { nodes: [M0, 'localhost:1'], replicas: 2 }, WAIVED)).status).toBe(409);
    expect((await api.call('GET', CLUSTER)).status).toBe(404);
  });

  test('KA5: is found among the nodes the cluster has, and among those that were just taken elsewhere', async () => {
    const api = await cluster();
    api.fleet.set('localhost:1', said({}), { process: M0 });
    expect((await add(api, 0, { addr: 'localhost:1' })).status).toBe(409);
    expect((await api.call('POST', `${CLUSTER}/shards`, { nodes: ['localhost:1'] })).status).toBe(409);
    const other = await api.call('POST', `${ROOT}/ns/clusters`, { name: 'd', nodes: ['localhost:1'] });
    expect(other.status).toBe(409);
  });

  test('KA5: with the id of a member is that member under another name', async () => {
    const api = await cluster();
    const { cluster: stored } = record(api);
    const [member] = stored.shards[1]?.nodes ?? [];
    api.fleet.set(X, said({ id: member?.id ?? null, version: 1, sequence: 900 }), {
      topology: nodesText(stored),
    });
    const answer = await add(api, 1, { addr: X, remake: true });
    expect(answer.status).toBe(409);
    expect(JSON.stringify(answer.body)).toContain(`which this cluster has at ${M1}`);
  });

  test('KA5: is found in two requests at once: one is taken in before the next is looked at', async () => {
    const api = await scene(new FakeClock());
    api.fleet.set('localhost:1', said({}), { process: M0 });
    const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    api.fleet.beforeAnswer = () => {
      asked.resolve();
      return gate.promise;
    };
    const both = ['c', 'd'].map((called, index) =>
      api.call('POST', `${ROOT}/ns/clusters`, { name: called, nodes: [index === 0 ? M0 : 'localhost:1'] }),
    );
    await asked.promise;
    expect(api.fleet.asked).toHaveLength(1);
    gate.resolve();
    const statuses = (await Promise.all(both)).map(({ status }) => status);
    expect(statuses).toEqual([201, 409]);
  });

  test('that does not answer when it is to be told apart is not taken', async () => {
    const api = await scene();
    const failure = { kind: 'timedOut', message: 'no answer' } as const;
    api.fleet.sameProcess = () => Promise.resolve({ groups: [], failures: new Map([[R0, failure]]) });
    expect((await create(api, { nodes: [M0, R0], replicas: 2 })).status).toBe(502);
  });
});

test('KA5: a name that stands for every address of a machine is no node, with the checks waived or not', async () => {
  const api = await cluster();
  for (const host of ['0.0.0.0', '[::]', '[::ffff:0.0.0.0]']) {
    api.fleet.add(`${host}:9`);
    for (const headers of [{}, WAIVED]) {
      const added = await add(api, 0, { addr: `${host}:9` }, headers);
      expect(added.status).toBe(400);
      expect(JSON.stringify(added.body)).toMatch(/addr: .* stands for every address of a machine; write/);
      const created = await api.call('POST', `${CLUSTER}/shards`, { nodes: [`${host}:9`] }, headers);
      expect(created.status).toBe(400);
    }
  }
  expect(api.fleet.asked).toEqual([]);
});

test('KD3f: a controller is no node, with the checks waived or not', async () => {
  const api = await cluster();
  for (const headers of [{}, WAIVED]) {
    const answer = await add(api, 0, { addr: '127.0.0.1:9379' }, headers);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body)).toContain('is member 1 of this group of controllers');
    const created = await api.call(
      'POST',
      `${ROOT}/ns/clusters`,
      { name: 'd', nodes: ['127.0.0.1:9379'] },
      headers,
    );
    expect(created.status).toBe(400);
  }
  const taken = await api.call('POST', `${ROOT}/ns/clusters/d/import`, { nodes: ['127.0.0.1:9379'] });
  expect(taken.status).toBe(400);
  expect(api.fleet.asked).toEqual([]);
});

test('KD3: the first refusal ends the questions, and nothing is stored', async () => {
  const api = await scene();
  api.fleet.set(M0, err({ kind: 'notKvrocks', message: 'no kvrocks_version' }));
  const many = Array.from({ length: 1000 }, (_, index) => `10.0.0.1:${index + 1}`);
  api.fleet.add(...many);
  expect((await create(api, { nodes: [M0, ...many] })).status).toBe(400);
  expect(api.fleet.asked.length).toBeLessThan(200);
  expect((await api.call('GET', CLUSTER)).status).toBe(404);
});
