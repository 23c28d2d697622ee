// What a group that is made out of a backup begins with: clusters that nobody changes before they are accepted.

import { expect, test } from 'vitest';

import { FEATURE_LEVEL } from '../../../src/base/feature-level.ts';
import { observation } from '../../../src/registry/observation.ts';
import { encodeFeatureLevel, FEATURE_LEVEL_KEY, readFeatureLevel } from '../../../src/store/feature-level.ts';
import { initialFacts } from '../../../src/topology/facts.ts';
import { clusterWithVersion } from '../../../src/topology/cluster.ts';
import { entry } from '../store/support.ts';
import { cluster as sample, name, scene, valueOf } from './support.ts';

const START = { nowSeconds: 1_800_000_000, requestId: 'c'.repeat(32) };
const place = { namespace: name('ns'), cluster: name('c') };

async function observed() {
  const all = scene();
  all.level.current = 2;
  const cluster = sample('c', [1]);
  valueOf(await all.registry.createNamespace(place.namespace));
  valueOf(await all.registry.createCluster(place.namespace, cluster, initialFacts(cluster)));
  const { machine } = all.group;
  machine.apply([entry(machine.applied + 1, valueOf(observation(machine, START)))]);
  all.level.current = FEATURE_LEVEL;
  const record = all.registry.getCluster(place.namespace, place.cluster);
  if (record === null) throw new Error('there is a cluster');
  return { ...all, machine, record };
}

test('every cluster is observed, at the level at which all members know that', async () => {
  const { machine, record } = await observed();
  expect(record.facts.observedSinceSeconds).toBe(START.nowSeconds);
  expect(readFeatureLevel(machine)).toMatchObject({ ok: true, value: { level: FEATURE_LEVEL } });
});

test('a cluster that is observed is changed by nobody but who accepts it, and can be deleted', async () => {
  const { registry, record } = await observed();
  const next = valueOf(clusterWithVersion(record.cluster, 9));
  const refusal = { kind: 'observed', sinceSeconds: START.nowSeconds };
  for (const facts of [undefined, record.facts, { ...record.facts, contestedVersion: null }]) {
    const refused = await registry.replaceCluster(record, next, facts === undefined ? {} : { facts });
    expect(refused).toEqual({ ok: false, error: refusal });
  }
  const accepted = { ...record.facts, observedSinceSeconds: null };
  expect((await registry.replaceCluster(record, next, { facts: accepted })).ok).toBe(true);

  const other = await observed();
  expect((await other.registry.deleteCluster(other.record)).ok).toBe(true);
});

test('a state of a later release, or one that cannot be read, is none to begin with', async () => {
  const { machine } = await observed();
  const put = (key: string, value: Uint8Array): void => {
    const transaction = { requestId: key.length.toString(16).padStart(32, '0'), compare: [], remove: [] };
    machine.apply([entry(machine.applied + 1, { ...transaction, put: [{ key, value }] })]);
  };
  put('facts/ns/c', new Uint8Array([0xc1]));
  expect(observation(machine, START)).toMatchObject({
    ok: false,
    error: expect.stringContaining('facts/ns/c cannot be read'),
  });
  put(FEATURE_LEVEL_KEY, encodeFeatureLevel(FEATURE_LEVEL + 1));
  put('facts/ns/c', new Uint8Array());
  expect(observation(machine, START).ok).toBe(false);
});
