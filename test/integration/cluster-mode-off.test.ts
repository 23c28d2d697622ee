// Nodes that ran without cluster mode for a while: each was a master for anybody then.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { expectContent, expectEqualCopies, write } from '../support/copies.ts';
import type { KvrocksNode } from '../support/kvrocks-node.ts';
import { problemTold, remadeTold } from '../support/problems.ts';
import { masterOf, replicasOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';

/** A master may be restarted without being replaced. */
const trio = useTrio({ maxPingCount: 20 });
const scene = useScenes(trio);

interface Pair {
  readonly stage: Scene;
  readonly master: KvrocksNode;
  readonly replica: KvrocksNode;
  readonly written: ReadonlyMap<string, string>;
}

/** A cluster `c` of one shard whose replica has the same two hundred keys as its master. */
async function filledPair(): Promise<Pair> {
  const stage = scene();
  const { shards } = await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
  const [shard] = shards;
  const other = shard === undefined ? undefined : replicasOf(shard)[0];
  if (shard === undefined || other === undefined) throw new Error('a shard of two');
  const [master, replica] = [stage.nodeAt(masterOf(shard).addr), stage.nodeAt(other.addr)];
  const written = await write(stage, master.address, { slot: 1, count: 200, value: 'acknowledged' });
  await stage.inSync(master.address, replica.address);
  return { stage, master, replica, written };
}

async function restartWithClusterMode(node: KvrocksNode, mode: 'yes' | 'no'): Promise<void> {
  const conf = join(node.dir, 'kvrocks.conf');
  writeFileSync(conf, readFileSync(conf, 'utf8').replace(/cluster-enabled \w+/, `cluster-enabled ${mode}`));
  await node.restart();
}

test('a replica that took writes of its own meanwhile is made anew when it is back', async () => {
  const { stage, master, replica, written } = await filledPair();
  await restartWithClusterMode(replica, 'no');
  await problemTold(trio(), stage, { kind: 'clusterDisabled', addr: replica.address });
  await problemTold(trio(), stage, { kind: 'copyNotProven', addr: replica.address });
  await stage.ask(replica.address, 'SET', 'a', 'of its own');
  await write(stage, master.address, { slot: 2, count: 100, value: 'meanwhile' });
  await restartWithClusterMode(replica, 'yes');
  await remadeTold(trio(), stage, replica.address);
  await expectEqualCopies(stage, 'c');
  await expectContent(stage, replica.address, written);
}, 90_000);

test('that is known to the next leader, too', async () => {
  const { stage, master, replica } = await filledPair();
  await restartWithClusterMode(replica, 'no');
  await problemTold(trio(), stage, { kind: 'copyNotProven', addr: replica.address });
  await stage.ask(replica.address, 'SET', 'a', 'of its own');
  await write(stage, master.address, { slot: 2, count: 100, value: 'meanwhile' });
  const leader = await trio().leader();
  await leader.kill();
  await restartWithClusterMode(replica, 'yes');
  await remadeTold(trio(), stage, replica.address);
  await expectEqualCopies(stage, 'c');
  leader.start();
}, 90_000);

test('a master is told and not replaced, and has all that the cluster wrote when it is back', async () => {
  const { stage, master, written } = await filledPair();
  await restartWithClusterMode(master, 'no');
  await problemTold(trio(), stage, { kind: 'clusterDisabled', addr: master.address });
  await stage.ask(master.address, 'SET', 'a', 'of its own');
  await restartWithClusterMode(master, 'yes');
  await stage.untilWritable(master.address, 'after', '1');
  const view = await expectEqualCopies(stage, 'c');
  expect(view.shards.map((shard) => masterOf(shard).addr)).toEqual([master.address]);
  await expectContent(stage, master.address, written);
}, 90_000);
