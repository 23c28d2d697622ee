// Nodes that have another address: the data directory is the node, wherever its process runs.

import { expect, test } from 'vitest';

import { write } from '../support/copies.ts';
import { type KvrocksNode, startKvrocksNode } from '../support/kvrocks-node.ts';
import { expectStatus, masterOf, replicasOf } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

/** The same node at another port, with what it had. */
async function moved(node: KvrocksNode): Promise<KvrocksNode> {
  await node.stop();
  return startKvrocksNode({ dir: node.dir });
}

test('a replica and a lone master are found again with all they had', async () => {
  const stage = scene();
  const view = await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
  const [lone] = await stage.nodes(1);
  if (lone === undefined) throw new Error('one node');
  expectStatus(await stage.api.post(stage.path('c', '/shards'), { nodes: [lone.address] }), 201);
  const slots = { slot: '10000-16383', target: 1, slot_only: true };
  expectStatus(await stage.api.post(stage.path('c', '/migrate'), slots), 200);
  await stage.converged('c');
  const shard = view.shards[0];
  const [master, replica] = [shard && masterOf(shard), shard && replicasOf(shard)[0]];
  if (master === undefined || replica === undefined) throw new Error('two nodes');
  const written = await write(stage, lone.address, { slot: 12_000, count: 50, value: 'kept' });
  const id = (await stage.api.get(stage.path('c', '/shards/1/master'))).body.data.master.id;

  const there = await moved(lone);
  try {
    expectStatus(
      await stage.api.send('PATCH', stage.path('c', `/shards/1/nodes/${id}`), {
        body: { addr: there.address },
      }),
      200,
    );
    await stage.viewWhere(
      'c',
      'its new address',
      ({ shards }) => shards[1]?.nodes[0]?.addr === there.address,
    );
    await write(stage, master.addr, { slot: 1, count: 3, value: 'at the first shard' });
    for (const [key, value] of written) expect(await there.command('GET', key)).toBe(value);

    const copy = await moved(stage.nodeAt(replica.addr));
    try {
      const path = stage.path('c', `/shards/0/nodes/${replica.id}`);
      expectStatus(await stage.api.send('PATCH', path, { body: { addr: copy.address } }), 200);
      await waitUntil('both to have their place', async () => {
        const { status } = (await stage.api.get(stage.path('c', '/status'))).body.data;
        return status.converged === true && status.problems.length === 0 ? true : notYet(status);
      });
      expect(String(await copy.command('CLUSTER', 'NODES'))).toContain(there.address);
    } finally {
      await copy.dispose();
    }
  } finally {
    await there.dispose();
  }
});
