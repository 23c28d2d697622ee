import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { describePlanError } from '../../../src/planning/plan-error.ts';
import { type PlannedFailover, planMasterPlaces } from '../../../src/planning/master-places.ts';
import { placementFaults } from '../../../src/planning/placement.ts';
import { masterOf, replicasOf } from '../../../src/topology/cluster.ts';
import {
  NO_CLUSTER_POLICY,
  NO_NODE_POLICY,
  type NodePolicy,
  nodePolicy,
  withNodePolicy,
} from '../../../src/topology/policy.ts';
import { NOW_SECONDS, nodeIdAt, sampleCluster, valueOf } from '../topology/arbitrary.ts';

type Placement = Parameters<typeof placementFaults>[0];

/** A shard a text, a node a word, the master first: its zone (`-` for none), then `!` if it never takes over, `~` if people work on it. */
function placed(...shards: readonly string[]): Placement {
  const words = shards.map((text) => text.split(' '));
  const cluster = sampleCluster(shards.length, words[0]?.length ?? 0);
  let policy = NO_CLUSTER_POLICY;
  for (const [shardIndex, nodes] of words.entries()) {
    for (const [index, word] of nodes.entries()) {
      policy = withNodePolicy(policy, nodeIdAt(cluster, shardIndex, index), nodeSaid(word));
    }
  }
  return { cluster, policy, nowSeconds: NOW_SECONDS };
}

function nodeSaid(word: string): NodePolicy {
  const maintenance = { untilSeconds: NOW_SECONDS + 60, reason: '', setAtSeconds: NOW_SECONDS };
  return {
    ...NO_NODE_POLICY,
    zone: word.replaceAll(/[-!~]/g, ''),
    failoverPriority: word.includes('!') ? 0 : 100,
    maintenance: word.includes('~') ? maintenance : null,
  };
}

function zoneAt({ policy }: Placement, id: PlannedFailover['to']): string {
  return nodePolicy(policy, id).zone;
}

/** Failovers as people would write them. */
function told(placement: Placement, zone?: string): string[] {
  const plan = planMasterPlaces({ ...placement, ...(zone === undefined ? {} : { zone }) });
  return valueOf(plan).map(({ shardIndex, fromZone, toZone }) => `${shardIndex} ${fromZone}>${toZone}`);
}

const placementArbitrary: fc.Arbitrary<Placement> = fc
  .record({ shardCount: fc.integer({ min: 1, max: 7 }), groupSize: fc.integer({ min: 1, max: 3 }) })
  .chain(({ shardCount, groupSize }) => {
    const word = fc
      .tuple(
        fc.constantFrom('a', 'a', 'a', 'b', 'b', 'c', 'd', '-'),
        fc.constantFrom('', '', '', '', '!', '~'),
      )
      .map((parts) => parts.join(''));
    const shard = fc
      .array(word, { minLength: groupSize, maxLength: groupSize })
      .map((nodes) => nodes.join(' '));
    return fc.array(shard, { minLength: shardCount, maxLength: shardCount });
  })
  .map((shards) => placed(...shards));

/** Every place the master of each shard may be, its own first. */
function choicesOf(placement: Placement): string[][] {
  const { cluster, policy } = placement;
  return cluster.shards
    .map((shard) => {
      const others = replicasOf(shard)
        .map(({ id }) => nodePolicy(policy, id))
        .filter((node) => node.zone !== '' && node.failoverPriority > 0 && node.maintenance === null);
      return [zoneAt(placement, masterOf(shard).id)].concat(others.map(({ zone }) => zone));
    })
    .filter(([home]) => home !== '');
}

function unevenness(zones: readonly string[]): number {
  const counts = [...Map.groupBy(zones, (zone) => zone).values()].map(({ length }) => length);
  return counts.reduce((sum, count) => sum + count * count, 0);
}

test('no choice of masters is more even over the zones, and none as even needs fewer failovers', () => {
  fc.assert(
    fc.property(placementArbitrary, (placement) => {
      const choices = choicesOf(placement);
      let ways: string[][] = [[]];
      for (const zones of choices) {
        ways = ways.flatMap((way) => [...new Set(zones)].map((zone) => way.concat(zone)));
      }
      const changes = (way: readonly string[]): number =>
        way.filter((zone, index) => zone !== choices[index]?.[0]).length;
      const even = Math.min(...ways.map((way) => unevenness(way)));
      const fewest = Math.min(...ways.filter((way) => unevenness(way) === even).map((way) => changes(way)));

      const failovers = valueOf(planMasterPlaces(placement));
      const after = new Map(placement.cluster.shards.map((shard, index) => [index, masterOf(shard).id]));
      for (const { shardIndex, to } of failovers) after.set(shardIndex, to);
      const zones = [...after.values()].map((id) => zoneAt(placement, id)).filter((zone) => zone !== '');
      expect(unevenness(zones)).toBe(even);
      expect(failovers.length).toBe(fewest);
    }),
    { numRuns: 1500 },
  );
});

test('every planned failover is of a master to a replica of its shard that may take over, one a shard', () => {
  fc.assert(
    fc.property(placementArbitrary, fc.constantFrom(undefined, 'a', 'b'), (placement, zone) => {
      const plan = planMasterPlaces({ ...placement, ...(zone === undefined ? {} : { zone }) });
      if (!plan.ok) return;
      expect(new Set(plan.value.map(({ shardIndex }) => shardIndex)).size).toBe(plan.value.length);
      for (const { shardIndex, from, to, fromZone, toZone } of plan.value) {
        const shard = placement.cluster.shards[shardIndex];
        expect(shard === undefined ? null : masterOf(shard).id).toBe(from);
        expect(shard === undefined ? [] : replicasOf(shard).map(({ id }) => id)).toContain(to);
        expect([fromZone, toZone]).toEqual([zoneAt(placement, from), zoneAt(placement, to)]);
        expect(nodePolicy(placement.policy, to)).toMatchObject({ failoverPriority: 100, maintenance: null });
        if (zone !== undefined) expect(toZone).toBe(zone);
      }
    }),
    { numRuns: 300 },
  );
});

