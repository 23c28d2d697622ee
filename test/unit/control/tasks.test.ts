import { describe, expect, test } from 'vitest';

import type { Action, CommitAction, MigrateAction } from '../../../src/control/actions.ts';
import { decide } from '../../../src/control/decide.ts';
import { promote } from '../../../src/topology/change-nodes.ts';
import { endMigration, moveSlots } from '../../../src/topology/change-slots.ts';
import {
  withNewTask,
  withTaskCancelled,
  withTaskPaused,
  withTaskResumed,
  withTaskRetried,
} from '../../../src/topology/change-tasks.ts';
import { clusterWithVersion, masterOf } from '../../../src/topology/cluster.ts';
import {
  equalRanges,
  slotRange,
  slotSetOf,
  differenceSlots,
  unionSlots,
} from '../../../src/topology/slot.ts';
import {
  addTask,
  isToRemove,
  type MigrationTask,
  NO_TASKS,
  slotsMoved,
  TARGETS_WORD,
  TASK_ATTEMPTS_MAX,
  type TaskKind,
  taskState,
  withTask,
} from '../../../src/topology/task.ts';
import type { SlotRange } from '../../../src/topology/types.ts';
import { valueOf } from '../topology/arbitrary.ts';
import { Scene, actionsOf, only } from './scene.ts';

const [SOURCE, TARGET, OTHER] = [0, 1, 2];

interface Wanted {
  readonly from?: number;
  readonly to?: number;
  readonly ranges: readonly (readonly [number, number])[];
  readonly batch?: number;
  readonly kind?: TaskKind;
}

/** Somebody asks for a move, and what can begin at once does. */
function ask(scene: Scene, wanted: Wanted): void {
  request(scene, wanted);
  const isBusy = scene.cluster.shards.some(({ migration }) => migration !== null);
  if (!isBusy) expect(committed(scene).reasons.map(({ kind }) => kind)).toContain('taskStarted');
}

/** Somebody asks for a move. */
function request(
  scene: Scene,
  { from = SOURCE, to = TARGET, ranges, batch = 100, kind = 'migrate' }: Wanted,
): void {
  const { cluster, tasks, nowSeconds } = scene;
  const moves = [
    {
      source: cluster.shards[from]!.id,
      target: cluster.shards[to]!.id,
      slots: slotSetOf(ranges.map(([start, stop]) => slotRange(start, stop))),
    },
  ];
  const worked = valueOf(withNewTask({ cluster, tasks }, { kind, actor: 'api', moves, batch, nowSeconds }));
  scene.cluster = worked.cluster;
  scene.tasks = worked.tasks;
}

function task(scene: Scene, id = 1): MigrationTask {
  const found = scene.tasks.find((each) => each.id === id);
  if (found === undefined) throw new Error(`no task ${id}`);
  return found;
}

function settled(shards = 3): Scene {
  const scene = new Scene(shards, 2);
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  return scene;
}

function job(scene: Scene, shard = SOURCE): SlotRange | null {
  return scene.cluster.shards[shard]?.migration?.range ?? null;
}

/** Pushes arrive until something else is decided: a commit, which succeeds, a MIGRATE, or nothing. */
function advance(scene: Scene): Action | null {
  for (let wave = 0; wave < 12; wave += 1) {
    const { actions } = scene.decide();
    const [action] = actions;
    if (action?.kind === 'commit') scene.endCommit(action);
    if (action?.kind !== 'push') return action ?? null;
    for (const push of actions) if (push.kind === 'push') scene.takePush(push);
    scene.round();
    const sent = actions.find(({ kind }) => kind === 'migrate');
    if (sent !== undefined) return sent;
  }
  throw new Error('pushes go on and on');
}

function committed(scene: Scene): CommitAction {
  const action = advance(scene);
  if (action?.kind === 'commit') return action;
  throw new Error(
    `expected a commit, got ${JSON.stringify(action)}: ${JSON.stringify(scene.decide().problems)}`,
  );
}

