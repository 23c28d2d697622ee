// What has happened, as people ask for it; and that whatever a request changes is told.

import { expect, test } from 'vitest';

import { type EventKind, EVENTS } from '../../../src/topology/event.ts';
import { name } from '../topology/arbitrary.ts';
import { failure, testApi, type TestApi } from './support.ts';

const ROOT = '/api/v1/namespaces';
const CLUSTER = `${ROOT}/ns/clusters/c`;

interface EventBody {
  readonly id: string;
  readonly kind: EventKind;
  readonly text: string;
}

async function eventsAt(api: TestApi, path: string): Promise<readonly EventBody[]> {
  const { status, body } = await api.call('GET', path);
  expect(status).toBe(200);
  return (body as { data: { events: readonly EventBody[] } }).data.events;
}

async function withCluster(): Promise<TestApi> {
  const api = testApi();
  for (let port = 1; port <= 9; port += 1) api.fleet.add(`127.0.0.1:${port}`);
  await api.call('POST', ROOT, { namespace: 'ns' });
  const body = { name: 'c', nodes: ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3'] };
  expect((await api.call('POST', `${ROOT}/ns/clusters`, body)).status).toBe(201);
  return api;
}

test('every change of a cluster by a request is told, in the order of the requests', async () => {
  const api = await withCluster();
  const node = (index: number): string =>
    `${CLUSTER}/shards/0/nodes/${api.registry.getCluster(name('ns'), name('c'))?.cluster.shards[0]?.nodes[index]?.id}`;
  const steps: readonly (readonly [EventKind, string, () => string, unknown?])[] = [
    ['shardAdded', 'POST', () => `${CLUSTER}/shards`, { nodes: ['127.0.0.1:4'] }],
    ['nodeAdded', 'POST', () => `${CLUSTER}/shards/0/nodes`, { addr: '127.0.0.1:5' }],
    ['passwordChanged', 'PATCH', () => CLUSTER, { password: 'new' }],
    ['passwordChanged', 'PATCH', () => node(1), { password: 'newer' }],
    ['nodeWished', 'PATCH', () => node(1), { zone: 'a', failover_priority: 7 }],
    ['maintenanceBegun', 'PUT', () => `${node(1)}/maintenance`, { reason: 'new disk' }],
    ['maintenanceEnded', 'DELETE', () => `${node(1)}/maintenance`],
    ['automationChanged', 'PUT', () => `${CLUSTER}/automation`, { failover: 'paused', reason: 'we move' }],
    ['slotsRemoved', 'DELETE', () => `${CLUSTER}/shards/0/slots`, { slots: ['0-9'] }],
    ['slotsAdded', 'POST', () => `${CLUSTER}/shards/3/slots`, { slots: ['0-9'] }],
    ['slotsRecorded', 'POST', () => `${CLUSTER}/migrate`, { slot: '0-9', target: 1, slot_only: true }],
    ['taskCreated', 'POST', () => `${CLUSTER}/migrate`, { slot: '20', target: 1 }],
    ['migrationCancelled', 'POST', () => `${CLUSTER}/migrate/cancel`, {}],
    ['shardRemoved', 'DELETE', () => `${CLUSTER}/shards/3`],
    ['nodeRemoved', 'DELETE', () => node(1)],
  ];
  for (const [kind, method, path, body] of steps) {
    const { status, body: answer } = await api.call(method, path(), body);
    expect([kind, status < 300, status < 300 ? null : answer]).toEqual([kind, true, null]);
  }
  const told = await eventsAt(api, `${CLUSTER}/events`);
  expect(told.map(({ kind }) => kind).toReversed()).toEqual([
    'clusterCreated',
    // One without a job has ended with the wish that it be given up.
    ...steps.flatMap(([kind]) => (kind === 'migrationCancelled' ? [kind, 'taskCancelled'] : [kind])),
  ]);
  expect(told.find(({ kind }) => kind === 'nodeWished')?.text).toMatch(
    /has failover_priority 7 and zone "a" now/,
  );
  expect(told.find(({ kind }) => kind === 'automationChanged')?.text).toBe(
    'automatic failover is paused (we move)',
  );
  expect(JSON.stringify(told)).not.toContain('newer');
  // What is refused is not told.
  expect((await api.call('DELETE', `${CLUSTER}/shards/0`)).status).toBe(400);
  expect(await eventsAt(api, `${CLUSTER}/events`)).toEqual(told);
  await api.call('PUT', '/api/v1/automation', { failover: 'dry-run' });
  expect((await api.call('DELETE', CLUSTER)).status).toBe(200);
  expect((await eventsAt(api, '/api/v1/events')).map(({ kind }) => kind)).toEqual([
    'clusterDeleted',
    'automationChanged',
  ]);
  expect((await api.call('GET', `${CLUSTER}/events`)).status).toBe(404);
});

test('a migration that is given up before it has a job has ended, which is told; one that is deleted with its cluster says what it leaves', async () => {
  const api = await withCluster();
  await api.call('POST', `${CLUSTER}/migrate`, { slot: '0-9', target: 1 });
  await api.call('POST', `${CLUSTER}/migrations/1/cancel`);
  expect((await eventsAt(api, `${CLUSTER}/events`)).slice(0, 2)).toMatchObject([
    {
      kind: 'taskCancelled',
      text: 'migration 1: given up with 0 of 10 slots moved',
      correlation: 'migration-1',
    },
    { kind: 'taskWished', correlation: 'migration-1' },
  ]);
  const place = { namespace: name('ns'), cluster: name('c') };
  const record = api.registry.getCluster(place.namespace, place.cluster)!;
  const before = api.registry.tasks.ofCluster(place);
  const [node] = record.cluster.shards[0]!.nodes;
  const tuned = [{ node: node!.id, before: { speed: 4096, type: null } }];
  const after = before.map((task) => Object.assign({}, task, { tuned }));
  await api.registry.replaceCluster(record, record.cluster, { tasks: { before, after } });
  expect((await api.call('DELETE', CLUSTER)).status).toBe(200);
  expect((await eventsAt(api, '/api/v1/events'))[0]?.text).toBe(
    `cluster ns/c was deleted; ${node!.address} keeps what migration 1 set there, it had migrate-speed 4096 before`,
  );
});

test('they come in pages, by kind, severity and time', async () => {
  const api = await withCluster();
  for (let port = 4; port <= 8; port += 1)
    await api.call('POST', `${CLUSTER}/shards`, { nodes: [`127.0.0.1:${port}`] });
  await api.call('DELETE', `${CLUSTER}/shards/7`);
  const all = await eventsAt(api, `${CLUSTER}/events`);
  const { body } = await api.call('GET', `${CLUSTER}/events?limit=3`);
  const { events, next_cursor: cursor } = (body as { data: { events: EventBody[]; next_cursor: string } })
    .data;
  const rest = await eventsAt(api, `${CLUSTER}/events?cursor=${encodeURIComponent(cursor)}`);
  expect([...events, ...rest]).toEqual(all);
  expect(await eventsAt(api, `${CLUSTER}/events?kind=shardRemoved,clusterCreated`)).toHaveLength(2);
  expect((await eventsAt(api, '/api/v1/events?severity=warning')).map(({ kind }) => kind)).toEqual([
    'shardRemoved',
  ]);
  expect(await eventsAt(api, `${CLUSTER}/events?since=2100-01-01T00:00:00Z`)).toEqual([]);
});

test('a query that is not one is refused with what is known', async () => {
  const api = await withCluster();
  for (const [query, why] of [
    ['limit=0', 'limit: expected a whole number from 1 to 1000'],
    ['limit=x', 'limit: expected a whole number from 1 to 1000'],
    ['cursor=x', 'cursor: expected the next_cursor of an earlier answer'],
    ['kind=failover,fail', `kind: expected one or more of ${Object.keys(EVENTS).join(', ')}`],
    ['kind=constructor', `kind: expected one or more of ${Object.keys(EVENTS).join(', ')}`],
    ['severity=loud', 'severity: expected info, warning, error'],
    ['since=yesterday', expect.stringMatching(/^since: expected a time/)],
    ['sinc=1', 'unknown parameter; known are limit, cursor, kind, severity, since'],
  ] as const)
    expect(await api.call('GET', `/api/v1/events?${query}`)).toMatchObject({
      status: 400,
      body: failure(why),
    });
});
