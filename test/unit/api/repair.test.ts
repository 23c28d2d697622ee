import { describe, expect, test } from 'vitest';

import { err, ok } from '../../../src/base/result.ts';
import { parseClusterVersion } from '../../../src/topology/cluster.ts';
import { type Departure, withDeparture } from '../../../src/topology/departure.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { name } from '../registry/support.ts';
import { valueOf } from '../topology/arbitrary.ts';
import { failure, said, testApi, type TestApi } from './support.ts';

const ROOT = '/api/v1/namespaces';
const CLUSTER = `${ROOT}/ns/clusters/c`;
const PLACE = { namespace: name('ns'), cluster: name('c') };
const UNKNOWN = 'f'.repeat(40);
const REPLICA = '127.0.0.1:2';

async function scene(): Promise<TestApi> {
  const api = testApi();
  api.fleet.add('127.0.0.1:1', REPLICA);
  await api.call('POST', ROOT, { namespace: 'ns' });
  const body = { name: 'c', nodes: ['127.0.0.1:1', REPLICA], replicas: 2 };
  expect((await api.call('POST', `${ROOT}/ns/clusters`, body)).status).toBe(201);
  return api;
}

function recordOf(api: TestApi): ClusterRecord {
  const record = api.registry.getCluster(PLACE.namespace, PLACE.cluster);
  if (record === null) throw new Error('no cluster');
  return record;
}

async function events(api: TestApi): Promise<readonly unknown[]> {
  const { body } = await api.call('GET', `${CLUSTER}/events`);
  return (body as { data: { events: readonly unknown[] } }).data.events;
}

/** The replica leaves. */
async function remove(api: TestApi): Promise<NodeId> {
  const id = recordOf(api).cluster.shards[0]!.nodes[1]!.id;
  expect((await api.call('DELETE', `${CLUSTER}/shards/0/nodes/${id}`)).status).toBe(200);
  return id;
}

/** What is written down of how it left. */
async function note(api: TestApi, id: NodeId, change: (left: Departure) => Departure): Promise<void> {
  const told = { actor: 'api', drafts: [] } as const;
  valueOf(
    await api.registry.departures.change(PLACE, (present) => withDeparture(present, id, change), {
      events: told,
    }),
  );
}

describe('a topology told again', () => {
  test('KD11b: is asked for with an event, and answers what became of each node', async () => {
    const api = await scene();
    const { id, address } = recordOf(api).cluster.shards[0]!.nodes[0]!;
    const asked: unknown[] = [];
    api.sync = (place, node) => {
      asked.push([place.cluster, node]);
      const seen = {
        wantedVersion: 1,
        seenVersion: null,
        isTold: false,
        why: 'it is away',
        isConverged: false,
      };
      return Promise.resolve(ok([{ id, address, ...seen }]));
    };
    expect(await api.call('POST', `${CLUSTER}/sync`, { node: id })).toMatchObject({
      status: 200,
      body: {
        data: {
          sync: {
            version: 1,
            nodes: [
              {
                id,
                addr: address,
                version: { wanted: 1, seen: null },
                told: false,
                why: 'it is away',
                converged: false,
              },
            ],
          },
        },
      },
    });
    expect(asked).toEqual([['c', id]]);
    expect(await events(api)).toMatchObject([
      {
        kind: 'syncRequested',
        actor: 'api',
        node: id,
        text: `node ${address} is to be told the topology again, as somebody has asked`,
      },
      { kind: 'clusterCreated' },
    ]);
    expect(recordOf(api).cluster.version).toBe(1);
  });

  test('KD11b: of a node that is not there is 404, and nothing happens', async () => {
    const api = await scene();
    for (const node of [UNKNOWN, 'x']) {
      expect((await api.call('POST', `${CLUSTER}/sync`, { node })).status).toBe(404);
    }
    expect(await api.call('POST', `${CLUSTER}/sync`, { node: 7 })).toMatchObject({
      status: 400,
      body: failure('node: expected a node id'),
    });
    expect(await events(api)).toHaveLength(1);
  });

  test.each([
    ['busy', 409],
    ['missing', 404],
    ['notLeader', 503],
  ] as const)('KD11b: that cannot be carried out (%s) is %i', async (kind, status) => {
    const api = await scene();
    api.sync = () => Promise.resolve(err({ kind }));
    expect((await api.call('POST', `${CLUSTER}/sync`)).status).toBe(status);
  });
});

