// What holds an automatic failover back, and what it does not hold back.

import { describe, expect, test } from 'vitest';

import { chooseByHand } from '../../../src/control/failover-by-hand.ts';
import { type Explanation, explain } from '../../../src/control/explain.ts';
import { PROBLEMS, type ProblemKind } from '../../../src/control/problems.ts';
import { lookAt } from '../../../src/control/situation.ts';
import {
  type Automation,
  type FailoverMode,
  NO_CLUSTER_POLICY,
  NO_GROUP_POLICY,
  NO_NODE_POLICY,
  type NodePolicy,
  withNodePolicy,
} from '../../../src/topology/policy.ts';
import { withPromotion } from '../../../src/topology/facts.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { FRESH, Scene, actionsOf, only } from './scene.ts';

const NOW_SECONDS = 1_700_000_000;

function automation(failover: FailoverMode, change: Partial<Automation> = {}): Automation {
  return {
    failover,
    ignoresMassFailure: false,
    untilSeconds: null,
    reason: '',
    setAtSeconds: NOW_SECONDS,
    ...change,
  };
}

function wish(scene: Scene, id: NodeId, change: Partial<NodePolicy>): void {
  const { policy } = scene;
  scene.policy = {
    ...policy,
    cluster: withNodePolicy(policy.cluster, id, { ...NO_NODE_POLICY, ...change }),
  };
}

const MAINTENANCE = { untilSeconds: null, reason: 'new disk', setAtSeconds: NOW_SECONDS };

/** A shard of three whose master hangs for longer than the window. */
function silent(scene = new Scene(1, 3)): Scene {
  scene.rounds(2);
  scene.fail(scene.id(0, 0), 'hang');
  scene.rounds(8);
  return scene;
}

function details(scene: Scene, kind: ProblemKind): string[] {
  return scene
    .decide()
    .problems.filter((problem) => problem.kind === kind)
    .map(({ detail }) => detail);
}

function explained(scene: Scene): Explanation {
  return explain(lookAt(scene), scene.cluster.shards[0]!);
}

function gate(scene: Scene): unknown {
  const { verdict, gates } = explained(scene);
  return [verdict, gates.at(-1)];
}

function expectFailover(scene: Scene, fenced: readonly NodeId[] = []): void {
  expect(scene.due(fenced).reasons.map(({ kind }) => kind)).toEqual(['failover']);
}

describe.each([
  ['paused', /automatic failover is paused/],
  ['dry-run', /automatic failover is a dry run/],
] as const)('automation %s', (mode, text) => {
  test.each(['group', 'cluster'] as const)(
    'of the %s: nobody is replaced, and it is told who would be',
    (by) => {
      const scene = new Scene(1, 3);
      const wanted = { automation: automation(mode, { reason: 'we move racks' }) };
      scene.policy =
        by === 'group'
          ? { ...scene.policy, group: { ...NO_GROUP_POLICY, ...wanted } }
          : { ...scene.policy, cluster: { ...NO_CLUSTER_POLICY, ...wanted } };
      scene.rounds(2);
      expect(details(scene, 'failoverPaused')).toEqual([expect.stringMatching(text)]);
      silent(scene);
      expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
      const [detail = ''] = details(scene, 'failoverRestrained');
      expect(detail).toMatch(/takes? over|would take over/);
      expect(detail).toContain('we move racks');
      expect(gate(scene)).toEqual([
        'blocked',
        expect.objectContaining({
          gate: 'restraint',
          verdict: 'block',
          evidence: expect.stringMatching(text),
        }),
      ]);
    },
  );

  test('ends at its time, and of two wishes the more careful one counts', () => {
    const scene = silent();
    const until = automation(mode, { untilSeconds: scene.nowSeconds + 1 });
    scene.policy = {
      group: { ...NO_GROUP_POLICY, automation: until },
      cluster: { ...NO_CLUSTER_POLICY, automation: automation('on') },
    };
    expect(gate(scene)).toMatchObject(['waiting', { verdict: 'wait', leftMs: 1000 }]);
    expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
    scene.nowSeconds += 1;
    expectFailover(scene);
  });

  test('holds neither a failover by hand back nor that nodes are told', () => {
    const scene = silent();
    scene.policy = { ...scene.policy, group: { ...NO_GROUP_POLICY, automation: automation(mode) } };
    const chosen = chooseByHand(lookAt(scene), {
      shardIndex: 0,
      preferred: null,
      isForced: false,
      askedAtMs: 0,
      floor: null,
      canDrain: true,
    });
    expect(chosen).toMatchObject({
      ok: true,
      value: { warning: expect.stringMatching(/did not answer and handed nothing over/) },
    });
    scene.set(scene.id(0, 1), FRESH);
    scene.rounds(2);
    expect(actionsOf(scene.decide(), 'push').length).toBeGreaterThan(0);
  });

  test('does not hold the replacement of a master without its data back: its replica would copy that', () => {
    for (const change of [FRESH, { sequence: 40 }]) {
      const scene = new Scene(1, 3);
      scene.policy = { ...scene.policy, group: { ...NO_GROUP_POLICY, automation: automation(mode) } };
      scene.rounds(2);
      expect(scene.decide().actions).toEqual([]);
      scene.set(scene.id(0, 0), change);
      scene.rounds(1);
      expectFailover(scene, change === FRESH ? [scene.id(0, 0)] : []);
    }
  });
});

