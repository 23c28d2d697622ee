// Wishes about the automation as people send them.

import { expect, test } from 'vitest';

import { err, ok } from '../../../src/base/result.ts';
import { promote } from '../../../src/topology/change-nodes.ts';
import { allNodes, masterOf } from '../../../src/topology/cluster.ts';
import { isQuarantined } from '../../../src/topology/policy.ts';
import { name } from '../topology/arbitrary.ts';
import { failure, testApi, type TestApi } from './support.ts';

const GROUP = '/api/v1/automation';
const CLUSTER = '/api/v1/namespaces/ns/clusters/c';
const AUTOMATION = `${CLUSTER}/automation`;

async function withCluster(): Promise<TestApi> {
  const api = testApi();
  api.fleet.add('127.0.0.1:1', '127.0.0.1:2');
  await api.call('POST', '/api/v1/namespaces', { namespace: 'ns' });
  const body = { name: 'c', nodes: ['127.0.0.1:1', '127.0.0.1:2'], replicas: 2 };
  expect((await api.call('POST', '/api/v1/namespaces/ns/clusters', body)).status).toBe(201);
  return api;
}

const ON = { failover: 'on', until: null, reason: '', set_at: null, ignore_mass_failure: false };

function nodePath(api: TestApi, index: number): string {
  const record = api.registry.getCluster(name('ns'), name('c'))!;
  return `${CLUSTER}/shards/0/nodes/${allNodes(record.cluster)[index]!.node.id}`;
}

test('automation is on until somebody pauses it, for one cluster or for all; "on" takes that back', async () => {
  const api = await withCluster();
  for (const path of [GROUP, AUTOMATION]) {
    const nothing = { status: 200, body: { data: { automation: ON, effective: { ...ON, by: null } } } };
    expect(await api.call('GET', path)).toMatchObject(nothing);
    const paused = { failover: 'paused', until: '2030-01-01T00:00:00Z', reason: 'we move racks' };
    const by = path === GROUP ? 'group' : 'cluster';
    expect(await api.call('PUT', path, paused)).toMatchObject({
      status: 200,
      body: { data: { automation: paused, effective: { ...paused, by } } },
    });
    expect(await api.call('GET', path)).toMatchObject({ body: { data: { automation: paused } } });
    // The group's pause counts for the cluster, whatever that has of its own.
    if (path === GROUP)
      expect(await api.call('GET', AUTOMATION)).toMatchObject({
        body: { data: { automation: ON, effective: { ...paused, by: 'group' } } },
      });
    expect(await api.call('PUT', path, { failover: 'on' })).toMatchObject(nothing);
  }
});

test('a wish that is not one is refused, and nothing is kept of it', async () => {
  const api = await withCluster();
  for (const [body, why] of [
    [{}, 'failover: expected "on", "dry-run" or "paused"'],
    [{ failover: 'off' }, 'failover: expected "on", "dry-run" or "paused"'],
    [
      { failover: 'paused', until: 'tomorrow' },
      expect.stringMatching(/^until: expected a time with its zone/),
    ],
    [{ failover: 'paused', until: '2031-01-01T00:00:00' }, expect.stringMatching(/^until: expected a time/)],
    [{ failover: 'paused', until: '2031-13-01T00:00:00Z' }, expect.stringMatching(/^until: expected a time/)],
    [
      { failover: 'paused', until: '1970-01-01T00:00:00Z' },
      expect.stringMatching(/in the past; the clock of this controller says/),
    ],
    [{ failover: 'paused', reason: 'x'.repeat(201) }, 'reason: expected at most 200 characters'],
    [{ failover: 'paused', untill: null }, 'unknown key "untill"; did you mean "until"?'],
  ] as const) {
    expect(await api.call('PUT', AUTOMATION, body)).toMatchObject({ status: 400, body: failure(why) });
    expect(await api.call('PUT', GROUP, body)).toMatchObject({ status: 400, body: failure(why) });
  }
  expect(await api.call('GET', AUTOMATION)).toMatchObject({ body: { data: { automation: ON } } });
  const elsewhere = AUTOMATION.replace('/c/', '/d/');
  for (const method of ['GET', 'PUT'])
    expect(
      (await api.call(method, elsewhere, method === 'PUT' ? { failover: 'on' } : undefined)).status,
    ).toBe(404);
  api.featureLevel = 3;
  expect(await api.call('PUT', AUTOMATION, { failover: 'paused' })).toMatchObject({
    status: 409,
    body: failure(expect.stringContaining('needs feature level 4')),
  });
});

