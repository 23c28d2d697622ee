// Settings of sources, carried out: set under a confirmed lead only, and only where a node has them otherwise.

import { describe, expect, it } from 'vitest';

import { slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import { withNewTask } from '../../../src/topology/change-tasks.ts';
import { isOpen } from '../../../src/topology/task.ts';
import type { TaskSettings } from '../../../src/topology/tuning.ts';
import { valueOf } from '../topology/arbitrary.ts';
import { PING_INTERVAL_MS, Scene } from './scene.ts';

const WANTED: TaskSettings = { speed: 100, type: 'raw-key-value' };
const BEFORE = { speed: 4096, type: 'redis-command' };

function ask(scene: Scene, settings = WANTED): void {
  const { cluster } = scene;
  const [source, target] = cluster.shards;
  const moves = [{ source: source!.id, target: target!.id, slots: slotSetOf([slotRange(5, 9)]) }];
  const nowSeconds = Math.floor(scene.clock.wallMs() / 1000);
  const wanted = { kind: 'migrate', actor: 'api', moves, batch: 16_384, settings, nowSeconds } as const;
  scene.records.book = valueOf(withNewTask({ cluster, tasks: scene.records.book }, wanted)).tasks;
  scene.records.changed();
}

async function settled(): Promise<Scene> {
  const scene = new Scene(2, 1);
  await scene.settle();
  return scene;
}

describe('a task with settings', () => {
  it('sets them before MIGRATE, and sets back what was before', async () => {
    const scene = await settled();
    const [source, target] = [scene.model(0, 0), scene.model(1, 0)];
    ask(scene);
    await scene.clock.until(() => source.migrates.length === 1, 10_000);
    expect(source.tuning).toEqual(WANTED);
    expect(scene.records.book[0]?.tuned).toEqual([{ node: source.id, before: BEFORE }]);
    source.sourceJob = { ...source.sourceJob!, state: 'success', isInEffect: true };
    target.targetJob = { ...target.targetJob!, state: 'success' };
    await scene.clock.until(() => scene.records.book[0]?.tuned.length === 0, 10_000);
    expect(scene.records.book[0]?.end?.state).toBe('succeeded');
    expect(source.tuning).toEqual(BEFORE);
    expect(target.tunings).toBe(0);
    expect(scene.events('node.tuned').map(({ fields }) => fields['step'])).toEqual(['set', 'restore']);
    await scene.stop();
  });

  it('leaves a node alone that has them already', async () => {
    const scene = await settled();
    const source = scene.model(0, 0);
    source.tuning = WANTED;
    ask(scene);
    await scene.clock.until(() => source.migrates.length === 1, 10_000);
    expect(source.tunings).toBe(0);
    await scene.stop();
  });

  it('does not set them by a leader that lost the lead in the moment before', async () => {
    const scene = await settled();
    scene.records.beforeConfirmation = () => {
      scene.currentTerm = 2;
    };
    ask(scene);
    await scene.clock.until(() => scene.records.confirmations > 0, 10_000, 1);
    await scene.clock.advance(5 * PING_INTERVAL_MS);
    expect(scene.records.book[0]?.tuned).toHaveLength(1);
    expect(scene.model(0, 0).tunings).toBe(0);
    await scene.stop();
  });

  it('fails where the node refuses, and leaves nothing to be set back', async () => {
    const scene = await settled();
    const source = scene.model(0, 0);
    source.tuningError = { kind: 'refused', message: 'ERR only administrators may do that' };
    ask(scene);
    await scene.clock.until(() => scene.records.book.every((task) => !isOpen(task)), 10_000);
    expect(scene.records.book[0]?.end).toMatchObject({
      state: 'failed',
      why: expect.stringMatching(/only administrators/),
    });
    // The node still refuses; but what it has is what it had.
    await scene.clock.until(() => scene.records.book[0]?.tuned.length === 0, 10_000);
    expect(scene.events('node.tune.failed')).toHaveLength(1);
    expect(source.migrates).toEqual([]);
    await scene.stop();
  });
});
