// Which slot a key belongs to, and a key for a slot.

import { assert } from '../base/assert.ts';
import { SLOT_COUNT, type Slot } from './types.ts';

const POLYNOMIAL = 0x1021;

/** CRC16 as Redis Cluster uses it (XMODEM: polynomial 0x1021, start 0) of ASCII text without a hash tag, modulo the number of slots. */
export function slotOfPlainKey(key: string): number {
  let crc = 0;
  for (let index = 0; index < key.length; index += 1) {
    crc ^= key.charCodeAt(index) << 8;
    for (let bit = 0; bit < 8; bit += 1) {
      crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ POLYNOMIAL;
    }
    crc &= 0xffff;
  }
  return crc % SLOT_COUNT;
}

/** Far more than are ever needed: the chance that none of them falls into a given slot is below e^-30. */
const KEYS_TRIED_MAX = 30 * SLOT_COUNT;

/** Some key of `slot`, always the same one. Takes some milliseconds, so keep it. */
export function keyOfSlot(slot: Slot): string {
  for (let index = 0; index < KEYS_TRIED_MAX; index += 1) {
    const key = `slot-${index}`;
    if (slotOfPlainKey(key) === slot) return key;
  }
  assert(false, 'some short key falls into every slot');
}
