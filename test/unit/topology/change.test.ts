import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { createSeededRandom } from '../../../src/base/random.ts';
import { Secret } from '../../../src/base/secret.ts';
import {
  addNode,
  addShard,
  promote,
  removeNode,
  removeShard,
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
import {
  CLUSTER_VERSION_MAX,
  allNodes,
  clusterWithVersion,
  findNode,
  makeCluster,
  masterOf,
  migrationOfShard,
  migrationsOf,
  ownedSlots,
  ownerIndexOf,
  parseShardId,
  replicasOf,
  shardAt,
  shardIndexOf,
} from '../../../src/topology/cluster.ts';
import { createCluster } from '../../../src/topology/create-cluster.ts';
import { describe as sentence } from '../../../src/topology/errors.ts';
import { newNodeId } from '../../../src/topology/node.ts';
import { ALL_SLOTS, countSlots, printSlotSet, slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import type { Cluster } from '../../../src/topology/types.ts';
import {
  NOW_SECONDS,
  address,
  changeArbitrary,
  clusterArbitrary,
  name,
  nodeIdAt,
  sampleCluster,
  valueOf,
} from './arbitrary.ts';

const plan = {
  name: name('c'),
  password: Secret.none,
  random: createSeededRandom(7),
  nowSeconds: NOW_SECONDS,
};

function slotsOf(cluster: Cluster): (string | undefined)[] {
  return cluster.shards.map((shard) => printSlotSet(shard.slots).join(' '));
}

function refusal(result: ReturnType<typeof promote>): string {
  if (result.ok) throw new Error('was not refused');
  return `${result.error.kind}: ${sentence(result.error)}`;
}

const fresh = {
  id: newNodeId(createSeededRandom(99)),
  address: address(7999),
  password: Secret.none,
  createdAtSeconds: NOW_SECONDS,
};

test('a new cluster groups consecutive nodes, the first of each the master, and splits slots evenly', () => {
  const cluster = sampleCluster(3, 2);
  expect(cluster.version).toBe(1);
  expect(slotsOf(cluster)).toEqual(['0-5460', '5461-10921', '10922-16383']);
  expect(cluster.shards.map((shard) => shard.nodes.map((node) => `${node.role} ${node.address}`))).toEqual([
    ['master 127.0.0.1:7000', 'replica 127.0.0.1:7001'],
    ['master 127.0.0.1:7002', 'replica 127.0.0.1:7003'],
    ['master 127.0.0.1:7004', 'replica 127.0.0.1:7005'],
  ]);
});

test('replicas 0 means one node a shard; what does not divide, repeats or is empty is refused', () => {
  const three = [address(1), address(2), address(3)];
  expect(valueOf(createCluster({ ...plan, addresses: three, replicas: 0 })).shards).toHaveLength(3);
  expect(refusal(createCluster({ ...plan, addresses: three, replicas: 2 }))).toBe(
    'invalidCount: nodes: 3 cannot be divided by replicas (2)',
  );
  expect(refusal(createCluster({ ...plan, addresses: [], replicas: 1 }))).toMatch(/^invalidCount: nodes/);
  expect(refusal(createCluster({ ...plan, addresses: three, replicas: -1 }))).toMatch(
    /^invalidCount: replicas/,
  );
  expect(refusal(createCluster({ ...plan, addresses: [address(1), address(1)], replicas: 1 }))).toMatch(
    /^duplicateAddress: .*127\.0\.0\.1:1 /,
  );
  const many = Array.from({ length: 16_385 }, (_, index) => address(1 + index));
  expect(refusal(createCluster({ ...plan, addresses: many, replicas: 1 }))).toMatch(
    /more shards than there are slots/,
  );
});

test('whatever is asked in whatever order, a change is refused or gives a valid cluster of the right version', () => {
  fc.assert(
    fc.property(clusterArbitrary, changeArbitrary, (cluster, change) => {
      const next = change.apply(cluster);
      if (!next.ok) {
        expect(sentence(next.error)).not.toMatch(/undefined|\[object/);
        return;
      }
      const after = next.value;
      expect(makeCluster(after)).toEqual({ ok: true, value: after });
      const keepsVersion = ['start', 'mark', 'cancel', 'end', 'password'].includes(change.label);
      const expected = cluster.version + (keepsVersion ? 0 : 1);
      if (change.label === 'raise') expect(after.version).toBeGreaterThan(cluster.version);
      else expect(after.version).toBe(expected);
      if (!['addSlots', 'removeSlots'].includes(change.label))
        expect(ownedSlots(after)).toEqual(ownedSlots(cluster));
      expect(new Set(allNodes(after).map(({ node }) => node.address)).size).toBe(allNodes(after).length);
      expect(after.shards.every((shard) => replicasOf(shard).length === shard.nodes.length - 1)).toBe(true);
      expect(after.nextShardId).toBeGreaterThanOrEqual(cluster.nextShardId);
    }),
    { numRuns: 500 },
  );
});

test('a migration keeps every slot at one owner: planning and starting move none, finishing moves exactly its own, ending none', () => {
  const cluster = sampleCluster(3, 2);
  const planned = valueOf(
    startMigration(cluster, { range: slotRange(10, 20), targetIndex: 2, nowSeconds: NOW_SECONDS }),
  );
  expect([planned.version, slotsOf(planned)]).toEqual([1, slotsOf(cluster)]);
  const started = valueOf(markMigrationStarted(planned, 0, true));
  expect(started.shards[0]?.migration?.stage).toEqual({ kind: 'started', isTargetMarked: true });
  expect(valueOf(endMigration(started, 0))).toEqual(cluster);
  const finished = valueOf(finishMigration(started, 0));
  expect([finished.version, slotsOf(finished)]).toEqual([
    2,
    ['0-9 21-5460', '5461-10921', '10-20 10922-16383'],
  ]);
  expect(migrationsOf(finished)).toEqual([]);
  expect(refusal(finishMigration(finished, 0))).toMatch(/^noMigration/);
  expect(refusal(endMigration(finished, 0))).toMatch(/^noMigration/);
  expect(refusal(markMigrationStarted(finished, 0, false))).toMatch(/^noMigration/);
});

test('KC4: while a migration runs only changes of the two shards that take part in it are refused', () => {
  const planned = valueOf(
    startMigration(sampleCluster(5, 2), { range: slotRange(0, 0), targetIndex: 1, nowSeconds: NOW_SECONDS }),
  );
  const started = valueOf(markMigrationStarted(planned, 0, false));
  const replica = (shardIndex: number) => nodeIdAt(started, shardIndex, 1);
  const own = (shardIndex: number) => started.shards[shardIndex]?.slots[0] ?? slotRange(0, 0);
  const refused = [0, 1].flatMap((end) => [
    removeShard(started, end),
    addNode(started, end, { ...fresh, role: 'replica' }),
    removeNode(started, end, replica(end)),
    moveSlots(started, { range: own(end), targetIndex: 2 }),
    moveSlots(started, { range: own(2), targetIndex: end }),
    addSlots(started, end, slotSetOf([])),
    removeSlots(started, end, slotSetOf([])),
    startMigration(started, { range: own(2), targetIndex: end, nowSeconds: 0 }),
    promote(started, end, replica(end)),
  ]);
  for (const result of refused)
    expect(refusal(result)).toBe(
      'migrationRunning: slots 0 are moving from shard 0 to shard 1, please retry when that has ended, or cancel it',
    );
  const bare = valueOf(moveSlots(started, { range: own(4), targetIndex: 3 }));
  const allowed = [
    bare,
    valueOf(removeShard(bare, 4)),
    valueOf(addShard(started, { ...plan, addresses: [address(9000)] })),
    valueOf(addNode(started, 3, { ...fresh, role: 'replica' })),
    valueOf(removeNode(started, 3, replica(3))),
    valueOf(removeSlots(started, 3, slotSetOf([own(3)]))),
    valueOf(addSlots(valueOf(removeSlots(started, 3, slotSetOf([own(3)]))), 2, slotSetOf([own(3)]))),
    valueOf(promote(started, 2, replica(2))),
  ];
  for (const changed of allowed) {
    expect(changed.version).toBeGreaterThan(started.version);
    expect(changed.shards.slice(0, 2)).toEqual(started.shards.slice(0, 2));
  }
  expect(valueOf(clusterWithVersion(started, 9)).shards).toEqual(started.shards);
  const two = valueOf(startMigration(started, { range: own(3), targetIndex: 2, nowSeconds: 0 }));
  expect(migrationsOf(two).map(({ sourceIndex, targetIndex }) => [sourceIndex, targetIndex])).toEqual([
    [0, 1],
    [3, 2],
  ]);
  expect(masterOf(valueOf(shardAt(valueOf(promote(planned, 0, replica(0))), 0))).id).toBe(replica(0));
});

test('KC4: a planned migration is cancelled at once, of a started one the wish is recorded', () => {
  const cluster = sampleCluster(2, 1);
  const planned = valueOf(
    startMigration(cluster, { range: slotRange(0, 5), targetIndex: 1, nowSeconds: NOW_SECONDS }),
  );
  expect(valueOf(cancelMigration(planned, 0))).toEqual(cluster);
  const started = valueOf(markMigrationStarted(planned, 0, false));
  const cancelled = valueOf(cancelMigration(started, 0));
  expect(cancelled.version).toBe(started.version + 1);
  expect(cancelled.shards[0]?.migration).toEqual({ ...started.shards[0]?.migration, isCancelled: true });
  expect(valueOf(cancelMigration(cancelled, 0))).toEqual(cancelled);
  expect(refusal(cancelMigration(cluster, 0))).toMatch(/^noMigration/);
});

test('a password is changed for the nodes named, under the same version', () => {
  const cluster = sampleCluster(2, 2);
  const password = new Secret('new');
  const changed = valueOf(withPassword(cluster, new Set([nodeIdAt(cluster, 1, 1)]), password));
  expect(changed.version).toBe(cluster.version);
  expect(allNodes(changed).map(({ node }) => node.password.reveal())).toEqual(['', '', '', 'new']);
});

test('a promotion swaps the roles and nothing else', () => {
  const cluster = sampleCluster(2, 3);
  const promoted = valueOf(promote(cluster, 0, nodeIdAt(cluster, 0, 2)));
  expect(promoted.shards[0]?.nodes.map((node) => node.role)).toEqual(['replica', 'replica', 'master']);
  expect(promoted.shards[1]).toEqual(cluster.shards[1]);
  expect(refusal(promote(promoted, 0, nodeIdAt(cluster, 0, 2)))).toMatch(/^alreadyMaster/);
  expect(refusal(promote(promoted, 0, nodeIdAt(cluster, 1, 0)))).toMatch(/^unknownNode/);
  expect(refusal(promote(promoted, 2, nodeIdAt(cluster, 1, 0)))).toBe(
    'unknownShard: shard: there is no shard 2, the cluster has 2 (counted from 0)',
  );
});

test('shards come and go without reusing an id, and go only when empty and not the last', () => {
  const grown = valueOf(
    addShard(sampleCluster(1, 1), { ...plan, addresses: [address(8000), address(8001)] }),
  );
  expect(grown.shards.map((shard) => [shard.id, shard.nodes.length, countSlots(shard.slots)])).toEqual([
    [1, 1, 16_384],
    [2, 2, 0],
  ]);
  const shrunk = valueOf(removeShard(grown, 1));
  expect([shrunk.version, shrunk.nextShardId]).toEqual([3, 3]);
  expect(refusal(removeShard(grown, 0))).toBe(
    'shardOwnsSlots: shard 0 still owns 16384 slots, move them to another shard first',
  );
  const bare = valueOf(removeSlots(shrunk, 0, ALL_SLOTS));
  expect(refusal(removeShard(bare, 0))).toMatch(/^lastShard/);
  expect(refusal(removeShard(bare, 7))).toMatch(/^unknownShard/);
  expect(refusal(addShard(bare, { ...plan, addresses: [] }))).toMatch(/^invalidCount: nodes/);
});

test('nodes join as replicas and leave as replicas', () => {
  const cluster = sampleCluster(2, 1);
  const joined = valueOf(addNode(cluster, 1, { ...fresh, role: 'replica' }));
  expect(findNode(joined, fresh.id)).toMatchObject({ shardIndex: 1, node: { role: 'replica' } });
  expect(refusal(addNode(cluster, 1, { ...fresh, role: 'master' }))).toMatch(/^masterExists/);
  expect(refusal(addNode(cluster, 1, { ...fresh, address: address(7000), role: 'replica' }))).toMatch(
    /^duplicateAddress/,
  );
  expect(refusal(addNode(joined, 0, { ...fresh, address: address(7998), role: 'replica' }))).toMatch(
    /^duplicateNodeId/,
  );
  expect(refusal(removeNode(joined, 1, nodeIdAt(joined, 1, 0)))).toMatch(/^masterRemoval/);
  expect(valueOf(removeNode(joined, 1, fresh.id)).shards).toEqual(cluster.shards);
  expect(findNode(cluster, fresh.id)).toBeNull();
});

test('slots move only from the one shard that owns them all to another', () => {
  const cluster = sampleCluster(2, 1);
  const moved = valueOf(moveSlots(cluster, { range: slotRange(0, 8191), targetIndex: 1 }));
  expect(slotsOf(moved)).toEqual(['', '0-16383']);
  expect(refusal(moveSlots(cluster, { range: slotRange(8191, 8192), targetIndex: 1 }))).toMatch(
    /^slotsSpanShards/,
  );
  expect(refusal(moveSlots(cluster, { range: slotRange(9000, 9000), targetIndex: 1 }))).toMatch(/^sameShard/);
  expect(refusal(moveSlots(cluster, { range: slotRange(0, 0), targetIndex: 5 }))).toMatch(
    /^unknownShard: target/,
  );
  expect(refusal(startMigration(cluster, { range: slotRange(0, 0), targetIndex: 0, nowSeconds: 0 }))).toMatch(
    /^sameShard/,
  );
});

test('slots are added when free and removed when owned', () => {
  const cluster = sampleCluster(2, 1);
  const some = slotSetOf([slotRange(100, 200)]);
  const without = valueOf(removeSlots(cluster, 0, some));
  expect(slotsOf(without)[0]).toBe('0-99 201-8191');
  expect(slotsOf(valueOf(addSlots(without, 1, some)))[1]).toBe('100-200 8192-16383');
  expect(refusal(addSlots(cluster, 1, some))).toBe(
    'slotsOwned: the slots 100-200 are already owned by shard 0',
  );
  expect(refusal(removeSlots(cluster, 1, some))).toBe(
    'slotsNotOwned: the slots 100-200 are not owned by shard 1',
  );
});

test('the one door refuses what no change would make', () => {
  const cluster = sampleCluster(2, 2);
  const [first, second] = [cluster.shards[0]!, cluster.shards[1]!];
  const stage = { kind: 'planned' } as const;
  const migration = {
    range: slotRange(0, 5),
    target: second.id,
    stage,
    startedAtSeconds: 0,
    isCancelled: false,
  };
  const bad: [Parameters<typeof makeCluster>[0], string][] = [
    [{ ...cluster, version: 0 }, 'invalidCount'],
    [{ ...cluster, version: CLUSTER_VERSION_MAX + 1 }, 'invalidCount'],
    [{ ...cluster, nextShardId: 0 }, 'invalidCount'],
    [{ ...cluster, shards: [] }, 'invalidCount'],
    [{ ...cluster, nextShardId: 2 }, 'duplicateShardId'],
    [{ ...cluster, shards: [first, { ...second, id: first.id }] }, 'duplicateShardId'],
    [{ ...cluster, shards: [{ ...first, nodes: [] }, second] }, 'masterCount'],
    [
      {
        ...cluster,
        shards: [{ ...first, nodes: [first.nodes[0]!, { ...first.nodes[1]!, role: 'master' }] }],
      },
      'masterCount',
    ],
    [{ ...cluster, shards: [first, { ...second, slots: ALL_SLOTS }] }, 'slotsOverlap'],
    [{ ...cluster, shards: [first, { ...second, nodes: first.nodes }] }, 'duplicateNodeId'],
    [
      { ...cluster, shards: [{ ...first, migration: { ...migration, target: first.id } }, second] },
      'invalidMigration',
    ],
    [
      { ...cluster, shards: [{ ...first, migration: { ...migration, range: slotRange(0, 9000) } }, second] },
      'invalidMigration',
    ],
    [
      {
        ...cluster,
        shards: [
          { ...first, migration },
          { ...second, migration: { ...migration, target: first.id, range: slotRange(9000, 9000) } },
        ],
      },
      'invalidMigration',
    ],
    [{ ...cluster, shards: [{ ...first, migration }] }, 'invalidMigration'],
  ];
  for (const [fields, kind] of bad) expect(refusal(makeCluster(fields))).toMatch(new RegExp(`^${kind}: `));
});

test('look-ups go by index, id and slot', () => {
  const cluster = valueOf(
    startMigration(sampleCluster(3, 1), { range: slotRange(0, 0), targetIndex: 2, nowSeconds: 0 }),
  );
  const [first, second] = [cluster.shards[0]!, cluster.shards[1]!];
  expect(shardIndexOf(cluster, second.id)).toBe(1);
  expect(ownerIndexOf(cluster, slotRange(16_383, 16_383))).toBe(2);
  expect(ownerIndexOf(cluster, slotRange(0, 16_383))).toBeNull();
  expect(migrationOfShard(cluster, first.id)).toMatchObject({ sourceIndex: 0, targetIndex: 2 });
  expect(migrationOfShard(cluster, second.id)).toBeNull();
  for (const index of [-1, 3, 0.5, Number.NaN]) expect(shardAt(cluster, index).ok).toBe(false);
  expect(valueOf(parseShardId(3))).toBe(3);
  for (const id of [0, -1, 1.5]) expect(parseShardId(id).ok).toBe(false);
});

test('KD4: a version is only ever raised, within its range', () => {
  const cluster = sampleCluster(1, 1);
  expect(valueOf(clusterWithVersion(cluster, 7)).version).toBe(7);
  for (const version of [1, 0, 1.5, CLUSTER_VERSION_MAX + 1])
    expect(refusal(clusterWithVersion(cluster, version))).toMatch(/^versionNotHigher/);
});
