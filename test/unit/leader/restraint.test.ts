// What the leader knows of all its clusters together, and what people want of it, at every decision.

import { expect, it } from 'vitest';

import type { Explanation } from '../../../src/control/explain.ts';
import { NO_CLUSTER_POLICY } from '../../../src/topology/policy.ts';
import { addressOf, makeCluster, nameOf, OPTIONS, PING_INTERVAL_MS, Scene } from './scene.ts';

const WINDOW_MS = PING_INTERVAL_MS * OPTIONS.maxPingCount;

const PAUSED = {
  failover: 'paused',
  ignoresMassFailure: false,
  untilSeconds: null,
  reason: '',
  setAtSeconds: 0,
} as const;

it('nodes of all clusters count together when very many are missed at once', async () => {
  const scene = new Scene(1, 2, { ...OPTIONS, aliveSizeMin: 4, failureRatioMax: 0.5 });
  const others = [8000, 8001].map(addressOf);
  for (const address of others) scene.fleet.add(address);
  const other = nameOf('other');
  scene.put(scene.namespace, makeCluster(other, others, 2));
  await scene.settle();
  await scene.clock.until(() => scene.leadership.status(scene.namespace, other)?.isConverged === true, 5000);
  scene.model(0, 0).state = 'hung';
  for (const address of others) scene.fleet.node(address).state = 'hung';
  await scene.clock.advance(4 * WINDOW_MS);
  expect(scene.cluster.version).toBe(1);
  expect(scene.log.some(({ fields }) => fields['problem'] === 'massFailure')).toBe(true);
  // Two of four are not more than half.
  scene.fleet.node(others[1]!).state = 'up';
  await scene.clock.until(() => scene.model(0, 1).isMaster, WINDOW_MS);
  await scene.stop();
});

it('nodes that nobody has ever seen, and addresses at which somebody else answers, are no sign of a network that is cut', async () => {
  const scene = new Scene(1, 2, { ...OPTIONS, aliveSizeMin: 4, failureRatioMax: 0.5 });
  const others = [8000, 8001, 8002, 8003].map(addressOf);
  scene.put(scene.namespace, makeCluster(nameOf('other'), others, 2));
  await scene.settle();
  scene.model(0, 0).state = 'hung';
  await scene.clock.until(() => scene.model(0, 1).isMaster, 4 * WINDOW_MS);
  await scene.stop();
});

it('a pause counts from the next decision on, and when it ends one look more is all that is waited for', async () => {
  const scene = await hungInPause();
  scene.records.policies.cluster = NO_CLUSTER_POLICY;
  scene.records.changed();
  const tookMs = await scene.clock.until(() => scene.cluster.version > 1, 2000);
  expect(tookMs).toBeLessThan(1200);
  await scene.stop();
});

it('a master that is back when a pause ends stays, although nobody has looked since', async () => {
  const scene = await hungInPause();
  scene.model(0, 0).state = 'up';
  scene.records.policies.cluster = NO_CLUSTER_POLICY;
  scene.records.changed();
  await scene.clock.until(() => explained(scene)?.verdict === 'healthy', 100);
  await scene.clock.advance(60_000);
  expect(scene.cluster.version).toBe(1);
  await scene.stop();
});

/** The master of a shard in a group of three hangs for long, in a pause, at default probes; the last look at it is two seconds old. */
async function hungInPause(): Promise<Scene> {
  const scene = new Scene(1, 2, { ...OPTIONS, pingIntervalMs: 3000, maxPingCount: 5 });
  for (const member of [2, 3]) scene.witnesses.sees.set(member, 'answered');
  await scene.settle();
  scene.records.policies.cluster = { ...NO_CLUSTER_POLICY, automation: PAUSED };
  scene.model(0, 0).state = 'hung';
  for (const member of [2, 3]) scene.witnesses.sees.set(member, 'silent');
  await scene.clock.until(() => scene.counts.get('blocked failoverRestrained') === 1, 40_000);
  await scene.clock.advance(3000 * 10 + 1900);
  expect(scene.cluster.version).toBe(1);
  return scene;
}

function explained({ leadership, namespace, name }: Scene): Explanation | null {
  return leadership.explain(namespace, name, 0);
}
