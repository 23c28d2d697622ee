// Installing a received snapshot: old or new whole state whatever happens, and a file that cannot be read costs nothing.

import { describe, expect, it } from 'vitest';

import { type Entry, type SnapshotMeta, memberId, term } from '../../../../src/raft/core/types.ts';
import { pack } from '../../../../src/store/codec.ts';
import { membership } from '../../../support/raft-core/builders.ts';
import { SimulatedDatabase } from '../../../support/simulated-database.ts';
import type { PowerLoss } from '../../../support/simulated-disk.ts';
import {
  Follower,
  type Disks,
  groupEntries,
  groupEntry,
  hashAt,
  leaderSnapshot,
  newDisks,
  settle,
} from './follower.ts';

const LOSSES: readonly PowerLoss[] = [
  { kind: 'lost' },
  { kind: 'kept' },
  { kind: 'torn', seed: 1 },
  { kind: 'garbage', seed: 2 },
];

function inTerm({ index, kind, data }: Entry, of: number): Entry {
  return { index, term: term(of), kind, data };
}

/** Five applied entries, and two of term 1 that the leader of term 2 will contradict. */
function lagging(): Follower {
  const follower = Follower.mustStart(newDisks());
  follower.write({ hardState: { term: term(1), votedFor: memberId(2) }, append: groupEntries(1, 5) });
  follower.write({
    append: groupEntries(6, 7).map((entry) => inTerm(entry, 1)),
  });
  follower.apply(5);
  follower.write({ hardState: { term: term(2), votedFor: null } });
  return follower;
}

/** What such a member holds before it takes anything in. */
function disksOfLagging(loss: PowerLoss = { kind: 'kept' }): Disks {
  return lagging().afterPowerLoss(loss);
}

function expectOld(follower: Follower): void {
  expect(follower.base.index).toBe(0);
  expect(follower.lastIndex).toBe(7);
  follower.apply(5);
  expect(follower.machine.digest).toEqual({ index: 5, hash: hashAt(5) });
}

function expectNew(follower: Follower, meta: SnapshotMeta): void {
  expect(follower.base).toEqual(meta);
  expect(follower.lastIndex).toBe(meta.index);
  expect(follower.machine.digest).toEqual({ index: meta.index, hash: hashAt(meta.index) });
  expect(follower.machine.appliedTerm).toBe(meta.term);
}

/** A leader of a later release: its file is whole, its content another language. */
function newerFormat(index: number) {
  const { meta } = leaderSnapshot(index);
  const record = pack(['kvrocks-controller state', 2, index, 0, 0, 0, 0]);
  return { meta, chunks: [Uint8Array.of(0, 0, 0, record.length), record] };
}

describe('S42: a crash at each step of an installation', () => {
  const snapshot = leaderSnapshot(20);

  it('leaves the old whole state or the new one, never a mixture', () => {
    const seen = { old: 0, new: 0 };
    for (const loss of LOSSES) {
      for (let crashAt = 1; ; crashAt += 1) {
        const follower = Follower.mustStart(disksOfLagging());
        const { disk } = follower.disks;
        disk.crashAt = disk.operations.length + crashAt;
        const file = follower.receive(snapshot);
        if (file !== null) follower.take(file);
        const { crashed } = disk;
        // Whatever the copy has not synced may be gone as well.
        const restarted = Follower.mustStart(follower.afterPowerLoss(loss, crashAt % 2 === 0 ? 100 : 0));
        if (restarted.base.index === 0) {
          expectOld(restarted);
          expect(follower.installed).toEqual([]);
          seen.old += 1;
        } else {
          expectNew(restarted, snapshot.meta);
          seen.new += 1;
        }
        // It goes on from there, over one more restart.
        restarted.write({ append: groupEntries(restarted.lastIndex + 1, restarted.lastIndex + 3) });
        const again = Follower.mustStart(restarted.afterPowerLoss({ kind: 'lost' }));
        expect(again.lastIndex).toBe(restarted.lastIndex);
        if (!crashed) break;
      }
    }
    expect(seen.old).toBeGreaterThan(20);
    expect(seen.new).toBeGreaterThan(20);
  });

  it('is finished by the next start when the copy of the state was caught half replaced', () => {
    for (let batches = 0; ; batches += 1) {
      const follower = Follower.mustStart(disksOfLagging());
      const { database } = follower.disks;
      const file = follower.receive(snapshot);
      if (file === null) throw new Error('not received');
      const before = database.steps.length;
      follower.installer.prepare(file, () => follower.installer.install(file));
      while (database.steps.length - before < batches && follower.installed.length === 0) {
        follower.disks.disk.runUntilIdle();
        if (!database.runOne()) break;
      }
      const isDone = follower.installed.length > 0;
      const restarted = Follower.mustStart(follower.afterPowerLoss({ kind: 'kept' }));
      expectNew(restarted, snapshot.meta);
      if (isDone) break;
    }
  });
});

