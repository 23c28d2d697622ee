// Snapshots on disk: whole or not at all, verified to the last byte, in through the network and out again.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { logIndex, term } from '../../../../src/raft/core/types.ts';
import type { SnapshotMeta } from '../../../../src/raft/core/types.ts';
import type { SnapshotFile } from '../../../../src/raft/ports.ts';
import {
  type OpenedSnapshots,
  SnapshotDirectory,
  openSnapshotsTask,
} from '../../../../src/raft/snapshot/directory.ts';
import type { IncomingSnapshot } from '../../../../src/raft/snapshot/incoming.ts';
import { SnapshotDamaged, SnapshotUnsupported } from '../../../../src/raft/snapshot/errors.ts';
import { SNAPSHOT_VERSION } from '../../../../src/raft/snapshot/format.ts';
import { runTask } from '../../../../src/raft/wal/task.ts';
import { membership } from '../../../support/raft-core/builders.ts';
import { type PowerLoss, SimulatedDisk, diskError } from '../../../support/simulated-disk.ts';

const DIRECTORY = '/data/snapshots';

function meta(index: number, inTerm = 3): SnapshotMeta {
  return { index: logIndex(index), term: term(inTerm), membership: membership([1, 2, 3], [9]) };
}

const CHUNKS = [new Uint8Array(700).fill(1), new Uint8Array(0), new Uint8Array(1500).fill(2)];

function openOn(disk: SimulatedDisk): OpenedSnapshots {
  const results: (OpenedSnapshots | Error)[] = [];
  runTask(openSnapshotsTask({ fileSystem: disk, directory: DIRECTORY }), (result) => results.push(result));
  disk.runUntilIdle();
  const [opened] = results;
  if (opened === undefined) throw new Error('the disk crashed');
  if (opened instanceof Error) throw opened;
  return opened;
}

/** Runs one call and lets everything settle; undefined when it never completed. */
function settled<T>(disk: SimulatedDisk, start: (done: (result: T) => void) => void): T | undefined {
  const results: T[] = [];
  start((result) => results.push(result));
  if (results.length > 0) throw new Error('completed inside the call');
  disk.runUntilIdle();
  if (results.length > 1) throw new Error('completed twice');
  return results[0];
}

function save(
  disk: SimulatedDisk,
  snapshots: SnapshotDirectory,
  of: SnapshotMeta,
  chunks: Iterable<Uint8Array> = CHUNKS,
): SnapshotFile | Error | undefined {
  return settled(disk, (done) => snapshots.save(of, chunks, done));
}

function load(disk: SimulatedDisk, file: SnapshotFile): { bytes: Buffer; error: Error | null | undefined } {
  const { snapshots } = openOn(disk);
  const pieces: Buffer[] = [];
  const error = settled<Error | null>(disk, (done) =>
    snapshots.load(file, (piece) => pieces.push(Buffer.from(piece)), done),
  );
  return { bytes: Buffer.concat(pieces), error };
}

function saved(disk: SimulatedDisk, of: SnapshotMeta): SnapshotFile {
  const file = save(disk, openOn(disk).snapshots, of);
  if (file === undefined || file instanceof Error) throw new Error('not saved', { cause: file });
  return file;
}

