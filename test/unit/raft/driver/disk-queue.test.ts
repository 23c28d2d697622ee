// The disk queue: whatever the timing, the disk ends where the steps went, and nothing is acknowledged too early.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Message } from '../../../../src/raft/core/messages.ts';
import {
  logIndex,
  memberId,
  term,
  type Entry,
  type LogIndex,
  type SnapshotMeta,
} from '../../../../src/raft/core/types.ts';
import { DiskQueue, type DiskReceipt } from '../../../../src/raft/disk-queue.ts';
import type { Done, DurableLog, LogGroup } from '../../../../src/raft/ports.ts';
import { membership, message } from '../../../support/raft-core/builders.ts';
import { VirtualLoop } from './virtual-loop.ts';

const SELF = memberId(1);

/** A log that completes when told to, and refuses what a real one would. */
class ManualLog implements DurableLog {
  readonly spaceLow = false;
  readonly failure = null;
  entries: Entry[] = [];
  base: LogIndex = logIndex(0);
  readonly calls: string[] = [];
  /** Payload bytes of each group. */
  readonly groups: number[] = [];
  #pending: (() => void) | null = null;

  get busy(): boolean {
    return this.#pending !== null;
  }

  complete(): void {
    const pending = this.#pending;
    this.#pending = null;
    pending?.();
  }

  hasRoomFor(): boolean {
    return true;
  }

  write(group: LogGroup, done: Done): void {
    this.groups.push(group.append.reduce((sum, { data }) => sum + data.length, 0));
    this.#start('write', done, () => {
      const last = this.entries.at(-1)?.index ?? this.base;
      if (group.truncateFrom !== null) {
        expect(group.truncateFrom).toBeLessThanOrEqual(last);
        this.entries = this.entries.filter((entry) => entry.index < (group.truncateFrom ?? 0));
      }
      for (const entry of group.append) {
        expect(entry.index).toBe((this.entries.at(-1)?.index ?? this.base) + 1);
        this.entries.push(entry);
      }
    });
  }

  compact(base: SnapshotMeta, done: Done): void {
    this.#start('compact', done, () => {
      this.base = base.index;
      this.entries = this.entries.filter((entry) => entry.index > base.index);
    });
  }

  reset(base: SnapshotMeta, done: Done): void {
    this.#start('reset', done, () => {
      this.base = base.index;
      this.entries = [];
    });
  }

  close(done: Done): void {
    setImmediate(() => done(null));
  }

  #start(name: string, done: Done, effect: () => void): void {
    expect(this.#pending).toBeNull();
    this.calls.push(name);
    this.#pending = () => {
      effect();
      done(null);
    };
  }
}

interface Setup {
  readonly log: ManualLog;
  readonly queue: DiskQueue;
  readonly receipts: DiskReceipt[];
}

function setup(): Setup {
  const log = new ManualLog();
  const receipts: DiskReceipt[] = [];
  const queue = new DiskQueue(
    log,
    { last: { index: logIndex(0), term: term(0) }, hardState: { term: term(0), votedFor: null } },
    {
      clock: new VirtualLoop().clock,
      handler: {
        onDurable: (receipt) => void receipts.push(receipt),
        onError: (error) => {
          throw error;
        },
      },
    },
  );
  return { log, queue, receipts };
}

function entryAt(index: number, entryTerm: number, data: Uint8Array = Buffer.of()): Entry {
  return { index: logIndex(index), term: term(entryTerm), kind: 'command', data };
}

/** A step that leaves the log with the entries `from` to `to`, of `stepTerm`, at its end. */
function entriesStep(from: number, to: number, stepTerm: number, truncates = false): Effects {
  const append = Array.from({ length: to - from + 1 }, (_, place) => entryAt(from + place, stepTerm, LARGE));
  const truncateFrom = truncates ? logIndex(from) : null;
  return { ...NOTHING, truncateFrom, append, sendAfterPersist: [accepted(to)] };
}

function accepted(matched: number): Message {
  return message(SELF, 2, 1, { kind: 'appendAccepted', matched: logIndex(matched) });
}

/** Three fill a group. */
const LARGE = Buffer.alloc(400_000);
const MIB = 1024 * 1024;

