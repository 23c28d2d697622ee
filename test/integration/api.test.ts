// Every documented route and every rule about answers, asked of real processes and real nodes.

import { Readable } from 'node:stream';

import { describe, expect, test } from 'vitest';

import type { Answer, RequestOptions } from '../support/api-client.ts';
import { freePort } from '../support/free-port.ts';
import { startKvrocksNode } from '../support/kvrocks-node.ts';
import { expectStatus, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';

const EXISTS = { error: { message: 'the entry already existed' } };
const MISSING = { error: { message: 'the entry does not exist' } };
const UNCHECKED = { headers: { 'X-Dont-Check-Cluster-Mode': 'yes' } };
const REPRESENTATION = { headers: { Prefer: 'return=representation' } };

const trio = useTrio();
const scene = useScenes(trio);

async function call(method: string, path: string, options: RequestOptions = {}): Promise<Answer> {
  const answer = await trio().api.send(method, path, options);
  expect(answer.headers['content-type']).toMatch(/^application\/json/);
  return answer;
}

/** A refusal: the status, the one error object, and what its message says. */
function expectRefused(answer: Answer, status: number, says: RegExp): void {
  expect(answer.status, answer.text).toBe(status);
  expect(Object.keys(answer.body)).toEqual(['error']);
  expect(Object.keys(answer.body.error)).toEqual(['message']);
  expect(answer.body.error.message).toMatch(says);
}

/** Everything the API shows of what is stored. */
async function stored(): Promise<unknown> {
  const all: Record<string, unknown> = {};
  const { namespaces } = (await call('GET', '/api/v1/namespaces')).body.data;
  for (const namespace of namespaces) {
    const { clusters } = (await call('GET', `/api/v1/namespaces/${namespace}/clusters`)).body.data;
    for (const cluster of clusters)
      all[`${namespace}/${cluster}`] = (
        await call('GET', `/api/v1/namespaces/${namespace}/clusters/${cluster}`)
      ).body;
    all[namespace] = clusters;
  }
  return all;
}

/** A cluster of two shards, two nodes each, whose nodes do not exist: nothing is checked, nothing is ever reached. */
async function paperCluster(stage: Scene, name = 'c'): Promise<readonly string[]> {
  await stage.makeNamespace();
  const nodes: string[] = [];
  for (let count = 0; count < 4; count += 1) nodes.push(`127.0.0.1:${await freePort()}`);
  const answer = await stage.api.post(
    `/api/v1/namespaces/${stage.namespace}/clusters`,
    { name, nodes, replicas: 2 },
    UNCHECKED,
  );
  expectStatus(answer, 201);
  return nodes;
}

describe('namespaces', () => {
  test('are created, listed and deleted; a GET of one changes nothing', async () => {
    const created = await call('POST', '/api/v1/namespaces', { body: { namespace: 'test-ns' } });
    expect([created.status, created.body]).toEqual([201, { data: 'created' }]);
    const again = await call('POST', '/api/v1/namespaces', { body: { namespace: 'test-ns' } });
    expect([again.status, again.body]).toEqual([409, EXISTS]);
    const list = await call('GET', '/api/v1/namespaces');
    expect([list.status, list.body]).toEqual([200, { data: { namespaces: ['test-ns'] } }]);
    for (let count = 0; count < 2; count += 1) {
      const one = await call('GET', '/api/v1/namespaces/test-ns');
      expect([one.status, one.body]).toEqual([200, { data: 'ok' }]);
    }
    const deleted = await call('DELETE', '/api/v1/namespaces/test-ns');
    expect([deleted.status, deleted.body]).toEqual([200, { data: 'ok' }]);
    for (const method of ['GET', 'DELETE']) {
      const gone = await call(method, '/api/v1/namespaces/test-ns');
      expect([gone.status, gone.body]).toEqual([404, MISSING]);
    }
    expect((await call('GET', '/api/v1/namespaces')).body).toEqual({ data: { namespaces: [] } });
  });

  test('with clusters cannot be deleted', async () => {
    const stage = scene();
    await paperCluster(stage);
    expectRefused(await call('DELETE', `/api/v1/namespaces/${stage.namespace}`), 403, /clusters/);
    expect((await call('GET', `/api/v1/namespaces/${stage.namespace}`)).status).toBe(200);
    expectStatus(await call('DELETE', stage.path('c')), 200);
    expectStatus(await call('DELETE', `/api/v1/namespaces/${stage.namespace}`), 200);
  });

  test('have names of 1 to 63 characters that need no escaping', async () => {
    for (const namespace of ['a', '7', 'A.b_c-d', `x${'y'.repeat(62)}`]) {
      expectStatus(await call('POST', '/api/v1/namespaces', { body: { namespace } }), 201);
      expectStatus(await call('DELETE', `/api/v1/namespaces/${namespace}`), 200);
    }
    const before = await stored();
    for (const namespace of [
      '',
      '-a',
      '.a',
      '_a',
      'a b',
      'a/b',
      'ä',
      'a\u0000',
      'x'.repeat(64),
      7,
      null,
      ['a'],
      undefined,
    ])
      expectRefused(await call('POST', '/api/v1/namespaces', { body: { namespace } }), 400, /^namespace: /);
    expect(await stored()).toEqual(before);
  });
});

describe('every route', () => {
  test('refuses what is not a JSON object', async () => {
    const stage = scene();
    await paperCluster(stage);
    const before = await stored();
    const targets = [
      '/api/v1/namespaces',
      `/api/v1/namespaces/${stage.namespace}/clusters`,
      stage.path('c', '/import'),
      stage.path('c', '/shards'),
      stage.path('c', '/shards/0/nodes'),
      stage.path('c', '/shards/0/slots'),
      stage.path('c', '/migrate'),
    ];
    for (const path of targets) {
      for (const rawBody of ['', '{', '{"a":1}}', 'nonsense', '[]', '"text"', '7', 'null', '\u0000'])
        expectRefused(await call('POST', path, { rawBody }), 400, /./);
    }
    for (const rawBody of ['{', '[]', '7', '{"preferred_node_id":7}'])
      expectRefused(await call('POST', stage.path('c', '/shards/0/failover'), { rawBody }), 400, /./);
    expect(await stored()).toEqual(before);
  });

  test('refuses bodies over 1 MiB with 413 and takes one of just below', async () => {
    const before = await stored();
    const body = (bytes: number) => `{"namespace":"big"${' '.repeat(bytes)}}`;
    expectRefused(await call('POST', '/api/v1/namespaces', { rawBody: body(1024 * 1024) }), 413, /1048576/);
    expect(await stored()).toEqual(before);
    expectStatus(await call('POST', '/api/v1/namespaces', { rawBody: body(1024 * 1024 - 100) }), 201);
    expectStatus(await call('DELETE', '/api/v1/namespaces/big'), 200);
    const chunked = async (bytes: number): Promise<Answer> =>
      call('POST', '/api/v1/namespaces', { rawBody: () => Readable.from([body(bytes)]) });
    expectRefused(await chunked(1024 * 1024), 413, /1048576/);
    expectStatus(await chunked(1024), 201);
    expectStatus(await call('DELETE', '/api/v1/namespaces/big'), 200);
  });

  test.each([
    ['PUT', '/api/v1/namespaces', 'GET, HEAD, POST'],
    ['POST', '/api/v1/namespaces/n', 'DELETE, GET, HEAD'],
    ['PATCH', '/api/v1/namespaces/n/clusters', 'GET, HEAD, POST'],
    ['POST', '/api/v1/namespaces/n/clusters/c', 'DELETE, GET, HEAD, PATCH'],
    ['GET', '/api/v1/namespaces/n/clusters/c/import', 'POST'],
    ['GET', '/api/v1/namespaces/n/clusters/c/migrate', 'POST'],
    ['DELETE', '/api/v1/namespaces/n/clusters/c/shards', 'GET, HEAD, POST'],
    ['GET', '/api/v1/namespaces/n/clusters/c/shards/0/failover', 'POST'],
    ['PUT', '/api/v1/namespaces/n/clusters/c/shards/0/slots', 'DELETE, POST'],
    ['GET', '/api/v1/namespaces/n/clusters/c/shards/0/nodes/x', 'DELETE, PATCH'],
    ['POST', '/healthz', 'GET, HEAD'],
  ])('%s %s is 405 with the methods that are allowed', async (method, path, allowed) => {
    const answer = await call(method, path);
    expectRefused(answer, 405, /./);
    expect(answer.headers['allow']).toBe(allowed);
  });

  test.each([
    '/',
    '/api',
    '/api/v1',
    '/api/v1/namespace',
    '/api/v1/namespaces/',
    '/api/v1/namespaces/n/clusters/c/x',
    '/api/v2/namespaces',
  ])('%s is 404', async (path) => {
    for (const method of ['GET', 'POST']) expectRefused(await call(method, path), 404, /./);
  });

  test('knows no entry in what does not exist', async () => {
    const stage = scene();
    await stage.makeNamespace();
    const cluster = { name: 'c', nodes: ['127.0.0.1:1'] };
    const slots = { slots: ['1'] };
    const requests: readonly (readonly [string, string, unknown?])[] = [
      ['GET', '/api/v1/namespaces/none/clusters'],
      ['POST', '/api/v1/namespaces/none/clusters', cluster],
      ['POST', '/api/v1/namespaces/none/clusters/c/import', { nodes: ['127.0.0.1:1'] }],
      ['GET', stage.path('none')],
      ['DELETE', stage.path('none')],
      ['GET', stage.path('none', '/shards')],
      ['POST', stage.path('none', '/shards'), { nodes: ['127.0.0.1:1'] }],
      ['GET', stage.path('none', '/shards/0')],
      ['DELETE', stage.path('none', '/shards/0')],
      ['POST', stage.path('none', '/shards/0/failover'), {}],
      ['POST', stage.path('none', '/shards/0/slots'), slots],
      ['DELETE', stage.path('none', '/shards/0/slots'), slots],
      ['GET', stage.path('none', '/shards/0/nodes')],
      ['POST', stage.path('none', '/shards/0/nodes'), { addr: '127.0.0.1:1' }],
      ['DELETE', stage.path('none', `/shards/0/nodes/${'a'.repeat(40)}`)],
      ['POST', stage.path('none', '/migrate'), { target: 0, slot: 1 }],
      ['GET', stage.path('-no-name')],
    ];
    for (const [method, path, body] of requests) {
      const answer = await call(method, path, body === undefined ? {} : { body });
      expect([method, path, answer.status, answer.body]).toEqual([method, path, 404, MISSING]);
    }
    await paperCluster(stage);
    for (const [method, path, body] of [
      ['GET', stage.path('c', '/shards/2')],
      ['DELETE', stage.path('c', '/shards/2')],
      ['GET', stage.path('c', '/shards/2/nodes')],
      ['POST', stage.path('c', '/shards/2/failover'), {}],
      ['POST', stage.path('c', '/shards/2/nodes'), { addr: '127.0.0.1:1' }],
      ['DELETE', stage.path('c', `/shards/0/nodes/${'a'.repeat(40)}`)],
      ['DELETE', stage.path('c', '/shards/0/nodes/short')],
      ['POST', stage.path('c', '/migrate'), { target: 2, slot: 1 }],
    ] as const) {
      const answer = await call(method, path, body === undefined ? {} : { body });
      expect([method, path, answer.status, answer.body]).toEqual([method, path, 404, MISSING]);
    }
  });

  test('with a shard in its path takes numbers only', async () => {
    const stage = scene();
    await paperCluster(stage);
    for (const shard of ['x', '-1', '1.0', '0x0', '%20', '1e1', '99999999999999']) {
      for (const [method, rest, body] of [
        ['GET', ''],
        ['DELETE', ''],
        ['GET', '/nodes'],
        ['POST', '/nodes', { addr: '127.0.0.1:1' }],
        ['POST', '/failover', {}],
        ['POST', '/slots', { slots: ['1'] }],
      ] as const)
        expectRefused(
          await call(method, stage.path('c', `/shards/${shard}${rest}`), body === undefined ? {} : { body }),
          400,
          /^shard: /,
        );
    }
  });
});

describe('clusters', () => {
  test('are created, shown, listed and deleted as documented', async () => {
    const stage = scene();
    const nodes = await stage.nodes(6);
    await stage.makeNamespace();
    const clusters = `/api/v1/namespaces/${stage.namespace}/clusters`;
    const body = {
      name: 'test-cluster',
      nodes: nodes.map((node) => node.address),
      replicas: 2,
      password: '',
    };
    const before = Math.floor(Date.now() / 1000);
    const created = await call('POST', clusters, { body });
    expect([created.status, created.body]).toEqual([201, { data: 'created' }]);
    const again = await call('POST', clusters, { body });
    expect([again.status, again.body]).toEqual([409, EXISTS]);
    expect((await call('GET', clusters)).body).toEqual({ data: { clusters: ['test-cluster'] } });

    const shown = (await call('GET', stage.path('test-cluster'))).body;
    const node = (index: number, role: string) => ({
      id: expect.stringMatching(/^[\x21-\x7e]{40}$/),
      addr: nodes[index]?.address,
      role,
      password: '',
      master_auth: '',
      created_at: expect.toSatisfy((at: unknown) => Number.isInteger(at) && Number(at) >= before),
    });
    const shard = (first: number, slots: string) => ({
      nodes: [node(first, 'master'), node(first + 1, 'slave')],
      slot_ranges: [slots],
      import_slot: -1,
      migrating_slot: -1,
      target_shard_index: -1,
    });
    const shards = [shard(0, '0-5460'), shard(2, '5461-10921'), shard(4, '10922-16383')];
    expect(shown).toEqual({ data: { cluster: { name: 'test-cluster', version: 1, shards } } });
    expect((await call('GET', stage.path('test-cluster', '/shards'))).body).toEqual({ data: { shards } });
    expect((await call('GET', stage.path('test-cluster', '/shards/1'))).body).toEqual({
      data: { shard: shards[1] },
    });
    expect((await call('GET', stage.path('test-cluster', '/shards/2/nodes'))).body).toEqual({
      data: { nodes: shards[2]?.nodes },
    });
    await stage.converged('test-cluster');

    const deleted = await call('DELETE', stage.path('test-cluster'));
    expect([deleted.status, deleted.body]).toEqual([200, { data: 'ok' }]);
    const gone = await call('GET', stage.path('test-cluster'));
    expect([gone.status, gone.body]).toEqual([404, MISSING]);
    expect((await call('GET', clusters)).body).toEqual({ data: { clusters: [] } });
  });

  test('are refused with the field and the reason when the request is wrong, and nothing is stored', async () => {
    const stage = scene();
    const [taken = ''] = await paperCluster(stage);
    const before = await stored();
    const clusters = `/api/v1/namespaces/${stage.namespace}/clusters`;
    const good = { name: 'x', nodes: ['127.0.0.1:6666', '127.0.0.1:6667'], replicas: 2 };
    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ name: undefined }, /^name: /],
      [{ name: 7 }, /^name: /],
      [{ name: '' }, /^name: /],
      [{ name: '-x' }, /^name: /],
      [{ name: 'x'.repeat(64) }, /^name: /],
      [{ nodes: undefined }, /^nodes: /],
      [{ nodes: [] }, /^nodes: /],
      [{ nodes: '127.0.0.1:6666' }, /^nodes: /],
      [{ nodes: [7, 8] }, /^nodes\.0: /],
      [{ nodes: ['127.0.0.1:6666', '127.0.0.1'] }, /^nodes\[1\]: .*host:port/],
      [{ nodes: ['127.0.0.1:6666', '127.0.0.1:0'] }, /^nodes\[1\]: .*port/],
      [{ nodes: ['127.0.0.1:6666', '127.0.0.1:65536'] }, /^nodes\[1\]: .*port/],
      [{ nodes: ['127.0.0.1:6666', ':6667'] }, /^nodes\[1\]: /],
      [{ nodes: ['127.0.0.1:6666', '::1:6667'] }, /^nodes\[1\]: .*brackets/],
      [{ nodes: ['127.0.0.1:6666', '127.0.0.256:6667'] }, /^nodes\[1\]: /],
      [{ nodes: ['127.0.0.1:6666', 'a b:6667'] }, /^nodes\[1\]: /],
      [{ nodes: ['127.0.0.1:6666', 'x:6667\n'] }, /^nodes\[1\]: /],
      [{ nodes: ['127.0.0.1:6666', '127.0.0.1:6666'] }, /nodes\[1\]: .*twice/],
      [{ nodes: ['Some.Host:6666', 'some.host:6666'] }, /nodes\[1\]: .*twice/],
      [{ replicas: 3 }, /^nodes: 2 .*replicas \(3\)/],
      [{ nodes: ['127.0.0.1:6666', '127.0.0.1:6667', '127.0.0.1:6668'] }, /^nodes: 3 .*replicas \(2\)/],
      [{ replicas: -1 }, /^replicas: /],
      [{ replicas: 1.5 }, /^replicas: /],
      [{ replicas: '2' }, /^replicas: /],
      [{ password: 7 }, /^password: /],
    ];
    for (const [change, says] of wrong)
      expectRefused(await call('POST', clusters, { body: { ...good, ...change }, ...UNCHECKED }), 400, says);
    const claimed = await call('POST', clusters, { body: { name: 'x', nodes: [taken] }, ...UNCHECKED });
    expectRefused(claimed, 409, new RegExp(`^the entry already existed.*${taken}`));
    expect(await stored()).toEqual(before);
  });

  test('with replicas 0 or none have one node a shard', async () => {
    const stage = scene();
    await stage.makeNamespace();
    for (const [name, replicas] of [
      ['zero', 0],
      ['none', undefined],
    ] as const) {
      const nodes = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
      const body = { name, nodes, replicas };
      expectStatus(
        await call('POST', `/api/v1/namespaces/${stage.namespace}/clusters`, { body, ...UNCHECKED }),
        201,
      );
      const view = await stage.view(name);
      expect(view.shards.map((shard) => [shard.nodes.length, shard.slot_ranges])).toEqual([
        [1, ['0-8191']],
        [1, ['8192-16383']],
      ]);
    }
  });

  test('take only nodes that are fit: reachable, in cluster mode, with the right password, in no cluster', async () => {
    const stage = scene();
    const [free, used] = await stage.nodes(2);
    if (free === undefined || used === undefined) throw new Error('two nodes');
    await stage.cluster('owner', [used]);
    const other = scene({ password: 'top-secret-27182' });
    const [locked] = await other.nodes(1);
    const plain = await startKvrocksNode({ port: await freePort(), conf: { 'cluster-enabled': 'no' } });
    try {
      const before = await stored();
      const create = async (node: string, password?: string): Promise<Answer> =>
        call('POST', `/api/v1/namespaces/${stage.namespace}/clusters`, {
          body: { name: 'x', nodes: [free.address, node], password },
        });
      const nobody = `127.0.0.1:${await freePort()}`;
      expectRefused(await create(nobody), 502, new RegExp(`${nobody}.*reached`));
      expectRefused(await create(plain.address), 400, new RegExp(`${plain.address}.*cluster`));
      expectRefused(await create(locked?.address ?? ''), 400, /^password: /);
      const wrong = await create(locked?.address ?? '', 'wrong-secret-31415');
      expectRefused(wrong, 400, /^password: /);
      expect(wrong.text).not.toContain('wrong-secret-31415');
      expectRefused(
        await create(used.address),
        409,
        new RegExp(`^the entry already existed.*${used.address}`),
      );
      // The controller forgets the cluster; the node still has its topology.
      expectStatus(await call('DELETE', stage.path('owner')), 200);
      expectRefused(await create(used.address), 409, /topology/);
      expect(before).not.toEqual(await stored());
      expect(
        (await call('GET', `/api/v1/namespaces/${stage.namespace}/clusters`)).body.data.clusters,
      ).toEqual([]);
    } finally {
      await plain.kill();
    }
  });

  test('never show a password, in no answer and no log', async () => {
    const password = 'top-secret-16180';
    const stage = scene({ password });
    const nodes = await stage.nodes(3);
    const texts: string[] = [];
    await stage.cluster('c', nodes.slice(0, 2), { replicas: 2 });
    texts.push(
      (
        await call('POST', stage.path('c', '/shards/0/nodes'), {
          body: { addr: nodes[2]?.address, role: 'slave', password },
          ...REPRESENTATION,
        })
      ).text,
      (await call('GET', stage.path('c'))).text,
      (await call('GET', stage.path('c', '/shards/0/nodes'))).text,
      (await call('GET', stage.path('c', '/shards'))).text,
      (await trio().api.get('/metrics')).text,
      ...trio().members.map((member) => member.logText()),
    );
    for (const text of texts) expect(text).not.toContain(password);
    const view = await stage.converged('c');
    expect(view.shards[0]?.nodes).toHaveLength(3);
  });
});

