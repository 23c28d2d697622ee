// The low-water mark: a log that stops taking entries while there is still room for votes and for whatever else writes here.

import { describe, expect, it } from 'vitest';

import { type Entry, logIndex, memberId, term } from '../../../../src/raft/core/types.ts';
import type { LogGroup } from '../../../../src/raft/ports.ts';
import type { WalEvent } from '../../../../src/raft/wal/durable-log.ts';
import type { OpenedWal } from '../../../../src/raft/wal/open.ts';
import { nodeFileSystem } from '../../../../src/raft/wal/node-file-system.ts';
import { outcome, taskPromise } from '../../../../src/raft/wal/task.ts';
import { SEGMENT_BYTES, mustOpen, perform } from '../../../support/log-script.ts';
import { SimulatedDisk, diskError } from '../../../support/simulated-disk.ts';
import { VirtualLoop } from '../driver/virtual-loop.ts';

const MARK = 20_000;

function group(parts: Partial<LogGroup>): { kind: 'write'; group: LogGroup } {
  return { kind: 'write', group: { hardState: null, truncateFrom: null, append: [], ...parts } };
}

function entry(index: number): Entry {
  return { index: logIndex(index), term: term(1), kind: 'command', data: new Uint8Array(100).fill(index) };
}

function usedBytes(disk: SimulatedDisk): number {
  return [...disk.files().values()].reduce((sum, { length }) => sum + length, 0);
}

/** A log in virtual time on a disk whose free bytes the test sets. */
class Scene {
  readonly loop = new VirtualLoop();
  readonly disk: SimulatedDisk;
  readonly events: WalEvent[] = [];
  readonly wal: OpenedWal;
  looks = 0;
  /** The fewest bytes that were free when something was looked at or written. */
  freeBytesMin = Number.POSITIVE_INFINITY;
  #lastIndex = 0;

  constructor(disk = new SimulatedDisk(), lowWaterBytes: number | null = MARK) {
    this.disk = disk;
    const freeBytes = disk.freeBytes.bind(disk);
    disk.freeBytes = (path, done) => {
      this.looks += 1;
      freeBytes(path, done);
    };
    disk.failure = () => {
      this.freeBytesMin = Math.min(this.freeBytesMin, this.freeBytes);
      return null;
    };
    this.wal = mustOpen(disk, {
      clock: this.loop.clock,
      onEvent: (event) => this.events.push(event),
      ...(lowWaterBytes === null ? {} : { lowWaterBytes }),
    });
    perform(disk, this.wal.log, group({ hardState: { term: term(1), votedFor: memberId(2) } }));
  }

  get freeBytes(): number {
    return this.disk.capacityBytes - usedBytes(this.disk);
  }

  set freeBytes(bytes: number) {
    this.disk.capacityBytes = usedBytes(this.disk) + bytes;
  }

