import { expect, test } from 'vitest';

import { chooseByHand } from '../../../src/control/failover-by-hand.ts';
import { NO_MEMORY } from '../../../src/control/memory.ts';
import type { SourceJob, TargetJob } from '../../../src/control/observation.ts';
import { PROBLEMS } from '../../../src/control/problems.ts';
import { lookAt } from '../../../src/control/situation.ts';
import { createSeededRandom } from '../../../src/base/random.ts';
import { Secret } from '../../../src/base/secret.ts';
import { addShard } from '../../../src/topology/change-nodes.ts';
import { factsFor, withReadMasters } from '../../../src/topology/facts.ts';
import { cancelMigration, startMigration } from '../../../src/topology/change-slots.ts';
import { clusterWithVersion, migrationsOf } from '../../../src/topology/cluster.ts';
import { parseNodeId } from '../../../src/topology/node.ts';
import { printSlotSet, slotRange } from '../../../src/topology/slot.ts';
import { NOW_SECONDS, sampleCluster, valueOf } from '../topology/arbitrary.ts';
import { FRESH, Scene, actionsOf, only } from './scene.ts';

const RANGE = slotRange(10, 19);

function settled(): Scene {
  const scene = new Scene(3, 2);
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  return scene;
}

/** Slots 10-19 are being moved from shard 0 to shard 1 by a recorded migration; MIGRATE was accepted. */
function running(): Scene {
  const scene = settled();
  scene.cluster = valueOf(
    startMigration(scene.cluster, { range: RANGE, targetIndex: 1, nowSeconds: NOW_SECONDS }),
  );
  scene.commit();
  scene.endMigrate(only(scene.decide(), 'migrate'));
  tell(scene, 'start', 'start');
  return scene;
}

function tell(scene: Scene, source: SourceJob['state'], target: TargetJob['state'] | null): void {
  tellSource(scene, source, source === 'success' ? true : null);
  scene.set(scene.id(1, 0), { targetJob: target === null ? null : { range: RANGE, state: target } });
  scene.round();
}

function tellSource(scene: Scene, state: SourceJob['state'], isInEffect: boolean | null): void {
  scene.set(scene.id(0, 0), {
    sourceJob: { range: RANGE, destination: scene.id(1, 0), state, isInEffect },
  });
}

function cancel(scene: Scene): void {
  scene.cluster = valueOf(cancelMigration(scene.cluster, 0));
}

function slotsOf(scene: Scene): string[] {
  return scene.cluster.shards.slice(0, 2).map((shard) => printSlotSet(shard.slots).join(' '));
}

const MOVED = ['0-9 20-5460', '10-19 5461-10921'];
const UNMOVED = ['0-5460', '5461-10921'];

function details(scene: Scene, kind: string): string[] {
  const decision = scene.decide();
  expect(actionsOf(decision, 'commit')).toEqual([]);
  return decision.problems.filter((problem) => problem.kind === kind).map(({ detail }) => detail);
}

function ends(scene: Scene): string[] {
  return [scene.id(0, 0), scene.id(1, 0)];
}

test('KC1: a hand-over by hand that both ends report is recorded, and the target is told first', () => {
  const scene = settled();
  tell(scene, 'success', 'success');
  expect(scene.commit().reasons).toMatchObject([
    {
      kind: 'migrationFinished',
      sourceIndex: 0,
      targetIndex: 1,
      slots: '10-19',
      text: expect.stringMatching(/without a recorded migration, and both say so/),
    },
  ]);
  expect(slotsOf(scene)).toEqual(MOVED);
  expect(actionsOf(scene.decide(), 'push').map(({ node }) => node)).toEqual([scene.id(1, 0)]);
  expect(scene.problems()).toEqual([]);
});

test('KC1: it is recorded before any other change reaches an end', () => {
  const scene = settled();
  tell(scene, 'success', 'success');
  scene.cluster = valueOf(clusterWithVersion(scene.cluster, 5));
  expect(scene.commit().next.version).toBe(6);
  expect(slotsOf(scene)).toEqual(MOVED);
});

