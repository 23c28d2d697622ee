import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  ALL_SLOTS,
  NO_SLOTS,
  containsRange,
  containsSlot,
  countSlots,
  differenceSlots,
  intersectionSlots,
  parseSlot,
  parseSlotRange,
  parseSlotSet,
  printSlotRange,
  printSlotSet,
  slotRange,
  slotSetOf,
  splitSlotsEvenly,
  unionSlots,
} from '../../../src/topology/slot.ts';
import { rangeArbitrary, valueOf } from './arbitrary.ts';

const setArbitrary = fc.array(rangeArbitrary, { maxLength: 6 }).map((ranges) => slotSetOf(ranges));

test('slots and ranges at both ends of the space parse and print', () => {
  for (const text of ['0', '16383', '0-16383', '5-9', '16382-16383']) {
    expect(printSlotRange(valueOf(parseSlotRange(text)))).toBe(text);
  }
  expect(valueOf(parseSlot(16_383))).toBe(16_383);
});

test('one slot prints without a dash even when it came as a range, because SETNODES refuses 5-5', () => {
  expect(printSlotRange(valueOf(parseSlotRange('5-5')))).toBe('5');
});

test('anything else is refused with the field and the reason', () => {
  for (const text of [
    '',
    '-',
    '-1',
    '1-',
    '16384',
    '0-16384',
    '9-5',
    '05',
    '1-2-3',
    ' 1',
    '1,2',
    '1.5',
    'x',
    '99999999999',
  ]) {
    const result = parseSlotRange(text, 'slot_ranges[1]');
    expect(result).toMatchObject({
      ok: false,
      error: { kind: 'invalidText', field: 'slot_ranges[1]', text },
    });
  }
  for (const value of [-1, 16_384, 1.5, Number.NaN]) expect(parseSlot(value).ok).toBe(false);
  expect(parseSlotSet(['1', 'x']).ok).toBe(false);
});

test('a set survives its text', () => {
  fc.assert(
    fc.property(setArbitrary, (slots) => {
      expect(valueOf(parseSlotSet(printSlotSet(slots)))).toEqual(slots);
    }),
  );
});

test('set operations agree with the same operations slot by slot', () => {
  fc.assert(
    fc.property(setArbitrary, setArbitrary, fc.nat(16_383), rangeArbitrary, (left, right, number, range) => {
      const slot = valueOf(parseSlot(number));
      const inLeft = containsSlot(left, slot);
      const inRight = containsSlot(right, slot);
      expect(containsSlot(unionSlots(left, right), slot)).toBe(inLeft || inRight);
      expect(containsSlot(differenceSlots(left, right), slot)).toBe(inLeft && !inRight);
      expect(containsSlot(intersectionSlots(left, right), slot)).toBe(inLeft && inRight);
      expect(countSlots(unionSlots(left, right)) + countSlots(intersectionSlots(left, right))).toBe(
        countSlots(left) + countSlots(right),
      );
      expect(containsRange(left, range)).toBe(differenceSlots(slotSetOf([range]), left).length === 0);
    }),
  );
});

test('an even split covers every slot once and gives the remainder to the last part', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 300 }), (partCount) => {
      const parts = splitSlotsEvenly(partCount);
      const sizes = parts.map((part) => part.stop - part.start + 1);
      expect(slotSetOf(parts)).toEqual(ALL_SLOTS);
      expect(new Set(sizes.slice(0, -1)).size).toBeLessThanOrEqual(1);
      expect(sizes.at(-1)).toBe(16_384 - Math.floor(16_384 / partCount) * (partCount - 1));
    }),
  );
  expect(splitSlotsEvenly(16_384)).toHaveLength(16_384);
});

test('an impossible range or split is a programming error', () => {
  expect(() => slotRange(5, 4)).toThrow(/not a slot range/);
  expect(() => splitSlotsEvenly(0)).toThrow(/cannot split/);
  expect(countSlots(NO_SLOTS)).toBe(0);
});
