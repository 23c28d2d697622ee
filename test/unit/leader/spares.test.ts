// A leader and its spares: what it asks them, and what it does with the answers.

import { expect, it } from 'vitest';

import { Secret } from '../../../src/base/secret.ts';
import { NO_CLUSTER_POLICY } from '../../../src/topology/policy.ts';
import type { NodeAddress } from '../../../src/topology/types.ts';
import { addressOf, Scene } from './scene.ts';

const AFTER_SECONDS = 5;
const [FIRST, SECOND] = [addressOf(7101), addressOf(7102)];

/** A shard of two with two spares, all well. */
async function settled(): Promise<Scene> {
  const scene = new Scene(1, 2);
  await scene.settle();
  for (const address of [FIRST, SECOND]) scene.fleet.add(address);
  scene.records.policies.cluster = {
    ...NO_CLUSTER_POLICY,
    spares: {
      nodes: [FIRST, SECOND].map((address) => ({ address, password: Secret.none, zone: '', lost: null })),
      copies: 2,
      replaceAfterSeconds: AFTER_SECONDS,
    },
  };
  scene.records.changed();
  await scene.clock.until(() => states(scene).join() === 'ready,ready', 1000);
  return scene;
}

function states(scene: Scene): readonly string[] {
  return scene.leadership.status(scene.namespace, scene.name)?.spares.nodes.map(({ state }) => state) ?? [];
}

const addresses = (scene: Scene): readonly NodeAddress[] =>
  scene.cluster.shards[0]!.nodes.map(({ address }) => address);

async function untilReplaced(scene: Scene): Promise<void> {
  const { version } = scene.cluster;
  await scene.clock.until(() => scene.cluster.version > version, 3000 * AFTER_SECONDS);
}

it('a spare takes the place of a replica that is away, is told who it is, and that is written down with the reason', async () => {
  const scene = await settled();
  const [master, replica] = addresses(scene);
  scene.model(0, 1).state = 'dead';
  await untilReplaced(scene);
  expect(addresses(scene)).toEqual([master, FIRST]);
  expect(scene.records.told.filter(({ kind }) => kind === 'copyReplaced')).toMatchObject([
    { shardIndex: 0, node: scene.node(0, 1).id, text: expect.stringContaining('takes its place') },
  ]);
  expect(scene.events('copy.replace.committed')).toHaveLength(1);
  expect(scene.records.policies.cluster.spares.nodes).toMatchObject([
    { address: SECOND },
    { address: replica, lost: expect.stringMatching(/^\w{40}$/) },
  ]);
  await scene.clock.until(() => scene.fleet.node(FIRST).id === scene.node(0, 1).id, 2000);
  expect(scene.fleet.node(FIRST).masterAddress).toBe(master);
  expect(scene.fleet.node(SECOND).pushes).toEqual([]);
  expect(scene.fleet.earlyPushes).toBe(0);
  await scene.stop();
  expect(scene.clock.pendingCount).toBe(0);
});

it('a spare that is another name of a node here is not used, and said to be that', async () => {
  const scene = await settled();
  scene.fleet.twins.set(FIRST, addresses(scene)[0]!);
  scene.model(0, 1).state = 'dead';
  await untilReplaced(scene);
  expect(addresses(scene)[1]).toBe(SECOND);
  const first = scene.leadership.status(scene.namespace, scene.name)?.spares.nodes[0];
  expect(first).toMatchObject({ state: 'otherName', why: expect.stringContaining(addresses(scene)[0]!) });
  await scene.stop();
});

it('a spare that answers is told apart from members and from spares listed before it also while nobody needs it; nobody is advised to stop a member', async () => {
  const scene = await settled();
  const [master] = addresses(scene);
  // By their ids, also where the process itself was not compared.
  const member = scene.model(0, 0);
  Object.assign(scene.fleet.node(FIRST), { id: member.id, version: member.version, sequence: 7 });
  scene.fleet.twins.set(SECOND, master!);
  scene.fleet.node(SECOND).sequence = 7;
  await scene.clock.until(() => states(scene).join() === 'otherName,otherName', 15_000);
  for (const { why } of scene.leadership.status(scene.namespace, scene.name)!.spares.nodes) {
    expect(why).toContain(master);
    expect(why).toContain('leave it as it is');
    expect(why).not.toMatch(/stop it|empty its/);
  }
  await scene.stop();
});

