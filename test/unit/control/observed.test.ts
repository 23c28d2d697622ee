// A cluster of a group that was made out of a backup: looked at, and nothing else, until somebody accepts it.

import { expect, test } from 'vitest';

import { judgeAcceptance, type NodeWord } from '../../../src/control/acceptance.ts';
import type { NodesLine } from '../../../src/topology/cluster-nodes-text.ts';
import { allNodes, masterOf } from '../../../src/topology/cluster.ts';
import { startMigration } from '../../../src/topology/change-slots.ts';
import { NO_SLOTS, slotRange } from '../../../src/topology/slot.ts';
import type { Cluster, NodeId } from '../../../src/topology/types.ts';
import { valueOf } from '../topology/arbitrary.ts';
import { Scene } from './scene.ts';

function observed(): Scene {
  const scene = new Scene();
  scene.facts = { ...scene.facts, observedSinceSeconds: 1_700_000_000 };
  return scene;
}

test('is told, and whatever happens to its nodes, nothing is done', () => {
  const scene = observed();
  scene.cluster = valueOf(
    startMigration(scene.cluster, { targetIndex: 1, range: slotRange(5, 5), nowSeconds: 1 }),
  );
  scene.rounds(3);
  // A dead master, one on an empty disk, a replica that follows somebody else, nodes at other versions.
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.set(scene.id(1, 0), { id: null, version: -1, sequence: 0 });
  scene.set(scene.id(0, 1), { version: scene.cluster.version + 7 });
  scene.set(scene.id(1, 1), { version: 0, master: null });
  for (let round = 0; round < 30; round += 1) {
    scene.nowMs += 1000;
    scene.round();
    const { actions, wakeAtMs } = scene.decide();
    expect(actions).toEqual([]);
    expect(wakeAtMs).toBe(Infinity);
  }
  expect(scene.problems()).toContain('clusterObserved');
  // Accepted, it is managed at once.
  scene.facts = { ...scene.facts, observedSinceSeconds: null };
  expect(scene.decide().actions).not.toEqual([]);
});

/** What a node holds that was told `cluster` at `version`. */
function told(cluster: Cluster, id: NodeId, version: number): NodeWord {
  const lines = cluster.shards.flatMap((shard) =>
    shard.nodes.map((node): NodesLine => {
      const isMaster = node.role === 'master';
      const masterId = isMaster ? null : masterOf(shard).id;
      const slots = isMaster ? shard.slots : NO_SLOTS;
      const { id: own, address, role } = node;
      return { id: own, address, role, isMyself: own === id, masterId, slots, version };
    }),
  );
  return { kind: 'told', id, version, lines };
}

function words(held: Cluster, version: number): Map<NodeId, NodeWord> {
  return new Map(allNodes(held).map(({ node }) => [node.id, told(held, node.id, version)]));
}

test('can be accepted where its nodes hold what is recorded, or something older', () => {
  const { cluster } = new Scene();
  const heard = words(cluster, cluster.version + 3);
  const lagging = allNodes(cluster)[1]!.node.id;
  heard.set(lagging, { kind: 'told', id: lagging, version: 0, lines: [] });
  expect(judgeAcceptance(cluster, heard)).toEqual({ highestVersion: cluster.version + 3, objections: [] });
});

test('is not accepted where a master has changed since, a node has become another, is empty, or says nothing', () => {
  const { cluster } = new Scene();
  const [first, second] = cluster.shards[0]!.nodes;
  const swapped: Cluster = {
    ...cluster,
    shards: cluster.shards.map((shard, index) =>
      index > 0
        ? shard
        : {
            ...shard,
            nodes: [
              { ...second!, role: 'master' },
              { ...first!, role: 'replica' },
            ],
          },
    ),
  };
  const { objections } = judgeAcceptance(cluster, words(swapped, cluster.version + 1));
  expect(objections).toHaveLength(4);
  expect(objections[0]).toMatch(
    /has version 2, another content than ours: .* is a replica of .* instead of a master/,
  );

  const heard = words(cluster, cluster.version);
  const [a, b, c, d] = allNodes(cluster).map(({ node }) => node);
  heard.set(a!.id, { kind: 'told', id: null, version: -1, lines: [] });
  heard.set(b!.id, { kind: 'failed', why: 'no reply within 1000 ms' });
  heard.set(c!.id, told(cluster, d!.id, cluster.version));
  heard.delete(d!.id);
  expect(judgeAcceptance(cluster, heard).objections).toEqual([
    `${a!.address}: it has no topology`,
    `${b!.address}: no reply within 1000 ms`,
    `${c!.address}: it calls itself ${d!.id} instead of ${c!.id}`,
    `${d!.address}: it was not asked`,
  ]);
});