test('masters go into a wanted zone wherever a replica there may take over', () => {
  const placement = placed('a b', 'b a', 'a b!', '- b', 'a b~', 'a c');
  expect(told(placement, 'b')).toEqual(['0 a>b', '3 >b']);
  const plan = planMasterPlaces({ ...placement, zone: 'x' });
  expect(plan.ok ? '' : describePlanError(plan.error)).toBe(
    'zone: no node of this cluster is in "x", there are a, b, c',
  );
  const nowhere = planMasterPlaces({ ...placed('- -'), zone: 'a' });
  expect(nowhere.ok ? '' : describePlanError(nowhere.error)).toBe(
    'zone: no node of this cluster is in "a", no node has a zone',
  );
});

test('a maintenance that has ended, and of two replicas in a zone the one with the higher priority', () => {
  const placement = placed('a b~ b');
  const [first, second] = [nodeIdAt(placement.cluster, 0, 1), nodeIdAt(placement.cluster, 0, 2)];
  const to = (wish: Placement): string[] =>
    valueOf(planMasterPlaces({ ...wish, zone: 'b' })).map((failover) => failover.to);
  expect(to(placement)).toEqual([second]);
  const later = { ...placement, nowSeconds: NOW_SECONDS + 60 };
  expect(to(later)).toEqual([first]);
  const policy = withNodePolicy(later.policy, second, {
    ...NO_NODE_POLICY,
    zone: 'b',
    failoverPriority: 101,
  });
  expect(to({ ...later, policy })).toEqual([second]);
});

test('a chain of failovers spreads masters where no single one could', () => {
  expect(told(placed('a b', 'a b', 'b c'))).toEqual(['0 a>b', '2 b>c']);
});

test('all copies of a shard in one zone is a fault once the cluster knows of two', () => {
  expect(placementFaults(placed('a a', 'a a'))).toEqual([]);
  const placement = placed('a a', 'a b', '- a');
  const faults = placementFaults(placement);
  expect(faults.map(({ kind, shards }) => [kind, ...shards])).toEqual([
    ['zoneUnknown', 2],
    ['oneZone', 0],
  ]);
  expect(faults[1]).toEqual({
    kind: 'oneZone',
    severity: 'warning',
    shards: [0],
    nodes: [nodeIdAt(placement.cluster, 0, 0), nodeIdAt(placement.cluster, 0, 1)],
    detail: 'all 2 copies of shard 0 are in zone a, and are lost with it',
    remedy:
      'Add a replica that stands in b: POST .../shards/0/nodes {"addr": "host:port", "role": "slave"}, then say so: PATCH .../shards/0/nodes/{id} {"zone": "b"}.',
  });
  expect(placementFaults(placed('a', 'b')).map(({ detail }) => detail)).toEqual([
    'the only copy of shard 0 is in zone a, and is lost with it',
    'the only copy of shard 1 is in zone b, and is lost with it',
  ]);
});

test('nodes without a zone are a fault where others have one, and only there', () => {
  expect(placementFaults(placed('- -', '- -'))).toEqual([]);
  const placement = placed('a -', '- -');
  expect(placementFaults(placement)).toMatchObject([
    {
      kind: 'zoneUnknown',
      shards: [0],
      nodes: [nodeIdAt(placement.cluster, 0, 1)],
      detail: 'of shard 0 nobody said in which zone 127.0.0.1:7001 is, as was said of other nodes',
      remedy: 'Say so: PATCH .../shards/0/nodes/{id} {"zone": "..."}.',
    },
    {
      kind: 'zoneUnknown',
      shards: [1],
      nodes: [nodeIdAt(placement.cluster, 1, 0), nodeIdAt(placement.cluster, 1, 1)],
      detail:
        'of shard 1 nobody said in which zone 127.0.0.1:7002, 127.0.0.1:7003 are, as was said of other nodes',
    },
  ]);
});

test('more masters in a zone than its fair share is a fault, whose remedy names who to fail over to', () => {
  expect(placementFaults(placed('a b', 'a b', 'b a'))).toEqual([]);
  const placement = placed('a b', 'a b', 'a b', 'b a');
  const masters = [0, 1, 2].map((index) => nodeIdAt(placement.cluster, index, 0));
  const to = nodeIdAt(placement.cluster, 0, 1);
  expect(placementFaults(placement)).toEqual([
    {
      kind: 'crowdedZone',
      severity: 'warning',
      shards: [0, 1, 2],
      nodes: masters,
      detail:
        '3 of 4 masters are in zone a, whose fair share of 2 zones is 2: its loss stops that many shards at once',
      remedy: `Fail over to a replica in another zone, of shard 0: POST .../shards/0/failover {"preferred_node_id": "${to}"}.`,
    },
  ]);
  expect(placementFaults(placed('a b', 'a b', 'a b', 'a b'))[0]?.remedy).toMatch(
    /of shards 0, 1: POST .*, and likewise for the others\.$/,
  );
  expect(placementFaults(placed('a b!', 'a b!', 'a b!'))[0]?.remedy).toMatch(
    /^No replica may take over where there are fewer masters: add some in another zone, POST /,
  );
});
