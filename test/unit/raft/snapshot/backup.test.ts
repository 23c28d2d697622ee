// A backup and what becomes of it: one file that verifies itself, and a directory that starts a new group from it.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';

import { ok } from '../../../../src/base/result.ts';
import { createSeededRandom } from '../../../../src/base/random.ts';
import { runTask } from '../../../../src/base/task.ts';
import { clusterId } from '../../../../src/raft/cluster-id.ts';
import { type LogPosition, term, memberId } from '../../../../src/raft/core/types.ts';
import { backupFile } from '../../../../src/raft/snapshot/backup.ts';
import { SNAPSHOT_VERSION } from '../../../../src/raft/snapshot/format.ts';
import { RestoreRefused } from '../../../../src/raft/snapshot/errors.ts';
import {
  type RestoreDirectoryOptions,
  type RestoredDirectory,
  restoreDataDirectory,
  restoreDataDirectoryTask,
  type StateReader,
} from '../../../../src/raft/snapshot/restore-directory.ts';
import { nodeFileSystem } from '../../../../src/raft/wal/node-file-system.ts';
import { openWal } from '../../../../src/raft/wal/open.ts';
import { SnapshotDecoder, snapshotChunks } from '../../../../src/store/snapshot-codec.ts';
import { INITIAL_BASE, SEGMENT_BYTES } from '../../../support/log-script.ts';
import { membership } from '../../../support/raft-core/builders.ts';
import { type PowerLoss, SimulatedDisk } from '../../../support/simulated-disk.ts';
import { SimulatedDatabase } from '../../../support/simulated-database.ts';
import { Follower, groupEntry, groupEntries, hashAt, leaderSnapshot, newDisks } from './follower.ts';

const FILE = '/backups/monday.snapshot';
const CLUSTER = clusterId('0123456789abcdef0123456789abcdef');

function backup(index = 20): Buffer {
  const { meta, chunks } = leaderSnapshot(index, membership([1, 2, 3], [4]));
  return Buffer.concat([...backupFile(meta, chunks)]);
}

/** Takes a state as it is. */
function read(position: LogPosition): StateReader {
  const decoder = new SnapshotDecoder();
  return {
    chunk: (bytes) => decoder.chunk(bytes),
    ready: () => {
      const state = decoder.finish(position.index);
      if (!state.ok) return state;
      const { hash } = state.value;
      return ok({ entries: 0, chunks: snapshotChunks({ position, hash, contents: state.value.contents() }) });
    },
  };
}

const common = {
  backupFile: FILE,
  memberId: memberId(1),
  address: '10.0.0.1:9379',
  clusterId: CLUSTER,
  read,
  clock: { monotonicMs: () => 0, wallMs: () => 0, setTimer: () => ({ cancel: () => undefined }) },
  random: createSeededRandom(3),
  segmentBytes: SEGMENT_BYTES,
} satisfies Partial<RestoreDirectoryOptions>;

/** Restores on a simulated disk; undefined when it died on the way. */
function restore(disk: SimulatedDisk): RestoredDirectory | Error | undefined {
  const results: (RestoredDirectory | Error)[] = [];
  const options = { ...common, fileSystem: disk, directory: '/data' };
  runTask(restoreDataDirectoryTask(options), (result) => results.push(result));
  disk.runUntilIdle();
  return results[0];
}

function diskWith(content: Uint8Array): SimulatedDisk {
  const disk = new SimulatedDisk();
  disk.plant(FILE, content);
  return disk;
}

function dataFiles(disk: SimulatedDisk): string[] {
  return [...disk.files().keys()].filter((path) => path.startsWith('/data/'));
}

describe('a backup', () => {
  it('of a running member is the state at one moment, while entries go on being applied', () => {
    const follower = Follower.mustStart(newDisks());
    follower.write({ hardState: { term: term(2), votedFor: null }, append: groupEntries(1, 30) });
    follower.apply(20);
    const cut = follower.snapshotter.cut(follower.applyLoop.applied);
    const file = backupFile(cut.meta, cut.chunks);
    const pieces = [file.next().value];
    follower.apply(30);
    const content = Buffer.concat([...pieces, ...file].filter((piece) => piece !== undefined));
    const disk = diskWith(content);
    expect(restore(disk)).toMatchObject({ before: cut.meta.membership });
    const restored = Follower.mustStart({ disk, database: new SimulatedDatabase() });
    expect(restored.machine.digest).toEqual({ index: 20, hash: hashAt(20) });
  });
});

