import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { keyOfSlot, slotOfPlainKey } from '../../../src/topology/key-slot.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import { SLOT_COUNT } from '../../../src/topology/types.ts';

test('the slot of a key is the one a server tells', () => {
  expect(slotOfPlainKey('foo')).toBe(12_182);
  expect(slotOfPlainKey('123456789')).toBe(0x31c3);
  expect(slotOfPlainKey('')).toBe(0);
});

test('every slot has a key of its own, always the same one', () => {
  fc.assert(
    fc.property(fc.nat(SLOT_COUNT - 1), (index) => {
      const { start: slot } = slotRange(index, index);
      const key = keyOfSlot(slot);
      expect(slotOfPlainKey(key)).toBe(index);
      expect(keyOfSlot(slot)).toBe(key);
      expect(key).not.toMatch(/[{}]/);
    }),
    { numRuns: 20 },
  );
});
