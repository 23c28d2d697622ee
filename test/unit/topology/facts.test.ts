import { expect, test } from 'vitest';

import { addNode, removeNode, removeShard } from '../../../src/topology/change-nodes.ts';
import { removeSlots } from '../../../src/topology/change-slots.ts';
import { masterOf, parseClusterVersion } from '../../../src/topology/cluster.ts';
import {
  OUTCASTS_MAX,
  PROMOTIONS_MAX,
  type Promotion,
  UNSEEN_NODE,
  factsFor,
  initialFacts,
  openPromotion,
  withNodeFacts,
  withPromotion,
  withoutLastPromotion,
} from '../../../src/topology/facts.ts';
import { parseNodeId } from '../../../src/topology/node.ts';
import { NOW_SECONDS, nodeIdAt, sampleCluster, valueOf } from './arbitrary.ts';

const CLUSTER = sampleCluster(2, 2);
const SHARD = CLUSTER.shards[0]!.id;

function promotion(version: number, isConfirmed = true): Promotion {
  return {
    from: nodeIdAt(CLUSTER, 0, 0),
    to: nodeIdAt(CLUSTER, 0, 1),
    version: valueOf(parseClusterVersion(version)),
    sequence: version * 10,
    term: 1,
    atSeconds: NOW_SECONDS,
    isConfirmed,
  };
}

test('every history begins with the topology as it is, and nothing is seen of anybody', () => {
  const facts = initialFacts(CLUSTER);
  expect([...facts.shards.values()]).toEqual([
    { sinceVersion: 1, promotions: [] },
    { sinceVersion: 1, promotions: [] },
  ]);
  expect([...facts.nodes.values()]).toEqual(Array.from({ length: 4 }, () => UNSEEN_NODE));
  expect(facts.contestedVersion).toBeNull();
});

test('facts in step with their cluster are the same object', () => {
  const facts = initialFacts(CLUSTER);
  expect(factsFor(facts, CLUSTER)).toBe(facts);
});

test('a node that leaves is forgotten for good: added again, it is unseen', () => {
  const replica = CLUSTER.shards[0]!.nodes[1]!;
  const seen = { ...UNSEEN_NODE, sequence: 5, following: masterOf(CLUSTER.shards[0]!).id };
  const facts = withNodeFacts(initialFacts(CLUSTER), replica.id, seen);
  const without = valueOf(removeNode(CLUSTER, 0, replica.id));
  expect(factsFor(facts, without).nodes.has(replica.id)).toBe(false);
  const again = valueOf(addNode(without, 1, replica));
  expect(factsFor(factsFor(facts, without), again).nodes.get(replica.id)).toEqual(UNSEEN_NODE);
});

test('of who was to be made anew when it left, that is kept, of the last ones', () => {
  const replica = CLUSTER.shards[0]!.nodes[1]!;
  const condemned = { ...UNSEEN_NODE, remake: 'it may have copied another node' };
  const without = valueOf(removeNode(CLUSTER, 0, replica.id));
  let left = factsFor(withNodeFacts(initialFacts(CLUSTER), replica.id, condemned), without);
  expect(left.nodes.get(replica.id)).toEqual(condemned);
  expect(factsFor(left, without)).toBe(left);
  const again = factsFor(left, valueOf(addNode(without, 0, replica)));
  expect(again.nodes.get(replica.id)).toEqual(condemned);
  for (let index = 0; index < OUTCASTS_MAX; index += 1) {
    const id = valueOf(parseNodeId(index.toString(16).padStart(40, 'f')));
    left = factsFor(withNodeFacts(left, id, condemned), without);
  }
  expect(left.nodes.size).toBe(OUTCASTS_MAX + 3);
  expect(left.nodes.has(replica.id)).toBe(false);
});

test('a shard that leaves is forgotten with its promotions', () => {
  const slots = CLUSTER.shards[0]!.slots;
  const facts = withPromotion(initialFacts(CLUSTER), SHARD, promotion(2));
  const without = valueOf(removeShard(valueOf(removeSlots(CLUSTER, 0, slots)), 0));
  const left = factsFor(facts, without);
  expect([...left.shards.keys()]).toEqual([CLUSTER.shards[1]!.id]);
  expect(left.nodes.size).toBe(2);
});

test('only the newest promotions are kept, and what is older than them is no longer claimed to be known', () => {
  let facts = initialFacts(CLUSTER);
  for (let version = 2; version < 2 + PROMOTIONS_MAX + 3; version += 1) {
    facts = withPromotion(facts, SHARD, promotion(version));
  }
  const shard = facts.shards.get(SHARD);
  expect(shard?.promotions).toHaveLength(PROMOTIONS_MAX);
  expect(shard?.promotions[0]?.version).toBe(5);
  expect(shard?.sinceVersion).toBe(4);
});

test('the last promotion is open until it was confirmed, and can be dropped', () => {
  const facts = withPromotion(initialFacts(CLUSTER), SHARD, promotion(2, false));
  expect(openPromotion(facts, SHARD)).toMatchObject({ version: 2 });
  expect(openPromotion(facts, CLUSTER.shards[1]!.id)).toBeNull();
  expect(openPromotion(withPromotion(facts, SHARD, promotion(3)), SHARD)).toBeNull();
  expect(withoutLastPromotion(facts, SHARD)).toEqual(initialFacts(CLUSTER));
});
