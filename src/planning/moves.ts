// Which slots go from whom to whom, once it is known how many each shard shall own: few moves, of few ranges.

import { assert, present } from '../base/assert.ts';
import { countSlots, slotRange, slotSetOf } from '../topology/slot.ts';
import { SLOT_COUNT, type Shard, type ShardId, type SlotRange, type SlotSet } from '../topology/types.ts';
import { BySize, type Sized } from './by-size.ts';
import { inRounds } from './rounds.ts';
import type { Steps } from './steps.ts';

/** Slots that one shard gives to another. No two moves of a plan have the same two shards. */
export interface PlannedMove {
  readonly source: ShardId;
  readonly target: ShardId;
  readonly slots: SlotSet;
}

/** In `owners`: a slot that no shard owns. */
const NOBODY = -1;

/** Only the longest ranges of a shard are compared with the slots of others, so that a shard in thousands of pieces takes no longer. */
const COMPARED_RANGES_MAX = 16;

/** One step takes so many: about a millisecond before the runtime has compiled this, and less afterwards. */
const RANGES_A_STEP = 128;

/** A shard with more slots than it shall have. */
interface Source {
  readonly index: number;
  /** Slots it still has to give. */
  surplus: number;
  /** What it still owns, in one piece a range; `key` is the first slot. */
  readonly pieces: BySize;
}

/** What the moves found so far leave to do. */
interface Ledger {
  /** The index of each slot's owner. */
  readonly owners: Int32Array;
  /** Slots that each shard still has to get, by index. */
  readonly missing: Int32Array;
  /** The same of those that have to get any; `key` is the index. */
  readonly targets: BySize;
  /** Ranges taken from sources so far. */
  takenRanges: number;
}

/**
 * Moves after which each of `shards` owns as many slots as `after` says in its place; together that is what they own now. Whole numbers of slots
 * that match are paired first; else a source gives to whom its slots are neighbours of, then to who lacks most. Every move empties its source's surplus
 * or fills its target, so there are fewer moves than shards that take part; and it cuts one range at most. In the order of `inRounds`. Pauses so that
 * no step takes long.
 */
export function* movesToward(
  shards: readonly Shard[],
  after: readonly number[],
): Steps<readonly PlannedMove[]> {
  const ledger = openLedger(shards, after);
  const sources = sourcesOf(shards, after);
  yield;
  const moves: PlannedMove[] = [];
  const idOf = (index: number): ShardId => present(shards[index], 'an index is of a shard').id;
  for (const source of sources) {
    const exact = exactTarget(source, ledger);
    if (exact === null) continue;
    const slots = yield* take(source, exact, ledger);
    moves.push({ source: idOf(source.index), target: idOf(exact), slots });
  }
  for (const source of sources) {
    while (source.surplus > 0) {
      const target = targetFor(source, ledger);
      const slots = yield* take(source, target, ledger);
      moves.push({ source: idOf(source.index), target: idOf(target), slots });
    }
  }
  yield;
  return inRounds(moves);
}

function openLedger(shards: readonly Shard[], after: readonly number[]): Ledger {
  const owners = new Int32Array(SLOT_COUNT).fill(NOBODY);
  const missing = new Int32Array(shards.length);
  const targets: Sized[] = [];
  for (const [index, { slots }] of shards.entries()) {
    for (const { start, stop } of slots) owners.fill(index, start, stop + 1);
    const size = (after[index] ?? 0) - countSlots(slots);
    if (size <= 0) continue;
    missing[index] = size;
    targets.push({ size, key: index });
  }
  return { owners, missing, targets: new BySize(targets), takenRanges: 0 };
}

/** In the order of their slots: what a target gets from one source and the next is then one range, where those own neighbouring ranges. */
function sourcesOf(shards: readonly Shard[], after: readonly number[]): readonly Source[] {
  return [...shards.entries()]
    .map(([index, { slots }]) => ({ index, slots, surplus: countSlots(slots) - (after[index] ?? 0) }))
    .filter(({ surplus }) => surplus > 0)
    .toSorted((left, right) => (left.slots[0]?.start ?? 0) - (right.slots[0]?.start ?? 0))
    .map(({ index, slots, surplus }) => ({
      index,
      surplus,
      pieces: new BySize(slots.map(({ start, stop }) => ({ size: stop - start + 1, key: start }))),
    }));
}

