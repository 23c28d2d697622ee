import { readFileSync } from 'node:fs';

import * as fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';

import { createSeededRandom } from '../../../src/base/random.ts';
import { Secret } from '../../../src/base/secret.ts';
import { FEATURE_LEVEL } from '../../../src/base/feature-level.ts';
import { clusterRecordVersion, levelNeededBy } from '../../../src/registry/feature-level.ts';
import {
  decodeClaim,
  decodeCluster,
  encodeClaim,
  encodeCluster,
  encodeNamespace,
} from '../../../src/registry/record-codec.ts';
import { UnreadableRecordError } from '../../../src/registry/unreadable-record.ts';
import type { StoredValue } from '../../../src/store/types.ts';
import { addNode, addShard, startDrain, undoDrain } from '../../../src/topology/change-nodes.ts';
import {
  cancelMigration,
  finishMigration,
  markMigrationStarted,
  startMigration,
} from '../../../src/topology/change-slots.ts';
import { type ClusterFacts, factsFor, initialFacts, withNodeFacts } from '../../../src/topology/facts.ts';
import { newNodeId } from '../../../src/topology/node.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import type { Cluster } from '../../../src/topology/types.ts';
import { clusterArbitrary } from '../topology/arbitrary.ts';
import { entry, transaction } from '../store/support.ts';
import { corruptedArbitrary } from './corruption.ts';
import { address, cluster, name, scene, valueOf } from './support.ts';

/** Records as the release before feature levels wrote them. Never to be made anew: they are on disks. */
interface GoldenRecord {
  readonly what: string;
  readonly key: string;
  readonly value: string;
}
const GOLDEN = JSON.parse(readFileSync(new URL('records-level-1.json', import.meta.url), 'utf8')) as Record<
  'namespace' | 'claim',
  GoldenRecord
> & { readonly clusters: readonly GoldenRecord[] };

const stored = ({ key, value }: GoldenRecord): StoredValue => ({
  key,
  value: Uint8Array.from(Buffer.from(value, 'base64')),
  revision: 7,
});
const base64 = (value: Uint8Array): string => Buffer.from(value).toString('base64');
const versionOf = (value: Uint8Array): unknown =>
  (new Packr({ useRecords: false }).unpack(value) as unknown[])[0];

const ns = name('ns');
const c = name('c');
const DONE = { ok: true, value: undefined };
const conflict = { ok: false, error: { kind: 'conflict' } };

function withReplica(one: Cluster, port: number): Cluster {
  const id = newNodeId(createSeededRandom(port));
  const node = { id, address: address(port), password: Secret.none, createdAtSeconds: 1 };
  return valueOf(addNode(one, 0, { ...node, role: 'replica' }));
}

/** Two shards with a migration that was started and then cancelled. */
function cancelling(one: Cluster): { readonly running: Cluster; readonly cancelled: Cluster } {
  const shard = { addresses: [address(7900)], password: Secret.none };
  const grown = valueOf(addShard(one, { ...shard, random: createSeededRandom(9), nowSeconds: 1 }));
  const move = { range: slotRange(0, 9), targetIndex: 1, nowSeconds: 1 };
  const running = valueOf(markMigrationStarted(valueOf(startMigration(grown, move)), 0, false));
  return { running, cancelled: valueOf(cancelMigration(running, 0)) };
}

/** `facts` after its first node was seen at `sequence`. */
function seenAt(record: ClusterRecord, sequence: number): ClusterFacts {
  const { id } = record.cluster.shards[0]!.nodes[0]!;
  const node = { sequence, following: id, seenAtSeconds: 1_700_000_000, remake: null };
  return withNodeFacts(record.facts, id, node);
}

function sequenceOf({ cluster: one, facts }: ClusterRecord): number | null {
  return facts.nodes.get(one.shards[0]!.nodes[0]!.id)!.sequence;
}

async function sceneWithCluster(level: number) {
  const all = scene();
  all.level.current = level;
  await all.registry.createNamespace(ns);
  expect(await all.registry.createCluster(ns, cluster('c', [7001, 7002]))).toEqual(DONE);
  return {
    ...all,
    record: (): ClusterRecord => all.registry.getCluster(ns, c)!,
    stored: (kind: 'cluster' | 'facts') => all.store.get(`${kind}/ns/c`),
  };
}

