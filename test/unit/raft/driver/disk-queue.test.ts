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
  #pending: (() => void) | null = null;

  get busy(): boolean {
    return this.#pending !== null;
  }

  complete(): void {
    const pending = this.#pending;
    this.#pending = null;
    pending?.();
  }

  write(group: LogGroup, done: Done): void {
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

function entryAt(index: number, entryTerm: number): Entry {
  return { index: logIndex(index), term: term(entryTerm), kind: 'command', data: Buffer.of() };
}

function accepted(matched: number): Message {
  return message(SELF, 2, 1, { kind: 'appendAccepted', matched: logIndex(matched) });
}

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
