// What is known of a master that was away for long is no news any more when something ends that held its replacement back.

import { describe, expect, test } from 'vitest';

import type { EvidenceKind } from '../../../src/control/evidence.ts';
import { type Explanation, explain } from '../../../src/control/explain.ts';
import { probeDeadlineMs } from '../../../src/control/settings.ts';
import { lookAt } from '../../../src/control/situation.ts';
import { findNode } from '../../../src/topology/cluster.ts';
import { withPromotion } from '../../../src/topology/facts.ts';
import {
  type FailoverMode,
  NO_CLUSTER_POLICY,
  NO_GROUP_POLICY,
  NO_NODE_POLICY,
  withNodePolicy,
} from '../../../src/topology/policy.ts';
import { Scene, actionsOf, only } from './scene.ts';

/** As configured by default: probes three seconds apart, which may take one. */
const INTERVAL_MS = 3000;
const DEADLINE_MS = probeDeadlineMs(INTERVAL_MS);

/** A shard of three in a group of three, looked at as often as by default. */
function settled(): Scene {
  const scene = new Scene(1, 3);
  scene.panel = { self: 1, voters: [[1, 2, 3]] };
  scene.settings = { ...scene.settings, pingIntervalMs: INTERVAL_MS, maxPingCount: 5 };
  for (let count = 0; count < 2; count += 1) round(scene);
  expect(scene.decide().actions).toEqual([]);
  return scene;
}

/** An interval passes, and a look at the master takes all its time. */
function round(scene: Scene): void {
  scene.nowMs += INTERVAL_MS - DEADLINE_MS;
  scene.nowSeconds += INTERVAL_MS / 1000;
  for (const index of [1, 2]) scene.probe(scene.id(0, index));
  scene.probe(scene.id(0, 0), { tookMs: DEADLINE_MS });
}

/** A look between the rounds. */
function look(scene: Scene): void {
  scene.probe(scene.id(0, 0), { tookMs: DEADLINE_MS, isExtra: true });
}

/** Controller 2 was asked so long ago, and answers now. */
function hear(scene: Scene, kind: EvidenceKind, agoMs = DEADLINE_MS): void {
  const word = { observer: 2, kind, why: kind, askedAtMs: scene.nowMs - agoMs };
  const words = new Map([[scene.id(0, 0), [word]]]);
  scene.tell({ kind: 'inquired', endedAtMs: scene.nowMs, words, isOver: true });
}

/** The master hangs for so many rounds, and the others say so. */
function hang(scene: Scene, rounds = 15): void {
  scene.fail(scene.id(0, 0), 'hang');
  for (let count = 0; count < rounds; count += 1) {
    round(scene);
    hear(scene, 'silent');
    // Whatever keeps it in office, the decisions are made.
    scene.decide();
  }
}

function explained(scene: Scene): Explanation {
  return explain(lookAt(scene), scene.cluster.shards[0]!);
}

function failovers(scene: Scene): readonly unknown[] {
  return actionsOf(scene.decide(), 'commit').flatMap(({ reasons }) => reasons);
}

function setMode(scene: Scene, failover: FailoverMode): void {
  const wish = { untilSeconds: null, reason: '', setAtSeconds: 0 };
  const automation = { failover, ignoresMassFailure: false, ...wish };
  scene.policy = { group: NO_GROUP_POLICY, cluster: { ...NO_CLUSTER_POLICY, automation } };
}

