import { expect, test } from 'vitest';

import { Secret } from '../../../src/base/secret.ts';
import { explain } from '../../../src/control/explain.ts';
import { lookAt } from '../../../src/control/situation.ts';
import { clusterStatus } from '../../../src/control/status.ts';
import type { NodeAddress } from '../../../src/topology/types.ts';
import { Scene } from '../control/scene.ts';
import { name } from '../topology/arbitrary.ts';
import { type Answer, SELF, testApi, type TestApi } from './support.ts';

const CLUSTER = '/api/v1/namespaces/ns/clusters/c';
const SPARES = `${CLUSTER}/spares`;
const PLACE = { namespace: name('ns'), cluster: name('c') };

const failure = (message: unknown): object => ({ error: { message } });

async function withCluster(): Promise<TestApi> {
  const api = testApi();
  api.fleet.add('127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3');
  await api.call('POST', '/api/v1/namespaces', { namespace: 'ns' });
  for (const body of [
    { name: 'c', nodes: ['127.0.0.1:1', '127.0.0.1:2'], replicas: 2 },
    { name: 'd', nodes: ['127.0.0.1:3'] },
  ])
    expect((await api.call('POST', '/api/v1/namespaces/ns/clusters', body)).status).toBe(201);
  return api;
}

const stored = (api: TestApi): object => api.registry.policies.ofCluster(PLACE).spares;

function spareOf(answer: Answer, index = 0): Record<string, unknown> {
  const { data } = answer.body as { data: { spares: { nodes: Record<string, unknown>[] } } };
  return data.spares.nodes[index]!;
}

test('there are none, and nobody is replaced, until somebody says so; what is not named stays', async () => {
  const api = await withCluster();
  const nothing = { copies: null, replace_after_seconds: 600, nodes: [], shards: [] };
  expect(await api.call('GET', SPARES)).toMatchObject({ status: 200, body: { data: { spares: nothing } } });
  const put = await api.call('PUT', SPARES, {
    nodes: ['127.0.0.1:8', { addr: '127.0.0.1:9', password: 'p', zone: 'b' }],
    copies: 2,
    replace_after_seconds: 30,
  });
  const nodes = [
    { addr: '127.0.0.1:8', zone: '', login: 'none', lost: null, state: 'unknown', looked_at: null },
    { addr: '127.0.0.1:9', zone: 'b', login: 'own', lost: null, state: 'unknown', looked_at: null },
  ];
  const wanted = { copies: 2, replace_after_seconds: 30, nodes };
  expect(put).toMatchObject({ status: 200, body: { data: { spares: wanted } } });
  expect(JSON.stringify(put.body)).not.toContain('password');
  expect(await api.call('GET', SPARES)).toMatchObject({ body: { data: { spares: wanted } } });
  expect(await api.call('PUT', SPARES, { copies: null })).toMatchObject({
    body: { data: { spares: { ...wanted, copies: null } } },
  });
  // Listed again, a spare keeps its password and its zone; a word takes them back.
  await api.call('PUT', SPARES, { nodes: ['127.0.0.1:9'] });
  expect(stored(api)).toMatchObject({ nodes: [{ address: '127.0.0.1:9', zone: 'b' }] });
  const [kept] = api.registry.policies.ofCluster(PLACE).spares.nodes;
  expect(kept?.password.reveal()).toBe('p');
  const plain = await api.call('PUT', SPARES, { nodes: [{ addr: '127.0.0.1:9', password: '', zone: '' }] });
  expect(spareOf(plain)).toMatchObject({ zone: '' });
  expect(api.registry.policies.ofCluster(PLACE).spares.nodes[0]?.password.isEmpty).toBe(true);
  expect(await api.call('PUT', SPARES, { nodes: [], replace_after_seconds: 600 })).toMatchObject({
    body: { data: { spares: nothing } },
  });
  const events = await api.call('GET', `${CLUSTER}/events?kind=sparesChanged`);
  expect(events).toMatchObject({
    body: {
      data: {
        events: [
          { text: 'there are no spares; nobody is replaced' },
          {},
          {},
          {},
          {
            text: 'spares are 127.0.0.1:8, 127.0.0.1:9 (zone b); a shard that has fewer than 2 nodes for 30 s gets one',
          },
        ],
      },
    },
  });
});

