// What a client is told of a change whose leader falls around the commit: done, or not known; "nothing happened" only when nothing did.

import { describe, expect, test } from 'vitest';

import { ok } from '../../../src/base/result.ts';
import { observation } from '../../../src/registry/observation.ts';
import { markMigrationStarted, startMigration } from '../../../src/topology/change-slots.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { name } from '../registry/support.ts';
import { entry } from '../store/support.ts';
import { nodeIdAt, sampleCluster, valueOf } from '../topology/arbitrary.ts';
import { nodesText } from '../topology/nodes-text.ts';
import { said, testApi, type TestApi } from './support.ts';

const ROOT = '/api/v1/namespaces';
const CLUSTER = `${ROOT}/ns/clusters/c`;
const REPLICA = 'b'.repeat(40) as NodeId;

const OTHER = `${ROOT}/ns/clusters/other`;
const RESTORED = `${ROOT}/old/clusters/restored`;
/** A cluster that nobody manages yet. */
const FOUND = sampleCluster(1, 1);

/** Two shards with slots, the first with a replica, and a third without slots; beside it a contested cluster that moves slots, and one that is only observed. */
async function scene(): Promise<TestApi> {
  const api = testApi();
  for (let port = 1; port <= 12; port += 1) api.fleet.add(`127.0.0.1:${port}`);
  const topology = nodesText(FOUND).replace(' master ', ' myself,master ');
  const id = nodeIdAt(FOUND, 0, 0);
  api.fleet.set('127.0.0.1:7000', said({ id, version: 1, sequence: 5 }), { topology });
  await observe(api);
  const steps = [
    [ROOT, { namespace: 'ns' }],
    [ROOT, { namespace: 'empty' }],
    [`${ROOT}/ns/clusters`, { name: 'c', nodes: ['127.0.0.1:1', '127.0.0.1:2'] }],
    [`${CLUSTER}/shards`, { nodes: ['127.0.0.1:4'] }],
    [`${CLUSTER}/shards/0/nodes`, { addr: '127.0.0.1:3', role: 'slave' }],
    [`${ROOT}/ns/clusters`, { name: 'other', nodes: ['127.0.0.1:8', '127.0.0.1:9', '127.0.0.1:10'] }],
  ] as const;
  for (const [path, body] of steps) expect((await api.call('POST', path, body)).status).toBe(201);
  expect((await api.call('DELETE', `${OTHER}/shards/2/slots`, { slots: ['16000'] })).status).toBe(200);
  expect((await api.call('POST', `${OTHER}/migrate`, { slot: 0, target: 1 })).status).toBe(200);
  expect((await api.call('POST', `${OTHER}/migrate`, { slot: 1, target: 1 })).status).toBe(200);
  expect((await api.call('POST', `${OTHER}/migrations/2/cancel`)).status).toBe(200);
  expect((await api.call('POST', `${CLUSTER}/shards/0/nodes`, { addr: '127.0.0.1:12' })).status).toBe(201);
  const left = api.registry.getCluster(name('ns'), name('c'))?.cluster.shards[0]?.nodes[2]?.id ?? '';
  expect((await api.call('DELETE', `${CLUSTER}/shards/0/nodes/${left}`)).status).toBe(200);
  const record = api.registry.getCluster(name('ns'), name('other'));
  if (record === null) throw new Error('there is no cluster');
  const facts = { ...record.facts, contestedVersion: record.cluster.version };
  const job = { range: slotRange(0, 0), targetIndex: 1, nowSeconds: 1 };
  const moving = valueOf(markMigrationStarted(valueOf(startMigration(record.cluster, job)), 0, false));
  expect((await api.registry.replaceCluster(record, moving, { facts })).ok).toBe(true);
  return api;
}

/** A cluster that is there before all others, and only observed. */
async function observe(api: TestApi): Promise<void> {
  api.fleet.add('127.0.0.1:14');
  expect((await api.call('POST', ROOT, { namespace: 'old' })).status).toBe(201);
  const body = { name: 'restored', nodes: ['127.0.0.1:14'] };
  expect((await api.call('POST', `${ROOT}/old/clusters`, body)).status).toBe(201);
  const { machine } = api.group;
  const marked = valueOf(observation(machine, { nowSeconds: 1, requestId: 'c'.repeat(32) }));
  machine.apply([entry(machine.applied + 1, marked)]);
}