test('KC1: one that is not proven holds both ends and names the one call that is right', () => {
  expect(PROBLEMS.unrecordedHandOver.severity).toBe('critical');
  for (const target of [null, 'error', 'start'] as const) {
    const scene = settled();
    tell(scene, 'success', target);
    const [detail] = details(scene, 'unrecordedHandOver');
    expect(detail).toMatch(
      /must not be restarted while .*\/migrate \{"slot":"10-19","target":1,"slot_only":true\}/,
    );
    scene.cluster = valueOf(clusterWithVersion(scene.cluster, 5));
    const told = actionsOf(scene.decide(), 'push').map(({ node }) => node);
    expect(told).toHaveLength(4);
    for (const end of ends(scene)) expect(told).not.toContain(end);
  }
});

test('a master that came back bare is told who it is only once every other was looked at since: it may have been a target', () => {
  for (const hasHandedOver of [true, false]) {
    const scene = new Scene(2, 1);
    const target = scene.id(1, 0);
    scene.set(target, { sequence: 0 });
    scene.rounds(2);
    expect(scene.decide().actions).toEqual([]);
    if (hasHandedOver) tellSource(scene, 'success', true);
    scene.set(target, FRESH);
    scene.probe(target);
    expect(scene.decide().actions).toEqual([]);
    scene.probe(scene.id(0, 0));
    const decision = scene.decide();
    expect(actionsOf(decision, 'push').map(({ node }) => node)).toEqual(hasHandedOver ? [] : [target]);
    const told = decision.problems.filter(({ kind }) => kind === 'unrecordedHandOver');
    expect(told.map(({ detail }) => detail.includes('/shards/1/failover'))).toEqual(
      hasHandedOver ? [true] : [],
    );
  }
});

test('a bare master is held also by a leader that never saw it otherwise, and while another hangs, which is told; not for one whose process is gone', () => {
  for (const kind of ['hang', 'connectionRefused'] as const) {
    const scene = new Scene(2, 1);
    const [source, target] = [scene.id(0, 0), scene.id(1, 0)];
    scene.set(target, { sequence: 0 });
    scene.rounds(2);
    expect(scene.decide().actions).toEqual([]);
    scene.memory = NO_MEMORY;
    scene.fail(source, kind);
    scene.set(target, FRESH);
    scene.rounds(5);
    const pushed = actionsOf(scene.decide(), 'push').map(({ node }) => node);
    expect(pushed).toEqual(kind === 'hang' ? [] : [target]);
    if (kind !== 'hang') continue;
    expect(details(scene, 'notConverged')).toEqual([
      expect.stringMatching(/may have handed slots over to it.*accept this one.*shards\/1\/failover/),
    ]);
    // Of a host that is gone for good nobody can end a process: somebody who knows better says so.
    const choice = { shardIndex: 1, preferred: target, askedAtMs: 0, floor: 0, canDrain: true };
    expect(chooseByHand(lookAt(scene), { ...choice, isForced: false })).toMatchObject({ ok: false });
    expect(chooseByHand(lookAt(scene), { ...choice, isForced: true })).toMatchObject({
      ok: true,
      value: { isAcceptance: true, newMaster: target },
    });
    scene.answers.set(source, scene.converged(source));
    tellSource(scene, 'success', true);
    scene.round();
    expect(actionsOf(scene.decide(), 'push')).toEqual([]);
    expect(details(scene, 'unrecordedHandOver')).toEqual([expect.stringContaining('/shards/1/failover')]);
  }
});

test('a bare master is held also by a new leader that decides before all first looks have ended', () => {
  const scene = new Scene(2, 1);
  const [source, target] = [scene.id(0, 0), scene.id(1, 0)];
  scene.set(target, { sequence: 0 });
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  scene.memory = NO_MEMORY;
  scene.fail(source, 'hang');
  scene.set(target, FRESH);
  scene.probe(source);
  expect(actionsOf(scene.decide(), 'push')).toEqual([]);
  scene.rounds(2);
  expect(actionsOf(scene.decide(), 'push')).toEqual([]);
});