describe('records on disks of the release before feature levels', () => {
  it.each(GOLDEN.clusters)('$what: read, and at level 1 written again byte for byte', (golden) => {
    const { namespace, cluster: one, revision } = decodeCluster(stored(golden));
    expect(revision).toBe(7);
    expect(one.shards.every(({ migration }) => migration?.isCancelled !== true)).toBe(true);
    expect(base64(encodeCluster({ namespace, cluster: one.name }, one, 1))).toBe(golden.value);
  });

  it('say what was written into them', () => {
    const [plain, odd, , started, marked] = GOLDEN.clusters.map(
      (golden) => decodeCluster(stored(golden)).cluster,
    );
    const [master, replica] = plain!.shards[0]!.nodes;
    expect([master!.address, replica!.address]).toEqual(['127.0.0.1:7001', 'kvrocks-1.kvrocks:6666']);
    expect(master!.password.reveal()).toBe('geheim ü');
    expect(odd!.shards[0]!.nodes[1]!.id).toBe(`${'a'.repeat(37)}~\\1`);
    const move = { range: slotRange(0, 99), target: 3, startedAtSeconds: 1_700_000_003, isCancelled: false };
    const stage = { kind: 'started', isTargetMarked: false };
    expect(started!.shards[0]!.migration).toEqual({ ...move, stage });
    expect(marked!.shards[0]!.migration).toEqual({ ...move, stage: { ...stage, isTargetMarked: true } });
  });

  it('of namespaces and claims are the same at every level', () => {
    const place = decodeClaim(stored(GOLDEN.claim));
    expect(place).toEqual({ namespace: 'shop', cluster: 'plain' });
    expect(base64(encodeClaim(place))).toBe(GOLDEN.claim.value);
    expect(base64(encodeNamespace())).toBe(GOLDEN.namespace.value);
  });
});

