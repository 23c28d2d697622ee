// What the leader writes down with what it decides.

import { expect, it } from 'vitest';

import { PING_INTERVAL_MS, Scene } from './scene.ts';

it('the election, and a failover with its reasons and what is known to be lost', async () => {
  const scene = new Scene(1, 2);
  await scene.settle();
  expect(scene.records.told).toEqual([{ kind: 'leaderElected', text: 'member 1 leads from term 1 on' }]);
  const looks = scene.model(0, 0).probes;
  scene.model(0, 0).sequence = 107;
  await scene.clock.until(() => scene.model(0, 0).probes > looks, 2 * PING_INTERVAL_MS);
  scene.model(0, 0).state = 'hung';
  await scene.clock.until(() => scene.cluster.version > 1, 20 * PING_INTERVAL_MS);
  const failover = scene.records.told.find(({ kind }) => kind === 'failover');
  expect(failover).toMatchObject({
    shardIndex: 0,
    node: scene.node(0, 1).id,
    lost: 7,
    correlation: 'failover-2',
    text: expect.stringMatching(
      /takes over.*The old master: it is silent and has no lease: clients that/,
    ) as unknown,
  });
  expect(scene.counts.get('failover lost 7')).toBe(1);
  // As explain said it at that moment: every gate open.
  expect(JSON.parse(failover?.details ?? '')).toMatchObject({
    verdict: 'due',
    next: { action: 'failover', node: scene.node(0, 1).id },
    gates: ['missed', 'confirmed', 'replicas', 'time', 'lease', 'candidate', 'restraint'].map((gate) => ({
      gate,
      verdict: 'pass',
    })),
  });
  await scene.stop();
});

it('a switchover in its steps, by one name', async () => {
  const scene = new Scene(1, 2);
  await scene.settle();
  const done = scene.leadership.failover(scene.failoverRequest());
  await scene.clock.until(() => scene.records.told.some(({ kind }) => kind === 'switchover'), 5000);
  const steps = scene.records.told.filter(({ correlation = '' }) => correlation.startsWith('switchover'));
  expect(steps.map(({ kind, correlation, lost }) => [kind, correlation, lost])).toEqual([
    ['switchoverStarted', 'switchover-2', undefined],
    ['switchover', 'switchover-2', 0],
  ]);
  expect(scene.counts.get('switchover lost 0')).toBe(1);
  await scene.clock.advance(10_000);
  expect(await done).toMatchObject({ ok: true });
  await scene.stop();
});
