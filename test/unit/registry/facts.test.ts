import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createSeededRandom } from '../../../src/base/random.ts';
import { Secret } from '../../../src/base/secret.ts';
import { decodeFacts } from '../../../src/registry/facts-codec.ts';
import { FEATURE_LEVEL } from '../../../src/base/feature-level.ts';
import type { RegistryChange } from '../../../src/registry/types.ts';
import { addNode, promote, removeNode } from '../../../src/topology/change-nodes.ts';
import { allNodes } from '../../../src/topology/cluster.ts';
import {
  type ClusterFacts,
  factsFor,
  initialFacts,
  UNSEEN_NODE,
  withNodeFacts,
} from '../../../src/topology/facts.ts';
import { newNodeId } from '../../../src/topology/node.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import type { Cluster, NodeId } from '../../../src/topology/types.ts';
import { address, cluster, name, scene, valueOf } from './support.ts';

const ns = name('ns');
const c = name('c');
const DONE = { ok: true, value: undefined };
const failed = (kind: string) => ({ ok: false, error: { kind } });

function withReplica(one: Cluster, port: number): Cluster {
  const id = newNodeId(createSeededRandom(port));
  const node = { id, address: address(port), password: Secret.none, createdAtSeconds: 1 };
  return valueOf(addNode(one, 0, { ...node, role: 'replica' }));
}

function idAt({ cluster: one }: ClusterRecord, index: number): NodeId {
  return one.shards[0]!.nodes[index]!.id;
}

/** The record's facts after node `index` was seen at `sequence`. */
function seenAt(record: ClusterRecord, index: number, sequence: number): ClusterFacts {
  const id = idAt(record, index);
  return withNodeFacts(record.facts, id, {
    sequence,
    following: id,
    seenAtSeconds: 1_700_000_000,
    remake: null,
  });
}

async function sceneWithCluster(facts?: (one: Cluster) => ClusterFacts) {
  const all = scene();
  await all.registry.createNamespace(ns);
  const one = cluster('c', [7001, 7002]);
  expect(await all.registry.createCluster(ns, one, facts?.(one))).toEqual(DONE);
  return {
    ...all,
    record: (): ClusterRecord => all.registry.getCluster(ns, c)!,
    storedFacts: () => all.store.get('facts/ns/c'),
  };
}