/** Everything that may hold a failover back for long: how it begins, and how it ends. */
const HOLDS: readonly (readonly [string, (scene: Scene) => void, (scene: Scene) => void])[] = [
  ['a pause', (scene) => setMode(scene, 'paused'), (scene) => setMode(scene, 'on')],
  ['a dry run', (scene) => setMode(scene, 'dry-run'), (scene) => setMode(scene, 'on')],
  [
    'maintenance',
    (scene) => {
      const maintenance = { untilSeconds: null, reason: '', setAtSeconds: 0 };
      const cluster = withNodePolicy(NO_CLUSTER_POLICY, scene.id(0, 0), { ...NO_NODE_POLICY, maintenance });
      scene.policy = { group: NO_GROUP_POLICY, cluster };
    },
    (scene) => {
      scene.policy = { group: NO_GROUP_POLICY, cluster: NO_CLUSTER_POLICY };
    },
  ],
  [
    'a mass failure',
    (scene) => {
      scene.census = { nodes: 20, missed: 19 };
    },
    (scene) => {
      scene.census = { nodes: 20, missed: 1 };
    },
  ],
  [
    'the cool-down',
    (scene) => {
      scene.settings = { ...scene.settings, coolDownMs: 600_000 };
      const { version, shards } = scene.cluster;
      scene.facts = withPromotion(scene.facts, shards[0]!.id, {
        from: scene.id(0, 1),
        to: scene.id(0, 0),
        version,
        sequence: 100,
        term: 1,
        atSeconds: scene.nowSeconds,
        isConfirmed: true,
      });
    },
    (scene) => {
      scene.nowSeconds += 600;
    },
  ],
  [
    'a lease',
    (scene) => {
      scene.settings = { ...scene.settings, leaseMs: 60_000 };
      const node = scene.id(0, 0);
      scene.tell({ kind: 'leaseLetGo', node, address: findNode(scene.cluster, node)!.node.address });
    },
    (scene) => {
      const node = scene.id(0, 0);
      const { address } = findNode(scene.cluster, node)!.node;
      const answer = { kind: 'none', why: 'knows none', isLasting: true } as const;
      scene.tell({ kind: 'leaseAnswered', node, address, endedAtMs: scene.nowMs, answer });
    },
  ],
  [
    'waiting for a candidate',
    (scene) => {
      for (const index of [1, 2]) scene.fail(scene.id(0, index), 'loading');
    },
    (scene) => {
      for (const index of [1, 2]) {
        scene.answers.set(scene.id(0, index), scene.converged(scene.id(0, index)));
        scene.probe(scene.id(0, index));
      }
    },
  ],
  [
    'a leader that stands still',
    (scene) => setMode(scene, 'paused'),
    (scene) => {
      setMode(scene, 'on');
      scene.nowMs += 60_000;
      // The look that was under way ends, and an answer to it may lie unread.
      const { node } = findNode(scene.cluster, scene.id(0, 0))!;
      const times = { startedAtMs: scene.nowMs - 60_500, endedAtMs: scene.nowMs };
      const result = { kind: 'failed', error: { kind: 'timedOut', message: 'no reply' } } as const;
      scene.tell({ kind: 'probed', node: node.id, address: node.address, ...times, result });
    },
  ],
];

describe.each(HOLDS)('when %s ends', (_, begin, end) => {
  test('a master that is back since the last look stays: it is looked at, and the others are asked, before anything else', () => {
    const scene = settled();
    begin(scene);
    hang(scene);
    expect(failovers(scene)).toEqual([]);
    scene.nowMs += 1900;
    end(scene);
    expect(explained(scene)).toMatchObject({ verdict: 'waiting', next: null });
    const decision = scene.decide();
    expect(actionsOf(decision, 'commit')).toEqual([]);
    expect(actionsOf(decision, 'inquire')).toMatchObject([{ nodes: [scene.id(0, 0)] }]);
    // Whose words are too old to count at all is asked before it is looked at.
    hear(scene, 'silent', 0);
    expect(failovers(scene)).toEqual([]);
    expect(scene.decide().urgent).toEqual(new Set([scene.id(0, 0)]));
    scene.answers.set(scene.id(0, 0), scene.converged(scene.id(0, 0)));
    scene.probe(scene.id(0, 0));
    expect(failovers(scene)).toEqual([]);
    expect(explained(scene)).toMatchObject({ verdict: 'healthy' });
  });

  test('a tenth of a second is enough for it to be back', () => {
    const scene = settled();
    begin(scene);
    hang(scene);
    scene.nowMs += 120;
    end(scene);
    expect(failovers(scene)).toEqual([]);
  });

  test('one that still hangs is replaced after that look', () => {
    const scene = settled();
    begin(scene);
    hang(scene);
    scene.nowMs += 1900;
    end(scene);
    scene.decide();
    look(scene);
    hear(scene, 'silent');
    expect(explained(scene)).toMatchObject({ verdict: 'due' });
    expect(failovers(scene)).toMatchObject([{ kind: 'failover', from: scene.id(0, 0) }]);
  });
});

