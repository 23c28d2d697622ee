// Hash slots: the slot of a key, and the slot ranges of CLUSTERX MIGRATE, SETSLOT and CLUSTER IMPORT.

import { err, ok, type Result } from '../../src/base/result.ts';

export const SLOT_COUNT = 16_384;

/** Inclusive, `start <= end`. */
export interface SlotRange {
  readonly start: number;
  readonly end: number;
}

const CRC16_TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit += 1) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021;
  return crc & 0xffff;
});

/** CRC16 (XMODEM) of the key, or of what stands between the first `{` and the next `}` if that is not empty. */
export function slotOfKey(key: string): number {
  const open = key.indexOf('{');
  const close = open === -1 ? -1 : key.indexOf('}', open + 1);
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (let index = 0; index < hashed.length; index += 1) {
    const entry = CRC16_TABLE[((crc >> 8) ^ hashed.charCodeAt(index)) & 0xff] ?? 0;
    crc = ((crc << 8) & 0xffff) ^ entry;
  }
  return crc & (SLOT_COUNT - 1);
}

export function contains(range: SlotRange | null, slot: number): boolean {
  return range !== null && range.start <= slot && slot <= range.end;
}

export function overlaps(left: SlotRange | null, right: SlotRange): boolean {
  return left !== null && left.start <= right.end && right.start <= left.end;
}

export function sameRange(left: SlotRange | null, right: SlotRange): boolean {
  return left !== null && left.start === right.start && left.end === right.end;
}

/** `5` or `5-7`, as the server prints ranges. */
export function rangeText(range: SlotRange): string {
  return range.start === range.end ? String(range.start) : `${range.start}-${range.end}`;
}

/** A signed 64-bit decimal, leading blanks allowed as by the C library; null otherwise. */
export function parseInt64(text: string): bigint | null {
  if (!/^\s*[+-]?\d+$/.test(text)) return null;
  const value = BigInt(text.trim().replace(/^\+/, ''));
  return BigInt.asIntN(64, value) === value ? value : null;
}

/** Blank-separated slots and ranges; the error is the server's text (facts sections 5.1 and 6). */
export function parseSlotRanges(text: string): Result<readonly SlotRange[], string> {
  const words = text.split(' ').filter((word) => word !== '');
  if (words.length === 0) return err('No slots to parse.');
  const ranges: SlotRange[] = [];
  for (const word of words) {
    const range = parseRange(word);
    if (!range.ok) return range;
    ranges.push(range.value);
  }
  return ok(ranges);
}

function parseRange(word: string): Result<SlotRange, string> {
  if (!word.includes('-')) {
    const slot = parseSlot(word);
    return slot.ok ? ok({ start: slot.value, end: slot.value }) : slot;
  }
  if (word.startsWith('-') || word.endsWith('-')) {
    return err(
      `Invalid slot range: \`${word}\`. The character '-' can't appear in the first or last position.`,
    );
  }
  const [first = '', last = '', ...rest] = word.split('-');
  if (rest.length > 0) {
    return err(`Invalid slot range: \`${word}\`. The slot range should be of the form \`int1-int2\`.`);
  }
  const start = parseSlot(first);
  if (!start.ok) return start;
  const end = parseSlot(last);
  if (!end.ok) return end;
  if (start.value <= end.value) return ok({ start: start.value, end: end.value });
  return err(
    `Invalid slot range: \`${word}\`. The slot range \`int1-int2\` needs to satisfy the condition (int1 <= int2).`,
  );
}

function parseSlot(text: string): Result<number, string> {
  if (!/^\s*[+-]?\d/.test(text)) return err('Invalid slot id: not started as an integer');
  const value = parseInt64(text);
  if (value === null && !/^\s*[+-]?\d+$/.test(text)) {
    return err('Invalid slot id: encounter non-integer characters');
  }
  if (value === null || value < 0n || value >= BigInt(SLOT_COUNT)) {
    return err('Invalid slot id: out of numeric range');
  }
  return ok(Number(value));
}
