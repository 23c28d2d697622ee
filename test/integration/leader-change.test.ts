// The leading controller dies in the middle of its work: its successor finishes it, whatever the moment.

import { describe, expect, test } from 'vitest';

import { expectEqualCopies, write } from '../support/copies.ts';
import { fillSlot, limitSpeed, migrationEnded, serves, sourceSays } from '../support/migrations.ts';
import { type ClusterView, expectStatus, masterOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

const SLOT = 2000;

/** Kills the leading controller, and starts it again when another one leads. */
async function changeLeader(): Promise<void> {
  const leader = await trio().leader();
  await killLeader(leader);
}

async function killLeader(leader: Awaited<ReturnType<ReturnType<typeof trio>['leader']>>): Promise<void> {
  await leader.kill();
  await trio().leader();
  leader.start();
  await trio().leader();
}

async function replicatedCluster(stage: Scene): Promise<{
  readonly view: ClusterView;
  readonly master: string;
  readonly replica: string;
  readonly replicaId: string;
}> {
  const nodes = await stage.nodes(2);
  const view = await stage.cluster('c', nodes, { replicas: 2 });
  const [master, replica] = view.shards[0]?.nodes ?? [];
  if (master === undefined || replica === undefined) throw new Error('two nodes');
  await stage.ask(master.addr, 'SET', 'kept', 'yes');
  await stage.inSync(master.addr, replica.addr);
  return { view, master: master.addr, replica: replica.addr, replicaId: replica.id };
}

/** The replica is the master, once, with the data; the old master is its replica when it is back. */
async function expectFailedOver(
  stage: Scene,
  { view, master, replica, replicaId }: Awaited<ReturnType<typeof replicatedCluster>>,
): Promise<void> {
  const after = await stage.viewWhere('c', 'the replica as master', ({ shards: [shard] }) =>
    shard === undefined ? false : masterOf(shard).id === replicaId,
  );
  expect(after.version).toBe(view.version + 1);
  await stage.untilWritable(replica, 'after', '1');
  expect(await stage.askCluster(replica, 'GET', 'kept')).toBe('yes');
  await stage.nodeAt(master).restart();
  expect((await stage.converged('c')).version).toBe(view.version + 1);
}

describe('the leader is killed during a failover', () => {
  test('at the moment the master dies', async () => {
    const stage = scene();
    const shard = await replicatedCluster(stage);
    const leader = await trio().leader();
    await Promise.all([stage.nodeAt(shard.master).kill(), leader.kill()]);
    await expectFailedOver(stage, shard);
    leader.start();
    await trio().leader();
  });

  test('right after the decision was committed', async () => {
    const stage = scene();
    const shard = await replicatedCluster(stage);
    const leader = await trio().leader();
    await stage.nodeAt(shard.master).kill();
    await waitUntil(
      'the new version',
      async () => ((await stage.view('c')).version > shard.view.version ? true : notYet('old version')),
      { intervalMs: 1 },
    );
    await leader.kill();
    await expectFailedOver(stage, shard);
    leader.start();
    await trio().leader();
  });

  test('right after writes were served again', async () => {
    const stage = scene();
    const shard = await replicatedCluster(stage);
    await stage.nodeAt(shard.master).kill();
    await stage.untilWritable(shard.replica, 'first', '1');
    await changeLeader();
    await expectFailedOver(stage, shard);
  });

  test('that people asked for: it happened or it did not, and all nodes agree', async () => {
    const stage = scene();
    const shard = await replicatedCluster(stage);
    const leader = await trio().leader();
    const asked = stage.api
      .sendTo(leader.url, 'POST', stage.path('c', '/shards/0/failover'))
      .then((answer) => answer.status)
      .catch(() => 'lost');
    await leader.kill();
    const outcome = await asked;
    leader.start();
    const after = await stage.converged('c');
    const isDone = after.shards[0] !== undefined && masterOf(after.shards[0]).id === shard.replicaId;
    if (outcome === 200) expect(isDone).toBe(true);
    expect(after.version).toBe(shard.view.version + (isDone ? 1 : 0));
    await trio().leader();
  });
});

describe('the leader is killed during a migration', () => {
  async function twoShards(): Promise<{
    readonly stage: Scene;
    readonly view: ClusterView;
    readonly source: string;
    readonly target: string;
    readonly keys: readonly string[];
  }> {
    const stage = scene();
    const view = await stage.cluster('c', await stage.nodes(2));
    const [source = '', target = ''] = view.shards.map((shard) => masterOf(shard).addr);
    const keys = await fillSlot(stage, source, { slot: SLOT, count: 144 });
    await limitSpeed(stage, source, 48);
    return { stage, view, source, target, keys };
  }

  async function migrate(stage: Scene): Promise<void> {
    expectStatus(await stage.api.post(stage.path('c', '/migrate'), { target: 1, slot: SLOT }), 200);
  }

  async function expectMigrated({
    stage,
    view,
    target,
    keys,
  }: Awaited<ReturnType<typeof twoShards>>): Promise<void> {
    const after = await migrationEnded(stage, 'c');
    expect(after.shards[1]?.slot_ranges).toContain(String(SLOT));
    expect(after.version).toBe(view.version + 1);
    await stage.converged('c');
    expect(await serves(stage, target, keys)).toBe(true);
  }

  test('right after the request was accepted', async () => {
    const two = await twoShards();
    const leader = await trio().leader();
    await migrate(two.stage);
    await killLeader(leader);
    await expectMigrated(two);
  });

  test('while the data moves', async () => {
    const two = await twoShards();
    await migrate(two.stage);
    await sourceSays(two.stage, two.source, { slots: String(SLOT), state: 'start' });
    await changeLeader();
    await expectMigrated(two);
  });

  test('right after the source reported success', async () => {
    const two = await twoShards();
    const leader = await trio().leader();
    await migrate(two.stage);
    await sourceSays(two.stage, two.source, { slots: String(SLOT), state: 'success' });
    await leader.kill();
    await expectMigrated(two);
    leader.start();
    await trio().leader();
  });
});

describe('the leader is killed while a cluster is created', () => {
  test('and every node still gets its place', async () => {
    const stage = scene();
    const nodes = await stage.nodes(4);
    await stage.makeNamespace();
    const leader = await trio().leader();
    const body = { name: 'c', nodes: nodes.map((node) => node.address), replicas: 2 };
    expectStatus(await stage.api.post(`/api/v1/namespaces/${stage.namespace}/clusters`, body), 201);
    await leader.kill();
    expect((await stage.converged('c')).version).toBe(1);
    leader.start();
    await trio().leader();
  });
});

describe('all controllers are killed', () => {
  test('during a failover and a migration: both are finished when they are back', async () => {
    const stage = scene();
    const nodes = await stage.nodes(4);
    const view = await stage.cluster('c', nodes.slice(0, 2), { replicas: 1 });
    const pair = await stage.cluster('pair', nodes.slice(2), { replicas: 2 });
    const old = pair.shards[0] === undefined ? undefined : masterOf(pair.shards[0]);
    // What a replica has of its master is what it is trusted by when nobody is left who saw their link.
    await write(stage, old?.addr ?? '', { slot: SLOT, count: 1, value: 'kept' });
    await expectEqualCopies(stage, 'pair');
    const [source = '', target = ''] = view.shards.map((shard) => masterOf(shard).addr);
    const keys = await fillSlot(stage, source, { slot: SLOT, count: 144 });
    await limitSpeed(stage, source, 48);
    expectStatus(await stage.api.post(stage.path('c', '/migrate'), { target: 1, slot: SLOT }), 200);
    await sourceSays(stage, source, { slots: String(SLOT), state: 'start' });
    await stage.nodeAt(old?.addr ?? '').kill();
    await Promise.all(trio().members.map((member) => member.kill()));
    for (const member of trio().members) member.start();
    await stage.viewWhere('pair', 'a new master', ({ shards: [shard] }) =>
      shard === undefined ? false : masterOf(shard).id !== old?.id,
    );
    await migrationEnded(stage, 'c');
    await stage.converged('c');
    await stage.converged('pair', [old?.addr ?? '']);
    expect(await serves(stage, target, keys)).toBe(true);
  });
});