describe('a snapshot that this release cannot read', () => {
  it.each([
    ['of a newer format', newerFormat(20)],
    ['that ends early', { ...leaderSnapshot(20), chunks: [leaderSnapshot(20).chunks[0]!.subarray(0, 300)] }],
    ['that hashes to something else', { ...leaderSnapshot(20), chunks: leaderSnapshot(19).chunks }],
    ['of nothing', { ...leaderSnapshot(20), chunks: [] }],
  ])('%s is refused and goes, and log and state go on as if it had not come', (_, snapshot) => {
    const follower = Follower.mustStart(disksOfLagging());
    follower.apply(5);
    const file = follower.receive(snapshot);
    if (file === null) throw new Error('not received');
    let offered = 0;
    follower.installer.prepare(file, () => (offered += 1));
    settle(follower.disks);
    expect(offered).toBe(0);
    expect(follower.errors).toEqual([]);
    expect(follower.installer.busy).toBe(false);
    expect(follower.snapshots.newest()).toBeNull();
    expect([...follower.disks.disk.files().keys()].filter((path) => path.endsWith('.snap'))).toEqual([]);
    expectOld(follower);
    // The next one, which can be read, is installed as usual.
    const good = leaderSnapshot(21);
    const second = follower.receive(good);
    if (second === null) throw new Error('not received');
    follower.take(second);
    expectNew(follower, good.meta);
    expect(
      [...follower.disks.disk.files().keys()].filter((path) => path.includes('/snapshots/')),
    ).toHaveLength(1);
  });

  it('is passed over by a start that comes between its arrival and its check', () => {
    const follower = Follower.mustStart(disksOfLagging());
    expect(follower.receive(newerFormat(20))).not.toBeNull();
    const restarted = Follower.mustStart(follower.afterPowerLoss({ kind: 'lost' }));
    expectOld(restarted);
    expect(restarted.snapshots.newest()).toBeNull();
  });

  it('and that is all there is before the base of the log, keeps the member from starting and stays where it is', () => {
    const follower = Follower.mustStart(disksOfLagging());
    const good = leaderSnapshot(20);
    const file = follower.receive(good);
    if (file === null) throw new Error('not received');
    follower.take(file);
    const { disk } = follower.afterPowerLoss({ kind: 'lost' });
    // The operator went back to an older release, which cannot read what the newer one wrote; the copy is of no use to it either.
    const other = Follower.mustStart(disksOfLagging());
    const unreadable = other.receive(newerFormat(20));
    if (unreadable === null) throw new Error('not received');
    const bytes = other.disks.disk.files().get(unreadable.path)!;
    disk.plant(file.path, bytes);
    const { database } = newDisks();
    const refused = Follower.start({ disk, database });
    expect(refused).toMatchObject({ code: 'raft_recovery_refused' });
    expect((refused as Error).message).toContain('another format or version');
    expect(disk.files().get(file.path)).toEqual(bytes);
  });
});

it('S8: a snapshot whose file has gone before it was read is refused, and costs nothing but itself', () => {
  const follower = Follower.mustStart(disksOfLagging());
  follower.apply(5);
  const file = follower.receive(leaderSnapshot(20));
  if (file === null) throw new Error('not received');
  follower.snapshots.discard(file, () => undefined);
  settle(follower.disks);
  let offered = 0;
  follower.installer.prepare(file, () => (offered += 1));
  settle(follower.disks);
  expect(offered).toBe(0);
  expect(follower.errors).toEqual([]);
  expect(follower.warnings).toEqual(['raft.snapshot.refused']);
  expect(follower.installer.busy).toBe(false);
  const again = leaderSnapshot(20);
  follower.take(follower.receive(again)!);
  expectNew(follower, again.meta);
});

describe('snapshots that bring nothing', () => {
  it('S41: stale, twice the same, and two in a row do no harm', () => {
    const follower = Follower.mustStart(disksOfLagging());
    follower.apply(5);
    const [first, second, stale] = [leaderSnapshot(20), leaderSnapshot(30), leaderSnapshot(3)];
    const [firstFile, secondFile, staleFile] = [first, second, stale].map((one) => follower.receive(one)!);
    // All at once: the second and the repetition meet the first while it is being checked.
    let offered = 0;
    const offer = (): void => {
      offered += 1;
      follower.installer.install(firstFile!);
      follower.installer.decided(firstFile!);
    };
    follower.installer.prepare(firstFile!, offer);
    follower.installer.prepare(firstFile!, offer);
    follower.installer.prepare(secondFile!, () => {
      throw new Error('offered while another is being installed');
    });
    settle(follower.disks);
    expect(offered).toBe(1);
    expectNew(follower, first.meta);
    follower.take(staleFile!);
    follower.take(firstFile!);
    expectNew(follower, first.meta);
    const again = follower.receive(second);
    follower.take(again!);
    expectNew(follower, second.meta);
    expect(follower.installed).toHaveLength(2);
    expect(follower.errors).toEqual([]);
    expectNew(Follower.mustStart(follower.afterPowerLoss({ kind: 'lost' })), second.meta);
  });

  it('S40: one that the log reaches already is let go of, and the entries after it stay', () => {
    const follower = Follower.mustStart(disksOfLagging());
    follower.apply(4);
    const snapshot = leaderSnapshot(5);
    const file = follower.receive(snapshot);
    follower.take(file!, () => false);
    expect(follower.installed).toEqual([]);
    expect(follower.installer.busy).toBe(false);
    expectOld(follower);
    expectOld(Follower.mustStart(follower.afterPowerLoss({ kind: 'lost' })));
  });

  it('S40: a start that finds such a file leaves log and state alone', () => {
    const follower = Follower.mustStart(disksOfLagging());
    follower.receive(leaderSnapshot(5));
    const restarted = Follower.mustStart(follower.afterPowerLoss({ kind: 'lost' }));
    expectOld(restarted);
    expect(restarted.snapshots.newest()?.meta.index).toBe(5);
  });
});

