import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Secret } from '../../../src/base/secret.ts';
import { addressKey } from '../../../src/registry/keys.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import type { RegistryChange } from '../../../src/registry/types.ts';
import type { Result } from '../../../src/base/result.ts';
import { addNode, addShard, promote, removeNode } from '../../../src/topology/change-nodes.ts';
import { allNodes } from '../../../src/topology/cluster.ts';
import type { ChangeError } from '../../../src/topology/record.ts';
import { newNodeId } from '../../../src/topology/node.ts';
import { createSeededRandom } from '../../../src/base/random.ts';
import type { Cluster } from '../../../src/topology/types.ts';
import { entry, transaction } from '../store/support.ts';
import { address, cluster, name, scene, valueOf } from './support.ts';

const DONE = { ok: true, value: undefined };
const failed = (error: ChangeError) => ({ ok: false, error });
const ns = name('ns');

function withNode(one: Cluster, port: number): Cluster {
  const random = createSeededRandom(port);
  const node = { id: newNodeId(random), address: address(port), password: Secret.none, createdAtSeconds: 1 };
  return valueOf(addNode(one, 0, { ...node, role: 'replica' }));
}

function withoutNode(one: Cluster, port: number): Cluster {
  const place = allNodes(one).find(({ node }) => node.address === address(port));
  return valueOf(removeNode(one, 0, place!.node.id));
}

describe('namespaces', () => {
  it('are created, listed in order and deleted', async () => {
    const { registry } = scene();
    expect(await registry.createNamespace(name('b'))).toEqual(DONE);
    expect(await registry.createNamespace(name('a'))).toEqual(DONE);
    expect(await registry.createNamespace(name('a'))).toEqual(failed({ kind: 'exists' }));
    expect([...registry.listNamespaces()]).toEqual(['a', 'b']);
    expect(registry.hasNamespace(name('a'))).toBe(true);
    expect(await registry.deleteNamespace(name('a'))).toEqual(DONE);
    expect(await registry.deleteNamespace(name('a'))).toEqual(failed({ kind: 'missing' }));
    expect([...registry.listNamespaces()]).toEqual(['b']);
  });

  it('are not refused by a member that lost the lead: what it knows may be old', async () => {
    const { registry, group } = scene();
    await registry.createNamespace(name('a'));
    group.isLeader = false;
    expect(await registry.createNamespace(name('a'))).toEqual(failed({ kind: 'notLeader' }));
    expect(await registry.deleteNamespace(name('b'))).toEqual(failed({ kind: 'notLeader' }));
  });

  it('with clusters are not deleted; a namespace whose name begins alike does not count', async () => {
    const { registry } = scene();
    await registry.createNamespace(ns);
    await registry.createNamespace(name('ns-2'));
    await registry.createCluster(name('ns-2'), cluster('c', [7001]));
    expect(await registry.deleteNamespace(name('ns-2'))).toEqual(failed({ kind: 'namespaceNotEmpty' }));
    expect(await registry.deleteNamespace(ns)).toEqual(DONE);
  });

  it.each(['create first', 'delete first'])(
    'a cluster created while its namespace is deleted: one of the two fails (%s)',
    async (order) => {
      const { group, registry } = scene();
      await registry.createNamespace(ns);
      group.hold();
      const create = () => registry.createCluster(ns, cluster('c', [7001]));
      const remove = () => registry.deleteNamespace(ns);
      if (order === 'create first') {
        const both = [create(), remove()];
        group.release();
        expect(await Promise.all(both)).toEqual([DONE, failed({ kind: 'namespaceNotEmpty' })]);
      } else {
        const both = [remove(), create()];
        group.release();
        expect(await Promise.all(both)).toEqual([DONE, failed({ kind: 'missing' })]);
      }
    },
  );
});

