// Whom the other members are asked about, and what follows when they see more than this one.

import { expect, test } from 'vitest';

import type { EvidenceKind } from '../../../src/control/evidence.ts';
import { chooseByHand } from '../../../src/control/failover-by-hand.ts';
import { lookAt } from '../../../src/control/situation.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { Scene, actionsOf, only } from './scene.ts';

/** A shard of three in a group of three controllers. */
function settled(): Scene {
  const scene = new Scene(1, 3);
  scene.panel = { self: 1, voters: [[1, 2, 3]] };
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  return scene;
}

/** One more round, and then the word of controller 2 about these nodes. */
function hear(scene: Scene, said: readonly (readonly [NodeId, EvidenceKind])[]): void {
  scene.round();
  const words = said.map(
    ([id, kind]) => [id, [{ observer: 2, kind, why: kind, askedAtMs: scene.nowMs }]] as const,
  );
  scene.tell({ kind: 'inquired', endedAtMs: scene.nowMs, words: new Map(words), isOver: true });
}

test('whoever is missed, or cannot be looked at, is asked about at once, and again after a pause; who answers is not', () => {
  const scene = settled();
  scene.fail(scene.id(0, 0), 'hang');
  scene.fail(scene.id(0, 1), 'ownFault');
  scene.round();
  expect(only(scene.decide(), 'inquire')).toEqual({
    kind: 'inquire',
    nodes: [scene.id(0, 0), scene.id(0, 1)],
  });
  expect(scene.decide().actions).toEqual([]);
  const none = new Map([scene.id(0, 0), scene.id(0, 1)].map((id) => [id, []] as const));
  scene.tell({ kind: 'inquired', endedAtMs: scene.nowMs, words: none, isOver: false });
  expect(scene.decide().actions).toEqual([]);
  scene.tell({ kind: 'inquired', endedAtMs: scene.nowMs, words: none, isOver: true });
  const { wakeAtMs } = scene.decide();
  expect(wakeAtMs).toBe(scene.nowMs + 250);
  scene.nowMs = wakeAtMs;
  expect(actionsOf(scene.decide(), 'inquire')).toHaveLength(1);
});

test('a replica that only this controller misses holds the failover of its shard back for a window, not for ever, and is told', () => {
  const scene = settled();
  const away = scene.id(0, 2);
  scene.fail(away, 'hang');
  for (let round = 0; round < 5; round += 1) hear(scene, [[away, 'answered']]);
  expect(scene.problems()).toEqual(['replicaUnreachable']);
  scene.fail(scene.id(0, 0), 'hang');
  const both = [
    [away, 'answered'],
    [scene.id(0, 0), 'silent'],
  ] as const;
  for (let round = 0; round < 3; round += 1) hear(scene, both);
  expect(only(scene.decide(), 'commit').reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, 1) }]);
});

test('members that are answered by what this one misses, or can look where it cannot, are better placed after a window', () => {
  for (const [failure, word, isBetter] of [
    ['hang', 'answered', true],
    ['hang', 'refused', false],
    ['ownFault', 'refused', true],
    ['ownFault', 'ownFault', false],
  ] as const) {
    const scene = settled();
    scene.fail(scene.id(0, 0), failure);
    hear(scene, [[scene.id(0, 0), word]]);
    expect(scene.decide().betterPlaced).toEqual(new Set());
    for (let round = 0; round < 4; round += 1) hear(scene, [[scene.id(0, 0), word]]);
    expect(scene.decide().betterPlaced, `${failure}, ${word}`).toEqual(new Set(isBetter ? [2] : []));
  }
});

test.each([
  ['speaks for its life in the shortest window', 'unreachable', true, 'linked'],
  [
    'speaks for nothing where nobody listens any more: that was on its way',
    'connectionRefused',
    true,
    'silent',
  ],
  ['and one that stands still says nothing', 'unreachable', false, 'silent'],
] as const)(
  'a replica that goes on growing behind a master that is missed %s',
  (_, failure, isBusy, presence) => {
    const scene = settled();
    const master = scene.id(0, 0);
    scene.settings = { ...scene.settings, pingIntervalMs: 500, maxPingCount: 3 };
    scene.fail(master, failure);
    for (let round = 1; round <= 8; round += 1) {
      scene.nowMs += 500;
      scene.probe(master);
      if (isBusy) scene.set(scene.id(0, 1), { sequence: 100 + round });
      for (const index of [1, 2]) scene.probe(scene.id(0, index));
      scene.tell({
        kind: 'inquired',
        endedAtMs: scene.nowMs,
        words: new Map([
          [master, [{ observer: 2, kind: 'silent', why: 'silent', askedAtMs: scene.nowMs }]] as const,
        ]),
        isOver: true,
      });
    }
    expect(lookAt(scene).views.get(master)).toMatchObject({ presence });
    const commits = actionsOf(scene.decide(), 'commit');
    expect(commits.length).toBe(presence === 'linked' ? 0 : 1);
  },
);

test('a master that lives for others, or for its replica, is not replaced by hand without force: nobody here could tell it', () => {
  const elsewhere = settled();
  elsewhere.fail(elsewhere.id(0, 0), 'hang');
  hear(elsewhere, [[elsewhere.id(0, 0), 'answered']]);
  const linked = settled();
  linked.fail(linked.id(0, 0), 'unreachable');
  for (let round = 0; round < 5; round += 1) {
    hear(linked, [[linked.id(0, 0), 'silent']]);
    // Its replicas are not cut off from it.
    for (const index of [1, 2]) linked.hears(linked.id(0, index));
  }
  for (const [scene, why] of [
    [elsewhere, /it answers another controller/],
    [linked, /a replica still hears from it/],
  ] as const) {
    const choice = {
      shardIndex: 0,
      preferred: null,
      askedAtMs: scene.nowMs - 100,
      floor: null,
      canDrain: true,
    };
    expect(chooseByHand(lookAt(scene), { ...choice, isForced: false })).toMatchObject({
      ok: false,
      error: expect.stringMatching(why),
    });
    expect(chooseByHand(lookAt(scene), { ...choice, isForced: true }).ok).toBe(true);
  }
});

test('a replica that is linked to a silent master has its time to hear from it, if the window leaves any', () => {
  const scene = settled();
  scene.settings = { ...scene.settings, maxPingCount: 4 };
  scene.fail(scene.id(0, 0), 'hang');
  for (let round = 0; round < 4; round += 1) hear(scene, [[scene.id(0, 0), 'silent']]);
  expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
  expect([...scene.decide().expectant]).toEqual(expect.arrayContaining([scene.id(0, 1), scene.id(0, 2)]));
  hear(scene, [[scene.id(0, 0), 'silent']]);
  expect(only(scene.decide(), 'commit').reasons).toMatchObject([{ kind: 'failover' }]);
});