test('a new shard is told who it is while another master hangs: nobody has handed anything over to it', () => {
  const scene = new Scene(1, 1);
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  scene.fail(scene.id(0, 0), 'hang');
  const added = sampleCluster(2, 1).shards[1]!;
  scene.cluster = valueOf(
    addShard(scene.cluster, {
      addresses: added.nodes.map(({ address }) => address),
      password: Secret.none,
      random: createSeededRandom(7),
      nowSeconds: scene.nowSeconds,
    }),
  );
  const newcomer = scene.id(1, 0);
  const read = new Map([[newcomer, 0]]);
  scene.facts = withReadMasters(
    factsFor(scene.facts, scene.cluster),
    scene.cluster.shards,
    read,
    scene.nowSeconds,
  );
  scene.decide();
  scene.answers.set(newcomer, scene.converged(newcomer));
  scene.set(newcomer, FRESH);
  scene.rounds(1);
  expect(actionsOf(scene.decide(), 'push').map(({ node }) => node)).toEqual([newcomer]);
  // Seen in its place, and bare again: now it may have been a target.
  scene.answers.set(newcomer, { ...scene.converged(newcomer), sequence: 0 });
  scene.rounds(1);
  scene.decide();
  scene.set(newcomer, FRESH);
  scene.rounds(1);
  expect(actionsOf(scene.decide(), 'push')).toEqual([]);
});

test('a target without a write that was told who it is does not count as one that has the slots, and is accepted as it is by force', () => {
  const scene = new Scene(2, 1);
  scene.set(scene.id(1, 0), { sequence: 0 });
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  tellSource(scene, 'success', true);
  scene.round();
  expect(details(scene, 'unrecordedHandOver')).toEqual([expect.stringContaining('which came back empty')]);
  const target = scene.id(1, 0);
  const chosen = chooseByHand(lookAt(scene), {
    shardIndex: 1,
    preferred: target,
    isForced: true,
    askedAtMs: 0,
    floor: 0,
    canDrain: true,
  });
  expect(chosen).toMatchObject({ ok: true, value: { isAcceptance: true, newMaster: target } });
});

test('a target that answers only later is believed then', () => {
  const scene = settled();
  scene.fail(scene.id(1, 0), 'loading');
  tellSource(scene, 'success', true);
  scene.round();
  expect(details(scene, 'unrecordedHandOver')).toHaveLength(1);
  scene.set(scene.id(1, 0), { targetJob: { range: RANGE, state: 'success' } });
  scene.round();
  scene.commit();
  expect(slotsOf(scene)).toEqual(MOVED);
});

test('what came to a target by a move that nobody records, and whose source says that it failed, is not left with it', () => {
  const scene = settled();
  tell(scene, 'fail', 'success');
  expect(only(scene.decide(), 'push')).toMatchObject({
    node: scene.id(1, 0),
    isForced: true,
    why: expect.stringContaining('slots came to it that nobody moves there'),
  });
});

test('an import of other slots proves nothing', () => {
  const scene = settled();
  tellSource(scene, 'success', true);
  scene.set(scene.id(1, 0), { targetJob: { range: slotRange(10, 18), state: 'success' } });
  scene.round();
  expect(details(scene, 'unrecordedHandOver')).toHaveLength(1);
});

test('a success that a topology undid is no hand-over: the slots refuse writes, and that is told', () => {
  const scene = settled();
  tell(scene, 'success', 'success');
  tellSource(scene, 'success', false);
  scene.round();
  expect(scene.problems()).toEqual(['slotsWriteForbidden']);
  expect(scene.decide().actions).toEqual([]);
});

test('a success of which the node does not say whether it is in effect is neither recorded nor undone by a remedy', () => {
  const scene = settled();
  tell(scene, 'success', 'success');
  tellSource(scene, 'success', null);
  scene.round();
  expect(scene.decide()).toMatchObject({ actions: [], problems: [] });
});

test('the success of slots that the source gave away since is history', () => {
  const scene = settled();
  tell(scene, 'success', 'success');
  scene.commit();
  scene.settle();
  expect(scene.decide()).toMatchObject({ actions: [], problems: [] });
});

