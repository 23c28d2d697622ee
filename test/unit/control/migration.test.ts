import { expect, test } from 'vitest';

import type { SourceJob, TargetJob } from '../../../src/control/observation.ts';
import { cancelMigration, startMigration } from '../../../src/topology/change-slots.ts';
import { clusterWithVersion, masterOf, migrationsOf } from '../../../src/topology/cluster.ts';
import { initialFacts } from '../../../src/topology/facts.ts';
import { printSlotSet, slotRange } from '../../../src/topology/slot.ts';
import { NOW_SECONDS, valueOf } from '../topology/arbitrary.ts';
import { FRESH, INTERVAL_MS, Scene, actionsOf, only } from './scene.ts';

const RANGE = slotRange(10, 19);

/** Three shards of two nodes, converged, with slots 10-19 to move from shard 0 to shard 1. */
function planned(): Scene {
  const scene = new Scene(3, 2);
  scene.rounds(2);
  scene.cluster = valueOf(
    startMigration(scene.cluster, { range: RANGE, targetIndex: 1, nowSeconds: NOW_SECONDS }),
  );
  return scene;
}

function source(scene: Scene): ReturnType<Scene['id']> {
  return scene.id(0, 0);
}

function target(scene: Scene): ReturnType<Scene['id']> {
  return scene.id(1, 0);
}

function tellSource(
  scene: Scene,
  state: SourceJob['state'],
  range = RANGE,
  destination = target(scene),
  isInEffect = true,
): void {
  scene.set(source(scene), {
    sourceJob: { range, destination, state, isInEffect: state === 'success' ? isInEffect : null },
  });
}

function stageOf(scene: Scene): unknown {
  return migrationsOf(scene.cluster)[0]?.migration.stage;
}

function tellTarget(scene: Scene, state: TargetJob['state'], range = RANGE): void {
  scene.set(target(scene), { targetJob: { range, state } });
}

function look(scene: Scene): void {
  scene.nowMs += 10;
  scene.probe(source(scene));
  scene.probe(target(scene));
}

/** The migration is committed as started and MIGRATE was accepted. */
function running(): Scene {
  const scene = planned();
  expect(scene.commit().reasons).toMatchObject([
    { kind: 'migrationStarted', sourceIndex: 0, targetIndex: 1, slots: '10-19' },
  ]);
  const request = only(scene.decide(), 'migrate');
  expect(request).toMatchObject({ source: source(scene), target: target(scene), range: RANGE, attempt: 1 });
  scene.endMigrate(request);
  tellSource(scene, 'start');
  tellTarget(scene, 'start');
  look(scene);
  return scene;
}

function waitingFor(scene: Scene): string {
  const decision = scene.decide();
  expect(decision.actions.filter(({ kind }) => kind !== 'fence')).toEqual([]);
  return decision.problems.find(({ kind }) => kind === 'migrationWaiting')?.detail ?? 'nothing';
}

function finished(scene: Scene): void {
  const action = scene.commit();
  expect(action.reasons.map(({ kind }) => kind)).toEqual(['migrationFinished']);
  expect(action.next.version).toBe(2);
  expect(action.next.shards.slice(0, 2).map((shard) => printSlotSet(shard.slots).join(' '))).toEqual([
    '0-9 20-5460',
    '10-19 5461-10921',
  ]);
}

/** A target that showed an import of the slots has to hear a higher version, however it ended; else nothing changed for the nodes. */
function givenUp(scene: Scene, raise: 0 | 1 = 0): string {
  const before = scene.cluster;
  const action = scene.commit();
  expect(action.reasons.map(({ kind }) => kind)).toEqual(['migrationGivenUp']);
  expect(action.next.version).toBe(before.version + raise);
  expect(migrationsOf(action.next)).toEqual([]);
  const [reason] = action.reasons;
  return reason !== undefined && 'text' in reason ? reason.text : '';
}

test('a migration waits for both ends to have the topology, is recorded as started, then sent once', () => {
  const scene = planned();
  scene.set(target(scene), { version: 0 });
  look(scene);
  const push = only(scene.decide(), 'push');
  expect(push.node).toBe(target(scene));
  expect(waitingFor(scene)).toMatch(/slots 10-19 from shard 0 to shard 1: .* does not have the topology yet/);
  scene.takePush(push);
  look(scene);
  scene.commit();
  only(scene.decide(), 'migrate');
  expect(waitingFor(scene)).toMatch(/the word of the source is awaited/);
});

test('both ends are looked at more often while it lasts', () => {
  const scene = running();
  expect(scene.decide().expectant).toEqual(new Set([source(scene), target(scene)]));
});

test('success of exactly this job is recorded in the very next version, and pushed to the target, then the source, then the rest', () => {
  const scene = running();
  expect(waitingFor(scene)).toMatch(/the job runs/);
  tellSource(scene, 'success');
  tellTarget(scene, 'success');
  look(scene);
  finished(scene);
  const order: string[][] = [];
  for (let wave = 0; wave < 3; wave += 1) {
    const pushes = actionsOf(scene.decide(), 'push');
    order.push(pushes.map((push) => push.node));
    for (const push of pushes) scene.takePush(push);
    scene.round();
  }
  expect(order).toEqual([
    [target(scene)],
    [source(scene)],
    [scene.id(0, 1), scene.id(1, 1), scene.id(2, 0), scene.id(2, 1)],
  ]);
  expect(scene.decide()).toMatchObject({ actions: [], problems: [] });
});

