// The durable log in operation: one write and one sync a group, the latch, running out of space, compaction, closing.

import { beforeEach, describe, expect, it } from 'vitest';

import { AssertionError } from '../../../../src/base/assert.ts';
import type { Clock, Timer } from '../../../../src/base/clock.ts';
import { type Entry, logIndex, memberId, term } from '../../../../src/raft/core/types.ts';
import type { LogGroup } from '../../../../src/raft/ports.ts';
import type { WalEvent } from '../../../../src/raft/wal/durable-log.ts';
import { contentEnd } from '../../../../src/raft/wal/format.ts';
import type { OpenedWal } from '../../../../src/raft/wal/open.ts';
import {
  INITIAL_BASE,
  SEGMENT_BYTES,
  mustOpen,
  openOn,
  perform,
  performAll,
  randomScript,
} from '../../../support/log-script.ts';
import { SimulatedDisk, diskError } from '../../../support/simulated-disk.ts';

const VOTE = { term: term(1), votedFor: memberId(2) };

function entries(first: number, count: number, bytes = 100): Entry[] {
  return Array.from({ length: count }, (_, place) => ({
    index: logIndex(first + place),
    term: term(1),
    kind: 'command',
    data: new Uint8Array(bytes).fill(first + place),
  }));
}

function group(parts: Partial<LogGroup>): { kind: 'write'; group: LogGroup } {
  return { kind: 'write', group: { hardState: null, truncateFrom: null, append: [], ...parts } };
}

function segmentsOn(disk: SimulatedDisk): string[] {
  return [...disk.files().keys()].filter((path) => path.endsWith('.log')).sort();
}

/** One timer, fired by hand. */
class ManualClock implements Clock {
  delayMs = 0;
  #callback: (() => void) | null = null;

  get isSet(): boolean {
    return this.#callback !== null;
  }

  monotonicMs(): number {
    return 0;
  }

  wallMs(): number {
    return 0;
  }

