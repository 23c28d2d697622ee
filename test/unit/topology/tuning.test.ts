// What a task wants of its sources, and how long a task is kept that has something to set back.

import { expect, test } from 'vitest';

import {
  addTask,
  ENDED_TASKS_MAX,
  type MigrationTask,
  NO_TASKS,
  type TaskBook,
} from '../../../src/topology/task.ts';
import { tuningLeft, tuningText, wantsSettings } from '../../../src/topology/tuning.ts';
import type { NodeId } from '../../../src/topology/types.ts';

const NODE = 'a'.repeat(40) as NodeId;
const YEAR_SECONDS = 365 * 24 * 3600;

function add(book: TaskBook, nowSeconds: number): TaskBook {
  return addTask(book, { kind: 'migrate', actor: 'api', moves: [], batch: 1, nowSeconds }).book;
}

function ended(task: MigrationTask, atSeconds: number): MigrationTask {
  return { ...task, end: { state: 'succeeded', why: 'all', atSeconds } };
}

test('a task that has something to set back is kept, however old and however many came after it', () => {
  const [task] = add(NO_TASKS, 0);
  if (task === undefined) throw new Error('one task');
  const tuned = [{ node: NODE, before: { speed: 1, type: null } }];
  let book: TaskBook = [{ ...ended(task, 0), tuned }];
  for (let count = 0; count < 2 * ENDED_TASKS_MAX; count += 1)
    book = add(book, YEAR_SECONDS).map((each) => (each.end === null ? ended(each, YEAR_SECONDS) : each));
  expect(book.filter(({ id }) => id > 1)).toHaveLength(ENDED_TASKS_MAX + 1);
  expect(book[0]?.id).toBe(1);
  // Once it is set back it goes the way of all others.
  book = add([ended(task, 0), ...book.slice(1)], YEAR_SECONDS);
  expect(book[0]?.id).toBeGreaterThan(1);
});

test('settings are what is wanted, told as they are called at the node', () => {
  expect(wantsSettings({ speed: null, type: null })).toBe(false);
  expect(wantsSettings({ speed: 0, type: null })).toBe(true);
  expect(wantsSettings({ speed: null, type: 'redis-command' })).toBe(true);
  expect(tuningText({ speed: 0, type: 'redis-command' })).toBe(
    'migrate-speed 0 and migrate-type redis-command',
  );
  expect(tuningText({ speed: null, type: 'raw-key-value' })).toBe('migrate-type raw-key-value');
});

test('only what is otherwise is left to be set', () => {
  const present = { speed: 5, type: 'redis-command' };
  expect(tuningLeft({ speed: 5, type: 'raw-key-value' }, present)).toEqual({
    speed: null,
    type: 'raw-key-value',
  });
  expect(tuningLeft({ speed: 0, type: null }, { speed: 5, type: null })).toEqual({ speed: 0, type: null });
});
