import { expect, test } from 'vitest';

import { ok } from '../../../src/base/result.ts';
import { clusterWithVersion, masterOf } from '../../../src/topology/cluster.ts';
import { valueOf } from '../topology/arbitrary.ts';
import { Scene, actionsOf, only } from './scene.ts';

/** Another controller puts this node above our version whenever ours was raised, until this group holds its pushes. */
function contested(): Scene {
  const scene = new Scene();
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  for (let raises = 0; raises < 5; raises += 1) {
    scene.set(scene.id(1, 1), { version: scene.cluster.version + 5 });
    scene.nowMs += 10_000;
    scene.round();
    expect(scene.commit().reasons).toMatchObject([{ kind: 'versionRaised' }]);
  }
  const held = scene.commit();
  expect(held.reasons).toMatchObject([
    { kind: 'pushesHeld', text: expect.stringMatching(/overruled 5 times in a row/) },
  ]);
  expect(held.next).toBe(scene.cluster);
  return scene;
}

test('KD8d: after five raises in a row nothing is raised or pushed any more, and that is told', () => {
  const scene = contested();
  expect(scene.facts.contestedVersion).toBe(scene.cluster.version);
  scene.set(scene.id(1, 1), { version: scene.cluster.version + 5 });
  scene.set(scene.id(0, 1), { version: 1 });
  for (let round = 0; round < 30; round += 1) {
    scene.nowMs += 60_000;
    scene.round();
    expect(scene.decide().actions).toEqual([]);
  }
  expect(scene.problems()).toContain('versionContested');
});

test('KD8d: the next leader holds its pushes, too', () => {
  const scene = contested();
  scene.changeLeader();
  scene.set(scene.id(0, 1), { version: 1 });
  scene.rounds(5);
  expect(scene.decide().actions).toEqual([]);
});

test('KD8d: a dead master fails over all the same, and only the new one is told', () => {
  const scene = contested();
  scene.cluster = valueOf(clusterWithVersion(scene.cluster, scene.cluster.version + 1));
  for (const shardIndex of [0, 1]) {
    for (const nodeIndex of [0, 1]) {
      const id = scene.id(shardIndex, nodeIndex);
      scene.answers.set(id, scene.converged(id));
    }
  }
  scene.round();
  expect(scene.decide().actions).toEqual([]);
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(4);
  const action = scene.commit();
  expect(masterOf(action.next.shards[0]!).id).toBe(scene.id(0, 1));
  const push = only(scene.decide(), 'push');
  expect(push.node).toBe(scene.id(0, 1));
  scene.takePush(push);
  scene.rounds(3);
  expect(scene.decide().actions).toEqual([]);
});

test('KD8d: once an operator confirmed that this group is alone, everybody is told', () => {
  const scene = contested();
  scene.facts = { ...scene.facts, contestedVersion: null };
  scene.cluster = valueOf(clusterWithVersion(scene.cluster, scene.cluster.version + 10));
  scene.round();
  const decision = scene.decide();
  expect(actionsOf(decision, 'push')).toHaveLength(4);
  expect(decision.problems.map(({ kind }) => kind)).not.toContain('versionContested');
  expect(scene.facts.contestedVersion).toBeNull();
});

test('KD9: a wrong role at our version on one broken replica never raises the version of the cluster', () => {
  const scene = new Scene();
  scene.rounds(2);
  scene.decide();
  let forced = 0;
  for (let minute = 0; minute < 40; minute += 1) {
    scene.set(scene.id(1, 1), { master: masterOf(scene.cluster.shards[0]!).address });
    scene.nowMs += 60_000;
    scene.round();
    const decision = scene.decide();
    for (const commit of actionsOf(decision, 'commit')) scene.endCommit(commit);
    for (const push of actionsOf(decision, 'push')) {
      expect(push).toMatchObject({ node: scene.id(1, 1), version: 1, isForced: true });
      forced += 1;
      scene.endPush(push);
    }
    for (const { node } of actionsOf(decision, 'outrun'))
      scene.tell({ kind: 'outran', node, endedAtMs: scene.nowMs, result: ok(undefined) });
  }
  expect(forced).toBeGreaterThan(5);
  expect(scene.cluster.version).toBe(1);
});

/** Somebody puts the master out of its place by FORCE, at our own version. */
function putOutOfPlace(scene: Scene): void {
  const master = masterOf(scene.cluster.shards[1]!).address;
  scene.set(scene.id(0, 0), { role: 'replica', master, link: 'up' });
  scene.nowMs += 10_000;
  scene.round();
}

test('a node that is put out of its place by FORCE again and again is contested, too, although no version rises', () => {
  const scene = new Scene();
  scene.rounds(2);
  scene.settle();
  for (let times = 0; times < 4; times += 1) {
    putOutOfPlace(scene);
    const push = only(scene.decide(), 'push');
    expect(push).toMatchObject({ node: scene.id(0, 0), isForced: true });
    scene.takePush(push);
    scene.round();
    expect(scene.decide().actions).toEqual([]);
  }
  putOutOfPlace(scene);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'pushesHeld' }]);
  scene.rounds(3);
  expect(scene.decide().actions).toEqual([]);
  expect(scene.cluster.version).toBe(1);
});

