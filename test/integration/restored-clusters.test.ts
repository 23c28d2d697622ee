// A group that was made out of a backup only looks at its clusters: what their nodes have become since, it does not know.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { afterEach, expect, test } from 'vitest';

import { type ControllerGroup, startTrio } from '../support/controller-process.ts';
import { expectStatus, masterOf, replicasOf, Scene } from '../support/scene.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

let group: ControllerGroup | null = null;
let scene: Scene | null = null;

afterEach(async (context) => {
  if (context.task.result?.state === 'fail') console.error(group?.logTails());
  await scene?.end();
  await group?.stop();
  [group, scene] = [null, null];
});

/** A group of one with a cluster of a master and a replica, and a backup of that. */
async function backedUp(): Promise<{
  readonly group: ControllerGroup;
  readonly stage: Scene;
  readonly master: string;
  readonly replica: string;
  readonly version: number;
  /** Exchanges the group for one that is made out of the backup. */
  readonly restore: () => Promise<void>;
}> {
  const own = await startTrio({ count: 1 });
  group = own;
  const stage = new Scene(own.api);
  scene = stage;
  const { shards, version } = await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
  const [shard] = shards;
  if (shard === undefined) throw new Error('one shard');
  const [master, replica] = [masterOf(shard).addr, replicasOf(shard)[0]?.addr ?? ''];
  const member = own.member(1);
  const file = join(own.folder, 'copy.snapshot');
  const { content } = await own.api.download(`${member.url}/api/v1/raft/snapshot`);
  writeFileSync(file, content);
  const restore = async (): Promise<void> => {
    await member.kill();
    rmSync(member.dataDir, { recursive: true });
    member.start(['--restore', file]);
    await own.ready();
  };
  return { group: own, stage, master, replica, version, restore };
}

/** Until people are told that it is only looked at, with particulars that match. */
async function toldObserved(stage: Scene, detail: RegExp): Promise<void> {
  await waitUntil(`to be told ${detail.source}`, async () => {
    const answer = await stage.api.get(stage.path('c', '/status'));
    const { problems } = answer.body.data.status as {
      problems: readonly { kind: string; detail: string }[];
    };
    const found = problems.find(({ kind }) => kind === 'clusterObserved');
    return found !== undefined && detail.test(found.detail) ? true : notYet(problems);
  });
}

/** Until the controller misses it. */
async function ownSilent(stage: Scene, address: string): Promise<void> {
  await waitUntil(`${address} to be missed`, async () => {
    const answer = await stage.api.get(stage.path('c', '/status'));
    const { nodes } = answer.body.data.status as { nodes: readonly { addr: string; condition: string }[] };
    const condition = nodes.find(({ addr }) => addr === address)?.condition;
    return condition === 'gone' || condition === 'down' ? true : notYet(condition);
  });
}

/** A replica whose link was not seen since its master is back does not take over. */
async function untilHealthy(stage: Scene): Promise<void> {
  await waitUntil('nothing to be wrong', async () => {
    const { problems } = (await stage.api.get(stage.path('c', '/status'))).body.data.status;
    return problems.length === 0 ? true : notYet(problems);
  });
}

test('a cluster that is as the backup says is accepted, and managed from then on', async () => {
  const { group: own, stage, master, replica, version, restore } = await backedUp();
  await stage.ask(master, 'SET', 'key', 'value');
  await restore();
  await toldObserved(stage, /when this group was made out of a backup/);
  // Its master dies: that is seen, and nobody takes over.
  await stage.nodeAt(master).kill();
  await ownSilent(stage, master);
  const refused = await stage.api.post(stage.path('c', '/shards/0/failover'), { force: true });
  expect([refused.status, refused.body.error.message]).toEqual([
    409,
    expect.stringMatching(/made out of a backup .* only looks at the cluster/),
  ]);
  const silent = await stage.api.post(stage.path('c', '/accept'));
  expect([silent.status, silent.body.error.message]).toEqual([409, expect.stringContaining(master)]);
  expect(await stage.state(replica)).toMatchObject({ role: 'slave', version });
  expect(own.logged('push.accepted').filter((line) => Number(line['version']) > version)).toEqual([]);

  await stage.nodeAt(master).restart();
  await waitUntil('the cluster to be accepted', async () => {
    const answer = await stage.api.post(stage.path('c', '/accept'));
    return answer.status === 200 ? answer.body.data : notYet(answer.text);
  });
  const view = await stage.converged('c');
  expect(view.version).toBeGreaterThan(version);
  expectStatus(await stage.api.post(stage.path('c', '/accept')), 409);
  await untilHealthy(stage);
  await stage.nodeAt(master).kill();
  await stage.viewWhere(
    'c',
    'another master',
    ({ shards }) => shards[0] !== undefined && masterOf(shards[0]).addr === replica,
  );
  await stage.untilWritable(replica, 'key', 'more');
});

test('a cluster whose master has changed since is not told the old topology, and is imported from its nodes', async () => {
  const { stage, master, replica, restore } = await backedUp();
  expectStatus(await stage.api.post(stage.path('c', '/shards/0/failover')), 200);
  const { version } = await stage.converged('c');
  await stage.ask(replica, 'SET', 'key', 'newer');
  await stage.inSync(replica, master);
  await restore();
  await toldObserved(stage, /another content than ours/);
  const refused = await stage.api.post(stage.path('c', '/accept'));
  expect([refused.status, refused.body.error.message]).toEqual([
    409,
    expect.stringMatching(/is a replica of .* instead of a master.*import it from them/),
  ]);
  expect(await stage.state(replica)).toMatchObject({ role: 'master', version });
  expectStatus(await stage.api.delete(stage.path('c')), 200);
  expectStatus(await stage.api.post(stage.path('c', '/import'), { nodes: [replica] }), 201);
  const { shards } = await stage.converged('c');
  expect(shards.map((shard) => masterOf(shard).addr)).toEqual([replica]);
  expect(await stage.ask(replica, 'GET', 'key')).toBe('newer');
});
