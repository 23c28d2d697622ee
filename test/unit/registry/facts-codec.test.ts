import * as fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';

import {
  decodeFacts,
  encodeFacts,
  RECORD_PROMOTIONS_MAX,
  REMAKE_LENGTH_MAX,
} from '../../../src/registry/facts-codec.ts';
import { UnreadableRecordError } from '../../../src/registry/unreadable-record.ts';
import { VALUE_BYTES_MAX } from '../../../src/store/state/limits.ts';
import { allNodes } from '../../../src/topology/cluster.ts';
import {
  type ClusterFacts,
  initialFacts,
  latestPromotions,
  type Promotion,
  PROMOTIONS_MAX,
  UNSEEN_NODE,
  withNodeFacts,
  withPromotion,
} from '../../../src/topology/facts.ts';
import { newNodeId } from '../../../src/topology/node.ts';
import { createSeededRandom } from '../../../src/base/random.ts';
import { FIRST_VERSION, parseClusterVersion } from '../../../src/topology/cluster.ts';
import type { Cluster } from '../../../src/topology/types.ts';
import { clusterArbitrary, sampleCluster } from '../topology/arbitrary.ts';
import { corruptedArbitrary } from './corruption.ts';
import { factsArbitrary } from './facts-arbitrary.ts';
import { valueOf } from './support.ts';

const packr = new Packr({ useRecords: false });
const KEY = 'facts/ns/c';
const read = (value: Uint8Array): ClusterFacts => decodeFacts({ key: KEY, value });

function clusterWithFacts(): fc.Arbitrary<{ readonly cluster: Cluster; readonly facts: ClusterFacts }> {
  return clusterArbitrary.chain((cluster) => factsArbitrary(cluster).map((facts) => ({ cluster, facts })));
}

/** A shard's master given up for another node at `version`. */
function promotion(cluster: Cluster, shardIndex: number, version: number): Promotion {
  const [from, to] = cluster.shards[shardIndex]!.nodes;
  return {
    from: from!.id,
    to: to!.id,
    version: valueOf(parseClusterVersion(version)),
    sequence: 1_000_000_000_000 + version,
    term: 7,
    atSeconds: 1_700_000_000,
    isConfirmed: true,
  };
}