test('where the target stands is written down with the success: a replica without the slots is not enough for the next leader', () => {
  const scene = running();
  scene.set(target(scene), { sequence: 130 });
  tellSource(scene, 'success');
  tellTarget(scene, 'success');
  look(scene);
  const replica = scene.converged(scene.id(1, 1));
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationFinished' }]);
  expect(scene.facts.nodes.get(target(scene))).toMatchObject({ sequence: 130, following: target(scene) });
  scene.changeLeader();
  scene.fail(target(scene), 'connectionRefused');
  scene.answers.set(scene.id(1, 1), { ...replica, sequence: 110, link: 'down' });
  scene.rounds(5);
  const { actions, problems } = scene.decide();
  expect(actions.filter(({ kind }) => kind === 'commit')).toEqual([]);
  expect(problems.find(({ kind }) => kind === 'masterUnreachable')?.detail).toMatch(/No eligible replica/);
});

test('a new leader recognises a job that runs, and one that has ended, from the reports alone', () => {
  const scene = running();
  scene.changeLeader();
  look(scene);
  expect(waitingFor(scene)).toMatch(/the job runs/);
  tellSource(scene, 'success');
  scene.changeLeader();
  look(scene);
  finished(scene);
});

test('a new leader sends what the old one recorded but never sent', () => {
  const scene = planned();
  scene.commit();
  scene.changeLeader();
  expect(scene.decide().actions).toEqual([]);
  look(scene);
  only(scene.decide(), 'migrate');
});

test('success of other slots or to another node is not success of this job', () => {
  for (const change of [
    (scene: Scene) => tellSource(scene, 'success', slotRange(10, 18)),
    (scene: Scene) => tellSource(scene, 'success', RANGE, scene.id(2, 0)),
  ]) {
    const scene = running();
    change(scene);
    scene.set(target(scene), { targetJob: null });
    look(scene);
    expect(waitingFor(scene)).toMatch(/attempt 1 failed \(neither node knows of the job any more\)/);
  }
});

test('success the source remembers from an earlier move that was undone never counts: the migration is not even started', () => {
  const scene = planned();
  tellSource(scene, 'success', RANGE, target(scene), false);
  tellTarget(scene, 'success');
  look(scene);
  expect(givenUp(scene)).toMatch(/still remembers an earlier move of these slots/);
  expect(scene.problems()).toEqual(['slotsWriteForbidden']);
});

test('KC3: success the target remembers from an earlier move counts only after it was seen without, which is committed', () => {
  const scene = planned();
  tellTarget(scene, 'success');
  look(scene);
  scene.commit();
  expect(stageOf(scene)).toEqual({ kind: 'started', isTargetMarked: true });
  look(scene);
  const request = only(scene.decide(), 'migrate');
  scene.endMigrate(request);
  look(scene);
  expect(waitingFor(scene)).toMatch(/attempt 1 failed/);
  tellTarget(scene, 'start');
  look(scene);
  expect(scene.commit().reasons.map(({ kind }) => kind)).toEqual(['migrationStarted']);
  expect(stageOf(scene)).toEqual({ kind: 'started', isTargetMarked: false });
  tellTarget(scene, 'success');
  scene.changeLeader();
  look(scene);
  finished(scene);
});

test('the word of the target is enough when the source was restarted after the hand-over (facts section 5.5)', () => {
  const scene = running();
  scene.set(source(scene), { sourceJob: null });
  tellTarget(scene, 'success');
  look(scene);
  finished(scene);
});

test('the word of the target is enough when the source died for good without a replica to take over', () => {
  const scene = running();
  scene.fail(scene.id(0, 1));
  scene.fail(source(scene));
  tellTarget(scene, 'success');
  scene.rounds(2);
  expect(waitingFor(scene)).toMatch(/the word of the source is awaited/);
  scene.round();
  finished(scene);
});

test('the word of the target is enough as soon as nobody listens at the source: it is recorded before that is back and serves beside it', () => {
  const scene = running();
  scene.fail(source(scene), 'connectionRefused');
  scene.set(scene.id(0, 1), { link: 'down' });
  tellTarget(scene, 'success');
  look(scene);
  scene.probe(scene.id(0, 1));
  finished(scene);
});

test('that nobody listens there is a majority to say: a source that this controller alone does not reach may have failed its job, and takes writes', () => {
  for (const said of ['answered', 'refused'] as const) {
    const scene = running();
    scene.panel = { self: 1, voters: [[1, 2, 3]] };
    scene.fail(source(scene), 'connectionRefused');
    scene.set(scene.id(0, 1), { link: 'down' });
    tellTarget(scene, 'success');
    look(scene);
    scene.probe(scene.id(0, 1));
    expect(only(scene.decide(), 'inquire').nodes).toEqual([source(scene)]);
    expect(waitingFor(scene)).toMatch(/the word of the source is awaited/);
    const word = { observer: 2, kind: said, why: said, askedAtMs: scene.nowMs };
    const words = new Map([[source(scene), [word]]]);
    scene.tell({ kind: 'inquired', endedAtMs: scene.nowMs, words, isOver: true });
    if (said === 'refused') finished(scene);
    else expect(waitingFor(scene)).toMatch(/the word of the source is awaited/);
  }
});