test('a migration of other slots is not begun over a hand-over that is not recorded: its next job would forget it', () => {
  const scene = settled();
  const range = slotRange(100, 109);
  scene.cluster = valueOf(startMigration(scene.cluster, { range, targetIndex: 1, nowSeconds: NOW_SECONDS }));
  tell(scene, 'success', 'success');
  expect(scene.commit().reasons).toMatchObject([
    { kind: 'migrationGivenUp', slots: '100-109', text: expect.stringMatching(/handed slots 10-19 over/) },
  ]);
  scene.commit();
  expect(slotsOf(scene)).toEqual(MOVED);
});

test('KC1: a source that hangs is waited for, however long: it may still carry out what it was sent', () => {
  const scene = running();
  scene.fail(scene.id(0, 0), 'hang');
  scene.fail(scene.id(0, 1));
  scene.set(scene.id(1, 0), { targetJob: null });
  scene.rounds(50);
  expect(details(scene, 'migrationWaiting')[0]).toMatch(/may still carry the move out when it goes on/);
});

test('KC1: when it goes on and succeeds, that counts', () => {
  const scene = running();
  scene.fail(scene.id(0, 0), 'hang');
  scene.fail(scene.id(0, 1));
  scene.rounds(20);
  expect(details(scene, 'migrationWaiting')).toHaveLength(1);
  tell(scene, 'success', 'success');
  scene.commit();
  expect(slotsOf(scene)).toEqual(MOVED);
});

test('KC1: a source whose process is gone cannot carry anything out: given up once the target was asked', () => {
  const scene = running();
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.fail(scene.id(0, 1));
  scene.set(scene.id(1, 0), { targetJob: { range: RANGE, state: 'error' } });
  scene.rounds(4);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationGivenUp' }]);
  expect(slotsOf(scene)).toEqual(UNMOVED);
});

test('KC1: what is said before the last MIGRATE ended is not taken for its outcome', () => {
  const scene = settled();
  scene.cluster = valueOf(
    startMigration(scene.cluster, { range: RANGE, targetIndex: 1, nowSeconds: NOW_SECONDS }),
  );
  scene.commit();
  const request = only(scene.decide(), 'migrate');
  tell(scene, 'fail', 'error');
  scene.rounds(5);
  expect(details(scene, 'migrationWaiting')[0]).toMatch(/the word of the source is awaited/);
  scene.endMigrate(request, 'timedOut');
  expect(details(scene, 'migrationWaiting')[0]).toMatch(/the word of the source is awaited/);
});

test.each(['success', 'error'] as const)(
  'KC2: a target that says %s when the source says fail may serve the slots: it hears a higher version before each attempt and at the end',
  (targetState) => {
    const scene = running();
    for (let attempt = 1; attempt <= 2; attempt += 1) {
      tell(scene, 'fail', targetState);
      expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationCleared' }]);
      expect(scene.cluster.version).toBe(1 + attempt);
      scene.settleAtOnce();
      expect(scene.memory.nodes.get(scene.id(1, 0))?.placedAt).toBe(1 + attempt);
      scene.nowMs += 1000;
      scene.endMigrate(only(scene.decide(), 'migrate'));
      tell(scene, 'start', 'start');
      for (const commit of actionsOf(scene.decide(), 'commit')) scene.endCommit(commit);
    }
    tell(scene, 'fail', targetState);
    const action = scene.commit();
    expect(action.reasons).toMatchObject([{ kind: 'migrationGivenUp' }]);
    expect(action.next.version).toBe(4);
    expect(actionsOf(scene.decide(), 'push').map(({ node }) => node)).toContain(scene.id(1, 0));
  },
);

test('KC2: a target that knows of no import has nothing to be told: the next attempt follows at the same version', () => {
  const scene = running();
  tell(scene, 'fail', 'start');
  scene.set(scene.id(1, 0), { targetJob: null });
  scene.round();
  expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
  scene.nowMs += 1000;
  only(scene.decide(), 'migrate');
});

