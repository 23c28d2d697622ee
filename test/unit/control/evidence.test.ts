import { expect, test } from 'vitest';

import {
  type Evidence,
  type EvidenceKind,
  type Presence,
  type Testimony,
  type Word,
  presenceOf,
} from '../../../src/control/evidence.ts';
import type { NodeErrorKind } from '../../../src/control/observation.ts';
import { lookAt, viewOf } from '../../../src/control/situation.ts';
import { parseNodeId } from '../../../src/topology/node.ts';
import { valueOf } from '../topology/arbitrary.ts';
import { FRESH, INTERVAL_MS, Scene, actionsOf, only } from './scene.ts';

const SETTINGS = {
  pingIntervalMs: INTERVAL_MS,
  maxPingCount: 3,
  restartGraceMs: 800,
  lagMax: 1000,
  switchoverTimeoutMs: 2000,
  coolDownMs: 0,
  aliveSizeMin: 10,
  failureRatioMax: 0.6,
  leaseMs: 0,
};

function evidence(kind: EvidenceKind, looks = 1, lastedMs = 0): Evidence {
  return { kind, lastedMs, ofKindMs: lastedMs, looks };
}

/** The verdict in a group of three, of which this is the first; the others saw these, if anything. */
function verdict(
  own: Evidence | null,
  others: readonly (EvidenceKind | null)[] = [],
  change: Partial<Testimony> = {},
): Presence {
  const words = others.flatMap((kind, index): Word[] =>
    kind === null ? [] : [{ observer: index + 2, kind, ageMs: 100 }],
  );
  const panel = { self: 1, voters: [[1, 2, 3]] };
  return presenceOf({ own, words, replicas: 'none', panel, ...change }, SETTINGS);
}

const ALONE = { panel: { self: 1, voters: [[1]] } };

function settled(groupSize = 2): Scene {
  const scene = new Scene(2, groupSize);
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  return scene;
}

function conditionOf(scene: Scene): string {
  return viewOf(lookAt(scene), scene.id(0, 0)).condition;
}

/** The master of shard 0 answers as this node of another cluster; its replica comes to no link with that. */
function putStranger(scene: Scene): void {
  const id = valueOf(parseNodeId('f'.repeat(40)));
  scene.set(scene.id(0, 0), { id, version: 7 });
  scene.set(scene.id(0, 1), { link: 'down' });
}

test('the verdict of a group of one: unseen, blind, present, doubtful, silent, gone', () => {
  const alone = (own: Evidence | null): Presence => verdict(own, [], ALONE);
  expect(alone(null)).toBe('unseen');
  expect(alone(evidence('ownFault'))).toBe('blind');
  expect(alone(evidence('answered'))).toBe('present');
  expect(alone(evidence('silent', 2, 1799))).toBe('doubtful');
  expect(alone(evidence('silent', 2, 1800))).toBe('silent');
  expect(alone(evidence('refused', 2, 799))).toBe('doubtful');
  expect(alone(evidence('refused', 2, 800))).toBe('silent');
  expect(alone(evidence('stranger', 1))).toBe('doubtful');
  expect(alone(evidence('stranger', 2))).toBe('gone');
});

test('one look never suffices where several are configured, however long it took', () => {
  expect(verdict(evidence('silent', 1, 60_000), ['silent'])).toBe('doubtful');
  const testimony = { own: evidence('silent', 1, 0), words: [], replicas: 'none' as const, ...ALONE };
  expect(presenceOf(testimony, { ...SETTINGS, maxPingCount: 1 })).toBe('silent');
});

test('a node is away by the word of a majority only, whatever the leader sees and for however long', () => {
  const silent = evidence('silent', 5, 60_000);
  expect(verdict(silent)).toBe('doubtful');
  expect(verdict(silent, [null, null])).toBe('doubtful');
  expect(verdict(silent, ['silent'])).toBe('silent');
  expect(verdict(silent, [null, 'refused'])).toBe('silent');
  expect(verdict(evidence('refused', 5, 60_000), [])).toBe('doubtful');
  expect(verdict(evidence('stranger', 5, 60_000), [])).toBe('doubtful');
});

test('one member that is answered outweighs all others, and one that cannot look has no voice', () => {
  const silent = evidence('silent', 5, 60_000);
  expect(verdict(silent, ['silent', 'answered'])).toBe('elsewhere');
  expect(verdict(evidence('stranger', 5, 60_000), ['stranger', 'answered'])).toBe('elsewhere');
  expect(verdict(silent, ['ownFault', 'ownFault'])).toBe('doubtful');
  expect(verdict(silent, ['ownFault', 'silent'])).toBe('silent');
});

