// Clusters that are taken over: what their nodes may say, what is refused, and hand-overs nobody recorded.

import { describe, expect, test } from 'vitest';

import { err } from '../../../src/base/result.ts';
import type { NodeInspection } from '../../../src/api/ports.ts';
import type { SlotService } from '../../../src/control/imported-hand-over.ts';
import { allNodes, clusterWithVersion, masterOf } from '../../../src/topology/cluster.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import type { Cluster, Node } from '../../../src/topology/types.ts';
import { name } from '../registry/support.ts';
import { nodeIdAt, sampleCluster, valueOf } from '../topology/arbitrary.ts';
import { nodesText } from '../topology/nodes-text.ts';
import { said, testApi, type TestApi } from './support.ts';

const ROOT = '/api/v1/namespaces';
const CLUSTER = valueOf(clusterWithVersion(sampleCluster(2, 2), 7));
const MOVED = slotRange(10, 20);

interface Difference {
  readonly words?: Partial<NodeInspection>;
  readonly services?: Readonly<Record<number, SlotService>>;
  readonly text?: (text: string) => string;
}

/** The text as `node` tells it. */
function toldBy(cluster: Cluster, node: Node): string {
  const own = (line: string): string =>
    line.startsWith(node.id) ? line.replace(/ (master|slave) /, ' myself,$1 ') : line;
  return nodesText(cluster).split('\n').map(own).join('\n');
}

/** The nodes of a cluster that nobody manages; some differ from what they should say. */
async function scene(
  cluster: Cluster = CLUSTER,
  differences: ReadonlyMap<string, Difference> = new Map(),
): Promise<TestApi> {
  const api = testApi();
  await api.call('POST', ROOT, { namespace: 'ns' });
  for (const { node, shard } of allNodes(cluster)) {
    const { words = {}, services = {}, text = (told: string) => told } = differences.get(node.id) ?? {};
    const { id, role } = node;
    const master = role === 'master' ? null : masterOf(shard).address;
    const inspection = said({ id, role, master, version: cluster.version, sequence: 50, ...words });
    const slots = new Map(Object.entries(services).map(([slot, service]) => [Number(slot), service]));
    api.fleet.set(node.address, inspection, { topology: text(toldBy(cluster, node)), services: slots });
  }
  return api;
}

function take(api: TestApi, nodes: readonly string[] = [allNodes(CLUSTER)[0]!.node.address]) {
  return api.call('POST', `${ROOT}/ns/clusters/c/import`, { nodes });
}

function stored(api: TestApi) {
  return api.registry.getCluster(name('ns'), name('c'));
}

function nodeAt(shardIndex: number, nodeIndex: number): Node {
  return CLUSTER.shards[shardIndex]!.nodes[nodeIndex]!;
}

async function refusal(differences: ReadonlyMap<string, Difference>, cluster = CLUSTER): Promise<string> {
  const api = await scene(cluster, differences);
  const answer = await take(api);
  expect(answer.status).toBeOneOf([400, 409, 502]);
  expect(stored(api)).toBeNull();
  return (answer.body as { error: { message: string } }).error.message;
}