test('KC2: the success of an attempt that failed counts no more, whatever becomes of the source, and that of the next one does', () => {
  const scene = running();
  tell(scene, 'fail', 'success');
  scene.commit();
  scene.settleAtOnce();
  scene.set(scene.id(0, 0), { sourceJob: null });
  scene.changeLeader();
  scene.round();
  const request = only(scene.decide(), 'migrate');
  expect(slotsOf(scene)).toEqual(UNMOVED);
  scene.endMigrate(request);
  tell(scene, 'start', 'start');
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationStarted' }]);
  scene.set(scene.id(0, 0), { sourceJob: null });
  scene.set(scene.id(1, 0), { targetJob: { range: RANGE, state: 'success' } });
  scene.round();
  expect(scene.commit().reasons.map(({ kind }) => kind)).toEqual(['migrationFinished']);
});

test('a source that said fail and was restarted keeps the slots: its clients never left it', () => {
  const scene = running();
  tell(scene, 'fail', 'success');
  scene.endCommit(only(scene.decide(), 'commit'), false);
  scene.set(scene.id(0, 0), { sourceJob: null });
  scene.round();
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationCleared' }]);
  expect(slotsOf(scene)).toEqual(UNMOVED);
});

test('KC2: slots that came to a node although nobody moves them there are taken back from it', () => {
  const scene = settled();
  scene.set(scene.id(1, 0), { targetJob: { range: RANGE, state: 'success' } });
  scene.round();
  const push = only(scene.decide(), 'push');
  expect(push).toMatchObject({ node: scene.id(1, 0), version: 1, isForced: true });
  expect(push.why).toMatch(/slots came to it that nobody moves there/);
  // The line of the success stays; the topology that it was told since has undone it.
  scene.takePush(push);
  scene.round();
  expect(scene.decide().actions).toEqual([]);
});

test('slots that a node handed over to one that has left the cluster since are served again', () => {
  const scene = settled();
  const destination = valueOf(parseNodeId('e'.repeat(40)));
  const sourceJob = { range: RANGE, destination, state: 'success', isInEffect: true } as const;
  scene.set(scene.id(0, 0), { sourceJob });
  scene.round();
  const push = only(scene.decide(), 'push');
  expect(push).toMatchObject({ node: scene.id(0, 0), version: 1, isForced: true });
  scene.takePush(push);
  scene.set(scene.id(0, 0), { sourceJob: { ...sourceJob, isInEffect: false } });
  scene.round();
  expect(actionsOf(scene.decide(), 'push')).toEqual([]);
});

test('KC2: that slots came to it once more is known from the word of the node that sent them', () => {
  const scene = settled();
  scene.set(scene.id(1, 0), { targetJob: { range: RANGE, state: 'success' } });
  scene.round();
  scene.takePush(only(scene.decide(), 'push'));
  scene.round();
  const old = scene.converged(scene.id(0, 0));
  scene.fail(scene.id(0, 0), 'hang');
  scene.rounds(4);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, 1) }]);
  scene.settle();
  // It goes on and carries out what it was sent before it was replaced.
  const sourceJob = {
    range: RANGE,
    destination: scene.id(1, 0),
    state: 'success',
    isInEffect: true,
  } as const;
  scene.answers.set(scene.id(0, 0), { ...old, sourceJob });
  scene.round();
  scene.takeIsolation(only(scene.decide(), 'push'));
  const [push] = actionsOf(scene.decide(), 'push');
  expect(push).toMatchObject({ node: scene.id(1, 0), version: 2, isForced: true });
  scene.takePush(push!);
  scene.probe(scene.id(1, 0));
  expect(actionsOf(scene.decide(), 'push')).toEqual([]);
});