test('words grow old, and count only from members that vote; while the voters change, a majority of both sets is needed', () => {
  const silent = evidence('silent', 5, 60_000);
  const old = [{ observer: 2, kind: 'silent', ageMs: 2 * INTERVAL_MS + 2001 }] as const;
  expect(verdict(silent, [], { words: old })).toBe('doubtful');
  const learner = [{ observer: 9, kind: 'silent', ageMs: 0 }] as const;
  expect(verdict(silent, [], { words: learner })).toBe('doubtful');
  const joint = {
    panel: {
      self: 1,
      voters: [
        [1, 2, 3],
        [1, 4, 5],
      ],
    },
  };
  expect(verdict(silent, ['silent', 'silent'], joint)).toBe('doubtful');
  expect(verdict(silent, ['silent', null, 'silent'], joint)).toBe('silent');
});

test('that nobody listens is proof after a short grace: only if all say just that, and no replica is linked or still to be asked', () => {
  const refused = evidence('refused', 9, 800);
  expect(verdict(refused, ['refused'])).toBe('silent');
  expect(verdict(refused, ['refused', 'silent'])).toBe('doubtful');
  expect(verdict(refused, ['refused'], { replicas: 'linked' })).toBe('doubtful');
  expect(verdict(refused, ['refused'], { replicas: 'unasked' })).toBe('doubtful');
  expect(verdict({ ...refused, lastedMs: 900, ofKindMs: 700 }, ['refused'])).toBe('doubtful');
});

test('a replica that goes on hearing from its master speaks for its life, unless somebody else has its address', () => {
  const silent = evidence('silent', 5, 60_000);
  expect(verdict(silent, ['silent', 'silent'], { replicas: 'heard' })).toBe('linked');
  expect(verdict(silent, ['silent', 'silent'], { replicas: 'linked' })).toBe('silent');
  expect(verdict(evidence('stranger', 2), ['stranger'], { replicas: 'heard' })).toBe('gone');
});

test("KA4: a node of another cluster at a dead master's address: failed over on the second look, not after the window", () => {
  const scene = settled();
  putStranger(scene);
  scene.round();
  expect(conditionOf(scene)).toBe('suspect');
  expect(scene.decide().actions).toEqual([]);
  scene.round();
  expect(conditionOf(scene)).toBe('gone');
  const action = scene.commit();
  expect(action.reasons).toMatchObject([
    { kind: 'failover', text: expect.stringMatching(/is not there: another node answers, f{40}/) },
  ]);
  scene.settle();
  expect(scene.problems()).toEqual(['foreignNode']);
});

test('the stranger itself is never told anything', () => {
  const scene = settled();
  putStranger(scene);
  scene.rounds(2);
  scene.commit();
  const told = new Set<string>();
  for (let wave = 0; wave < 5; wave += 1) {
    for (const push of actionsOf(scene.decide(), 'push')) {
      told.add(push.node);
      scene.takePush(push);
    }
    scene.round();
  }
  expect(told).toEqual(new Set([scene.id(0, 1), scene.id(1, 0), scene.id(1, 1)]));
});

test('KA4: what is certainly no Kvrocks proves the same', () => {
  const scene = settled();
  scene.fail(scene.id(0, 0), 'notKvrocks');
  scene.set(scene.id(0, 1), { link: 'down' });
  scene.round();
  expect(scene.decide().actions).toEqual([]);
  scene.round();
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover' }]);
});

test('KA4: a replica that has a link to a stranger may have copied it: it is made anew and does not take over', () => {
  const scene = settled();
  putStranger(scene);
  scene.set(scene.id(0, 1), { link: 'up' });
  scene.rounds(2);
  expect(scene.commit().reasons).toMatchObject([
    { kind: 'copyCondemned', node: scene.id(0, 1), text: expect.stringMatching(/may have copied/) },
  ]);
  expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
  expect(scene.problems()).toContain('masterUnreachable');
});

test('KA4: nothing is copied from a server of another kind: a replica that was at its address counts as before', () => {
  const scene = settled();
  const master = scene.id(0, 0);
  scene.fail(master, 'notKvrocks');
  scene.round();
  expect(scene.decide().actions).toEqual([]);
  scene.answers.set(master, scene.converged(master));
  scene.round();
  expect(scene.decide()).toMatchObject({ actions: [], problems: [] });
  scene.fail(master, 'notKvrocks');
  scene.rounds(2);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, 1) }]);
});

test('KA4: such a replica is cut off from the stranger, who may stay for ever', () => {
  const scene = new Scene(1, 3);
  scene.rounds(2);
  putStranger(scene);
  for (let turn = 0; turn < 12; turn += 1) {
    scene.round();
    const decision = scene.decide();
    for (const commit of actionsOf(decision, 'commit')) scene.endCommit(commit);
    for (const push of actionsOf(decision, 'push')) {
      if (push.node === scene.id(0, 2)) {
        expect(push.purpose).toBe('isolation');
        return;
      }
      scene.takePush(push);
    }
  }
  throw new Error(`it still follows the stranger: ${scene.problems().join(', ')}`);
});

