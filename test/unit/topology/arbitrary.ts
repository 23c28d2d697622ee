// Random clusters and random changes of them, for the property tests of topology and control.

import * as fc from 'fast-check';

import { present } from '../../../src/base/assert.ts';
import { createSeededRandom } from '../../../src/base/random.ts';
import type { Result } from '../../../src/base/result.ts';
import { Secret } from '../../../src/base/secret.ts';
import {
  addNode,
  addShard,
  promote,
  removeNode,
  removeShard,
  startDrain,
  undoDrain,
  withPassword,
} from '../../../src/topology/change-nodes.ts';
import {
  addSlots,
  cancelMigration,
  endMigration,
  finishMigration,
  markMigrationStarted,
  moveSlots,
  removeSlots,
  startMigration,
} from '../../../src/topology/change-slots.ts';
import { clusterWithVersion } from '../../../src/topology/cluster.ts';
import { createCluster } from '../../../src/topology/create-cluster.ts';
import type { TopologyError } from '../../../src/topology/errors.ts';
import { parseName } from '../../../src/topology/name.ts';
import { newNodeId, parseAddress } from '../../../src/topology/node.ts';
import { slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import type { Cluster, Name, NodeAddress, NodeId, SlotRange } from '../../../src/topology/types.ts';

export const NOW_SECONDS = 1_700_000_000;

export function valueOf<T, E>(result: Result<T, E>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

export function address(port: number, host = '127.0.0.1'): NodeAddress {
  return valueOf(parseAddress(`${host}:${port}`));
}

export function name(text: string): Name {
  return valueOf(parseName(text));
}

/** A cluster of `shardCount` shards with `groupSize` nodes each, at ports from 7000. */
export function sampleCluster(shardCount: number, groupSize: number): Cluster {
  return valueOf(
    createCluster({
      name: name('sample'),
      addresses: Array.from({ length: shardCount * groupSize }, (_, index) => address(7000 + index)),
      replicas: groupSize,
      password: Secret.none,
      random: createSeededRandom(shardCount * 100 + groupSize),
      nowSeconds: NOW_SECONDS,
    }),
  );
}

export function nodeIdAt(cluster: Cluster, shardIndex: number, nodeIndex: number): NodeId {
  return present(cluster.shards[shardIndex]?.nodes[nodeIndex], 'no such node').id;
}

export const rangeArbitrary: fc.Arbitrary<SlotRange> = fc
  .tuple(fc.nat(16_383), fc.nat(16_383))
  .map(([a, b]) => slotRange(Math.min(a, b), Math.max(a, b)));

export interface Change {
  readonly label: string;
  readonly apply: (cluster: Cluster) => Result<Cluster, TopologyError>;
}

const WISHES =
  'addShard removeShard addNode removeNode promote drain undrain moveSlots addSlots removeSlots start mark cancel end finish password raise'.split(
    ' ',
  );

/** One wish to change a cluster, sensible or not. */
export const changeArbitrary: fc.Arbitrary<Change> = fc
  .record({
    which: fc.constantFrom(...WISHES),
    shardIndex: fc.integer({ min: -1, max: 4 }),
    targetIndex: fc.integer({ min: 0, max: 4 }),
    nodeIndex: fc.nat(3),
    range: rangeArbitrary,
    port: fc.integer({ min: 7000, max: 7030 }),
    seed: fc.nat(),
  })
  .map((wish) => ({ label: wish.which, apply: (cluster) => applyWish(cluster, wish) }));

interface Wish {
  readonly which: string;
  readonly shardIndex: number;
  readonly targetIndex: number;
  readonly nodeIndex: number;
  readonly range: SlotRange;
  readonly port: number;
  readonly seed: number;
}

function applyWish(cluster: Cluster, wish: Wish): Result<Cluster, TopologyError> {
  const random = createSeededRandom(wish.seed);
  const nodes = cluster.shards[wish.shardIndex]?.nodes ?? [];
  const id = nodes[wish.nodeIndex % Math.max(1, nodes.length)]?.id ?? newNodeId(random);
  const base = { password: Secret.none, nowSeconds: NOW_SECONDS };
  const shard = cluster.shards[wish.shardIndex];
  // Half of the ranges are cut to one the shard owns, so that many wishes come true.
  const own = shard?.slots[0];
  const range =
    own !== undefined && wish.seed % 2 === 0
      ? slotRange(own.start, Math.min(own.stop, own.start + 9))
      : wish.range;
  switch (wish.which) {
    case 'addShard':
      return addShard(cluster, { ...base, addresses: [address(wish.port)], random });
    case 'removeShard':
      return removeShard(cluster, wish.shardIndex);
    case 'addNode':
      return addNode(cluster, wish.shardIndex, {
        id: newNodeId(random),
        address: address(wish.port),
        password: Secret.none,
        createdAtSeconds: NOW_SECONDS,
        role: wish.seed % 5 === 0 ? 'master' : 'replica',
      });
    case 'removeNode':
      return removeNode(cluster, wish.shardIndex, id);
    case 'promote':
      return promote(cluster, wish.shardIndex, id);
    case 'drain':
      return startDrain(cluster, wish.shardIndex, id);
    case 'undrain':
      return undoDrain(cluster, wish.shardIndex);
    case 'moveSlots':
      return moveSlots(cluster, { range, targetIndex: wish.targetIndex });
    case 'addSlots':
      return addSlots(cluster, wish.shardIndex, slotSetOf([wish.range]));
    case 'removeSlots':
      return removeSlots(cluster, wish.shardIndex, slotSetOf([range]));
    case 'start':
      return startMigration(cluster, { range, targetIndex: wish.targetIndex, nowSeconds: NOW_SECONDS });
    case 'mark':
      return markMigrationStarted(cluster, wish.shardIndex, false);
    case 'cancel':
      return cancelMigration(cluster, wish.shardIndex);
    case 'password':
      return withPassword(cluster, new Set([id]), new Secret(`password-${wish.seed % 3}`));
    case 'end':
      return endMigration(cluster, wish.shardIndex);
    case 'finish':
      return finishMigration(cluster, wish.shardIndex);
    default:
      return clusterWithVersion(cluster, cluster.version + 1 + (wish.seed % 5));
  }
}

export const clusterArbitrary: fc.Arbitrary<Cluster> = fc
  .record({
    shardCount: fc.integer({ min: 1, max: 4 }),
    groupSize: fc.integer({ min: 1, max: 3 }),
    changes: fc.array(changeArbitrary, { maxLength: 12 }),
  })
  .map(({ shardCount, groupSize, changes }) => {
    let cluster = sampleCluster(shardCount, groupSize);
    for (const change of changes) {
      const next = change.apply(cluster);
      if (next.ok) cluster = next.value;
    }
    return cluster;
  });