describe('Prefer: return=representation', () => {
  test('gets the object instead of the word, and the answer says so', async () => {
    const stage = scene();
    await stage.makeNamespace();
    const ports = [await freePort(), await freePort(), await freePort(), await freePort()];
    const nodes = ports.map((port) => `127.0.0.1:${port}`);
    const headers = { ...UNCHECKED.headers, ...REPRESENTATION.headers };
    const clusters = `/api/v1/namespaces/${stage.namespace}/clusters`;
    const created = await call('POST', clusters, { body: { name: 'c', nodes: nodes.slice(0, 2) }, headers });
    expect(created.status).toBe(201);
    expect(created.headers['preference-applied']).toBe('return=representation');
    expect(created.body).toEqual((await call('GET', stage.path('c'))).body);

    const shard = await call('POST', stage.path('c', '/shards'), {
      body: { nodes: nodes.slice(2, 3) },
      headers,
    });
    expect(shard.status).toBe(201);
    expect(shard.body).toEqual((await call('GET', stage.path('c', '/shards/2'))).body);

    const node = await call('POST', stage.path('c', '/shards/2/nodes'), {
      body: { addr: nodes[3] },
      headers,
    });
    expect(node.status).toBe(201);
    expect(node.body.data.node).toEqual((await stage.view('c')).shards[2]?.nodes[1]);

    const moved = await call('POST', stage.path('c', '/migrate'), {
      body: { target: 2, slot: 0, slot_only: true },
      headers,
    });
    expect(moved.status).toBe(200);
    expect(moved.body).toEqual((await call('GET', stage.path('c'))).body);

    const plain = await call('POST', stage.path('c', '/migrate'), {
      body: { target: 2, slot: 1, slot_only: true },
    });
    expect(plain.headers['preference-applied']).toBeUndefined();
    expect(plain.body).toEqual({ data: 'ok' });
  });
});

