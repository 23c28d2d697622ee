// The API's rules, over a real registry and a model of the nodes.

import { describe, expect, test } from 'vitest';

import { err, ok } from '../../../src/base/result.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { failure, said, SELF, testApi, type TestApi } from './support.ts';

const ROOT = '/api/v1/namespaces';

async function withCluster(nodes: readonly string[], replicas = 1): Promise<TestApi> {
  const api = testApi();
  api.fleet.add(...nodes);
  await api.call('POST', ROOT, { namespace: 'ns' });
  const created = await api.call('POST', `${ROOT}/ns/clusters`, {
    name: 'c',
    nodes,
    replicas,
    password: 'secret',
  });
  expect(created.status).toBe(201);
  return api;
}

async function getCluster(api: TestApi) {
  const { body } = await api.call('GET', `${ROOT}/ns/clusters/c`);
  return (body as { data: { cluster: { version: number; shards: Record<string, unknown>[] } } }).data.cluster;
}

describe('namespaces', () => {
  test('are created once, listed, found by GET and removed by DELETE', async () => {
    const api = testApi();
    expect(await api.call('POST', ROOT, { namespace: 'b' })).toMatchObject({
      status: 201,
      body: { data: 'created' },
    });
    expect(await api.call('POST', ROOT, { namespace: 'b' })).toMatchObject({
      status: 409,
      body: failure('the entry already existed'),
    });
    await api.call('POST', ROOT, { namespace: 'a' });
    expect((await api.call('GET', ROOT)).body).toEqual({ data: { namespaces: ['a', 'b'] } });
    expect(await api.call('GET', `${ROOT}/b`)).toMatchObject({ status: 200, body: { data: 'ok' } });
    expect((await api.call('GET', ROOT)).body).toEqual({ data: { namespaces: ['a', 'b'] } });
    expect(await api.call('DELETE', `${ROOT}/b`)).toMatchObject({ status: 200, body: { data: 'ok' } });
    expect(await api.call('GET', `${ROOT}/b`)).toMatchObject({
      status: 404,
      body: failure('the entry does not exist'),
    });
    expect(await api.call('DELETE', `${ROOT}/b`)).toMatchObject({ status: 404 });
  });

  test('that hold clusters are not removed', async () => {
    const api = await withCluster(['127.0.0.1:1']);
    expect(await api.call('DELETE', `${ROOT}/ns`)).toMatchObject({ status: 403 });
    await api.call('DELETE', `${ROOT}/ns/clusters/c`);
    expect(await api.call('DELETE', `${ROOT}/ns`)).toMatchObject({ status: 200 });
  });

  test.each([
    ['', 'the body is empty'],
    ['{', 'the body is not valid JSON'],
    ['[]', 'expected a JSON object'],
    ['{}', 'namespace: expected text'],
    [{ namespace: 3 }, 'namespace: expected text'],
    [{ namespace: '-x' }, 'namespace: "-x" is not a name'],
    [{ namespace: 'x'.repeat(64) }, 'is not a name'],
  ])('body %j is refused with the reason and stores nothing', async (body, reason) => {
    const api = testApi();
    const answer = await api.call('POST', ROOT, body);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body)).toContain(JSON.stringify(reason).slice(1, -1));
    expect((await api.call('GET', ROOT)).body).toEqual({ data: { namespaces: [] } });
  });
});

