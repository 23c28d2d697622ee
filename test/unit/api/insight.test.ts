import { expect, test } from 'vitest';

import { explain } from '../../../src/control/explain.ts';
import { lookAt } from '../../../src/control/situation.ts';
import { clusterStatus } from '../../../src/control/status.ts';
import { Scene } from '../control/scene.ts';
import type { NodeAddress, NodeId } from '../../../src/topology/types.ts';
import { name } from '../topology/arbitrary.ts';
import { testApi, type TestApi } from './support.ts';

const CLUSTER = '/api/v1/namespaces/ns/clusters/c';

const DEPARTED = [
  {
    id: 'f'.repeat(40) as NodeId,
    address: '127.0.0.1:9' as NodeAddress,
    leftAtSeconds: 1_700_000_000,
    state: 'untold',
    error: 'connect ECONNREFUSED 127.0.0.1:9',
  },
] as const;

/** An application with cluster `c` of a master and a replica, whose leader sees what a scene of the same shape shows: the master hangs. */
async function withCluster(): Promise<TestApi> {
  const api = testApi();
  api.fleet.add('127.0.0.1:1', '127.0.0.1:2');
  await api.call('POST', '/api/v1/namespaces', { namespace: 'ns' });
  const body = {
    name: 'c',
    nodes: ['127.0.0.1:1', '127.0.0.1:2'],
    replicas: 2,
  };
  const made = await api.call('POST', '/api/v1/namespaces/ns/clusters', body);
  expect(made.status).toBe(201);
  return api;
}

function sees(api: TestApi): Scene {
  const scene = new Scene(1, 2);
  scene.rounds(2);
  scene.fail(scene.id(0, 0), 'hang');
  scene.rounds(4);
  api.seen = {
    status: () =>
      clusterStatus({ namespace: name('ns'), cluster: scene.cluster }, lookAt(scene), {
        problems: scene.decide().problems,
        departed: DEPARTED,
      }),
    tasks: () => new Map(),
    explain: (_, index) => explain(lookAt(scene), scene.cluster.shards[index]!),
  };
  return scene;
}

test('the status shows every node wanted and seen', async () => {
  const api = await withCluster();
  const scene = sees(api);
  expect(await api.call('GET', `${CLUSTER}/status`)).toMatchObject({
    status: 200,
    body: {
      data: {
        status: {
          version: 1,
          converged: false,
          departed: [
            {
              id: 'f'.repeat(40),
              addr: '127.0.0.1:9',
              left_at: '2023-11-14T22:13:20Z',
              state: 'untold',
              error: 'connect ECONNREFUSED 127.0.0.1:9',
            },
          ],
          shards: [{ shard: 0, last_decision: null }],
          nodes: [
            {
              id: scene.id(0, 0),
              shard: 0,
              condition: 'down',
              role: { wanted: 'master', seen: 'master' },
              behind: null,
              witnesses: [{ by: 1, saw: 'silent' }],
            },
            {
              id: scene.id(0, 1),
              condition: 'answering',
              version: { wanted: 1, seen: 1 },
              behind: 0,
              converged: true,
              error: null,
            },
          ],
        },
      },
    },
  });
});

test('the explanation of a shard shows gates, candidates and what comes next', async () => {
  const api = await withCluster();
  const scene = sees(api);
  const { status, body } = await api.call('GET', `${CLUSTER}/shards/0/explain`);
  expect([status, body]).toMatchObject([
    200,
    {
      data: {
        explain: {
          shard: 0,
          verdict: 'due',
          next: { action: 'failover', node: scene.id(0, 1), at: expect.stringMatching(/^\d{4}-.*Z$/) },
          missed_since: expect.stringMatching(/^\d{4}-.*Z$/),
          candidates: [{ verdict: 'eligible', behind: 0, priority: 100, zone: '' }],
        },
      },
    },
  ]);
  expect(JSON.stringify(body)).toContain('"gate":"confirmed","verdict":"pass"');
});

test('a gate that stays closed says what can be done about it', async () => {
  const api = await withCluster();
  const scene = sees(api);
  scene.fail(scene.id(0, 1), 'hang');
  scene.rounds(4);
  expect(await api.call('GET', `${CLUSTER}/shards/0/explain`)).toMatchObject({
    body: {
      data: {
        explain: {
          gates: expect.arrayContaining([
            expect.objectContaining({
              gate: 'candidate',
              verdict: 'block',
              until: null,
              remedy: expect.stringMatching(/^Bring the master back\./),
            }),
          ]),
        },
      },
    },
  });
});

test('what is not there is 404, and before anybody has looked the client is asked to come again', async () => {
  const api = await withCluster();
  for (const path of [`${CLUSTER}x/status`, `${CLUSTER}/shards/7/explain`, `${CLUSTER}/shards/7/master`])
    expect((await api.call('GET', path)).status, path).toBe(404);
  expect((await api.call('GET', `${CLUSTER}/shards/x/explain`)).status).toBe(400);
  for (const path of [`${CLUSTER}/status`, `${CLUSTER}/shards/0/explain`]) {
    const response = await api.call('GET', path);
    expect([response.status, response.headers.get('Retry-After')], path).toEqual([503, '1']);
  }
});

test('the master of a shard is told by the leader, and by every member that may be behind', async () => {
  const api = await withCluster();
  const told = { data: { master: { addr: '127.0.0.1:1' }, version: 1, term: 1 } };
  expect(await api.call('GET', `${CLUSTER}/shards/0/master`)).toMatchObject({ status: 200, body: told });
  api.status = { ...api.status, self: 2 };
  const redirected = await api.call('GET', `${CLUSTER}/shards/0/master`);
  expect(redirected.status).toBe(307);
  expect(await api.call('GET', `${CLUSTER}/shards/0/master?stale=ok`)).toMatchObject({
    status: 200,
    body: told,
  });
  expect((await api.call('GET', `${CLUSTER}/shards/1/master?stale=ok`)).status).toBe(404);
});