describe('clusters', () => {
  it('are created, read back with their passwords, listed and deleted', async () => {
    const { registry } = scene();
    await registry.createNamespace(ns);
    expect(await registry.createCluster(name('other'), cluster('c', [7001]))).toEqual(
      failed({ kind: 'missing' }),
    );
    expect(await registry.createCluster(ns, cluster('c', [7001, 7002], 'hush'))).toEqual(DONE);
    expect(await registry.createCluster(ns, cluster('c', [7003]))).toEqual(failed({ kind: 'exists' }));
    expect(await registry.createCluster(ns, cluster('b', [7004]))).toEqual(DONE);
    expect([...registry.listClusters(ns)]).toEqual(['b', 'c']);
    expect([...registry.listClusters(name('none'))]).toEqual([]);
    expect(registry.allClusters().map((record) => record.cluster.name)).toEqual(['b', 'c']);
    const record = registry.getCluster(ns, name('c'))!;
    expect(record.cluster.shards[0]?.nodes[0]?.password.reveal()).toBe('hush');
    expect(registry.getCluster(ns, name('c'))).toBe(record);
    expect(registry.getCluster(ns, name('none'))).toBeNull();
    expect(await registry.deleteCluster(record)).toEqual(DONE);
    expect(await registry.deleteCluster(record)).toEqual(failed({ kind: 'missing' }));
    expect(await registry.replaceCluster(record, record.cluster)).toEqual(failed({ kind: 'missing' }));
    expect([...registry.listClusters(ns)]).toEqual(['b']);
  });

  it('take an address nobody else has, in the whole controller, and give it back', async () => {
    const { registry } = scene();
    await registry.createNamespace(ns);
    await registry.createNamespace(name('other'));
    await registry.createCluster(ns, cluster('c', [7001, 7002]));
    const taken = failed({ kind: 'addressTaken', address: address(7002), namespace: ns, cluster: name('c') });
    expect(await registry.createCluster(name('other'), cluster('d', [7003, 7002]))).toEqual(taken);
    expect(registry.ownerOf(address(7003))).toBeNull();
    expect(await registry.createCluster(name('other'), cluster('d', [7003]))).toEqual(DONE);
    const other = registry.getCluster(name('other'), name('d'))!;
    expect(await registry.replaceCluster(other, withNode(other.cluster, 7002))).toEqual(taken);
    const record = registry.getCluster(ns, name('c'))!;
    expect(await registry.replaceCluster(record, withoutNode(record.cluster, 7002))).toEqual(DONE);
    expect(registry.ownerOf(address(7002))).toBeNull();
    expect(await registry.replaceCluster(other, withNode(other.cluster, 7002))).toEqual(DONE);
    expect(registry.ownerOf(address(7002))).toEqual({ namespace: 'other', cluster: 'd' });
    await registry.deleteCluster(registry.getCluster(ns, name('c'))!);
    expect(registry.ownerOf(address(7001))).toBeNull();
  });

  it.each(['create', 'replace'])(
    'two that want one address at the same time (%s): the first in the log gets it, the other hears who has it',
    async (second) => {
      const { group, registry } = scene();
      await registry.createNamespace(ns);
      await registry.createNamespace(name('other'));
      await registry.createCluster(name('other'), cluster('d', [7004]));
      const other = registry.getCluster(name('other'), name('d'))!;
      group.hold();
      const both = [
        registry.createCluster(ns, cluster('c', [7001, 7003])),
        second === 'create'
          ? registry.createCluster(name('other'), cluster('e', [7002, 7003]))
          : registry.replaceCluster(other, withNode(other.cluster, 7003)),
      ];
      group.release();
      expect(await Promise.all(both)).toEqual([
        DONE,
        failed({ kind: 'addressTaken', address: address(7003), namespace: ns, cluster: name('c') }),
      ]);
      expect(registry.ownerOf(address(7002))).toBeNull();
    },
  );

  it('created at the same time in one namespace all come to be', async () => {
    const { group, registry } = scene();
    await registry.createNamespace(ns);
    group.hold();
    const many = Array.from({ length: 20 }, (_, index) =>
      registry.createCluster(ns, cluster(`c${index}`, [7000 + index])),
    );
    group.release();
    expect(await Promise.all(many)).toEqual(many.map(() => DONE));
    expect([...registry.listClusters(ns)]).toHaveLength(20);
  });

  it('changed by others since they were read are not replaced and not deleted', async () => {
    const { group, registry } = scene();
    await registry.createNamespace(ns);
    await registry.createCluster(ns, cluster('c', [7001, 7002]));
    const record = registry.getCluster(ns, name('c'))!;
    group.hold();
    const next = valueOf(promote(record.cluster, 0, record.cluster.shards[0]!.nodes[1]!.id));
    const all = [
      registry.replaceCluster(record, next),
      registry.replaceCluster(record, withNode(record.cluster, 7003)),
      registry.deleteCluster(record),
    ];
    group.release();
    const conflict = failed({ kind: 'conflict' });
    expect(await Promise.all(all)).toEqual([DONE, conflict, conflict]);
    expect(registry.getCluster(ns, name('c'))?.cluster.version).toBe(2);
    expect(registry.ownerOf(address(7003))).toBeNull();
  });

  it('never go back to a lower version or another name: that is a bug', async () => {
    const { registry } = scene();
    await registry.createNamespace(ns);
    await registry.createCluster(ns, cluster('c', [7001, 7002]));
    const old = registry.getCluster(ns, name('c'))!;
    await registry.replaceCluster(old, withNode(old.cluster, 7003));
    const record = registry.getCluster(ns, name('c'))!;
    expect(() => registry.replaceCluster(record, old.cluster)).toThrow('never goes down');
    expect(() => registry.replaceCluster(record, cluster('d', [7009]))).toThrow('keeps its name');
  });

  it('too large for the log are refused before they are proposed', async () => {
    const { group, registry } = scene();
    await registry.createNamespace(ns);
    const password = 'x'.repeat(600_000);
    const result = await registry.createCluster(ns, cluster('c', [7001, 7002], password));
    expect(!result.ok && result.error.kind).toBe('tooLarge');
    expect(group.proposals).toBe(1);
  });

  it('change only under the term of the fence', async () => {
    const { registry } = scene();
    await registry.createNamespace(ns);
    await registry.createCluster(ns, cluster('c', [7001]));
    const record = registry.getCluster(ns, name('c'))!;
    const next = withNode(record.cluster, 7002);
    expect(await registry.replaceCluster(record, next, { term: 2 })).toEqual(failed({ kind: 'notLeader' }));
    expect(await registry.replaceCluster(record, next, { term: 1 })).toEqual(DONE);
  });

  it('are watched: each change once, with its place; namespaces and claims alone are no change', async () => {
    const { group, registry } = scene();
    const seen: RegistryChange[] = [];
    const stop = registry.watch((change) => seen.push(change));
    await registry.createNamespace(ns);
    await registry.createCluster(ns, cluster('c', [7001]));
    const snapshot = group.machine.snapshot();
    const restore = group.machine.restore({ index: snapshot.index, term: group.machine.appliedTerm });
    for (const chunk of snapshot.chunks) restore.chunk(chunk);
    expect(restore.ready()).toBeNull();
    restore.swap(() => undefined);
    stop();
    await registry.deleteCluster(registry.getCluster(ns, name('c'))!);
    const place = { namespace: ns, cluster: name('c') };
    expect(seen).toEqual([{ kind: 'clusters', clusters: [place] }, { kind: 'replaced' }]);
  });
});