test('a source that said its job failed took writes until it died: the target does not get the slots for an earlier success', () => {
  const replaced = running();
  tell(replaced, 'fail', 'success');
  replaced.commit();
  replaced.fail(replaced.id(0, 0), 'connectionRefused');
  replaced.rounds(4);
  expect(replaced.commit().reasons.map(({ kind }) => kind)).toEqual(['migrationGivenUp', 'failover']);
  expect(slotsOf(replaced)).toEqual(UNMOVED);

  const alone = running();
  tell(alone, 'fail', 'success');
  alone.commit();
  alone.fail(alone.id(0, 0), 'connectionRefused');
  alone.fail(alone.id(0, 1));
  alone.rounds(4);
  expect(alone.commit().reasons.map(({ kind }) => kind)).toEqual(['migrationGivenUp']);
  expect(slotsOf(alone)).toEqual(UNMOVED);
});

test('KC4: cancelled before anything was sent: it is gone at once, and nothing is told', () => {
  const scene = settled();
  scene.cluster = valueOf(
    startMigration(scene.cluster, { range: RANGE, targetIndex: 1, nowSeconds: NOW_SECONDS }),
  );
  cancel(scene);
  expect(migrationsOf(scene.cluster)).toEqual([]);
  expect(scene.decide()).toMatchObject({ actions: [], problems: [] });
});

test('KC4: cancelled while it runs: the target alone hears the higher version, and the end of the job at the source ends it', () => {
  const scene = running();
  cancel(scene);
  const told = actionsOf(scene.decide(), 'push');
  expect(told.map(({ node }) => node)).toContain(scene.id(1, 0));
  expect(told.map(({ node }) => node)).not.toContain(scene.id(0, 0));
  for (const push of told) scene.takePush(push);
  tell(scene, 'start', 'error');
  expect(details(scene, 'migrationWaiting')[0]).toMatch(/the word of the source is awaited/);
  tell(scene, 'fail', 'error');
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationGivenUp' }]);
  expect(slotsOf(scene)).toEqual(UNMOVED);
  scene.settle();
  expect(scene.problems()).toEqual([]);
});

test('cancelled too late: a success that came first counts', () => {
  const scene = running();
  cancel(scene);
  tell(scene, 'success', 'success');
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationFinished' }]);
  expect(slotsOf(scene)).toEqual(MOVED);
});

test('cancelled while its source was restarted: nobody has the job any more', () => {
  const scene = running();
  cancel(scene);
  scene.set(scene.id(0, 0), { sourceJob: null });
  scene.set(scene.id(1, 0), { targetJob: { range: RANGE, state: 'error' } });
  scene.round();
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationGivenUp' }]);
});

test('KC4: cancelled with a source that is away for good and has no replica: given up once the target was asked since', () => {
  const scene = running();
  scene.fail(scene.id(0, 0), 'hang');
  scene.fail(scene.id(0, 1));
  scene.set(scene.id(1, 0), { targetJob: { range: RANGE, state: 'error' } });
  scene.rounds(5);
  cancel(scene);
  const action = scene.commit();
  expect(action.reasons).toMatchObject([{ kind: 'migrationGivenUp' }]);
  expect(slotsOf(scene)).toEqual(UNMOVED);
});

test('KC4: cancelled with a target that is away for good and has no replica: given up when the source has noticed', () => {
  const scene = running();
  scene.fail(scene.id(1, 0), 'connectionRefused');
  scene.fail(scene.id(1, 1));
  scene.rounds(5);
  cancel(scene);
  expect(details(scene, 'migrationWaiting')[0]).toMatch(/is to notice that the target is away/);
  tellSource(scene, 'fail', null);
  scene.round();
  expect(scene.commit().reasons).toMatchObject([{ kind: 'migrationGivenUp' }]);
});

test('KC4: a job that runs for minutes is told with its figures and the way out', () => {
  const scene = running();
  for (let round = 0; round < 125; round += 1) {
    scene.set(scene.id(0, 0), { sequence: 1000 + round * 400 });
    scene.set(scene.id(1, 0), { sequence: 1000 + round * 100 });
    scene.round();
    scene.decide();
  }
  expect(details(scene, 'migrationSlow')[0]).toMatch(/running for 12\d s, writes 388\/s, copies 97\/s/);
  expect(PROBLEMS.migrationSlow.severity).not.toBe('info');
  expect(PROBLEMS.migrationSlow.remedy).toMatch(/migrate-speed.*\/migrate\/cancel/);
});
