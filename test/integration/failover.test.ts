// Dead and hung masters are replaced, returning ones get their right place, and people can ask for a change of master.

import { describe, expect, test } from 'vitest';

import { expectStatus, masterOf, replicasOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitFor, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

/** A cluster `c` of one shard with `count` nodes. */
async function shardOf(stage: Scene, count: number) {
  const nodes = await stage.nodes(count);
  const view = await stage.cluster('c', nodes, { replicas: count });
  const [shard] = view.shards;
  if (shard === undefined) throw new Error('one shard');
  return { view, master: masterOf(shard), replicas: replicasOf(shard) };
}

/** Waits until shard 0 has a master other than `address`, and returns its address. */
async function otherMaster(stage: Scene, address: string): Promise<string> {
  const view = await stage.viewWhere('c', `a master other than ${address}`, ({ shards: [shard] }) =>
    shard === undefined ? false : masterOf(shard).addr !== address,
  );
  return view.shards[0] === undefined ? '' : masterOf(view.shards[0]).addr;
}

describe('an automatic failover', () => {
  test('promotes the replica of a killed master, whose data is there, and takes the old master back as replica', async () => {
    const stage = scene();
    const { view, master, replicas } = await shardOf(stage, 2);
    const [replica] = replicas;
    if (replica === undefined) throw new Error('one replica');
    await stage.ask(master.addr, 'SET', 'before', '1');
    await stage.inSync(master.addr, replica.addr);

    await stage.nodeAt(master.addr).kill();
    expect(await otherMaster(stage, master.addr)).toBe(replica.addr);
    await stage.untilWritable(replica.addr, 'after', '2');
    expect(await stage.askCluster(replica.addr, 'GET', 'before')).toBe('1');
    const after = await stage.converged('c', [master.addr]);
    expect(after.version).toBe(view.version + 1);
    expect(after.shards[0]?.slot_ranges).toEqual(['0-16383']);
    expect(after.shards[0]?.nodes.map((node) => [node.id, node.role])).toEqual([
      [master.id, 'slave'],
      [replica.id, 'master'],
    ]);

    await stage.nodeAt(master.addr).restart();
    await stage.converged('c');
    await stage.inSync(replica.addr, master.addr);
    await expect(stage.ask(master.addr, 'SET', 'after', '3')).rejects.toThrow(/MOVED/);

    const shown = (await stage.api.get(stage.path('c', '/status'))).body.data.status.shards[0];
    // What was decided, and why, is there also when the leader that did it is gone.
    const leader = await trio().leader();
    await leader.kill();
    const { events } = (await stage.api.get(stage.path('c', '/events?kind=failover'))).body.data;
    expect(events).toMatchObject([
      {
        kind: 'failover',
        actor: 'controller',
        shard: 0,
        node: replica.id,
        version: { before: 1, after: 2 },
        lost: 0,
      },
    ]);
    expect(events[0].details).toMatchObject({ verdict: 'due', next: { node: replica.id } });
    expect(shown.last_decision).toMatchObject({ id: events[0].id, kind: 'failover' });
    await waitFor('the election to be told', async () => {
      const [latest] = (await stage.api.get('/api/v1/events?kind=leaderElected')).body.data.events;
      return /^member \d leads from term \d+ on$/.test(latest?.text ?? '');
    });
    leader.start();
    await trio().ready();
  });

  test('promotes the replica of a hung master, which becomes a replica when it wakes', async () => {
    const stage = scene();
    const { view, master, replicas } = await shardOf(stage, 2);
    stage.nodeAt(master.addr).pause();
    expect(await otherMaster(stage, master.addr)).toBe(replicas[0]?.addr);
    await stage.untilWritable(replicas[0]?.addr ?? '', 'while-hung', '1');
    stage.nodeAt(master.addr).resume();
    const after = await stage.converged('c');
    expect(after.version).toBe(view.version + 1);
  });

  test('never takes a replica that does not answer', async () => {
    const stage = scene();
    const { master, replicas } = await shardOf(stage, 3);
    const [dead, alive] = replicas;
    if (dead === undefined || alive === undefined) throw new Error('two replicas');
    await stage.nodeAt(dead.addr).kill();
    await stage.nodeAt(master.addr).kill();
    expect(await otherMaster(stage, master.addr)).toBe(alive.addr);
    await stage.untilWritable(alive.addr, 'k', 'v');
    await stage.nodeAt(dead.addr).restart();
    await stage.nodeAt(master.addr).restart();
    await stage.converged('c');
  });

  test('does not happen when no replica can be taken, and the log says why', async () => {
    const stage = scene();
    const { view, master, replicas } = await shardOf(stage, 2);
    const [replica] = replicas;
    if (replica === undefined) throw new Error('one replica');
    await stage.nodeAt(replica.addr).kill();
    await stage.nodeAt(master.addr).kill();
    await waitUntil('the log to say why nobody is promoted', () => {
      const lines = trio()
        .logged('problem.found')
        .filter((line) => line['namespace'] === stage.namespace && line['problem'] === 'masterUnreachable');
      const told = lines.map((line) => String(line['detail']));
      const isTold = told.some((text) => text.includes('No eligible replica') && text.includes(replica.addr));
      return isTold ? true : notYet(told);
    });
    expect(await stage.view('c')).toEqual(view);
    // The shard heals by itself when its master is back.
    await stage.nodeAt(master.addr).restart();
    await stage.nodeAt(replica.addr).restart();
    expect((await stage.converged('c')).version).toBe(view.version);
  });

  test('of several shards at once promotes one replica in each', async () => {
    const stage = scene();
    const nodes = await stage.nodes(4);
    const view = await stage.cluster('c', nodes, { replicas: 2 });
    const masters = view.shards.map((shard) => masterOf(shard));
    await Promise.all(masters.map((master) => stage.nodeAt(master.addr).kill()));
    await stage.viewWhere('c', 'a new master in every shard', ({ shards }) =>
      shards.every((shard, index) => masterOf(shard).id !== masters[index]?.id),
    );
    await stage.converged(
      'c',
      masters.map((master) => master.addr),
    );
  });

  test('leaves the version alone when a replica dies and returns', async () => {
    const stage = scene();
    const { view, master, replicas } = await shardOf(stage, 2);
    const replica = stage.nodeAt(replicas[0]?.addr ?? '');
    await replica.kill();
    await stage.ask(master.addr, 'SET', 'k', 'v');
    await replica.restart();
    await stage.converged('c');
    await replica.restart({ wipeNodesConf: true });
    expect((await stage.converged('c')).version).toBe(view.version);
    await stage.inSync(master.addr, replica.address);
  });
});

describe('a failover that people ask for', () => {
  test('promotes the preferred node and answers its id', async () => {
    const stage = scene();
    const { view, master, replicas } = await shardOf(stage, 3);
    const preferred = replicas[1];
    if (preferred === undefined) throw new Error('two replicas');
    await stage.inSync(master.addr, preferred.addr);
    const answer = await stage.api.post(stage.path('c', '/shards/0/failover'), {
      preferred_node_id: preferred.id,
    });
    expect([answer.status, answer.body]).toEqual([200, { data: { new_master_id: preferred.id } }]);
    const after = await stage.converged('c');
    expect(after.version).toBeGreaterThan(view.version);
    expect(after.shards[0] && masterOf(after.shards[0]).id).toBe(preferred.id);
  });

  test('without a body takes the best replica; with Prefer answers the shard', async () => {
    const stage = scene();
    const { master, replicas } = await shardOf(stage, 2);
    await stage.inSync(master.addr, replicas[0]?.addr ?? '');
    const empty = await stage.api.post(stage.path('c', '/shards/0/failover'));
    expect([empty.status, empty.body]).toEqual([200, { data: { new_master_id: replicas[0]?.id } }]);
    await stage.converged('c');
    await stage.inSync(replicas[0]?.addr ?? '', master.addr);
    const back = await stage.api.post(
      stage.path('c', '/shards/0/failover'),
      { preferred_node_id: '' },
      { headers: { Prefer: 'return=representation' } },
    );
    expectStatus(back, 200);
    expect(back.headers['preference-applied']).toBe('return=representation');
    const view = await stage.converged('c');
    expect(back.body.data.shard.nodes).toEqual(view.shards[0]?.nodes);
    expect(view.shards[0] && masterOf(view.shards[0]).id).toBe(master.id);
  });

  test('is refused with the reason when the preferred node cannot be master; no other node is taken', async () => {
    const stage = scene();
    const nodes = await stage.nodes(5);
    const view = await stage.cluster('c', nodes.slice(0, 4), { replicas: 2 });
    const [first, second] = view.shards;
    if (first === undefined || second === undefined) throw new Error('two shards');
    const failover = async (preferred: string) =>
      stage.api.post(stage.path('c', '/shards/0/failover'), { preferred_node_id: preferred });
    for (const id of [masterOf(first).id, replicasOf(second)[0]?.id ?? '', 'f'.repeat(40)]) {
      const answer = await failover(id);
      expect(answer.status, answer.text).toBeOneOf([404, 409]);
      expect(answer.body.error.message.length).toBeGreaterThan(10);
    }
    const short = await failover('too-short');
    expect([short.status, short.body.error.message]).toEqual([
      400,
      expect.stringMatching(/^preferred_node_id: /),
    ]);
    const replica = replicasOf(first)[0];
    await stage.nodeAt(replica?.addr ?? '').kill();
    for (const preferred of [replica?.id ?? '', '']) {
      const dead = await failover(preferred);
      expect(dead.status, dead.text).toBe(409);
    }
    expect(await stage.view('c')).toEqual(view);
  });

  test('is refused in a shard without replicas', async () => {
    const stage = scene();
    const { view } = await shardOf(stage, 1);
    const answer = await stage.api.post(stage.path('c', '/shards/0/failover'));
    expect(answer.status, answer.text).toBe(409);
    expect(await stage.view('c')).toEqual(view);
  });
});
