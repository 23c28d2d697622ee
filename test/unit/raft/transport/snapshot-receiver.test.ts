// A snapshot comes in post by post: what breaks is resumed, what does not fit is dropped, half of one is never handed over.

import { crc32 } from 'node:zlib';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Clock, Timer } from '../../../../src/base/clock.ts';
import {
  logIndex,
  memberId,
  term,
  type MemberId,
  type SnapshotMeta,
} from '../../../../src/raft/core/types.ts';
import type { Done, SnapshotFile } from '../../../../src/raft/ports.ts';
import { createTransportCounters } from '../../../../src/raft/transport/counters.ts';
import type { SnapshotBatch, SnapshotPost } from '../../../../src/raft/transport/snapshot-codec.ts';
import { PARTIAL_KEEP_MS, SnapshotReceiver } from '../../../../src/raft/transport/snapshot-receiver.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { META } from './wire.ts';

const LEADER = memberId(1);
const NEXT_LEADER = memberId(3);
const IDLE_MS = 1000;
const STATE = ['first', 'second', 'third'];

/** A clock that a test moves. */
class TestClock implements Clock {
  #nowMs = 0;
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.#nowMs + delayMs, callback };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  advance(ms: number): void {
    this.#nowMs += ms;
    for (const timer of this.#timers) {
      if (timer.atMs > this.#nowMs) continue;
      this.#timers.delete(timer);
      timer.callback();
    }
  }
}

/** A disk on which a test decides when a write ends, and how. */
class Disk {
  /** One list of chunks a temporary file, with what became of it. */
  readonly files: { readonly chunks: string[]; end: 'open' | 'finished' | 'aborted' }[] = [];
  /** When true, calls wait for `release`. */
  held = false;
  failure: Error | null = null;
  readonly #waiting: (() => void)[] = [];

  receive(meta: SnapshotMeta): {
    write(chunk: Uint8Array, done: Done): void;
    finish(done: (result: SnapshotFile | Error) => void): void;
    abort(): void;
  } {
    const file: Disk['files'][number] = { chunks: [], end: 'open' };
    this.files.push(file);
    return {
      write: (chunk, done) =>
        this.#later(() => {
          if (this.failure === null) file.chunks.push(Buffer.from(chunk).toString());
          done(this.failure);
        }),
      finish: (done) =>
        this.#later(() => {
          if (this.failure !== null) return done(this.failure);
          file.end = 'finished';
          done({ meta, bytes: 100, path: `file ${this.files.indexOf(file)}` });
        }),
      abort: () => {
        file.end = 'aborted';
      },
    };
  }

  release(): void {
    this.held = false;
    for (const run of this.#waiting.splice(0)) run();
  }

  #later(run: () => void): void {
    if (this.held) this.#waiting.push(run);
    else setImmediate(run);
  }
}

function setUp() {
  const clock = new TestClock();
  const disk = new Disk();
  const counters = createTransportCounters();
  const handed: { readonly from: MemberId; readonly term: number; readonly path: string }[] = [];
  const receiver = new SnapshotReceiver(
    { snapshotIdleMs: IDLE_MS },
    {
      handler: {
        onSnapshot: (from, leaderTerm, file) => void handed.push({ from, term: leaderTerm, path: file.path }),
      },
      sink: disk,
      clock,
      logger: silentLogger,
      counters,
    },
  );
  return { clock, disk, counters, handed, receiver };
}

/** Chunks `from` to before `to` of `state`, as an honest sender posts them. */
function part(from: number, to: number, state: readonly string[] = STATE): SnapshotBatch {
  const before = state.slice(0, from).join('');
  return {
    offset: from,
    crc: crc32(before),
    chunks: state.slice(from, to).map((text) => Buffer.from(text)),
    last: to >= state.length,
  };
}

function post(batch: SnapshotBatch, over: Partial<SnapshotPost> = {}): SnapshotPost {
  return { term: term(4), transfer: 1, meta: META, fileBytes: 100, batch, ...over };
}

const holds = (chunks: number): object => ({ ok: true, value: { chunks, done: false } });
const isDone = { ok: true, value: { chunks: STATE.length, done: true } };
const refusedAs = (reason: string): object => ({ ok: false, error: { reason } });