describe('a cluster record of any level', () => {
  it('is read as it was written, at the lowest level it needs and at all above', () => {
    fc.assert(
      fc.property(clusterArbitrary, fc.boolean(), (made, isCancelled) => {
        const shards = made.shards.map((shard) => ({
          ...shard,
          migration: shard.migration === null ? null : { ...shard.migration, isCancelled },
        }));
        const one = { ...made, shards };
        const key = `cluster/ns/${one.name}`;
        for (let level = levelNeededBy(one); level <= FEATURE_LEVEL; level += 1) {
          const value = encodeCluster({ namespace: ns, cluster: one.name }, one, level);
          expect(versionOf(value)).toBe(clusterRecordVersion(level));
          expect(decodeCluster({ key, value, revision: 1 }).cluster).toEqual(one);
        }
      }),
    );
  });

  it('that is damaged in any way is refused or is another cluster, and nothing else is ever thrown', () => {
    const damaged = clusterArbitrary.chain((one) => {
      const place = { namespace: ns, cluster: one.name };
      const bytes = fc
        .constantFrom(levelNeededBy(one), FEATURE_LEVEL)
        .map((level) => encodeCluster(place, one, level));
      return bytes.chain(corruptedArbitrary).map((value) => ({ key: `cluster/ns/${one.name}`, value }));
    });
    fc.assert(
      fc.property(damaged, ({ key, value }) => {
        try {
          decodeCluster({ key, value, revision: 1 });
        } catch (error) {
          expect(error).toBeInstanceOf(UnreadableRecordError);
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('a group at level 1', () => {
  it('writes what every member reads: records of version 1, and no facts', async () => {
    const { registry, record, store } = await sceneWithCluster(1);
    await registry.replaceCluster(record(), withReplica(record().cluster, 7003), {
      facts: seenAt(record(), 5),
    });
    for (const { value } of store.list('')) expect(versionOf(value)).toBe(1);
    expect(store.list('').map(({ key }) => key)).toEqual([
      'address/127.0.0.1:7001',
      'address/127.0.0.1:7002',
      'address/127.0.0.1:7003',
      'cluster/ns/c',
      'namespace/ns',
    ]);
  });

  it('refuses what its format cannot hold, and takes it once the level has risen', async () => {
    const { registry, record, level, stored: at } = await sceneWithCluster(1);
    const { running, cancelled } = cancelling(record().cluster);
    expect(await registry.replaceCluster(record(), running)).toEqual(DONE);
    const refusal = { ok: false, error: { kind: 'featureLevel', needed: 2, current: 1 } };
    expect(await registry.replaceCluster(record(), cancelled)).toEqual(refusal);
    await registry.createNamespace(name('other'));
    expect(await registry.createCluster(name('other'), { ...cancelled, name: name('d') })).toMatchObject({
      error: { kind: 'addressTaken' },
    });
    expect(record().cluster).toEqual(running);
    level.current = 2;
    expect(versionOf(at('cluster')!.value)).toBe(1);
    expect(await registry.replaceCluster(record(), cancelled)).toEqual(DONE);
    expect(record().cluster.shards[0]!.migration?.isCancelled).toBe(true);
    expect(versionOf(at('cluster')!.value)).toBe(2);
  });

  it('keeps facts in the memory of who learned them, compared as if they were stored', async () => {
    const { registry, record } = await sceneWithCluster(1);
    const first = record();
    expect(await registry.replaceCluster(first, first.cluster, { facts: seenAt(first, 5) })).toEqual(DONE);
    const second = record();
    expect(sequenceOf(second)).toBe(5);
    expect(second.revision).toBe(first.revision);
    expect(second.factsRevision).not.toBe(first.factsRevision);
    expect(record()).toBe(second);
    expect(await registry.replaceCluster(first, first.cluster, { facts: seenAt(first, 4) })).toEqual(
      conflict,
    );
    const next = withReplica(second.cluster, 7003);
    expect(await registry.replaceCluster(second, next, { facts: seenAt(second, 6) })).toEqual(DONE);
    expect(sequenceOf(record())).toBe(6);
    expect(record().facts).toBe(factsFor(record().facts, next));
    expect(await registry.replaceCluster(record(), withReplica(next, 7004))).toEqual(DONE);
    expect(sequenceOf(record())).toBe(6);
    expect(record().facts.nodes.size).toBe(4);
  });

  it('two changes of facts at once: one of them is refused', async () => {
    const { registry, group, record } = await sceneWithCluster(1);
    const read = record();
    group.hold();
    const both = [5, 6].map((sequence) =>
      registry.replaceCluster(read, read.cluster, { facts: seenAt(read, sequence) }),
    );
    group.release();
    expect(await Promise.all(both)).toEqual([DONE, conflict]);
    expect(sequenceOf(record())).toBe(5);
    const next = withReplica(record().cluster, 7003);
    group.hold();
    // Facts alone, and right behind them a change of the cluster that leaves them as they are.
    const later = [
      registry.replaceCluster(record(), record().cluster, { facts: seenAt(record(), 7) }),
      registry.replaceCluster(record(), next),
    ];
    group.release();
    expect(await Promise.all(later)).toEqual([DONE, DONE]);
    expect(sequenceOf(record())).toBe(7);
  });

  it('forgets facts with a change of which it does not know what it meant for them', async () => {
    const { registry, group, store, record } = await sceneWithCluster(1);
    const seen = async (): Promise<void> => {
      const read = record();
      expect(await registry.replaceCluster(read, read.cluster, { facts: seenAt(read, 5) })).toEqual(DONE);
      expect(sequenceOf(record())).toBe(5);
    };
    await seen();
    // Another leader's change.
    const put = [{ key: 'cluster/ns/c', value: store.get('cluster/ns/c')!.value }];
    group.machine.apply([entry(group.machine.applied + 1, transaction(1, { put }))]);
    expect(record().facts).toEqual(initialFacts(record().cluster));
    expect(record().factsRevision).toBe(0);
    await seen();
    // A change of our own that took effect although nobody could say so.
    const read = record();
    group.fates = ['late'];
    const next = withReplica(read.cluster, 7003);
    const pending = registry.replaceCluster(read, next, { facts: seenAt(read, 6), term: 1 });
    group.isLeader = false;
    expect(await pending).toMatchObject({ error: { kind: 'unknown' } });
    expect(record().cluster.version).toBe(2);
    expect(record().facts).toEqual(initialFacts(next));
    group.isLeader = true;
    await seen();
    expect(await registry.deleteCluster(record())).toEqual(DONE);
    expect(await registry.createCluster(ns, next)).toEqual(DONE);
    expect(sequenceOf(record())).toBeNull();
  });

  it('does not keep facts beside a cluster that others changed before the own change was known to be committed', async () => {
    const { registry, group, store, record } = await sceneWithCluster(1);
    const read = record();
    const next = withReplica(read.cluster, 7003);
    const stop = store.watch(() => {
      stop();
      const { value } = store.get('cluster/ns/c')!;
      const others = transaction(1, { put: [{ key: 'cluster/ns/c', value }] });
      queueMicrotask(() => group.machine.apply([entry(group.machine.applied + 1, others)]));
    });
    group.fates = ['late'];
    expect(await registry.replaceCluster(read, next, { facts: seenAt(read, 5) })).toEqual(DONE);
    expect(record().revision).toBe(group.machine.applied - 1);
    expect(record().facts).toEqual(initialFacts(next));
  });

  it('that has risen to level 2 stores what was kept in memory with the next change of it', async () => {
    const { registry, level, record, stored: at } = await sceneWithCluster(1);
    await registry.replaceCluster(record(), record().cluster, { facts: seenAt(record(), 5) });
    const kept = record();
    level.current = 2;
    expect(record()).toBe(kept);
    expect(await registry.replaceCluster(record(), withReplica(record().cluster, 7003))).toEqual(DONE);
    expect(at('facts')).toBeNull();
    expect(sequenceOf(record())).toBe(5);
    const { facts } = record();
    expect(await registry.replaceCluster(record(), record().cluster, { facts })).toEqual(DONE);
    expect(record().factsRevision).toBe(at('facts')!.revision);
    expect(record().facts).toEqual(facts);
    expect(await registry.replaceCluster(kept, kept.cluster, { facts })).toEqual(conflict);
  });
});

describe('a record of a later release', () => {
  it('of facts stops whoever reads it, with the remedy', async () => {
    const { registry, group } = await sceneWithCluster(2);
    const packr = new Packr({ useRecords: false });
    const put = [{ key: 'facts/ns/c', value: packr.pack([3, null, [], [], []]) }];
    group.machine.apply([entry(group.machine.applied + 1, transaction(1, { put }))]);
    expect(() => registry.getCluster(ns, c)).toThrow('versions up to 2; update this member');
    expect(() => registry.allClusters()).toThrow(UnreadableRecordError);
  });
});

describe('a cancelled migration', () => {
  it('needs level 2, and only while it lasts', () => {
    const { running, cancelled } = cancelling(cluster('c', [7001]));
    expect([levelNeededBy(running), levelNeededBy(cancelled)]).toEqual([1, 2]);
    expect(levelNeededBy(valueOf(finishMigration(cancelled, 0)))).toBe(1);
    expect(() => encodeCluster({ namespace: ns, cluster: c }, cancelled, 1)).toThrow(
      'nothing is written that the group cannot read',
    );
  });
});

describe('a drained shard', () => {
  it('needs level 3, and only while it lasts', async () => {
    const two = withReplica(cluster('c', [7001]), 7002);
    const drained = valueOf(startDrain(two, 0, two.shards[0]!.nodes[1]!.id));
    expect([levelNeededBy(two), levelNeededBy(drained)]).toEqual([1, 3]);
    expect(levelNeededBy(valueOf(undoDrain(drained, 0)))).toBe(1);
    const { registry, level } = scene();
    await registry.createNamespace(ns);
    expect(await registry.createCluster(ns, two)).toEqual(DONE);
    const read = registry.getCluster(ns, c)!;
    level.current = 2;
    expect(registry.storesDrains).toBe(false);
    const refusal = { ok: false, error: { kind: 'featureLevel', needed: 3, current: 2 } };
    expect(await registry.replaceCluster(read, drained)).toEqual(refusal);
    level.current = 3;
    expect(registry.storesDrains).toBe(true);
    expect(await registry.replaceCluster(read, drained)).toEqual(DONE);
    expect(registry.getCluster(ns, c)!.cluster.shards[0]!.drain).toEqual(drained.shards[0]!.drain);
  });
});
