// Migrations as the operator sees them.

import { describe, expect, it } from 'vitest';

import {
  describeTask,
  hasEnded,
  newestAsked,
  parseTasks,
} from '../../../../scripts/failure-injection/hostile-operator/task-seen.ts';

const SHOWN = {
  id: 3,
  kind: 'rebalance',
  state: 'cancelled',
  reason: 'given up with 5 of 9 slots moved',
  slots: { total: 9, moved: 5, left: 4 },
  percent: 55.5,
  retries: 1,
  running: [{ slots: '1-2', source: 0, target: null, stage: 'started' }],
};

function answer(...migrations: readonly object[]): string {
  return JSON.stringify({ data: { migrations } });
}

describe('migrations that the API shows', () => {
  it('are taken with what is asked of them, and told in one line', () => {
    const [task] = parseTasks(answer(SHOWN)) ?? [];
    expect(task).toEqual({
      id: 3,
      kind: 'rebalance',
      state: 'cancelled',
      reason: 'given up with 5 of 9 slots moved',
      total: 9,
      moved: 5,
      retries: 1,
      running: [{ source: 0, target: null }],
    });
    expect(task !== undefined && describeTask(task)).toBe(
      'migration 3 (rebalance) cancelled, 5 of 9 slots moved, 1 retries: given up with 5 of 9 slots moved',
    );
  });

  it.each([
    ['pending', false],
    ['running', false],
    ['paused', false],
    ['succeeded', true],
    ['failed', true],
    ['cancelled', true],
  ])('that are %s have ended: %s', (state, isEnd) => {
    const [task] = parseTasks(answer({ ...SHOWN, state })) ?? [];
    expect(task !== undefined && hasEnded(task)).toBe(isEnd);
  });

  it('of a slot that is lent are no answer to what was asked', () => {
    const tasks = parseTasks(
      answer({ ...SHOWN, id: 5, kind: 'giveBack' }, { ...SHOWN, id: 4, kind: 'lend' }, SHOWN),
    );
    expect(newestAsked(tasks ?? [])?.id).toBe(3);
    expect(newestAsked([])).toBeNull();
  });

  it('of another shape are none', () => {
    expect(parseTasks('{"data":{"migrations":[{"id":1}]}}')).toBeNull();
    expect(parseTasks('{"error":{}}')).toBeNull();
  });
});
