// The crash matrix: a power loss at every disk operation, with every kind of outcome, and the log afterwards.

import { isDeepStrictEqual } from 'node:util';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { RestoredState } from '../../../../src/raft/core/types.ts';
import {
  INITIAL_STATE,
  SEGMENT_BYTES,
  type Script,
  mustOpen,
  openOn,
  performAll,
  randomScript,
} from '../../../support/log-script.ts';
import { type PowerLoss, SimulatedDisk, diskError } from '../../../support/simulated-disk.ts';

const OUTCOMES: readonly PowerLoss[] = [
  { kind: 'lost' },
  { kind: 'kept' },
  { kind: 'torn', seed: 1 },
  { kind: 'torn', seed: 2 },
  { kind: 'torn', seed: 3 },
  { kind: 'garbage', seed: 4 },
];

/** Runs the script on a new disk that crashes at operation `crashAt`; returns the disk and what was acknowledged. */
function runUntilCrash(
  script: Script,
  crashAt: number | null,
): { disk: SimulatedDisk; acknowledged: number } {
  const disk = new SimulatedDisk();
  disk.crashAt = crashAt;
  const opened = openOn(disk);
  if (opened instanceof Error) throw opened;
  const acknowledged = opened === null ? 0 : performAll(disk, opened.log, script.operations);
  return { disk, acknowledged };
}

/** Recovers and checks that the log holds what was acknowledged, or that and the whole operation under way. */
function expectRecovered(disk: SimulatedDisk, script: Script, acknowledged: number): void {
  const { restored } = mustOpen(disk);
  const before = script.states[acknowledged]!;
  if (isDeepStrictEqual(restored, before)) return;
  expect(restored).toEqual(script.states[acknowledged + 1] ?? before);
}

const powerLoss: fc.Arbitrary<PowerLoss> = fc.oneof(
  fc.constant({ kind: 'lost' } as const),
  fc.constant({ kind: 'kept' } as const),
  fc.record({ kind: fc.constant('torn' as const), seed: fc.nat() }),
  fc.record({ kind: fc.constant('garbage' as const), seed: fc.nat() }),
);

describe('S67: a crash at any disk operation', () => {
  const script = randomScript(2024, 60);
  const total = runUntilCrash(script, null).disk.operations.length;

  it('meets a script that fills many segments, drops old ones and outgrows one', () => {
    const { disk } = runUntilCrash(script, null);
    const created = disk.operations.filter(
      ({ kind, path }) => kind === 'create' && path.includes('wal-'),
    ).length;
    const removed = disk.operations.filter(({ kind }) => kind === 'remove').length;
    const groups = script.operations.flatMap((operation) =>
      operation.kind === 'write' ? [operation.group] : [],
    );
    const bytes = groups.map(({ append }) => append.reduce((sum, { data }) => sum + data.length, 0));
    expect({ created: created > 10, removed: removed > 5 }).toEqual({ created: true, removed: true });
    expect(Math.max(...bytes)).toBeGreaterThan(SEGMENT_BYTES);
    expect(new Set(script.operations.map(({ kind }) => kind)).size).toBe(3);
  });

  it.each(OUTCOMES)('loses nothing acknowledged and is never refused: $kind', (loss) => {
    for (let crashAt = 1; crashAt <= total; crashAt += 1) {
      const { disk, acknowledged } = runUntilCrash(script, crashAt);
      expect(disk.crashed).toBe(true);
      expectRecovered(disk.afterPowerLoss(loss), script, acknowledged);
    }
  });

  it('is survived by the process alone as well: a kill loses nothing that was written', () => {
    for (let crashAt = 1; crashAt <= total; crashAt += 1) {
      const { disk, acknowledged } = runUntilCrash(script, crashAt);
      expectRecovered(disk.afterProcessExit(), script, acknowledged);
    }
  });
});

describe('crashes upon crashes', () => {
  it('a killed first boot leaves nothing that a later power cut takes back', () => {
    const script = randomScript(8, 20);
    for (let crashAt = 1; crashAt <= 40; crashAt += 1) {
      const killed = new SimulatedDisk();
      killed.crashAt = crashAt;
      openOn(killed);
      const disk = killed.afterProcessExit();
      const acknowledged = performAll(disk, mustOpen(disk).log, script.operations);
      const { restored } = mustOpen(disk.afterPowerLoss({ kind: 'lost' }));
      expect(restored).toEqual(script.states[acknowledged]);
    }
  });

  it('never lose what an earlier recovery has shown', () => {
    const schedule = fc.record({
      seed: fc.nat(),
      lives: fc.array(fc.record({ crashAt: fc.integer({ min: 1, max: 60 }), loss: fc.option(powerLoss) }), {
        minLength: 1,
        maxLength: 6,
      }),
    });
    fc.assert(
      fc.property(schedule, ({ seed, lives }) => {
        let disk = new SimulatedDisk();
        let possible: readonly RestoredState[] = [INITIAL_STATE];
        for (const [life, { crashAt, loss }] of lives.entries()) {
          disk.crashAt = crashAt;
          const opened = openOn(disk);
          if (opened instanceof Error) throw opened;
          if (opened !== null) {
            // What a start has shown to the protocol counts as acknowledged from then on.
            expect(possible).toContainEqual(opened.restored);
            const script = randomScript(seed + life, 25, opened.restored);
            const acknowledged = performAll(disk, opened.log, script.operations);
            possible = script.states.slice(acknowledged, acknowledged + 2);
          }
          disk = loss === null ? disk.afterProcessExit() : disk.afterPowerLoss(loss);
        }
        expect(possible).toContainEqual(mustOpen(disk).restored);
      }),
      { numRuns: 150 },
    );
  });
});

describe('a sync that failed', () => {
  it('leaves no entry that is shown to the next process and lost to the next power cut', () => {
    const script = randomScript(99, 30);
    const clean = runUntilCrash(script, null).disk;
    const syncs = clean.operations.filter(({ kind, path }) => kind === 'datasync' && path.includes('wal-'));
    for (const { number } of syncs) {
      const disk = new SimulatedDisk();
      disk.failure = (operation) => (operation.number === number ? diskError('EIO') : null);
      const opened = openOn(disk);
      if (opened instanceof Error || opened === null) continue;
      const acknowledged = performAll(disk, opened.log, script.operations);
      const restarted = disk.afterProcessExit();
      const second = mustOpen(restarted);
      expect([script.states[acknowledged], script.states[acknowledged + 1]]).toContainEqual(second.restored);
      const third = mustOpen(restarted.afterPowerLoss({ kind: 'lost' }));
      expect(third.restored).toEqual(second.restored);
    }
  });
});
