// A node that was used before: it has data, and its topology was lost.

import { write } from './copies.ts';
import type { KvrocksNode } from './kvrocks-node.ts';
import type { Scene } from './scene.ts';

const ID = 'e'.repeat(40);

/** Leaves a fresh node with data of its own and without a topology, as one whose nodes.conf was lost. Returns what it has. */
export async function useBefore(stage: Scene, node: KvrocksNode): Promise<ReadonlyMap<string, string>> {
  const { address, port } = node;
  await stage.ask(address, 'CLUSTERX', 'SETNODEID', ID);
  await stage.ask(address, 'CLUSTERX', 'SETNODES', `${ID} 127.0.0.1 ${port} master - 0-16383`, '1');
  const written = await write(stage, address, { slot: 5, count: 60, value: 'of before' });
  await stage.ask(address, 'CONFIG', 'SET', 'persist-cluster-nodes-enabled', 'no');
  await node.restart();
  return written;
}
