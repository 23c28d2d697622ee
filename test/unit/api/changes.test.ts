// Changes of what is stored of a cluster: passwords, migrations given up, who manages it, failovers by force.

import { describe, expect, test } from 'vitest';

import { err, ok } from '../../../src/base/result.ts';
import { startDrain } from '../../../src/topology/change-nodes.ts';
import { markMigrationStarted } from '../../../src/topology/change-slots.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { name } from '../registry/support.ts';
import { valueOf } from '../topology/arbitrary.ts';
import { said, testApi, type TestApi } from './support.ts';

const ROOT = '/api/v1/namespaces';
const CLUSTER = `${ROOT}/ns/clusters/c`;
const NODES = ['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3', '127.0.0.1:4'] as const;

/** Four shards of one node. */
async function scene(): Promise<TestApi> {
  const api = testApi();
  api.fleet.add(...NODES);
  await api.call('POST', ROOT, { namespace: 'ns' });
  const body = { name: 'c', nodes: NODES, password: 'old' };
  expect((await api.call('POST', `${ROOT}/ns/clusters`, body)).status).toBe(201);
  return api;
}

function record(api: TestApi): ClusterRecord {
  const found = api.registry.getCluster(name('ns'), name('c'));
  if (found === null) throw new Error('there is no cluster');
  return found;
}

function passwords(api: TestApi): readonly string[] {
  return record(api).cluster.shards.flatMap(({ nodes }) => nodes.map((node) => node.password.reveal()));
}

describe('a password', () => {
  test('KD6: is stored for all nodes or for one, once they accept it, under the same version', async () => {
    const api = await scene();
    for (const address of NODES) api.fleet.passwords.set(address, 'new');
    expect(await api.call('PATCH', CLUSTER, { password: 'new' })).toMatchObject({
      status: 200,
      body: { data: 'ok' },
    });
    expect(passwords(api)).toEqual(['new', 'new', 'new', 'new']);
    expect(record(api).cluster.version).toBe(1);
    api.fleet.passwords.set(NODES[1], 'own');
    const [node] = record(api).cluster.shards[1]?.nodes ?? [];
    const path = `${CLUSTER}/shards/1/nodes/${node?.id ?? ''}`;
    expect((await api.call('PATCH', path, { password: 'own' })).body).toEqual({ data: 'ok' });
    expect(passwords(api)).toEqual(['new', 'own', 'new', 'new']);
  });

  test('KD6: that a node refuses is not stored, unless that is wished; a silent node is taken on trust', async () => {
    const api = await scene();
    api.fleet.passwords.set(NODES[0], 'old');
    api.fleet.passwords.set(NODES[2], 'old');
    api.fleet.nodes.delete(NODES[1]);
    const refused = await api.call('PATCH', CLUSTER, { password: 'new' });
    expect(refused.status).toBe(400);
    expect(JSON.stringify(refused.body)).toMatch(
      /refused by 127\.0\.0\.1:1, 127\.0\.0\.1:3; .*\\"force\\": true/,
    );
    expect(passwords(api)).toEqual(['old', 'old', 'old', 'old']);
    expect((await api.call('PATCH', CLUSTER, { password: 'new', force: true })).status).toBe(200);
    expect(passwords(api)).toEqual(['new', 'new', 'new', 'new']);
  });

  test('has to be given, and a node to be there', async () => {
    const api = await scene();
    expect((await api.call('PATCH', CLUSTER, {})).status).toBe(400);
    expect((await api.call('PATCH', CLUSTER, { password: null })).status).toBe(400);
    const nodes = `${CLUSTER}/shards/0/nodes`;
    expect((await api.call('PATCH', `${nodes}/${'a'.repeat(40)}`, { password: 'x' })).status).toBe(404);
    expect((await api.call('PATCH', `${nodes}/short`, { password: 'x' })).status).toBe(404);
    expect((await api.call('PATCH', `${ROOT}/ns/clusters/no`, { password: 'x' })).status).toBe(404);
  });
});

