// Settings of sources that a task wants otherwise: nothing is changed that is not written down, and nothing stays changed.

import { describe, expect, test } from 'vitest';

import { err, ok } from '../../../src/base/result.ts';
import type { TuneAction } from '../../../src/control/actions.ts';
import { decide } from '../../../src/control/decide.ts';
import type { NodeErrorKind } from '../../../src/control/observation.ts';
import { promote, removeNode } from '../../../src/topology/change-nodes.ts';
import {
  withNewTask,
  withTaskCancelled,
  withTaskPaused,
  withTaskResumed,
  withTaskRetried,
} from '../../../src/topology/change-tasks.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import { slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import { type MigrationTask, taskState } from '../../../src/topology/task.ts';
import {
  type NodeTuning,
  NO_SETTINGS,
  type TaskSettings,
  type TunedNode,
} from '../../../src/topology/tuning.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { valueOf } from '../topology/arbitrary.ts';
import { actionsOf, Scene } from './scene.ts';

const [SOURCE, TARGET, OTHER] = [0, 1, 2];
const BEFORE: NodeTuning = { speed: 4096, type: 'redis-command' };
const WANTED: TaskSettings = { speed: 100, type: 'raw-key-value' };

/** A scene whose nodes have settings, and carry out what is decided. */
class TuningScene extends Scene {
  readonly tunings = new Map<NodeId, NodeTuning>();
  /** Nodes that refuse to be set. */
  readonly refusing = new Map<NodeId, NodeErrorKind>();
  /** What was done, in its order: commits, MIGRATEs and what nodes were asked or told. */
  readonly done: string[] = [];

  get source(): NodeId {
    return masterOf(this.cluster.shards[SOURCE]!).id;
  }

  tuningOf(id: NodeId): NodeTuning {
    return this.tunings.get(id) ?? BEFORE;
  }

  ask(settings: TaskSettings, ranges: readonly (readonly [number, number])[], from = SOURCE): void {
    const { cluster, tasks, nowSeconds } = this;
    const slots = slotSetOf(ranges.map(([start, stop]) => slotRange(start, stop)));
    const moves = [{ source: cluster.shards[from]!.id, target: cluster.shards[TARGET]!.id, slots }];
    const wanted = { kind: 'migrate', actor: 'api', moves, batch: 5, settings, nowSeconds } as const;
    const worked = valueOf(withNewTask({ cluster, tasks }, wanted));
    this.cluster = worked.cluster;
    this.tasks = worked.tasks;
  }

  task(id = 1): MigrationTask {
    return this.tasks.find((each) => each.id === id)!;
  }

  tuned(id = 1): readonly TunedNode[] {
    return this.task(id).tuned;
  }

  /** One decision is carried out, whatever it is. */
  step(): void {
    const { actions } = this.decide();
    for (const action of actions) {
      switch (action.kind) {
        case 'commit':
          this.done.push(action.reasons.map(({ kind }) => kind).join(' '));
          this.endCommit(action);
          break;
        case 'tune':
          this.done.push(action.step);
          this.#tune(action);
          break;
        case 'migrate':
          this.done.push('MIGRATE');
          this.endMigrate(action);
          this.set(action.source, {
            sourceJob: { range: action.range, destination: action.target, state: 'start', isInEffect: null },
          });
          this.set(action.target, { targetJob: { range: action.range, state: 'start' } });
          break;
        case 'push':
          this.takePush(action);
          break;
        default:
          throw new Error(`nobody asked for ${action.kind}`);
      }
    }
    this.round();
  }

  steps(count: number): void {
    for (let index = 0; index < count; index += 1) this.step();
  }

  /** Until something was done that is called so. */
  until(what: string): void {
    for (let count = 0; count < 20; count += 1) {
      const from = this.done.length;
      this.step();
      if (this.done.slice(from).includes(what)) return;
    }
    throw new Error(`no ${what}: ${this.done.join(', ')}; ${JSON.stringify(this.decide().problems)}`);
  }

  /** The job that runs comes to its success. */
  succeed(): void {
    const [job] = this.cluster.shards.flatMap(({ migration }) => migration ?? []);
    const [source, target] = [SOURCE, TARGET].map((index) => masterOf(this.cluster.shards[index]!).id);
    const range = job!.range;
    this.set(source!, { sourceJob: { range, destination: target!, state: 'success', isInEffect: true } });
    this.set(target!, { targetJob: { range, state: 'success' } });
    this.round();
  }