test('a replica goes into maintenance and out of it again', async () => {
  const api = await withCluster();
  const path = `${nodePath(api, 1)}/maintenance`;
  expect(await api.call('GET', path)).toMatchObject({ status: 200, body: { data: { maintenance: null } } });
  const wish = { until: '2030-01-01T00:00:00.5+02:00', reason: 'new disk' };
  const maintenance = { until: '2029-12-31T22:00:01Z', reason: 'new disk' };
  expect(await api.call('PUT', path, wish)).toMatchObject({ status: 200, body: { data: { maintenance } } });
  expect(await api.call('GET', path)).toMatchObject({ body: { data: { maintenance } } });
  expect(await api.call('DELETE', path)).toMatchObject({ status: 200, body: { data: 'ok' } });
  expect(await api.call('GET', path)).toMatchObject({ body: { data: { maintenance: null } } });
  expect((await api.call('PUT', path.replace(/nodes\/./, 'nodes/_'), {})).status).toBe(404);
});

test('a master hands its shard over first; if nobody takes it, it stays in service, but by force', async () => {
  const api = await withCluster();
  const path = `${nodePath(api, 0)}/maintenance`;
  expect(await api.call('PUT', path, { reason: 'new disk' })).toMatchObject({
    status: 409,
    body: failure(expect.stringMatching(/^no replica; the node stays in service. With "force": true/)),
  });
  expect(await api.call('GET', path)).toMatchObject({ body: { data: { maintenance: null } } });
  const asked: unknown[] = [];
  const successor = allNodes(api.registry.getCluster(name('ns'), name('c'))!.cluster)[1]!.node.id;
  api.failover = (request) => {
    asked.push(request);
    return Promise.resolve(ok({ newMaster: successor, warning: null }));
  };
  expect(await api.call('PUT', path, {})).toMatchObject({
    status: 200,
    body: { data: { maintenance: { until: null }, new_master_id: successor } },
  });
  expect(asked).toMatchObject([{ shardIndex: 0, preferred: null, isForced: false }]);
  const warning = 'the master did not answer and handed nothing over';
  api.failover = () => Promise.resolve(ok({ newMaster: successor, warning }));
  expect(await api.call('PUT', path, {})).toMatchObject({ body: { data: { warning } } });
  api.failover = () => Promise.resolve(err({ kind: 'missing' }));
  expect(await api.call('PUT', path, { force: true })).toMatchObject({ status: 200 });
});

test('a node that is no master any more by then hands nothing over, and a hand-over that only came at a bad time is tried again', async () => {
  const api = await withCluster();
  const path = `${nodePath(api, 0)}/maintenance`;
  const record = api.registry.getCluster(name('ns'), name('c'))!;
  const [old, successor] = allNodes(record.cluster).map(({ node }) => node.id);
  const answers: string[] = ['another failover of this cluster is under way, please retry'];
  api.failover = async (request) => {
    expect(request.onlyFrom).toBe(old);
    const passing = answers.shift();
    if (passing !== undefined) return err({ kind: 'refused', reason: passing });
    // Somebody else is faster.
    const next = promote(record.cluster, 0, successor!);
    if (!next.ok) throw new Error('it can be promoted');
    expect((await api.registry.replaceCluster(record, next.value)).ok).toBe(true);
    return err({ kind: 'refused', reason: 'the master of this shard has changed meanwhile' });
  };
  expect(await api.call('PUT', path, { reason: 'new disk' })).toMatchObject({
    status: 200,
    body: { data: { maintenance: { reason: 'new disk' } } },
  });
  expect(masterOf(api.registry.getCluster(name('ns'), name('c'))!.cluster.shards[0]!).id).toBe(successor);
  // Offered as a way out is force only where waiting is none.
  const busy = await withCluster();
  busy.failover = () => Promise.resolve(err({ kind: 'refused', reason: 'under way, please retry' }));
  expect(await busy.call('PUT', `${nodePath(busy, 0)}/maintenance`, {})).toMatchObject({
    status: 409,
    body: failure('under way, please retry'),
  });
});