describe('shards and nodes', () => {
  test('are added, shown and removed; every change is a higher version that reaches every node', async () => {
    const stage = scene();
    const nodes = await stage.nodes(5);
    const [a, b, c, d, e] = nodes.map((node) => node.address);
    await stage.cluster('c', nodes.slice(0, 2), { replicas: 2 });

    const shard = await call('POST', stage.path('c', '/shards'), { body: { nodes: [c, d] } });
    expect([shard.status, shard.body]).toEqual([201, { data: 'created' }]);
    const withShard = await stage.converged('c');
    expect(withShard.version).toBe(2);
    expect(withShard.shards[1]?.slot_ranges).toBeNull();
    expect(withShard.shards[1]?.nodes.map((node) => [node.addr, node.role])).toEqual([
      [c, 'master'],
      [d, 'slave'],
    ]);

    const node = await call('POST', stage.path('c', '/shards/1/nodes'), {
      body: { addr: e, role: 'slave', password: '' },
    });
    expect([node.status, node.body]).toEqual([201, { data: 'created' }]);
    const withNode = await stage.converged('c');
    expect(withNode.version).toBe(3);
    expect(withNode.shards[1]?.nodes.map((each) => each.addr)).toEqual([c, d, e]);

    const added = withNode.shards[1]?.nodes[2]?.id ?? '';
    const removed = await call('DELETE', stage.path('c', `/shards/1/nodes/${added}`));
    expect([removed.status, removed.body]).toEqual([200, { data: 'ok' }]);
    expect((await stage.converged('c')).version).toBe(4);
    // The node that was removed may come back although it still knows the cluster.
    expectStatus(await call('POST', stage.path('c', '/shards/0/nodes'), { body: { addr: e } }), 201);
    expect((await stage.converged('c')).shards[0]?.nodes.map((each) => each.addr)).toEqual([a, b, e]);

    const gone = await call('DELETE', stage.path('c', '/shards/1'));
    expect([gone.status, gone.body]).toEqual([200, { data: 'ok' }]);
    expect((await stage.converged('c')).shards).toHaveLength(1);
  });

  test('are refused with the reason when they cannot be as asked, and nothing changes', async () => {
    const stage = scene();
    const [master = '', replica = ''] = await paperCluster(stage);
    const free = `127.0.0.1:${await freePort()}`;
    const before = await stored();
    const view = await stage.view('c');
    const masterId = view.shards[0]?.nodes[0]?.id ?? '';
    const nodes = stage.path('c', '/shards/0/nodes');
    const taken = new RegExp(`^the entry already existed.*${replica}`);
    expectRefused(await call('POST', nodes, { body: { addr: replica }, ...UNCHECKED }), 409, taken);
    expectRefused(
      await call('POST', nodes, { body: { addr: free, role: 'king' }, ...UNCHECKED }),
      400,
      /^role: /,
    );
    expectRefused(await call('POST', nodes, { body: { addr: free, role: 7 }, ...UNCHECKED }), 400, /^role: /);
    expectRefused(
      await call('POST', nodes, { body: { addr: free, role: 'master' }, ...UNCHECKED }),
      409,
      /^role: /,
    );
    expectRefused(await call('POST', nodes, { body: { addr: 'nowhere' }, ...UNCHECKED }), 400, /^addr: /);
    expectRefused(await call('POST', nodes, { body: {}, ...UNCHECKED }), 400, /^addr: /);
    expectRefused(await call('POST', nodes, { body: { addr: free } }), 502, new RegExp(free));
    expectRefused(await call('DELETE', `${nodes}/${masterId}`), 400, /master.*fail over/);
    const shards = stage.path('c', '/shards');
    expectRefused(await call('POST', shards, { body: { nodes: [] }, ...UNCHECKED }), 400, /^nodes: /);
    expectRefused(
      await call('POST', shards, { body: { nodes: [free, free] }, ...UNCHECKED }),
      400,
      /^nodes\[1\]: /,
    );
    expectRefused(
      await call('POST', shards, { body: { nodes: [master] }, ...UNCHECKED }),
      409,
      new RegExp(`^the entry already existed.*${master}`),
    );
    expectRefused(await call('POST', shards, { body: { nodes: [free] } }), 502, new RegExp(free));
    expectRefused(await call('DELETE', stage.path('c', '/shards/0')), 400, /slots/);
    expect(await stored()).toEqual(before);
  });
});

