// What a node really holds, key by key: equal sequence numbers and a link that is up do not show it.

import { expect } from 'vitest';

import { type Command, keysOfSlot } from './node-commands.ts';
import type { KvrocksNode } from './kvrocks-node.ts';
import { type ClusterView, masterOf, replicasOf, type Scene } from './scene.ts';
import { notYet, waitUntil } from './wait-until.ts';

/** Every key at `address` with its value, also those whose slots the node does not serve. */
export async function contentOf(stage: Scene, address: string): Promise<ReadonlyMap<string, string>> {
  const [, keys] = await stage.askAll(address, [['READONLY'], ['KEYS', '*']]);
  const names = (Array.isArray(keys) ? keys : []).map(String).toSorted();
  const reads = names.map((name): Command => ['GET', name]);
  const [, ...values] = await stage.askAll(address, [['READONLY'], ...reads]);
  return new Map(names.map((name, index) => [name, String(values[index])]));
}

/** Waits until all nodes of the cluster have their places and stand where their masters stand, and compares every key. */
export async function expectEqualCopies(stage: Scene, cluster: string): Promise<ClusterView> {
  const view = await stage.converged(cluster);
  for (const shard of view.shards) {
    const master = masterOf(shard).addr;
    for (const { addr } of replicasOf(shard)) {
      await stage.inSync(master, addr);
      expect(await contentOf(stage, addr)).toEqual(await contentOf(stage, master));
    }
  }
  return view;
}

/** Writes `count` keys of a slot in one go and returns them with their values. */
export async function write(
  stage: Scene,
  address: string,
  batch: { readonly slot: number; readonly count: number; readonly value: string },
): Promise<ReadonlyMap<string, string>> {
  const keys = keysOfSlot(batch.slot, batch.count);
  await stage.askAll(
    address,
    keys.map((key) => ['SET', key, batch.value] as const),
  );
  return new Map(keys.map((key) => [key, batch.value]));
}

/** Fails unless every key of `wanted` is at `address` with its value. */
export async function expectContent(
  stage: Scene,
  address: string,
  wanted: ReadonlyMap<string, string>,
): Promise<void> {
  const content = await contentOf(stage, address);
  const missing = [...wanted].filter(([key, value]) => content.get(key) !== value);
  expect(missing).toEqual([]);
}

/** The node again at its place, as on a machine whose disk was exchanged: it knows nothing of itself and has no data. */
export async function restartOnNewDisk(node: KvrocksNode): Promise<void> {
  await node.restart({ wipeNodesConf: true, wipeData: true });
}

/** Waits until shard `index` has another master than the node at `address`, and returns the new one's address. */
export async function successorOf(
  stage: Scene,
  cluster: string,
  { address, index = 0 }: { readonly address: string; readonly index?: number },
): Promise<string> {
  return waitUntil(
    `another master than ${address}`,
    async () => {
      const { shards } = await stage.view(cluster);
      const shard = shards[index];
      const master = shard === undefined ? address : masterOf(shard).addr;
      return master === address ? notYet(shard) : master;
    },
    { intervalMs: 5 },
  );
}
