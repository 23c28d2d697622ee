// What members compare of their states.

import { expect, test } from 'vitest';

import { logPosition } from '../../../src/store/log-entry.ts';
import { StateMarks } from '../../../src/store/state-marks.ts';
import { entry, memoryMachine, put } from './support.ts';

test('members that apply one log in other batches have the same marks, of every 64th entry', () => {
  const log = Array.from({ length: 200 }, (_, place) =>
    entry(place + 1, place % 64 === 63 ? 'noop' : put(place, `k${place % 7}`, `${place}`)),
  );
  const [one, other] = [memoryMachine(), memoryMachine()];
  one.apply(log);
  for (const single of log) other.apply([single]);
  expect(one.marks.map(({ index }) => index)).toEqual([64, 128, 192]);
  expect(other.marks).toEqual(one.marks);
  expect(new Set(one.marks.map(({ hash }) => hash)).size).toBe(3);
});

test('only the newest are kept, and none of a state that was exchanged', () => {
  const marks = new StateMarks();
  for (let index = 1; index <= 64 * 100; index += 1)
    marks.note(logPosition(index, 1).index, { high: index, low: 0 });
  expect([marks.all.length, marks.all[0]?.index]).toEqual([64, 64 * 37]);
  marks.clear();
  expect(marks.all).toEqual([]);
});
