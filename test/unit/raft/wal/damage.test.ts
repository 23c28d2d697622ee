// Damaged directories: what is cut, what is refused, and what nobody could tell from a crash.

import { isDeepStrictEqual } from 'node:util';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { createSeededRandom } from '../../../../src/base/random.ts';
import { WalDamaged, WalUnsupported } from '../../../../src/raft/wal/errors.ts';
import { contentEnd } from '../../../../src/raft/wal/format.ts';
import { type OpenedWal } from '../../../../src/raft/wal/open.ts';
import { mustOpen, openOn, perform, performAll, randomScript } from '../../../support/log-script.ts';
import { SimulatedDisk } from '../../../support/simulated-disk.ts';

/** Nothing is dropped, so that every segment is needed; the last write lies in a segment with others. */
const script = randomScript(12, 60, undefined, (operation) => {
  return operation.kind === 'write' && operation.group.truncateFrom === null;
});
const finalState = script.states.at(-1)!;
/** Without the last group write. */
const previousState = script.states.at(-2)!;

/** A directory of several full segments, a tail and a spare; healthy, and all of it acknowledged. */
const healthy = new SimulatedDisk();
performAll(healthy, mustOpen(healthy).log, script.operations);

function healthyDisk(): SimulatedDisk {
  const disk = new SimulatedDisk();
  for (const [path, content] of healthy.files()) disk.plant(path, content);
  return disk;
}

const segments = [...healthy.files().keys()].filter((path) => path.endsWith('.log')).sort();
const spare = segments.at(-1)!;
const tail = segments.at(-2)!;
const inUse = segments.slice(0, -1);

function withFile(path: string, change: (content: Buffer) => Buffer): SimulatedDisk {
  const disk = healthyDisk();
  disk.plant(path, change(Buffer.from(disk.files().get(path)!)));
  return disk;
}

/** Opens and insists that the answer is a log or a typed refusal. */
function answer(disk: SimulatedDisk): OpenedWal | WalDamaged | WalUnsupported {
  const result = openOn(disk);
  if (result === null) throw new Error('no answer');
  if (result instanceof WalDamaged || result instanceof WalUnsupported) return result;
  if (result instanceof Error) throw result;
  return result;
}

function flip(content: Buffer, bit: number): Buffer {
  content[bit >> 3] = content[bit >> 3]! ^ (1 << (bit & 7));
  return content;
}

/** Where the last group write lies in the tail. */
function lastWriteOf(): { from: number; to: number } {
  const to = contentEnd(healthy.files().get(tail)!);
  const disk = new SimulatedDisk();
  const { log } = mustOpen(disk);
  performAll(disk, log, script.operations.slice(0, -1));
  const before = disk.files().get(tail)!;
  perform(disk, log, script.operations.at(-1)!);
  const after = disk.files().get(tail)!;
  const from = before.findIndex((byte, offset) => byte !== after[offset]);
  return { from, to };
}

it('the directory under test has sealed segments, a tail that is not empty, and a spare', () => {
  expect(inUse.length).toBeGreaterThanOrEqual(3);
  expect(contentEnd(healthy.files().get(spare)!)).toBe(0);
  const { from, to } = lastWriteOf();
  expect(to).toBeGreaterThan(from);
  expect(mustOpen(healthyDisk()).restored).toEqual(finalState);
});

describe('a flipped bit', () => {
  const last = lastWriteOf();

  it('S69: in a write before the last one is refused, with the file and the place in the message', () => {
    const place = fc.constantFrom(...inUse).chain((path) => {
      const end = path === tail ? last.from : contentEnd(healthy.files().get(path)!);
      return fc.record({ path: fc.constant(path), bit: fc.integer({ min: 0, max: end * 8 - 1 }) });
    });
    fc.assert(
      fc.property(place, ({ path, bit }) => {
        const result = answer(withFile(path, (content) => flip(content, bit)));
        expect(result).toBeInstanceOf(WalDamaged);
        if (!(result instanceof WalDamaged)) return;
        expect(result.file).toBe(path);
        expect(result.offset).toBeLessThanOrEqual(bit >> 3);
        expect(result.message).toContain('docs/operations.md');
      }),
      { numRuns: 300 },
    );
  });

  it('S68: in the last write cannot be told from a torn write: exactly that write is cut, never half of it', () => {
    fc.assert(
      fc.property(fc.integer({ min: last.from * 8, max: last.to * 8 - 1 }), (bit) => {
        const result = answer(withFile(tail, (content) => flip(content, bit)));
        if (result instanceof Error) throw result;
        expect(isDeepStrictEqual(result.restored, previousState)).toBe(true);
        expect(result.cuts).toHaveLength(1);
      }),
      { numRuns: 300 },
    );
  });

  it('in space that holds nothing loses nothing', () => {
    for (const path of [tail, spare]) {
      const content = healthy.files().get(path)!;
      const frameEnd = Math.ceil(contentEnd(content) / 8) * 8;
      fc.assert(
        fc.property(fc.integer({ min: frameEnd * 8, max: content.length * 8 - 1 }), (bit) => {
          const result = answer(withFile(path, (bytes) => flip(bytes, bit)));
          if (result instanceof Error) throw result;
          expect(isDeepStrictEqual(result.restored, finalState)).toBe(true);
        }),
        { numRuns: 50 },
      );
    }
  });
});

