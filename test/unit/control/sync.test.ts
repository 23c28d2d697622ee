// A topology that is told again because somebody asks for it.

import { describe, expect, test } from 'vitest';

import { heldNodes } from '../../../src/control/convergence.ts';
import { lookAt } from '../../../src/control/situation.ts';
import { syncOf } from '../../../src/control/sync-outcome.ts';
import { startDrain } from '../../../src/topology/change-nodes.ts';
import { startMigration } from '../../../src/topology/change-slots.ts';
import { parseClusterNodes } from '../../../src/topology/cluster-nodes-text.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { NOW_SECONDS, valueOf } from '../topology/arbitrary.ts';
import { nodesText } from '../topology/nodes-text.ts';
import { actionsOf, only, Scene } from './scene.ts';

function settled(): Scene {
  const scene = new Scene();
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  return scene;
}

/** Somebody asks now, and everybody is looked at. */
function ask(scene: Scene, ids: readonly NodeId[] = [...scene.answers.keys()]): number {
  const atMs = scene.nowMs;
  scene.tell({ kind: 'asked', nodes: ids, atMs });
  for (const id of ids) scene.probe(id);
  return atMs;
}

function outcome(scene: Scene, id: NodeId, askedAtMs: number): ReturnType<typeof syncOf> {
  const situation = lookAt(scene);
  return syncOf(situation, { id, askedAtMs, held: heldNodes(situation) });
}

describe('a topology that is asked for', () => {
  test('KD11b: is told to nodes that seem in place, once, by FORCE', () => {
    const scene = settled();
    const askedAtMs = ask(scene);
    const id = scene.id(0, 1);
    expect(outcome(scene, id, askedAtMs)).toMatchObject({ node: { isTold: false }, isOver: false });
    const pushes = actionsOf(scene.decide(), 'push');
    expect(pushes).toHaveLength(4);
    for (const push of pushes) {
      expect(push).toMatchObject({
        purpose: 'role',
        isForced: true,
        why: expect.stringContaining('asked for'),
      });
      scene.takePush(push);
    }
    expect(outcome(scene, id, askedAtMs).isOver).toBe(false);
    scene.round();
    expect(scene.decide().actions).toEqual([]);
    expect(outcome(scene, id, askedAtMs)).toMatchObject({
      node: { isTold: true, why: null, isConverged: true, seenVersion: 1 },
      isOver: true,
    });
  });

  test('KD11b: waits for a look that began after it was asked for', () => {
    const scene = settled();
    scene.nowMs += 50;
    scene.tell({ kind: 'asked', nodes: [scene.id(0, 0)], atMs: scene.nowMs });
    expect(scene.decide().actions).toEqual([]);
    scene.probe(scene.id(0, 0));
    expect(only(scene.decide(), 'push').node).toBe(scene.id(0, 0));
  });

  test('KD11b: is forgotten when nobody waits for it any more', () => {
    const scene = settled();
    ask(scene, [scene.id(0, 0)]);
    scene.tell({ kind: 'asked', nodes: [scene.id(0, 0)], atMs: null });
    expect(scene.decide().actions).toEqual([]);
  });

  test('KD11b: does not wait for the pause after a push that failed', () => {
    const scene = settled();
    const id = scene.id(1, 1);
    scene.set(id, { version: 0 });
    scene.round();
    for (let attempt = 0; attempt < 6; attempt += 1) {
      const [push] = actionsOf(scene.decide(), 'push');
      if (push === undefined) break;
      scene.endPush(push, 'refused');
      scene.probe(id);
      scene.nowMs = Math.max(scene.nowMs, Math.min(scene.decide().wakeAtMs, scene.nowMs + 60_000));
    }
    const [push] = actionsOf(scene.decide(), 'push');
    if (push !== undefined) {
      scene.endPush(push, 'refused');
      scene.probe(id);
    }
    expect(actionsOf(scene.decide(), 'push')).toEqual([]);
    const askedAtMs = ask(scene, [id]);
    const again = only(scene.decide(), 'push');
    expect(again).toMatchObject({ node: id, isForced: false });
    scene.endPush(again, 'refused');
    expect(outcome(scene, id, askedAtMs)).toMatchObject({
      node: { isTold: false, why: 'refused' },
      isOver: true,
    });
  });

  test('KD11b: goes to no end of a migration or a drain, and to nobody who does not answer', () => {
    const moving = settled();
    moving.cluster = valueOf(
      startMigration(moving.cluster, { range: slotRange(0, 9), targetIndex: 1, nowSeconds: NOW_SECONDS }),
    );
    const askedAtMs = ask(moving);
    const situation = lookAt(moving);
    for (const [id, view] of situation.views) {
      expect(view.need.kind).toBe('nothing');
      expect(syncOf(situation, { id, askedAtMs, held: new Set() })).toMatchObject({
        node: { isTold: false, why: expect.stringContaining('migration') },
        isOver: true,
      });
    }

    const drained = settled();
    const cluster = valueOf(startDrain(drained.cluster, 0, drained.id(0, 1)));
    drained.cluster = cluster;
    for (const id of drained.answers.keys()) drained.answers.set(id, drained.converged(id));
    drained.changeLeader();
    drained.round();
    const drainedAtMs = ask(drained);
    expect(outcome(drained, drained.id(0, 1), drainedAtMs)).toMatchObject({
      node: { isTold: false, why: expect.stringContaining('change of masters') },
      isOver: true,
    });

    const away = settled();
    away.fail(away.id(0, 1), 'connectionRefused');
    const awayAtMs = ask(away);
    expect(outcome(away, away.id(0, 1), awayAtMs)).toMatchObject({
      node: { isTold: false, seenVersion: null, why: expect.stringContaining('connectionRefused') },
      isOver: true,
    });
  });

  test('KD11b: does not reach a copy that is condemned otherwise than step by step', () => {
    const scene = settled();
    const id = scene.id(0, 1);
    const known = scene.facts.nodes.get(id)!;
    scene.facts = {
      ...scene.facts,
      nodes: new Map(scene.facts.nodes).set(id, { ...known, remake: 'it is none' }),
    };
    ask(scene, [id]);
    expect(only(scene.decide(), 'push')).toMatchObject({ node: id, purpose: 'isolation' });

    // One that is in its place and being made anew is let be.
    const remade = settled();
    remade.facts = {
      ...remade.facts,
      nodes: new Map(remade.facts.nodes).set(id, { ...known, remake: 'it is none' }),
    };
    remade.set(id, { syncInProgress: true });
    const askedAtMs = ask(remade, [id]);
    expect(remade.decide().actions).toEqual([]);
    expect(outcome(remade, id, askedAtMs)).toMatchObject({
      node: { isTold: false, why: 'it is none' },
      isOver: true,
    });
  });
});