describe('outcomes that are not known', () => {
  it.each(['lost', 'late'] as const)('a %s proposal is asked for again and happens once', async (fate) => {
    const { group, registry } = scene();
    group.fates = [fate, fate, 'overloaded'];
    expect(await registry.createNamespace(ns)).toEqual(DONE);
    expect(group.proposals).toBe(4);
    group.fates = [fate];
    expect(await registry.createCluster(ns, cluster('c', [7001]))).toEqual(DONE);
    expect([...registry.listClusters(ns)]).toEqual(['c']);
  });

  it('stay unknown when the deadline is over, and when the lead is lost meanwhile', async () => {
    const { group, clock, registry } = scene();
    group.fates = Array.from({ length: 1000 }, () => 'lost' as const);
    const startedAtMs = clock.nowMs;
    expect(await registry.createNamespace(ns)).toEqual(failed({ kind: 'unknown', reason: 'lost' }));
    expect(clock.nowMs - startedAtMs).toBeLessThanOrEqual(2000);
    group.fates = ['late'];
    const pending = registry.createNamespace(ns);
    group.isLeader = false;
    expect(await pending).toEqual(failed({ kind: 'unknown', reason: 'late' }));
  });

  it('refusals that are certain are passed on at once', async () => {
    const { group, registry } = scene();
    group.fates = ['overloaded'];
    expect(await registry.createNamespace(ns)).toEqual(failed({ kind: 'overloaded' }));
    group.isLeader = false;
    expect(await registry.createNamespace(ns)).toEqual(failed({ kind: 'notLeader' }));
    expect(await registry.linearize()).toEqual(failed({ kind: 'notLeader' }));
    group.isLeader = true;
    expect(await registry.linearize()).toEqual(DONE);
  });

  it.each([
    [0, DONE],
    [5000, failed({ kind: 'conflict' })],
  ])(
    'a change overtaken in the log is planned again, but not after the deadline (%d ms later)',
    async (laterMs, result) => {
      const { group, clock, store, registry } = scene();
      await registry.createNamespace(ns);
      group.hold();
      const removing = registry.deleteNamespace(ns);
      const put = [{ key: 'namespace/ns', value: store.get('namespace/ns')!.value }];
      group.machine.apply([entry(group.machine.applied + 1, transaction(1, { put }))]);
      clock.nowMs += laterMs;
      group.release();
      expect(await removing).toEqual(result);
      expect(registry.hasNamespace(ns)).toBe(laterMs > 0);
    },
  );
});