describe('a cut is made once', () => {
  it('the next start finds clean space', () => {
    const last = lastWriteOf();
    const disk = withFile(tail, (content) => flip(content, last.from * 8 + 100));
    const first = mustOpen(disk);
    expect(first.cuts).toEqual([
      { file: expect.stringContaining('wal-'), offset: last.from, bytes: last.to - last.from },
    ]);
    const second = mustOpen(disk.afterPowerLoss({ kind: 'lost' }));
    expect(second.cuts).toEqual([]);
    expect(second.restored).toEqual(previousState);
  });
});

describe('S69: files that are missing, short or foreign', () => {
  it.each(inUse.slice(1))('%s gone is refused', (path) => {
    const disk = healthyDisk();
    disk.uproot(path);
    expect(answer(disk)).toBeInstanceOf(WalDamaged);
  });

  it('the oldest gone is refused when its entries are needed', () => {
    const disk = healthyDisk();
    disk.uproot(inUse[0]!);
    const result = answer(disk);
    expect(result).toMatchObject({ file: inUse[1]!, offset: null });
  });

  it('a segment in use that was shortened is refused, however little is gone', () => {
    const cut = fc.record({ path: fc.constantFrom(...inUse), length: fc.integer({ min: 0, max: 4095 }) });
    fc.assert(
      fc.property(cut, ({ path, length }) => {
        expect(answer(withFile(path, (content) => content.subarray(0, length)))).toBeInstanceOf(WalDamaged);
      }),
      { numRuns: 200 },
    );
  });

  it('a spare that was shortened is made anew', () => {
    expect(answer(withFile(spare, (content) => content.subarray(0, 100)))).toMatchObject({
      restored: finalState,
    });
  });

  it('a tail that reads as zeroes is refused: the segment prepared after it proves that it was in use', () => {
    const disk = withFile(tail, (content) => content.fill(0));
    expect(answer(disk)).toBeInstanceOf(WalDamaged);
  });

  it('a sealed segment with a hole of zeroes is refused', () => {
    for (const path of inUse.slice(0, -1)) {
      const disk = withFile(path, (content) => content.fill(0, 512, 1024));
      expect(answer(disk)).toBeInstanceOf(WalDamaged);
    }
  });

  it('a copy of another segment in the place of one is refused', () => {
    const disk = withFile(inUse[1]!, () => Buffer.from(healthy.files().get(inUse[0]!)!));
    expect(answer(disk)).toBeInstanceOf(WalDamaged);
  });

  it('the segments of another directory are refused', () => {
    const other = new SimulatedDisk();
    performAll(other, mustOpen(other, { random: createSeededRandom(8) }).log, script.operations);
    for (const path of inUse) {
      const disk = withFile(path, () => Buffer.from(other.files().get(path)!));
      expect(answer(disk)).toBeInstanceOf(WalDamaged);
    }
  });
});

describe('arbitrary bytes', () => {
  it('in place of any segment give a typed refusal or a healthy log', () => {
    const bytes = fc.uint8Array({ maxLength: 5000 });
    fc.assert(
      fc.property(fc.constantFrom(...segments), bytes, (path, content) => {
        answer(withFile(path, () => Buffer.from(content)));
      }),
      { numRuns: 200 },
    );
  });

  it('written over any part of any segment lose at most the last write', () => {
    const damage = fc.record({
      path: fc.constantFrom(...segments),
      offset: fc.integer({ min: 0, max: 4095 }),
      bytes: fc.uint8Array({ minLength: 1, maxLength: 600 }),
    });
    const last = lastWriteOf();
    fc.assert(
      fc.property(damage, ({ path, offset, bytes }) => {
        const result = answer(
          withFile(path, (content) => {
            content.set(bytes.subarray(0, content.length - offset), offset);
            return content;
          }),
        );
        if (result instanceof Error) return;
        const whole = isDeepStrictEqual(result.restored, finalState);
        if (whole) return;
        expect(path).toBe(tail);
        // From the damaged write on, everything was overwritten: then nothing is left to tell it from a crash.
        if (offset >= last.from) expect(result.restored).toEqual(previousState);
        else expect(script.states).toContainEqual(result.restored);
      }),
      { numRuns: 300 },
    );
  });
});
