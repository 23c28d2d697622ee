import { expect, test } from 'vitest';

import type { CommitAction } from '../../../src/control/actions.ts';
import { decide } from '../../../src/control/decide.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import { type NodeFacts, UNSEEN_NODE, initialFacts, withReadMasters } from '../../../src/topology/facts.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { FRESH, INTERVAL_MS, Scene } from './scene.ts';

function factsOf(scene: Scene, id: NodeId): NodeFacts | undefined {
  return scene.facts.nodes.get(id);
}

/** The next note, which is committed; null when none is due. */
function note(scene: Scene): CommitAction | null {
  const decision = decide(scene);
  scene.memory = decision.memory;
  const [action] = decision.actions;
  if (action?.kind !== 'commit') return null;
  expect(action.reasons).toEqual([{ kind: 'noted' }]);
  expect(action.next).toBe(scene.cluster);
  scene.endCommit(action);
  return action;
}

test('KB7: positions and links are written down at once by a new leader, and nothing else changes', () => {
  const scene = new Scene();
  scene.round();
  expect(note(scene)).not.toBeNull();
  expect(factsOf(scene, scene.id(0, 0))).toEqual({
    sequence: 100,
    following: scene.id(0, 0),
    seenAtSeconds: scene.nowSeconds,
    remake: null,
  });
  expect(factsOf(scene, scene.id(0, 1))).toMatchObject({ sequence: 100, following: scene.id(0, 0) });
  scene.rounds(30);
  expect(note(scene)).toBeNull();
});

test('the first link of an empty replica is written down at the first look that shows it', () => {
  const scene = new Scene();
  const nodes = scene.cluster.shards.flatMap((shard) => shard.nodes);
  for (const { id } of nodes) scene.set(id, { sequence: 0 });
  const masters = new Map(scene.cluster.shards.map((shard) => [masterOf(shard).id, 0]));
  scene.facts = withReadMasters(scene.facts, scene.cluster.shards, masters, scene.nowSeconds);
  for (const shard of [0, 1]) scene.set(scene.id(shard, 1), { link: 'down', lastIoSeconds: null });
  scene.round();
  expect(note(scene)).toBeNull();
  scene.set(scene.id(0, 1), { link: 'up', lastIoSeconds: 0 });
  scene.round();
  expect(note(scene)).not.toBeNull();
  expect(factsOf(scene, scene.id(0, 1))).toMatchObject({ sequence: 0, following: scene.id(0, 0) });
  expect(factsOf(scene, scene.id(1, 1))).toBe(UNSEEN_NODE);
});

test('what a new leader sees of a replica after the death of its master is no sight of a link that failed before', () => {
  const scene = new Scene();
  scene.facts = initialFacts(scene.cluster);
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: 2 });
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(2);
  note(scene);
  expect(factsOf(scene, scene.id(0, 1))).toBe(UNSEEN_NODE);
  scene.rounds(2);
  expect(decide(scene).actions).toMatchObject([{ kind: 'commit', reasons: [{ kind: 'failover' }] }]);
});

test('KB7: positions that only move on are written down every 10 s at most', () => {
  const scene = new Scene();
  scene.round();
  note(scene);
  let notes = 0;
  for (let sequence = 101; sequence < 131; sequence += 1) {
    scene.set(scene.id(0, 0), { sequence });
    scene.round();
    if (note(scene) !== null) notes += 1;
  }
  expect(notes).toBeGreaterThanOrEqual(2);
  expect(notes).toBeLessThanOrEqual(3);
});

test('KB7: a link that is lost while the master lives is written down within a moment, and so is its return', () => {
  const scene = new Scene();
  scene.round();
  note(scene);
  scene.set(scene.id(0, 1), { link: 'down' });
  scene.rounds(2);
  expect(note(scene)).not.toBeNull();
  expect(factsOf(scene, scene.id(0, 1))?.following).toBeNull();
  scene.set(scene.id(0, 1), { link: 'up' });
  scene.rounds(2);
  note(scene);
  expect(factsOf(scene, scene.id(0, 1))?.following).toBe(scene.id(0, 0));
});

test('a link that is lost together with the master leaves what was written down as it is', () => {
  for (const isLost of [false, true]) {
    const scene = new Scene();
    scene.round();
    note(scene);
    if (isLost) scene.set(scene.id(0, 0), FRESH);
    else scene.fail(scene.id(0, 0));
    scene.set(scene.id(0, 1), { link: 'down', sequence: 100 });
    scene.nowMs += INTERVAL_MS;
    scene.probe(scene.id(0, 1));
    scene.probe(scene.id(0, 0));
    scene.nowMs += 20 * INTERVAL_MS;
    expect(note(scene)).toBeNull();
    expect(factsOf(scene, scene.id(0, 1))?.following).toBe(scene.id(0, 0));
    expect(factsOf(scene, scene.id(0, 0))?.sequence).toBe(100);
  }
});

test('nothing is written down of a node that is not in place: its numbers are of something else', () => {
  const scene = new Scene();
  scene.round();
  note(scene);
  scene.set(scene.id(0, 1), { version: 0, sequence: 5000 });
  scene.rounds(20);
  scene.decide();
  expect(factsOf(scene, scene.id(0, 1))?.sequence).toBe(100);
});

test('what cannot be a position is not written down', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 1), { sequence: -5 });
  scene.set(scene.id(1, 1), { sequence: null });
  scene.round();
  note(scene);
  expect(factsOf(scene, scene.id(0, 1))?.sequence).toBeNull();
  expect(factsOf(scene, scene.id(1, 1))?.sequence).toBeNull();
});
