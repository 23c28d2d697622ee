// A member's own data directory becomes a new group of it alone: with everything it knew, and with nothing destroyed, wherever the power goes.

import { describe, expect, it } from 'vitest';

import { createSeededRandom } from '../../../../src/base/random.ts';
import { type Task, runTask } from '../../../../src/base/task.ts';
import { clusterId } from '../../../../src/raft/cluster-id.ts';
import { type LogPosition, logIndex, memberId, term } from '../../../../src/raft/core/types.ts';
import { RecoveryRefused } from '../../../../src/raft/recovery.ts';
import { makeNewGroup, setAside } from '../../../../src/raft/rescue/new-group.ts';
import { type MemberSurvey, surveyTask } from '../../../../src/raft/rescue/survey.ts';
import { type Identity, keptName, settleRecovering } from '../../../../src/raft/wal/identity.ts';
import { openMemoryMachine } from '../../../../src/store/memory-machine.ts';
import type { StoreStateMachine } from '../../../../src/store/state-machine.ts';
import { SEGMENT_BYTES } from '../../../support/log-script.ts';
import { membership } from '../../../support/raft-core/builders.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { SimulatedDatabase } from '../../../support/simulated-database.ts';
import { type PowerLoss, SimulatedDisk } from '../../../support/simulated-disk.ts';
import { entry, put } from '../../store/support.ts';
import {
  type Disks,
  Follower,
  groupEntries,
  hashAt,
  leaderSnapshot,
  newDisks,
} from '../snapshot/follower.ts';

const CLUSTER = clusterId('0123456789abcdef0123456789abcdef');
const LOSSES: readonly PowerLoss[] = [
  { kind: 'lost' },
  { kind: 'kept' },
  { kind: 'torn', seed: 1 },
  { kind: 'garbage', seed: 2 },
];

/** A member that has 30 entries in its log, of which it has applied 20. */
const SURVIVOR = ((): ReadonlyMap<string, Buffer> => {
  const follower = Follower.mustStart(newDisks());
  follower.write({ hardState: { term: term(7), votedFor: null }, append: groupEntries(1, 30) });
  follower.apply(20);
  return follower.disks.disk.files();
})();

function survivor(): Disks {
  const disk = new SimulatedDisk();
  for (const [path, content] of SURVIVOR) disk.plant(path, content);
  return { disk, database: new SimulatedDatabase() };
}

interface Survey extends MemberSurvey {
  readonly machine: StoreStateMachine;
}

function* survey(disk: SimulatedDisk, directory: string, copy: LogPosition | null = null): Task<Survey> {
  const machine = openMemoryMachine((callback) => disk.defer(callback));
  const found = yield* surveyTask({
    fileSystem: disk,
    directory,
    memberId: null,
    stateMachine: machine,
    copy,
    logger: silentLogger,
  });
  return { ...found, machine };
}

/** What `recover --force-new-group` does, over and over until it is done. */
function* recovery(disk: SimulatedDisk): Task<Identity> {
  const place = { fileSystem: disk, directory: '/data' };
  const unfinished = yield* settleRecovering(disk, '/data');
  if (unfinished !== null) yield* setAside(place, unfinished);
  const {
    identity,
    last,
    term: inTerm,
    machine,
  } = yield* survey(disk, unfinished === null ? '/data' : `/data/${unfinished}`);
  const position = { index: logIndex(last.index + 1), term: term(inTerm + 1) };
  machine.apply([
    { ...entry(position.index, put(position.index, 'first', 'of the new group')), term: position.term },
  ]);
  return yield* makeNewGroup({
    ...place,
    kept: unfinished ?? keptName(identity),
    memberId: memberId(1),
    address: '10.0.0.1:9379',
    clusterId: CLUSTER,
    position,
    chunks: machine.snapshot().chunks,
    clock: { monotonicMs: () => 0, wallMs: () => 0, setTimer: () => ({ cancel: () => undefined }) },
    random: createSeededRandom(3),
    segmentBytes: SEGMENT_BYTES,
  });
}

/** Undefined when the disk died on the way. */
function outcomeOf<T>(disk: SimulatedDisk, task: Task<T>): T | Error | undefined {
  const results: (T | Error)[] = [];
  runTask(task, (result) => results.push(result));
  disk.runUntilIdle();
  return results[0];
}

function must<T>(disk: SimulatedDisk, task: Task<T>): T {
  const result = outcomeOf(disk, task);
  if (result === undefined || result instanceof Error) throw new Error('it failed', { cause: result });
  return result;
}

function filesUnder(disk: SimulatedDisk, folder: string): ReadonlyMap<string, Buffer> {
  return new Map(
    [...disk.files()].flatMap(([path, content]) =>
      path.startsWith(`${folder}/`) ? [[path.slice(folder.length), content] as const] : [],
    ),
  );
}