describe('facts of a cluster', () => {
  it('are stored with the cluster in one transaction, known or not', async () => {
    const { record, storedFacts, store } = await sceneWithCluster();
    expect(record().facts).toEqual(initialFacts(record().cluster));
    expect(record().factsRevision).toBe(storedFacts()!.revision);
    expect(storedFacts()!.revision).toBe(store.get('cluster/ns/c')!.revision);
    const given = await sceneWithCluster((one) => {
      const node = { ...UNSEEN_NODE, remake: 'it was never looked at' };
      return withNodeFacts(initialFacts(one), one.shards[0]!.nodes[1]!.id, node);
    });
    expect(given.record().facts.nodes.get(idAt(given.record(), 1))?.remake).toBe('it was never looked at');
  });

  it('change alone without the cluster, and nobody who waits for clusters is woken', async () => {
    const { registry, store, record } = await sceneWithCluster();
    const changes: RegistryChange[] = [];
    registry.watch((change) => changes.push(change));
    const before = record();
    const cluster7 = store.get('cluster/ns/c');
    expect(await registry.replaceCluster(before, before.cluster, { facts: seenAt(before, 0, 5) })).toEqual(
      DONE,
    );
    expect(changes).toEqual([]);
    expect(store.get('cluster/ns/c')).toBe(cluster7);
    const after = record();
    expect(after.facts.nodes.get(idAt(after, 0))?.sequence).toBe(5);
    expect(after.cluster).toBe(before.cluster);
    expect(after.revision).toBe(before.revision);
    expect(after.factsRevision).toBeGreaterThan(before.factsRevision);
    expect(registry.allClusters()).toEqual([after]);
    expect(record()).toBe(after);
  });

  it('change together with the cluster, and both or neither', async () => {
    const { registry, group, record } = await sceneWithCluster();
    const changes: RegistryChange[] = [];
    registry.watch((change) => changes.push(change));
    const before = record();
    const next = valueOf(promote(before.cluster, 0, idAt(before, 1)));
    const facts = seenAt(before, 1, 9);
    expect(await registry.replaceCluster(before, next, { facts, term: 2 })).toEqual(failed('notLeader'));
    expect(record()).toBe(before);
    group.fates = ['late'];
    expect(await registry.replaceCluster(before, next, { facts, term: 1 })).toEqual(DONE);
    expect(record().cluster.version).toBe(2);
    expect(record().facts).toEqual(facts);
    expect(record().revision).toBe(record().factsRevision);
    expect(changes).toEqual([{ kind: 'clusters', clusters: [{ namespace: 'ns', cluster: 'c' }] }]);
  });

  it('are compared by who changes them, and are in nobody else’s way', async () => {
    const { registry, group, record } = await sceneWithCluster();
    const read = record();
    group.hold();
    const all = [
      registry.replaceCluster(read, read.cluster, { facts: seenAt(read, 0, 5) }),
      registry.replaceCluster(read, read.cluster, { facts: seenAt(read, 0, 6) }),
      registry.replaceCluster(read, withReplica(read.cluster, 7003), { facts: seenAt(read, 0, 7) }),
      registry.replaceCluster(read, withReplica(read.cluster, 7004)),
    ];
    group.release();
    const conflict = failed('conflict');
    expect(await Promise.all(all)).toEqual([DONE, conflict, conflict, DONE]);
    expect(allNodes(record().cluster).map(({ node }) => node.address)).toEqual(
      [7001, 7002, 7004].map(address),
    );
    expect(record().facts.nodes.get(idAt(record(), 0))?.sequence).toBe(5);
    expect(record().facts.nodes.get(idAt(record(), 2))).toEqual(UNSEEN_NODE);
  });

  it('given as they are, are compared and not written again', async () => {
    const { registry, record, storedFacts } = await sceneWithCluster();
    const read = record();
    const next = valueOf(promote(read.cluster, 0, idAt(read, 1)));
    const stored = storedFacts();
    expect(await registry.replaceCluster(read, next, { facts: read.facts })).toEqual(DONE);
    expect(storedFacts()).toBe(stored);
    expect(await registry.replaceCluster(record(), next, { facts: seenAt(record(), 0, 5) })).toEqual(DONE);
    const stale = { ...record(), factsRevision: read.factsRevision, facts: read.facts };
    expect(await registry.replaceCluster(stale, stale.cluster, { facts: stale.facts })).toEqual(
      failed('conflict'),
    );
  });

  it('of a cluster that was deleted or changed meanwhile are never written', async () => {
    const { registry, group, store, record } = await sceneWithCluster();
    const read = record();
    const next = withReplica(read.cluster, 7003);
    group.hold();
    const changing = [
      registry.replaceCluster(read, next),
      registry.replaceCluster(read, read.cluster, { facts: seenAt(read, 0, 5) }),
    ];
    group.release();
    expect(await Promise.all(changing)).toEqual([DONE, failed('conflict')]);
    const changed = record();
    group.hold();
    const deleting = [
      registry.deleteCluster(changed),
      registry.replaceCluster(changed, changed.cluster, { facts: seenAt(changed, 0, 5) }),
    ];
    group.release();
    expect(await Promise.all(deleting)).toEqual([DONE, failed('missing')]);
    expect(store.list('').map(({ key }) => key)).toEqual(['namespace/ns']);
    expect(await registry.createCluster(ns, next)).toEqual(DONE);
    expect(record().facts).toEqual(initialFacts(next));
  });

  it('go with their cluster also when they change while it is being deleted', async () => {
    const { registry, group, store, record } = await sceneWithCluster();
    const read = record();
    group.hold();
    const both = [
      registry.replaceCluster(read, read.cluster, { facts: seenAt(read, 0, 5) }),
      registry.deleteCluster(read),
    ];
    group.release();
    expect(await Promise.all(both)).toEqual([DONE, DONE]);
    expect(store.list('').map(({ key }) => key)).toEqual(['namespace/ns']);
  });

  it('of a node that leaves are forgotten: one that comes back is a new one', async () => {
    const { registry, group, record } = await sceneWithCluster();
    await registry.replaceCluster(record(), record().cluster, { facts: seenAt(record(), 1, 900) });
    const read = record();
    const replica = read.cluster.shards[0]!.nodes[1]!;
    group.hold();
    // What is learned meanwhile of those who stay is kept.
    const both = [
      registry.replaceCluster(read, read.cluster, { facts: seenAt(read, 0, 901) }),
      registry.replaceCluster(read, valueOf(removeNode(read.cluster, 0, replica.id))),
    ];
    group.release();
    expect(await Promise.all(both)).toEqual([DONE, DONE]);
    expect([...record().facts.nodes.values()].map(({ sequence }) => sequence)).toEqual([901]);
    const back = valueOf(addNode(record().cluster, 0, { ...replica, role: 'replica' }));
    expect(await registry.replaceCluster(record(), back)).toEqual(DONE);
    expect(record().facts.nodes.get(replica.id)).toEqual(UNSEEN_NODE);
  });

  it('that were given for other nodes than the cluster has are brought into step with it', async () => {
    const { registry, record, storedFacts } = await sceneWithCluster();
    const stranger = newNodeId(createSeededRandom(99));
    const next = withReplica(record().cluster, 7003);
    const facts = withNodeFacts(record().facts, stranger, { ...UNSEEN_NODE, sequence: 5 });
    expect(await registry.replaceCluster(record(), next, { facts })).toEqual(DONE);
    expect([...decodeFacts(storedFacts()!).nodes.keys()]).toEqual(allNodes(next).map(({ node }) => node.id));
    expect(factsFor(record().facts, next)).toBe(record().facts);
  });
});

