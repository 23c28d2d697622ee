// Spares as records: their addresses are claimed, released and handed on in the transactions that change them.

import { describe, expect, it } from 'vitest';

import { createSeededRandom } from '../../../src/base/random.ts';
import { Secret } from '../../../src/base/secret.ts';
import { decodeClusterPolicy, encodeClusterPolicy } from '../../../src/registry/policy-codec.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import { addNode, removeNode } from '../../../src/topology/change-nodes.ts';
import { newNodeId } from '../../../src/topology/node.ts';
import { type Automation, NO_CLUSTER_POLICY, withSpareUsed } from '../../../src/topology/policy.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import { NO_SPARES, type Spare } from '../../../src/topology/spares.ts';
import type { Cluster, NodeId } from '../../../src/topology/types.ts';
import { address, cluster, name, scene, valueOf } from './support.ts';

/** What the release before spares wrote, at level 4. Never to be made anew: it is on disks. */
const GOLDEN =
  'lAGVpnBhdXNlZMLOdzWUAKd3ZSBtb3ZlzmVT8QCqcXVhcmFudGluZZGV2ShhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhwMAAoWI=';

const DONE = { ok: true, value: undefined };
const CONFLICT = { ok: false, error: { kind: 'conflict' } };
const ns = name('ns');
const PLACE = { namespace: ns, cluster: name('c') };
const OTHER = { namespace: ns, cluster: name('d') };
const EVENT = { kind: 'sparesChanged', text: 'spares' } as const;

const spareAt = (port: number): Spare => ({
  address: address(port),
  password: new Secret('p'),
  zone: 'b',
  lost: null,
});

const taken = (port: number, place: typeof PLACE): object => ({
  ok: false,
  error: { kind: 'addressTaken', address: address(port), ...place },
});

/** Clusters `c` with nodes at 7001 to 7003 and `d` with one at 7011. */
async function withClusters(): Promise<ReturnType<typeof scene>> {
  const made = scene();
  await made.registry.createNamespace(ns);
  await made.registry.createCluster(ns, cluster('c', [7001, 7002, 7003]));
  await made.registry.createCluster(ns, cluster('d', [7011]));
  return made;
}

const want = (registry: Registry, ports: readonly number[], place = PLACE): Promise<unknown> =>
  registry.policies.changeCluster(
    place,
    (policy) => ({ ...policy, spares: { ...policy.spares, nodes: ports.map(spareAt) } }),
    EVENT,
  );

const recordOf = (registry: Registry): ClusterRecord => registry.getCluster(ns, name('c'))!;

function withReplica(one: Cluster, port: number, id: NodeId): Cluster {
  const node = { id, address: address(port), password: Secret.none, createdAtSeconds: 1 };
  return valueOf(addNode(one, 0, { ...node, role: 'replica' }));
}

/** What a leader commits: the spare at `port` in the place of the last replica. */
function replacement(registry: Registry, port: number) {
  const record = recordOf(registry);
  const lost = record.cluster.shards[0]!.nodes[2]!;
  const id = newNodeId(createSeededRandom(port));
  const next = withReplica(valueOf(removeNode(record.cluster, 0, lost.id)), port, id);
  const policy = registry.policies.ofCluster(PLACE);
  const used = policy.spares.nodes.find((spare) => spare.address === address(port))!;
  const options = {
    underPolicies: registry.policies.stamp(PLACE),
    policy: withSpareUsed(policy, { used, id, lost }),
  };
  return { lost, id, commit: () => registry.replaceCluster(record, next, options) };
}