it('of two names of one process the first is the spare, and the other comes to nothing', async () => {
  const scene = await settled();
  scene.fleet.twins.set(SECOND, FIRST);
  await scene.clock.until(() => states(scene)[1] === 'otherName', 15_000);
  expect(states(scene)).toEqual(['ready', 'otherName']);
  scene.model(0, 1).state = 'dead';
  await untilReplaced(scene);
  expect(addresses(scene)[1]).toBe(FIRST);
  await scene.stop();
});

it('a spare that could not log in at its master is none, and the reason does not have the password', async () => {
  const scene = await settled();
  scene.fleet.node(FIRST).masterAuth = new Secret('hush');
  await scene.clock.until(() => states(scene).join() === 'wrongPassword,ready', 15_000);
  const [first] = scene.leadership.status(scene.namespace, scene.name)!.spares.nodes;
  expect(first?.why).toMatch(/its masterauth is not the password of any node/);
  expect(JSON.stringify([first, scene.records.told])).not.toContain('hush');
  await scene.stop();
});

it('processes that say who they are are compared with whom they may be only, and one with data once a minute', async () => {
  const scene = await settled();
  scene.fleet.node(FIRST).process = { id: 7, startedAtMs: 0 };
  scene.fleet.node(SECOND).process = { id: 8, startedAtMs: 0 };
  await scene.clock.advance(25_000);
  scene.fleet.comparisons = 0;
  await scene.clock.advance(100_000);
  expect(scene.fleet.comparisons).toBe(0);
  // The same number on another machine, or the same process: that is looked into each time.
  scene.fleet.node(SECOND).process = scene.fleet.node(FIRST).process;
  await scene.clock.advance(100_000);
  expect(scene.fleet.comparisons).toBe(10);
  expect(states(scene)).toEqual(['ready', 'ready']);
  scene.fleet.node(SECOND).process = { id: 8, startedAtMs: 0 };
  scene.fleet.node(FIRST).sequence = 5;
  await scene.clock.advance(20_000);
  scene.fleet.comparisons = 0;
  await scene.clock.advance(240_000);
  expect(scene.fleet.comparisons).toBeGreaterThanOrEqual(3);
  expect(scene.fleet.comparisons).toBeLessThanOrEqual(4);
  await scene.stop();
});

it('spares are looked at soon when somebody asks how they are, once a second at most', async () => {
  const scene = await settled();
  await scene.clock.advance(2000);
  scene.fleet.node(FIRST).sequence = 5;
  scene.leadership.lookAtSpares({ namespace: scene.namespace, cluster: scene.name });
  await scene.clock.until(() => states(scene)[0] === 'hasData', 500);
  scene.fleet.node(FIRST).sequence = 0;
  for (let count = 0; count < 5; count += 1) {
    scene.leadership.lookAtSpares({ namespace: scene.namespace, cluster: scene.name });
    await scene.clock.advance(100);
    expect(states(scene)[0]).toBe('hasData');
  }
  await scene.clock.until(() => states(scene)[0] === 'ready', 1000);
  await scene.stop();
});

it('KD10: a spare that got data, or fell silent, after the last look at it is not used', async () => {
  const scene = await settled();
  scene.model(0, 1).state = 'dead';
  await scene.clock.advance(1000 * AFTER_SECONDS - 500);
  scene.fleet.node(FIRST).sequence = 5;
  scene.fleet.node(SECOND).state = 'hung';
  await scene.clock.advance(4000 * AFTER_SECONDS);
  expect(addresses(scene)).not.toContain(FIRST);
  expect(states(scene)).toEqual(['hasData', 'silent']);
  scene.fleet.node(SECOND).state = 'up';
  await untilReplaced(scene);
  expect(addresses(scene)[1]).toBe(SECOND);
  await scene.stop();
});

it('whoever has lost the lead replaces nobody', async () => {
  const scene = await settled();
  scene.model(0, 1).state = 'dead';
  scene.records.term = 2;
  const before = addresses(scene);
  await scene.clock.advance(3000 * AFTER_SECONDS);
  expect(addresses(scene)).toEqual(before);
  await scene.stop();
});

it('an outcome that is not known leads to no second replacement', async () => {
  const scene = await settled();
  scene.model(0, 1).state = 'dead';
  await scene.clock.until(() => scene.events('copy.replace.started').length > 0, 3000 * AFTER_SECONDS);
  scene.records.nextErrors.push({ kind: 'unknown', reason: 'late' });
  await scene.clock.advance(1000);
  const after = addresses(scene);
  expect(after).toContain(FIRST);
  await scene.clock.advance(4000 * AFTER_SECONDS);
  expect(addresses(scene)).toEqual(after);
  await scene.stop();
});
