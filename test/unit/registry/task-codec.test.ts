// Tasks as bytes: whatever a task can be comes back as it was, and what no task can be is refused.

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { decodeTask, encodeTask } from '../../../src/registry/task-codec.ts';
import { packRecord } from '../../../src/registry/record-fields.ts';
import { UnreadableRecordError } from '../../../src/registry/unreadable-record.ts';
import type { Key } from '../../../src/store/types.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import {
  type MigrationTask,
  TASK_ENDS,
  TASK_KINDS,
  TASK_WISHES,
  type TaskRange,
} from '../../../src/topology/task.ts';
import { MIGRATE_SPEED_MAX, MIGRATE_TYPES, NO_SETTINGS } from '../../../src/topology/tuning.ts';
import type { NodeId, ShardId } from '../../../src/topology/types.ts';

const KEY = 'task/ns/c/1' as Key;
const NODE = 'a'.repeat(40) as NodeId;

const seconds = fc.nat();
const shardId = fc.integer({ min: 1, max: 1000 }).map((id) => id as ShardId);
const speed = fc.option(fc.integer({ min: 0, max: MIGRATE_SPEED_MAX }), { nil: null });

const ranges: fc.Arbitrary<TaskRange> = fc
  .tuple(fc.integer({ min: 0, max: 16_000 }), fc.integer({ min: 1, max: 300 }), shardId, shardId)
  .chain(([start, size, source, target]) =>
    fc.record({
      range: fc.constant(slotRange(start, start + size - 1)),
      source: fc.constant(source),
      target: fc.constant(target),
      moved: fc.integer({ min: 0, max: size }),
      attempts: fc.nat(),
      lastError: fc.string(),
    }),
  );

const tasks: fc.Arbitrary<MigrationTask> = fc.record({
  id: fc.integer({ min: 1, max: 1_000_000 }),
  kind: fc.constantFrom(...TASK_KINDS),
  actor: fc.string(),
  ranges: fc.array(ranges, { maxLength: 5 }),
  batch: fc.integer({ min: 1, max: 16_384 }),
  settings: fc.record({ speed, type: fc.constantFrom(null, ...MIGRATE_TYPES) }),
  tuned: fc.array(
    fc.record({
      node: fc.stringMatching(/^[0-9a-f]{40}$/).map((id) => id as NodeId),
      before: fc.record({ speed, type: fc.option(fc.string(), { nil: null }) }),
    }),
    { maxLength: 3 },
  ),
  wish: fc.constantFrom(...TASK_WISHES),
  removes: fc.array(shardId, { maxLength: 3 }),
  end: fc.option(fc.record({ state: fc.constantFrom(...TASK_ENDS), why: fc.string(), atSeconds: seconds }), {
    nil: null,
  }),
  createdAtSeconds: seconds,
  startedAtSeconds: fc.option(seconds, { nil: null }),
});

describe('the record of a task', () => {
  test('brings it back as it was', () => {
    fc.assert(
      fc.property(tasks, (task) => {
        expect(decodeTask({ key: KEY, value: encodeTask(task) })).toEqual(task);
      }),
    );
  });

  test('is refused with settings or nodes that cannot be', () => {
    const fields = [1, 'migrate', 'api', 5, 'run', [], 0, null, null, []];
    const read = (settings: unknown, tuned: unknown) =>
      decodeTask({ key: KEY, value: packRecord(1, [...fields, settings, tuned]) });
    expect(read([null, null], [])).toMatchObject({ settings: NO_SETTINGS, tuned: [] });
    expect(read([0, 'raw-key-value'], [[NODE, 5, null]])).toMatchObject({
      tuned: [{ node: NODE, before: { speed: 5, type: null } }],
    });
    for (const [settings, tuned] of [
      [[MIGRATE_SPEED_MAX + 1, null], []],
      [[-1, null], []],
      [[null, 'fast'], []],
      [[null], []],
      [[null, null], [['short', 5, null]]],
      [[null, null], [[NODE, 5, null, 'more']]],
      [[null, null], [[NODE, '5', null]]],
    ])
      expect(() => read(settings, tuned)).toThrow(UnreadableRecordError);
  });
});
