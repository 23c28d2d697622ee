import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { GroupWorld } from '../../../support/raft-core/group-world.ts';
import type { WorldOptions } from '../../../support/raft-core/group-world.ts';

/** More runs on demand: RAFT_GROUP_RUNS=5000 npx vitest run --project unit test/unit/raft/core/group.property.test.ts */
const RUNS = Number(process.env['RAFT_GROUP_RUNS'] ?? 150);

const worlds: fc.Arbitrary<{ readonly options: WorldOptions; readonly steps: number }> = fc.record({
  steps: fc.integer({ min: 50, max: 6000 }),
  options: fc.record({
    seed: fc.integer({ min: 0, max: 0xffff_ffff }),
    members: fc.constantFrom(1, 2, 3, 3, 3, 5, 5),
    spares: fc.constantFrom(0, 2, 4),
    founding: fc.boolean(),
    changes: fc.boolean(),
    transfers: fc.boolean(),
    wipe: fc.boolean(),
    lossPercent: fc.constantFrom(0, 2, 10, 25),
    repeatPercent: fc.constantFrom(0, 10, 40),
    crashes: fc.boolean(),
    partitions: fc.boolean(),
    compactions: fc.boolean(),
    slowDisk: fc.constantFrom(1, 1, 5, 40),
    weights: fc.record({
      tick: fc.constantFrom(60, 200, 400),
      deliver: fc.constantFrom(200, 440, 800),
      disk: fc.constantFrom(60, 200, 400),
    }),
    core: fc.record({
      heartbeatTicks: fc.constantFrom(1, 2),
      electionTicks: fc.constantFrom(6, 10),
      appendEntriesMax: fc.constantFrom(1, 2, 64),
      appendBytesMax: fc.constantFrom(1, 1000),
      inflightMax: fc.constantFrom(1, 2, 8),
      uncommittedBytesMax: fc.constantFrom(20, 10_000),
      readsMax: fc.constantFrom(2, 100),
    }),
  }),
});

/** What a run is worth nothing without. */
const RARE_PATHS = [
  'leader elected',
  'conflict truncated',
  'snapshot installed',
  'crash',
  'partition',
  'restart',
  'read confirmed',
  'read refused',
  'config rolled back',
  'joint config left',
  'joint config left by a new leader',
  'stale completion',
  'stale reject',
  'timeoutNow obeyed',
  'late timeoutNow',
  'transfer aborted',
  'removed leader stepped down',
  'founded',
  'wiped',
];

function runWorld(options: WorldOptions, steps: number): ReadonlyMap<string, number> {
  const world = new GroupWorld(options);
  world.run(steps);
  world.healAndRequireProgress();
  return world.invariants.marks;
}

describe('a group of cores under faults', () => {
  test('keeps every safety invariant and makes progress after healing', { timeout: 3_600_000 }, () => {
    const marks = new Map<string, number>();
    fc.assert(
      fc.property(worlds, ({ options, steps }) => {
        for (const [name, count] of runWorld(options, steps)) marks.set(name, (marks.get(name) ?? 0) + count);
      }),
      { numRuns: RUNS },
    );
    if (process.env['RAFT_GROUP_RUNS'] !== undefined) console.log(Object.fromEntries(marks));
  });

  test('takes every rare path in a fixed set of worlds', () => {
    const seen = new Set<string>();
    for (const { options, steps } of fc.sample(worlds, { seed: 3, numRuns: 400 })) {
      for (const name of runWorld(options, steps).keys()) seen.add(name);
    }
    expect(RARE_PATHS.filter((name) => !seen.has(name))).toEqual([]);
  });
});