test('what is held back is not forgotten with the leader: the next one knows that the link lived until the master died', () => {
  for (const sequence of [0, 100]) {
    const scene = new Scene(1, 2);
    const [master, replica] = [scene.id(0, 0), scene.id(0, 1)];
    for (const id of [master, replica]) scene.set(id, { sequence });
    scene.set(replica, { link: 'down', lastIoSeconds: null });
    scene.rounds(2);
    scene.decide();
    scene.policy = { ...scene.policy, group: { ...NO_GROUP_POLICY, automation: automation('paused') } };
    scene.set(replica, { link: 'up', lastIoSeconds: 0 });
    // Seen just now, and not written down before the master dies.
    scene.probe(replica);
    scene.probe(master);
    scene.fail(master, 'connectionRefused');
    scene.set(replica, { link: 'down', lastIoSeconds: 1 });
    scene.rounds(8);
    expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
    scene.changeLeader();
    scene.nowMs += 120_000;
    scene.set(replica, { link: 'down', lastIoSeconds: 130 });
    scene.rounds(8);
    expect(details(scene, 'failoverRestrained')).toEqual([expect.stringContaining('would take over')]);
    scene.policy = { ...scene.policy, group: { ...NO_GROUP_POLICY, automation: null } };
    expectFailover(scene);
  }
});

