// Who renews leases, and when not.

import { afterEach, expect, it } from 'vitest';

import { masterOf } from '../../../src/topology/cluster.ts';
import type { ModelNode } from './model-fleet.ts';
import { OPTIONS, PING_INTERVAL_MS, Scene } from './scene.ts';

const LEASE_MS = 6000;
const PACE_MS = LEASE_MS / 3;
const OVER_MS = LEASE_MS * 1.05;

const scenes: Scene[] = [];
afterEach(async () => {
  for (const scene of scenes.splice(0)) await scene.stop();
});

async function leased({ mode = 'block-write', leaseMs = LEASE_MS }: Options = {}): Promise<Scene> {
  const scene = new Scene(1, 2, { ...OPTIONS, leaseMs });
  scenes.push(scene);
  for (const node of scene.fleet.nodes.values()) node.leaseMode = mode;
  await scene.settle();
  return scene;
}

interface Options {
  readonly mode?: ModelNode['leaseMode'];
  readonly leaseMs?: number;
}

function exposureOf(scene: Scene): string {
  const text = scene.records.told.find(({ kind }) => kind === 'failover')?.text ?? '';
  return text.replace(/^.*The old master: /, '');
}

it('a master in office is renewed a third of the lease apart, at the committed version; a replica never', async () => {
  const scene = await leased();
  const [master, replica] = [scene.model(0, 0), scene.model(0, 1)];
  const before = master.renewals.length;
  expect(before).toBeGreaterThan(0);
  await scene.clock.advance(5 * PACE_MS);
  const times = master.renewals.slice(before).map(({ atMs }) => atMs);
  expect(times.length).toBeGreaterThanOrEqual(4);
  for (const [index, atMs] of times.slice(1).entries())
    expect(Math.abs(atMs - (times[index] ?? 0) - PACE_MS)).toBeLessThan(20);
  expect(new Set(master.renewals.map(({ version }) => version))).toEqual(new Set([scene.cluster.version]));
  expect(replica.renewals).toEqual([]);
  expect(scene.events('lease.held')).toHaveLength(1);
});

it('a hung master gets no heartbeat, and is replaced once its lease is over; its successor gets one at once', async () => {
  const scene = await leased();
  const master = scene.model(0, 0);
  await scene.clock.until(() => master.renewals.length > 3, 10 * PACE_MS);
  const renewedAtMs = master.renewals.at(-1)?.atMs ?? 0;
  const count = master.renewals.length;
  master.state = 'hung';
  await scene.clock.until(() => scene.cluster.version > 1, 20 * PING_INTERVAL_MS);
  const tookMs = scene.clock.monotonicMs() - renewedAtMs;
  expect(tookMs).toBeGreaterThanOrEqual(OVER_MS);
  expect(tookMs).toBeLessThan(OVER_MS + 100);
  expect(master.renewals).toHaveLength(count);
  expect(exposureOf(scene)).toBe('it is silent and its lease is over, so it takes no writes');
  const successor = scene.fleet.node(masterOf(scene.cluster.shards[0]!).address);
  await scene.clock.until(() => successor.renewals.length > 0, PACE_MS + 100);
  expect(successor.renewals[0]?.version).toBe(2);
});

it('a master that is back after its lease was over is renewed at once', async () => {
  const scene = new Scene(1, 1, { ...OPTIONS, leaseMs: 60_000 });
  scenes.push(scene);
  const master = scene.model(0, 0);
  master.leaseMode = 'block-write';
  await scene.settle();
  master.state = 'hung';
  await scene.clock.advance(61_000);
  const count = master.renewals.length;
  master.state = 'up';
  await scene.clock.until(() => master.renewals.length > count, 2 * PING_INTERVAL_MS);
  await scene.clock.until(() => scene.events('problem.gone').length > 1, 2 * PING_INTERVAL_MS);
});

it('a killed master is replaced as without leases', async () => {
  const scene = new Scene(1, 2, { ...OPTIONS, restartGraceMs: 800, leaseMs: 60_000 });
  scenes.push(scene);
  for (const node of scene.fleet.nodes.values()) node.leaseMode = 'block-write';
  await scene.settle();
  scene.model(0, 0).state = 'dead';
  scene.fleet.onLost(scene.node(0, 0).address);
  await scene.clock.until(() => scene.cluster.version > 1, 3 * PING_INTERVAL_MS);
  expect(exposureOf(scene)).toBe('its process is gone, so it takes no writes');
});

