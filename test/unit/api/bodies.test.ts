// What a body may hold: known keys only, null for absent, bounded lists, and sentences of our own about everything else.

import { describe, expect, test } from 'vitest';

import { NODES_MAX } from '../../../src/api/schemas/fields.ts';
import { testApi, type TestApi } from './support.ts';

const ROOT = '/api/v1/namespaces';
const CLUSTER = `${ROOT}/ns/clusters/c`;

/** A cluster of one node, and two more nodes that nobody has. */
async function scene(): Promise<TestApi> {
  const api = testApi();
  api.fleet.add('127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3');
  await api.call('POST', ROOT, { namespace: 'ns' });
  await api.call('POST', `${ROOT}/ns/clusters`, { name: 'c', nodes: ['127.0.0.1:1'] });
  return api;
}

function messageOf(body: unknown): string {
  return (body as { error: { message: string } }).error.message;
}

const EVERY_CHANGE = [
  ['POST', ROOT, { namespace: 'x', namspace: 'x' }, 'unknown key "namspace"; did you mean "namespace"?'],
  [
    'POST',
    `${ROOT}/ns/clusters`,
    { name: 'd', nodes: ['127.0.0.1:2'], replica: 2 },
    'unknown key "replica"; did you mean "replicas"?',
  ],
  [
    'POST',
    `${CLUSTER}/import`,
    { nodes: ['127.0.0.1:2'], pasword: '' },
    'unknown key "pasword"; did you mean "password"?',
  ],
  [
    'POST',
    `${CLUSTER}/shards`,
    { nodes: ['127.0.0.1:2'], node: 1 },
    'unknown key "node"; did you mean "nodes"?',
  ],
  [
    'POST',
    `${CLUSTER}/shards/0/nodes`,
    { addr: '127.0.0.1:2', rôle: 'master' },
    'unknown key "rôle"; did you mean "role"?',
  ],
  [
    'POST',
    `${CLUSTER}/shards/0/failover`,
    { preferred_node: 'x' },
    'unknown key "preferred_node"; did you mean "preferred_node_id"?',
  ],
  [
    'POST',
    `${CLUSTER}/shards/0/slots`,
    { slots: ['1'], Slots: ['2'] },
    'unknown key "Slots"; did you mean "slots"?',
  ],
  ['DELETE', `${CLUSTER}/shards/0/slots`, { slot: ['1'] }, 'unknown key "slot"; did you mean "slots"?'],
  [
    'POST',
    `${CLUSTER}/migrate`,
    { slot: 1, target: 0, slotonly: true },
    'unknown key "slotonly"; did you mean "slot_only"?',
  ],
  ['PUT', `${CLUSTER}/spares`, { nodes: [], copis: 2 }, 'unknown key "copis"; did you mean "copies"?'],
  ['POST', `${CLUSTER}/migrate/cancel`, { slots: 1 }, 'unknown key "slots"; did you mean "slot"?'],
  ['POST', `${CLUSTER}/rebalance`, { weight: {} }, 'unknown key "weight"; did you mean "weights"?'],
  [
    'POST',
    `${CLUSTER}/scale-out`,
    { nodes: ['127.0.0.1:1'], replica: 2 },
    'unknown key "replica"; did you mean "replicas"?',
  ],
  ['POST', `${CLUSTER}/scale-in`, { shard: [1] }, 'unknown key "shard"; did you mean "shards"?'],
  ['POST', `${CLUSTER}/shards/1/drain`, { dryrun: true }, 'unknown key "dryrun"; did you mean "dry_run"?'],
  ...['pause', 'resume', 'cancel', 'retry'].map(
    (wish) =>
      [
        'POST',
        `${CLUSTER}/migrations/1/${wish}`,
        { force: true },
        'unknown key "force"; this route takes no body',
      ] as const,
  ),
  ['POST', `${CLUSTER}/accept`, { forced: true }, 'unknown key "forced"; did you mean "force"?'],
  ['POST', `${CLUSTER}/sync`, { nodes: [] }, 'unknown key "nodes"; did you mean "node"?'],
  ['DELETE', `${CLUSTER}/departed/x`, { force: true }, 'unknown key "force"; this route takes no body'],
  ['PATCH', CLUSTER, { password: '', pasword: '' }, 'unknown key "pasword"; did you mean "password"?'],
  [
    'PATCH',
    `${CLUSTER}/shards/0/nodes/${'a'.repeat(40)}`,
    { password: '', forced: true },
    'unknown key "forced"; did you mean "force"?',
  ],
  [
    'POST',
    '/api/v1/raft/peers',
    { id: 2, peer: '127.0.0.1:9', operation: 'add', op: 1 },
    'unknown key "op"; did you mean "operation"?',
  ],
  ['POST', '/api/v1/controller/reload', { file: 'x' }, 'unknown key "file"; this route takes no body'],
  [
    'PUT',
    '/api/v1/controller/log-level',
    { level: 'debug', second: 5 },
    'unknown key "second"; did you mean "seconds"?',
  ],
  ['POST', '/api/v1/controller/leader/transfer', { target: 99 }, 'unknown key "target"; known are "to"'],
  [
    'POST',
    '/api/v1/controller/upgrade/finalize',
    { levels: 6 },
    'unknown key "levels"; did you mean "level"?',
  ],
  [
    'POST',
    `${CLUSTER}/shards/0/nodes/x/resync`,
    { forced: true },
    'unknown key "forced"; did you mean "force"?',
  ],
  ['PUT', '/api/v1/webhooks', { hooks: [] }, 'unknown key "hooks"; did you mean "webhooks"?'],
  ['PUT', '/api/v1/automation', { failovers: 'on' }, 'unknown key "failovers"; did you mean "failover"?'],
  ['PUT', `${CLUSTER}/automation`, { untl: '' }, 'unknown key "untl"; did you mean "until"?'],
  [
    'PUT',
    `${CLUSTER}/shards/0/nodes/x/maintenance`,
    { reasn: '' },
    'unknown key "reasn"; did you mean "reason"?',
  ],
  [
    'DELETE',
    `${CLUSTER}/shards/0/nodes/x/maintenance`,
    { reason: '' },
    'unknown key "reason"; this route takes no body',
  ],
  ['DELETE', `${ROOT}/ns`, { force: true }, 'unknown key "force"; this route takes no body'],
  ['DELETE', CLUSTER, { force: true }, 'unknown key "force"; this route takes no body'],
  ['DELETE', `${CLUSTER}/shards/0`, { force: true }, 'unknown key "force"; this route takes no body'],
  [
    'DELETE',
    `${CLUSTER}/shards/0/nodes/${'a'.repeat(40)}`,
    { force: true },
    'unknown key "force"; this route takes no body',
  ],
] as const;