test('KA4: nobody is told to follow an address at which a stranger answers', () => {
  const scene = settled();
  putStranger(scene);
  scene.set(scene.id(0, 1), FRESH);
  scene.round();
  expect(scene.decide().actions).toEqual([]);
  scene.answers.set(scene.id(0, 0), scene.converged(scene.id(0, 0)));
  scene.round();
  expect(only(scene.decide(), 'push')).toMatchObject({ node: scene.id(0, 1), purpose: 'role' });
});

test('the word of a stranger does not count as the word of the node', () => {
  const scene = settled();
  putStranger(scene);
  scene.set(scene.id(0, 0), { sequence: 7 });
  scene.rounds(2);
  expect(scene.memory.nodes.get(scene.id(0, 0))?.look?.report.sequence).toBe(100);
  expect(scene.commit().facts.shards.get(scene.cluster.shards[0]!.id)?.promotions).toMatchObject([
    { sequence: 100 },
  ]);
});

test('a stranger that gives way to the node in between is no failure, but a replica may have met it', () => {
  const scene = settled();
  for (let count = 0; count < 3; count += 1) {
    putStranger(scene);
    scene.round();
    for (const id of [scene.id(0, 0), scene.id(0, 1)]) scene.answers.set(id, scene.converged(id));
    scene.round();
  }
  const decision = scene.decide();
  expect(decision.problems).toEqual([]);
  expect(only(decision, 'commit').reasons).toMatchObject([
    {
      kind: 'copyCondemned',
      node: scene.id(0, 1),
      text: expect.stringMatching(/another node at the address/),
    },
  ]);
});

test('KA4: garbage, silence and an address that cannot be reached count for the window', () => {
  for (const kind of ['garbage', 'hang', 'unreachable', 'connectionRefused', 'connectionLost'] as const) {
    const scene = settled();
    scene.fail(scene.id(0, 0), kind);
    scene.rounds(2);
    expect(scene.decide().actions).toEqual([]);
    scene.round();
    expect(only(scene.decide(), 'commit').reasons).toMatchObject([{ kind: 'failover' }]);
  }
});

test('KA4, KD6c: a node that answers with errors lives, however long', () => {
  const kinds: readonly NodeErrorKind[] = [
    'tooManyClients',
    'wrongPassword',
    'passwordRequired',
    'clusterDisabled',
    'loading',
    'fragile',
    'malformedReply',
    'refused',
  ];
  for (const kind of kinds) {
    const scene = settled();
    scene.changeLeader();
    scene.fail(scene.id(0, 0), kind);
    scene.rounds(50);
    expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
  }
});

test('KD2: a fault of our own is never counted against a node, and always told', () => {
  const scene = settled();
  for (const id of scene.answers.keys()) scene.fail(id, 'ownFault');
  scene.rounds(20);
  const decision = scene.decide();
  expect(decision.actions).toEqual([]);
  expect(decision.problems.map(({ kind }) => kind)).toEqual(Array.from({ length: 4 }, () => 'ownFault'));
});

test('silence begins anew after a time in which this controller could not look', () => {
  const scene = settled();
  scene.fail(scene.id(0, 0));
  scene.rounds(2);
  scene.fail(scene.id(0, 0), 'ownFault');
  scene.round();
  scene.fail(scene.id(0, 0));
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  scene.round();
  expect(only(scene.decide(), 'commit').reasons).toMatchObject([{ kind: 'failover' }]);
});

test('KD2: a node this controller cannot look at is no candidate', () => {
  const scene = settled();
  scene.fail(scene.id(0, 0));
  scene.fail(scene.id(0, 1), 'ownFault');
  scene.rounds(3);
  const decision = scene.decide();
  expect(decision.actions).toEqual([]);
  expect(decision.problems.find(({ kind }) => kind === 'masterUnreachable')?.detail).toMatch(
    /this controller cannot look at it: ownFault/,
  );
});

test('our own topology being executed excuses silence, not a refused connection and not a stranger', () => {
  for (const [kind, isReplaced] of [
    ['hang', false],
    ['connectionRefused', true],
    ['notKvrocks', true],
  ] as const) {
    const scene = settled();
    scene.set(scene.id(0, 0), { version: 0 });
    scene.round();
    only(scene.decide(), 'push');
    scene.fail(scene.id(0, 0), kind);
    scene.rounds(3);
    expect(actionsOf(scene.decide(), 'commit')).toHaveLength(isReplaced ? 1 : 0);
  }
});