describe('any interleaving of changes of a cluster and of its facts', () => {
  it.each([1, FEATURE_LEVEL])(
    'at level %d: what is committed is what was said to be, and facts are always in step',
    async (level) => {
      const wish = fc.record({
        kind: fc.constantFrom('facts', 'facts', 'both', 'cluster', 'remove'),
        port: fc.integer({ min: 7003, max: 7006 }),
        sequence: fc.nat(),
        fate: fc.constantFrom('applied' as const, 'applied' as const, 'late' as const, 'lost' as const),
        isLastOfGroup: fc.boolean(),
      });
      await fc.assert(
        fc.asyncProperty(fc.array(wish, { maxLength: 20 }), async (wishes) => {
          const all = scene();
          all.level.current = level;
          const { registry, group } = all;
          await registry.createNamespace(ns);
          await registry.createCluster(ns, cluster('c', [7001, 7002]));
          const record = (): ClusterRecord => registry.getCluster(ns, c)!;
          let expected: number | null = null;
          let pending: (() => Promise<void>)[] = [];
          const settle = async (): Promise<void> => {
            group.release();
            for (const end of pending) await end();
            pending = [];
            const { facts, cluster: one } = record();
            expect(factsFor(facts, one)).toBe(facts);
            expect(facts.nodes.get(idAt(record(), 0))?.sequence).toBe(expected);
            group.hold();
          };
          group.hold();
          for (const { kind, port, sequence, fate, isLastOfGroup } of wishes) {
            const read = record();
            const isTaken = allNodes(read.cluster).some(({ node }) => node.address === address(port));
            const last = read.cluster.shards[0]!.nodes.at(-1)!;
            let next = read.cluster;
            if ((kind === 'both' || kind === 'cluster') && !isTaken) next = withReplica(next, port);
            if (kind === 'remove' && last.role === 'replica') next = valueOf(removeNode(next, 0, last.id));
            const hasFacts = kind === 'facts' || kind === 'both';
            group.fates.push(fate);
            const change = hasFacts
              ? registry.replaceCluster(read, next, { facts: seenAt(read, 0, sequence) })
              : registry.replaceCluster(read, next);
            pending.push(async () => {
              const result = await change;
              if (result.ok && hasFacts) expected = sequence;
              if (!result.ok) expect(result.error.kind).toBe('conflict');
            });
            if (isLastOfGroup) await settle();
          }
          await settle();
        }),
        { numRuns: 100 },
      );
    },
  );
});