test('a wish that is none is refused with the reason, and nothing is kept of it', async () => {
  const api = await withCluster();
  const many = Array.from({ length: 65 }, (_, index) => `10.0.0.1:${index + 1}`);
  for (const [body, why] of [
    [{}, 'expected at least one of "nodes", "copies" and "replace_after_seconds"'],
    [{ nodes: null }, 'expected at least one of "nodes", "copies" and "replace_after_seconds"'],
    [{ spare: [] }, expect.stringMatching(/^unknown key "spare"/)],
    [{ nodes: '127.0.0.1:8' }, 'nodes: expected a list of spares'],
    [{ nodes: many }, 'nodes: expected at most 64'],
    [{ nodes: [7] }, expect.stringMatching(/^nodes\.0: expected a "host:port" text, or an object/)],
    [{ nodes: [{ addr: 7 }] }, 'nodes.0.addr: expected a "host:port" text'],
    [{ nodes: [{ addr: 'h:1', zones: 'a' }] }, 'nodes.0: unknown key "zones"; did you mean "zone"?'],
    [
      { nodes: ['h:1', { addr: 'h:2', passwd: 'secret' }] },
      'nodes.1: unknown key "passwd"; did you mean "password"?',
    ],
    [{ nodes: [{}] }, 'nodes.0.addr: expected a "host:port" text'],
    [{ nodes: [{ addr: 'h:1', zone: 'a b' }] }, expect.stringMatching(/^nodes\.0\.zone: expected letters/)],
    [{ nodes: ['nowhere'] }, expect.stringMatching(/^nodes\[0\]: "nowhere" is not host:port/)],
    [{ nodes: ['0.0.0.0:8'] }, expect.stringMatching(/^nodes\[0\]: 0\.0\.0\.0:8 stands for every address/)],
    [{ nodes: ['h:8', { addr: 'H:8' }] }, 'nodes[1]: h:8 is listed twice'],
    [{ nodes: [SELF] }, expect.stringMatching(/is member 1 of this group of controllers/)],
    [{ copies: 0 }, 'copies: expected 1 or more, or null'],
    [{ copies: 17 }, 'copies: expected at most 16'],
    [{ copies: 1.5 }, 'copies: expected a whole number, or null'],
    [{ replace_after_seconds: 0 }, 'replace_after_seconds: expected 1 or more'],
    [{ replace_after_seconds: 1e9 }, 'replace_after_seconds: expected at most 2592000'],
  ] as const) {
    expect(await api.call('PUT', SPARES, body)).toMatchObject({ status: 400, body: failure(why) });
  }
  for (const [addr, why] of [
    ['127.0.0.1:2', /belongs to cluster c of namespace ns$/],
    ['127.0.0.1:3', /belongs to cluster d of namespace ns$/],
  ] as const)
    expect(await api.call('PUT', SPARES, { nodes: [addr] })).toMatchObject({
      status: 409,
      body: failure(expect.stringMatching(why)),
    });
  expect(api.registry.policies.ofCluster(PLACE).spares.nodes).toEqual([]);
  for (const method of ['GET', 'PUT'])
    expect(
      (await api.call(method, SPARES.replace('/c/', '/e/'), method === 'PUT' ? { copies: 2 } : undefined))
        .status,
    ).toBe(404);
  api.featureLevel = 4;
  expect(await api.call('PUT', SPARES, { copies: 2 })).toMatchObject({
    status: 409,
    body: failure(expect.stringContaining('needs feature level 5')),
  });
});

test('one without a password has that of all nodes; whose it is is told, and never which', async () => {
  const api = await withCluster();
  await api.call('PUT', SPARES, { nodes: ['127.0.0.1:8', { addr: '127.0.0.1:9', password: 'hush' }] });
  const patched = await api.call('PATCH', CLUSTER, { password: 'sesame', force: true });
  expect(patched.status).toBe(200);
  const answer = await api.call('GET', SPARES);
  expect([spareOf(answer), spareOf(answer, 1)]).toMatchObject([{ login: 'cluster' }, { login: 'own' }]);
  expect(JSON.stringify(answer.body)).not.toMatch(/sesame|hush/);
});