/** The hand-over of slots that the source owns was undone: it refuses their writes. */
function refuse(scene: Scene, range: SlotRange): void {
  const destination = scene.id(TARGET, 0);
  scene.set(scene.id(SOURCE, 0), { sourceJob: { range, destination, state: 'success', isInEffect: false } });
  scene.round();
}

/** What is begun is marked as such, and MIGRATE is sent. */
function migrate(scene: Scene): MigrateAction {
  let action = advance(scene);
  if (action?.kind === 'commit') {
    expect(action.reasons).toMatchObject([{ kind: 'migrationStarted' }]);
    action = advance(scene);
  }
  if (action?.kind === 'migrate') return action;
  throw new Error(
    `expected MIGRATE, got ${JSON.stringify(action)}: ${JSON.stringify(scene.decide().problems)}`,
  );
}

/** The job under way is carried out by the nodes. Returns the commit that records it. */
function finishJob(scene: Scene): CommitAction {
  const sent = migrate(scene);
  scene.endMigrate(sent);
  const { range, source, target } = sent;
  scene.set(source, { sourceJob: { range, destination: target, state: 'success', isInEffect: true } });
  // Exactly what was given away has come back: that is shown no more.
  const given = scene.answers.get(target);
  const known = given && 'version' in given ? given.sourceJob : null;
  const sourceJob = known !== null && equalRanges(known.range, range) ? null : known;
  scene.set(target, { targetJob: { range, state: 'success' }, sourceJob });
  // The target is looked at once more after its source was.
  scene.round();
  const early = advance(scene);
  if (early === null) scene.round();
  const commit = early?.kind === 'commit' ? early : committed(scene);
  scene.set(source, { sourceJob: { range, destination: target, state: 'success', isInEffect: false } });
  expect(commit.reasons[0]).toMatchObject({ kind: 'migrationFinished' });
  return commit;
}

/** The job under way fails until it is given up. */
function failJob(scene: Scene): CommitAction {
  for (let attempt = 0; attempt < 3; attempt += 1) {
    scene.endMigrate(migrate(scene), 'refused');
    scene.rounds(2);
    if (attempt === 2) break;
    expect(advance(scene)).toBeNull();
    scene.nowMs += 60_000;
    scene.rounds(2);
  }
  const commit = committed(scene);
  expect(commit.reasons[0]).toMatchObject({ kind: 'migrationGivenUp' });
  return commit;
}

