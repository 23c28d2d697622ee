// Slots, ranges of slots and sets of slots: parse, print and calculate.

import { assert } from '../base/assert.ts';
import { type Result, err, ok } from '../base/result.ts';
import type { TopologyError } from './errors.ts';
import { SLOT_COUNT, type Slot, type SlotRange, type SlotSet } from './types.ts';

const SLOT_PATTERN = /^(?:0|[1-9]\d{0,4})$/;

function isSlot(value: number): value is Slot {
  return Number.isInteger(value) && value >= 0 && value < SLOT_COUNT;
}

/** Sorted, disjoint, neighbours merged. */
function isSlotSet(ranges: readonly SlotRange[]): ranges is SlotSet {
  return ranges.every((range, index) => range.start > (ranges[index - 1]?.stop ?? -2) + 1);
}

/** No slots. */
export const NO_SLOTS: SlotSet = slotSetOf([]);

/** All 16384 slots. */
export const ALL_SLOTS: SlotSet = slotSetOf([slotRange(0, SLOT_COUNT - 1)]);

/** A slot number from outside: an integer 0..16383. */
export function parseSlot(value: number, field = 'slot'): Result<Slot, TopologyError> {
  if (!isSlot(value)) {
    return err({
      kind: 'invalidText',
      field,
      text: String(value),
      why: `is not a slot, which is 0 to ${SLOT_COUNT - 1}`,
    });
  }
  return ok(value);
}

/** `"5"` or `"5-9"` (also `"5-5"`), without spaces, signs or leading zeros. */
export function parseSlotRange(text: string, field = 'slot'): Result<SlotRange, TopologyError> {
  const dash = text.indexOf('-');
  const startText = dash === -1 ? text : text.slice(0, dash);
  const stopText = dash === -1 ? text : text.slice(dash + 1);
  if (!SLOT_PATTERN.test(startText) || !SLOT_PATTERN.test(stopText)) {
    return err({
      kind: 'invalidText',
      field,
      text,
      why: 'is not a slot such as "5" nor a range such as "5-9"',
    });
  }
  const start = Number(startText);
  const stop = Number(stopText);
  if (!isSlot(start) || !isSlot(stop)) {
    return err({
      kind: 'invalidText',
      field,
      text,
      why: `is out of range, slots are 0 to ${SLOT_COUNT - 1}`,
    });
  }
  if (start > stop)
    return err({ kind: 'invalidText', field, text, why: 'is reversed: the first slot is above the last' });
  return ok({ start, stop });
}

/** `"5"` for one slot, else `"5-9"`: the API's form and the only one SETNODES takes (`5-5` is refused, facts section 2.3). */
export function printSlotRange(range: SlotRange): string {
  return range.start === range.stop ? String(range.start) : `${range.start}-${range.stop}`;
}

/** One text a range, ascending. Joined with spaces it is the slots part of a SETNODES line. */
export function printSlotSet(slots: SlotSet): string[] {
  return slots.map((range) => printSlotRange(range));
}

/** The ranges in `texts`, which may overlap, as one set. */
export function parseSlotSet(texts: readonly string[], field = 'slots'): Result<SlotSet, TopologyError> {
  const ranges: SlotRange[] = [];
  for (const [index, text] of texts.entries()) {
    const range = parseSlotRange(text, `${field}[${index}]`);
    if (!range.ok) return range;
    ranges.push(range.value);
  }
  return ok(slotSetOf(ranges));
}

/** A range from two numbers the program calculated. */
export function slotRange(start: number, stop: number): SlotRange {
  assert(isSlot(start) && isSlot(stop) && start <= stop, `not a slot range: ${start}-${stop}`);
  return { start, stop };
}

/** Any ranges, in any order, overlapping or not, as a set: sorted, overlaps and neighbours merged. */
export function slotSetOf(ranges: readonly SlotRange[]): SlotSet {
  const merged: SlotRange[] = [];
  for (const range of ranges.toSorted((left, right) => left.start - right.start)) {
    const last = merged.at(-1);
    if (last === undefined || range.start > last.stop + 1) {
      merged.push(range);
    } else if (range.stop > last.stop) {
      merged[merged.length - 1] = { start: last.start, stop: range.stop };
    }
  }
  assert(isSlotSet(merged), 'merged ranges are a set');
  return merged;
}

export function unionSlots(left: SlotSet, right: SlotSet): SlotSet {
  return slotSetOf([...left, ...right]);
}

/** What is in `left` and not in `right`. */
export function differenceSlots(left: SlotSet, right: SlotSet): SlotSet {
  const kept: SlotRange[] = [];
  for (const range of left) {
    let start: number = range.start;
    for (const hole of right) {
      if (hole.stop < start) continue;
      if (hole.start > range.stop) break;
      if (hole.start > start) kept.push(slotRange(start, hole.start - 1));
      start = hole.stop + 1;
    }
    if (start <= range.stop) kept.push(slotRange(start, range.stop));
  }
  assert(isSlotSet(kept), 'what is left of a set is a set');
  return kept;
}

/** What is in both. */
export function intersectionSlots(left: SlotSet, right: SlotSet): SlotSet {
  return differenceSlots(left, differenceSlots(left, right));
}

export function containsSlot(slots: SlotSet, slot: Slot): boolean {
  return slots.some((range) => range.start <= slot && slot <= range.stop);
}

/** Whether every slot of `range` is in `slots`. Neighbouring ranges of a set are merged, so one range must hold all. */
export function containsRange(slots: SlotSet, range: SlotRange): boolean {
  return slots.some((own) => own.start <= range.start && range.stop <= own.stop);
}

export function countSlots(slots: SlotSet): number {
  return slots.reduce((count, range) => count + range.stop - range.start + 1, 0);
}

export function equalRanges(left: SlotRange, right: SlotRange): boolean {
  return left.start === right.start && left.stop === right.stop;
}

/** All slots in `partCount` (1..16384) consecutive ranges of equal size; the last takes the remainder (contract, *Answers*). */
export function splitSlotsEvenly(partCount: number): SlotRange[] {
  assert(
    Number.isInteger(partCount) && partCount >= 1 && partCount <= SLOT_COUNT,
    `cannot split slots into ${partCount} parts`,
  );
  const size = Math.floor(SLOT_COUNT / partCount);
  return Array.from({ length: partCount }, (_, index) =>
    slotRange(index * size, index === partCount - 1 ? SLOT_COUNT - 1 : (index + 1) * size - 1),
  );
}