test('whoever asks how they are, or changes what is wanted, has them looked at', async () => {
  const api = await withCluster();
  api.nudged.length = 0;
  await api.call('PUT', SPARES, { nodes: ['127.0.0.1:8'] });
  await api.call('GET', SPARES);
  expect(api.nudged).toEqual(['spares of ns/c', 'spares of ns/c']);
});

test('a spare is taken in by nobody before it is off the list', async () => {
  const api = await withCluster();
  api.fleet.add('127.0.0.1:8');
  await api.call('PUT', SPARES, { nodes: ['127.0.0.1:8'] });
  const why = /127\.0\.0\.1:8 is a spare of cluster c of namespace ns; take it off that list first/;
  for (const [path, body] of [
    ['/api/v1/namespaces/ns/clusters', { name: 'e', nodes: ['127.0.0.1:8'] }],
    [`${CLUSTER}/shards/0/nodes`, { addr: '127.0.0.1:8' }],
    [`${CLUSTER}/shards`, { nodes: ['127.0.0.1:8'] }],
  ] as const)
    expect(await api.call('POST', path, body)).toMatchObject({
      status: 409,
      body: failure(expect.stringMatching(why)),
    });
  await api.call('PUT', SPARES, { nodes: [] });
  expect((await api.call('POST', `${CLUSTER}/shards/0/nodes`, { addr: '127.0.0.1:8' })).status).toBe(201);
});

test('what is known of each is shown, and of each shard that is short what comes next', async () => {
  const api = await withCluster();
  await api.call('PUT', SPARES, { nodes: ['127.0.0.1:8'], copies: 2, replace_after_seconds: 60 });
  const scene = new Scene(1, 2);
  scene.policy = { ...scene.policy, cluster: api.registry.policies.ofCluster(PLACE) };
  const address = '127.0.0.1:8' as NodeAddress;
  const startedAtMs = scene.nowMs;
  scene.rounds(2);
  scene.fail(scene.id(0, 1), 'hang');
  scene.rounds(5);
  scene.decide();
  scene.tell({
    kind: 'spareLooked',
    look: {
      address,
      password: Secret.none,
      standing: { kind: 'hasData', why: 'it stands at sequence 5: stop it' },
      isToldApart: false,
      comparedAtMs: null,
      process: null,
      id: scene.id(0, 1),
      startedAtMs,
      endedAtMs: scene.nowMs,
    },
  });
  api.seen = {
    status: () =>
      clusterStatus({ namespace: name('ns'), cluster: scene.cluster }, lookAt(scene), {
        problems: scene.decide().problems,
        departed: [],
      }),
    tasks: () => new Map(),
    explain: (_, index) => explain(lookAt(scene), scene.cluster.shards[index]!),
  };
  const spares = {
    nodes: [
      {
        addr: address,
        state: 'hasData',
        reason: 'it stands at sequence 5: stop it',
        looked_at: expect.stringMatching(/^\d{4}-.*Z$/),
      },
    ],
    shards: [
      {
        shard: 0,
        there: 1,
        wanted: 2,
        since: expect.stringMatching(/Z$/),
        until: expect.stringMatching(/Z$/),
        plan: expect.stringMatching(/^a spare, once one is ready, would take the place of .* in 5\d s$/),
      },
    ],
  };
  expect(await api.call('GET', SPARES)).toMatchObject({ status: 200, body: { data: { spares } } });
  expect(await api.call('GET', `${CLUSTER}/status`)).toMatchObject({
    body: {
      data: {
        status: {
          spares,
          problems: expect.arrayContaining([expect.objectContaining({ kind: 'copiesMissing' })]),
        },
      },
    },
  });
  expect(await api.call('GET', `${CLUSTER}/shards/0/explain`)).toMatchObject({
    body: { data: { explain: { shard: 0, verdict: 'healthy', copies: spares.shards[0] } } },
  });
});