  why(id = 1): string {
    return decide(this).waits.get(id)?.why ?? '';
  }

  #tune(action: TuneAction): void {
    const refused = this.refusing.get(action.node);
    if (refused !== undefined && action.step !== 'read') {
      this.endTune(action, err({ kind: refused, message: 'ERR not here' }));
      return;
    }
    const { speed, type } = action.settings;
    const present = this.tuningOf(action.node);
    if (action.step === 'read') {
      const found = {
        speed: speed === null ? null : present.speed,
        type: type === null ? null : present.type,
      };
      this.endTune(action, ok(found));
      return;
    }
    this.tunings.set(action.node, { speed: speed ?? present.speed, type: type ?? present.type });
    this.endTune(action);
  }
}

function settled(): TuningScene {
  const scene = new TuningScene(3, 2);
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  return scene;
}

/** A task whose first job runs, tuned. */
function running(ranges: readonly (readonly [number, number])[] = [[0, 3]]): TuningScene {
  const scene = settled();
  scene.ask(WANTED, ranges);
  scene.until('MIGRATE');
  return scene;
}

describe('a source', () => {
  test('is read, written down and set, and only then is a job begun', () => {
    const scene = settled();
    scene.ask(WANTED, [[0, 3]]);
    expect(scene.cluster.shards[SOURCE]!.migration).toBeNull();
    expect(scene.why()).toMatch(/is asked what it has for migrate-speed 100 and migrate-type raw-key-value/);
    scene.until('MIGRATE');
    expect(scene.done).toEqual(['read', 'taskNoted', 'set', 'taskStarted', 'migrationStarted', 'MIGRATE']);
    expect(scene.tuned()).toEqual([{ node: scene.source, before: BEFORE }]);
    expect(scene.tuningOf(scene.source)).toEqual(WANTED);
  });

  test('is set back after the end, and forgotten once that is known', () => {
    const scene = running();
    scene.succeed();
    scene.until('restore');
    expect(taskState(scene.task())).toBe('succeeded');
    expect(scene.tuned()).toHaveLength(1);
    scene.until('taskNoted');
    expect(scene.tuned()).toEqual([]);
    expect(scene.tuningOf(scene.source)).toEqual(BEFORE);
    scene.settle();
    expect(scene.decide().actions).toEqual([]);
  });

  test('is set once for all jobs of the task', () => {
    const scene = running([[0, 14]]);
    for (let jobs = 0; jobs < 2; jobs += 1) {
      scene.succeed();
      scene.until('MIGRATE');
    }
    scene.succeed();
    scene.until('restore');
    expect(scene.done.filter((what) => what === 'set')).toHaveLength(1);
  });

  test('is left as it is in what the task does not want', () => {
    const scene = settled();
    scene.ask({ speed: 0, type: null }, [[0, 3]]);
    scene.until('MIGRATE');
    expect(scene.tuned()).toEqual([{ node: scene.source, before: { speed: 4096, type: null } }]);
    expect(scene.tuningOf(scene.source)).toEqual({ speed: 0, type: 'redis-command' });
    scene.succeed();
    scene.until('restore');
    expect(scene.tuningOf(scene.source)).toEqual(BEFORE);
  });

  test('of a task that wants nothing is not asked', () => {
    const scene = settled();
    scene.ask(NO_SETTINGS, [[0, 3]]);
    scene.until('MIGRATE');
    expect(scene.done).toEqual(['taskStarted', 'migrationStarted', 'MIGRATE']);
  });

  test('that cannot be seen to have been told is asked again, not taken for told', () => {
    const scene = settled();
    scene.ask(WANTED, [[0, 3]]);
    scene.until('taskNoted');
    const [set] = actionsOf(scene.decide(), 'tune');
    scene.endTune(set!, err({ kind: 'timedOut', message: 'no reply' }));
    expect(scene.decide()).toMatchObject({ actions: [], wakeAtMs: scene.nowMs + 200 });
    scene.nowMs += 200;
    expect(actionsOf(scene.decide(), 'tune')).toMatchObject([{ step: 'set' }]);
  });
});

