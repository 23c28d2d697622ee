import { expect, test } from 'vitest';

import { decodeTask, encodeTask } from '../../../src/registry/task-codec.ts';
import { UnreadableRecordError } from '../../../src/registry/unreadable-record.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import type { MigrationTask } from '../../../src/topology/task.ts';
import type { ShardId } from '../../../src/topology/types.ts';

const RANGE = {
  range: slotRange(5, 9),
  source: 1 as ShardId,
  target: 2 as ShardId,
  moved: 3,
  attempts: 2,
  lastError: 'timedOut: no answer',
};

const TASK: MigrationTask = {
  id: 7,
  kind: 'drain',
  actor: 'api',
  ranges: [RANGE, { ...RANGE, range: slotRange(11, 11), moved: 0, attempts: 0, lastError: '' }],
  batch: 256,
  removes: [3 as ShardId],
  wish: 'pause',
  end: null,
  createdAtSeconds: 1_700_000_000,
  startedAtSeconds: null,
};

test.each([
  TASK,
  {
    ...TASK,
    startedAtSeconds: 1_700_000_001,
    end: { state: 'failed', why: 'it failed', atSeconds: 1_700_000_009 },
  },
] as const)('a task is read back as it was written', (task) => {
  expect(decodeTask({ key: 'task/ns/c/0000000007', value: encodeTask(task) })).toEqual(task);
});

test.each([
  ['a batch of 0', { ...TASK, batch: 0 }],
  ['more moved than there is', { ...TASK, ranges: [{ ...RANGE, moved: 6 }] }],
  ['a kind that nobody knows', { ...TASK, kind: 'shuffle' as never }],
  ['a shard that cannot be', { ...TASK, ranges: [{ ...RANGE, target: 0 as ShardId }] }],
])('%s is not written: nobody could read it', (_, task) => {
  expect(() => encodeTask(task)).toThrow(UnreadableRecordError);
});