/** Words that are not a slip of the hand, and keys of what is within a body. */
const MORE = [
  [
    'POST',
    `${CLUSTER}/shards/0/failover`,
    { preferred: 'x' },
    'unknown key "preferred"; did you mean "preferred_node_id"?',
  ],
  [
    'POST',
    `${CLUSTER}/shards/0/failover`,
    { candidate: 'x' },
    'unknown key "candidate"; known are "preferred_node_id", "force", "dry_run"',
  ],
  [
    'PUT',
    `${CLUSTER}/spares`,
    { nodes: [{ addr: 7, passwd: 'x' }] },
    'nodes.0: unknown key "passwd"; did you mean "password"?',
  ],
  [
    'PUT',
    '/api/v1/webhooks',
    { webhooks: [{ name: 'x', url: 'http://x', headers: {} }] },
    'webhooks.0: unknown key "headers"; known are "name", "url", "secret", "severity"',
  ],
] as const;

describe('a body', () => {
  test.each([...EVERY_CHANGE, ...MORE])(
    'KB9: of %s %s with an unknown key is refused',
    async (method, path, body, message) => {
      const api = await scene();
      let changes = 0;
      api.failover = () => {
        changes += 1;
        return Promise.resolve({ ok: false, error: { kind: 'refused', reason: '' } });
      };
      const before = await api.call('GET', CLUSTER);
      const answer = await api.call(method, path, body);
      expect(answer).toMatchObject({ status: 400, body: { error: { message } } });
      expect(changes).toBe(0);
      expect((await api.call('GET', CLUSTER)).body).toEqual(before.body);
    },
  );

  test('KB9: of every route that changes something is among those refused above', async () => {
    const { app } = testApi();
    const changing = app.routes.filter(({ method }) => !['GET', 'ALL'].includes(method));
    const templates = new Set(changing.map(({ method, path }) => `${method} ${path}`));
    // Its body is no JSON, and it changes nothing.
    templates.delete('POST /api/v1/controller/verify-backup');
    expect(templates.size).toBe(EVERY_CHANGE.length);
  });

  test('KB9, KD3g: is refused for a misspelt key before a field that is missing, and repeats little of a long one', async () => {
    const api = await scene();
    const misspelt = await api.call('POST', ROOT, { namesapce: 'x' });
    expect(messageOf(misspelt.body)).toBe('unknown key "namesapce"; did you mean "namespace"?');
    const long = await api.call('POST', ROOT, { [`namespace${'e'.repeat(900_000)}`]: 'x' });
    expect(long.status).toBe(400);
    expect(messageOf(long.body).length).toBeLessThan(300);
    const many = Object.fromEntries(Array.from({ length: 60_000 }, (_, index) => [`key${index}`, 1]));
    expect((await api.call('POST', ROOT, many)).status).toBe(400);
    expect((await api.call('POST', ROOT, '{"__proto__":{"namespace":"x"}}')).status).toBe(400);
  });

  test('KD8: with null for an optional field is one without it', async () => {
    const api = await scene();
    const created = await api.call('POST', `${ROOT}/ns/clusters`, {
      name: 'd',
      nodes: ['127.0.0.1:2'],
      replicas: null,
      password: null,
    });
    expect(created.status).toBe(201);
    const added = { addr: '127.0.0.1:3', role: null, password: null };
    expect((await api.call('POST', `${ROOT}/ns/clusters/d/shards/0/nodes`, added)).status).toBe(201);
    const shard = { nodes: ['127.0.0.1:4'], password: null, name: null };
    api.fleet.add('127.0.0.1:4');
    expect((await api.call('POST', `${CLUSTER}/shards`, shard)).status).toBe(201);
    const move = { slot: '5', target: 1, slot_only: true, slotOnly: null };
    expect((await api.call('POST', `${CLUSTER}/migrate`, move)).status).toBe(200);
    expect((await api.call('POST', '/api/v1/controller/leader/transfer', { to: null })).status).toBe(200);
    const removal = { id: 2, peer: null, operation: 'remove' };
    expect((await api.call('POST', '/api/v1/raft/peers', removal)).status).toBe(200);
    const failover = await api.call('POST', `${CLUSTER}/shards/0/failover`, { preferred_node_id: null });
    expect(messageOf(failover.body)).toBe('no replica');
  });

  test('KD8: with null for a field that is needed lacks it', async () => {
    const api = await scene();
    expect(messageOf((await api.call('POST', ROOT, { namespace: null })).body)).toBe(
      'namespace: expected text',
    );
    const answer = await api.call('POST', `${CLUSTER}/migrate`, { target: null, slot: 1 });
    expect(messageOf(answer.body)).toMatch(/^target: expected the index/);
  });

  test('as the clients in use send it is taken', async () => {
    const api = await scene();
    const bodies = [
      // kvctl names the cluster again, and has a word for a boolean.
      [`${CLUSTER}/shards`, { name: 'c', nodes: ['127.0.0.1:2'], password: '' }, 201],
      [`${CLUSTER}/migrate`, { slot: '5', target: 1, slotOnly: 'true' }, 200],
      // The web page and the operator.
      [`${CLUSTER}/migrate`, { target: 1, slot: '6', slot_only: true }, 200],
      [`${CLUSTER}/shards/0/nodes`, { addr: '127.0.0.1:3', role: 'slave', password: '' }, 201],
    ] as const;
    for (const [path, body, status] of bodies) {
      expect((await api.call('POST', path, body)).status).toBe(status);
    }
    for (const body of [undefined, '', {}, { preferred_node_id: '' }]) {
      expect(messageOf((await api.call('POST', `${CLUSTER}/shards/0/failover`, body)).body)).toBe(
        'no replica',
      );
    }
  });

  test('KD3: names at most as many nodes as one request may, told before any of them is looked at', async () => {
    const api = await scene();
    const many = { name: 'd', nodes: Array.from({ length: NODES_MAX + 1 }, () => 7) };
    const message = `nodes: expected at most ${NODES_MAX} in one request`;
    for (const [path, body] of [
      [`${ROOT}/ns/clusters`, many],
      [`${ROOT}/ns/clusters/d/import`, { nodes: many.nodes }],
      [`${CLUSTER}/shards`, { nodes: many.nodes }],
    ] as const) {
      const answer = await api.call('POST', path, body);
      expect(answer).toMatchObject({ status: 400, body: { error: { message } } });
    }
    const slots = { slots: Array.from({ length: 16_385 }, () => '1') };
    const answer = await api.call('POST', `${CLUSTER}/shards/0/slots`, slots);
    expect(messageOf(answer.body)).toBe('slots: expected at most 16384 in one request');
  });

  test('can make a cluster of a thousand shards with five nodes each at once', async () => {
    const api = testApi();
    await api.call('POST', ROOT, { namespace: 'ns' });
    const nodes = Array.from({ length: NODES_MAX }, (_, index) => `10.1.${index >> 8}.${index & 255}:6379`);
    const body = { name: 'large', nodes, replicas: 5 };
    const answer = await api.call('POST', `${ROOT}/ns/clusters`, body, {
      'X-Dont-Check-Cluster-Mode': 'yes',
    });
    expect(answer).toMatchObject({ status: 201 });
    const { body: read } = await api.call('GET', `${ROOT}/ns/clusters/large/shards`);
    expect((read as { data: { shards: unknown[] } }).data.shards).toHaveLength(1000);
  });

  test('KD8c: of the wrong kind is refused in our own words, whatever it holds', async () => {
    const api = await scene();
    const values = [true, 1.5, -1, 1e20, 'x', '', [], [1], [null], {}, { a: 1 }];
    const fields = [
      [`${ROOT}/ns/clusters`, { name: 'd', nodes: ['127.0.0.1:2'], replicas: 1, password: '' }],
      [`${CLUSTER}/shards/0/nodes`, { addr: '127.0.0.1:2', role: 'slave', password: '', remake: true }],
      [`${CLUSTER}/shards`, { nodes: ['127.0.0.1:2'], with_data: true, remake: true }],
      [`${CLUSTER}/shards/0/failover`, { force: true }],
      [`${CLUSTER}/migrate/cancel`, { slot: 1, source: 0 }],
      [`${CLUSTER}/shards/0/slots`, { slots: ['1'] }],
      [`${CLUSTER}/migrate`, { target: 1, slot: 1, slot_only: true, slotOnly: 'true' }],
      ['/api/v1/raft/peers', { id: 2, peer: '127.0.0.1:9', operation: 'add' }],
      ['/api/v1/controller/leader/transfer', { to: 2 }],
    ] as const;
    const foreign: string[] = [];
    for (const [path, body] of fields) {
      for (const field of Object.keys(body)) {
        for (const value of values) {
          const answer = await api.call('POST', path, { ...body, [field]: value });
          if (
            answer.status === 400 &&
            /Invalid|Too (small|big)|Unrecognized|: not valid/.test(messageOf(answer.body))
          )
            foreign.push(`${field}=${JSON.stringify(value)}: ${messageOf(answer.body)}`);
        }
      }
    }
    expect(foreign).toEqual([]);
  });
});