test('a node that never takes its place at our version is repaired for ever and contests nothing', () => {
  const scene = new Scene();
  scene.rounds(2);
  scene.settle();
  scene.set(scene.id(0, 0), { role: 'replica', master: masterOf(scene.cluster.shards[1]!).address });
  for (let times = 0; times < 12; times += 1) {
    scene.nowMs += 60_000;
    scene.round();
    scene.endPush(only(scene.decide(), 'push'));
  }
  expect(scene.facts.contestedVersion).toBeNull();
  expect(scene.cluster.version).toBe(1);
});

test.each([
  ['while it was away', 0],
  ['before it was committed', 1],
])('a node that somebody else gave our next version %s is told ours all the same', (_, nodeIndex) => {
  const scene = new Scene();
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  const next = valueOf(clusterWithVersion(scene.cluster, 2));
  const id = scene.id(1, nodeIndex);
  scene.set(id, { version: 2 });
  if (nodeIndex === 1) scene.probe(id);
  scene.cluster = next;
  scene.round();
  const push = actionsOf(scene.decide(), 'push').find(({ node }) => node === id);
  expect(push).toMatchObject({
    version: 2,
    isForced: true,
    why: expect.stringMatching(/from somebody else/),
  });
});

test('an old master that somebody else told to follow before it was compared is made anew', () => {
  const scene = new Scene(1, 2);
  const old = scene.converged(scene.id(0, 0));
  scene.rounds(2);
  scene.decide();
  scene.fail(scene.id(0, 0));
  scene.rounds(3);
  scene.commit();
  scene.takePush(only(scene.decide(), 'push'));
  scene.round();
  scene.decide();
  scene.answers.set(scene.id(0, 0), { ...old, sequence: 105 });
  scene.round();
  const isolation = only(scene.decide(), 'push');
  expect(isolation).toMatchObject({ node: scene.id(0, 0), purpose: 'isolation' });
  scene.endPush(isolation, 'timedOut');
  const before = scene.cluster.version;
  scene.answers.set(scene.id(0, 0), { ...scene.converged(scene.id(0, 0)), version: before + 2 });
  scene.round();
  expect(scene.commit().reasons).toMatchObject([
    {
      kind: 'copyCondemned',
      node: scene.id(0, 0),
      text: expect.stringMatching(/somebody else told it to follow/),
    },
  ]);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'versionRaised' }]);
});

test('a replica that somebody else made a master while pushes are held is no copy, though it is told to follow again', () => {
  const scene = contested();
  const node = scene.id(0, 1);
  const version = scene.cluster.version + 2;
  scene.set(node, { version, role: 'master', master: null, link: null, lastIoSeconds: null, sequence: 103 });
  scene.round();
  expect(scene.commit().reasons).toMatchObject([
    { kind: 'copyCondemned', node, text: expect.stringMatching(/it is a master of its own/) },
  ]);
  scene.changeLeader();
  scene.answers.set(node, { ...scene.converged(node), version: version + 1, sequence: 110 });
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  scene.facts = { ...scene.facts, contestedVersion: null };
  scene.cluster = valueOf(clusterWithVersion(scene.cluster, version + 2));
  scene.round();
  const pushes = actionsOf(scene.decide(), 'push');
  expect(pushes.find((push) => push.node === node)?.purpose).toBe('isolation');
});

test('nor is one that somebody else had follow another master meanwhile', () => {
  const scene = contested();
  const node = scene.id(0, 1);
  const master = masterOf(scene.cluster.shards[1]!).address;
  scene.set(node, { version: scene.cluster.version + 2, master });
  scene.round();
  expect(scene.commit().reasons).toMatchObject([{ kind: 'copyCondemned', node }]);
  expect(scene.decide().actions).toEqual([]);
});

test('an old master that somebody else makes a master again while its successor was not seen is still not given up', () => {
  const scene = new Scene(1, 2);
  scene.rounds(2);
  scene.decide();
  const old = scene.converged(scene.id(0, 0));
  scene.fail(scene.id(0, 0));
  scene.rounds(3);
  scene.commit();
  scene.fail(scene.id(0, 1));
  scene.answers.set(scene.id(0, 0), { ...old, version: scene.cluster.version + 3, sequence: 105 });
  scene.round();
  expect(scene.commit().reasons).toMatchObject([{ kind: 'versionRaised' }]);
});

test('a replica that somebody else had follow an old master is cut off from it, though its own master is away', () => {
  const scene = new Scene();
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  const node = scene.id(0, 1);
  scene.fail(scene.id(0, 0), 'connectionRefused');
  const master = masterOf(scene.cluster.shards[1]!).address;
  scene.set(node, { version: scene.cluster.version + 2, master });
  scene.rounds(4);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'copyCondemned', node }]);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'versionRaised' }]);
  const pushes = actionsOf(scene.decide(), 'push');
  expect(pushes.find((push) => push.node === node)?.purpose).toBe('isolation');
});