describe('a migration', () => {
  /** One planned out of shard 0, one started out of shard 2. */
  async function moving(level = 5): Promise<TestApi> {
    const api = await scene();
    api.featureLevel = level;
    await api.call('POST', `${CLUSTER}/migrate`, { slot: '0-9', target: 1 });
    await api.call('POST', `${CLUSTER}/migrate`, { slot: '8192-8200', target: 3 });
    const before = record(api);
    await api.registry.replaceCluster(before, valueOf(markMigrationStarted(before.cluster, 2, false)));
    return api;
  }

  function left(api: TestApi): readonly unknown[] {
    return record(api).cluster.shards.map(({ migration }) => migration?.isCancelled ?? null);
  }

  test.each([
    [undefined, [null, null, true, null]],
    [{}, [null, null, true, null]],
    [{ slot: 5 }, [null, null, false, null]],
    [{ slot: '8192-8200' }, [false, null, true, null]],
    [{ source: 2 }, [false, null, true, null]],
    [{ source: 0, slot: '9' }, [null, null, false, null]],
  ])('KC4: is given up by %j', async (body, after) => {
    const api = await moving();
    expect(await api.call('POST', `${CLUSTER}/migrate/cancel`, body)).toMatchObject({
      status: 200,
      body: { data: 'ok' },
    });
    expect(left(api)).toEqual(after);
    // The wish travels as a version of its own; nobody has heard of what was only planned.
    expect(record(api).cluster.version).toBe(after.includes(true) ? 2 : 1);
  });

  test.each([[{ slot: 500 }], [{ source: 1 }], [{ source: 0, slot: 8192 }], [{ slot: '9-10' }]])(
    'that is not under way is not found by %j',
    async (body) => {
      const api = await moving();
      expect((await api.call('POST', `${CLUSTER}/migrate/cancel`, body)).status).toBe(404);
      expect(left(api)).toEqual([false, null, false, null]);
    },
  );

  test('cannot be given up while some member could not read that', async () => {
    const api = await moving(1);
    const answer = await api.call('POST', `${CLUSTER}/migrate/cancel`, { source: 2 });
    expect(answer.status).toBe(409);
    expect((await api.call('POST', `${CLUSTER}/migrate/cancel`, { source: 0 })).status).toBe(200);
  });

  const job = { range: slotRange(0, 9), state: 'success', isInEffect: null } as const;

  test('KC1b: of slots that were handed over already is refused with the one right call', async () => {
    const api = await scene();
    const [destination] = record(api).cluster.shards[1]?.nodes ?? [];
    const sourceJob = { ...job, destination: destination?.id as NodeId };
    const services = new Map([[5, { kind: 'moved', to: NODES[1] as never } as const]]);
    api.fleet.set(NODES[0], said({ version: 1, sequence: 9, sourceJob }), { services });
    const answer = await api.call('POST', `${CLUSTER}/migrate`, { slot: 5, target: 1 });
    expect(answer.status).toBe(409);
    expect(JSON.stringify(answer.body)).toContain(
      'record it with {\\"slot\\":\\"5\\",\\"target\\":1,\\"slot_only\\":true}',
    );
    expect(left(api)).toEqual([null, null, null, null]);
    const recorded = { slot: 5, target: 1, slot_only: true };
    for (const [target, why] of [
      [said({ version: 1, sequence: 0 }), /which is empty: to record the move would delete the copy/],
      [err({ kind: 'timedOut', message: 'no answer' } as const), /cannot be asked .*no answer/],
    ] as const) {
      api.fleet.set(NODES[1], target);
      const refused = await api.call('POST', `${CLUSTER}/migrate`, recorded);
      expect([refused.status, JSON.stringify(refused.body)]).toEqual([409, expect.stringMatching(why)]);
    }
    api.fleet.set(NODES[1], said({ version: 1, sequence: 7 }));
    expect((await api.call('POST', `${CLUSTER}/migrate`, recorded)).status).toBe(200);
  });

  test('KC1b: of slots that their node refuses to move again is refused with what ends that', async () => {
    const api = await scene();
    const services = new Map([[3, { kind: 'writeForbidden' } as const]]);
    const sourceJob = {
      range: slotRange(3, 3),
      state: 'success',
      isInEffect: null,
      destination: 'a'.repeat(40) as NodeId,
    } as const;
    api.fleet.set(NODES[0], said({ version: 1, sequence: 9, sourceJob }), { services });
    const answer = await api.call('POST', `${CLUSTER}/migrate`, { slot: '0-9', target: 1 });
    expect(answer.status).toBe(409);
    expect(JSON.stringify(answer.body)).toMatch(/gave the slots 3 away before.*move any other slot/);
  });

  test('is taken as ever where the owner cannot be asked or has not heard of the topology yet', async () => {
    const api = await scene();
    const services = new Map([[5, { kind: 'moved', to: null } as const]]);
    api.fleet.set(NODES[0], said({ version: -1 }), { services });
    expect((await api.call('POST', `${CLUSTER}/migrate`, { slot: 5, target: 1 })).status).toBe(200);
    api.fleet.set(NODES[2], err({ kind: 'timedOut', message: 'no answer' }));
    expect((await api.call('POST', `${CLUSTER}/migrate`, { slot: 8192, target: 3 })).status).toBe(200);
  });
});