describe('facts record', () => {
  it('is read as it was written', () => {
    fc.assert(
      fc.property(clusterWithFacts(), ({ facts }) => {
        expect(read(encodeFacts(facts))).toEqual(facts);
      }),
    );
  });

  it('that is damaged in any way is refused or is of other facts, and nothing else is ever thrown', () => {
    fc.assert(
      fc.property(
        clusterWithFacts().chain(({ facts }) => corruptedArbitrary(encodeFacts(facts))),
        (damaged) => {
          try {
            read(damaged);
          } catch (error) {
            expect(error).toBeInstanceOf(UnreadableRecordError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  const fieldsOf = (): unknown[] => {
    const cluster = sampleCluster(1, 2);
    let facts = withPromotion(initialFacts(cluster), cluster.shards[0]!.id, promotion(cluster, 0, 2));
    const [master] = cluster.shards[0]!.nodes;
    facts = withNodeFacts(facts, master!.id, {
      sequence: 7,
      following: master!.id,
      seenAtSeconds: 1_700_000_000,
      remake: 'it was away',
    });
    return packr.unpack(encodeFacts(facts)) as unknown[];
  };

  it('is refused when any part of it is of another type or missing', () => {
    const breakAt = (fields: unknown[], path: readonly number[], value: unknown): void => {
      const [first = 0, ...rest] = path;
      if (rest.length === 0) fields[first] = value;
      else breakAt(fields[first] as unknown[], rest, value);
    };
    const leaves = (fields: readonly unknown[], path: readonly number[]): number[][] =>
      fields.flatMap((field, position) => [
        [...path, position],
        ...(Array.isArray(field) ? leaves(field, [...path, position]) : []),
      ]);
    let refused = 0;
    for (const path of leaves(fieldsOf(), [])) {
      for (const value of [{ an: 'object' }, undefined, 0.5, [[[]]]]) {
        const fields = fieldsOf();
        breakAt(fields, path, value);
        expect(() => read(packr.pack(fields))).toThrow(UnreadableRecordError);
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(80);
  });

  it('is refused when its parts do not fit together', () => {
    type Nested = unknown[][];
    const cases: [string, (fields: unknown[]) => void][] = [
      ['versions up to 2; update this member', (fields) => (fields[0] = 3)],
      ['field 1 is malformed', (fields) => (fields[0] = 0)],
      ['version', (fields) => (fields[1] = 0)],
      ['40 visible', (fields) => ((fields[2] as string[])[0] = 'short')],
      ['field 1 is malformed', (fields) => ((fields[4] as Nested)[0]![0] = 99)],
      ['field 5 is malformed', (fields) => (fields[4] as Nested).push((fields[4] as Nested)[0]!)],
      ['field 4 is malformed', (fields) => (fields[3] as Nested).push((fields[3] as Nested)[0]!)],
      ['field 5 is malformed', (fields) => fields.push(0)],
    ];
    for (const [reason, change] of cases) {
      const fields = fieldsOf();
      change(fields);
      expect(() => read(packr.pack(fields))).toThrow(reason);
    }
    expect(() => read(Uint8Array.of(0xc1))).toThrow('malformed');
    // An array that claims to have four billion fields, and one nested deeper than any stack.
    expect(() => read(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff, 1))).toThrow('malformed');
    expect(() => read(new Uint8Array(1_000_000).fill(0x91))).toThrow('malformed');
  });

  it('that could not be read back is never written', () => {
    const cluster = sampleCluster(1, 1);
    const node = { ...UNSEEN_NODE, seenAtSeconds: 0.5 };
    const facts = withNodeFacts(initialFacts(cluster), cluster.shards[0]!.nodes[0]!.id, node);
    expect(() => encodeFacts(facts)).toThrow('cannot be read');
  });
});

describe('the size of a facts record', () => {
  it('fits into a value for a thousand shards whose masters changed many times between nodes that are gone', () => {
    const cluster = sampleCluster(1000, 2);
    const random = createSeededRandom(1);
    const shards = cluster.shards.map(({ id }, index) => {
      const promotions = Array.from({ length: PROMOTIONS_MAX }, (_, past) => ({
        ...promotion(cluster, index, 10 + past),
        from: newNodeId(random),
        to: newNodeId(random),
      }));
      return [id, { sinceVersion: cluster.version, promotions }] as const;
    });
    const nodes = allNodes(cluster).map(({ node }) => {
      const following = cluster.shards[0]!.nodes[0]!.id;
      return [node.id, { sequence: 2 ** 52, following, seenAtSeconds: 4e9, remake: null }] as const;
    });
    const facts: ClusterFacts = {
      shards: new Map(shards),
      nodes: new Map(nodes),
      contestedVersion: null,
      observedSinceSeconds: null,
    };
    const value = encodeFacts(facts);
    expect(value.length).toBeLessThan(VALUE_BYTES_MAX);
    const kept = read(value);
    expect(kept.nodes).toEqual(facts.nodes);
    for (const [id, shard] of kept.shards) {
      expect(shard.promotions).toHaveLength(Math.floor(RECORD_PROMOTIONS_MAX / 1000));
      expect(shard).toEqual(latestPromotions(facts.shards.get(id)!, shard.promotions.length));
    }
  });

  it('is not for a node to decide: of a long text the beginning is kept', () => {
    const cluster = sampleCluster(1, 1);
    const { id } = cluster.shards[0]!.nodes[0]!;
    const node = { ...UNSEEN_NODE, remake: 'x'.repeat(100_000) };
    const kept = read(encodeFacts(withNodeFacts(initialFacts(cluster), id, node)));
    expect(kept.nodes.get(id)?.remake).toBe('x'.repeat(REMAKE_LENGTH_MAX));
  });

  it('each shard keeps its newest promotions, and is complete only from the last one dropped on', () => {
    const cluster = sampleCluster(1, 2);
    const promotions = [2, 3, 4, 5].map((version) => promotion(cluster, 0, version));
    const shard = { sinceVersion: valueOf(parseClusterVersion(FIRST_VERSION)), promotions };
    expect(latestPromotions(shard, 4)).toBe(shard);
    expect(latestPromotions(shard, 2)).toEqual({ sinceVersion: 3, promotions: promotions.slice(2) });
    let facts = initialFacts(cluster);
    const { id } = cluster.shards[0]!;
    for (let version = 2; version < 2 + PROMOTIONS_MAX + 3; version += 1) {
      facts = withPromotion(facts, id, promotion(cluster, 0, version));
    }
    expect(facts.shards.get(id)?.promotions.map((one) => one.version)).toEqual(
      Array.from({ length: PROMOTIONS_MAX }, (_, index) => index + 5),
    );
    expect(facts.shards.get(id)?.sinceVersion).toBe(4);
  });
});