describe('clusters', () => {
  test('are laid out in consecutive groups with even slots and no password in the answer', async () => {
    const api = await withCluster(
      ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3', '127.0.0.1:4', '127.0.0.1:5', '127.0.0.1:6'],
      2,
    );
    const cluster = await getCluster(api);
    expect(cluster.version).toBe(1);
    expect(cluster.shards.map((shard) => shard['slot_ranges'])).toEqual([
      ['0-5460'],
      ['5461-10921'],
      ['10922-16383'],
    ]);
    expect(cluster.shards[0]).toMatchObject({
      nodes: [
        { addr: '127.0.0.1:1', role: 'master', password: '', master_auth: '' },
        { addr: '127.0.0.1:2', role: 'slave', password: '', master_auth: '' },
      ],
      import_slot: -1,
      migrating_slot: -1,
      target_shard_index: -1,
    });
    expect(JSON.stringify(cluster)).not.toContain('secret');
  });

  test('Prefer: return=representation returns the object', async () => {
    const api = testApi();
    api.fleet.add('127.0.0.1:1');
    await api.call('POST', ROOT, { namespace: 'ns' });
    const body = { name: 'c', nodes: ['127.0.0.1:1'] };
    const answer = await api.call('POST', `${ROOT}/ns/clusters`, body, { Prefer: 'return=representation' });
    expect(answer.status).toBe(201);
    expect(answer.headers.get('Preference-Applied')).toBe('return=representation');
    expect(answer.body).toMatchObject({ data: { cluster: { name: 'c', version: 1 } } });
  });

  test.each([
    [{ name: 'c', nodes: ['127.0.0.1'] }, 'nodes[0]: '],
    [{ name: 'c', nodes: ['127.0.0.1:70000'] }, 'nodes[0]: '],
    [{ name: 'c', nodes: ['127.0.0.1:1', '127.0.0.1:1'] }, 'nodes[1]: 127.0.0.1:1 is listed twice'],
    [
      { name: 'c', nodes: ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3'], replicas: 2 },
      'cannot be divided by replicas',
    ],
    [{ name: 'c', nodes: [] }, 'nodes: expected at least one'],
    [{ name: 'c', nodes: ['127.0.0.1:1'], replicas: '1' }, 'replicas: expected a whole number'],
    [{ name: 'c/d', nodes: ['127.0.0.1:1'] }, 'name: '],
  ])('%j is refused', async (body, reason) => {
    const api = testApi();
    api.fleet.add('127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3');
    await api.call('POST', ROOT, { namespace: 'ns' });
    const answer = await api.call('POST', `${ROOT}/ns/clusters`, body);
    expect(answer.status).toBe(400);
    expect(JSON.stringify(answer.body)).toContain(reason);
    expect((await api.call('GET', `${ROOT}/ns/clusters`)).body).toEqual({ data: { clusters: [] } });
  });

  test('an address belongs to one cluster in the whole controller', async () => {
    const api = await withCluster(['127.0.0.1:1']);
    await api.call('POST', ROOT, { namespace: 'other' });
    const answer = await api.call('POST', `${ROOT}/other/clusters`, { name: 'd', nodes: ['127.0.0.1:1'] });
    expect(answer.status).toBe(409);
    expect(JSON.stringify(answer.body)).toContain('belongs to cluster c of namespace ns');
  });

  test.each([
    [err({ kind: 'unreachable', message: 'connect ECONNREFUSED' } as const), 502],
    [err({ kind: 'timedOut', message: 'no answer in 3000 ms' } as const), 502],
    [err({ kind: 'wrongPassword', message: 'ERR Invalid password' } as const), 400],
    [err({ kind: 'clusterDisabled', message: '' } as const), 400],
    [err({ kind: 'notKvrocks', message: 'no kvrocks_version' } as const), 400],
    [said({ version: 4 }), 409],
  ])('a node that says %j is not taken, unless the check is waived', async (inspection, status) => {
    const api = testApi();
    api.fleet.set('127.0.0.1:1', inspection);
    await api.call('POST', ROOT, { namespace: 'ns' });
    const body = { name: 'c', nodes: ['127.0.0.1:1'] };
    expect((await api.call('POST', `${ROOT}/ns/clusters`, body)).status).toBe(status);
    const waived = await api.call('POST', `${ROOT}/ns/clusters`, body, {
      'X-Dont-Check-Cluster-Mode': 'yes',
    });
    expect(waived.status).toBe(201);
  });

  test('in a namespace that does not exist are 404', async () => {
    const api = testApi();
    expect((await api.call('GET', `${ROOT}/no/clusters`)).status).toBe(404);
    expect(
      (await api.call('POST', `${ROOT}/no/clusters`, { name: 'c', nodes: ['127.0.0.1:1'] })).status,
    ).toBe(404);
    expect((await api.call('GET', `${ROOT}/no/clusters/c`)).status).toBe(404);
    expect((await api.call('DELETE', `${ROOT}/no/clusters/c`)).status).toBe(404);
  });
});

describe('shards, nodes and slots', () => {
  test('a shard without slots shows null and can be removed', async () => {
    const api = await withCluster(['127.0.0.1:1']);
    api.fleet.add('127.0.0.1:2');
    expect((await api.call('POST', `${ROOT}/ns/clusters/c/shards`, { nodes: ['127.0.0.1:2'] })).status).toBe(
      201,
    );
    const { body } = await api.call('GET', `${ROOT}/ns/clusters/c/shards/1`);
    expect(body).toMatchObject({ data: { shard: { slot_ranges: null } } });
    expect((await api.call('DELETE', `${ROOT}/ns/clusters/c/shards/0`)).status).toBe(400);
    expect((await api.call('DELETE', `${ROOT}/ns/clusters/c/shards/1`)).status).toBe(200);
    expect((await api.call('GET', `${ROOT}/ns/clusters/c/shards/1`)).status).toBe(404);
  });

  test.each(['x', '-1', '1.5', ''])('shard index %j is refused', async (index) => {
    const api = await withCluster(['127.0.0.1:1']);
    const answer = await api.call('GET', `${ROOT}/ns/clusters/c/shards/${index}`);
    expect(answer.status).toBe(index === '' ? 404 : 400);
  });

  test('a replica is added and removed, a second master and the master itself are not', async () => {
    const api = await withCluster(['127.0.0.1:1']);
    api.fleet.add('127.0.0.1:2', '127.0.0.1:3');
    const nodes = `${ROOT}/ns/clusters/c/shards/0/nodes`;
    expect((await api.call('POST', nodes, { addr: '127.0.0.1:2', role: 'slave' })).status).toBe(201);
    expect((await api.call('POST', nodes, { addr: '127.0.0.1:2', role: 'slave' })).status).toBe(409);
    expect((await api.call('POST', nodes, { addr: '127.0.0.1:3', role: 'master' })).status).toBe(409);
    expect((await api.call('POST', nodes, { addr: '127.0.0.1:3', role: 'king' })).status).toBe(400);
    const listed = await api.call('GET', nodes);
    const [master, replica] = (listed.body as { data: { nodes: { id: string }[] } }).data.nodes;
    expect((await api.call('DELETE', `${nodes}/${master?.id}`)).status).toBe(400);
    expect((await api.call('DELETE', `${nodes}/${replica?.id}`)).status).toBe(200);
    expect((await api.call('DELETE', `${nodes}/${replica?.id}`)).status).toBe(404);
    expect((await getCluster(api)).version).toBe(3);
  });

  test('slots are taken away and given back, not twice', async () => {
    const api = await withCluster(['127.0.0.1:1']);
    const slots = `${ROOT}/ns/clusters/c/shards/0/slots`;
    expect((await api.call('DELETE', slots, { slots: ['1', '3-4'] })).status).toBe(200);
    expect((await getCluster(api)).shards[0]).toMatchObject({ slot_ranges: ['0', '2', '5-16383'] });
    expect((await api.call('DELETE', slots, { slots: ['1'] })).status).toBe(400);
    expect((await api.call('POST', slots, { slots: ['1', '3-4'] })).status).toBe(200);
    expect((await api.call('POST', slots, { slots: ['1'] })).status).toBe(400);
    expect((await getCluster(api)).shards[0]).toMatchObject({ slot_ranges: ['0-16383'] });
  });
});

describe('migrations', () => {
  test.each([
    [123, 123],
    ['123', 123],
    ['0-5', '0-5'],
    ['0', 0],
    ['8191', 8191],
  ])('slot %j is recorded as a migration, the version stays', async (slot, shown) => {
    const api = await withCluster(['127.0.0.1:1', '127.0.0.1:2']);
    const path = `${ROOT}/ns/clusters/c/migrate`;
    expect(await api.call('POST', path, { target: 1, slot })).toMatchObject({ body: { data: 'ok' } });
    expect((await getCluster(api)).version).toBe(1);
    const { body } = await api.call('GET', `${ROOT}/ns/clusters/c/migrations/1`);
    expect(body).toMatchObject({
      data: { migration: { state: 'pending', ranges: [{ slots: String(shown), source: 0, target: 1 }] } },
    });
  });

  test.each([
    [123, 123],
    ['0-5', '0-5'],
  ])('slot %j is recorded as a job while some member does not know tasks', async (slot, shown) => {
    const api = await withCluster(['127.0.0.1:1', '127.0.0.1:2']);
    api.featureLevel = 5;
    const answer = await api.call('POST', `${ROOT}/ns/clusters/c/migrate`, {
      target: 1,
      slot,
      slot_only: 'false',
    });
    expect(answer).toMatchObject({ status: 200, body: { data: 'ok' } });
    const cluster = await getCluster(api);
    expect(cluster.version).toBe(1);
    expect(cluster.shards[0]).toMatchObject({
      migrating_slot: shown,
      target_shard_index: 1,
      import_slot: -1,
    });
    expect(cluster.shards[1]).toMatchObject({
      migrating_slot: -1,
      target_shard_index: -1,
      import_slot: shown,
    });
  });

  test.each([[{ slot_only: true }], [{ slot_only: 'true' }], [{ slotOnly: 'true' }]])(
    '%j moves ownership at once',
    async (flag) => {
      const api = await withCluster(['127.0.0.1:1', '127.0.0.1:2']);
      await api.call('POST', `${ROOT}/ns/clusters/c/migrate`, { target: 1, slot: '0-5', ...flag });
      const cluster = await getCluster(api);
      expect(cluster.version).toBe(2);
      expect(cluster.shards.map((shard) => shard['slot_ranges'])).toEqual([
        ['6-8191'],
        ['0-5', '8192-16383'],
      ]);
    },
  );

  test.each([
    [{ slot: 1 }, 400],
    [{ slot: 1, target: 'x' }, 400],
    [{ slot: 1, target: -1 }, 400],
    [{ slot: 1, target: 7 }, 404],
    [{ slot: 16384, target: 1 }, 400],
    [{ slot: '9-5', target: 1 }, 400],
    [{ slot: '8191-8192', target: 1 }, 400],
    [{ slot: 9000, target: 1 }, 400],
    [{ target: 1 }, 400],
    [{ slot: 1, target: 1, slot_only: 'maybe' }, 400],
  ])('%j is refused with %i', async (body, status) => {
    const api = await withCluster(['127.0.0.1:1', '127.0.0.1:2']);
    const before = await getCluster(api);
    expect((await api.call('POST', `${ROOT}/ns/clusters/c/migrate`, body)).status).toBe(status);
    expect(await getCluster(api)).toEqual(before);
  });

  test('KC4: only changes of its two shards are refused while one runs', async () => {
    const api = await withCluster(['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3']);
    api.fleet.add('127.0.0.1:4', '127.0.0.1:5');
    // What a leader begins, once it sees the nodes, is recorded at once as long as some member does not know tasks.
    api.featureLevel = 5;
    await api.call('POST', `${ROOT}/ns/clusters/c/migrate`, { target: 1, slot: 5 });
    for (const end of [0, 1]) {
      const answer = await api.call('POST', `${ROOT}/ns/clusters/c/shards/${end}/nodes`, {
        addr: '127.0.0.1:4',
      });
      expect(answer.status).toBe(409);
      expect(JSON.stringify(answer.body)).toContain('are moving from shard 0 to shard 1');
    }
    const elsewhere = await api.call('POST', `${ROOT}/ns/clusters/c/shards/2/nodes`, { addr: '127.0.0.1:4' });
    expect(elsewhere.status).toBe(201);
    const shard = await api.call('POST', `${ROOT}/ns/clusters/c/shards`, { nodes: ['127.0.0.1:5'] });
    expect(shard.status).toBe(201);
  });
});

describe('failover', () => {
  const path = `${ROOT}/ns/clusters/c/shards/0/failover`;
  const id = 'a'.repeat(40) as NodeId;

  test.each([[undefined], ['{}'], [{ preferred_node_id: '' }]])(
    'body %j means the best replica',
    async (body) => {
      const api = await withCluster(['127.0.0.1:1']);
      api.failover = (request) =>
        Promise.resolve(
          request.preferred === null ? ok({ newMaster: id, warning: null }) : err({ kind: 'missing' }),
        );
      expect(await api.call('POST', path, body)).toMatchObject({
        status: 200,
        body: { data: { new_master_id: id } },
      });
    },
  );

  test('a refusal carries its reason', async () => {
    const api = await withCluster(['127.0.0.1:1']);
    api.failover = () => Promise.resolve(err({ kind: 'refused', reason: 'it is loading its data' }));
    expect(await api.call('POST', path, { preferred_node_id: id })).toMatchObject({
      status: 409,
      body: failure('it is loading its data'),
    });
    expect((await api.call('POST', path, { preferred_node_id: 'short' })).status).toBe(400);
  });

  test('a change that some member could not read is refused with both levels and the remedy', async () => {
    const api = await withCluster(['127.0.0.1:1']);
    api.failover = () => Promise.resolve(err({ kind: 'featureLevel', needed: 2, current: 1 }));
    expect(await api.call('POST', path)).toMatchObject({
      status: 409,
      body: failure(
        'this needs feature level 2 and the group is at level 1: some controller still runs an earlier release, or is held at its level; update all of them first',
      ),
    });
  });
});

describe('the group', () => {
  test('a follower redirects with the raw target, also writes', async () => {
    const api = testApi();
    api.status = {
      self: 1,
      term: 3,
      leader: { id: 2, address: '127.0.0.1:9380' as typeof SELF },
    };
    const answer = await api.call('POST', `${ROOT}/a%2Fb?x=%20y`, { a: 1 });
    expect(answer.status).toBe(405);
    const get = await api.call('GET', `${ROOT}/a%2Fb?x=%20y`);
    expect(get.status).toBe(307);
    expect(get.headers.get('Location')).toBe(`http://127.0.0.1:9380${ROOT}/a%2Fb?x=%20y`);
    expect((await api.call('POST', ROOT, { namespace: 'a' })).status).toBe(307);
  });

  test('without a leader the answer is 503 with Retry-After, but own routes answer', async () => {
    const api = testApi();
    api.status = { self: 1, term: 3, leader: null };
    const answer = await api.call('GET', ROOT);
    expect(answer).toMatchObject({ status: 503, body: failure('no leader now, please retry later') });
    expect(answer.headers.get('Retry-After')).toBe('1');
    expect((await api.call('GET', '/api/v1/controller/leader')).body).toEqual({
      data: { leader: null, term: 3 },
    });
    expect((await api.call('GET', '/api/v1/raft/peers')).body).toMatchObject({
      data: { leader: 0, peers: { 1: SELF } },
    });
    expect((await api.call('GET', '/metrics')).body).toBe('metric 1\n');
  });

  test('/livez and /readyz answer 200, or 503 with the names of the checks that fail; `verbose` names the others, too', async () => {
    const api = testApi();
    for (const path of ['/livez', '/healthz', '/readyz', '/readyz?role=leader'])
      expect(await api.call('GET', path), path).toMatchObject({ status: 200, body: { data: 'ok' } });
    api.unready = { applied: 'far behind' };
    expect(await api.call('GET', '/readyz')).toMatchObject({
      status: 503,
      body: { error: { message: 'applied: far behind', failing: ['applied'] } },
    });
    expect((await api.call('GET', '/readyz?role=leader&verbose')).body).toEqual({
      error: {
        message: 'applied: far behind',
        failing: ['applied'],
        checks: [
          { name: 'role', ok: true, problem: null },
          { name: 'applied', ok: false, problem: 'far behind' },
        ],
      },
    });
    expect((await api.call('GET', '/livez?verbose')).body).toEqual({
      data: { checks: [{ name: 'log', ok: true, problem: null }] },
    });
    expect((await api.call('GET', '/readyz?role=follower')).status).toBe(400);
    api.dying = { log: 'disk on fire' };
    expect(await api.call('GET', '/healthz')).toMatchObject({
      status: 503,
      body: { error: { failing: ['log'] } },
    });
  });

  test('a lead lost in between is 503, an unknown outcome 504, a full queue 429', async () => {
    const api = testApi();
    api.group.fates = ['overloaded'];
    expect((await api.call('POST', ROOT, { namespace: 'a' })).status).toBe(429);
    api.group.fates = Array.from({ length: 1000 }, () => 'lost' as const);
    expect((await api.call('POST', ROOT, { namespace: 'a' })).status).toBe(504);
    api.group.isReadLost = true;
    expect((await api.call('GET', ROOT)).status).toBe(503);
    api.group.isReadLost = false;
    api.group.isLeader = false;
    expect((await api.call('GET', ROOT)).status).toBe(503);
    expect((await api.call('POST', ROOT, { namespace: 'a' })).status).toBe(503);
  });

  test('a retry after an unknown outcome is applied once', async () => {
    const api = testApi();
    api.group.fates = ['late'];
    expect((await api.call('POST', ROOT, { namespace: 'a' })).status).toBe(201);
    expect((await api.call('GET', ROOT)).body).toEqual({ data: { namespaces: ['a'] } });
  });

  test('unknown routes are 404, wrong methods 405 with Allow, large bodies 413', async () => {
    const api = testApi();
    expect(await api.call('GET', '/api/v1/nope')).toMatchObject({ status: 404 });
    const wrong = await api.call('PUT', ROOT, {});
    expect(wrong.status).toBe(405);
    expect(wrong.headers.get('Allow')).toBe('GET, HEAD, POST');
    const large = await api.call('POST', ROOT, { namespace: 'x'.repeat(1024 * 1024) });
    expect(large.status).toBe(413);
  });

  test('KD3e: requests are counted under their route and never under a raw path', async () => {
    const api = testApi();
    await api.call('GET', `${ROOT}/some-name`);
    await api.call('GET', '/very/own/path');
    expect(api.requests).toEqual([
      { method: 'GET', uri: '/api/v1/namespaces/:namespace', code: 404 },
      { method: 'GET', uri: '/not_found', code: 404 },
    ]);
  });
});
