// Random facts of a given cluster, nodes that left it included.

import * as fc from 'fast-check';

import { createSeededRandom } from '../../../src/base/random.ts';
import {
  type ClusterFacts,
  type NodeFacts,
  type Promotion,
  PROMOTIONS_MAX,
  type ShardFacts,
} from '../../../src/topology/facts.ts';
import { allNodes, parseClusterVersion } from '../../../src/topology/cluster.ts';
import { newNodeId } from '../../../src/topology/node.ts';
import type { Cluster, ClusterVersion, NodeId } from '../../../src/topology/types.ts';
import { valueOf } from './support.ts';

const versionArbitrary: fc.Arbitrary<ClusterVersion> = fc
  .oneof(fc.integer({ min: 1, max: 100 }), fc.integer({ min: 1, max: 2 ** 48 }))
  .map((value) => valueOf(parseClusterVersion(value)));

/** Whatever a node may say, and more: negative and beyond what can be counted by one. */
const sequenceArbitrary: fc.Arbitrary<number | null> = fc.oneof(
  fc.nat(),
  fc.maxSafeInteger(),
  fc.constantFrom(null, 0, -5, 2 ** 60, Number.MAX_SAFE_INTEGER),
);

const secondsArbitrary = fc.nat(4_000_000_000);

const strangerArbitrary: fc.Arbitrary<NodeId> = fc.nat().map((seed) => newNodeId(createSeededRandom(seed)));

/** In step with `cluster`, which is managed. */
export function factsArbitrary(cluster: Cluster): fc.Arbitrary<ClusterFacts> {
  const ids = allNodes(cluster).map(({ node }) => node.id);
  const id = fc.oneof(fc.constantFrom(...ids), strangerArbitrary);
  const promotion: fc.Arbitrary<Promotion> = fc.record({
    from: id,
    to: id,
    version: versionArbitrary,
    sequence: sequenceArbitrary,
    term: fc.nat(),
    atSeconds: secondsArbitrary,
    isConfirmed: fc.boolean(),
  });
  const shard: fc.Arbitrary<ShardFacts> = fc.record({
    sinceVersion: versionArbitrary,
    promotions: fc.array(promotion, { maxLength: PROMOTIONS_MAX }),
  });
  const node: fc.Arbitrary<NodeFacts> = fc.record({
    sequence: sequenceArbitrary,
    following: fc.option(id),
    seenAtSeconds: secondsArbitrary,
    remake: fc.option(fc.string({ unit: 'grapheme', maxLength: 30 })),
  });
  return fc
    .record({
      shards: fc.tuple(...cluster.shards.map(() => shard)),
      nodes: fc.tuple(...ids.map(() => node)),
      contestedVersion: fc.option(versionArbitrary),
    })
    .map(({ shards, nodes, contestedVersion }) => ({
      shards: new Map(cluster.shards.map((one, index) => [one.id, shards[index]!])),
      nodes: new Map(ids.map((one, index) => [one, nodes[index]!])),
      contestedVersion,
      observedSinceSeconds: null,
    }));
}
