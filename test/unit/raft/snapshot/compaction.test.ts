// Own snapshots and the cuts behind them: the exact index, nobody held up, the disk bounded, the right membership at the base.

import { describe, expect, it } from 'vitest';

import { logIndex, term } from '../../../../src/raft/core/types.ts';
import { membership } from '../../../support/raft-core/builders.ts';
import { SEGMENT_BYTES } from '../../../support/log-script.ts';
import { type PowerLoss, diskError } from '../../../support/simulated-disk.ts';
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

describe('S1: a snapshot for which there is no room', () => {
  it('is let go of with a warning and no file, and taken when there is room, not sooner than after ten seconds', () => {
    const follower = started();
    const { disk } = follower.disks;
    follower.write({ append: groupEntries(1, 40) });
    const snapshotFiles = (): string[] =>
      [...disk.files().keys()].filter((path) => path.includes('/snapshots/'));
    const used = [...disk.files().values()].reduce((sum, { length }) => sum + length, 0);
    disk.capacityBytes = used + 500;
    follower.apply(20);
    expect(follower.warnings).toEqual(['raft.snapshot.no_space']);
    expect(snapshotFiles()).toEqual([]);
    const writes = disk.operations.length;
    follower.nowMs = 9999;
    follower.apply(25);
    expect(disk.operations).toHaveLength(writes);
    follower.nowMs = 10_000;
    follower.apply(26);
    expect(follower.warnings).toHaveLength(2);
    expect(snapshotFiles()).toEqual([]);
    expect(follower.base.index).toBe(0);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    follower.apply(30);
    expect(follower.snapshots.newest()).toBeNull();
    follower.nowMs = 20_000;
    follower.apply(31);
    expect(follower.snapshots.newest()?.meta.index).toBe(31);
    expect(follower.base.index).toBe(26);
    expect(follower.errors).toEqual([]);
    const restarted = Follower.mustStart(follower.afterPowerLoss({ kind: 'lost' }));
    restarted.apply(40);
    expect(restarted.machine.digest).toEqual({ index: 40, hash: hashAt(40) });
  });

  it('is the only failure that is survived', () => {
    const follower = started();
    follower.write({ append: groupEntries(1, 40) });
    follower.disks.disk.failure = ({ path }) => (path.includes('/snapshots/') ? diskError('EIO') : null);
    follower.apply(20);
    expect(follower.errors).toMatchObject([{ code: 'EIO' }]);
    follower.nowMs = 60_000;
    follower.apply(40);
    expect(follower.errors).toHaveLength(1);
    expect(follower.warnings).toEqual([]);
  });
});

describe('C3: a snapshot on its way to a member', () => {
  const applyUpTo = (follower: Follower, from: number, to: number): void => {
    for (let index = from; index <= to; index += 1) {
      follower.write({ append: [groupEntry(index)] });
      follower.apply(index);
    }
  };

  it('holds the log behind it, and only as long as it is under way', () => {
    const follower = started();
    applyUpTo(follower, 1, 20);
    expect(follower.base.index).toBe(15);
    follower.sending = [logIndex(20)];
    applyUpTo(follower, 21, 99);
    expect(follower.snapshots.newest()?.meta.index).toBe(80);
    expect(follower.base.index).toBe(20);
    expect(follower.base.membership).toEqual(membership([1, 2, 3], [120]));
    follower.sending = [];
    applyUpTo(follower, 100, 100);
    expect(follower.base.index).toBe(95);
    const restarted = Follower.mustStart(follower.afterPowerLoss({ kind: 'lost' }), POLICY);
    expect(restarted.recovered.restored.entries).toEqual(groupEntries(96, 100));
  });

  it('that takes too long holds nothing, and a younger one goes on holding what it needs', () => {
    const follower = started();
    applyUpTo(follower, 1, 20);
    follower.sending = [logIndex(20), logIndex(40)];
    applyUpTo(follower, 21, 100);
    // Four times what makes a snapshot due.
    expect(follower.base.index).toBe(20);
    applyUpTo(follower, 101, 120);
    expect(follower.base.index).toBe(40);
    applyUpTo(follower, 121, 140);
    expect(follower.base.index).toBe(135);
  });

  it('is bounded in bytes as well', () => {
    const entryBytes = groupEntry(100).data.length;
    const policy = { ...POLICY, snapshotBytes: 7 * entryBytes };
    const follower = Follower.mustStart(newDisks(), policy);
    follower.write({ hardState: { term: term(2), votedFor: null } });
    applyUpTo(follower, 1, 99);
    const held = follower.snapshots.newest()!.meta.index;
    follower.sending = [held];
    let index = 100;
    for (; follower.base.index <= held; index += 1) applyUpTo(follower, index, index);
    const kept = index - 1 - held;
    expect(kept).toBeGreaterThan(3 * 7);
    expect(kept).toBeLessThanOrEqual(5 * 7 + 1);
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