describe('spares', () => {
  it('belong to one cluster like its nodes, until they are taken off the list, or their cluster goes', async () => {
    const { registry } = await withClusters();
    expect(await want(registry, [7021, 7022])).toEqual(DONE);
    expect(registry.ownerOf(address(7021))).toEqual(PLACE);
    expect(await want(registry, [7021], OTHER)).toEqual(taken(7021, PLACE));
    expect(await want(registry, [7011])).toEqual(taken(7011, OTHER));
    // A node of the cluster itself is no spare of it.
    expect(await want(registry, [7021, 7001])).toEqual(taken(7001, PLACE));
    expect(await registry.createCluster(ns, cluster('e', [7022]))).toEqual(taken(7022, PLACE));
    expect(await want(registry, [7022])).toEqual(DONE);
    expect(registry.ownerOf(address(7021))).toBeNull();
    expect(await want(registry, [7021], OTHER)).toEqual(DONE);
    expect(await registry.deleteCluster(recordOf(registry))).toEqual(DONE);
    expect(registry.ownerOf(address(7022))).toBeNull();
    expect(registry.policies.ofCluster(PLACE)).toBe(NO_CLUSTER_POLICY);
  });

  it('do not become nodes by a change that leaves them on the list', async () => {
    const { registry } = await withClusters();
    await want(registry, [7021]);
    const record = recordOf(registry);
    const next = withReplica(record.cluster, 7021, newNodeId(createSeededRandom(3)));
    expect(await registry.replaceCluster(record, next)).toEqual(taken(7021, PLACE));
  });

  it('take the place of a node in one transaction, and that node their place on the list', async () => {
    const { registry } = await withClusters();
    await want(registry, [7021, 7022]);
    const { lost, id, commit } = replacement(registry, 7021);
    expect(await commit()).toEqual(DONE);
    expect(recordOf(registry).cluster.shards[0]!.nodes.map((node) => node.address)).toEqual(
      [7001, 7002, 7021].map(address),
    );
    const { spares, nodes } = registry.policies.ofCluster(PLACE);
    expect(spares.nodes).toMatchObject([
      { address: address(7022), lost: null },
      { address: address(7003), lost: lost.id },
    ]);
    expect(nodes.get(id)?.zone).toBe('b');
    // Whoever was lost belongs to the cluster still.
    expect(registry.ownerOf(address(7003))).toEqual(PLACE);
    expect(await want(registry, [7003], OTHER)).toEqual(taken(7003, PLACE));
    expect(await want(registry, [])).toEqual(DONE);
    expect([7003, 7022].map((port) => registry.ownerOf(address(port)))).toEqual([null, null]);
    expect(registry.ownerOf(address(7021))).toEqual(PLACE);
  });

  it('are not used once people want something else, of the cluster or of all, wherever in between that is said', async () => {
    const PAUSE: Automation = {
      failover: 'paused',
      ignoresMassFailure: false,
      untilSeconds: null,
      reason: '',
      setAtSeconds: 1,
    };
    for (const say of [
      (registry: Registry) => want(registry, []),
      (registry: Registry) =>
        registry.policies.changeGroup((policy) => ({ ...policy, automation: PAUSE }), EVENT),
    ]) {
      const { registry, group } = await withClusters();
      await want(registry, [7021]);
      const { commit } = replacement(registry, 7021);
      group.hold();
      const both = [say(registry), commit()];
      group.release();
      expect(await Promise.all(both)).toEqual([DONE, CONFLICT]);
      expect(recordOf(registry).cluster.shards[0]!.nodes).toHaveLength(3);
    }
  });

  it('named while their cluster is deleted leave no claim behind', async () => {
    const { registry, group } = await withClusters();
    await want(registry, [7021]);
    group.hold();
    const both = [want(registry, [7022]), registry.deleteCluster(recordOf(registry))];
    group.release();
    expect(await Promise.all(both)).toEqual([DONE, DONE]);
    expect([7021, 7022].map((port) => registry.ownerOf(address(port)))).toEqual([null, null]);
  });

  it('are refused before all members know them; what was wanted before is read and written as ever', async () => {
    const { registry, level } = await withClusters();
    level.current = 4;
    expect(await want(registry, [7021])).toEqual({
      ok: false,
      error: { kind: 'featureLevel', needed: 5, current: 4 },
    });
    expect(registry.ownerOf(address(7021))).toBeNull();
    const quarantine = await registry.policies.changeCluster(
      PLACE,
      (policy) => ({ ...policy, onDivergence: 'quarantine' }),
      EVENT,
    );
    expect(quarantine).toEqual(DONE);
    // A member of the earlier release would stop at an event of a kind that it does not know.
    const page = registry.events.page({ place: PLACE, cursor: null, limit: 9, isWanted: () => true });
    expect(page.events.map(({ kind }) => kind)).not.toContain('sparesChanged');
    expect(registry.policies.ofCluster(PLACE)).toMatchObject({
      onDivergence: 'quarantine',
      spares: NO_SPARES,
    });
    const value = Uint8Array.from(Buffer.from(GOLDEN, 'base64'));
    const golden = decodeClusterPolicy({ key: 'k', value });
    expect(golden).toMatchObject({ automation: { reason: 'we move' }, spares: NO_SPARES });
    expect(Buffer.from(encodeClusterPolicy(golden, 4)).toString('base64')).toBe(GOLDEN);
    expect(decodeClusterPolicy({ key: 'k', value: encodeClusterPolicy(golden, 5) })).toEqual(golden);
  });
});