describe('a contested cluster', () => {
  test('KD8d: is confirmed as our own, once, and told its topology again', async () => {
    const api = await scene();
    const synced: string[] = [];
    api.sync = ({ cluster }, node) => {
      synced.push(`${cluster} ${node ?? 'all'}`);
      return Promise.resolve(ok([]));
    };
    const before = record(api);
    const facts = { ...before.facts, contestedVersion: before.cluster.version };
    await api.registry.replaceCluster(before, before.cluster, { facts });
    expect(await api.call('POST', `${CLUSTER}/sync`)).toMatchObject({
      status: 200,
      body: { data: { sync: { version: before.cluster.version, nodes: [] } } },
    });
    expect(record(api).facts.contestedVersion).toBeNull();
    expect(record(api).cluster).toEqual(before.cluster);
    expect(synced).toEqual(['c all']);
    const { factsRevision } = record(api);
    expect((await api.call('POST', `${CLUSTER}/sync`, {})).status).toBe(200);
    expect(record(api).factsRevision).toBe(factsRevision);
    expect((await api.call('POST', `${ROOT}/ns/clusters/no/sync`)).status).toBe(404);
  });
});

describe('a failover by hand', () => {
  const path = `${CLUSTER}/shards/0/failover`;
  const id = 'a'.repeat(40) as NodeId;

  test.each([
    [undefined, false],
    [{ force: false }, false],
    [{ force: true }, true],
  ])('KB7: with the body %j is forced: %j', async (body, isForced) => {
    const api = await scene();
    api.failover = (request) =>
      Promise.resolve(
        request.isForced === isForced
          ? ok({ newMaster: id, warning: isForced ? 'what it lacks is lost' : null })
          : err({ kind: 'missing' }),
      );
    const answer = await api.call('POST', path, body);
    expect(answer.status).toBe(200);
    const warning = isForced ? { warning: 'what it lacks is lost' } : {};
    expect(answer.body).toEqual({ data: { new_master_id: id, ...warning } });
  });

  test('KD5: that was done is answered so, also when the lead is lost right after it', async () => {
    const api = await scene();
    api.failover = () => {
      api.group.isLeader = false;
      api.status = { ...api.status, leader: { id: 2, address: '127.0.0.1:9380' as never } };
      return Promise.resolve(ok({ newMaster: id, warning: null }));
    };
    for (const headers of [{}, { Prefer: 'return=representation' }]) {
      api.group.isLeader = true;
      api.status = { ...api.status, leader: { id: 1, address: '127.0.0.1:9379' as never } };
      expect((await api.call('POST', path, {}, headers)).status).toBe(200);
    }
  });

  test('that is only asked about is answered with the plan, and nothing is done', async () => {
    const api = await scene();
    const address = '127.0.0.1:1' as never;
    api.planFailover = (request) =>
      Promise.resolve(
        ok({
          kind: request.isForced ? 'failover' : 'drain',
          newMaster: id,
          why: 'it has everything',
          mayBeLost: request.isForced ? 'what it lacks' : null,
          master: { id, address, isAnswering: true, sequence: 7 },
          candidates: [{ id, address, sequence: 5, behind: 2, isEligible: true, why: 'sequence 5' }],
        }),
      );
    const plan = {
      kind: 'drain',
      new_master_id: id,
      reason: 'it has everything',
      may_be_lost: null,
      master: { id, addr: address, answers: true, sequence: 7 },
      candidates: [{ id, addr: address, sequence: 5, behind: 2, eligible: true, reason: 'sequence 5' }],
    };
    expect((await api.call('POST', path, { dry_run: true })).body).toEqual({ data: { plan } });
    const forced = await api.call('POST', path, { dry_run: true, force: true });
    expect(forced.body).toEqual({
      data: { plan: { ...plan, kind: 'failover', may_be_lost: 'what it lacks' } },
    });
    api.planFailover = () =>
      Promise.resolve(err({ kind: 'refused', reason: 'another failover is under way' }));
    expect((await api.call('POST', path, { dry_run: true })).status).toBe(409);
    expect((await api.call('POST', path, { dry_rn: true })).status).toBe(400);
    expect((await api.call('POST', path, { dry_run: 'yes' })).status).toBe(400);
  });
});

test('while a master is changed as planned, its cluster is not forgotten and its shard is not changed', async () => {
  const api = testApi();
  api.fleet.add(...NODES);
  await api.call('POST', ROOT, { namespace: 'ns' });
  const body = { name: 'c', nodes: NODES, replicas: 2 };
  expect((await api.call('POST', `${ROOT}/ns/clusters`, body)).status).toBe(201);
  const read = record(api);
  const replica = read.cluster.shards[0]?.nodes[1]?.id ?? ('' as NodeId);
  await api.registry.replaceCluster(read, valueOf(startDrain(read.cluster, 0, replica)));
  const answers = [
    await api.call('DELETE', CLUSTER),
    await api.call('DELETE', `${CLUSTER}/shards/0/nodes/${replica}`),
    await api.call('DELETE', `${CLUSTER}/shards/0/slots`, { slots: ['1'] }),
    await api.call('POST', `${CLUSTER}/migrate`, { slot: 1, target: 1, slot_only: true }),
  ];
  for (const answer of answers) {
    expect(answer.status).toBe(409);
    expect(JSON.stringify(answer.body)).toMatch(/shard 0 is changing its master as planned.*please retry/);
  }
});