describe('a task', () => {
  test('is worked off in jobs of its size, one after the other, each begun with the end of the one before', () => {
    const scene = settled();
    ask(scene, {
      ranges: [
        [0, 9],
        [20, 24],
      ],
      batch: 6,
    });
    const jobs: (SlotRange | null)[] = [job(scene)];
    const versions: number[] = [];
    while (task(scene).end === null) {
      const { next } = finishJob(scene);
      versions.push(next.version);
      jobs.push(job(scene));
    }
    expect(jobs).toEqual([slotRange(0, 5), slotRange(6, 9), slotRange(20, 24), null]);
    expect(versions).toEqual([2, 3, 4]);
    expect(taskState(task(scene))).toBe('succeeded');
    expect(task(scene).end?.why).toBe('all 15 slots have come to their targets');
  });

  test('tells that it began and how it ended, and nothing in between', () => {
    const scene = settled();
    scene.nowSeconds += 5;
    ask(scene, { ranges: [[0, 3]], batch: 2 });
    expect(task(scene).startedAtSeconds).toBe(scene.nowSeconds);
    expect(finishJob(scene).reasons.map(({ kind }) => kind)).toEqual(['migrationFinished', 'taskNoted']);
    expect(finishJob(scene).reasons.map(({ kind }) => kind)).toEqual(['migrationFinished', 'taskSucceeded']);
    expect(advance(scene)).toBeNull();
    expect(scene.problems()).toEqual([]);
  });

  test('waits while an end is busy, and goes on when it is free; others go on meanwhile', () => {
    const scene = settled();
    ask(scene, { ranges: [[0, 9]] });
    ask(scene, { from: TARGET, to: OTHER, ranges: [[6000, 6009]] });
    ask(scene, { ranges: [[10, 19]] });
    expect(scene.tasks.map(taskState)).toEqual(['running', 'pending', 'pending']);
    expect(scene.tasks.map(taskState)).toEqual(['running', 'pending', 'pending']);
    finishJob(scene);
    expect(scene.tasks.map(taskState)).toEqual(['succeeded', 'running', 'pending']);
    expect(job(scene, TARGET)).toEqual(slotRange(6000, 6009));
    expect(job(scene)).toBeNull();
  });

  test('disjoint pairs of shards are worked off side by side', () => {
    const scene = settled(4);
    request(scene, { ranges: [[0, 9]] });
    request(scene, { from: 2, to: 3, ranges: [[9000, 9009]] });
    expect(committed(scene).reasons).toMatchObject([{ kind: 'taskStarted' }, { kind: 'taskStarted' }]);
    expect([job(scene), job(scene, 2)]).toEqual([slotRange(0, 9), slotRange(9000, 9009)]);
  });

  test('a job that fails is tried again after a pause, the others of the task meanwhile; what fails on and on is told in the end', () => {
    const scene = settled();
    ask(scene, { ranges: [[0, 3]] });
    for (let attempt = 1; attempt <= TASK_ATTEMPTS_MAX; attempt += 1) {
      failJob(scene);
      expect(task(scene).ranges[0]).toMatchObject({ attempts: attempt, moved: 0 });
      if (attempt === TASK_ATTEMPTS_MAX) break;
      expect(job(scene), 'nothing begins at once').toBeNull();
      expect(advance(scene)).toBeNull();
      const { wakeAtMs, waits } = scene.decide();
      expect(waits.get(1)?.why).toMatch(
        /attempt \d failed \(it failed: refused: refused\), the next follows/,
      );
      scene.nowMs = wakeAtMs;
      scene.round();
      committed(scene);
      expect(job(scene)).toEqual(slotRange(0, 3));
    }
    expect(taskState(task(scene))).toBe('failed');
    expect(task(scene).end?.why).toMatch(
      /^0 of 4 slots were moved; those left of 0-3 could not be: it failed/,
    );
  });

  test('a new leader goes on with what runs, and tries again at once what has failed', () => {
    const scene = settled();
    ask(scene, { ranges: [[0, 3]] });
    failJob(scene);
    expect(advance(scene)).toBeNull();
    scene.changeLeader();
    scene.rounds(2);
    committed(scene);
    expect(job(scene)).toEqual(slotRange(0, 3));
    scene.changeLeader();
    scene.rounds(2);
    expect(job(scene)).toEqual(slotRange(0, 3));
    finishJob(scene);
    expect(taskState(task(scene))).toBe('succeeded');
  });

  test('waits for an end that is away and says so, without counting that as failures', () => {
    const scene = settled();
    scene.fail(masterOf(scene.cluster.shards[OTHER]!).id);
    for (const { id } of scene.cluster.shards[OTHER]!.nodes.slice(1)) scene.fail(id);
    scene.rounds(5);
    ask(scene, { ranges: [[0, 3]] });
    finishJob(scene);
    request(scene, { to: OTHER, ranges: [[10, 13]] });
    expect(advance(scene)).toBeNull();
    const { waits, problems } = scene.decide();
    expect(waits.get(2)?.why).toMatch(/does not answer/);
    expect(problems.map(({ kind }) => kind)).toContain('taskWaiting');
    expect(task(scene, 2)).toMatchObject({ startedAtSeconds: null, ranges: [{ attempts: 0 }] });
  });

  test('says what it waits for also while something else is committed', () => {
    const scene = settled();
    scene.fail(scene.id(TARGET, 0), 'hang');
    scene.fail(scene.id(TARGET, 1), 'hang');
    scene.rounds(4);
    request(scene, { ranges: [[0, 9]] });
    expect(advance(scene)).toBeNull();
    scene.fail(scene.id(OTHER, 0), 'hang');
    scene.rounds(3);
    const decision = scene.decide();
    expect(only(decision, 'commit').reasons).toMatchObject([{ kind: 'failover' }]);
    expect(decision.waits.get(1)?.why).toMatch(/does not answer/);
    expect(decision.problems.map(({ kind }) => kind)).toContain('taskWaiting');
  });

  test('goes on with what was taken back at its target, also when it had succeeded with that', () => {
    const scene = settled();
    ask(scene, { ranges: [[0, 9]] });
    const sent = migrate(scene);
    scene.endMigrate(sent);
    scene.set(sent.target, { targetJob: { range: sent.range, state: 'success' } });
    scene.fail(sent.source, 'hang');
    scene.rounds(3);
    expect(committed(scene).reasons).toMatchObject([
      { kind: 'migrationFinished' },
      { kind: 'failover' },
      { kind: 'taskSucceeded' },
    ]);
    scene.set(sent.target, { targetJob: { range: sent.range, state: 'error' } });
    scene.probe(sent.target);
    expect(committed(scene).reasons).toMatchObject([{ kind: 'handOverUndone' }, { kind: 'taskStarted' }]);
    expect(task(scene)).toMatchObject({
      end: null,
      ranges: [{ moved: 0, attempts: 1, lastError: /took it back/ }],
    });
  });

  test.each(['error', 'success'] as const)(
    'remembers for the next leader that its target is to be asked once more, which then says %s',
    (state) => {
      const scene = settled();
      ask(scene, { ranges: [[0, 9]], batch: 5 });
      const sent = migrate(scene);
      scene.endMigrate(sent);
      scene.set(sent.target, { targetJob: { range: sent.range, state: 'success' } });
      scene.fail(sent.source, 'hang');
      scene.rounds(3);
      const [finished, , noted] = committed(scene).reasons;
      expect([finished, noted]).toMatchObject([{ kind: 'migrationFinished' }, { kind: 'taskNoted' }]);
      expect(task(scene).ranges).toMatchObject([{ moved: 5, lastError: TARGETS_WORD }]);
      scene.changeLeader();
      scene.set(sent.target, { targetJob: { range: sent.range, state } });
      scene.rounds(1);
      if (state === 'error') {
        expect(committed(scene).reasons).toMatchObject([{ kind: 'handOverUndone', slots: '0-4' }, {}]);
        expect(task(scene).ranges).toMatchObject([{ moved: 0, attempts: 1, lastError: /took it back/ }]);
        return;
      }
      const pushes = actionsOf(scene.decide(), 'push');
      expect(pushes.map(({ node }) => node)).toContain(sent.target);
      for (const push of pushes) scene.takePush(push);
      scene.probe(sent.target);
      expect(committed(scene).reasons).toMatchObject([{ kind: 'taskNoted' }]);
      expect(task(scene).ranges).toMatchObject([{ moved: 5, attempts: 0, lastError: '' }]);
    },
  );

  test('that is tried again moves what others have moved away since, too', () => {
    const scene = settled();
    ask(scene, { ranges: [[0, 1]], batch: 1 });
    finishJob(scene);
    const cancelled = valueOf(withTaskCancelled(scene, task(scene), scene.nowSeconds));
    expect(cancelled.tasks[0]?.ranges).toMatchObject([{ moved: 1 }]);
    const ended = { ...task(scene), end: { state: 'cancelled', why: '', atSeconds: 0 } } as const;
    const away = valueOf(moveSlots(settled().cluster, { range: slotRange(5000, 5000), targetIndex: OTHER }));
    const again = valueOf(withTaskRetried({ cluster: away, tasks: [ended] }, ended));
    expect(again.tasks[0]?.ranges, 'slot 0 is at its source there').toMatchObject([
      { moved: 0, attempts: 0 },
    ]);
  });

  test('is paused after the job under way, and cancelled with it', () => {
    const scene = settled();
    ask(scene, { ranges: [[0, 9]], batch: 5 });
    const pause = valueOf(withTaskPaused(scene, task(scene)));
    scene.tasks = pause.tasks;
    finishJob(scene);
    expect(job(scene)).toBeNull();
    expect(taskState(task(scene))).toBe('paused');
    expect(slotsMoved(task(scene))).toBe(5);
    expect(advance(scene)).toBeNull();
    expect(scene.problems()).toEqual([]);
    const cancelled = valueOf(withTaskCancelled(scene, task(scene), scene.nowSeconds));
    expect(cancelled.tasks[0]?.end).toMatchObject({
      state: 'cancelled',
      why: 'given up with 5 of 10 slots moved',
    });
  });

  test('that is cancelled while its job runs ends with it', () => {
    const scene = settled();
    ask(scene, { ranges: [[0, 9]] });
    scene.endMigrate(migrate(scene));
    const worked = valueOf(withTaskCancelled(scene, task(scene), scene.nowSeconds));
    scene.cluster = worked.cluster;
    scene.tasks = worked.tasks;
    expect(task(scene).end).toBeNull();
    for (const change of [withTaskPaused, withTaskResumed, withTaskRetried])
      expect(change(scene, task(scene)), 'nobody takes that back').toMatchObject({ ok: false });
    scene.rounds(1);
    expect(committed(scene).reasons.map(({ kind }) => kind)).toEqual(['migrationGivenUp', 'taskCancelled']);
    expect(task(scene).ranges, 'what was wanted is no failure').toMatchObject([
      { attempts: 0, lastError: '' },
    ]);
  });

  test('whose slots came another way has succeeded; where they went elsewhere it has failed', () => {
    for (const [to, state, why] of [
      [TARGET, 'succeeded', /all 4 slots/],
      [OTHER, 'failed', /slot 0 is not at the source any more: shard 2 owns it/],
    ] as const) {
      const scene = settled();
      ask(scene, { ranges: [[0, 3]] });
      scene.tasks = valueOf(withTaskPaused(scene, task(scene))).tasks;
      const slots = slotSetOf([slotRange(0, 3)]);
      const given = scene.cluster.shards.map((shard, index) => ({
        ...shard,
        migration: null,
        slots:
          index === SOURCE
            ? slotSetOf([slotRange(4, shard.slots[0]!.stop)])
            : slotSetOf(index === to ? [...shard.slots, ...slots] : shard.slots),
      }));
      scene.cluster = valueOf(
        clusterWithVersion({ ...scene.cluster, shards: given }, scene.cluster.version + 1),
      );
      committed(scene);
      expect(taskState(task(scene))).toBe(state);
      expect(task(scene).end?.why).toMatch(why);
    }
  });

  test('that fills new shards waits until these have their copies', () => {
    const scene = settled();
    const replica = scene.id(TARGET, 1);
    scene.set(replica, { link: 'down', lastIoSeconds: null });
    scene.rounds(2);
    request(scene, { ranges: [[0, 3]], kind: 'scaleOut' });
    expect(job(scene)).toBeNull();
    expect(scene.decide().waits.get(1)?.why).toMatch(/is not linked to its new master yet/);
    scene.set(replica, { link: 'up', lastIoSeconds: 0 });
    scene.rounds(2);
    expect(committed(scene).reasons).toMatchObject([{ kind: 'taskStarted', task: 1 }]);
    expect(job(scene)).toEqual(slotRange(0, 3));
  });

  test.each([
    ['hang', /may carry out a move that it was asked for/],
    ['connectionRefused', null],
  ] as const)(
    'does not go on while a replaced master, whose end is seen as %s, may carry out its job late',
    (kind, why) => {
      const scene = settled();
      ask(scene, { ranges: [[0, 9]], batch: 5 });
      migrate(scene);
      const [hung, successor] = [scene.id(SOURCE, 0), scene.id(SOURCE, 1)];
      scene.fail(hung, kind);
      let reasons: readonly string[] = [];
      for (let round = 0; round < 20 && !reasons.includes('failover'); round += 1) {
        scene.round();
        const action = advance(scene);
        if (action?.kind === 'commit') reasons = action.reasons.map((reason) => reason.kind);
      }
      expect(masterOf(scene.cluster.shards[SOURCE]!).id).toBe(successor);
      expect(task(scene).ranges[0]?.attempts).toBe(1);
      let isBegun = false;
      for (let round = 0; round < 20 && !isBegun; round += 1) {
        scene.round();
        advance(scene);
        isBegun = job(scene) !== null;
      }
      expect(isBegun).toBe(why === null);
      if (why === null) return;
      expect(decide(scene).waits.get(1)).toMatchObject({ why: expect.stringMatching(why), isPassing: false });
      scene.answers.set(hung, { ...scene.converged(hung), role: 'master', master: null, version: 1 });
      for (let round = 0; round < 20 && job(scene) === null; round += 1) {
        scene.round();
        advance(scene);
      }
      expect(job(scene)).toEqual(slotRange(0, 4));
    },
  );

  test('of a part of what a node gave away has one other slot leave that node first, and come back', () => {
    const scene = settled();
    ask(scene, { ranges: [[0, 9]] });
    finishJob(scene);
    request(scene, { from: TARGET, to: SOURCE, ranges: [[3, 5]] });
    const first = committed(scene);
    expect(first.reasons).toMatchObject([{ kind: 'taskStarted', task: 3 }]);
    expect(job(scene)).toEqual(slotRange(10, 10));
    expect(decide(scene).waits.get(2)).toMatchObject({ isPassing: true });
    finishJob(scene);
    expect(job(scene, TARGET), 'it goes back, or the other begins').not.toBeNull();
    for (const id of [2, 4]) {
      if (task(scene, 2).end !== null && task(scene, 4).end !== null) break;
      expect(task(scene, id)).toBeDefined();
      finishJob(scene);
    }
    expect(scene.tasks.map(({ kind }) => kind)).toEqual(['migrate', 'migrate', 'lend', 'giveBack']);
    expect(scene.tasks.map(taskState)).toEqual(['succeeded', 'succeeded', 'succeeded', 'succeeded']);
    expect(scene.cluster.shards[SOURCE]?.slots.slice(0, 2)).toEqual([slotRange(3, 5), slotRange(10, 5460)]);
  });

  test('of slots whose hand-over was undone has another slot leave the source first: it refuses writes to them, and their move', () => {
    const scene = settled();
    refuse(scene, slotRange(0, 9));
    expect(scene.problems()).toEqual(['slotsWriteForbidden']);
    expect(actionsOf(scene.decide(), 'commit'), 'no member of this cluster was seen to know tasks').toEqual(
      [],
    );
    request(scene, { ranges: [[0, 9]] });
    expect(committed(scene).reasons).toMatchObject([{ kind: 'taskStarted', task: 2 }]);
    expect(job(scene)).toEqual(slotRange(10, 10));
    finishJob(scene);
    expect(job(scene)).toEqual(slotRange(0, 9));
    expect(scene.tasks.map(({ kind }) => kind)).toEqual(['migrate', 'lend', 'giveBack']);
  });

  test('that has ended leaves no slots behind that refuse writes', () => {
    const scene = settled();
    ask(scene, { ranges: [[0, 9]] });
    finishJob(scene);
    refuse(scene, slotRange(10, 19));
    scene.fail(scene.id(TARGET, 0));
    scene.fail(scene.id(TARGET, 1));
    scene.round();
    expect(committed(scene).reasons).toMatchObject([{ kind: 'taskStarted', task: 2 }]);
    expect(scene.cluster.shards[SOURCE]?.migration?.target).toBe(scene.cluster.shards[OTHER]?.id);
  });

  test('of slots that refuse writes waits where their shard has no other', () => {
    const scene = settled();
    const all = scene.cluster.shards[SOURCE]!.slots[0]!;
    request(scene, { ranges: [[0, 9]] });
    refuse(scene, all);
    advance(scene);
    expect(job(scene)).toBeNull();
    expect(decide(scene).waits.get(1)).toMatchObject({
      why: /it has no other: start it again/,
      isPassing: false,
    });
    expect(scene.problems()).toContain('taskWaiting');
  });

  test('lends another slot where the one that was lent is refused itself, since that was undone', () => {
    const scene = settled();
    refuse(scene, slotRange(0, 9));
    request(scene, { ranges: [[0, 9]] });
    expect(committed(scene).reasons).toMatchObject([{ kind: 'taskStarted', task: 2 }]);
    expect(job(scene)).toEqual(slotRange(10, 10));
    scene.cluster = valueOf(endMigration(scene.cluster, SOURCE));
    refuse(scene, slotRange(10, 10));
    expect(committed(scene).reasons).toMatchObject([{ kind: 'taskStarted', task: 3 }]);
    expect(job(scene)).toEqual(slotRange(11, 11));
    finishJob(scene);
    expect(scene.tasks.map(({ kind }) => kind)).toEqual(['migrate', 'lend', 'lend', 'giveBack']);
    expect(task(scene, 2).end, 'it is lent in its turn').toBeNull();
  });

  test('tries again after ten minutes to lend a slot that could not be lent', () => {
    const scene = settled();
    refuse(scene, slotRange(0, 9));
    request(scene, { ranges: [[0, 9]] });
    expect(committed(scene).reasons).toMatchObject([{ kind: 'taskStarted', task: 2 }]);
    const atSeconds = scene.nowSeconds;
    scene.cluster = valueOf(endMigration(scene.cluster, SOURCE));
    scene.tasks = scene.tasks.map((each) =>
      each.id === 2 ? { ...each, end: { state: 'failed', why: 'no room', atSeconds } } : each,
    );
    advance(scene);
    expect(decide(scene).waits.get(1)).toMatchObject({
      why: /migration 2 has failed \(tried again after 10 minutes\): no room/,
      isPassing: false,
    });
    scene.nowSeconds += 600;
    expect(committed(scene).reasons).toMatchObject([{ kind: 'taskStarted', task: 3 }]);
    expect(job(scene)).toEqual(slotRange(10, 10));
  });

  test('says what its job waits for', () => {
    const scene = settled();
    ask(scene, { ranges: [[0, 9]] });
    scene.endMigrate(migrate(scene));
    const [source, target] = [scene.id(SOURCE, 0), scene.id(TARGET, 0)];
    const succeeded = {
      range: slotRange(0, 9),
      destination: target,
      state: 'success',
      isInEffect: true,
    } as const;
    scene.set(source, { sourceJob: { ...succeeded, state: 'start', isInEffect: null } });
    scene.round();
    expect(decide(scene).waits.get(1)).toBeUndefined();
    scene.set(source, { sourceJob: succeeded });
    scene.fail(target);
    scene.round();
    expect(decide(scene).waits.get(1)).toEqual({
      why: 'the slots were handed over, but the target does not answer',
      isPassing: true,
    });
  });

  test('of just what a node gave away comes back as it went', () => {
    const scene = settled();
    ask(scene, { ranges: [[0, 9]] });
    finishJob(scene);
    ask(scene, { from: TARGET, to: SOURCE, ranges: [[0, 9]] });
    finishJob(scene);
    expect(scene.tasks.map(({ kind }) => kind)).toEqual(['migrate', 'migrate']);
  });

  test('does not begin at a shard whose new master was not seen yet', () => {
    const scene = settled();
    ask(scene, { ranges: [[0, 3]], kind: 'scaleOut' });
    scene.cluster = valueOf(promote(scene.cluster, SOURCE, scene.id(SOURCE, 1)));
    expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
  });

  test('two tasks never move the same slots', () => {
    const scene = settled();
    ask(scene, { ranges: [[0, 9]] });
    const { cluster, tasks, nowSeconds } = scene;
    const moves = [
      { source: cluster.shards[0]!.id, target: cluster.shards[2]!.id, slots: slotSetOf([slotRange(5, 12)]) },
    ];
    const again = { kind: 'migrate', actor: 'api', moves, batch: 1, nowSeconds } as const;
    expect(withNewTask({ cluster, tasks }, again)).toEqual({
      ok: false,
      error: { kind: 'slotsInTask', task: 1, slots: '5-9' },
    });
    expect(withNewTask({ cluster, tasks: NO_TASKS }, again)).toMatchObject({
      error: { kind: 'slotsMoving', slots: '5-9' },
    });
  });
});