describe('saving', () => {
  it('keeps meta and chunks over a power loss', () => {
    const disk = new SimulatedDisk();
    const file = saved(disk, meta(10));
    const restarted = disk.afterPowerLoss({ kind: 'lost' });
    const { snapshots, damaged } = openOn(restarted);
    expect(snapshots.newest()).toEqual(file);
    expect(damaged).toEqual([]);
    expect(load(restarted, file)).toEqual({ bytes: Buffer.concat(CHUNKS), error: null });
  });

  it('takes a state without any chunk', () => {
    const disk = new SimulatedDisk();
    const file = save(disk, openOn(disk).snapshots, meta(1), []);
    expect(openOn(disk.afterPowerLoss({ kind: 'lost' })).snapshots.newest()).toEqual(file);
  });

  it('asks for a chunk only when the one before is written', () => {
    const disk = new SimulatedDisk();
    const { snapshots } = openOn(disk);
    const writes: number[] = [];
    function* chunks(): Generator<Uint8Array> {
      for (let chunk = 0; chunk < 3; chunk += 1) {
        writes.push(disk.operations.filter(({ kind }) => kind === 'write').length);
        yield new Uint8Array(10);
      }
    }
    save(disk, snapshots, meta(1), chunks());
    expect(writes).toEqual([0, 2, 3]);
  });

  it('whose chunks fail or are too large is reported and leaves nothing', () => {
    const disk = new SimulatedDisk();
    const { snapshots } = openOn(disk);
    function* failing(): Generator<Uint8Array> {
      yield new Uint8Array(10);
      throw new Error('no state');
    }
    expect(save(disk, snapshots, meta(1), failing())).toMatchObject({ message: 'no state' });
    expect(save(disk, snapshots, meta(1), [new Uint8Array(1024 * 1024 + 1)])).toBeInstanceOf(Error);
    expect([...disk.files().keys()]).toEqual([]);
    expect(snapshots.newest()).toBeNull();
  });

  it('on a full disk is reported, leaves nothing and may be tried again', () => {
    const disk = new SimulatedDisk({ capacityBytes: 1000 });
    const { snapshots } = openOn(disk);
    expect(save(disk, snapshots, meta(1))).toMatchObject({ code: 'ENOSPC' });
    expect([...disk.files().keys()]).toEqual([]);
    disk.capacityBytes = 100_000;
    expect(save(disk, snapshots, meta(1))).toEqual(snapshots.newest());
  });

  it('crashed at any disk operation leaves the old snapshot or the new one', () => {
    const losses: readonly PowerLoss[] = [
      { kind: 'lost' },
      { kind: 'kept' },
      { kind: 'torn', seed: 1 },
      { kind: 'garbage', seed: 2 },
    ];
    for (const loss of losses) {
      for (let crashAt = 1; ; crashAt += 1) {
        const base = new SimulatedDisk();
        const old = saved(base, meta(10));
        const disk = base.afterPowerLoss({ kind: 'lost' });
        disk.crashAt = disk.operations.length + crashAt + 1;
        const { snapshots } = openOn(disk);
        const result = save(disk, snapshots, meta(20));
        const { crashed } = disk;
        const opened = openOn(disk.afterPowerLoss(loss));
        expect(opened.damaged).toEqual([]);
        const index = opened.snapshots.newest()?.meta.index;
        if (result === undefined) expect([old.meta.index, 20]).toContain(index);
        else expect(index).toBe(20);
        if (!crashed) break;
      }
    }
  });

  it('fails cleanly at any disk operation', () => {
    for (let failing = 2; ; failing += 1) {
      const disk = new SimulatedDisk();
      disk.failure = ({ number }) => (number === failing ? diskError('EIO') : null);
      const { snapshots } = openOn(disk);
      const result = save(disk, snapshots, meta(20));
      if (!(result instanceof Error)) break;
      expect(snapshots.newest()).toBeNull();
      expect([...disk.files().keys()].filter((path) => path.endsWith('.tmp'))).toEqual([]);
    }
  });
});