test('what is waited for is told at the gate whose evidence is old', () => {
  const scene = settled();
  setMode(scene, 'paused');
  hang(scene);
  setMode(scene, 'on');
  scene.nowMs += 101;
  const told = (): unknown => {
    const { why, gates } = explained(scene);
    const closed = gates.find(({ verdict }) => verdict !== 'pass');
    return [closed?.gate, closed?.verdict, closed?.leftMs, why];
  };
  expect(told()).toEqual([
    'time',
    'wait',
    DEADLINE_MS + 50,
    'the last look at it began 1.1 s ago, and it is looked at once more before that',
  ]);
  expect(scene.problems()).toEqual([]);
  scene.nowMs += 3000;
  look(scene);
  expect(told()).toEqual([
    'confirmed',
    'wait',
    DEADLINE_MS + 50,
    'the other controllers were last asked 5.1 s ago, and are asked once more before that',
  ]);
  // One that it answers keeps it, however short the look before was.
  hear(scene, 'answered');
  expect(failovers(scene)).toEqual([]);
  expect(explained(scene)).toMatchObject({ verdict: 'blocked' });
});

test('a look between the rounds shows that a silence goes on, and shortens no window; after a refusal silence shows nothing', () => {
  const scene = settled();
  scene.fail(scene.id(0, 0), 'hang');
  round(scene);
  const before = lookAt(scene).views.get(scene.id(0, 0))?.memory.absence;
  for (let count = 0; count < 20; count += 1) look(scene);
  const after = lookAt(scene).views.get(scene.id(0, 0))?.memory.absence;
  expect(after).toEqual({
    ...before,
    checkedFromMs: scene.nowMs - DEADLINE_MS,
    checkedToMs: scene.nowMs,
  });
  hear(scene, 'silent');
  expect(failovers(scene)).toEqual([]);
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.probe(scene.id(0, 0));
  const refused = lookAt(scene).views.get(scene.id(0, 0))?.memory.absence;
  scene.fail(scene.id(0, 0), 'hang');
  look(scene);
  expect(lookAt(scene).views.get(scene.id(0, 0))?.memory.absence).toEqual(refused);
});

test.each([200, 500, 1000, 3000, 10_000])(
  'the window of probes %i ms apart ends with its last look, if the others are asked as often as then',
  (pingIntervalMs) => {
    const scene = new Scene(1, 3);
    scene.panel = { self: 1, voters: [[1, 2, 3]] };
    scene.settings = { ...scene.settings, pingIntervalMs, maxPingCount: 20 };
    const deadlineMs = probeDeadlineMs(pingIntervalMs);
    const { address } = findNode(scene.cluster, scene.id(0, 0))!.node;
    scene.rounds(2);
    let endedAtMs = scene.nowMs;
    const result = { kind: 'failed', error: { kind: 'timedOut', message: 'no reply' } } as const;
    for (let count = 1; count <= 20; count += 1) {
      for (const index of [1, 2]) {
        scene.set(scene.id(0, index), { lastIoSeconds: 600 });
        scene.probe(scene.id(0, index));
      }
      endedAtMs += pingIntervalMs;
      scene.nowMs = endedAtMs;
      const times = { startedAtMs: endedAtMs - deadlineMs, endedAtMs };
      scene.tell({ kind: 'probed', node: scene.id(0, 0), address, ...times, result });
      // The next answer is just about to come, and one member is always late.
      hear(scene, 'silent', 2 * deadlineMs + 250 + 500);
      if (explained(scene).gates.find(({ gate }) => gate === 'time')?.verdict === 'pass') break;
      expect(failovers(scene)).toEqual([]);
    }
    expect(only(scene.decide(), 'commit').reasons).toMatchObject([{ kind: 'failover' }]);
  },
);

test('no critical problem where only a look is missing to the window, and one where a majority is', () => {
  for (const [word, problems] of [
    ['silent', []],
    [null, ['masterUnconfirmed']],
  ] as const) {
    const scene = settled();
    // The window is over by the clock, and not yet by what was seen.
    hang(scene, 4);
    scene.nowMs += INTERVAL_MS + 2100;
    if (word === null) hear(scene, 'ownFault', 0);
    else hear(scene, word, 0);
    expect(explained(scene).gates.find(({ gate }) => gate === 'time')).toMatchObject({
      verdict: word === null ? 'notReached' : 'wait',
    });
    expect(scene.problems()).toEqual(problems);
  }
});