describe('what a member knows', () => {
  it('is its whole log, with what of it is known to be committed, and nothing is written to find out', () => {
    const { disk } = survivor();
    const before = disk.files();
    const copy = { index: logIndex(20), term: term(2) };
    const found = must(disk, survey(disk, '/data', copy));
    expect(found).toMatchObject({ term: 7, last: { index: 30, term: 2 }, committed: 20, snapshot: null });
    expect(found.machine.digest).toEqual({ index: 30, hash: hashAt(30) });
    expect(disk.files()).toEqual(before);
    expect(must(disk, survey(disk, '/data')).committed).toBe(0);
  });

  it('is a snapshot that came before the log could be cut', () => {
    const follower = Follower.mustStart(newDisks());
    follower.write({ hardState: { term: term(7), votedFor: null }, append: groupEntries(1, 3) });
    follower.receive(leaderSnapshot(20, membership([1, 2, 5])));
    const disk = follower.disks.disk.afterPowerLoss({ kind: 'kept' });
    const found = must(disk, survey(disk, '/data'));
    expect(found).toMatchObject({
      last: { index: 20, term: 2 },
      committed: 20,
      snapshot: 20,
      membership: membership([1, 2, 5]),
    });
    expect(found.machine.digest).toEqual({ index: 20, hash: hashAt(20) });
  });

  it('is refused where its state has more than its log: an acknowledged end is gone', () => {
    const { disk } = survivor();
    for (const copy of [
      { index: logIndex(31), term: term(2) },
      { index: logIndex(20), term: term(3) },
    ])
      expect(outcomeOf(disk, survey(disk, '/data', copy))).toBeInstanceOf(RecoveryRefused);
  });
});

describe('the new group', () => {
  it('begins behind everything the member knew, as its only member, and keeps what was there', () => {
    const { disk, database } = survivor();
    const before = filesUnder(disk, '/data');
    const old = must(disk, survey(disk, '/data')).identity;
    const identity = must(disk, recovery(disk));
    expect(identity).toMatchObject({ clusterId: CLUSTER, memberId: 1, state: 'ready' });
    expect(identity.incarnation).not.toBe(old.incarnation);
    expect(filesUnder(disk, `/data/${keptName(old)}`)).toEqual(before);
    const member = Follower.mustStart({ disk, database });
    expect(member.base).toMatchObject({ index: 31, term: 8 });
    expect(member.base.membership).toEqual({
      voterSets: [[1]],
      learners: [],
      addresses: new Map([[1, '10.0.0.1:9379']]),
      incarnations: new Map([[1, identity.incarnation]]),
      removed: [],
    });
    expect(member.recovered.restored.hardState).toEqual({ term: term(8), votedFor: null });
    expect([...member.machine.list('')].map(({ key }) => key)).toContain('first');
    expect(member.machine.applied).toBe(31);
  });

  it('S12: interrupted anywhere, is refused by every start or is what it was or is whole; run again it is whole, and nothing is destroyed', () => {
    const { disk: intact } = survivor();
    const before = filesUnder(intact, '/data');
    const kept = keptName(must(intact, survey(intact, '/data')).identity);
    const seen = { untouched: 0, refused: 0, whole: 0 };
    for (const loss of LOSSES) {
      for (let crashAt = 1; ; crashAt += 1) {
        const { disk } = survivor();
        disk.crashAt = crashAt;
        outcomeOf(disk, recovery(disk));
        const { crashed } = disk;
        const left = disk.afterPowerLoss(loss);
        const started = Follower.start({ disk: left, database: new SimulatedDatabase() });
        if (started === null) throw new Error('the disk died twice');
        if (started instanceof Error) {
          expect(started).toMatchObject({ code: 'identity_refused', problem: 'halfRecovered' });
          expect(started.message).toContain('recover --force-new-group again');
          seen.refused += 1;
        } else if (started.base.index === 31) seen.whole += 1;
        else {
          expect(filesUnder(left, `/data/${kept}`).size).toBe(0);
          seen.untouched += 1;
        }
        if (started instanceof Error) {
          must(left, recovery(left));
          const again = Follower.mustStart({ disk: left, database: new SimulatedDatabase() });
          expect(again.base).toMatchObject({ index: 31, term: 8 });
        }
        if (started instanceof Error || started.base.index === 31)
          expect(filesUnder(left, `/data/${kept}`)).toEqual(before);
        if (!crashed) break;
      }
    }
    expect(Math.min(seen.untouched, seen.refused, seen.whole)).toBeGreaterThan(1);
  });

  it('S12: interrupted twice, anywhere, is whole when it is run a third time', () => {
    for (const first of [4, 7, 10, 13, 16, 20, 24]) {
      for (let second = 1; ; second += 1) {
        const { disk } = survivor();
        disk.crashAt = first;
        outcomeOf(disk, recovery(disk));
        const once = disk.afterPowerLoss({ kind: 'torn', seed: first });
        once.crashAt = second;
        outcomeOf(once, recovery(once));
        const { crashed } = once;
        const twice = once.afterPowerLoss({ kind: 'torn', seed: second });
        const isWhole = must(twice, settleRecovering(twice, '/data')) === null;
        if (
          !isWhole ||
          Follower.mustStart({ disk: twice, database: new SimulatedDatabase() }).base.index === 0
        )
          must(twice, recovery(twice));
        const member = Follower.mustStart({ disk: twice, database: new SimulatedDatabase() });
        expect(member.base).toMatchObject({ index: 31, term: 8 });
        if (!crashed) break;
      }
    }
  });
});
