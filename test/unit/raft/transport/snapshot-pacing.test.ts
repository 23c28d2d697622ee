// Pauses between transfers of one snapshot to one peer.

import { describe, expect, it } from 'vitest';

import type { Random } from '../../../../src/base/random.ts';
import { SnapshotPacing } from '../../../../src/raft/transport/snapshot-pacing.ts';
import { ONE, TWO } from './wire.ts';

/** The longest pauses that chance allows. */
const longest: Random = { uint32: () => 2 ** 32 - 1 };

const MINUTE_MS = 60_000;

describe('a transfer of a snapshot', () => {
  it('waits longer each time it is repeated, half a minute at most', () => {
    const pacing = new SnapshotPacing(longest);
    const delays = Array.from({ length: 11 }, () => Math.round(pacing.begin(TWO, 10, 0)));
    expect(delays).toEqual([0, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
  });

  it('does not wait for those of another snapshot, or to another peer', () => {
    const pacing = new SnapshotPacing(longest);
    for (let count = 0; count < 5; count += 1) pacing.begin(TWO, 10, 0);
    expect(pacing.begin(ONE, 10, 0)).toBe(0);
    expect(pacing.begin(TWO, 11, 0)).toBe(0);
    expect(pacing.begin(TWO, 10, 0)).toBe(0);
  });

  it('does not wait for one of which ten minutes ago the last ended', () => {
    const pacing = new SnapshotPacing(longest);
    pacing.begin(TWO, 10, 0);
    pacing.end(TWO, 15 * MINUTE_MS);
    expect(pacing.begin(TWO, 10, 25 * MINUTE_MS - 1)).toBeGreaterThan(0);
    pacing.end(TWO, 30 * MINUTE_MS);
    expect(pacing.begin(TWO, 10, 40 * MINUTE_MS)).toBe(0);
  });
});