/** Who lacks just what the source has too much, rather a neighbour of its slots; null when nobody does. */
function exactTarget(source: Source, { owners, missing, targets }: Ledger): number | null {
  const { surplus, pieces } = source;
  const fitting = targets.atLeast(surplus);
  if (fitting?.size !== surplus) return null;
  for (const piece of pieces.largestFew(COMPARED_RANGES_MAX)) {
    for (const index of besides(piece, owners)) if (missing[index] === surplus) return index;
  }
  return fitting.key;
}

/** Of those that lack slots: an exact match, else of the neighbours of the source's longest ranges who lacks most, else who lacks most of all. */
function targetFor(source: Source, ledger: Ledger): number {
  const { owners, missing, targets } = ledger;
  const exact = exactTarget(source, ledger);
  if (exact !== null) return exact;
  let nearest = NOBODY;
  for (const piece of source.pieces.largestFew(COMPARED_RANGES_MAX)) {
    for (const index of besides(piece, owners)) {
      if ((missing[index] ?? 0) > (missing[nearest] ?? 0)) nearest = index;
    }
  }
  if (nearest !== NOBODY) return nearest;
  return present(targets.largest(), 'as many slots are missing as are too many').key;
}

/** Who owns the slot before and the slot after a range. */
function besides({ key, size }: Sized, owners: Int32Array): readonly [number, number] {
  return [owners[key - 1] ?? NOBODY, owners[key + size] ?? NOBODY];
}

/** As many slots as the source has too many and the target lacks, written down as the target's. */
function* take(source: Source, targetIndex: number, ledger: Ledger): Steps<SlotSet> {
  const { owners, missing, targets } = ledger;
  const lack = missing[targetIndex] ?? 0;
  const count = Math.min(source.surplus, lack);
  assert(count > 0, 'a move has slots');
  const ranges: SlotRange[] = [];
  for (let left = count; left > 0;) {
    const { start, size } = takeRange(source.pieces, { sizeMax: left, targetIndex, owners });
    owners.fill(targetIndex, start, start + size);
    ranges.push(slotRange(start, start + size - 1));
    left -= size;
    ledger.takenRanges += 1;
    if (ledger.takenRanges % RANGES_A_STEP === 0) yield;
  }
  source.surplus -= count;
  missing[targetIndex] = lack - count;
  targets.remove({ size: lack, key: targetIndex });
  if (lack > count) targets.add({ size: lack - count, key: targetIndex });
  return slotSetOf(ranges);
}

/**
 * One range out of `pieces`, of `sizeMax` slots or less. Rather one beside slots of the target, which stay one range there; then the smallest that has
 * enough, whole if it fits; then the longest, whole. A range that is too long gives from the end at which the target is, else its last slots.
 */
function takeRange(
  pieces: BySize,
  { sizeMax, targetIndex, owners }: { sizeMax: number; targetIndex: number; owners: Int32Array },
): { readonly start: number; readonly size: number } {
  let beside: Sized | null = null;
  for (const piece of pieces.largestFew(COMPARED_RANGES_MAX)) {
    if (beside?.size === sizeMax) break;
    if (besides(piece, owners).includes(targetIndex)) beside = piece;
  }
  const piece = beside ?? pieces.atLeast(sizeMax) ?? pieces.largest();
  assert(piece !== null, 'a source owns what it gives');
  pieces.remove(piece);
  if (piece.size <= sizeMax) return { start: piece.key, size: piece.size };
  const rest = piece.size - sizeMax;
  const isAtStart = owners[piece.key - 1] === targetIndex;
  pieces.add({ size: rest, key: isAtStart ? piece.key + sizeMax : piece.key });
  return { start: isAtStart ? piece.key : piece.key + rest, size: sizeMax };
}
