// Who may follow whom: what proves a copy, and what only looks like one.

import { describe, expect, test } from 'vitest';

import {
  impossibility,
  type JoinedShard,
  type Newcomer,
  standingOfFresh,
  standingOfReplica,
} from '../../../src/control/joining.ts';
import { parseClusterNodes } from '../../../src/topology/cluster-nodes-text.ts';
import { clusterWithVersion, masterOf } from '../../../src/topology/cluster.ts';
import {
  initialFacts,
  type Promotion,
  UNSEEN_NODE,
  withNodeFacts,
  withPromotion,
} from '../../../src/topology/facts.ts';
import type { Cluster } from '../../../src/topology/types.ts';
import { address, name, nodeIdAt, sampleCluster, valueOf } from '../topology/arbitrary.ts';
import { nodesText } from '../topology/nodes-text.ts';

const OLD = sampleCluster(2, 2);
const FORMER = 'f'.repeat(40);
const [MASTER, REPLICA] = [nodeIdAt(OLD, 0, 0), nodeIdAt(OLD, 0, 1)];

/** The cluster some versions after `OLD`, with what is remembered of its first shard's masters. */
function joined(
  promotions: readonly Partial<Promotion>[] = [],
  masterSequence: number | null = 900,
): JoinedShard {
  const cluster = valueOf(clusterWithVersion(OLD, 9));
  let facts = initialFacts(OLD);
  const [shard] = cluster.shards;
  if (shard === undefined) throw new Error('no shard');
  for (const promotion of promotions) {
    const { version } = valueOf(clusterWithVersion(OLD, promotion.version ?? 5));
    const made = { from: REPLICA, to: MASTER, sequence: 500, term: 1, atSeconds: 1, isConfirmed: true };
    facts = withPromotion(facts, shard.id, { ...made, ...promotion, version });
  }
  const record = { namespace: name('ns'), cluster, revision: 1, facts, factsRevision: 1 };
  return { record, departures: [], shard, masterSequence };
}

/** A node that was removed from `cluster`: it holds the topology of that time and follows the master of `shardIndex`. */
function former(cluster: Cluster, shardIndex: number, words: Partial<Newcomer> = {}): Newcomer {
  const master = masterOf(cluster.shards[shardIndex]!);
  const line = `${FORMER} 127.0.0.1:7100@17100 myself,slave ${master.id} 1 2 ${cluster.version} connected`;
  return {
    address: address(7100),
    id: valueOf(parseClusterNodes(line))[0]!.id,
    version: cluster.version,
    role: 'replica',
    master: master.address,
    sequence: 300,
    topology: valueOf(parseClusterNodes(`${nodesText(cluster)}\n${line}`)),
    ...words,
  };
}

const FRESH: Newcomer = {
  address: address(7100),
  id: null,
  version: -1,
  role: 'master',
  master: null,
  sequence: 0,
  topology: null,
};

describe('a node without a topology', () => {
  test('KA2b: is empty at sequence 0 only: one that was flushed and reset is not', () => {
    expect(standingOfFresh(FRESH)).toEqual({ kind: 'empty' });
    expect(standingOfReplica(FRESH, joined())).toEqual({ kind: 'empty' });
    for (const sequence of [1, 201, null])
      expect(standingOfReplica({ ...FRESH, sequence }, joined()).kind).toBe('unproven');
  });
});