it('nothing is renewed without a majority, nor by what a majority has confirmed too long ago', async () => {
  const scene = await leased();
  const master = scene.model(0, 0);
  const { records, clock } = scene;
  const count = master.renewals.length;
  const linearize = records.linearize.bind(records);
  records.linearize = () => Promise.resolve({ ok: false, error: { kind: 'notLeader' } });
  await clock.advance(3 * PACE_MS);
  expect(master.renewals).toHaveLength(count);
  // This process hangs between the confirmation and what it justifies.
  records.linearize = () =>
    new Promise((resolve) => {
      clock.setTimer(1100, () => resolve({ ok: true, value: undefined }));
    });
  await clock.advance(3 * PACE_MS);
  expect(master.renewals).toHaveLength(count);
  records.linearize = linearize;
  await clock.advance(2 * PACE_MS);
  expect(master.renewals.length).toBeGreaterThan(count);
});

it('a member that knows that it lost the lead renews nothing any more', async () => {
  const scene = await leased();
  const count = scene.model(0, 0).renewals.length;
  scene.currentTerm = 2;
  await scene.clock.advance(3 * PACE_MS);
  expect(scene.model(0, 0).renewals).toHaveLength(count);
});

it('the next leader, which knows nothing of the lease of a master that is silent already, waits it out', async () => {
  const scene = await leased();
  await scene.clock.advance(PACE_MS);
  scene.model(0, 0).state = 'hung';
  await scene.stop();
  scene.currentTerm = 2;
  scene.records.term = 2;
  scene.leadership = scene.lead(2, scene.fleet.successor());
  const beganAtMs = scene.clock.monotonicMs();
  scene.leadership.start();
  await scene.clock.until(() => scene.cluster.version > 1, 20 * PING_INTERVAL_MS);
  expect(scene.clock.monotonicMs() - beganAtMs).toBeGreaterThanOrEqual(OVER_MS + 1000);
  expect(exposureOf(scene)).toMatch(/a lease that it may have had is over; if it had none/);
});

it('nothing is renewed while a change of masters is being committed', async () => {
  const scene = await leased();
  const { records, clock } = scene;
  const master = scene.model(0, 0);
  let isOpen = false;
  const replaceCluster = records.replaceCluster.bind(records);
  records.replaceCluster = (...change) =>
    new Promise((resolve) => {
      isOpen = true;
      clock.setTimer(2 * PACE_MS, () => {
        isOpen = false;
        resolve(replaceCluster(...change));
      });
    });
  master.state = 'hung';
  await clock.until(() => isOpen, 20 * PING_INTERVAL_MS);
  const count = master.renewals.length;
  // It is back in the midst of it, and answers whatever it is asked.
  master.state = 'up';
  await clock.until(() => !isOpen, 3 * PACE_MS);
  expect(master.renewals).toHaveLength(count);
});

it('a server without leases is asked once a minute, and again when it may be another process', async () => {
  const scene = await leased({ mode: null });
  const master = scene.model(0, 0);
  let asked = 0;
  const renewLease = scene.fleet.renewLease.bind(scene.fleet);
  scene.fleet.renewLease = (endpoint, ...rest) => {
    if (endpoint.address === master.address) asked += 1;
    return renewLease(endpoint, ...rest);
  };
  await scene.clock.advance(5 * PACE_MS);
  expect(asked).toBe(0);
  await scene.clock.advance(60_000);
  expect(asked).toBe(1);
  // Restarted with a release that knows them.
  master.state = 'dead';
  scene.fleet.onLost(master.address);
  await scene.clock.advance(100);
  master.state = 'up';
  master.leaseMode = 'block-write';
  await scene.clock.until(() => master.renewals.length > 0, PACE_MS + PING_INTERVAL_MS);
  expect(scene.events('lease.none')).toHaveLength(1);
  expect(scene.events('lease.held')).toHaveLength(1);
});

it('with leases off nobody is asked', async () => {
  const scene = await leased({ leaseMs: 0 });
  await scene.clock.advance(5 * PACE_MS);
  expect(scene.model(0, 0).renewals).toEqual([]);
  expect(scene.records.confirmations).toBe(0);
});
