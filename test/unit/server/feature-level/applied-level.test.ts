// The level as it is applied: followed from the first moment, and the end of a member that is too old for it.

import { describe, expect, test } from 'vitest';

import { AppliedLevel } from '../../../../src/server/feature-level/applied-level.ts';
import { FEATURE_LEVEL } from '../../../../src/base/feature-level.ts';
import { encodeFeatureLevel, FEATURE_LEVEL_KEY } from '../../../../src/store/feature-level.ts';
import { logPosition } from '../../../../src/store/log-entry.ts';
import { entry, memoryMachine, put, transaction } from '../../store/support.ts';

function raise(index: number, level: number) {
  const record = { key: FEATURE_LEVEL_KEY, value: encodeFeatureLevel(level) };
  return entry(index, transaction(index, { put: [record] }));
}

/** A member that supports `supported`, and everything that ended it. */
function member(supported: number) {
  const machine = memoryMachine();
  const level = new AppliedLevel(machine, supported);
  const ends: string[] = [];
  level.failTo((problem) => ends.push(problem.message));
  return { machine, level, ends };
}

describe('the level of a group', () => {
  test('is the first one as long as none was recorded', () => {
    const { machine, level } = member(2);
    machine.apply([entry(1, put(1, 'namespace/shop', 'x'))]);
    expect(level.recorded).toEqual({ level: 1, revision: 0 });
    expect(level.problem).toBeNull();
  });

  test('is followed as it is applied', () => {
    const { machine, level, ends } = member(3);
    machine.apply([raise(1, 2)]);
    expect(level.recorded).toEqual({ level: 2, revision: 1 });
    machine.apply([raise(2, 3)]);
    expect(level.recorded).toEqual({ level: 3, revision: 2 });
    expect(ends).toEqual([]);
  });

  test('is found in a state that was there before', () => {
    const { machine } = member(3);
    machine.apply([raise(1, 3)]);
    expect(new AppliedLevel(machine, 3).recorded.level).toBe(3);
    expect(new AppliedLevel(machine, 2).problem).toContain('the group works at feature level 3');
  });

  test('comes with a snapshot, too', () => {
    const source = member(9);
    source.machine.apply([raise(1, 8)]);
    const { machine, level, ends } = member(2);
    const restore = machine.restore(logPosition(1, 1));
    for (const chunk of source.machine.snapshot().chunks) restore.chunk(chunk);
    expect(restore.ready()).toBeNull();
    restore.swap(() => undefined);
    expect(level.recorded.level).toBe(8);
    expect(ends).toEqual([expect.stringContaining('start the release that the other members run')]);
  });
});

describe('a member that does not support it', () => {
  test('stops at the record, before anything that was written at that level reaches who listens', () => {
    const machine = memoryMachine();
    const seen: string[] = [];
    new AppliedLevel(machine, 2).failTo(({ message }) => seen.push(message));
    machine.watch((change) => seen.push(change.kind === 'keys' ? change.keys.join() : change.kind));
    machine.apply([raise(1, 9), entry(2, put(2, 'cluster/shop/carts', 'unheard of'))]);
    expect(seen).toEqual([
      `the group works at feature level 9, and this release understands level ${FEATURE_LEVEL} at most; ` +
        'start the release that the other members run, or a later one, and keep the data directory as it is',
      FEATURE_LEVEL_KEY,
      'cluster/shop/carts',
    ]);
  });

  test('is told that its own setting is the reason when it is', () => {
    const { machine, ends } = member(1);
    machine.apply([raise(1, 2)]);
    expect(ends).toEqual([
      'the group works at feature level 2, but raft.feature_level_max is 1 here; ' +
        'remove that setting, which can only hold a group back before it has risen',
    ]);
  });

  test.each(['', '0', '2.5', '-1', ' 2', '2x', '9'.repeat(10)])(
    'stops also where the record says %j, which no release it knows of writes',
    (text) => {
      const { machine, ends } = member(2);
      machine.apply([entry(1, put(1, FEATURE_LEVEL_KEY, text))]);
      expect(ends).toEqual([expect.stringContaining('a feature level this release cannot read')]);
    },
  );
});