test('a source that reports fail was never left by its clients, so the word of the target does not count then', () => {
  const scene = running();
  tellSource(scene, 'fail');
  tellTarget(scene, 'success');
  look(scene);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationCleared' }]);
  expect(stageOf(scene)).toEqual({ kind: 'started', isTargetMarked: true });
  scene.settleAtOnce();
  expect(waitingFor(scene)).toMatch(/attempt 1 failed \(the source reports a failed job\)/);
});

test('a success that shows after the failure, and after a look without it, is cleared once: no cleared mark is taken for forgotten', () => {
  const scene = running();
  tellSource(scene, 'fail');
  scene.set(target(scene), { targetJob: null });
  look(scene);
  expect(waitingFor(scene)).toMatch(/attempt 1 failed/);
  tellTarget(scene, 'success');
  look(scene);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationCleared' }]);
  scene.settleAtOnce();
  expect(waitingFor(scene)).toMatch(/attempt 1 failed/);
});

test('nothing is moved to a target that still holds an import open: the end of that connection would delete what has come since', () => {
  const open = /still takes in slots 30-39 from a source that sends none any more/;
  const before = planned();
  tellTarget(before, 'start', slotRange(30, 39));
  look(before);
  expect(waitingFor(before)).toMatch(open);
  tellTarget(before, 'error', slotRange(30, 39));
  look(before);
  expect(before.commit().reasons).toMatchObject([{ kind: 'migrationStarted' }]);
  const after = running();
  tellSource(after, 'fail');
  tellTarget(after, 'start');
  look(after);
  expect(after.commit().reasons).toMatchObject([{ kind: 'migrationCleared' }]);
  after.settleAtOnce();
  tellTarget(after, 'start');
  look(after);
  expect(waitingFor(after)).toMatch(/still takes in slots 10-19/);
  after.nowMs += 60_000;
  look(after);
  expect(waitingFor(after)).toMatch(/still takes in slots 10-19/);
  tellTarget(after, 'error');
  look(after);
  expect(only(after.decide(), 'migrate').attempt).toBe(2);
});

test('a success that a hung target may come to after its source was restarted, and takes writes again, is cleared before it shows', () => {
  const scene = running();
  scene.fail(target(scene), 'hang');
  look(scene);
  // Killed and started again: it has forgotten its job, and serves the slots.
  scene.set(source(scene), { sourceJob: null });
  look(scene);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationCleared' }]);
  tellTarget(scene, 'success');
  look(scene);
  // It came after what the target was told to forget it by.
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationCleared' }]);
});

test('a success that the target came to before it hung is recorded, although its source was restarted since', () => {
  const scene = running();
  tellTarget(scene, 'success');
  look(scene);
  scene.decide();
  scene.fail(target(scene), 'hang');
  scene.set(source(scene), { sourceJob: null });
  look(scene);
  scene.decide();
  tellTarget(scene, 'success');
  look(scene);
  finished(scene);
});

test('success is not recorded while the target is silent', () => {
  const scene = running();
  tellSource(scene, 'success');
  scene.fail(target(scene), 'hang');
  look(scene);
  expect(waitingFor(scene)).toMatch(/handed over, but the target does not answer/);
  scene.set(target(scene), { targetJob: null });
  look(scene);
  finished(scene);
});

test('KC2: a failed job is tried again after a pause, three times in all, then given up with the reason', () => {
  const scene = running();
  for (let failures = 1; failures <= 2; failures += 1) {
    tellSource(scene, 'fail');
    scene.set(target(scene), { targetJob: null });
    look(scene);
    const paused = scene.decide();
    expect(paused.actions).toEqual([]);
    expect(paused.wakeAtMs).toBe(scene.nowMs + 200 * failures);
    scene.nowMs = paused.wakeAtMs;
    const request = only(scene.decide(), 'migrate');
    expect(request.attempt).toBe(failures + 1);
    scene.endMigrate(request);
  }
  look(scene);
  expect(givenUp(scene)).toBe('it failed: the source reports a failed job');
  expect(scene.decide().actions).toEqual([]);
});

test('"already a migrating job" is tried again and is no failure (facts section 5.2)', () => {
  const scene = planned();
  scene.commit();
  for (let index = 0; index < 5; index += 1) {
    scene.endMigrate(only(scene.decide(), 'migrate'), 'migrationRunning');
    look(scene);
    scene.nowMs = scene.decide().wakeAtMs;
  }
  expect(only(scene.decide(), 'migrate').attempt).toBe(1);
});