describe('the receiver of snapshots', () => {
  it('takes chunks in order and hands the whole over once', async () => {
    const { receiver, disk, handed, counters } = setUp();
    expect(await receiver.take(LEADER, post(part(0, 0)))).toEqual(holds(0));
    expect(await receiver.take(LEADER, post(part(0, 2)))).toEqual(holds(2));
    expect(handed).toEqual([]);
    expect(await receiver.take(LEADER, post(part(2, 3)))).toEqual(isDone);
    expect(handed).toEqual([{ from: LEADER, term: 4, path: 'file 0' }]);
    expect(disk.files).toEqual([{ chunks: STATE, end: 'finished' }]);
    expect(counters).toMatchObject({ snapshotsReceived: 1, snapshotsResumed: 0 });
  });

  it('answers a repeated last post without taking anything in again', async () => {
    const { receiver, disk, handed } = setUp();
    await receiver.take(LEADER, post(part(0, 3)));
    expect(await receiver.take(LEADER, post(part(0, 3)))).toEqual(isDone);
    expect(await receiver.take(LEADER, post(part(3, 3)))).toEqual(isDone);
    expect(handed).toHaveLength(1);
    expect(disk.files).toHaveLength(1);
  });

  it('takes the same snapshot again in a later transfer: it was asked for again', async () => {
    const { receiver, handed } = setUp();
    await receiver.take(LEADER, post(part(0, 3)));
    expect(await receiver.take(LEADER, post(part(0, 3), { transfer: 2 }))).toEqual(isDone);
    expect(handed).toHaveLength(2);
  });

  it('ignores chunks it has, or that leave a gap, and says where to go on', async () => {
    const { receiver, disk } = setUp();
    await receiver.take(LEADER, post(part(0, 1)));
    expect(await receiver.take(LEADER, post(part(0, 1)))).toEqual(holds(1));
    expect(await receiver.take(LEADER, post(part(2, 3)))).toEqual(holds(1));
    expect(await receiver.take(LEADER, post(part(1, 3)))).toEqual(isDone);
    expect(disk.files[0]!.chunks).toEqual(STATE);
  });

  it('goes on where a transfer broke off when the same leader tries again', async () => {
    const { receiver, disk, counters } = setUp();
    await receiver.take(LEADER, post(part(0, 2)));
    expect(await receiver.take(LEADER, post(part(0, 0), { transfer: 2 }))).toEqual(holds(2));
    expect(await receiver.take(LEADER, post(part(2, 3), { transfer: 2 }))).toEqual(isDone);
    expect(disk.files).toEqual([{ chunks: STATE, end: 'finished' }]);
    expect(counters.snapshotsResumed).toBe(1);
  });

  it('S43: a new leader goes on with the same snapshot where the dead one ended', async () => {
    const { receiver, disk, handed } = setUp();
    await receiver.take(LEADER, post(part(0, 2)));
    expect(await receiver.take(NEXT_LEADER, post(part(0, 0), { term: term(5) }))).toEqual(holds(2));
    expect(await receiver.take(NEXT_LEADER, post(part(2, 3), { term: term(5) }))).toEqual(isDone);
    expect(disk.files).toEqual([{ chunks: STATE, end: 'finished' }]);
    expect(handed).toEqual([{ from: NEXT_LEADER, term: 5, path: 'file 0' }]);
  });

  it('S43: a new leader with another snapshot starts over, and nothing of the old one stays', async () => {
    const { receiver, disk, handed } = setUp();
    await receiver.take(LEADER, post(part(0, 2)));
    const newer = { term: term(5), meta: { ...META, index: logIndex(11) } };
    const state = ['other', 'content'];
    expect(await receiver.take(NEXT_LEADER, post(part(0, 0, state), newer))).toEqual(holds(0));
    await receiver.take(NEXT_LEADER, post(part(0, 2, state), newer));
    expect(disk.files.map(({ end }) => end)).toEqual(['aborted', 'finished']);
    expect(disk.files[1]!.chunks).toEqual(state);
    expect(handed).toHaveLength(1);
  });

  it('S43: a file of the same name and size but other content is never mixed with what is held', async () => {
    const { receiver, disk } = setUp();
    await receiver.take(LEADER, post(part(0, 2)));
    const other = ['FIRST', 'SECOND', 'THIRD'];
    const leading = { term: term(5) };
    expect(await receiver.take(NEXT_LEADER, post(part(0, 0, other), leading))).toEqual(holds(2));
    expect(await receiver.take(NEXT_LEADER, post(part(2, 3, other), leading))).toEqual(holds(0));
    expect(await receiver.take(NEXT_LEADER, post(part(0, 3, other), leading))).toEqual(isDone);
    expect(disk.files).toEqual([
      { chunks: ['first', 'second'], end: 'aborted' },
      { chunks: other, end: 'finished' },
    ]);
  });

  it('S43: whatever is lost, repeated, late or out of order, what is handed over is one sender’s whole state', async () => {
    const states = [STATE, ['FIRST', 'SECOND', 'THIRD'], ['first', 'SECOND', 'third']];
    const anyPost = fc.record({
      state: fc.nat(2),
      leader: fc.integer({ min: 1, max: 3 }),
      transfer: fc.integer({ min: 1, max: 2 }),
      from: fc.nat(3),
      to: fc.nat(3),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(anyPost, { maxLength: 40 }), async (posts) => {
        const { receiver, disk, handed } = setUp();
        for (const { state, leader, transfer, from, to } of posts) {
          const batch = part(Math.min(from, to), Math.max(from, to), states[state]);
          const answer = await receiver.take(memberId(leader), post(batch, { term: term(leader), transfer }));
          if (answer.ok) expect(answer.value.chunks).toBeLessThanOrEqual(STATE.length);
        }
        const finished = disk.files.filter(({ end }) => end === 'finished');
        for (const { chunks } of finished) expect(states).toContainEqual(chunks);
        expect(handed).toHaveLength(finished.length);
        expect(disk.files.filter(({ end }) => end === 'open').length).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('refuses late posts of a deposed leader and of an earlier transfer', async () => {
    const { receiver, disk } = setUp();
    await receiver.take(NEXT_LEADER, post(part(0, 1), { term: term(5), transfer: 7 }));
    expect(await receiver.take(LEADER, post(part(1, 2)))).toMatchObject(refusedAs('superseded'));
    expect(await receiver.take(NEXT_LEADER, post(part(1, 2), { term: term(5), transfer: 6 }))).toMatchObject(
      refusedAs('superseded'),
    );
    expect(disk.files).toEqual([{ chunks: ['first'], end: 'open' }]);
  });

  it('takes one post at a time', async () => {
    const { receiver, disk } = setUp();
    disk.held = true;
    const first = receiver.take(LEADER, post(part(0, 1)));
    expect(await receiver.take(LEADER, post(part(0, 1)))).toMatchObject(refusedAs('busy'));
    disk.release();
    expect(await first).toEqual(holds(1));
    expect(disk.files[0]!.chunks).toEqual(['first']);
  });

  it('says "not yet" while a long verification goes on, and the outcome when asked again', async () => {
    const { receiver, disk, clock, handed } = setUp();
    await receiver.take(LEADER, post(part(0, 2)));
    await receiver.take(LEADER, post(part(2, 2)));
    const last = receiver.take(LEADER, post(part(2, 3)));
    disk.held = true;
    await new Promise((resolve) => {
      setImmediate(() => setImmediate(resolve));
    });
    clock.advance(IDLE_MS / 2);
    expect(await last).toEqual(holds(3));
    expect(await receiver.take(LEADER, post(part(0, 0), { transfer: 2 }))).toMatchObject(refusedAs('busy'));
    const again = receiver.take(LEADER, post(part(3, 3)));
    disk.release();
    expect(await again).toEqual(isDone);
    expect(handed).toHaveLength(1);
  });

  it('drops a part nobody goes on with for a minute', async () => {
    const { receiver, disk, clock } = setUp();
    await receiver.take(LEADER, post(part(0, 2)));
    clock.advance(PARTIAL_KEEP_MS - 1);
    expect(disk.files[0]!.end).toBe('open');
    await receiver.take(LEADER, post(part(0, 0)));
    clock.advance(PARTIAL_KEEP_MS - 1);
    expect(disk.files[0]!.end).toBe('open');
    clock.advance(1);
    expect(disk.files[0]!.end).toBe('aborted');
    expect(await receiver.take(LEADER, post(part(0, 0)))).toEqual(holds(0));
  });

  it('says that its disk failed, drops the part, and starts over when asked again', async () => {
    const { receiver, disk } = setUp();
    await receiver.take(LEADER, post(part(0, 1)));
    disk.failure = new Error('EIO');
    expect(await receiver.take(LEADER, post(part(1, 2)))).toMatchObject(refusedAs('diskFailed'));
    expect(disk.files[0]!.end).toBe('aborted');
    disk.failure = null;
    expect(await receiver.take(LEADER, post(part(1, 2)))).toEqual(holds(0));
    expect(await receiver.take(LEADER, post(part(0, 3)))).toEqual(isDone);
  });

  it('says that its disk failed when the whole cannot be made durable', async () => {
    const { receiver, disk, handed } = setUp();
    await receiver.take(LEADER, post(part(0, 2)));
    const ended = receiver.take(LEADER, post({ ...part(2, 2), last: true }));
    disk.failure = new Error('EIO');
    expect(await ended).toMatchObject(refusedAs('diskFailed'));
    expect(handed).toEqual([]);
  });

  it('refuses more bytes than were announced', async () => {
    const { receiver, disk } = setUp();
    const answer = await receiver.take(LEADER, post(part(0, 3), { fileBytes: 12 }));
    expect(answer).toMatchObject(refusedAs('malformed'));
    expect(disk.files[0]!.end).toBe('aborted');
  });

  it('refuses a checksum of nothing', async () => {
    const { receiver } = setUp();
    expect(await receiver.take(LEADER, post({ ...part(0, 1), crc: 7 }))).toMatchObject(
      refusedAs('malformed'),
    );
  });

  it('drops what is there when it closes, also under a write, and takes nothing more', async () => {
    const { receiver, disk, handed } = setUp();
    await receiver.take(LEADER, post(part(0, 1)));
    disk.held = true;
    const writing = receiver.take(LEADER, post(part(1, 3)));
    receiver.close();
    expect(disk.files[0]!.end).toBe('aborted');
    disk.release();
    expect(await writing).toMatchObject(refusedAs('aborted'));
    expect(await receiver.take(LEADER, post(part(0, 1)))).toMatchObject(refusedAs('busy'));
    expect(handed).toEqual([]);
  });
});
