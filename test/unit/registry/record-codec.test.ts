import * as fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, it } from 'vitest';

import { Secret } from '../../../src/base/secret.ts';
import { FEATURE_LEVEL } from '../../../src/base/feature-level.ts';
import { levelNeededBy } from '../../../src/registry/feature-level.ts';
import { addressKey, clusterKey } from '../../../src/registry/keys.ts';
import {
  decodeClaim,
  decodeCluster,
  encodeClaim,
  encodeCluster,
} from '../../../src/registry/record-codec.ts';
import type { Cluster, Node } from '../../../src/topology/types.ts';
import { clusterArbitrary } from '../topology/arbitrary.ts';
import { address, cluster, name } from './support.ts';

const packr = new Packr({ useRecords: false });
const namespace = name('ns');

/** `toEqual` sees no private fields, so passwords are compared as texts. */
function plain(value: Cluster): unknown {
  const withPasswords = (node: Node) => ({
    ...node,
    password: node.password.reveal(),
    masterAuth: node.masterAuth.reveal(),
  });
  return {
    ...value,
    shards: value.shards.map((shard) => ({ ...shard, nodes: shard.nodes.map(withPasswords) })),
  };
}

const stored = (value: Uint8Array) => ({
  key: clusterKey({ namespace, cluster: name('c') }),
  value,
  revision: 7,
});

describe('cluster record', () => {
  it('is read as it was written, migrations and passwords included', () => {
    fc.assert(
      fc.property(
        clusterArbitrary,
        fc.boolean(),
        fc.string(),
        fc.string(),
        (made, isAtLowest, password, masterAuth) => {
          const secrets = { password: new Secret(password), masterAuth: new Secret(masterAuth) };
          const shards = made.shards.map((shard) => ({
            ...shard,
            nodes: shard.nodes.map((node) => ({ ...node, ...secrets })),
          }));
          const one = { ...made, shards };
          const place = { namespace, cluster: one.name };
          const value = encodeCluster(place, one, isAtLowest ? levelNeededBy(one) : FEATURE_LEVEL);
          const record = decodeCluster({ key: clusterKey(place), value, revision: 7 });
          expect(plain(record.cluster)).toEqual(plain(one));
          expect(record.revision).toBe(7);
          expect(record.namespace).toBe(namespace);
        },
      ),
    );
  });

  const fieldsOf = (): unknown[] => {
    const one = cluster('c', [7001, 7002], 'hush');
    return packr.unpack(encodeCluster({ namespace, cluster: one.name }, one, FEATURE_LEVEL)) as unknown[];
  };

  it('of a later version is refused with the remedy', () => {
    const fields = fieldsOf();
    fields[0] = 4;
    expect(() => decodeCluster(stored(packr.pack(fields)))).toThrow(
      'the stored record cluster/ns/c cannot be read: it is of version 4, this release reads versions up to 3; update this member',
    );
  });

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
      for (const value of [{ an: 'object' }, undefined, -1, 0.5]) {
        const fields = fieldsOf();
        breakAt(fields, path, value);
        expect(() => decodeCluster(stored(packr.pack(fields)))).toThrow('cannot be read');
        refused += 1;
      }
    }
    expect(refused).toBeGreaterThan(80);
  });

  it('is refused when its parts do not fit together, and no message shows a password', () => {
    const cases: [string, (fields: unknown[]) => void][] = [
      ['the record is of another cluster', (fields) => (fields[1] = 'other')],
      ['field 5 is malformed', (fields) => fields.push(0)],
      ['masters', (fields) => ((fields[4] as unknown[][][][])[0]![2]![1]![2] = 'master')],
      ['a slot range is reversed', (fields) => ((fields[4] as unknown[][])[0]![1] = [9, 8])],
      ['field 1 is malformed', (fields) => fields.splice(0, fields.length, 'hush')],
    ];
    for (const [reason, change] of cases) {
      const fields = fieldsOf();
      change(fields);
      const read = () => decodeCluster(stored(packr.pack(fields)));
      expect(read).toThrow(reason);
      expect(read).not.toThrow('hush');
    }
    expect(() => decodeCluster(stored(Uint8Array.of(0xc1)))).toThrow('malformed');
    expect(() => decodeCluster({ ...stored(packr.pack(fieldsOf())), key: 'namespace/ns' })).toThrow(
      'not that of a cluster',
    );
  });

  it('a migration stage without its mark, or with one too many, is refused', () => {
    for (const [stage, mark] of [
      ['started', null],
      ['planned', true],
      ['ended', null],
    ]) {
      const fields = fieldsOf();
      (fields[4] as unknown[][])[0]![3] = [0, 5, 2, stage, mark, 1, false];
      expect(() => decodeCluster(stored(packr.pack(fields)))).toThrow('malformed');
    }
  });

  it('that could not be read back is never written', () => {
    const one = cluster('c', [7001]);
    const shards = one.shards.map((shard) => ({
      ...shard,
      nodes: shard.nodes.map((node) => ({ ...node, createdAtSeconds: 0.5 })),
    }));
    expect(() => encodeCluster({ namespace, cluster: one.name }, { ...one, shards }, FEATURE_LEVEL)).toThrow(
      'cannot be read',
    );
  });

  it('a claim names its cluster', () => {
    const place = { namespace, cluster: name('c') };
    const claim = { key: addressKey(address(7001)), value: encodeClaim(place), revision: 1 };
    expect(decodeClaim(claim)).toEqual(place);
    expect(() => decodeClaim({ ...claim, value: packr.pack([1, 'ns', '/']) })).toThrow('cannot be read');
  });
});
