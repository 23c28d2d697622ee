import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { FEATURE_LEVEL } from '../../../src/base/feature-level.ts';
import { Secret } from '../../../src/base/secret.ts';
import {
  decodeClusterPolicy,
  decodeGroupPolicy,
  encodeClusterPolicy,
  encodeGroupPolicy,
} from '../../../src/registry/policy-codec.ts';
import type { Registry } from '../../../src/registry/registry.ts';
import type { RegistryChange } from '../../../src/registry/types.ts';
import { UnreadableRecordError } from '../../../src/registry/unreadable-record.ts';
import { removeNode } from '../../../src/topology/change-nodes.ts';
import {
  type Automation,
  type ClusterPolicy,
  DIVERGENCE_MODES,
  FAILOVER_MODES,
  FAILOVER_PRIORITY_MAX,
  NO_CLUSTER_POLICY,
  NO_GROUP_POLICY,
  NO_NODE_POLICY,
  withNodePolicy,
} from '../../../src/topology/policy.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { corruptedArbitrary } from './corruption.ts';
import { address, cluster, name, scene, valueOf } from './support.ts';

const DONE = { ok: true, value: undefined };
const ns = name('ns');
const PLACE = { namespace: ns, cluster: name('c') };

const wishArbitrary = fc.record({
  untilSeconds: fc.option(fc.nat()),
  reason: fc.string({ maxLength: 200 }),
  setAtSeconds: fc.nat(),
});
const automationArbitrary: fc.Arbitrary<Automation> = fc
  .tuple(
    fc.record({ failover: fc.constantFrom(...FAILOVER_MODES), ignoresMassFailure: fc.boolean() }),
    wishArbitrary,
  )
  .map(([mode, wish]) => Object.assign(mode, wish));
const policyArbitrary: fc.Arbitrary<ClusterPolicy> = fc.record({
  automation: fc.option(automationArbitrary),
  onDivergence: fc.constantFrom(...DIVERGENCE_MODES),
  nodes: fc
    .array(
      fc.tuple(
        fc.stringMatching(/^[0-9a-f]{40}$/).map((id) => id as NodeId),
        fc.record({
          maintenance: fc.option(wishArbitrary),
          released: fc.option(fc.string({ maxLength: 200 })),
          failoverPriority: fc.nat(FAILOVER_PRIORITY_MAX),
          zone: fc.string({ maxLength: 64 }),
        }),
      ),
      { maxLength: 4 },
    )
    .map((nodes) => new Map(nodes)),
  spares: fc.record({
    nodes: fc.array(
      fc.record({
        address: fc.integer({ min: 1, max: 65_535 }).map(address),
        password: fc.string({ maxLength: 20 }).map((text) => new Secret(text)),
        zone: fc.string({ maxLength: 64 }),
        lost: fc.option(fc.stringMatching(/^[0-9a-f]{40}$/).map((id) => id as NodeId)),
      }),
      { maxLength: 4 },
    ),
    copies: fc.option(fc.integer({ min: 1, max: 16 })),
    replaceAfterSeconds: fc.integer({ min: 1, max: 10_000 }),
  }),
});

/** What no comparison of objects sees. */
const passwordsOf = ({ spares }: ClusterPolicy): string[] =>
  spares.nodes.map(({ password }) => password.reveal());

const PAUSE: Automation = {
  failover: 'paused',
  ignoresMassFailure: false,
  untilSeconds: 2_000_000_000,
  reason: 'we move',
  setAtSeconds: 1_700_000_000,
};

async function withCluster(): Promise<ReturnType<typeof scene>> {
  const made = scene();
  await made.registry.createNamespace(ns);
  await made.registry.createCluster(ns, cluster('c', [7001, 7002, 7003]));
  return made;
}

const EVENT = { kind: 'automationChanged', text: 'paused' } as const;

const pause = (registry: Registry): Promise<unknown> =>
  registry.policies.changeCluster(PLACE, (policy) => ({ ...policy, automation: PAUSE }), EVENT);