describe('the newest snapshot', () => {
  it('is the one of the highest term and index, in whatever order they were saved', () => {
    const disk = new SimulatedDisk();
    const { snapshots } = openOn(disk);
    for (const of of [meta(9, 2), meta(100, 11), meta(20, 9)]) save(disk, snapshots, of);
    expect(snapshots.newest()?.meta.index).toBe(100);
    expect(openOn(disk.afterPowerLoss({ kind: 'lost' })).snapshots.newest()?.meta.index).toBe(100);
  });

  it('alone survives pruning, with files in use and without temporary ones', () => {
    const disk = new SimulatedDisk();
    disk.plant(`${DIRECTORY}/writing-7.tmp`, new Uint8Array(5));
    const { snapshots } = openOn(disk);
    save(disk, snapshots, meta(1));
    const newest = save(disk, snapshots, meta(2));
    const incoming = snapshots.receive(meta(3));
    settled(disk, (done) => incoming.write(new Uint8Array(3), done));
    expect(settled(disk, (done) => snapshots.prune(done))).toBeNull();
    const names = [...disk.files().keys()].map((path) => path.slice(DIRECTORY.length + 1));
    expect(names.filter((name) => name.endsWith('.snap'))).toHaveLength(1);
    expect(names.filter((name) => name.endsWith('.tmp'))).toHaveLength(1);
    expect(snapshots.newest()).toEqual(newest);
    expect(settled(disk, (done) => incoming.finish(done))).toMatchObject({ meta: meta(3) });
  });

  it('that was received counts when it was accepted, and never takes the place of the one that is there', () => {
    const disk = new SimulatedDisk();
    const { snapshots } = openOn(disk);
    const own = save(disk, snapshots, meta(10));
    const receive = (of: SnapshotMeta): SnapshotFile => {
      const incoming = snapshots.receive(of);
      settled(disk, (done) => incoming.write(new Uint8Array(3), done));
      const file = settled<SnapshotFile | Error>(disk, (done) => incoming.finish(done));
      if (file === undefined || file instanceof Error) throw new Error('not received', { cause: file });
      return file;
    };
    expect(receive(meta(10))).toEqual(own);
    const received = receive(meta(20));
    expect(receive(meta(20))).toEqual(received);
    expect(snapshots.newest()).toEqual(own);
    expect(settled(disk, (done) => snapshots.prune(done))).toBeNull();
    expect([...disk.files().keys()]).toHaveLength(2);
    snapshots.accept(received);
    expect(snapshots.newest()).toEqual(received);
    expect(settled(disk, (done) => snapshots.older(received, done))).toEqual(own);
  });

  it('that is discarded leaves its place to the one before it, and its bytes go with the next pruning', () => {
    const disk = new SimulatedDisk();
    const { snapshots } = openOn(disk);
    const older = save(disk, snapshots, meta(10));
    const newest = saved(disk, meta(20));
    const opened = openOn(disk).snapshots;
    expect(settled(disk, (done) => opened.discard(newest, done))).toBeNull();
    expect(opened.newest()).toEqual(older);
    // Twice, and after a pruning, is no error.
    expect(settled(disk, (done) => opened.discard(newest, done))).toBeNull();
    expect([...disk.files().keys()]).toHaveLength(2);
    expect(settled(disk, (done) => opened.prune(done))).toBeNull();
    const restarted = disk.afterPowerLoss({ kind: 'lost' });
    expect([...restarted.files().keys()]).toHaveLength(1);
    expect(openOn(restarted).snapshots.newest()).toEqual(older);
  });

  it('survives a pruning during which a newer one arrives: it may be about to be installed', () => {
    const disk = new SimulatedDisk();
    const { snapshots } = openOn(disk);
    for (let index = 1; index <= 60; index += 1) save(disk, snapshots, meta(index));
    const newest = snapshots.newest();
    const done: unknown[] = [];
    snapshots.prune((error) => done.push(error));
    snapshots.save(meta(61), CHUNKS, (result) => done.push(result));
    disk.runUntilIdle();
    expect(done).toHaveLength(2);
    expect(disk.files().has(newest!.path)).toBe(true);
    expect(disk.files().has(snapshots.newest()!.path)).toBe(true);
  });

  it('is passed over when damaged, reported, and kept by pruning', () => {
    const disk = new SimulatedDisk();
    const older = saved(disk, meta(1));
    const newer = saved(disk, meta(2));
    const content = disk.files().get(newer.path)!;
    content[60] = content[60]! ^ 1;
    disk.plant(newer.path, content);
    const { snapshots, damaged } = openOn(disk);
    expect(snapshots.newest()).toEqual(older);
    expect(damaged).toEqual([expect.objectContaining({ name: 'SnapshotDamaged', file: newer.path })]);
    settled(disk, (done) => snapshots.prune(done));
    expect(disk.files().has(newer.path)).toBe(true);
  });

  it('under a name that is not its own is not used', () => {
    const disk = new SimulatedDisk();
    const file = saved(disk, meta(1));
    disk.plant(file.path.replace('001.snap', '007.snap'), disk.files().get(file.path)!);
    const { snapshots, damaged } = openOn(disk);
    expect(snapshots.newest()?.meta.index).toBe(1);
    expect(damaged).toHaveLength(1);
  });

  it('of a newer format is reported as that, not as damage', () => {
    const disk = new SimulatedDisk();
    const file = saved(disk, meta(1));
    const content = disk.files().get(file.path)!;
    content[8] = SNAPSHOT_VERSION + 1;
    disk.plant(file.path, content);
    expect(openOn(disk).damaged[0]).toBeInstanceOf(SnapshotUnsupported);
  });
});