describe('a source that does not answer', () => {
  test('is told nothing, and waited for', () => {
    const scene = settled();
    scene.fail(scene.source);
    scene.round();
    scene.ask(WANTED, [[0, 3]]);
    expect(actionsOf(scene.decide(), 'tune')).toEqual([]);
    expect(scene.why()).toMatch(/does not answer/);
    scene.answers.set(scene.source, scene.converged(scene.source));
    scene.until('MIGRATE');
  });

  test('is not set back either, until it does', () => {
    const scene = running();
    scene.succeed();
    scene.until('migrationFinished taskSucceeded');
    scene.fail(scene.source);
    scene.round();
    expect(actionsOf(scene.decide(), 'tune')).toEqual([]);
    scene.answers.set(scene.source, scene.converged(scene.source));
    scene.until('restore');
  });
});

describe('a new leader', () => {
  test('reads again what was not written down', () => {
    const scene = settled();
    scene.ask(WANTED, [[0, 3]]);
    scene.until('read');
    scene.changeLeader();
    scene.rounds(2);
    scene.until('MIGRATE');
    expect(scene.done.slice(0, 4)).toEqual(['read', 'read', 'taskNoted', 'set']);
  });

  test('takes no answer for its own that the old one waited for', () => {
    const scene = settled();
    scene.ask(WANTED, [[0, 3]]);
    const [read] = actionsOf(scene.decide(), 'tune');
    scene.changeLeader();
    scene.rounds(2);
    scene.endTune(read!, ok({ speed: 1, type: 'redis-command' }));
    scene.until('MIGRATE');
    expect(scene.tuned()).toEqual([{ node: scene.source, before: BEFORE }]);
  });

  test('does not read what may have been changed already: it sets what is wanted', () => {
    const scene = settled();
    scene.ask(WANTED, [[0, 3]]);
    scene.until('taskNoted');
    // The old leader has sent it, and was not heard any more.
    scene.tunings.set(scene.source, WANTED);
    scene.changeLeader();
    scene.rounds(2);
    scene.until('MIGRATE');
    expect(scene.done).toEqual(['read', 'taskNoted', 'set', 'taskStarted', 'migrationStarted', 'MIGRATE']);
    expect(scene.tuned()).toEqual([{ node: scene.source, before: BEFORE }]);
  });

  test('sets it before it sends MIGRATE of a job that was begun', () => {
    const scene = settled();
    scene.ask(WANTED, [[0, 3]]);
    scene.until('migrationStarted');
    scene.changeLeader();
    scene.tunings.clear();
    scene.rounds(2);
    scene.until('MIGRATE');
    expect(scene.done.slice(-3)).toEqual(['migrationStarted', 'set', 'MIGRATE']);
  });

  test('sets it under a job that runs, and does not touch the job', () => {
    const scene = running();
    scene.changeLeader();
    scene.rounds(2);
    scene.steps(2);
    expect(scene.done.slice(-2)).toEqual(['MIGRATE', 'set']);
  });

  test('sets back what the old one could not', () => {
    const scene = running();
    scene.succeed();
    scene.until('restore');
    scene.changeLeader();
    scene.tunings.set(scene.source, WANTED);
    scene.rounds(2);
    scene.until('taskNoted');
    expect(scene.tuned()).toEqual([]);
    expect(scene.tuningOf(scene.source)).toEqual(BEFORE);
  });
});