describe('a node with a topology', () => {
  test('of another cluster is foreign, however empty', () => {
    const other = sampleCluster(3, 1);
    const topology = valueOf(parseClusterNodes(nodesText(other)));
    const node = { ...FRESH, version: 1, sequence: 0, topology };
    expect(standingOfReplica(node, joined()).kind).toBe('foreign');
    expect(standingOfReplica({ ...node, topology: null }, joined()).kind).toBe('foreign');
  });

  test('KA1: of this cluster and this shard is a copy up to where its master stands', () => {
    expect(standingOfReplica(former(OLD, 0), joined())).toEqual({ kind: 'copy' });
    expect(standingOfReplica(former(OLD, 0, { sequence: 900 }), joined())).toEqual({ kind: 'copy' });
    expect(standingOfReplica(former(OLD, 0, { sequence: 901 }), joined())).toMatchObject({
      kind: 'unproven',
      why: expect.stringContaining('ahead of its master'),
    });
    expect(standingOfReplica(former(OLD, 0), joined([], null)).kind).toBe('unproven');
  });

  test('of this shard is no copy if it was to be made anew when it left', () => {
    const node = former(OLD, 0);
    const { record, ...rest } = joined();
    const remake = 'it may have copied what another node has';
    const facts = withNodeFacts(record.facts, node.id!, { ...UNSEEN_NODE, remake });
    expect(standingOfReplica(node, { ...rest, record: { ...record, facts } })).toEqual({
      kind: 'unproven',
      why: `its copy was to be made anew when it left: ${remake}`,
    });
  });

  test('KA1: of another shard of this cluster is no copy, though its link would be up and its numbers equal', () => {
    expect(standingOfReplica(former(OLD, 1), joined())).toMatchObject({
      kind: 'unproven',
      why: expect.stringContaining('another shard'),
    });
    expect(standingOfReplica(former(OLD, 1, { sequence: 0 }), joined())).toEqual({ kind: 'empty' });
  });

  test('of an earlier master of this shard is a copy up to where that history went on', () => {
    const earlier = valueOf(clusterWithVersion(OLD, 3));
    const followsEarlier = former(earlier, 0);
    const handed = joined([
      { from: MASTER, to: REPLICA, version: valueOf(clusterWithVersion(OLD, 5)).version },
    ]);
    expect(standingOfReplica({ ...followsEarlier, sequence: 500 }, handed)).toEqual({ kind: 'copy' });
    expect(standingOfReplica({ ...followsEarlier, sequence: 501 }, handed)).toMatchObject({
      kind: 'unproven',
      why: expect.stringContaining('are its own'),
    });
    const { record, shard, ...rest } = handed;
    const successor = shard.nodes.find(({ id }) => id !== MASTER);
    const moved = {
      ...rest,
      record,
      shard: { ...shard, nodes: [{ ...successor!, role: 'master' as const }] },
    };
    expect(standingOfReplica({ ...followsEarlier, sequence: 500 }, moved)).toMatchObject({
      kind: 'unproven',
      why: expect.stringContaining('nor a replica of it'),
    });
    const unknown = joined([{ from: MASTER, to: REPLICA, sequence: null }]);
    expect(standingOfReplica(followsEarlier, unknown).kind).toBe('unproven');
  });

  test('that is newer than the cluster, or older than what is remembered, proves nothing', () => {
    expect(standingOfReplica(former(valueOf(clusterWithVersion(OLD, 10)), 0), joined()).kind).toBe(
      'unproven',
    );
    const later = joined();
    const facts = initialFacts(later.record.cluster);
    const forgetful = { ...later, record: { ...later.record, facts } };
    expect(standingOfReplica(former(OLD, 0), forgetful)).toMatchObject({
      kind: 'unproven',
      why: expect.stringContaining('older than what is remembered'),
    });
  });

  test('in which it is a master of its own is no copy of another', () => {
    const line = `${FORMER} 127.0.0.1:7100@17100 myself,master - 1 2 1 connected`;
    const topology = valueOf(parseClusterNodes(`${nodesText(OLD)}\n${line}`));
    const node = former(OLD, 0, { role: 'master', master: null, topology });
    expect(standingOfReplica(node, joined()).kind).toBe('unproven');
  });
});

test('what a node cannot truly say is told', () => {
  const self = former(OLD, 0);
  expect(impossibility(self)).toBeNull();
  expect(impossibility({ ...self, sequence: -5 })).toContain('-5');
  expect(impossibility({ ...self, version: 0 })).toContain('version 0');
  expect(impossibility({ ...self, id: MASTER })).toContain('in its own topology');
  expect(standingOfReplica({ ...self, sequence: -5 }, joined()).kind).toBe('impossible');
  expect(standingOfFresh({ ...FRESH, sequence: -5 }).kind).toBe('impossible');
});