describe('a directory restored from a backup', () => {
  it('starts as the only member of a new group, with the state, index and term of the backup', () => {
    const disk = diskWith(backup());
    const result = restore(disk);
    if (result === undefined || result instanceof Error) throw new Error('not restored', { cause: result });
    expect(result.before).toEqual(membership([1, 2, 3], [4]));
    expect(result.identity).toMatchObject({ clusterId: CLUSTER, memberId: 1, state: 'ready' });
    const member = Follower.mustStart({ disk, database: new SimulatedDatabase() });
    expect(member.wal.identity).toEqual(result.identity);
    expect(member.wal.firstBoot).toBe(false);
    expect(member.base).toEqual(result.meta);
    expect(member.base).toMatchObject({ index: 20, term: 2 });
    expect(member.recovered.restored.hardState).toEqual({ term: term(2), votedFor: null });
    expect(member.base.membership).toEqual({
      voterSets: [[1]],
      learners: [],
      addresses: new Map([[1, '10.0.0.1:9379']]),
      incarnations: new Map([[1, result.identity.incarnation]]),
      removed: [],
    });
    expect(member.machine.digest).toEqual({ index: 20, hash: hashAt(20) });
    // It goes on behind the backup, and stays what it is over restarts.
    member.write({ append: [groupEntry(21)] });
    member.apply(21);
    const again = Follower.mustStart(member.afterPowerLoss({ kind: 'lost' }, 100));
    again.apply(21);
    expect(again.machine.digest).toEqual({ index: 21, hash: hashAt(21) });
  });

  it('is not made over anything that is there', async () => {
    const root = mkdtempSync(join(tmpdir(), 'restore-'));
    onTestFinished(() => rmSync(root, { recursive: true, force: true }));
    const file = join(root, 'backup');
    writeFileSync(file, backup());
    const directory = join(root, 'data');
    const options = { ...common, fileSystem: nodeFileSystem, directory, backupFile: file };
    mkdirSync(join(directory, 'wal'), { recursive: true });
    await expect(restoreDataDirectory(options)).rejects.toMatchObject({ problem: 'notEmpty' });
    expect(readdirSync(directory)).toEqual(['wal']);
    rmSync(join(directory, 'wal'), { recursive: true });
    mkdirSync(join(directory, 'lost+found'));
    const { identity } = await restoreDataDirectory(options);
    expect(readdirSync(directory).sort()).toEqual(['identity.json', 'lost+found', 'snapshots', 'wal']);
    const second = restoreDataDirectory({ ...options, random: createSeededRandom(9) });
    await expect(second).rejects.toMatchObject({ problem: 'notEmpty' });
    expect(identity.memberId).toBe(1);
    const nowhere = restoreDataDirectory({
      ...options,
      directory: join(root, 'new'),
      backupFile: '/no/file',
    });
    await expect(nowhere).rejects.toMatchObject({ problem: 'unreadable' });
  });

  it('S12: interrupted anywhere, is whole, or never starts; only before anything is made it is as empty as before', () => {
    const losses: readonly PowerLoss[] = [
      { kind: 'lost' },
      { kind: 'kept' },
      { kind: 'torn', seed: 1 },
      { kind: 'garbage', seed: 2 },
    ];
    const seen = { whole: 0, nothing: 0, refused: 0 };
    for (const loss of losses) {
      for (let crashAt = 1; ; crashAt += 1) {
        const disk = diskWith(backup());
        disk.crashAt = crashAt;
        restore(disk);
        const { crashed } = disk;
        const left = disk.afterPowerLoss(loss);
        const isEmpty = dataFiles(left).length === 0;
        const started = Follower.start({ disk: left, database: new SimulatedDatabase() });
        if (started === null) throw new Error('the disk died twice');
        if (started instanceof Error) {
          expect(started).toMatchObject({ code: 'identity_refused', problem: 'halfRestored' });
          expect(started.message).toMatch(/^[^\n]*--restore again\.$/u);
          seen.refused += 1;
        } else if (started.base.index === 20) {
          expect(started.machine.digest).toEqual({ index: 20, hash: hashAt(20) });
          seen.whole += 1;
        } else {
          expect(isEmpty).toBe(true);
          // The mark, and its name: nothing else is touched before both are durable.
          expect(crashAt).toBeLessThanOrEqual(4);
          const touched = new Set(disk.operations.map(({ path }) => path));
          expect([...touched].filter((path) => path !== '/data')).toHaveLength(1);
          seen.nothing += 1;
        }
        if (!crashed) break;
      }
    }
    expect(Math.min(seen.whole, seen.nothing, seen.refused)).toBeGreaterThan(1);
  });
});