async function replicaOf(api: TestApi): Promise<string> {
  const { body } = await api.call('GET', `${CLUSTER}/shards/0/nodes`);
  const id = (body as { data: { nodes: { id: NodeId }[] } }).data.nodes[1]?.id ?? REPLICA;
  // Where it is to be found once it has moved.
  api.fleet.set('127.0.0.1:11', said({ id, version: 1 }));
  return id;
}

/** Another member leads from now on. */
function depose(api: TestApi): void {
  api.group.isLeader = false;
  api.status = { ...api.status, leader: { id: 2, address: '127.0.0.1:9380' as never } };
}

/** Every change of what is stored, and its answer. */
const CHANGES = [
  ['POST', ROOT, { namespace: 'new' }, 201],
  ['DELETE', `${ROOT}/empty`, undefined, 200],
  ['POST', `${ROOT}/ns/clusters`, { name: 'd', nodes: ['127.0.0.1:5'] }, 201],
  ['POST', `${ROOT}/ns/clusters/found/import`, { nodes: ['127.0.0.1:7000'] }, 201],
  ['DELETE', CLUSTER, undefined, 200],
  ['PATCH', CLUSTER, { password: 'new' }, 200],
  ['POST', `${OTHER}/sync`, undefined, 200],
  ['POST', `${RESTORED}/accept`, { force: true }, 200],
  ['DELETE', `${CLUSTER}/departed/DEPARTED`, undefined, 200],
  ['POST', `${CLUSTER}/shards`, { nodes: ['127.0.0.1:6'] }, 201],
  ['DELETE', `${CLUSTER}/shards/2`, undefined, 200],
  ['POST', `${CLUSTER}/shards/1/nodes`, { addr: '127.0.0.1:7' }, 201],
  ['PATCH', `${CLUSTER}/shards/0/nodes/REPLICA`, { password: 'new' }, 200],
  ['PATCH', `${CLUSTER}/shards/0/nodes/REPLICA`, { addr: '127.0.0.1:11' }, 200],
  ['DELETE', `${CLUSTER}/shards/0/nodes/REPLICA`, undefined, 200],
  ['PUT', `${CLUSTER}/shards/0/nodes/REPLICA/maintenance`, { reason: 'new disk' }, 200],
  ['DELETE', `${CLUSTER}/shards/0/nodes/REPLICA/maintenance`, undefined, 200],
  ['PATCH', CLUSTER, { on_divergence: 'quarantine' }, 200],
  ['POST', `${CLUSTER}/shards/0/nodes/REPLICA/resync`, { force: true }, 200],
  ['PUT', `${CLUSTER}/automation`, { failover: 'paused' }, 200],
  ['PUT', '/api/v1/automation', { failover: 'dry-run' }, 200],
  ['PUT', `${CLUSTER}/spares`, { nodes: ['127.0.0.1:12'], copies: 2 }, 200],
  ['PUT', '/api/v1/webhooks', { webhooks: [{ name: 'pager', url: 'http://127.0.0.1:1/' }] }, 200],
  ['POST', `${OTHER}/shards/2/slots`, { slots: ['16000'] }, 200],
  ['DELETE', `${CLUSTER}/shards/0/slots`, { slots: ['0-9'] }, 200],
  ['POST', `${CLUSTER}/migrate`, { slot: '5', target: 1 }, 200],
  ['POST', `${CLUSTER}/migrate`, { slot: '5', target: 1, slot_only: true }, 200],
  ['POST', `${CLUSTER}/rebalance`, {}, 200],
  ['POST', `${CLUSTER}/scale-out`, { nodes: ['127.0.0.1:12'] }, 200],
  ['POST', `${CLUSTER}/scale-in`, { shards: [1] }, 200],
  ['POST', `${CLUSTER}/shards/1/drain`, undefined, 200],
  ['POST', `${OTHER}/migrations/1/pause`, undefined, 200],
  ['POST', `${OTHER}/migrations/1/resume`, undefined, 200],
  ['POST', `${OTHER}/migrations/1/cancel`, undefined, 200],
  ['POST', `${OTHER}/migrations/2/retry`, undefined, 200],
  ['POST', `${OTHER}/migrate/cancel`, undefined, 200],
] as const;