describe('what was before comes back', () => {
  test('when the task is cancelled, once its job has ended', () => {
    const scene = running();
    const cancelled = valueOf(withTaskCancelled(scene, scene.task(), scene.nowSeconds));
    scene.cluster = cancelled.cluster;
    scene.tasks = cancelled.tasks;
    scene.steps(2);
    expect(scene.done).not.toContain('restore');
    scene.set(scene.source, { sourceJob: null });
    scene.set(masterOf(scene.cluster.shards[TARGET]!).id, { targetJob: null });
    scene.until('restore');
    expect(taskState(scene.task())).toBe('cancelled');
    scene.step();
    expect(scene.tuned()).toEqual([]);
  });

  test('while the task is paused, and what is wanted when it goes on', () => {
    const scene = running([[0, 9]]);
    scene.tasks = valueOf(withTaskPaused(scene, scene.task())).tasks;
    scene.steps(2);
    expect(scene.done).not.toContain('restore');
    scene.succeed();
    scene.until('restore');
    scene.steps(2);
    expect(scene.tuned()).toEqual([]);
    scene.tasks = valueOf(withTaskResumed(scene, scene.task())).tasks;
    scene.until('MIGRATE');
    expect(scene.done.slice(-6)).toEqual([
      'read',
      'taskNoted',
      'set',
      'taskNoted',
      'migrationStarted',
      'MIGRATE',
    ]);
  });

  test('at a master that was replaced, when it answers again; the new one is tuned in its turn', () => {
    const scene = running([[0, 9]]);
    const old = scene.source;
    scene.fail(old, 'connectionRefused');
    // The end of its process ends the import (facts section 5.5).
    const imported = { range: slotRange(0, 4), state: 'error' } as const;
    scene.set(masterOf(scene.cluster.shards[TARGET]!).id, { targetJob: imported });
    scene.rounds(5);
    scene.until('migrationGivenUp failover taskNoted');
    scene.nowMs += 60_000;
    scene.until('MIGRATE');
    expect(scene.source).not.toBe(old);
    expect(scene.tuned().map(({ node }) => node)).toEqual([old, scene.source]);
    expect(scene.done).not.toContain('restore');
    scene.answers.set(old, { ...scene.converged(old), sequence: 100 });
    scene.until('restore');
    scene.steps(2);
    expect(scene.tuned().map(({ node }) => node)).toEqual([scene.source]);
    expect(scene.tuningOf(scene.source)).toEqual(WANTED);
  });

  test('not at a node that left the cluster, which nothing waits for', () => {
    const scene = running();
    const old = scene.source;
    scene.succeed();
    scene.until('migrationFinished taskSucceeded');
    scene.cluster = valueOf(promote(scene.cluster, SOURCE, scene.id(SOURCE, 1)));
    scene.cluster = valueOf(removeNode(scene.cluster, SOURCE, old));
    expect(actionsOf(scene.decide(), 'commit')[0]?.tasks?.[0]?.tuned).toEqual([]);
  });

  test('until the node takes it: people are told that it does not', () => {
    const scene = running();
    scene.succeed();
    scene.refusing.set(scene.source, 'refused');
    scene.until('restore');
    for (let count = 0; count < 3; count += 1) {
      scene.nowMs += 10_000;
      scene.steps(1);
    }
    const problem = scene.decide().problems.find(({ kind }) => kind === 'settingsKept');
    expect(problem?.detail).toMatch(
      /still has the settings of migration 1, and does not take migrate-speed 4096 and migrate-type redis-command: ERR not here/,
    );
    scene.refusing.clear();
    scene.nowMs += 10_000;
    scene.until('taskNoted');
    expect(scene.tuned()).toEqual([]);
  });
});

describe('a source that may be another process', () => {
  test('because its job failed is set again before the next attempt', () => {
    const scene = running();
    scene.set(scene.source, { sourceJob: null });
    scene.set(masterOf(scene.cluster.shards[TARGET]!).id, { targetJob: null });
    scene.tunings.clear();
    scene.until('MIGRATE');
    expect(scene.done.slice(-3)).toEqual(['MIGRATE', 'set', 'MIGRATE']);
    expect(scene.tuningOf(scene.source)).toEqual(WANTED);
  });

  test('because it was missed is set again', () => {
    const scene = running();
    const answer = scene.answers.get(scene.source)!;
    scene.fail(scene.source, 'connectionRefused');
    scene.round();
    scene.answers.set(scene.source, answer);
    scene.round();
    scene.step();
    expect(scene.done.slice(-2)).toEqual(['MIGRATE', 'set']);
  });
});