describe('a node with a higher version', () => {
  test('KD11c: is told with what it holds, as against ours', () => {
    const scene = settled();
    const lines = valueOf(parseClusterNodes(nodesText(scene.cluster)));
    scene.set(scene.id(1, 1), { version: 41, topology: lines });
    scene.round();
    expect(scene.commit().reasons).toMatchObject([
      {
        kind: 'versionRaised',
        text: expect.stringContaining('the same content as ours under another number'),
      },
    ]);
    scene.set(scene.id(1, 1), { version: 60, topology: lines.slice(1) });
    scene.nowMs += 10_000;
    scene.round();
    expect(scene.commit().reasons).toMatchObject([
      { kind: 'versionRaised', text: expect.stringContaining('another content than ours') },
    ]);
    scene.set(scene.id(1, 1), { version: 80, topology: null });
    scene.nowMs += 10_000;
    scene.round();
    expect(scene.commit().reasons).toMatchObject([
      { kind: 'versionRaised', text: expect.stringContaining('could not be read') },
    ]);
  });

  test('KD11c: that is held back, or beyond all bounds, is a problem that says so, too', () => {
    const scene = settled();
    scene.facts = { ...scene.facts, contestedVersion: scene.cluster.version };
    scene.set(scene.id(1, 1), { version: 41, topology: null });
    scene.set(scene.id(0, 1), { version: 2 ** 41, topology: null });
    scene.round();
    const details = scene.decide().problems.map(({ kind, detail }) => `${kind}: ${detail}`);
    expect(details).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^versionContested: .*has version 41, what it holds could not be read/),
        expect.stringMatching(/^foreignVersion: .*what it holds could not be read/),
      ]),
    );
  });
});