/** A directory on a disk whose completions the test delivers one by one. */
class Stepped {
  readonly #queue: (() => void)[] = [];
  readonly disk = new SimulatedDisk({ schedule: (callback) => void this.#queue.push(callback) });
  readonly snapshots = new SnapshotDirectory({ fileSystem: this.disk, directory: DIRECTORY }, null);
  /** Renames under way at once, at most. */
  renamesMax = 0;

  constructor() {
    let renames = 0;
    const rename = this.disk.rename.bind(this.disk);
    this.disk.rename = (from, to, done) => {
      renames += 1;
      this.renamesMax = Math.max(this.renamesMax, renames);
      rename(from, to, (error) => {
        renames -= 1;
        done(error);
      });
    };
  }

  /** Delivers at most `count` completions; returns how many there were. */
  run(count = Number.POSITIVE_INFINITY): number {
    let delivered = 0;
    for (; delivered < count; delivered += 1) {
      const next = this.#queue.shift();
      if (next === undefined) break;
      next();
    }
    return delivered;
  }

  /** Begins to receive a snapshot, up to its end. */
  begin(of: SnapshotMeta): IncomingSnapshot {
    const incoming = this.snapshots.receive(of);
    incoming.write(new Uint8Array(9), () => undefined);
    this.run();
    return incoming;
  }

  finish(incoming: IncomingSnapshot): (SnapshotFile | Error)[] {
    const results: (SnapshotFile | Error)[] = [];
    incoming.finish((result) => results.push(result));
    return results;
  }

  /** A snapshot that was received and not decided on. */
  received(of: SnapshotMeta): SnapshotFile {
    const results = this.finish(this.begin(of));
    this.run();
    return whole(results[0]);
  }

  isThere(file: SnapshotFile | null): boolean {
    return file !== null && this.disk.files().has(file.path);
  }
}

function whole(result: SnapshotFile | Error | undefined): SnapshotFile {
  if (result === undefined || result instanceof Error) throw new Error('no file', { cause: result });
  return result;
}

describe('two snapshots of one name', () => {
  it('S7: of which the received one is declined at any moment of an own save, leave the own one in its place', () => {
    for (let step = 0, isOver = false; !isOver; step += 1) {
      const scene = new Stepped();
      const declined = scene.received(meta(10));
      const saves: (SnapshotFile | Error)[] = [];
      scene.snapshots.save(meta(10), CHUNKS, (result) => saves.push(result));
      isOver = scene.run(step) < step;
      const answers: (Error | null)[] = [];
      // The caller itself sees to it that the newest one is not declined.
      if (scene.snapshots.newest() === null)
        scene.snapshots.discard(declined, (error) => answers.push(error));
      scene.run();
      if (answers.length > 0) expect(answers).toEqual([null]);
      expect(scene.snapshots.newest()).toEqual(whole(saves[0]));
      expect(scene.isThere(scene.snapshots.newest())).toBe(true);
      expect(scene.renamesMax).toBe(1);
      const again = scene.disk.afterPowerLoss({ kind: 'lost' });
      expect(openOn(again).snapshots.newest()).toEqual(whole(saves[0]));
    }
  });

  it('S7: that arrives while the own one is saved does not take its place', () => {
    for (let step = 0, isOver = false; !isOver; step += 1) {
      const scene = new Stepped();
      const incoming = scene.begin(meta(10));
      const saves: (SnapshotFile | Error)[] = [];
      scene.snapshots.save(meta(10), CHUNKS, (result) => saves.push(result));
      isOver = scene.run(step) < step;
      const results = scene.finish(incoming);
      scene.run();
      const own = whole(saves[0]);
      expect(scene.snapshots.newest()).toEqual(own);
      expect(scene.disk.files().get(own.path)).toHaveLength(own.bytes);
      expect(whole(results[0]).path).toBe(own.path);
      expect([...scene.disk.files().keys()]).toEqual([own.path]);
    }
  });

  it('S8: of which the first is declined while the second arrives: the second is there, or was refused', () => {
    let refused = 0;
    for (let step = 0, isOver = false; !isOver; step += 1) {
      const scene = new Stepped();
      const first = scene.received(meta(10));
      const results = scene.finish(scene.begin(meta(10)));
      isOver = scene.run(step) < step;
      const isDecided = results.length > 0;
      const answers: (Error | null)[] = [];
      scene.snapshots.discard(first, (error) => answers.push(error));
      scene.run();
      expect(answers).toEqual([null]);
      const [result] = results;
      if (result instanceof Error) refused += 1;
      // What was handed over before it was declined is for its receiver to find out.
      else if (!isDecided) expect(scene.isThere(whole(result))).toBe(true);
      // It can be sent again.
      expect(scene.isThere(scene.received(meta(10)))).toBe(true);
    }
    expect(refused).toBeGreaterThan(0);
  });

  it('S8: of which the first is declined while the second waits for its name leave the second', () => {
    let waited = 0;
    for (let chunks = 0; chunks < 8; chunks += 1) {
      for (let start = 0; start < 40; start += 1) {
        const scene = new Stepped();
        const [left, right] = [scene.begin(meta(10)), scene.begin(meta(10))];
        for (let chunk = 0; chunk < chunks; chunk += 1) {
          right.write(new Uint8Array(5), () => undefined);
          scene.run();
        }
        const [firsts, seconds] = [scene.finish(left), scene.finish(right)];
        scene.run(start);
        // Names are given one after the other: the own snapshot may come between the two.
        scene.snapshots.save(meta(5), [], () => undefined);
        while (firsts.length === 0 && scene.run(1) > 0);
        if (seconds.length === 0) {
          waited += 1;
          scene.run(chunks);
          scene.snapshots.discard(whole(firsts[0]), () => undefined);
        }
        const isDecided = seconds.length > 0;
        scene.run();
        const [second] = seconds;
        if (!isDecided && !(second instanceof Error)) expect(scene.isThere(whole(second))).toBe(true);
      }
    }
    expect(waited).toBeGreaterThan(100);
  });

  it('S8: that both arrive at once become one, and a late refusal of the first does not take the second', () => {
    for (let step = 0, isOver = false; !isOver; step += 1) {
      const scene = new Stepped();
      const [left, right] = [scene.begin(meta(10)), scene.begin(meta(10))];
      const firsts = scene.finish(left);
      const seconds = scene.finish(right);
      isOver = scene.run(step) < step;
      const [first] = firsts;
      if (first !== undefined) scene.snapshots.discard(whole(first), () => undefined);
      const isDecided = seconds.length > 0;
      scene.run();
      const [second] = seconds;
      if (!isDecided && !(second instanceof Error)) expect(scene.isThere(whole(second))).toBe(true);
      expect(scene.renamesMax).toBe(1);
    }
  });
});

describe('loading', () => {
  const disk = new SimulatedDisk();
  const file = saved(disk, meta(10));
  const content = disk.files().get(file.path)!;

  function loadChanged(change: (bytes: Buffer) => Buffer): Error | null | undefined {
    const other = new SimulatedDisk();
    other.plant(file.path, change(Buffer.from(content)));
    return load(other, file).error;
  }

  it('refuses any flipped bit', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: content.length * 8 - 1 }), (bit) => {
        const error = loadChanged((bytes) => {
          bytes[bit >> 3] = bytes[bit >> 3]! ^ (1 << (bit & 7));
          return bytes;
        });
        expect(error instanceof SnapshotDamaged || error instanceof SnapshotUnsupported).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it('hands a large chunk over in pieces, with turns of the event loop between them', () => {
    const queue: (() => void)[] = [];
    const large = new SimulatedDisk({ schedule: (callback) => queue.push(callback) });
    const snapshots = new SnapshotDirectory({ fileSystem: large, directory: DIRECTORY }, null);
    const files: (SnapshotFile | Error)[] = [];
    snapshots.save(meta(10), [new Uint8Array(100_000).fill(7)], (result) => files.push(result));
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) next();
    const sizes: number[] = [];
    const results: (Error | null)[] = [];
    snapshots.load(
      files[0] as SnapshotFile,
      (piece) => sizes.push(piece.length),
      (error) => results.push(error),
    );
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const before = sizes.length;
      next();
      expect(sizes.length - before).toBeLessThanOrEqual(1);
    }
    expect(results).toEqual([null]);
    expect(Math.max(...sizes)).toBe(16 * 1024);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(100_000);
  });

  it('refuses any other length', () => {
    for (let length = 0; length < content.length; length += 1) {
      expect(loadChanged((bytes) => bytes.subarray(0, length))).toBeInstanceOf(SnapshotDamaged);
    }
    expect(loadChanged((bytes) => Buffer.concat([bytes, Buffer.alloc(1)]))).toBeInstanceOf(SnapshotDamaged);
  });

  it('refuses arbitrary bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(loadChanged(() => Buffer.from(bytes))).toBeInstanceOf(SnapshotDamaged);
      }),
    );
  });

  it('refuses a file whose chunks were exchanged', () => {
    const other = new SimulatedDisk();
    const { snapshots } = openOn(other);
    const equal = [new Uint8Array(50).fill(1), new Uint8Array(50).fill(2)];
    const twins = save(other, snapshots, meta(10), equal);
    if (twins === undefined || twins instanceof Error) throw new Error('not saved');
    const bytes = other.files().get(twins.path)!;
    const first = bytes.indexOf(Buffer.alloc(50, 1)) - 12;
    const exchanged = Buffer.concat([
      bytes.subarray(0, first),
      bytes.subarray(first + 62, first + 124),
      bytes.subarray(first, first + 62),
      bytes.subarray(first + 124),
    ]);
    other.plant(twins.path, exchanged);
    expect(load(other, twins).error).toBeInstanceOf(SnapshotDamaged);
  });
});