describe('an import', () => {
  test('takes the cluster with what was seen of its masters', async () => {
    const api = await scene();
    expect((await take(api)).status).toBe(201);
    const record = stored(api);
    expect(record?.cluster.version).toBe(7);
    expect(record?.facts.nodes.get(nodeAt(0, 0).id)).toMatchObject({
      sequence: 50,
      following: nodeAt(0, 0).id,
    });
    expect(record?.facts.nodes.get(nodeAt(0, 1).id)).toMatchObject({ sequence: null, remake: null });
  });

  test('KD3: asks its seeds side by side, and goes on without nodes that do not answer', async () => {
    const api = await scene();
    const dead = [nodeAt(0, 1), nodeAt(1, 1)].map(({ address }) => address);
    for (const address of dead) api.fleet.nodes.delete(address);
    expect((await take(api, [...dead, nodeAt(1, 0).address])).status).toBe(201);
  });

  test('KD3: stops when the client has gone', async () => {
    const api = await scene();
    const gone = new AbortController();
    const many = Array.from({ length: 1000 }, (_, index) => `10.0.0.1:${index + 1}`);
    api.fleet.beforeAnswer = () => {
      if (api.fleet.asked.length === 64) gone.abort();
      return Promise.resolve();
    };
    const body = JSON.stringify({ nodes: many });
    const headers = { 'Content-Length': String(body.length) };
    const request = new Request(`http://localhost${ROOT}/ns/clusters/c/import`, {
      method: 'POST',
      headers,
      body,
      signal: gone.signal,
    });
    await api.app.request(request);
    // Those that were under way.
    expect(api.fleet.asked).toHaveLength(64);
  });

  test('KD3: reads a cluster of hundreds of nodes once and compares the rest', async () => {
    const large = sampleCluster(200, 2);
    const api = await scene(large);
    expect((await take(api, [allNodes(large)[0]!.node.address])).status).toBe(201);
    expect(api.fleet.asked).toHaveLength(800);
  });

  test('refuses more shards than can be looked after', async () => {
    const large = sampleCluster(1001, 1);
    const api = await scene();
    const seed = allNodes(large)[0]!.node;
    api.fleet.set(seed.address, said({ id: seed.id, version: 1 }), { topology: toldBy(large, seed) });
    const answer = await take(api, [seed.address]);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body)).toContain('1001 shards are too many');
  });

  test.each<readonly [string, Difference, RegExp]>([
    [
      'calls itself what it does not tell',
      { words: { id: nodeIdAt(CLUSTER, 0, 1) } },
      /calls itself .* in its own topology/,
    ],
    ['has a negative sequence', { words: { sequence: -5 } }, /reports the sequence -5/],
    [
      'has a time for a version',
      { words: { version: 1_700_000_000_000 } },
      /version 1700000000000.*SETNODES <text> 1 FORCE/,
    ],
    ['has no topology', { words: { version: -1 } }, /no cluster topology to import/],
    ['has version 0', { words: { version: 0 } }, /version 0/],
    ['changes while it is read', { words: { version: 8 } }, /changed its topology while it was read/],
  ])('KB8, KD4: of a node that %s is refused', async (_, difference, reason) => {
    // As the seed, and as one of the others.
    expect(await refusal(new Map([[nodeAt(0, 0).id, difference]]))).toMatch(reason);
    expect(await refusal(new Map([[nodeAt(1, 1).id, difference]]))).toMatch(reason);
  });

  test('KB8: of nodes that are not who the others say is refused', async () => {
    const swapped = new Map(
      [
        [nodeAt(0, 0), nodeAt(1, 0)],
        [nodeAt(1, 0), nodeAt(0, 0)],
      ].map(
        ([here, there]) =>
          [here!.id, { words: { id: there!.id }, text: () => toldBy(CLUSTER, there!) }] as const,
      ),
    );
    expect(await refusal(swapped)).toMatch(/calls itself .* says that .* is there/);
  });

  test('of nodes with different topologies is refused', async () => {
    const other = { text: (text: string) => text.replaceAll('0-8191', '0-8190') };
    expect(await refusal(new Map([[nodeAt(1, 0).id, other]]))).toContain('describe different topologies');
    const orphan = {
      text: (text: string) => text.replace(`slave ${nodeAt(0, 0).id}`, `slave ${'e'.repeat(40)}`),
    };
    expect(await refusal(new Map([[nodeAt(0, 0).id, orphan]]))).toContain('is not the id of a master');
  });

  test('of nodes that none answers is refused with the first reason', async () => {
    const api = testApi();
    await api.call('POST', ROOT, { namespace: 'ns' });
    api.fleet.set('127.0.0.1:2', err({ kind: 'wrongPassword', message: 'ERR Invalid password' }));
    const answer = await take(api, ['127.0.0.1:1', '127.0.0.1:2']);
    expect(answer.status).toBe(502);
    expect(JSON.stringify(answer.body)).toContain('127.0.0.1:1 cannot be reached');
  });
});

describe('a hand-over that nobody recorded', () => {
  const source = nodeAt(0, 0);
  const target = nodeAt(1, 0);
  const gave: Difference = {
    words: { sourceJob: { range: MOVED, destination: target.id, state: 'success', isInEffect: null } },
    services: { 10: { kind: 'moved', to: target.address } },
  };
  const took: Difference = { words: { targetJob: { range: MOVED, state: 'success' } } };

  test('KC1b: is recorded with the import, so that the first push completes it', async () => {
    const api = await scene(
      CLUSTER,
      new Map([
        [source.id, gave],
        [target.id, took],
      ]),
    );
    expect((await take(api)).status).toBe(201);
    const record = stored(api);
    expect(record?.cluster.version).toBe(8);
    expect(record?.cluster.shards.map(({ slots }) => slots)).toEqual([
      [slotRange(0, 9), slotRange(21, 8191)],
      [MOVED, slotRange(8192, 16_383)],
    ]);
  });

  test('is none when the slots came back since', async () => {
    const api = await scene(
      CLUSTER,
      new Map([
        [source.id, { words: gave.words ?? {} }],
        [target.id, { ...took, services: { 10: { kind: 'moved', to: source.address } } } as const],
      ]),
    );
    expect((await take(api)).status).toBe(201);
    expect(stored(api)?.cluster.version).toBe(7);
  });

  test('KC1b: that cannot be confirmed, or has two owners, is refused with the one right call', async () => {
    const api = await scene(CLUSTER, new Map([[source.id, gave]]));
    api.fleet.nodes.delete(target.address);
    const answer = await take(api);
    expect(answer.status).toBe(409);
    expect(JSON.stringify(answer.body)).toContain(`handed over by ${source.address} to ${target.address}`);
    expect(await refusal(new Map([[target.id, took]]))).toContain('CLUSTERX SETSLOT 10-20 NODE <id>');
  });

  test('that is still under way is waited for', async () => {
    const running: Difference = {
      words: { sourceJob: { range: MOVED, destination: target.id, state: 'start', isInEffect: null } },
    };
    expect(await refusal(new Map([[source.id, running]]))).toContain('wait until that has ended');
  });
});