describe('policy records', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(policyArbitrary, (policy) => {
        const read = decodeClusterPolicy({ key: 'k', value: encodeClusterPolicy(policy, FEATURE_LEVEL) });
        expect(read).toEqual(policy);
        expect(passwordsOf(read)).toEqual(passwordsOf(policy));
        const { automation } = policy;
        expect(
          decodeGroupPolicy({ key: 'k', value: encodeGroupPolicy({ automation, webhooks: [] }) }),
        ).toEqual({
          webhooks: [],
          automation,
        });
      }),
    );
  });

  it('that are damaged in any way are refused or are of another policy, and nothing else is ever thrown', () => {
    const damagedArbitrary = policyArbitrary.chain((policy) =>
      corruptedArbitrary(encodeClusterPolicy(policy, FEATURE_LEVEL)),
    );
    fc.assert(
      fc.property(damagedArbitrary, (value) => {
        for (const decode of [decodeClusterPolicy, decodeGroupPolicy]) {
          try {
            decode({ key: 'k', value });
          } catch (error) {
            expect(error).toBeInstanceOf(UnreadableRecordError);
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('policies', () => {
  it('are nothing until somebody says something, and wake who watches the clusters', async () => {
    const { registry } = await withCluster();
    expect(registry.policies.ofCluster(PLACE)).toBe(NO_CLUSTER_POLICY);
    expect(registry.policies.ofGroup()).toBe(NO_GROUP_POLICY);
    const heard: RegistryChange[] = [];
    registry.watch((change) => heard.push(change));
    const before = registry.getCluster(ns, name('c'));
    expect(await pause(registry)).toEqual(DONE);
    expect(
      await registry.policies.changeGroup((policy) => ({ ...policy, automation: PAUSE }), EVENT),
    ).toEqual(DONE);
    expect(registry.policies.ofCluster(PLACE)).toEqual({ ...NO_CLUSTER_POLICY, automation: PAUSE });
    expect(registry.policies.ofCluster(PLACE)).toBe(registry.policies.ofCluster(PLACE));
    expect(registry.policies.ofGroup()).toEqual({ automation: PAUSE, webhooks: [] });
    expect(heard).toEqual([{ kind: 'clusters', clusters: [PLACE] }, { kind: 'replaced' }]);
    // A wish is no change of the topology, and in nobody's way.
    expect(registry.getCluster(ns, name('c'))).toBe(before);
    expect(registry.allClusters()).toHaveLength(1);
  });

  it('of clusters that are not there, or before all members know them, are refused', async () => {
    const made = await withCluster();
    expect(
      await made.registry.policies.changeCluster(
        { ...PLACE, cluster: name('d') },
        () => NO_CLUSTER_POLICY,
        EVENT,
      ),
    ).toEqual({ ok: false, error: { kind: 'missing' } });
    made.level.current = 3;
    for (const outcome of [
      await pause(made.registry),
      await made.registry.policies.changeGroup((policy) => policy, EVENT),
    ])
      expect(outcome).toEqual({ ok: false, error: { kind: 'featureLevel', needed: 4, current: 3 } });
  });

  it('changed by two at the same time have both changes', async () => {
    const { registry, group } = await withCluster();
    const [first, second] = registry.getCluster(ns, name('c'))!.cluster.shards[0]!.nodes;
    const set = (id: NodeId): Promise<unknown> =>
      registry.policies.changeCluster(
        PLACE,
        (policy) => withNodePolicy(policy, id, { ...NO_NODE_POLICY, zone: 'a' }),
        EVENT,
      );
    group.hold();
    const both = [set(first!.id), set(second!.id)];
    group.release();
    expect(await Promise.all(both)).toEqual([DONE, DONE]);
    expect([...registry.policies.ofCluster(PLACE).nodes.keys()]).toEqual([first!.id, second!.id]);
  });

  it('lose what was said of a node when it leaves, and go with their cluster', async () => {
    const { registry } = await withCluster();
    const record = registry.getCluster(ns, name('c'))!;
    const [, second, third] = record.cluster.shards[0]!.nodes;
    for (const node of [second!, third!]) {
      await registry.policies.changeCluster(
        PLACE,
        (policy) => withNodePolicy(policy, node.id, { ...NO_NODE_POLICY, failoverPriority: 0 }),
        EVENT,
      );
    }
    expect(await registry.replaceCluster(record, valueOf(removeNode(record.cluster, 0, second!.id)))).toEqual(
      DONE,
    );
    expect([...registry.policies.ofCluster(PLACE).nodes.keys()]).toEqual([third!.id]);
    await registry.deleteCluster(registry.getCluster(ns, name('c'))!);
    await registry.createCluster(ns, cluster('c', [7001, 7002, 7003]));
    expect(registry.policies.ofCluster(PLACE)).toBe(NO_CLUSTER_POLICY);
  });

  it('a change made under policies that changed meanwhile is refused, wherever in between that happens', async () => {
    const { registry, group } = await withCluster();
    const record = registry.getCluster(ns, name('c'))!;
    const next = valueOf(removeNode(record.cluster, 0, record.cluster.shards[0]!.nodes[2]!.id));
    const conflict = { ok: false, error: { kind: 'conflict' } };
    const underPolicies = registry.policies.stamp(PLACE);
    // Asked for first, and committed behind the pause.
    group.hold();
    const both = [pause(registry), registry.replaceCluster(record, next, { underPolicies })];
    group.release();
    expect(await Promise.all(both)).toEqual([DONE, conflict]);
    expect(await registry.replaceCluster(record, next, { underPolicies })).toEqual(conflict);
    await registry.policies.changeGroup((policy) => ({ ...policy, automation: PAUSE }), EVENT);
    const newer = registry.policies.stamp(PLACE);
    expect(await registry.replaceCluster(record, next, { underPolicies: newer })).toEqual(DONE);
  });
});
