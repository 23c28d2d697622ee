// The recovery scan against arbitrary damage: a true earlier state that damage explains, or a typed refusal, and nothing else.

import { isDeepStrictEqual } from 'node:util';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { IdentityRefused, WalDamaged, WalUnsupported } from '../../../../src/raft/wal/errors.ts';
import {
  FRAME_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  contentEnd,
  readFrame,
  readSegmentHeader,
  segmentSeed,
} from '../../../../src/raft/wal/format.ts';
import type { OpenedWal } from '../../../../src/raft/wal/open.ts';
import {
  SEGMENT_BYTES,
  type Script,
  mustOpen,
  openOn,
  performAll,
  randomScript,
} from '../../../support/log-script.ts';
import { SimulatedDisk } from '../../../support/simulated-disk.ts';

// At first every kind of operation; then what keeps all its segments, so that there is much to lose.
const beginning = randomScript(4711, 40);
const ending = randomScript(2, 40, beginning.states.at(-1), (operation) => {
  return operation.kind === 'write' && (operation.group.append[0]?.data.length ?? 0) < 400;
});
const script: Script = {
  operations: [...beginning.operations, ...ending.operations],
  states: [...beginning.states, ...ending.states.slice(1)],
};
const total = script.operations.length;
const healthy = new SimulatedDisk();
performAll(healthy, mustOpen(healthy).log, script.operations);
const files = healthy.files();
const segments = [...files.keys()].filter((path) => path.endsWith('.log')).sort();

/** A group write in the healthy log. The first of all opens the log; after that, write n + 1 is operation n of the script. */
interface Write {
  readonly path: string;
  readonly start: number;
  readonly end: number;
  readonly ordinal: number;
}

const writes: readonly Write[] = segments.flatMap((path) => {
  const content = files.get(path)!;
  const header = readSegmentHeader(content);
  if (header.kind !== 'header') return [];
  const found: Write[] = [];
  const seed = segmentSeed(header.header);
  for (let start = SEGMENT_HEADER_BYTES; ;) {
    const reading = readFrame(content, start, seed);
    if (reading.kind !== 'frame') return found;
    const { end, ordinal } = reading.frame;
    found.push({ path, start, end, ordinal });
    start = end;
  }
});

type Damage =
  | { readonly kind: 'flip'; readonly path: string; readonly bits: readonly number[] }
  | { readonly kind: 'overwrite'; readonly path: string; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: 'zero'; readonly path: string; readonly from: number; readonly to: number }
  | { readonly kind: 'shorten'; readonly path: string; readonly length: number }
  | { readonly kind: 'extend'; readonly path: string; readonly bytes: Uint8Array }
  | { readonly kind: 'remove'; readonly path: string }
  | { readonly kind: 'swap'; readonly path: string; readonly other: string }
  /** From a write on, nothing of the segment arrived, or arrived in part: what a crash leaves of the last write. */
  | { readonly kind: 'tear'; readonly write: Write; readonly keep: number };

const path = fc.constantFrom(...segments);
const offset = fc.integer({ min: 0, max: SEGMENT_BYTES - 1 });
const noise = fc.uint8Array({ minLength: 1, maxLength: 700 });
const damage: fc.Arbitrary<Damage> = fc.oneof(
  fc.record({
    kind: fc.constant('flip' as const),
    path,
    bits: fc.array(fc.integer({ min: 0, max: SEGMENT_BYTES * 8 - 1 }), { minLength: 1, maxLength: 5 }),
  }),
  fc.record({ kind: fc.constant('overwrite' as const), path, at: offset, bytes: noise }),
  fc.record({ kind: fc.constant('zero' as const), path, from: offset, to: offset }),
  fc.record({ kind: fc.constant('shorten' as const), path, length: offset }),
  fc.record({ kind: fc.constant('extend' as const), path, bytes: noise }),
  fc.record({ kind: fc.constant('remove' as const), path }),
  fc.record({ kind: fc.constant('swap' as const), path, other: path }),
  fc.record({
    kind: fc.constant('tear' as const),
    write: fc.constantFrom(...writes.slice(-12)),
    keep: fc.nat(400),
  }),
);

function damaged(damages: readonly Damage[]): SimulatedDisk {
  const disk = new SimulatedDisk();
  for (const [name, content] of files) disk.plant(name, content);
  for (const one of damages) {
    const target = one.kind === 'tear' ? one.write.path : one.path;
    const content = disk.files().get(target);
    if (content !== undefined) inflict(disk, one, content);
  }
  return disk;
}

