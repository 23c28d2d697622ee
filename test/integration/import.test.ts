// Clusters that exist already are taken over as they are, from any of their nodes.

import { describe, expect, test } from 'vitest';

import { freePort } from '../support/free-port.ts';
import type { KvrocksNode } from '../support/kvrocks-node.ts';
import { type ClusterView, expectStatus, masterOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';

const trio = useTrio();
const scene = useScenes(trio);

/** A cluster on real nodes that no controller knows: two shards with a replica each, slots in several pieces. */
async function foreignCluster(stage: Scene): Promise<{
  readonly nodes: readonly KvrocksNode[];
  readonly ids: readonly string[];
  readonly text: string;
}> {
  const nodes = await stage.nodes(4);
  const ids = ['a', 'b', 'c', 'd'].map((letter) => letter.repeat(40));
  const line = (index: number, rest: string): string =>
    `${ids[index] ?? ''} 127.0.0.1 ${nodes[index]?.port ?? 0} ${rest}`;
  const text = [
    line(0, 'master - 0-99 200-8191'),
    line(1, `slave ${ids[0] ?? ''}`),
    line(2, 'master - 100-199 8192-16383'),
    line(3, `slave ${ids[2] ?? ''}`),
  ].join('\n');
  for (const [index, node] of nodes.entries()) {
    await stage.ask(node.address, 'CLUSTERX', 'SETNODEID', ids[index] ?? '');
    await stage.ask(node.address, 'CLUSTERX', 'SETNODES', text, '7');
  }
  await stage.makeNamespace();
  return { nodes, ids, text };
}

function shape(view: ClusterView): unknown {
  return view.shards
    .map((shard) => ({
      slots: shard.slot_ranges,
      nodes: shard.nodes.map((node) => `${node.id} ${node.addr} ${node.role}`).toSorted(),
    }))
    .toSorted((left, right) => (left.slots?.[0] ?? '').localeCompare(right.slots?.[0] ?? ''));
}

describe('an import', () => {
  test('takes the cluster as it is, whichever node is asked, and manages it from then on', async () => {
    const stage = scene();
    const { nodes, ids } = await foreignCluster(stage);
    const address = (index: number): string => nodes[index]?.address ?? '';
    await stage.askCluster(address(0), 'SET', 'kept', 'yes');
    for (const seed of nodes) {
      const answer = await stage.api.post(stage.path('c', '/import'), {
        nodes: [seed.address],
        password: '',
      });
      expect([answer.status, answer.body]).toEqual([201, { data: 'created' }]);
      const view = await stage.converged('c');
      expect(view.version).toBe(7);
      expect(shape(view)).toEqual([
        {
          slots: ['0-99', '200-8191'],
          nodes: [`${ids[0]} ${address(0)} master`, `${ids[1]} ${address(1)} slave`],
        },
        {
          slots: ['100-199', '8192-16383'],
          nodes: [`${ids[2]} ${address(2)} master`, `${ids[3]} ${address(3)} slave`],
        },
      ]);
      if (seed !== nodes.at(-1)) expectStatus(await stage.api.delete(stage.path('c')), 200);
    }
    const again = await stage.api.post(stage.path('c', '/import'), { nodes: [address(0)] });
    expect([again.status, again.body]).toEqual([409, { error: { message: 'the entry already existed' } }]);
    const other = await stage.api.post(stage.path('other', '/import'), { nodes: [address(0)] });
    expect([other.status, other.body.error.message]).toEqual([
      409,
      expect.stringMatching(/^the entry already existed/),
    ]);

    await nodes[0]?.kill();
    await stage.viewWhere('c', 'the replica as master', ({ shards }) =>
      shards.some((shard) => masterOf(shard).id === ids[1]),
    );
    expect((await stage.converged('c', [address(0)])).version).toBe(8);
    expect(await stage.askCluster(address(1), 'GET', 'kept')).toBe('yes');
  });

  test('asks one seed after the other until one answers, and answers with the cluster on request', async () => {
    const stage = scene();
    const { nodes } = await foreignCluster(stage);
    await nodes[1]?.kill();
    const answer = await stage.api.post(
      stage.path('c', '/import'),
      { nodes: [nodes[1]?.address, nodes[2]?.address] },
      { headers: { Prefer: 'return=representation' } },
    );
    expectStatus(answer, 201);
    expect(answer.body.data.cluster).toEqual(await stage.view('c'));
    await nodes[1]?.restart();
    await stage.converged('c');
  });

  test('is refused with the reason, and nothing is stored', async () => {
    const stage = scene();
    const { nodes, text } = await foreignCluster(stage);
    const [fresh] = await stage.nodes(1);
    const nobody = `127.0.0.1:${await freePort()}`;
    const attempt = async (seeds: unknown, name = 'c'): Promise<readonly [number, string]> => {
      const answer = await stage.api.post(stage.path(name, '/import'), { nodes: seeds });
      return [answer.status, answer.body.error.message];
    };
    expect(await attempt([nobody])).toEqual([502, expect.stringContaining(nobody)]);
    expect(await attempt([fresh?.address])).toEqual([400, expect.stringContaining('no cluster topology')]);
    expect(await attempt([nodes[0]?.address, fresh?.address])).toEqual([
      400,
      expect.stringContaining(fresh?.address ?? ''),
    ]);
    expect(await attempt([])).toEqual([400, expect.stringMatching(/^nodes: /)]);
    expect(await attempt(['nowhere'])).toEqual([400, expect.stringMatching(/^nodes\[0\]: /)]);
    expect(await attempt([nodes[0]?.address, nodes[0]?.address])).toEqual([
      400,
      expect.stringContaining('twice'),
    ]);
    expect((await attempt([nodes[0]?.address], '-c'))[0]).toBe(400);
    // One node was left at an older version.
    for (const node of nodes.slice(1)) await stage.ask(node.address, 'CLUSTERX', 'SETNODES', text, '8');
    const [status, message] = await attempt([nodes[1]?.address]);
    expect([status, message]).toEqual([
      409,
      expect.stringMatching(/version 8.*version 7|version 7.*version 8/),
    ]);
    expect(
      (await stage.api.get(`/api/v1/namespaces/${stage.namespace}/clusters`)).body.data.clusters,
    ).toEqual([]);
  });

  test('KB8: is refused of a node that is not who its own topology says', async () => {
    const stage = scene();
    const { nodes, ids } = await foreignCluster(stage);
    const stranger = 'f'.repeat(40);
    for (const [index, other] of [
      [0, stranger],
      [1, stranger],
      [0, ids[1] ?? ''],
      [2, ids[0] ?? ''],
    ] as const) {
      const address = nodes[index]?.address ?? '';
      await stage.ask(address, 'CLUSTERX', 'SETNODEID', other);
      for (const seed of nodes) {
        const answer = await stage.api.post(stage.path('c', '/import'), { nodes: [seed.address] });
        expect([answer.status, answer.body.error.message]).toEqual([
          409,
          expect.stringContaining(`node ${address} calls itself ${other}`),
        ]);
      }
      await stage.ask(address, 'CLUSTERX', 'SETNODEID', ids[index] ?? '');
    }
    expectStatus(await stage.api.post(stage.path('c', '/import'), { nodes: [nodes[0]?.address] }), 201);
    await stage.converged('c');
  });
});