describe('a shard that was emptied to be removed', () => {
  /** The last of three shards has one slot left, which is to leave it. */
  function emptying(): Scene {
    const scene = settled();
    const { cluster } = scene;
    const [first, second, last] = cluster.shards;
    const slots = slotSetOf([slotRange(16383, 16383)]);
    const rest = differenceSlots(last!.slots, slots);
    scene.cluster = {
      ...cluster,
      shards: [{ ...first!, slots: unionSlots(first!.slots, rest) }, second!, { ...last!, slots }],
    };
    scene.settle();
    request(scene, { from: OTHER, to: SOURCE, ranges: [[16383, 16383]], kind: 'drain' });
    scene.tasks = scene.tasks.map((each) => ({ ...each, removes: [last!.id] }));
    expect(committed(scene).reasons).toMatchObject([{ kind: 'taskStarted' }]);
    finishJob(scene);
    expect(taskState(task(scene))).toBe('succeeded');
    expect(isToRemove(task(scene))).toBe(true);
    return scene;
  }

  test('goes once its nodes have heard that nothing is left with it', () => {
    const scene = emptying();
    expect(scene.cluster.shards).toHaveLength(3);
    expect(committed(scene).reasons).toMatchObject([{ kind: 'shardRemoved', shardIndex: OTHER, task: 1 }]);
    expect(scene.cluster.shards).toHaveLength(2);
    expect(isToRemove(task(scene))).toBe(false);
  });

  test('gets no slots any more, and stays where it was given some all the same, which its task tells', () => {
    const scene = emptying();
    const { cluster, tasks, nowSeconds } = scene;
    const [, target, leaving] = cluster.shards;
    const moves = [{ source: target!.id, target: leaving!.id, slots: slotSetOf([slotRange(6000, 6000)]) }];
    const wanted = { kind: 'migrate', actor: 'api', moves, batch: 1, nowSeconds } as const;
    expect(withNewTask({ cluster, tasks }, wanted)).toEqual({
      ok: false,
      error: { kind: 'targetLeaves', task: 1 },
    });
    scene.cluster = valueOf(moveSlots(cluster, { range: slotRange(6000, 6000), targetIndex: OTHER }));
    expect(committed(scene).reasons).toMatchObject([
      { kind: 'taskFailed', task: 1, text: /but shard 2 stays: it has others by now/ },
    ]);
    expect(scene.cluster.shards).toHaveLength(3);
    expect(task(scene)).toMatchObject({ removes: [], end: { state: 'failed' } });
  });

  test('is known from its task for as long as that lasts', () => {
    const scene = emptying();
    const { cluster, nowSeconds } = scene;
    let { tasks } = scene;
    for (let slot = 0; slot < 60; slot += 1) {
      const moves = [
        {
          source: cluster.shards[SOURCE]!.id,
          target: cluster.shards[TARGET]!.id,
          slots: slotSetOf([slotRange(slot, slot)]),
        },
      ];
      const made = addTask(tasks, {
        kind: 'migrate',
        actor: 'api',
        moves,
        batch: 1,
        nowSeconds: nowSeconds + 31 * 86_400,
      });
      const end = { state: 'cancelled', why: '', atSeconds: nowSeconds } as const;
      tasks = withTask(made.book, { ...made.task, end });
    }
    expect(tasks.length).toBeLessThan(60);
    expect(tasks[0]).toBe(task(scene));
  });
});
