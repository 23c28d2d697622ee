// What a client is told of a change whose leader falls around the commit: done, or not known; "nothing happened" only when nothing did.

import { describe, expect, test } from 'vitest';

import { ok } from '../../../src/base/result.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { testApi, type TestApi } from './support.ts';

const ROOT = '/api/v1/namespaces';
const CLUSTER = `${ROOT}/ns/clusters/c`;
const REPLICA = 'b'.repeat(40) as NodeId;

/** Two shards with slots, the first with a replica, and a third without slots. */
async function scene(): Promise<TestApi> {
  const api = testApi();
  for (let port = 1; port <= 9; port += 1) api.fleet.add(`127.0.0.1:${port}`);
  const steps = [
    [ROOT, { namespace: 'ns' }],
    [ROOT, { namespace: 'empty' }],
    [`${ROOT}/ns/clusters`, { name: 'c', nodes: ['127.0.0.1:1', '127.0.0.1:2'] }],
    [`${CLUSTER}/shards`, { nodes: ['127.0.0.1:4'] }],
    [`${CLUSTER}/shards/0/nodes`, { addr: '127.0.0.1:3', role: 'slave' }],
  ] as const;
  for (const [path, body] of steps) expect((await api.call('POST', path, body)).status).toBe(201);
  return api;
}

async function replicaOf(api: TestApi): Promise<string> {
  const { body } = await api.call('GET', `${CLUSTER}/shards/0/nodes`);
  return (body as { data: { nodes: { id: string }[] } }).data.nodes[1]?.id ?? '';
}

/** Another member leads from now on. */
function depose(api: TestApi): void {
  api.group.isLeader = false;
  api.status = { ...api.status, leader: { id: 2, address: '127.0.0.1:9380' as never } };
}

const CHANGES = [
  ['POST', ROOT, { namespace: 'new' }],
  ['DELETE', `${ROOT}/empty`, undefined],
  ['POST', `${ROOT}/ns/clusters`, { name: 'd', nodes: ['127.0.0.1:5'] }],
  ['DELETE', CLUSTER, undefined],
  ['POST', `${CLUSTER}/shards`, { nodes: ['127.0.0.1:6'] }],
  ['DELETE', `${CLUSTER}/shards/2`, undefined],
  ['POST', `${CLUSTER}/shards/1/nodes`, { addr: '127.0.0.1:7' }],
  ['DELETE', `${CLUSTER}/shards/0/nodes/REPLICA`, undefined],
  ['DELETE', `${CLUSTER}/shards/0/slots`, { slots: ['0-9'] }],
  ['POST', `${CLUSTER}/migrate`, { slot: '5', target: 1 }],
  ['POST', `${CLUSTER}/migrate`, { slot: '5', target: 1, slot_only: true }],
] as const;

describe.each(CHANGES)('%s %s', (method, template, body) => {
  async function pathIn(api: TestApi): Promise<string> {
    return template.replace('REPLICA', await replicaOf(api));
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
    expect((await api.call(method, path, body)).status).toBe(
      method === 'POST' && !path.includes('migrate') ? 201 : 200,
    );
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