describe('slots', () => {
  test('are taken from a shard and given to one that has none of them', async () => {
    const stage = scene();
    await paperCluster(stage);
    const removed = await call('DELETE', stage.path('c', '/shards/0/slots'), {
      body: { slots: ['1', '3-4'] },
    });
    expect([removed.status, removed.body]).toEqual([200, { data: 'ok' }]);
    expect((await stage.view('c')).shards[0]?.slot_ranges).toEqual(['0', '2', '5-8191']);
    const again = await call('DELETE', stage.path('c', '/shards/0/slots'), { body: { slots: ['1'] } });
    expectRefused(again, 400, /1/);
    const added = await call('POST', stage.path('c', '/shards/1/slots'), { body: { slots: ['3-4', '1'] } });
    expect([added.status, added.body]).toEqual([200, { data: 'ok' }]);
    const view = await stage.view('c');
    expect(view.shards[1]?.slot_ranges).toEqual(['1', '3-4', '8192-16383']);
    expect(view.version).toBe(3);
    expectRefused(
      await call('POST', stage.path('c', '/shards/0/slots'), { body: { slots: ['3'] } }),
      400,
      /owned/,
    );
    for (const slots of [[], ['16384'], ['-1'], ['5-1'], ['x'], ['1,2'], [1], '1', undefined])
      expectRefused(
        await call('POST', stage.path('c', '/shards/0/slots'), { body: { slots } }),
        400,
        /slots/,
      );
    expect(await stage.view('c')).toEqual(view);
  });

  test('move without data in every form of the request that is in use', async () => {
    const stage = scene();
    await paperCluster(stage);
    const migrate = async (body: unknown): Promise<Answer> =>
      call('POST', stage.path('c', '/migrate'), { body });
    for (const body of [
      { target: 1, slot: 0, slot_only: true },
      { target: 1, slot: '5', slot_only: 'true' },
      { target: 1, slot: '100-200', slotOnly: true },
      { target: 1, slot: '300-300', slotOnly: 'true' },
      { target: 0, slot: 16383, slot_only: true },
    ]) {
      const answer = await migrate(body);
      expect([answer.status, answer.body]).toEqual([200, { data: 'ok' }]);
    }
    const view = await stage.view('c');
    expect(view.version).toBe(6);
    expect(view.shards.map((shard) => shard.slot_ranges)).toEqual([
      ['1-4', '6-99', '201-299', '301-8191', '16383'],
      ['0', '5', '100-200', '300', '8192-16382'],
    ]);
    for (const [body, says] of [
      [{ slot: 1 }, /^target: /],
      [{ target: '1', slot: 1 }, /^target: /],
      [{ target: 1.5, slot: 1 }, /^target: /],
      [{ target: -1, slot: 1 }, /^target: /],
      [{ target: 1 }, /^slot: /],
      [{ target: 1, slot: null }, /^slot: /],
      [{ target: 1, slot: 16384 }, /^slot: /],
      [{ target: 1, slot: -1 }, /^slot: /],
      [{ target: 1, slot: 1.5 }, /^slot: /],
      [{ target: 1, slot: '16384' }, /^slot: /],
      [{ target: 1, slot: '0-16384' }, /^slot: /],
      [{ target: 1, slot: '200-100' }, /^slot: /],
      [{ target: 1, slot: '1-2-3' }, /^slot: /],
      [{ target: 1, slot: ' 1' }, /^slot: /],
      [{ target: 1, slot: '' }, /^slot: /],
      [{ target: 1, slot: [1] }, /^slot: /],
      [{ target: 1, slot: 1, slot_only: 'maybe' }, /^slot_only: /],
      [{ target: 1, slot: 1, slotOnly: 1 }, /^slotOnly: /],
      [{ target: 1, slot: '4-5' }, /already owns/],
      [{ target: 0, slot: 1 }, /already owns/],
    ] as const)
      expectRefused(await migrate(body), 400, says);
    expect(await stage.view('c')).toEqual(view);
  });
});