type Effects = Parameters<DiskQueue['add']>[0];

const NOTHING = { hardState: null, truncateFrom: null, append: [], sendAfterPersist: [] };
const BASE: SnapshotMeta = {
  index: logIndex(9),
  term: term(2),
  membership: membership([SELF]),
};

describe('the disk queue', () => {
  it('holds a log equal to the steps, however groups form and whatever is truncated in between', () => {
    // Each step keeps `keep` thousandths of the log, appends `count` entries, then the disk may finish or be kicked.
    const step = fc.record({
      keep: fc.nat(1000),
      count: fc.integer({ min: 1, max: 4 }),
      finish: fc.boolean(),
      kick: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const { log, queue, receipts } = setup();
        let model: Entry[] = [];
        let seen = 0;
        steps.forEach(({ keep, count, finish, kick }, at) => {
          const kept = keep > 700 ? Math.floor((model.length * keep) / 1000) : model.length;
          const append = Array.from({ length: count }, (_, offset) => entryAt(kept + 1 + offset, at + 1));
          const truncateFrom = kept < model.length ? logIndex(kept + 1) : null;
          model = [...model.slice(0, kept), ...append];
          queue.add({ ...NOTHING, truncateFrom, append, sendAfterPersist: [accepted(model.length)] });
          if (kick) queue.kick();
          if (finish) log.complete();
          for (const receipt of receipts.slice(seen)) {
            const last = receipt.persisted?.last;
            expect(log.entries.at(-1)).toMatchObject({ index: last?.index, term: last?.term });
          }
          seen = receipts.length;
        });
        queue.kick();
        while (log.busy) log.complete();
        expect(log.entries).toEqual(model);
        expect(receipts.flatMap((receipt) => receipt.messages)).toHaveLength(steps.length);
      }),
    );
  });

  it('S6: closes a group at a mebibyte, and gives back the receipts of those that wait in their order', () => {
    const { log, queue, receipts } = setup();
    queue.add(entriesStep(1, 1, 1));
    queue.kick();
    for (let index = 2; index <= 12; index += 1) queue.add(entriesStep(index, index, 1));
    expect(queue.waitingBytes).toBe(12 * LARGE.length);
    // What one step brings is not torn apart.
    queue.add(entriesStep(13, 19, 1));
    queue.add(entriesStep(20, 20, 1));
    while (log.busy) log.complete();
    expect(queue.waitingBytes).toBe(0);
    expect(log.groups.map((bytes) => bytes / LARGE.length)).toEqual([1, 3, 3, 3, 9, 1]);
    expect(receipts.map(({ persisted }) => persisted?.last.index)).toEqual([1, 4, 7, 10, 19, 20]);
    const ends = receipts.map(({ messages }) => messages.at(-1));
    expect(ends).toMatchObject([1, 4, 7, 10, 19, 20].map((matched) => ({ matched })));
    expect(log.entries.map(({ index }) => index)).toEqual(Array.from({ length: 20 }, (_, at) => at + 1));
  });

  it('S6: truncates entries that wait in an earlier group, and in several, and again further back', () => {
    const { log, queue, receipts } = setup();
    queue.add(entriesStep(1, 2, 1));
    queue.kick();
    for (let index = 3; index <= 11; index += 1) queue.add(entriesStep(index, index, 1));
    // Into the last of three full groups, into the second of them, and within the forming one.
    queue.add(entriesStep(10, 10, 2, true));
    queue.add(entriesStep(7, 9, 3, true));
    queue.add(entriesStep(8, 8, 4, true));
    expect(queue.waitingBytes).toBe((2 + 9 + 3 + 1) * LARGE.length);
    // Into what is being written right now.
    queue.add(entriesStep(2, 5, 5, true));
    queue.add(entriesStep(6, 6, 5));
    while (log.busy) log.complete();
    const terms = log.entries.map((entry) => entry.term);
    expect(terms).toEqual([1, 5, 5, 5, 5, 5]);
    expect(log.entries.map(({ index }) => index)).toEqual([1, 2, 3, 4, 5, 6]);
    const ends = receipts.map(({ persisted }) => `${persisted?.last.index}/${persisted?.last.term}`);
    expect(ends).toEqual(['2/1', '5/1', '8/1', '11/1', '9/3', '5/5', '6/5']);
    expect(Math.max(...log.groups)).toBeLessThan(MIB + 4 * LARGE.length);
  });

  it('S6: holds a log equal to the steps when many groups wait, whatever is truncated in them', () => {
    const large = fc.record({
      keep: fc.nat(1000),
      count: fc.integer({ min: 1, max: 5 }),
      isLarge: fc.boolean(),
      finish: fc.nat(9),
    });
    fc.assert(
      fc.property(fc.array(large, { maxLength: 60 }), (steps) => {
        const { log, queue, receipts } = setup();
        let model: Entry[] = [];
        let seen = 0;
        const check = (): void => {
          for (const receipt of receipts.slice(seen)) {
            const last = receipt.persisted?.last;
            expect(log.entries.at(-1)).toMatchObject({ index: last?.index, term: last?.term });
          }
          seen = receipts.length;
        };
        steps.forEach(({ keep, count, isLarge, finish }, at) => {
          const kept = keep > 600 ? Math.floor((model.length * (keep - 600)) / 400) : model.length;
          const data = isLarge ? LARGE : Buffer.of();
          const append = Array.from({ length: count }, (_, place) => entryAt(kept + 1 + place, at + 1, data));
          const truncateFrom = kept < model.length ? logIndex(kept + 1) : null;
          model = [...model.slice(0, kept), ...append];
          queue.add({ ...NOTHING, truncateFrom, append, sendAfterPersist: [accepted(model.length)] });
          queue.kick();
          if (finish === 0) log.complete();
          check();
        });
        while (log.busy) {
          log.complete();
          check();
        }
        expect(log.entries).toEqual(model);
        expect(receipts.flatMap((receipt) => receipt.messages)).toHaveLength(steps.length);
        expect(Math.max(0, ...log.groups)).toBeLessThan(MIB + 5 * LARGE.length);
      }),
      { numRuns: 200 },
    );
  });

  it('releases messages without a durable part at once when idle, else behind everything handed over', () => {
    const { log, queue, receipts } = setup();
    queue.add({ ...NOTHING, sendAfterPersist: [accepted(0)] });
    expect(receipts).toHaveLength(1);
    queue.add({ ...NOTHING, append: [entryAt(1, 1)] });
    queue.kick();
    queue.add({ ...NOTHING, sendAfterPersist: [accepted(1)] });
    expect(receipts).toHaveLength(1);
    log.complete();
    expect(receipts[1]?.messages).toHaveLength(1);
  });

  it('keeps compactions and resets in their place between groups', () => {
    const { log, queue, receipts } = setup();
    const ended: string[] = [];
    queue.add({ ...NOTHING, append: [entryAt(1, 1), entryAt(2, 1)] });
    queue.compact({ ...BASE, index: logIndex(1) }, () => void ended.push('compact'));
    queue.add({ ...NOTHING, sendAfterPersist: [accepted(2)] });
    queue.reset(BASE, () => void ended.push('reset'));
    queue.add({ ...NOTHING, hardState: { term: term(3), votedFor: null } });
    queue.add({ ...NOTHING, append: [entryAt(10, 3)] });
    while (log.busy) log.complete();
    expect(log.calls).toEqual(['write', 'compact', 'reset', 'write']);
    expect(ended).toEqual(['compact', 'reset']);
    expect(receipts.flatMap((receipt) => receipt.messages)).toHaveLength(1);
    expect(log.entries.map(({ index }) => index)).toEqual([10]);
  });

  it('starts nothing after it was stopped, and says when the last operation has ended', () => {
    const { log, queue, receipts } = setup();
    queue.add({ ...NOTHING, append: [entryAt(1, 1)] });
    queue.kick();
    queue.add({ ...NOTHING, append: [entryAt(2, 1)] });
    let ended = false;
    queue.stop(() => {
      ended = true;
    });
    expect(ended).toBe(false);
    log.complete();
    expect(ended).toBe(true);
    expect(log.calls).toEqual(['write']);
    expect(receipts).toEqual([]);
  });
});