describe('maintenance', () => {
  test('of a master: it is not replaced while it is away, but when it is back without its data', () => {
    const scene = new Scene(1, 3);
    wish(scene, scene.id(0, 0), { maintenance: MAINTENANCE });
    silent(scene);
    expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
    expect(details(scene, 'failoverRestrained')).toEqual([
      expect.stringContaining('in maintenance (new disk)'),
    ]);
    scene.set(scene.id(0, 0), FRESH);
    scene.answers.set(scene.id(0, 0), { ...scene.converged(scene.id(0, 0)), ...FRESH });
    scene.rounds(2);
    expectFailover(scene, [scene.id(0, 0)]);
  });

  test('of a replica: nobody misses it, and it does not take over; nobody waits for its word either', () => {
    const scene = new Scene(1, 3);
    const away = scene.id(0, 1);
    wish(scene, away, { maintenance: MAINTENANCE });
    scene.rounds(2);
    scene.fail(away, 'hang');
    scene.rounds(8);
    expect(scene.decide().problems.map(({ kind }) => kind)).toEqual(['nodeInMaintenance']);
    scene.answers.set(away, scene.converged(away));
    scene.set(away, { sequence: 101 });
    silent(scene);
    expect(only(scene.decide(), 'commit').reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, 2) }]);
    expect(explained(scene).candidates[0]).toMatchObject({
      verdict: 'refused',
      reason: 'it is in maintenance (new disk)',
    });
  });

  test('by force its copy counts for what it is', () => {
    const scene = new Scene(1, 2);
    wish(scene, scene.id(0, 1), { maintenance: MAINTENANCE });
    silent(scene);
    expect(details(scene, 'masterUnreachable')).toEqual([expect.stringContaining('it is in maintenance')]);
    const choice = { shardIndex: 0, preferred: null, askedAtMs: 0, floor: null, canDrain: true };
    expect(chooseByHand(lookAt(scene), { ...choice, isForced: false })).toMatchObject({ ok: false });
    expect(chooseByHand(lookAt(scene), { ...choice, isForced: true })).toMatchObject({
      ok: true,
      value: {
        warning: expect.stringMatching(/did not answer and handed nothing over: it is silent/),
        isAcceptance: false,
      },
    });
  });
});

test('wishes do not cost data: whom nobody wants takes over from a master that lost its own, if nobody else can', () => {
  for (const unwanted of [{ failoverPriority: 0 }, { maintenance: MAINTENANCE }]) {
    const scene = new Scene(1, 2);
    wish(scene, scene.id(0, 1), unwanted);
    wish(scene, scene.id(0, 0), { maintenance: MAINTENANCE });
    scene.rounds(2);
    expect(scene.decide().actions).toEqual([]);
    scene.set(scene.id(0, 0), { sequence: 40 });
    scene.probe(scene.id(0, 0));
    // Before it has come to that: it is asked at once.
    const first = scene.decide();
    expect(first.urgent).toContain(scene.id(0, 1));
    for (const action of actionsOf(first, 'commit')) scene.endCommit(action);
    scene.probe(scene.id(0, 1));
    expectFailover(scene);
  }
});

test('that a master had what came to its replica is written down, and not forgotten with that', () => {
  const scene = new Scene(1, 2);
  const [master, replica] = [scene.id(0, 0), scene.id(0, 1)];
  for (const id of [master, replica]) scene.set(id, { sequence: 0 });
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  // Its first writes come between the last look at it and its death.
  scene.fail(master, 'connectionRefused');
  scene.set(replica, { sequence: 200, link: 'down', lastIoSeconds: 1, login: 'refused' });
  scene.rounds(8);
  scene.decide();
  scene.answers.set(master, { ...scene.converged(master), ...FRESH });
  scene.rounds(2);
  expect(details(scene, 'masterDataLost')).toEqual([expect.stringMatching(/has lost its data.*200/)]);
  expect(scene.facts.nodes.get(master)?.sequence).toBe(200);
  scene.fail(replica, 'connectionRefused');
  scene.rounds(3);
  expect(details(scene, 'masterDataLost')).toEqual([expect.stringContaining('it was seen at 200 before')]);
  expect(actionsOf(scene.decide(), 'push')).toEqual([]);
});