/** Those with an outcome of their own: the failover, which is below, what concerns the group (`group.test.ts`, `upgrade.test.ts`) or one member (`configuration.test.ts`); and one that changes nothing. */
const OTHERS = ['failover', 'peers', 'transfer', 'finalize', 'verify-backup', 'reload', 'log-level'];

test('KD5: every route that changes something is among those below', () => {
  const routes = testApi().app.routes.filter(({ method }) => !['GET', 'ALL'].includes(method));
  const templates = new Set(routes.map(({ method, path }) => `${method} ${path}`));
  const own = [...templates].filter((template) => !OTHERS.some((word) => template.endsWith(word)));
  const called = CHANGES.map(([method, path]) => `${method} ${path}`);
  const patterns = own.map((template) => new RegExp(`^${template.replaceAll(/:[a-z]+/g, '[^/]+')}$`));
  expect(patterns.filter((pattern) => !called.some((call) => pattern.test(call)))).toEqual([]);
});

describe.each(CHANGES)('%s %s', (method, template, body, status) => {
  async function pathIn(api: TestApi): Promise<string> {
    const [left] = api.registry.departures.ofCluster({ namespace: name('ns'), cluster: name('c') });
    return template.replace('REPLICA', await replicaOf(api)).replace('DEPARTED', left?.id ?? '');
  }

  test('KD5: is answered as done when the lead is lost with the commit', async () => {
    const api = await scene();
    const path = await pathIn(api);
    const propose = api.group.propose.bind(api.group);
    api.group.propose = async (data, options) => {
      const outcome = await propose(data, options);
      depose(api);
      return outcome;
    };
    expect((await api.call(method, path, body)).status).toBe(status);
  });

  test('KD5: is answered as not known when its outcome is, though another leads by then', async () => {
    const api = await scene();
    const path = await pathIn(api);
    const propose = api.group.propose.bind(api.group);
    api.group.fates = ['late'];
    api.group.propose = async (data, options) => {
      const outcome = await propose(data, options);
      depose(api);
      return outcome;
    };
    const answer = await api.call(method, path, body);
    expect(answer.status).toBe(504);
    expect(JSON.stringify(answer.body)).toContain('look before you retry');
  });

  test('is sent to the next leader when nothing of it was proposed', async () => {
    const api = await scene();
    const path = await pathIn(api);
    api.group.propose = () => {
      depose(api);
      return Promise.resolve({ ok: false, error: { kind: 'notLeader' } });
    };
    const answer = await api.call(method, path, body);
    expect(answer.status).toBe(307);
    expect(answer.headers.get('location')).toBe(`http://127.0.0.1:9380${path}`);
  });
});

describe('a failover by hand', () => {
  const path = `${CLUSTER}/shards/0/failover`;

  test('KD5: is answered as done when the lead is lost before it could be read back', async () => {
    const api = await scene();
    api.failover = () => {
      depose(api);
      return Promise.resolve(ok({ newMaster: REPLICA, warning: null }));
    };
    expect(await api.call('POST', path)).toMatchObject({
      status: 200,
      body: { data: { new_master_id: REPLICA } },
    });
  });

  test('KD5: shows the shard as this member has it, the lead lost or not', async () => {
    const api = await scene();
    api.failover = () => {
      depose(api);
      return Promise.resolve(ok({ newMaster: REPLICA, warning: null }));
    };
    const answer = await api.call('POST', path, {}, { Prefer: 'return=representation' });
    expect(answer).toMatchObject({ status: 200, body: { data: { shard: { slot_ranges: ['0-8191'] } } } });
  });

  test('is answered as done when the cluster is gone by then', async () => {
    const api = await scene();
    api.failover = async () => {
      await api.call('DELETE', CLUSTER);
      return ok({ newMaster: REPLICA, warning: null });
    };
    const headers = { Prefer: 'return=representation' };
    expect(await api.call('POST', path, {}, headers)).toMatchObject({
      status: 200,
      body: { data: { shard: null } },
    });
  });
});
