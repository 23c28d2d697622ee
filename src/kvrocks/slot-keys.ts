// A key for every slot, to ask a node how it serves the slot.

import { present } from '../base/assert.ts';
import { SLOT_COUNT, type Slot } from '../topology/types.ts';

/** Words tried, at most. The last slot is found after some 160,000, and nothing about that changes from run to run. */
const WORDS_MAX = 400_000;

const CRC16_TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc & 0xffff;
});

/** Found so far, and the number of the next word: what one question needed serves the next. */
const found = new Map<number, string>();
let nextWord = 0;

/** A key of `slot` that nobody uses: the slot is that of the word in braces, CRC16 modulo the number of slots. */
export function keyInSlot(slot: Slot): string {
  while (!found.has(slot) && nextWord < WORDS_MAX) {
    const word = nextWord.toString(36);
    const own = crc16(word) % SLOT_COUNT;
    if (!found.has(own)) found.set(own, word);
    nextWord += 1;
  }
  return `__kvrocks_controller_slot__{${present(found.get(slot), 'every slot has a word')}}`;
}

function crc16(text: string): number {
  let crc = 0;
  for (let index = 0; index < text.length; index += 1) {
    const entry = CRC16_TABLE[((crc >> 8) ^ text.charCodeAt(index)) & 0xff] ?? 0;
    crc = ((crc << 8) & 0xffff) ^ entry;
  }
  return crc;
}
