// Own snapshots and the cuts behind them: the exact index, nobody held up, the disk bounded, the right membership at the base.

import { describe, expect, it } from 'vitest';

import { term } from '../../../../src/raft/core/types.ts';
import { membership } from '../../../support/raft-core/builders.ts';
import { SEGMENT_BYTES } from '../../../support/log-script.ts';
import type { PowerLoss } from '../../../support/simulated-disk.ts';
import { Follower, groupEntries, groupEntry, hashAt, newDisks } from './follower.ts';

const POLICY = { snapshotEntries: 20, snapshotBytes: 1_000_000, trailingEntries: 5 };

function started(): Follower {
  const follower = Follower.mustStart(newDisks(), POLICY);
  follower.write({ hardState: { term: term(2), votedFor: null } });
  return follower;
}

describe('S44: a snapshot that is being written', () => {
  it('is of the exact index at which it was taken, while entries go on being written and applied', () => {
    const follower = started();
    const { disk, database } = follower.disks;
    follower.write({ append: groupEntries(1, 60) });
    const applyTo = (end: number): void => {
      for (let index = follower.machine.applied + 1; index <= end; index += 1) {
        const batch = follower.applyLoop.run(groupEntry(index).index);
        if (batch !== null) follower.snapshotter.onApplied(batch, follower.applyLoop.applied);
      }
    };
    applyTo(20);
    expect(follower.snapshotter.busy).toBe(true);
    // A second one comes due while the first is on its way to the disk.
    applyTo(45);
    while (follower.snapshotter.busy) {
      disk.runUntilIdle();
      if (!database.runOne()) break;
    }
    expect(follower.snapshots.newest()?.meta.index).toBe(20);
    // It was not forgotten: the next entry that is applied starts it.
    applyTo(46);
    disk.runUntilIdle();
    while (database.runOne()) disk.runUntilIdle();
    expect(follower.snapshots.newest()?.meta.index).toBe(46);
    const restarted = Follower.mustStart(follower.afterPowerLoss({ kind: 'lost' }, 100));
    restarted.apply(60);
    expect(restarted.machine.digest).toEqual({ index: 60, hash: hashAt(60) });
  });
});

describe('the log behind a snapshot', () => {
  it('S45: keeps a trailing window, with the membership in force at its base and not at the snapshot', () => {
    const follower = started();
    for (let index = 1; index <= 20; index += 1) {
      follower.write({ append: [groupEntry(index)] });
      follower.apply(index);
    }
    expect(follower.snapshots.newest()?.meta.membership).toEqual(membership([1, 2, 3], [120]));
    expect(follower.base).toMatchObject({ index: 15, membership: membership([1, 2, 3], [115]) });
    const restarted = Follower.mustStart(follower.afterPowerLoss({ kind: 'lost' }), POLICY);
    expect(restarted.base).toEqual(follower.base);
    expect(restarted.recovered.restored.entries).toEqual(groupEntries(16, 20));
  });

  it('survives a crash at any disk operation, with every entry that was written', () => {
    const losses: readonly PowerLoss[] = [{ kind: 'lost' }, { kind: 'kept' }, { kind: 'torn', seed: 3 }];
    for (const loss of losses) {
      for (let crashAt = 1; ; crashAt += 3) {
        const follower = started();
        const { disk } = follower.disks;
        disk.crashAt = disk.operations.length + crashAt;
        let written = 0;
        for (let index = 1; index <= 45 && !disk.crashed; index += 1) {
          follower.write({ append: [groupEntry(index)] });
          if (disk.crashed) break;
          written = index;
          follower.apply(index);
        }
        const { crashed } = disk;
        const restarted = Follower.mustStart(follower.afterPowerLoss(loss, crashAt % 5));
        expect(restarted.lastIndex).toBeGreaterThanOrEqual(written);
        restarted.apply(written);
        expect(restarted.machine.digest).toEqual({ index: written, hash: hashAt(written) });
        if (!crashed) break;
      }
    }
  });

  it('stays within its bound on the disk, however much is written', () => {
    const follower = started();
    const { disk } = follower.disks;
    const entryBytes = groupEntry(100).data.length + 58;
    // Since the last cut: the window, what makes a snapshot due, and what is written while it is made.
    const logBytes = (POLICY.trailingEntries + 2 * POLICY.snapshotEntries) * entryBytes;
    // The first and the last segment are partly of use, the next one is prepared, the oldest is being removed.
    const segmentsMax = Math.ceil(logBytes / (SEGMENT_BYTES / 2)) + 4;
    let most = { segments: 0, snapshots: 0 };
    const look = (): void => {
      const paths = [...disk.files().keys()];
      most = {
        segments: Math.max(most.segments, paths.filter((path) => path.endsWith('.log')).length),
        snapshots: Math.max(most.snapshots, paths.filter((path) => path.includes('/snapshots/')).length),
      };
    };
    disk.failure = () => {
      look();
      return null;
    };
    for (let index = 1; index <= 200; index += 1) {
      follower.write({ append: [groupEntry(index)] });
      follower.apply(index);
    }
    expect(most.segments).toBeLessThanOrEqual(segmentsMax);
    // The newest, and the one that is being written.
    expect(most.snapshots).toBe(2);
    expect(follower.base.index).toBe(195);
    expect(follower.machine.digest).toEqual({ index: 200, hash: hashAt(200) });
  });
});
