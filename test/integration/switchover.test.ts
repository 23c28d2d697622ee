// Failovers by hand of a living master: clients are turned away first, so nothing that was acknowledged is lost; or it is undone.

import { expect, test } from 'vitest';

import { slowLinksMissing, useNetwork } from '../support/links.ts';
import { expectStatus, masterOf, replicasOf } from '../support/scene.ts';
import { expectNothingLost, fallBehind, SLOW_WRITES, underLoad } from '../support/switchovers.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';

const trio = useTrio();
const scene = useScenes(trio);
const network = useNetwork();

const SWITCHOVERS = 10;

test('ten failovers of a living master in a row under load lose no acknowledged write', async () => {
  const stage = scene();
  const loaded = await underLoad(stage, 3);
  const { writer, master } = loaded;
  const gapsMs: number[] = [];
  let last = master.id;
  for (let turn = 0; turn < SWITCHOVERS; turn += 1) {
    await stage.converged('c');
    writer.takeLongestGapMs();
    const answer = await stage.api.post(stage.path('c', '/shards/0/failover'));
    expectStatus(answer, 200);
    expect(answer.body.data.new_master_id).not.toBe(last);
    last = answer.body.data.new_master_id;
    await writer.progress(200);
    gapsMs.push(Math.round(writer.takeLongestGapMs()));
  }
  console.log(`${writer.count} writes; longest gaps of a client, ms: ${gapsMs.join(' ')}`);
  await expectNothingLost(stage, loaded);
});

test('what a failover would do is told without doing it', async () => {
  const stage = scene();
  const { version, shards } = await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
  const [shard] = shards;
  if (shard === undefined) throw new Error('one shard');
  const [replica] = replicasOf(shard);
  const dryRun = async (body: object = {}): Promise<Record<string, unknown>> => {
    const answer = await stage.api.post(stage.path('c', '/shards/0/failover'), { dry_run: true, ...body });
    expectStatus(answer, 200);
    return answer.body.data.plan as Record<string, unknown>;
  };
  await stage.ask(masterOf(shard).addr, 'SET', 'first', '1');
  await stage.inSync(masterOf(shard).addr, replica?.addr ?? '');
  expect(await dryRun()).toMatchObject({
    kind: 'drain',
    new_master_id: replica?.id,
    may_be_lost: null,
    master: { addr: masterOf(shard).addr, answers: true },
    candidates: [{ addr: replica?.addr, behind: 0, eligible: true }],
  });
  expect(await dryRun({ force: true })).toMatchObject({
    kind: 'failover',
    may_be_lost: expect.stringContaining('until it is told that it was replaced'),
  });
  await stage.nodeAt(replica?.addr ?? '').kill();
  expect(await dryRun()).toMatchObject({
    kind: 'none',
    new_master_id: null,
    candidates: [{ eligible: false }],
  });
  expect((await stage.view('c')).version).toBe(version);
});

test.skipIf(slowLinksMissing !== null)(
  'a drained master that its replica does not reach in time takes writes again, and the answer says how far it was behind',
  async () => {
    const stage = scene({ network: network() });
    const loaded = await underLoad(stage, 2, SLOW_WRITES);
    const { writer, master, replica } = loaded;
    await fallBehind(stage, loaded);
    const answer = await stage.api.post(stage.path('c', '/shards/0/failover'));
    expectStatus(answer, 409);
    expect(answer.body.error.message).toMatch(
      /undone: .* within 2000 ms: it lacks \d+ of the \d+ numbers of its master; .* is the master as before, and nothing was changed/,
    );
    await writer.progress(200);
    const [shard] = (await stage.view('c')).shards;
    expect(shard === undefined ? '' : masterOf(shard).addr).toBe(master.addr);
    await stage.speedUp(loaded);
    await writer.stop();
    await stage.inSync(master.addr, replica.addr);
    const again = await stage.api.post(stage.path('c', '/shards/0/failover'));
    expectStatus(again, 200);
    await expectNothingLost(stage, loaded);
  },
);