test('while some member could not read it, nothing is done for a wish either', async () => {
  const api = await withCluster();
  api.featureLevel = 3;
  let asked = 0;
  api.failover = () => {
    asked += 1;
    return Promise.resolve(err({ kind: 'missing' }));
  };
  for (const [method, path, body] of [
    ['PUT', `${nodePath(api, 0)}/maintenance`, {}],
    ['PATCH', nodePath(api, 1), { password: 'new', zone: 'a' }],
    ['PATCH', CLUSTER, { password: 'new', on_divergence: 'quarantine' }],
  ] as const)
    expect((await api.call(method, path, body)).status).toBe(409);
  expect(asked).toBe(0);
  const { cluster } = api.registry.getCluster(name('ns'), name('c'))!;
  expect(allNodes(cluster).every(({ node }) => node.password.isEmpty)).toBe(true);
});

test('a day that is none is no time, nor is one that no year of four digits has', async () => {
  const api = await withCluster();
  for (const until of ['2027-02-30T00:00:00Z', '9999-12-31T23:59:59-23:59', '2030-01-01T24:30:00Z'])
    expect((await api.call('PUT', AUTOMATION, { failover: 'paused', until })).status).toBe(400);
  expect(
    (await api.call('PUT', AUTOMATION, { failover: 'paused', until: '9999-12-31T23:59:59Z' })).status,
  ).toBe(200);
});

test('priority and zone of a node are changed together or alone, with its password or without', async () => {
  const api = await withCluster();
  const path = nodePath(api, 1);
  const said = (): unknown => [
    ...api.registry.policies.ofCluster({ namespace: name('ns'), cluster: name('c') }).nodes.values(),
  ];
  expect((await api.call('PATCH', path, { failover_priority: 0, zone: 'rack-1' })).status).toBe(200);
  expect(said()).toMatchObject([{ failoverPriority: 0, zone: 'rack-1' }]);
  expect((await api.call('PATCH', path, { zone: '' })).status).toBe(200);
  expect((await api.call('PATCH', path, { password: 'hush', failover_priority: 100 })).status).toBe(200);
  expect(said()).toEqual([]);
  expect(allNodes(api.registry.getCluster(name('ns'), name('c'))!.cluster)[1]!.node.password.reveal()).toBe(
    'hush',
  );
  for (const [body, why] of [
    [{}, 'expected at least one of "addr", "password", "failover_priority" and "zone"'],
    [{ force: true }, 'expected at least one of "addr", "password", "failover_priority" and "zone"'],
    [{ failover_priority: -1 }, 'failover_priority: expected 0 (never takes over by itself) or more'],
    [{ failover_priority: 1001 }, 'failover_priority: expected at most 1000'],
    [{ failover_priority: 0.5 }, 'failover_priority: expected a whole number'],
    [{ zone: 'a b' }, expect.stringMatching(/^zone: expected letters/)],
  ] as const)
    expect(await api.call('PATCH', path, body)).toMatchObject({ status: 400, body: failure(why) });
});

test('what diverges is kept or made anew as said, and a copy is made anew when somebody asks for it', async () => {
  const api = await withCluster();
  const place = { namespace: name('ns'), cluster: name('c') };
  expect((await api.call('PATCH', CLUSTER, { on_divergence: 'quarantine' })).status).toBe(200);
  expect(api.registry.policies.ofCluster(place).onDivergence).toBe('quarantine');
  for (const [body, why] of [
    [{}, 'expected at least one of "password" and "on_divergence"'],
    [{ on_divergence: 'drop' }, 'on_divergence: expected "resync" or "quarantine"'],
  ] as const)
    expect(await api.call('PATCH', CLUSTER, body)).toMatchObject({ status: 400, body: failure(why) });
  const [master, replica] = [nodePath(api, 0), nodePath(api, 1)].map((path) => `${path}/resync`);
  expect(await api.call('POST', master!, { force: true })).toMatchObject({
    status: 409,
    body: failure(expect.stringContaining('is the master of its shard')),
  });
  expect(await api.call('POST', replica!, {})).toMatchObject({
    status: 409,
    body: failure(expect.stringContaining('is a proven one; with "force": true')),
  });
  expect((await api.call('POST', replica!, { force: true })).status).toBe(200);
  const { cluster, facts } = api.registry.getCluster(place.namespace, place.cluster)!;
  const { id } = allNodes(cluster)[1]!.node;
  const remake = facts.nodes.get(id)?.remake ?? '';
  expect(remake).toBe('somebody has asked for a new copy');
  // Asked for is allowed, also in quarantine.
  expect(isQuarantined(api.registry.policies.ofCluster(place), id, remake)).toBe(false);
  expect(isQuarantined(api.registry.policies.ofCluster(place), id, 'it stands at sequence 120')).toBe(true);
  expect(api.nudged).toContain('ns/c');
});