  setTimer(delayMs: number, callback: () => void): Timer {
    if (this.#callback !== null) throw new Error('a second timer');
    this.delayMs = delayMs;
    this.#callback = callback;
    return {
      cancel: () => {
        if (this.#callback === callback) this.#callback = null;
      },
    };
  }

  fire(): void {
    const callback = this.#callback;
    this.#callback = null;
    callback?.();
  }
}

/** Bytes of zeroes at the end of the last segment in use. */
function roomIn(disk: SimulatedDisk): number {
  const used = segmentsOn(disk).map((path) => disk.files().get(path)!);
  const tail = used.findLast((content) => contentEnd(content) > 0)!;
  return tail.length - contentEnd(tail);
}

describe('a group', () => {
  let disk: SimulatedDisk;
  let opened: OpenedWal;

  beforeEach(() => {
    disk = new SimulatedDisk();
    opened = mustOpen(disk);
  });

  it('costs one write and one sync, whatever is in it', () => {
    perform(disk, opened.log, group({ hardState: VOTE, append: entries(1, 5) }));
    const before = disk.operations.length;
    perform(
      disk,
      opened.log,
      group({ hardState: { ...VOTE, term: term(2) }, truncateFrom: logIndex(3), append: entries(3, 4) }),
    );
    expect(disk.operations.slice(before).map(({ kind }) => kind)).toEqual(['write', 'datasync']);
  });

  it('larger than a segment gets a segment of its own', () => {
    const large = entries(1, 3, SEGMENT_BYTES);
    perform(disk, opened.log, group({ hardState: VOTE, append: large }));
    perform(disk, opened.log, group({ append: entries(4, 1) }));
    const { restored } = mustOpen(disk.afterPowerLoss({ kind: 'lost' }));
    expect(restored.entries).toEqual([...large, ...entries(4, 1)]);
  });

  it('is refused as a bug when it leaves a hole, goes back in term or takes a vote back', () => {
    perform(disk, opened.log, group({ hardState: VOTE, append: entries(1, 2) }));
    const wrong: readonly Partial<LogGroup>[] = [
      { append: entries(4, 1) },
      { append: entries(2, 1) },
      { truncateFrom: logIndex(3) },
      { truncateFrom: logIndex(0) },
      { append: [{ ...entries(3, 1)[0]!, term: term(0) }] },
      { append: [{ ...entries(3, 1)[0]!, term: term(9) }] },
      { hardState: { term: term(0), votedFor: null } },
      { hardState: { ...VOTE, votedFor: memberId(3) } },
      { hardState: { ...VOTE, votedFor: null } },
      {},
    ];
    for (const parts of wrong) {
      const fresh = disk.afterProcessExit();
      const { log } = mustOpen(fresh);
      expect(() => log.write(group(parts).group, () => undefined)).toThrow(AssertionError);
    }
  });

  it('does not start while another is under way', () => {
    opened.log.write(group({ hardState: VOTE }).group, () => undefined);
    expect(() => opened.log.write(group({ append: entries(1, 1) }).group, () => undefined)).toThrow(
      AssertionError,
    );
  });
});

describe('S70: the latch', () => {
  const script = randomScript(5, 40);
  const clean = new SimulatedDisk();
  performAll(clean, mustOpen(clean).log, script.operations);

  it('holds after the first failed disk operation, and nothing acknowledged before it is lost', () => {
    for (let failing = 1; failing <= clean.operations.length; failing += 1) {
      const disk = new SimulatedDisk();
      disk.failure = ({ number }) => (number === failing ? diskError('EIO') : null);
      const events: WalEvent[] = [];
      const opened = openOn(disk, { onEvent: (event) => events.push(event) });
      if (opened === null) throw new Error('the disk does not crash here');
      if (opened instanceof Error) {
        expect(opened).toMatchObject({ code: 'EIO' });
        continue;
      }
      const acknowledged = performAll(disk, opened.log, script.operations);
      if (acknowledged < script.operations.length) {
        const again = perform(disk, opened.log, script.operations[acknowledged]!);
        expect(again).toMatchObject({ code: 'EIO' });
      }
      expect(events.map(({ kind }) => kind)).toEqual(['failed']);
      const { restored } = mustOpen(disk.afterPowerLoss({ kind: 'lost' }));
      expect(restored).toEqual(script.states[acknowledged]);
    }
  });
});

describe('a disk that is filling up', () => {
  /** Room for the identity and the first segments, not for one more. */
  const capacityBytes = 3 * SEGMENT_BYTES + 1000;
  /** The next segment alone tells whether there is room. */
  const unwatched = { lowWaterBytes: 0 };

  function fill(
    disk: SimulatedDisk,
    opened: OpenedWal,
  ): { acknowledged: number; error: Error | null | undefined } {
    perform(disk, opened.log, group({ hardState: VOTE }));
    for (let index = 1; ; index += 1) {
      const error = perform(disk, opened.log, group({ append: entries(index, 1) }));
      if (error !== null) return { acknowledged: index - 1, error };
    }
  }

  it('S71: is reported a segment ahead, serves on, and fails only when the segment in use is full', () => {
    const disk = new SimulatedDisk({ capacityBytes });
    const events: WalEvent[] = [];
    const opened = mustOpen(disk, { ...unwatched, onEvent: (event) => events.push(event) });
    const { acknowledged, error } = fill(disk, opened);
    expect(error).toMatchObject({ code: 'ENOSPC' });
    expect(events.map(({ kind }) => kind)).toEqual(['spaceLow', 'failed']);
    const [low] = events;
    expect(low).toMatchObject({ kind: 'spaceLow', error: { code: 'ENOSPC' } });
    if (low?.kind === 'spaceLow') expect(low.bytesLeft).toBeGreaterThan(SEGMENT_BYTES / 2);

    const roomier = disk.afterPowerLoss({ kind: 'lost' });
    roomier.capacityBytes = Number.POSITIVE_INFINITY;
    const again = mustOpen(roomier);
    expect(again.restored.entries).toEqual(entries(1, acknowledged));
    expect(perform(roomier, again.log, group({ append: entries(acknowledged + 1, 50) }))).toBeNull();
  });

  it('S71: says so while it lasts, and goes on by itself when space comes back, without any write', () => {
    const disk = new SimulatedDisk({ capacityBytes });
    const clock = new ManualClock();
    const kinds: string[] = [];
    const opened = mustOpen(disk, { ...unwatched, clock, onEvent: ({ kind }) => kinds.push(kind) });
    const { log } = opened;
    perform(disk, log, group({ hardState: VOTE }));
    let index = 1;
    for (; !log.spaceLow; index += 1)
      expect(perform(disk, log, group({ append: entries(index, 1) }))).toBeNull();
    const delays: number[] = [];
    for (let attempt = 0; attempt < 6; attempt += 1) {
      delays.push(clock.delayMs);
      clock.fire();
      disk.runUntilIdle();
      expect(log.spaceLow).toBe(true);
    }
    expect(Math.max(...delays)).toBeLessThanOrEqual(10_000);
    expect(delays.at(-1)).toBeGreaterThan(delays[0]! * 4);
    disk.capacityBytes = Number.POSITIVE_INFINITY;
    clock.fire();
    disk.runUntilIdle();
    expect(log.spaceLow).toBe(false);
    expect(kinds).toEqual(['spaceLow', 'spaceRecovered']);
    for (const end = index + 100; index < end; index += 1)
      expect(perform(disk, log, group({ append: entries(index, 1) }))).toBeNull();
    expect(clock.isSet).toBe(false);
  });

  it('S71: the cut that frees space still fits where entries do not any more', () => {
    for (const large of [0, SEGMENT_BYTES + 500]) {
      const disk = new SimulatedDisk({ capacityBytes: capacityBytes + large });
      const { log } = mustOpen(disk, unwatched);
      perform(disk, log, group({ hardState: VOTE, append: entries(1, 1, large) }));
      let index = 1;
      // Up to the last entry that the segment in use takes: one more would end the log.
      for (let isFull = false; !isFull; isFull = log.spaceLow && roomIn(disk) < 700) {
        index += 1;
        expect(perform(disk, log, group({ append: entries(index, 1) }))).toBeNull();
      }
      const hardState = { term: term(2), votedFor: memberId(3) };
      expect(perform(disk, log, group({ hardState }))).toBeNull();
      // The cut makes room for the next segment.
      const base = { ...INITIAL_BASE, index: logIndex(index - 1), term: term(1) };
      expect(perform(disk, log, { kind: 'compact', base })).toBeNull();
      expect(log.spaceLow).toBe(false);
      for (let number = 3; number <= 9; number += 1)
        expect(perform(disk, log, group({ hardState: { ...hardState, term: term(number) } }))).toBeNull();
      const { restored } = mustOpen(disk.afterPowerLoss({ kind: 'lost' }));
      expect(restored.hardState.votedFor).toBe(3);
      expect(restored.base.index).toBe(index - 1);
      expect(restored.entries).toEqual(entries(index, 1));
    }
  });

  it('D5: leaves room for several votes in a row behind the last entry it takes', () => {
    for (const large of [0, SEGMENT_BYTES + 500]) {
      const disk = new SimulatedDisk({ capacityBytes: capacityBytes + large });
      const { log } = mustOpen(disk, unwatched);
      const first = entries(1, 1, large);
      perform(disk, log, group({ hardState: VOTE, append: first }));
      let index = 1;
      for (let isFull = false; !isFull; isFull = log.spaceLow && roomIn(disk) < 700) {
        index += 1;
        expect(perform(disk, log, group({ append: entries(index, 1) }))).toBeNull();
      }
      for (let number = 2; number <= 8; number += 1) {
        const hardState = { term: term(number), votedFor: memberId(3) };
        expect(perform(disk, log, group({ hardState }))).toBeNull();
      }
      const { restored } = mustOpen(disk.afterPowerLoss({ kind: 'lost' }));
      expect(restored.hardState).toEqual({ term: term(8), votedFor: memberId(3) });
      expect(restored.entries).toEqual([...first, ...entries(2, index - 1)]);
    }
  });

  it('is not tried again once the log is closed', () => {
    const disk = new SimulatedDisk({ capacityBytes });
    const clock = new ManualClock();
    const { log } = mustOpen(disk, { ...unwatched, clock });
    perform(disk, log, group({ hardState: VOTE }));
    for (let index = 1; !log.spaceLow; index += 1) perform(disk, log, group({ append: entries(index, 1) }));
    expect(clock.isSet).toBe(true);
    log.close(() => undefined);
    disk.runUntilIdle();
    expect(clock.isSet).toBe(false);
  });

  it('goes on when a compaction frees the space', () => {
    const disk = new SimulatedDisk({ capacityBytes: capacityBytes + SEGMENT_BYTES });
    const kinds: string[] = [];
    const opened = mustOpen(disk, { ...unwatched, onEvent: ({ kind }) => kinds.push(kind) });
    perform(disk, opened.log, group({ hardState: VOTE }));
    for (let index = 1; index <= 400; index += 1) {
      expect(perform(disk, opened.log, group({ append: entries(index, 1) }))).toBeNull();
      if (kinds.at(-1) !== 'spaceLow') continue;
      const base = { ...INITIAL_BASE, index: logIndex(index), term: term(1) };
      expect(perform(disk, opened.log, { kind: 'compact', base })).toBeNull();
      expect(kinds.at(-1)).toBe('spaceRecovered');
    }
    expect(kinds.length).toBeGreaterThan(4);
  });
});

describe('compaction', () => {
  it('keeps the files few and what is after the base', () => {
    const disk = new SimulatedDisk();
    const { log } = mustOpen(disk);
    perform(disk, log, group({ hardState: VOTE }));
    for (let index = 1; index <= 500; index += 1) {
      perform(disk, log, group({ append: entries(index, 1) }));
      if (index % 20 !== 0) continue;
      const base = { ...INITIAL_BASE, index: logIndex(index - 5), term: term(1) };
      perform(disk, log, { kind: 'compact', base });
    }
    expect(segmentsOn(disk).length).toBeLessThanOrEqual(4);
    const { restored } = mustOpen(disk.afterPowerLoss({ kind: 'lost' }));
    expect(restored.base.index).toBe(495);
    expect(restored.entries).toEqual(entries(496, 5));
    expect(restored.hardState).toEqual(VOTE);
  });

  it('removes what a crash left behind at the next start', () => {
    const disk = new SimulatedDisk();
    const { log } = mustOpen(disk);
    perform(disk, log, group({ hardState: VOTE }));
    for (let index = 1; index <= 100; index += 1) perform(disk, log, group({ append: entries(index, 1) }));
    const before = segmentsOn(disk).length;
    // The base record is written and synced; the first removal is never issued.
    disk.crashAt = disk.operations.length + 2;
    log.compact({ ...INITIAL_BASE, index: logIndex(100), term: term(1) }, () => undefined);
    disk.runUntilIdle();
    const restarted = disk.afterPowerLoss({ kind: 'kept' });
    expect(segmentsOn(restarted).length).toBe(before);
    mustOpen(restarted);
    expect(segmentsOn(restarted).length).toBe(2);
  });
});

describe('closing', () => {
  it('waits for the operation under way and ends the log', () => {
    const disk = new SimulatedDisk();
    const { log } = mustOpen(disk);
    const order: string[] = [];
    log.write(group({ hardState: VOTE, append: entries(1, 1) }).group, (error) =>
      order.push(`write ${error}`),
    );
    log.close((error) => order.push(`close ${error}`));
    disk.runUntilIdle();
    expect(order).toEqual(['write null', 'close null']);
    expect(() => log.write(group({ append: entries(2, 1) }).group, () => undefined)).toThrow(AssertionError);
    expect(mustOpen(disk.afterProcessExit()).restored.entries).toEqual(entries(1, 1));
  });

  it('may be asked for from inside a completion, and closes once', () => {
    const disk = new SimulatedDisk();
    const { log } = mustOpen(disk);
    let closed = 0;
    log.write(group({ hardState: VOTE }).group, () => log.close(() => (closed += 1)));
    disk.runUntilIdle();
    expect(closed).toBe(1);
  });

  it('tells why a failed log ended', () => {
    const disk = new SimulatedDisk();
    const { log } = mustOpen(disk);
    disk.failure = ({ kind }) => (kind === 'datasync' ? diskError('EIO') : null);
    perform(disk, log, group({ hardState: VOTE }));
    const results: (Error | null)[] = [];
    log.close((error) => results.push(error));
    disk.runUntilIdle();
    expect(results).toEqual([expect.objectContaining({ code: 'EIO' })]);
  });
});