it('S43: a transfer that ends half-way leaves nothing, and the next leader starts it anew', () => {
  const follower = Follower.mustStart(disksOfLagging());
  const snapshot = leaderSnapshot(20);
  const incoming = follower.snapshots.receive(snapshot.meta);
  incoming.write(snapshot.chunks[0]!.subarray(0, 100), () => undefined);
  settle(follower.disks);
  const restarted = Follower.mustStart(follower.afterPowerLoss({ kind: 'kept' }));
  expectOld(restarted);
  const aborted = restarted.snapshots.receive(snapshot.meta);
  aborted.write(snapshot.chunks[0]!.subarray(0, 100), () => undefined);
  aborted.abort();
  settle(restarted.disks);
  restarted.take(restarted.receive(snapshot)!);
  expectNew(restarted, snapshot.meta);
  const files = [...restarted.disks.disk.files().keys()].filter((path) => path.includes('/snapshots/'));
  expect(files).toEqual([restarted.snapshots.newest()?.path]);
});

it('S46: who takes part is what the snapshot says, also after a restart', () => {
  const follower = Follower.mustStart(disksOfLagging());
  const changed = membership([1, 2, 4], [3]);
  const snapshot = leaderSnapshot(20, changed);
  follower.take(follower.receive(snapshot)!);
  expect(follower.base.membership).toEqual(changed);
  const restarted = Follower.mustStart(follower.afterPowerLoss({ kind: 'lost' }));
  expect(restarted.recovered.restored.base.membership).toEqual(changed);
  expect(restarted.snapshots.newest()?.meta.membership).toEqual(changed);
});

describe('the durable copy of the state and the log', () => {
  it('S73: whatever the copy has lost is applied again, to the same hash', () => {
    for (let lost = 0; lost <= 12; lost += 1) {
      const follower = Follower.mustStart(newDisks(), {
        snapshotEntries: 10,
        snapshotBytes: 1e9,
        trailingEntries: 3,
      });
      follower.write({ hardState: { term: term(2), votedFor: null } });
      for (let index = 1; index <= 27; index += 1) {
        follower.write({ append: [groupEntry(index)] });
        follower.apply(index);
      }
      const restarted = Follower.mustStart(follower.afterPowerLoss({ kind: 'lost' }, lost));
      expect(restarted.machine.applied).toBeGreaterThanOrEqual(restarted.base.index);
      restarted.apply(27);
      expect(restarted.machine.digest).toEqual({ index: 27, hash: hashAt(27) });
    }
  });

  it('S73: a copy with a record missing is rebuilt from snapshot and log, to the same hash', () => {
    const follower = Follower.mustStart(newDisks(), {
      snapshotEntries: 10,
      snapshotBytes: 1e9,
      trailingEntries: 3,
    });
    follower.write({ hardState: { term: term(2), votedFor: null }, append: groupEntries(1, 27) });
    for (let index = 1; index <= 27; index += 1) follower.apply(index);
    const disks = follower.afterPowerLoss({ kind: 'lost' });
    for (const missing of disks.database.records().keys()) {
      const records = new Map(disks.database.records());
      records.delete(missing);
      const disk = disks.disk.afterPowerLoss({ kind: 'kept' });
      const database = new SimulatedDatabase({ records });
      const restarted = Follower.mustStart({ disk, database });
      restarted.apply(27);
      expect(restarted.machine.digest).toEqual({ index: 27, hash: hashAt(27) });
    }
  });

  it('of another history than the log is refused', () => {
    const follower = Follower.mustStart(disksOfLagging());
    const stranger = Follower.mustStart(newDisks());
    stranger.write({
      hardState: { term: term(2), votedFor: null },
      append: groupEntries(1, 5).map((entry) => inTerm(entry, 2)),
    });
    stranger.apply(5);
    const { disk } = follower.afterPowerLoss({ kind: 'lost' });
    const { database } = stranger.afterPowerLoss({ kind: 'lost' });
    const refused = Follower.start({ disk, database });
    expect(refused).toMatchObject({ code: 'raft_recovery_refused' });
    expect((refused as Error).message).toContain('entry 5 of term 2, the log has it of term 1');
  });
});