describe('a node that does not take it', () => {
  test('ends the task with its own words, at the third time, and has its settings back', () => {
    const scene = settled();
    scene.refusing.set(scene.source, 'refused');
    scene.ask(WANTED, [[0, 3]]);
    scene.until('taskFailed');
    expect(scene.done).toEqual(['read', 'taskNoted', 'set', 'set', 'set', 'taskFailed']);
    expect(scene.task().end?.why).toMatch(
      /could not be: .* does not take migrate-speed 100 and migrate-type raw-key-value: ERR not here/,
    );
    scene.refusing.clear();
    scene.until('restore');
    scene.step();
    expect(scene.tuned()).toEqual([]);
  });

  test('is asked anew when somebody wants the task tried again', () => {
    const scene = settled();
    scene.refusing.set(scene.source, 'refused');
    scene.ask(WANTED, [[0, 3]]);
    scene.until('taskFailed');
    scene.refusing.clear();
    scene.tasks = valueOf(withTaskRetried(scene, scene.task())).tasks;
    scene.until('MIGRATE');
    expect(scene.tuningOf(scene.source)).toEqual(WANTED);
  });

  test('ends a job that a leader before had begun', () => {
    const scene = settled();
    scene.ask(WANTED, [[0, 3]]);
    scene.until('migrationStarted');
    scene.changeLeader();
    scene.rounds(2);
    scene.refusing.set(scene.source, 'refused');
    scene.until('migrationGivenUp taskFailed');
    expect(scene.done).not.toContain('MIGRATE');
    expect(scene.cluster.shards[SOURCE]!.migration).toBeNull();
  });

  test('leaves the rest of the task to be moved', () => {
    const scene = settled();
    const { cluster, tasks, nowSeconds } = scene;
    const moves = [SOURCE, OTHER].map((index) => {
      const { slots, id } = cluster.shards[index]!;
      const start = slots[0]!.start;
      return {
        source: id,
        target: cluster.shards[TARGET]!.id,
        slots: slotSetOf([slotRange(start, start + 3)]),
      };
    });
    const wanted = { kind: 'drain', actor: 'api', moves, batch: 5, settings: WANTED, nowSeconds } as const;
    scene.tasks = valueOf(withNewTask({ cluster, tasks }, wanted)).tasks;
    scene.refusing.set(masterOf(cluster.shards[OTHER]!).id, 'refused');
    scene.until('MIGRATE');
    scene.steps(6);
    const [first, second] = scene.task().ranges;
    expect(first?.lastError).toBe('');
    expect(second?.lastError).toMatch(/ERR not here/);
    scene.succeed();
    scene.until('migrationFinished taskFailed');
  });
});

describe('two tasks', () => {
  test('never have one node at the same time: the second waits until the first was set back', () => {
    const scene = settled();
    scene.ask(WANTED, [[0, 9]]);
    scene.ask({ speed: 7, type: null }, [[20, 24]]);
    scene.until('MIGRATE');
    expect(scene.why(2)).not.toBe('');
    expect(scene.tuned(2)).toEqual([]);
    scene.succeed();
    scene.until('MIGRATE');
    expect(scene.tuningOf(scene.source)).toEqual(WANTED);
    scene.succeed();
    scene.until('restore');
    expect(scene.why(2)).toMatch(/has the settings of migration 1 until that has nothing left there/);
    scene.until('MIGRATE');
    expect(scene.tuned(1)).toEqual([]);
    expect(scene.tuned(2)).toEqual([{ node: scene.source, before: { speed: 4096, type: null } }]);
    expect(scene.tuningOf(scene.source)).toEqual({ speed: 7, type: 'redis-command' });
  });

  test('do not wait for each other where a change of masters brings a job of the one to a node of the other', () => {
    const scene = settled();
    scene.ask(WANTED, [[0, 3]]);
    scene.ask({ speed: 7, type: null }, [[20, 24]]);
    scene.until('taskStarted');
    const [old, next] = [scene.source, scene.id(SOURCE, 1)];
    const second = { ...scene.task(2), tuned: [{ node: next, before: { speed: 4096, type: null } }] };
    scene.tasks = [scene.task(1), second];
    scene.tunings.set(next, { speed: 7, type: 'redis-command' });
    scene.cluster = valueOf(promote(scene.cluster, SOURCE, next));
    scene.until('MIGRATE');
    expect(scene.source).toBe(next);
    expect(scene.tuned(2)).toEqual([]);
    expect(scene.tuned(1)).toEqual([{ node: next, before: BEFORE }]);
    expect(scene.tuningOf(next)).toEqual(WANTED);
    expect(scene.tuningOf(old)).toEqual(BEFORE);
  });

  test('that want nothing of their sources go on beside one that does', () => {
    const scene = settled();
    scene.refusing.set(scene.source, 'timedOut');
    scene.ask(WANTED, [[0, 3]]);
    scene.ask(NO_SETTINGS, [[20, 24]]);
    scene.until('MIGRATE');
    expect(scene.task(1).startedAtSeconds).toBeNull();
  });
});