describe('changes by many at once', () => {
  test('all take effect, each in a version of its own', async () => {
    const stage = scene();
    await paperCluster(stage);
    const slots = Array.from({ length: 16 }, (_, index) => index * 7);
    const answers = await Promise.all(
      slots.map((slot) =>
        call('POST', stage.path('c', '/migrate'), { body: { target: 1, slot, slot_only: true } }),
      ),
    );
    const done = answers.filter((answer) => answer.status === 200).length;
    for (const answer of answers) expect(answer.status).toBeOneOf([200, 409]);
    const view = await stage.view('c');
    expect(view.version).toBe(1 + done);
    const moved = view.shards[1]?.slot_ranges?.filter((range) => range !== '8192-16383') ?? [];
    expect(moved).toHaveLength(done);
    expect(done).toBeGreaterThan(0);
  });

  test('of which only one can succeed: one namespace is created once, one address is taken once', async () => {
    const stage = scene();
    await stage.makeNamespace();
    const node = `127.0.0.1:${await freePort()}`;
    const answers = await Promise.all(
      Array.from({ length: 8 }, (_, index) =>
        call('POST', `/api/v1/namespaces/${stage.namespace}/clusters`, {
          body: { name: `c${index}`, nodes: [node] },
          ...UNCHECKED,
        }),
      ),
    );
    expect(answers.map((answer) => answer.status).toSorted((a, b) => a - b)).toEqual([
      201, 409, 409, 409, 409, 409, 409, 409,
    ]);
    const same = await Promise.all(
      Array.from({ length: 8 }, () => call('POST', '/api/v1/namespaces', { body: { namespace: 'once' } })),
    );
    expect(same.map((answer) => answer.status).toSorted((a, b) => a - b)).toEqual([
      201, 409, 409, 409, 409, 409, 409, 409,
    ]);
    await call('DELETE', '/api/v1/namespaces/once');
  });
});