describe('a snapshot from the network', () => {
  it('goes from one member to another, chunk by chunk', async () => {
    const source = new SimulatedDisk({ schedule: queueMicrotask });
    const target = new SimulatedDisk();
    const from = new SnapshotDirectory({ fileSystem: source, directory: DIRECTORY }, null);
    const file = await new Promise<SnapshotFile | Error>((resolve) => {
      from.save(meta(10), CHUNKS, resolve);
    });
    if (file instanceof Error) throw file;
    const { snapshots } = openOn(target);
    const incoming = snapshots.receive(file.meta);
    for await (const chunk of from.read(file)) {
      expect(settled<Error | null>(target, (done) => incoming.write(chunk, done))).toBeNull();
      expect(snapshots.newest()).toBeNull();
    }
    const received = settled<SnapshotFile | Error>(target, (done) => incoming.finish(done));
    expect(received).toEqual(file);
    expect(snapshots.newest()).toBeNull();
    snapshots.accept(file);
    expect(snapshots.newest()).toEqual(file);
    expect(target.files()).toEqual(source.files());
  });

  it('reading a damaged file throws at the damage and not before', async () => {
    const disk = new SimulatedDisk({ schedule: queueMicrotask });
    const snapshots = new SnapshotDirectory({ fileSystem: disk, directory: DIRECTORY }, null);
    const file = await new Promise<SnapshotFile | Error>((resolve) => {
      snapshots.save(meta(10), CHUNKS, resolve);
    });
    if (file instanceof Error) throw file;
    const content = disk.files().get(file.path)!;
    content[1500] = 77;
    disk.plant(file.path, content);
    const chunks: Uint8Array[] = [];
    const reading = async (): Promise<void> => {
      for await (const chunk of snapshots.read(file)) chunks.push(chunk);
    };
    await expect(reading()).rejects.toBeInstanceOf(SnapshotDamaged);
    expect(chunks).toHaveLength(2);
  });

  it('that is given up leaves nothing, at once or when the write under way is over', () => {
    const disk = new SimulatedDisk();
    const { snapshots } = openOn(disk);
    const idle = snapshots.receive(meta(1));
    settled(disk, (done) => idle.write(new Uint8Array(9), done));
    idle.abort();
    idle.abort();
    const busy = snapshots.receive(meta(2));
    busy.write(new Uint8Array(9), () => undefined);
    busy.abort();
    snapshots.receive(meta(3)).abort();
    disk.runUntilIdle();
    expect([...disk.files().keys()]).toEqual([]);
    expect(() => busy.write(new Uint8Array(1), () => undefined)).toThrow();
  });

  it('that the disk fails leaves nothing after the abort that follows', () => {
    for (let failing = 1; ; failing += 1) {
      const disk = new SimulatedDisk();
      const { snapshots } = openOn(disk);
      const first = disk.operations.length + failing;
      disk.failure = ({ number }) => (number === first ? diskError('EIO') : null);
      const incoming = snapshots.receive(meta(5));
      const written = settled<Error | null>(disk, (done) => incoming.write(new Uint8Array(9), done));
      if (written instanceof Error) incoming.abort();
      else if (!(settled<SnapshotFile | Error>(disk, (done) => incoming.finish(done)) instanceof Error))
        break;
      disk.runUntilIdle();
      expect(snapshots.newest()).toBeNull();
      expect([...disk.files().keys()].filter((path) => path.endsWith('.tmp'))).toEqual([]);
    }
  });
});