describe('a node that has left', () => {
  test('KD11: is forgotten when somebody says so, with an event; 404 when nobody knows it', async () => {
    const api = await scene();
    const id = await remove(api);
    expect((await api.call('DELETE', `${CLUSTER}/departed/${UNKNOWN}`)).status).toBe(404);
    expect((await api.call('DELETE', `${CLUSTER}/departed/x`)).status).toBe(404);
    expect(await api.call('DELETE', `${CLUSTER}/departed/${id}`)).toMatchObject({
      status: 200,
      body: { data: 'ok' },
    });
    expect(api.registry.departures.ofCluster(PLACE)).toEqual([]);
    expect(await events(api)).toMatchObject([
      { kind: 'departureForgotten', node: id, text: expect.stringContaining('was not told') },
      { kind: 'nodeRemoved' },
      { kind: 'clusterCreated' },
    ]);
    expect((await api.call('DELETE', `${CLUSTER}/departed/${id}`)).status).toBe(404);
  });

  test('KD11f: and has heard is not forgotten: nothing waits for it, and it could not come back', async () => {
    const api = await scene();
    const id = await remove(api);
    await note(api, id, (left) => ({ ...left, toldAtSeconds: 5 }));
    const answer = await api.call('DELETE', `${CLUSTER}/departed/${id}`);
    expect(answer).toMatchObject({ status: 409, body: failure(expect.stringContaining('has heard')) });
    expect(api.registry.departures.ofCluster(PLACE)).toMatchObject([{ id }]);
  });

  /** It is told between the two questions of the first look, as often as `times` says: a topology of a higher version each time. */
  async function toldInBetween(
    api: TestApi,
    times: number,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const before = recordOf(api).cluster;
    const [master, replica] = before.shards[0]!.nodes;
    const id = await remove(api);
    const { version } = recordOf(api).cluster;
    const whole = (at: number, own: string): string =>
      [
        `${master!.id} 127.0.0.1:1@10001 master - 1 2 ${at} connected 0-16383`,
        `${id} ${REPLICA}@10002 myself,${own} 1 2 ${at} connected`,
      ].join('\n');
    const wasReplica = { version: before.version, role: 'replica', master: master!.address } as const;
    const sequence = 40;
    api.fleet.set('127.0.0.1:1', said({ id: master!.id, version, sequence: 50 }));
    api.fleet.set(REPLICA, said({ id, ...wasReplica, sequence }), {
      topology: whole(before.version, `slave ${master!.id}`),
    });
    let count = 0;
    api.fleet.beforeTopology = async (address) => {
      if (address !== REPLICA || count >= times) return;
      count += 1;
      const told = version + count - 1;
      await note(api, id, (left) => ({
        ...left,
        cutOff: { version: valueOf(parseClusterVersion(told)), before: wasReplica },
      }));
      api.fleet.set(REPLICA, said({ id, version: told, sequence }), { topology: whole(told, 'master -') });
    };
    const answer = await api.call('POST', `${CLUSTER}/shards/0/nodes`, { addr: REPLICA, role: 'slave' });
    if (answer.status === 201) expect(recordOf(api).cluster.shards[0]!.nodes[1]?.id).toBe(replica!.id);
    return answer;
  }

  test('KD11f: and is told so in the midst of a look is looked at again, and comes back as the copy that it was', async () => {
    const api = await scene();
    expect((await toldInBetween(api, 1)).status).toBe(201);
    expect(recordOf(api).facts.nodes.get(recordOf(api).cluster.shards[0]!.nodes[1]!.id)?.remake).toBeNull();
  });

  test('KD11f: whose topology changes during every look is not judged', async () => {
    const answer = await toldInBetween(await scene(), 9);
    expect(answer).toMatchObject({ status: 502, body: failure(expect.stringContaining('ask again')) });
  });

  test('KD11: and was told so comes back as the copy that it was', async () => {
    const api = await scene();
    const before = recordOf(api).cluster;
    const [master, replica] = before.shards[0]!.nodes;
    const id = await remove(api);
    const { version } = recordOf(api).cluster;
    const lines = [
      `${master!.id} 127.0.0.1:1@10001 master - 1 2 ${version} connected 0-16383`,
      `${id} ${REPLICA}@10002 myself,master - 1 2 ${version} connected`,
    ];
    const words = { id, version, sequence: 40 };
    api.fleet.set(REPLICA, said(words), { topology: lines.join('\n') });
    api.fleet.set('127.0.0.1:1', said({ id: master!.id, version, sequence: 50 }));
    const body = { addr: REPLICA, role: 'slave' };
    expect(await api.call('POST', `${CLUSTER}/shards/0/nodes`, body)).toMatchObject({
      status: 409,
      body: failure(expect.stringContaining('another shard')),
    });
    const cutOff = {
      version,
      before: { version: before.version, role: 'replica', master: master!.address },
    } as const;
    await note(api, id, (left) => ({ ...left, cutOff }));
    expect((await api.call('POST', `${CLUSTER}/shards/0/nodes`, body)).status).toBe(201);
    expect(recordOf(api).facts.nodes.get(id)?.remake).toBeNull();
    expect(recordOf(api).cluster.shards[0]!.nodes[1]).toMatchObject({ id: replica!.id, address: REPLICA });
  });
});