function inflict(disk: SimulatedDisk, one: Damage, content: Buffer): void {
  switch (one.kind) {
    case 'flip':
      for (const bit of one.bits) {
        if (bit >> 3 < content.length) content[bit >> 3]! ^= 1 << (bit & 7);
      }
      return disk.plant(one.path, content);
    case 'overwrite':
      content.set(
        one.bytes.subarray(0, Math.max(0, content.length - one.at)),
        Math.min(one.at, content.length),
      );
      return disk.plant(one.path, content);
    case 'zero':
      content.subarray(Math.min(one.from, one.to), Math.max(one.from, one.to)).fill(0);
      return disk.plant(one.path, content);
    case 'shorten':
      return disk.plant(one.path, content.subarray(0, one.length));
    case 'extend':
      return disk.plant(one.path, Buffer.concat([content, one.bytes]));
    case 'remove':
      return disk.uproot(one.path);
    case 'swap': {
      const other = disk.files().get(one.other);
      if (other === undefined) return disk.uproot(one.path);
      disk.plant(one.path, other);
      return disk.plant(one.other, content);
    }
    case 'tear':
      content.subarray(one.write.start + one.keep).fill(0);
      return disk.plant(one.write.path, content);
  }
}

/** Opens and insists on a log or a typed refusal that says what to do. */
function answer(disk: SimulatedDisk): OpenedWal | null {
  const result = openOn(disk);
  if (result === null) throw new Error('no answer');
  if (!(result instanceof Error)) return result;
  if (result instanceof WalDamaged || result instanceof IdentityRefused)
    expect(result.message).toContain('docs/operations.md');
  else if (!(result instanceof WalUnsupported)) throw result;
  return null;
}

/** The bytes `from..to` of a file are what they were. */
function isIntact(disk: SimulatedDisk, write: Write, to: number): boolean {
  const found = disk.files().get(write.path)?.subarray(write.start, to);
  return found !== undefined && files.get(write.path)!.subarray(write.start, to).equals(found);
}

/**
 * Nobody can tell damage from a crash where *everything* from some write on is unreadable: that write itself, and even the
 * headers of all later ones. Anything less must have been noticed.
 */
function explains(disk: SimulatedDisk, operations: number): boolean {
  const lost = writes.filter(({ ordinal }) => ordinal > operations + 1);
  return lost.every((write, place) => {
    const headerEnd = write.start + FRAME_HEADER_BYTES;
    return !isIntact(disk, write, place === 0 ? write.end : headerEnd);
  });
}

it('the log under test has many writes in several segments, and a spare', () => {
  expect(writes.at(-1)?.ordinal).toBe(total + 1);
  expect(new Set(writes.map((write) => write.path)).size).toBeGreaterThanOrEqual(3);
  expect(contentEnd(files.get(segments.at(-1)!)!)).toBe(0);
  // A first write that is torn while the next segment exists would be no crash.
  expect(writes.at(-1)?.start).toBeGreaterThan(SEGMENT_HEADER_BYTES);
  expect(answer(damaged([]))?.restored).toEqual(script.states[total]);
});

describe('S69: arbitrary damage', () => {
  it('leaves a true earlier state that the damage explains, or is refused; and the state that was shown stays', () => {
    const seen = { refused: 0, whole: 0, earlier: 0 };
    fc.assert(
      fc.property(fc.array(damage, { minLength: 1, maxLength: 4 }), (damages) => {
        const disk = damaged(damages);
        const before = disk.afterPowerLoss({ kind: 'kept' });
        const opened = answer(before);
        if (opened === null) {
          seen.refused += 1;
          return;
        }
        const operations = script.states.findLastIndex((state) => isDeepStrictEqual(state, opened.restored));
        expect(operations).toBeGreaterThanOrEqual(0);
        if (operations === total) seen.whole += 1;
        else {
          seen.earlier += 1;
          expect(explains(disk, operations)).toBe(true);
        }
        const again = mustOpen(before.afterPowerLoss({ kind: 'lost' }));
        expect(again.restored).toEqual(opened.restored);
        expect(again.cuts).toEqual([]);
      }),
      { numRuns: 600 },
    );
    expect(Math.min(seen.refused, seen.whole, seen.earlier)).toBeGreaterThan(0);
  });

  it('in one place before the last write is refused, wherever it is', () => {
    const before = fc.constantFrom(...writes.slice(0, -1)).chain((write) =>
      fc.record({
        write: fc.constant(write),
        at: fc.integer({ min: write.start, max: write.end - 1 }),
        mask: fc.integer({ min: 1, max: 255 }),
      }),
    );
    fc.assert(
      fc.property(before, ({ write, at, mask }) => {
        const disk = damaged([]);
        const content = disk.files().get(write.path)!;
        content[at]! ^= mask;
        disk.plant(write.path, content);
        expect(answer(disk)).toBeNull();
      }),
      { numRuns: 300 },
    );
  });
});

describe('S68: a torn last write', () => {
  const last = writes.at(-1)!;

  it('of any length is cut, and the log takes its place again', () => {
    for (let keep = 0; keep < last.end - last.start; keep += keep < 64 ? 1 : 5) {
      const disk = damaged([{ kind: 'tear', write: last, keep }]);
      const isWhole = isIntact(disk, last, last.end);
      const opened = mustOpen(disk);
      // Zeroes that were there anyway are missed by nobody.
      expect(opened.restored).toEqual(script.states[isWhole ? total : total - 1]);
      const rest = isWhole ? [] : script.operations.slice(-1);
      performAll(disk, opened.log, rest);
      expect(mustOpen(disk.afterPowerLoss({ kind: 'lost' })).restored).toEqual(script.states[total]);
    }
  });
});