  get isLow(): boolean {
    return this.wal.log.spaceLow;
  }

  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 100) {
      this.loop.run(100);
      this.disk.runUntilIdle();
    }
  }

  append(): Error | null | undefined {
    this.#lastIndex += 1;
    return perform(this.disk, this.wal.log, group({ append: [entry(this.#lastIndex)] }));
  }
}

describe('S1: free space on the disk of the log', () => {
  it('is looked at once a second, low below the mark and regained a quarter above it', () => {
    const scene = new Scene();
    scene.freeBytes = MARK;
    scene.pass(1000);
    expect(scene.isLow).toBe(false);
    scene.freeBytes = MARK - 1;
    scene.pass(900);
    expect(scene.isLow).toBe(false);
    scene.pass(200);
    expect(scene.isLow).toBe(true);
    expect(scene.events).toMatchObject([{ kind: 'spaceLow', error: { message: /19999 bytes/ } }]);
    scene.freeBytes = MARK * 1.25 - 1;
    scene.pass(3000);
    expect(scene.isLow).toBe(true);
    scene.freeBytes = MARK * 1.25;
    scene.pass(1100);
    expect(scene.isLow).toBe(false);
    expect(scene.events.map(({ kind }) => kind)).toEqual(['spaceLow', 'spaceRecovered']);
    const before = scene.looks;
    scene.pass(10_000);
    expect(scene.looks - before).toBe(10);
  });

  it('is known soon after the start, with a mark of two segments unless another one is named', () => {
    const isLowAtStart = (freeBytes: number): boolean => {
      const { disk } = new Scene();
      disk.capacityBytes = usedBytes(disk) + freeBytes;
      return new Scene(disk.afterProcessExit(), null).isLow;
    };
    // The start removes the prepared segment, looks, and prepares another one.
    expect(isLowAtStart(3 * SEGMENT_BYTES)).toBe(false);
    expect(isLowAtStart(SEGMENT_BYTES - 1)).toBe(true);
  });

  it('has one look under way at a time, and none once the log is closed', () => {
    const scene = new Scene();
    const answers: (() => void)[] = [];
    scene.disk.freeBytes = (_path, done) => void answers.push(() => done(MARK - 1));
    scene.pass(60_000);
    expect(answers).toHaveLength(1);
    let isClosed = false;
    scene.wal.log.close(() => {
      isClosed = true;
    });
    scene.disk.runUntilIdle();
    expect(isClosed).toBe(true);
    answers[0]?.();
    scene.pass(60_000);
    expect(answers).toHaveLength(1);
    expect(scene.events).toEqual([]);
  });

  it('that is unknown does not count as low, and is told once', () => {
    const scene = new Scene();
    scene.freeBytes = MARK - 1;
    scene.pass(1100);
    expect(scene.isLow).toBe(true);
    scene.disk.freeBytesError = diskError('ENOSYS');
    scene.pass(5000);
    expect(scene.isLow).toBe(false);
    scene.disk.freeBytesError = null;
    scene.pass(2000);
    scene.disk.freeBytesError = diskError('ENOSYS');
    scene.pass(5000);
    const kinds = scene.events.map(({ kind }) => kind);
    expect(kinds.filter((kind) => kind === 'spaceUnknown')).toHaveLength(1);
    expect(kinds.filter((kind) => kind === 'spaceLow')).toHaveLength(2);
  });

  it('never falls to nothing by the making of segments, and votes go on being written', () => {
    const scene = new Scene();
    scene.freeBytes = MARK + 2 * SEGMENT_BYTES;
    for (let count = 0; !scene.isLow; count += 1) {
      expect(scene.append()).toBeNull();
      if (count % 10 === 0) scene.pass(1000);
    }
    for (let number = 2; number <= 8; number += 1) {
      const hardState = { term: term(number), votedFor: memberId(3) };
      expect(perform(scene.disk, scene.wal.log, group({ hardState }))).toBeNull();
      scene.pass(20_000);
    }
    expect(scene.freeBytesMin).toBeGreaterThanOrEqual(MARK / 4);
    expect(scene.events.map(({ kind }) => kind)).toEqual(['spaceLow']);
  });

  it('too little for the next segment is not tried out: the disk is never filled to see whether it fits', () => {
    const scene = new Scene();
    scene.freeBytes = SEGMENT_BYTES + MARK / 4 - 1;
    // More than fits into the segment in use: the prepared one is taken, and another one wanted.
    for (let count = 0; count < 30; count += 1) expect(scene.append()).toBeNull();
    scene.pass(60_000);
    expect(scene.freeBytesMin).toBe(SEGMENT_BYTES + MARK / 4 - 1);
    expect(scene.isLow).toBe(true);
    scene.freeBytes = 10 * MARK;
    scene.pass(20_000);
    expect(scene.isLow).toBe(false);
    for (let count = 0; count < 100; count += 1) expect(scene.append()).toBeNull();
  });

  it('S3: leaves a quarter of the segment in use alone, however long it stays low', () => {
    const scene = new Scene();
    const { log } = scene.wal;
    const half = SEGMENT_BYTES / 2;
    expect(log.hasRoomFor(1000 * SEGMENT_BYTES)).toBe(true);
    scene.freeBytes = MARK - 1;
    scene.pass(1100);
    expect(log.hasRoomFor(half)).toBe(true);
    expect(log.hasRoomFor(SEGMENT_BYTES)).toBe(false);
    let taken = 0;
    for (; log.hasRoomFor(100); taken += 1) expect(scene.append()).toBeNull();
    expect(taken).toBeGreaterThan(10);
    for (let number = 2; number <= 9; number += 1) {
      const hardState = { term: term(number), votedFor: memberId(3) };
      expect(perform(scene.disk, log, group({ hardState }))).toBeNull();
    }
    const segments = [...scene.disk.files().keys()].filter((path) => path.endsWith('.log'));
    // The one in use and the one that was prepared before.
    expect(segments).toHaveLength(2);
    scene.freeBytes = 2 * MARK;
    scene.pass(1100);
    expect(log.hasRoomFor(1000 * SEGMENT_BYTES)).toBe(true);
  });

  it('is asked of the real disk', async () => {
    const bytes = await taskPromise(outcome<number>((done) => nodeFileSystem.freeBytes('/tmp', done)));
    expect(bytes).toBeGreaterThan(0);
    const missing = taskPromise(outcome<number>((done) => nodeFileSystem.freeBytes('/no/such/place', done)));
    await expect(missing).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