/** What must hold after every entry. */
function checkInvariants(registry: Registry, keys: readonly string[]): void {
  const claims = keys.filter((key) => key.startsWith('address/'));
  const owned = registry.allClusters().flatMap(({ namespace, cluster: one }) => {
    expect(registry.hasNamespace(namespace)).toBe(true);
    return allNodes(one).map(({ node }) => {
      expect(registry.ownerOf(node.address)).toEqual({ namespace, cluster: one.name });
      return addressKey(node.address);
    });
  });
  expect(claims).toEqual(owned.toSorted());
}

describe('any interleaving of changes', () => {
  it('keeps one owner an address, no claim without an owner, and no cluster without a namespace', async () => {
    const namespaceName = fc.constantFrom('a', 'b').map(name);
    const clusterName = fc.constantFrom('c', 'd');
    const ports = fc.uniqueArray(fc.integer({ min: 7000, max: 7004 }), { minLength: 1, maxLength: 3 });
    const wish = fc.record({
      kind: fc.constantFrom(
        'createNamespace',
        'deleteNamespace',
        'create',
        'create',
        'create',
        'add',
        'remove',
        'delete',
      ),
      namespaceName,
      clusterName,
      ports,
      fate: fc.constantFrom('applied' as const, 'applied' as const, 'late' as const, 'lost' as const),
      isLastOfGroup: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(wish, { maxLength: 30 }), async (wishes) => {
        const { group, store, registry } = scene();
        const violations: unknown[] = [];
        const check = (): void => {
          try {
            checkInvariants(
              registry,
              store.list('').map(({ key }) => key),
            );
          } catch (violation) {
            violations.push(violation);
          }
        };
        store.watch(check);
        for (const one of ['a', 'b']) valueOf(await registry.createNamespace(name(one)));
        let pending: Promise<Result<void, ChangeError>>[] = [];
        group.hold();
        for (const one of wishes) {
          const record = registry.getCluster(one.namespaceName, name(one.clusterName));
          const [port = 7000] = one.ports;
          group.fates.push(one.fate);
          if (one.kind === 'createNamespace') pending.push(registry.createNamespace(one.namespaceName));
          if (one.kind === 'deleteNamespace') pending.push(registry.deleteNamespace(one.namespaceName));
          if (one.kind === 'create') {
            pending.push(registry.createCluster(one.namespaceName, cluster(one.clusterName, one.ports)));
          }
          if (record !== null && one.kind === 'delete') pending.push(registry.deleteCluster(record));
          if (record !== null && one.kind === 'add') {
            const random = createSeededRandom(port);
            const next = addShard(record.cluster, {
              addresses: [address(port)],
              password: Secret.none,
              random,
              nowSeconds: 1,
            });
            if (next.ok) pending.push(registry.replaceCluster(record, next.value));
          }
          if (record !== null && one.kind === 'remove') {
            const replica = record.cluster.shards[0]?.nodes.find(({ role }) => role === 'replica');
            const next = replica === undefined ? null : removeNode(record.cluster, 0, replica.id);
            if (next?.ok === true) pending.push(registry.replaceCluster(record, next.value));
          }
          if (!one.isLastOfGroup) continue;
          group.release();
          await Promise.all(pending);
          group.hold();
          pending = [];
        }
        group.release();
        for (const result of await Promise.all(pending)) {
          if (!result.ok) expect(result.error.kind).not.toBe('unknown');
        }
        expect(violations).toEqual([]);
      }),
      { numRuns: 150 },
    );
  });
});