test('another job at the source is waited for, before the start and after it', () => {
  const before = planned();
  tellSource(before, 'start', slotRange(0, 0));
  look(before);
  expect(waitingFor(before)).toMatch(/another job runs at the source/);
  const after = planned();
  after.commit();
  const request = only(after.decide(), 'migrate');
  after.endMigrate(request, 'migrationRunning');
  tellSource(after, 'start', slotRange(0, 0));
  look(after);
  expect(waitingFor(after)).toMatch(/another job runs at the source/);
});

test('"has been migrated" without a success to record cannot get better and is given up at once', () => {
  const scene = planned();
  scene.commit();
  scene.endMigrate(only(scene.decide(), 'migrate'), 'alreadyMigrated');
  look(scene);
  expect(givenUp(scene)).toBe('it failed: alreadyMigrated: alreadyMigrated');
});

test('a MIGRATE that timed out is looked for before it is repeated', () => {
  for (const [state, isFound] of [
    ['start', true],
    ['none', false],
  ] as const) {
    const scene = planned();
    scene.commit();
    scene.endMigrate(only(scene.decide(), 'migrate'), 'timedOut');
    expect(waitingFor(scene)).toMatch(/the word of the source is awaited/);
    tellSource(scene, state);
    tellTarget(scene, state);
    look(scene);
    expect(waitingFor(scene)).toMatch(isFound ? /the job runs/ : /attempt 1 failed \(timedOut/);
  }
});

test('KC1: no higher version goes to either end while a job may run or its success is not recorded, others get it (facts sections 5.4, 11)', () => {
  for (const state of ['start', 'success'] as const) {
    const scene = running();
    tellSource(scene, state);
    if (state === 'success') scene.fail(target(scene), 'hang');
    scene.cluster = valueOf(clusterWithVersion(scene.cluster, 5));
    scene.round();
    const pushed = actionsOf(scene.decide(), 'push').map((push) => push.node);
    expect(new Set(pushed)).toEqual(
      new Set([scene.id(0, 1), scene.id(1, 1), scene.id(2, 0), scene.id(2, 1)]),
    );
  }
});

test('between MIGRATE and the next look both ends are left alone, too; once the job is seen to be over they get what they missed', () => {
  const scene = planned();
  scene.commit();
  const request = only(scene.decide(), 'migrate');
  scene.cluster = valueOf(clusterWithVersion(scene.cluster, 5));
  expect(actionsOf(scene.decide(), 'push').map((push) => push.node)).not.toContain(source(scene));
  scene.endMigrate(request);
  tellSource(scene, 'fail');
  look(scene);
  const ends = actionsOf(scene.decide(), 'push');
  expect(ends.map((push) => push.node)).toEqual([source(scene), target(scene)]);
  for (const push of ends) scene.takePush(push);
  scene.round();
  expect(actionsOf(scene.decide(), 'migrate')).toMatchObject([{ attempt: 2 }]);
});

test('a fault of the source at our version does not raise the version while its job may run', () => {
  const scene = running();
  scene.set(source(scene), { id: null });
  look(scene);
  expect(waitingFor(scene)).toMatch(/the job runs/);
});

test('a job nobody recorded is told and its ends are left alone while it runs', () => {
  const scene = new Scene(3, 1);
  scene.rounds(2);
  scene.set(scene.id(0, 0), {
    sourceJob: { range: RANGE, destination: scene.id(1, 0), state: 'start', isInEffect: null },
  });
  scene.round();
  expect(scene.problems()).toEqual(['unknownJob']);
  scene.cluster = valueOf(clusterWithVersion(scene.cluster, 5));
  expect(actionsOf(scene.decide(), 'push').map((push) => push.node)).toEqual([scene.id(2, 0)]);
});

test('a job toward a node that is no longer a master holds nobody: it was given up, and the push ends it', () => {
  const scene = new Scene(3, 2);
  scene.rounds(2);
  scene.set(scene.id(0, 0), {
    sourceJob: { range: RANGE, destination: scene.id(1, 1), state: 'start', isInEffect: null },
  });
  scene.round();
  scene.cluster = valueOf(clusterWithVersion(scene.cluster, 5));
  expect(actionsOf(scene.decide(), 'push')).toHaveLength(6);
});

test('a dead end of a migration is not looked at more often', () => {
  const scene = running();
  scene.fail(source(scene));
  scene.fail(scene.id(0, 1));
  scene.rounds(3);
  expect(scene.decide().expectant).toEqual(new Set([target(scene)]));
});

test('an end that came back without a topology has no job and is told, a target once its source has noticed', () => {
  const scene = running();
  const lost = { id: null, version: -1, role: 'master', targetJob: null } as const;
  scene.set(target(scene), lost);
  look(scene);
  expect(waitingFor(scene)).toMatch(/the job runs/);
  tellSource(scene, 'fail');
  look(scene);
  expect(only(scene.decide(), 'push')).toMatchObject({ node: target(scene), id: target(scene) });
  const other = running();
  other.set(source(other), { ...lost, sourceJob: null });
  look(other);
  expect(only(other.decide(), 'push')).toMatchObject({ node: source(other), id: source(other) });
});

test('a migration whose end is dead is given up, planned or settled', () => {
  const before = planned();
  before.fail(target(before));
  before.fail(before.id(1, 1));
  before.rounds(3);
  expect(givenUp(before)).toMatch(/does not answer/);
  const after = running();
  after.fail(target(after));
  after.fail(after.id(1, 1));
  tellSource(after, 'fail');
  after.rounds(3);
  expect(givenUp(after, 1)).toMatch(/the target .* does not answer/);
  const lost = running();
  lost.fail(source(lost));
  lost.fail(lost.id(0, 1));
  lost.rounds(3);
  expect(waitingFor(lost)).toMatch(/the source .* does not answer/);
  tellTarget(lost, 'error');
  look(lost);
  expect(givenUp(lost, 1)).toMatch(/the target has not taken the slots over/);
});

test('a failover of a shard that takes no part goes on, and its version is held back from both ends', () => {
  const scene = running();
  scene.fail(scene.id(2, 0));
  scene.rounds(3);
  expect(scene.commit().reasons.map(({ kind }) => kind)).toEqual(['failover']);
  expect(migrationsOf(scene.cluster)).toHaveLength(1);
  const first = only(scene.decide(), 'push');
  expect(first.node).toBe(scene.id(2, 1));
  scene.takePush(first);
  scene.round();
  expect(actionsOf(scene.decide(), 'push').map((push) => push.node)).toEqual([
    scene.id(0, 1),
    scene.id(1, 1),
  ]);
});

test('a planned migration survives the failover of its source', () => {
  const scene = planned();
  scene.set(target(scene), { version: 0 });
  scene.fail(source(scene));
  scene.rounds(3);
  expect(scene.commit().reasons.map(({ kind }) => kind)).toEqual(['failover']);
  expect(migrationsOf(scene.cluster)).toHaveLength(1);
});

type Tell = (scene: Scene) => void;

/** What happens when the source (first column) or target dies, by what both last said. Row: tellings before death, tellings after, outcome. */
const DEATHS: [string, 'source' | 'target', Tell, string][] = [
  [
    'source died, target has success',
    'source',
    (scene) => tellTarget(scene, 'success'),
    'migrationFinished,failover',
  ],
  [
    'source died, target reports error',
    'source',
    (scene) => tellTarget(scene, 'error'),
    'migrationGivenUp,failover',
  ],
  ['source died, target still importing', 'source', () => {}, 'migrationGivenUp,failover'],
  [
    'source died, target was restarted',
    'source',
    (scene) => scene.set(target(scene), { targetJob: null }),
    'migrationGivenUp,failover',
  ],
  [
    'source died, target is loading',
    'source',
    (scene) => scene.fail(target(scene), 'loading'),
    'migrationGivenUp,failover',
  ],
  [
    'target died, source reports fail',
    'target',
    (scene) => tellSource(scene, 'fail'),
    'migrationGivenUp,failover',
  ],
  [
    'target died, source was restarted',
    'target',
    (scene) => scene.set(source(scene), { sourceJob: null }),
    'migrationGivenUp,failover',
  ],
  [
    'target died, source has success',
    'target',
    (scene) => tellSource(scene, 'success'),
    'migrationGivenUp,failover',
  ],
  [
    'target died, source is loading',
    'target',
    (scene) => scene.fail(source(scene), 'loading'),
    'migrationGivenUp,failover',
  ],
];

for (const [label, victim, tell, outcome] of DEATHS) {
  test(`${label}: ${outcome} in one commit`, () => {
    const scene = running();
    const dead = victim === 'source' ? source(scene) : target(scene);
    scene.settings = { ...scene.settings, restartGraceMs: 800 };
    scene.fail(dead, 'connectionRefused');
    scene.set(scene.id(victim === 'source' ? 0 : 1, 1), { link: 'down' });
    tell(scene);
    scene.rounds(3);
    const action = scene.commit();
    expect(action.reasons.map(({ kind }) => kind).join(',')).toBe(outcome);
    const shardIndex = victim === 'source' ? 0 : 1;
    expect(masterOf(action.next.shards[shardIndex]!).id).toBe(scene.id(shardIndex, 1));
    const isFinish = outcome.startsWith('migrationFinished');
    expect(printSlotSet(action.next.shards[1]!.slots)[0]).toBe(isFinish ? '10-19' : '5461-10921');
  });
}

/** The source is silent, and the target has said that it has the slots: that is recorded, and the source replaced. */
function recordedInSilence(): Scene {
  const scene = running();
  tellTarget(scene, 'success');
  scene.fail(source(scene), 'hang');
  scene.rounds(3);
  const action = scene.commit();
  expect(action.reasons).toMatchObject([{ kind: 'migrationFinished' }, { kind: 'failover' }]);
  return scene;
}

/** Slots 10-19 are the source's again; whoever is master there has a copy of them. */
function takenBack(scene: Scene): void {
  const action = scene.commit();
  expect(action.reasons).toMatchObject([
    { kind: 'handOverUndone', sourceIndex: 0, targetIndex: 1, slots: '10-19', text: /took it back/ },
  ]);
  const slots = action.next.shards.map((shard) => printSlotSet(shard.slots).join(' '));
  expect(slots.slice(0, 2)).toEqual(['0-5460', '5461-10921']);
}

test('slots that a silent source took back before the target knew them as its own come back to its shard', () => {
  const scene = recordedInSilence();
  tellTarget(scene, 'error');
  scene.probe(target(scene));
  takenBack(scene);
});

test('also where the target could not be told for long, and then deletes them', () => {
  const scene = recordedInSilence();
  for (let round = 0; round < 8; round += 1) {
    for (const push of actionsOf(scene.decide(), 'push')) {
      if (push.node === target(scene)) scene.endPush(push, 'timedOut');
      else scene.takePush(push);
    }
    scene.round();
  }
  expect(masterOf(scene.cluster.shards[0]!).id).toBe(scene.id(0, 1));
  tellTarget(scene, 'error');
  scene.probe(target(scene));
  takenBack(scene);
});

test('a target that was told that they are its own refuses that: what it says of an import then is of another one', () => {
  const scene = recordedInSilence();
  scene.settle();
  tellTarget(scene, 'error');
  scene.rounds(1);
  expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
});

test.each([
  [119, 'migrationGivenUp', '0-5460'],
  [120, 'migrationFinished', '0-9 20-5460'],
] as const)(
  'when both hang after the hand-over, the slots go with the replica of the target if it has all of them: %i of 120',
  (sequence, kind, left) => {
    const scene = running();
    tellTarget(scene, 'success');
    scene.set(target(scene), { sequence: 120 });
    look(scene);
    scene.fail(source(scene), 'hang');
    scene.fail(target(scene), 'hang');
    scene.set(scene.id(1, 1), { sequence });
    scene.rounds(3);
    const { reasons, next } = scene.commit();
    expect(reasons).toMatchObject([{ kind }, { kind: 'failover', from: target(scene) }]);
    expect(printSlotSet(next.shards[0]!.slots).join(' ')).toBe(left);
    scene.glance(source(scene));
    scene.probe(scene.id(0, 1));
    expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', from: source(scene) }]);
  },
);

test('when both hang after the hand-over and the target has no replica, it is waited for: nobody else has what it took', () => {
  const scene = running();
  tellTarget(scene, 'success');
  look(scene);
  for (const id of [source(scene), target(scene), scene.id(1, 1)]) scene.fail(id, 'hang');
  scene.rounds(4);
  const { actions, problems } = scene.decide();
  expect(actions).toEqual([]);
  expect(problems.map(({ detail }) => detail).join(' ')).toMatch(
    /the slots were handed over to .*, which does not answer: bring it back; or give the move up/,
  );
});

test('source reported success and died while the target was silent for a moment: finished with the promotion', () => {
  const scene = running();
  tellSource(scene, 'success');
  look(scene);
  scene.fail(source(scene));
  scene.set(target(scene), { targetJob: null });
  scene.rounds(3);
  expect(scene.commit().reasons.map(({ kind }) => kind)).toEqual(['migrationFinished', 'failover']);
});

test('target died after a success reported without a sequence: the complete copy at the source is kept', () => {
  const scene = running();
  tellTarget(scene, 'success');
  scene.set(target(scene), { sequence: null });
  look(scene);
  scene.fail(target(scene));
  tellSource(scene, 'success');
  scene.rounds(3);
  expect(scene.commit().reasons.map(({ kind }) => kind)).toEqual(['migrationGivenUp', 'failover']);
});

test('source reported success and died: the target, once it answers, keeps the slots', () => {
  const scene = running();
  tellSource(scene, 'success');
  scene.fail(target(scene), 'hang');
  look(scene);
  scene.fail(source(scene));
  scene.rounds(1);
  scene.set(target(scene), { targetJob: null });
  scene.round();
  finished(scene);
});

test('target died after success, and its replica has reached the sequence of the success: the slots go with it', () => {
  const scene = running();
  tellSource(scene, 'start');
  tellTarget(scene, 'success');
  scene.set(target(scene), { sequence: 120 });
  look(scene);
  scene.fail(target(scene));
  tellSource(scene, 'success');
  scene.set(scene.id(1, 1), { sequence: 120 });
  scene.rounds(3);
  expect(scene.commit().reasons.map(({ kind }) => kind)).toEqual(['migrationFinished', 'failover']);
});

test('target died after success, its replica behind: the complete copy at the source is kept', () => {
  const scene = running();
  tellTarget(scene, 'success');
  scene.set(target(scene), { sequence: 120 });
  look(scene);
  scene.fail(target(scene));
  tellSource(scene, 'success');
  scene.set(scene.id(1, 1), { sequence: 119 });
  scene.rounds(3);
  const action = scene.commit();
  expect(action.reasons.map(({ kind }) => kind)).toEqual(['migrationGivenUp', 'failover']);
  expect(action.reasons).toMatchObject([
    { text: expect.stringMatching(/its replica is not known to have all data/) },
    {},
  ]);
});

test('a target that is dead for us but not for the source is not replaced at once', () => {
  const scene = running();
  scene.fail(target(scene), 'hang');
  scene.rounds(3);
  const decision = scene.decide();
  expect(decision.actions).toEqual([]);
  expect(decision.problems.map(({ detail }) => detail).join(' ')).toMatch(
    /Waiting for the migration: the source still copies/,
  );
  scene.rounds(16);
  expect(scene.commit().reasons.map(({ kind }) => kind)).toEqual(['migrationGivenUp', 'failover']);
});

test('when both ends fall silent, nothing is settled before both are down; then the complete copy is kept', () => {
  const scene = running();
  scene.fail(source(scene));
  scene.nowMs += INTERVAL_MS;
  scene.probe(source(scene));
  scene.fail(target(scene));
  scene.rounds(2);
  expect(
    scene
      .decide()
      .problems.map(({ detail }) => detail)
      .join(' '),
  ).toMatch(/the target has not said yet/);
  scene.round();
  const action = scene.commit();
  expect(action.reasons.map(({ kind }) => kind)).toEqual(['migrationGivenUp', 'failover', 'failover']);
  expect(action.next.shards.slice(0, 2).map((shard) => masterOf(shard).id)).toEqual([
    scene.id(0, 1),
    scene.id(1, 1),
  ]);
});

test.each([
  ['cannot be asked', 'passwordRequired', /cannot be asked \(passwordRequired\)/],
  ['does not answer', 'hang', /were handed over to .*, which does not answer/],
] as const)(
  'slots that may be with a target that %s keep the source in office until somebody gives the move up',
  (_, kind, why) => {
    const scene = running();
    tellSource(scene, 'success');
    scene.fail(scene.id(1, 1));
    scene.fail(target(scene), kind);
    scene.round();
    scene.fail(source(scene));
    scene.rounds(3);
    const decision = scene.decide();
    expect(decision.actions).toEqual([]);
    expect(decision.problems.map(({ detail }) => detail).join(' ')).toMatch(why);
    expect(decision.problems.map(({ detail }) => detail).join(' ')).toMatch(/migrate\/cancel/);
    scene.cluster = valueOf(cancelMigration(scene.cluster, 0));
    expect(scene.commit().reasons.map(({ kind: reason }) => reason)).toEqual([
      'migrationGivenUp',
      'failover',
    ]);
  },
);

test('when the target falls silent first, the source is waited for in the same way', () => {
  const scene = running();
  scene.fail(target(scene));
  scene.nowMs += INTERVAL_MS;
  scene.probe(target(scene));
  scene.fail(source(scene));
  scene.rounds(2);
  expect(
    scene
      .decide()
      .problems.map(({ detail }) => detail)
      .join(' '),
  ).toMatch(/the source has not said yet/);
  scene.round();
  expect(scene.commit().reasons.map(({ kind }) => kind)).toEqual([
    'migrationGivenUp',
    'failover',
    'failover',
  ]);
});

test('an end that was not asked since the other failed is asked first', () => {
  for (const [dead, living, why] of [
    [source, target, /the target was not asked since the source failed/],
    [target, source, /the source was not asked since the target failed/],
  ] as const) {
    const scene = running();
    scene.settings = { ...scene.settings, maxPingCount: 1 };
    scene.fail(dead(scene));
    scene.nowMs += INTERVAL_MS;
    scene.probe(dead(scene));
    scene.probe(dead === source ? scene.id(0, 1) : scene.id(1, 1));
    expect(
      scene
        .decide()
        .problems.map(({ detail }) => detail)
        .join(' '),
    ).toMatch(why);
    expect(scene.decide().expectant).toContain(living(scene));
  }
});

test('a migration that follows another of the same shard starts with a clean count', () => {
  const scene = running();
  tellSource(scene, 'fail');
  scene.set(target(scene), { targetJob: null });
  look(scene);
  scene.decide();
  const next = { ...migrationsOf(scene.cluster)[0]!.migration, startedAtSeconds: NOW_SECONDS + 1 };
  const shards = scene.cluster.shards.map((shard, index) =>
    index === 0 ? { ...shard, migration: next } : shard,
  );
  scene.cluster = { ...scene.cluster, shards };
  expect(only(scene.decide(), 'migrate').attempt).toBe(1);
});

/** The slots were handed over, and the target is back on a new disk before that was recorded. */
function targetEmptied(scene: Scene): void {
  tellSource(scene, 'success');
  scene.set(target(scene), { ...FRESH, targetJob: null });
}

test('KA3: a hand-over is not recorded for a target that is back on a new disk: the copy at the source is kept', () => {
  const scene = running();
  // What the target had by its import was not seen, so that nothing shows a fall of its sequence.
  scene.changeLeader();
  scene.facts = initialFacts(scene.cluster);
  targetEmptied(scene);
  scene.set(scene.id(1, 1), { sequence: 0 });
  scene.round();
  expect(givenUp(scene, 1)).toMatch(/the target has lost its data; the copy at the source is kept/);
  expect(scene.cluster.shards.map(({ slots }) => printSlotSet(slots))).toEqual([
    ['0-5460'],
    ['5461-10921'],
    ['10922-16383'],
  ]);
});

test('such a target is told nothing before that is decided: with a topology it would look like one that has the slots', () => {
  const scene = running();
  scene.changeLeader();
  scene.facts = initialFacts(scene.cluster);
  scene.set(target(scene), { ...FRESH, targetJob: null });
  scene.set(scene.id(1, 1), { sequence: 0 });
  scene.round();
  expect(waitingFor(scene)).toMatch(/the job runs/);
  tellSource(scene, 'success');
  look(scene);
  expect(givenUp(scene, 1)).toMatch(/has lost its data/);
});

test('a hand-over is recorded only on a word of the target from after it was known', () => {
  const scene = running();
  tellSource(scene, 'success');
  tellTarget(scene, 'success');
  scene.nowMs += 10;
  scene.probe(target(scene));
  scene.probe(source(scene));
  expect(waitingFor(scene)).toMatch(/the target is asked since the hand-over/);
  look(scene);
  finished(scene);
});

test('a source that reported success and was restarted has handed the slots over all the same', () => {
  const scene = running();
  tellSource(scene, 'success');
  scene.fail(target(scene));
  scene.round();
  expect(waitingFor(scene)).toMatch(/handed over, but the target does not answer/);
  scene.set(source(scene), { sourceJob: null });
  scene.fail(scene.id(1, 1));
  scene.rounds(3);
  expect(waitingFor(scene)).toMatch(/handed over, but the target does not answer/);
  scene.set(target(scene), { targetJob: null });
  scene.round();
  finished(scene);
});

test('a target that took the slots over and was restarted has them all the same: what was written to it is the newest', () => {
  const scene = running();
  tellTarget(scene, 'success');
  scene.fail(source(scene), 'hang');
  scene.round();
  expect(waitingFor(scene)).toMatch(/the word of the source is awaited/);
  scene.set(target(scene), { targetJob: null });
  scene.rounds(3);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationFinished' }, { kind: 'failover' }]);
});

test('but not once the source has said that it failed: that one goes on with all data', () => {
  const scene = running();
  tellTarget(scene, 'success');
  scene.fail(source(scene), 'hang');
  scene.round();
  expect(waitingFor(scene)).toMatch(/the word of the source is awaited/);
  tellSource(scene, 'fail');
  scene.set(target(scene), { targetJob: null });
  scene.round();
  expect(waitingFor(scene)).toMatch(/attempt 1 failed/);
  scene.fail(source(scene), 'hang');
  scene.rounds(4);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationGivenUp' }, { kind: 'failover' }]);
});

test('slots that were handed over to a target that is gone for good come back when somebody cancels', () => {
  const scene = running();
  tellSource(scene, 'success');
  scene.fail(target(scene));
  scene.fail(scene.id(1, 1));
  scene.rounds(4);
  expect(waitingFor(scene)).toMatch(/handed over, but the target does not answer/);
  scene.cluster = valueOf(cancelMigration(scene.cluster, 0));
  expect(givenUp(scene, 1)).toMatch(/the copy at the source is kept/);
});

test('a replica that may have what its emptied master took over is awaited, until somebody cancels', () => {
  const scene = running();
  targetEmptied(scene);
  scene.fail(scene.id(1, 1), 'loading');
  scene.round();
  expect(waitingFor(scene)).toMatch(/a replica of it may have them/);
  scene.cluster = valueOf(cancelMigration(scene.cluster, 0));
  expect(givenUp(scene, 1)).toMatch(/the copy at the source is kept/);
});

test('a cancelled job whose source vanished ends once the target was told, although the target says for ever that it imports', () => {
  const scene = running();
  for (const index of [0, 1]) scene.fail(scene.id(0, index), 'hang');
  scene.rounds(6);
  scene.cluster = valueOf(cancelMigration(scene.cluster, 0));
  const pushes = actionsOf(scene.decide(), 'push');
  expect(pushes.map(({ node }) => node)).toContain(target(scene));
  expect(pushes.map(({ node }) => node)).not.toContain(source(scene));
  expect(migrationsOf(scene.cluster)).toHaveLength(1);
  for (const push of pushes) scene.takePush(push);
  tellTarget(scene, 'start');
  look(scene);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationGivenUp', slots: '10-19' }]);
  expect(migrationsOf(scene.cluster)).toEqual([]);
});

test('after that the source is told at once, and its target only when the source serves its copy again', () => {
  const scene = running();
  scene.changeLeader();
  scene.facts = initialFacts(scene.cluster);
  targetEmptied(scene);
  scene.set(scene.id(1, 1), { sequence: 0 });
  scene.round();
  givenUp(scene, 1);
  const told: string[] = [];
  for (let wave = 0; wave < 4; wave += 1) {
    for (const push of actionsOf(scene.decide(), 'push')) {
      told.push(push.node);
      scene.takePush(push);
      if (push.node === source(scene)) tellSource(scene, 'success', RANGE, target(scene), false);
    }
    scene.round();
  }
  expect(told.indexOf(source(scene))).toBeGreaterThanOrEqual(0);
  expect(told.indexOf(target(scene))).toBeGreaterThan(told.indexOf(source(scene)));
  expect(scene.problems()).toContain('slotsWriteForbidden');
  expect(scene.problems()).not.toContain('unrecordedHandOver');
});