describe('priorities and zones', () => {
  test('a node with priority 0 takes over only when somebody names it', () => {
    const scene = new Scene(1, 2);
    const reserve = scene.id(0, 1);
    wish(scene, reserve, { failoverPriority: 0 });
    silent(scene);
    expect(details(scene, 'masterUnreachable')).toEqual([
      expect.stringContaining('its failover_priority is 0'),
    ]);
    const choice = { shardIndex: 0, isForced: false, askedAtMs: 0, floor: null, canDrain: true };
    expect(chooseByHand(lookAt(scene), { ...choice, preferred: null })).toMatchObject({ ok: false });
    expect(chooseByHand(lookAt(scene), { ...choice, preferred: reserve })).toMatchObject({ ok: true });
  });

  test('data comes before wishes; of equal copies the higher priority, then the zone of the master', () => {
    const winner = (change: (scene: Scene) => void): number => {
      const scene = new Scene(1, 3);
      change(scene);
      silent(scene);
      const [reason] = only(scene.decide(), 'commit').reasons;
      return scene.cluster.shards[0]!.nodes.findIndex(
        ({ id }) => reason?.kind === 'failover' && id === reason.to,
      );
    };
    expect(winner(() => {})).toBe(1);
    expect(winner((scene) => wish(scene, scene.id(0, 2), { failoverPriority: 200 }))).toBe(2);
    expect(
      winner((scene) => {
        wish(scene, scene.id(0, 0), { zone: 'a' });
        wish(scene, scene.id(0, 2), { zone: 'a' });
      }),
    ).toBe(2);
    expect(
      winner((scene) => {
        wish(scene, scene.id(0, 2), { failoverPriority: 200 });
        scene.set(scene.id(0, 2), { sequence: 99 });
      }),
    ).toBe(1);
  });
});

describe('a mass failure', () => {
  test('holds back who is away, in any cluster, until fewer are missed or somebody says that it is true', () => {
    const scene = silent();
    scene.census = { nodes: 10, missed: 7 };
    expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
    expect(details(scene, 'massFailure')).toEqual([expect.stringContaining('7 of the 10 nodes')]);
    expect(gate(scene)).toMatchObject(['blocked', { gate: 'restraint', verdict: 'block' }]);
    const { policy } = scene;
    scene.policy = {
      ...policy,
      group: { ...NO_GROUP_POLICY, automation: automation('on', { ignoresMassFailure: true }) },
    };
    expectFailover(scene);
    scene.policy = policy;
    scene.census = { nodes: 10, missed: 6 };
    scene.tell({ kind: 'commitEnded', endedAtMs: scene.nowMs, isCommitted: false });
    scene.rounds(2);
    expectFailover(scene);
  });

  test('is none among few nodes', () => {
    const scene = silent();
    scene.census = { nodes: 9, missed: 9 };
    expectFailover(scene);
  });
});

describe('the cool-down', () => {
  /** The master of a shard that got it `beforeSeconds` ago dies. */
  function second(kind: 'hang' | 'connectionRefused', beforeSeconds: number): Scene {
    const scene = new Scene(1, 3);
    scene.settings = { ...scene.settings, coolDownMs: 30_000 };
    const { id: shardId } = scene.cluster.shards[0]!;
    scene.facts = withPromotion(scene.facts, shardId, {
      from: scene.id(0, 2),
      to: scene.id(0, 0),
      version: scene.cluster.version,
      sequence: 50,
      term: 1,
      atSeconds: scene.nowSeconds - beforeSeconds,
      isConfirmed: true,
    });
    scene.rounds(2);
    scene.fail(scene.id(0, 0), kind);
    if (kind === 'connectionRefused')
      for (const index of [1, 2]) scene.set(scene.id(0, index), { link: 'down' });
    scene.rounds(8);
    return scene;
  }

  test('waits before a shard that was failed over just now loses another master to silence', () => {
    const scene = second('hang', 10);
    expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
    expect(details(scene, 'failoverRestrained')).toEqual([expect.stringContaining('changed 10 s ago')]);
    expect(gate(scene)).toMatchObject(['waiting', { gate: 'restraint', verdict: 'wait', leftMs: 20_000 }]);
    scene.nowSeconds += 20;
    expectFailover(scene);
  });

  test('does not hold back the replacement of a process that is gone, nor after a clock was set back', () => {
    expectFailover(second('connectionRefused', 1));
    expectFailover(second('hang', -100));
  });
});

test('every restraint has its entry in the table of problems, with the way out', () => {
  for (const kind of ['failoverRestrained', 'failoverPaused', 'massFailure', 'nodeInMaintenance'] as const)
    expect(PROBLEMS[kind].remedy).toMatch(/PUT|DELETE/);
});
