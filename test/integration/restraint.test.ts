// What people want of the automation, and what it doubts of itself: failovers that are held back, told, and done once nothing holds them back.

import { afterEach, describe, expect, test } from 'vitest';

import { problemTold } from '../support/problems.ts';
import { masterOf, replicasOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const AUTOMATION = '/api/v1/automation';

interface Shard {
  readonly master: string;
  readonly replicas: readonly string[];
}

async function shardOf(stage: Scene, count: number): Promise<Shard> {
  const view = await stage.cluster('c', await stage.nodes(count), { replicas: count });
  const [shard] = view.shards;
  if (shard === undefined) throw new Error('one shard');
  const [master, replicas] = [masterOf(shard).addr, replicasOf(shard).map(({ addr }) => addr)];
  await stage.untilWritable(master, 'before', '1');
  for (const replica of replicas) await stage.inSync(master, replica);
  return { master, replicas };
}

async function masterNow(stage: Scene): Promise<string> {
  const { body } = await stage.api.get(stage.path('c', '/shards/0/master'));
  return body.data.master.addr;
}

async function gone(stage: Scene, kind: string): Promise<void> {
  await waitUntil(`${kind} to be gone`, async () => {
    const { problems } = (await stage.api.get(stage.path('c', '/status'))).body.data.status;
    return problems.some((problem: { kind: string }) => problem.kind === kind) ? notYet(problems) : true;
  });
}

describe('people', () => {
  const trio = useTrio();
  const scene = useScenes(trio);
  afterEach(async () => trio().api.put(AUTOMATION, { failover: 'on' }));

  test.each(['for one cluster', 'for all'])(
    'pause automatic failover %s: a dead master is told and left, also by the next leader, until that is taken back',
    async (whom) => {
      const stage = scene();
      const { master, replicas } = await shardOf(stage, 2);
      const path = whom === 'for all' ? AUTOMATION : stage.path('c', '/automation');
      const paused = await stage.api.put(path, { failover: 'paused', reason: 'we move racks' });
      expect(paused.body.data.effective).toMatchObject({ failover: 'paused', reason: 'we move racks' });
      await stage.nodeAt(master).kill();
      await problemTold(trio(), stage, {
        kind: 'failoverRestrained',
        addr: master,
        detail: /would take over, but automatic failover is paused .*\(we move racks\)/,
      });
      const leader = await trio().leader();
      await leader.kill();
      await trio().leader();
      leader.start();
      await waitUntil('the next leader to say why it does nothing', async () => {
        const answer = await stage.api.get(stage.path('c', '/shards/0/explain'));
        const { verdict, gates } = answer.body.data?.explain ?? {};
        return verdict === 'blocked' && gates.at(-1)?.verdict === 'block' ? true : notYet(answer.body);
      });
      expect(await masterNow(stage)).toBe(master);
      await stage.api.put(path, { failover: 'on' });
      await stage.untilWritable(replicas[0] ?? '', 'after', '1');
      await gone(stage, 'failoverPaused');
    },
  );

  test('take a master out for maintenance: it hands over without a lost write, is not missed, and comes back', async () => {
    const stage = scene();
    const { master, replicas } = await shardOf(stage, 3);
    const id = (await stage.api.get(stage.path('c', '/shards/0/master'))).body.data.master.id;
    const path = stage.path('c', `/shards/0/nodes/${id}/maintenance`);
    const begun = await stage.api.put(path, { reason: 'new disk' });
    expect(begun.body.data).toMatchObject({ maintenance: { reason: 'new disk' } });
    const successor = await masterNow(stage);
    expect(replicas).toContain(successor);
    expect(await stage.askCluster(successor, 'GET', 'before')).toBe('1');
    await stage.converged('c');
    await stage.nodeAt(master).kill();
    const { problems } = await waitUntil('it to be missed and nobody to complain', async () => {
      const { status } = (await stage.api.get(stage.path('c', '/status'))).body.data;
      const node = status.nodes.find((each: { addr: string }) => each.addr === master);
      return node.condition === 'down' ? status : notYet(status);
    });
    expect(problems.map(({ kind }: { kind: string }) => kind)).toEqual(['nodeInMaintenance']);
    await stage.nodeAt(master).restart();
    expect((await stage.api.delete(path)).status).toBe(200);
    await stage.converged('c');
    await stage.inSync(successor, master);
    await gone(stage, 'nodeInMaintenance');
  });
});

describe('the controllers', () => {
  const trio = useTrio({ aliveSizeMin: 3, coolDownSeconds: 30 });
  const scene = useScenes(trio);

  test('replace nobody while most nodes are missed at once, unless somebody says that they are dead', async () => {
    const stage = scene();
    const { master, replicas } = await shardOf(stage, 3);
    const [dead = '', alive = ''] = replicas;
    for (const address of [master, dead]) stage.nodeAt(address).pause();
    await problemTold(trio(), stage, { kind: 'massFailure', detail: /2 of the 3 nodes/ });
    await problemTold(trio(), stage, { kind: 'failoverRestrained', addr: master });
    expect(await masterNow(stage)).toBe(master);
    await stage.api.put(AUTOMATION, { failover: 'on', ignore_mass_failure: true, reason: 'the rack burns' });
    await stage.untilWritable(alive, 'after', '1');
    for (const address of [master, dead]) stage.nodeAt(address).resume();
    await stage.api.put(AUTOMATION, { failover: 'on' });
    await stage.converged('c');
  });

  test('wait before a shard loses a second master to silence, and not when its process is gone', async () => {
    const stage = scene();
    const { master } = await shardOf(stage, 3);
    stage.nodeAt(master).pause();
    const second = await stage.viewWhere('c', 'another master', ({ shards: [shard] }) =>
      shard === undefined ? false : masterOf(shard).addr !== master,
    );
    stage.nodeAt(master).resume();
    await stage.converged('c');
    const successor = second.shards[0] === undefined ? '' : masterOf(second.shards[0]).addr;
    stage.nodeAt(successor).pause();
    await problemTold(trio(), stage, { kind: 'failoverRestrained', addr: successor, detail: /only silent/ });
    expect(await masterNow(stage)).toBe(successor);
    stage.nodeAt(successor).resume();
    await gone(stage, 'failoverRestrained');
    await stage.nodeAt(successor).kill();
    await stage.viewWhere('c', 'a third master', ({ shards: [shard] }) =>
      shard === undefined ? false : masterOf(shard).addr !== successor,
    );
  });
});