it('S12: a directory with folders and without files, as an interrupted restore leaves it, is refused by every start', async () => {
  const root = mkdtempSync(join(tmpdir(), 'restore-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const directory = join(root, 'data');
  const file = join(root, 'backup');
  writeFileSync(file, backup());
  const fails = {
    ...nodeFileSystem,
    // The power goes when the first segment is to be made.
    open: (...[path, mode, done]: Parameters<typeof nodeFileSystem.open>) =>
      path.endsWith('.log') ? done(new Error('no power')) : nodeFileSystem.open(path, mode, done),
  };
  const options = { ...common, directory, backupFile: file };
  await expect(restoreDataDirectory({ ...options, fileSystem: fails })).rejects.toThrow('no power');
  expect(readdirSync(join(directory, 'wal'))).toEqual([]);
  for (let start = 0; start < 2; start += 1) {
    const opening = openWal({ ...common, fileSystem: nodeFileSystem, directory, initialBase: INITIAL_BASE });
    await expect(opening).rejects.toMatchObject({ code: 'identity_refused', problem: 'halfRestored' });
  }
  const again = restoreDataDirectory({ ...options, fileSystem: nodeFileSystem });
  await expect(again).rejects.toMatchObject({ problem: 'notEmpty' });
  rmSync(directory, { recursive: true });
  await restoreDataDirectory({ ...options, fileSystem: nodeFileSystem });
  const wal = await openWal({ ...common, fileSystem: nodeFileSystem, directory, initialBase: INITIAL_BASE });
  expect(wal.restored.base.index).toBe(20);
  await new Promise((resolve) => {
    wal.log.close(resolve);
  });
});

describe('a file that is no backup', () => {
  const content = backup();

  function refused(changed: Uint8Array): RestoreRefused {
    const disk = diskWith(changed);
    const result = restore(disk);
    if (!(result instanceof RestoreRefused)) throw new Error('not refused', { cause: result });
    expect(dataFiles(disk)).toEqual([]);
    return result;
  }

  it('because of one flipped bit, a missing end or bytes too many is refused, and nothing is made', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: content.length * 8 - 1 }), (bit) => {
        const changed = Buffer.from(content);
        changed[bit >> 3]! ^= 1 << (bit & 7);
        refused(changed);
      }),
      { numRuns: 200 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: content.length - 1 }), (length) => {
        expect(refused(content.subarray(0, length)).message).toContain('Use another backup');
      }),
      { numRuns: 100 },
    );
    expect(refused(Buffer.concat([content, Buffer.alloc(1)])).problem).toBe('damaged');
    expect(refused(Buffer.from('<html>')).problem).toBe('damaged');
  });

  it('because a newer release wrote it is told so', () => {
    const newer = Buffer.from(content);
    newer[8] = SNAPSHOT_VERSION + 1;
    expect(refused(newer).problem).toBe('unsupported');
  });

  it('because its content is no state is refused', () => {
    const { meta } = leaderSnapshot(20);
    const other = Buffer.concat([...backupFile(meta, leaderSnapshot(19).chunks)]);
    expect(refused(other).message).toContain('the snapshot is of entry 19, not of 20');
  });
});
