// A snapshot from member to member over real HTTP, also over connections that break.

import { describe, expect, it } from 'vitest';

import type { Clock } from '../../../../src/base/clock.ts';
import { logIndex, term } from '../../../../src/raft/core/types.ts';
import type { SnapshotFile } from '../../../../src/raft/ports.ts';
import { SPEAKER_HEADER, speaker } from '../../../../src/raft/transport/refusals.ts';
import type { HttpTransport } from '../../../../src/raft/transport/http-transport.ts';
import { systemClock } from '../../../../src/system/clock.ts';
import {
  breakingWay,
  chunksOf,
  connect,
  freePort,
  holdingClock,
  joined,
  listen,
  origin,
  rawServer,
  until,
} from './real-http.ts';
import { CLUSTER, FOREIGN, META, ONE, TWO } from './wire.ts';

const KIB = 1024;
const FILE: SnapshotFile = { meta: META, bytes: 64 * KIB * KIB, path: 'file' };

/** Pauses and deadlines pass ten times as fast: only their order matters. */
const hurried: Clock = {
  ...systemClock,
  setTimer: (delayMs, callback) => systemClock.setTimer(delayMs / 10, callback),
};

/** Of the first two pauses before a repetition, the shortest and the longest. */
const PAUSE_MS = [100, 400] as const;

/** Chunks of 64 KiB, each of another letter. */
const STATE = Array.from({ length: 40 }, (_, place) =>
  String.fromCodePoint(97 + (place % 26)).repeat(64 * KIB),
);

function delivery(transport: HttpTransport, leaderTerm = 4, file = FILE): Promise<boolean> {
  return new Promise((resolve) => {
    transport.sendSnapshot(TWO, term(leaderTerm), file, resolve);
  });
}

describe('a snapshot', () => {
  it('arrives chunk by chunk and is handed over whole', async () => {
    const inbox = await listen(TWO);
    const { transport, counters } = connect(inbox.address, { chunks: chunksOf('abc', 'defg', 'hi') });
    expect(await delivery(transport)).toBe(true);
    expect(inbox.snapshots).toEqual([{ from: 1, term: 4, chunks: ['abc', 'defg', 'hi'] }]);
    expect(counters.snapshotsSent).toBe(1);
    expect(inbox.counters.snapshotsReceived).toBe(1);
    expect(inbox.aborted).toBe(0);
  });

  it('without any chunk arrives too', async () => {
    const inbox = await listen(TWO);
    const { transport } = connect(inbox.address, { chunks: chunksOf() });
    expect(await delivery(transport)).toBe(true);
    expect(inbox.snapshots).toEqual([{ from: 1, term: 4, chunks: [] }]);
  });

  it('of which reading fails is given up, and what arrived is not handed over', async () => {
    const inbox = await listen(TWO);
    async function* damaged(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('abc');
      throw new Error('checksum');
    }
    const { transport, counters } = connect(inbox.address, { chunks: damaged });
    expect(await delivery(transport)).toBe(false);
    expect(inbox.snapshots).toEqual([]);
    expect(counters.snapshotsSent).toBe(0);
  });

  it('over connections that break goes on from the chunk the receiver holds', async () => {
    const inbox = await listen(TWO);
    const address = await breakingWay(inbox.address, [100 * KIB, 700 * KIB, 300 * KIB, 900 * KIB]);
    let read = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      for (const chunk of STATE) {
        read += 1;
        yield Buffer.from(chunk);
      }
    }
    const { transport } = connect(address, { chunks: counted });
    expect(await delivery(transport)).toBe(true);
    expect(inbox.snapshots).toEqual([{ from: 1, term: 4, chunks: STATE }]);
    expect(read).toBe(STATE.length);
    expect(inbox.aborted).toBe(0);
  });

  it('of which the last answer is lost is delivered, and handed over once', async () => {
    const inbox = await listen(TWO);
    // Asks, sends everything, and hears nothing of it: the connection is cut on the way back.
    const address = await rawServer((near, connection) => {
      let answers = 0;
      const far = joined(near, inbox.address, (towards, bytes) => void towards.write(bytes));
      far.unpipe(near);
      far.on('data', (bytes) => {
        answers += 1;
        if (connection === 1 && answers > 1) near.destroy();
        else near.write(bytes);
      });
      far.resume();
    });
    const { transport } = connect(address, { chunks: chunksOf('abc', 'defg') });
    expect(await delivery(transport)).toBe(true);
    expect(inbox.snapshots).toEqual([{ from: 1, term: 4, chunks: ['abc', 'defg'] }]);
  });

  it('S43: of a leader that died is finished by the next from where it ended', async () => {
    const inbox = await listen(TWO);
    let stop = (): void => undefined;
    const stopped = new Promise<void>((resolve) => {
      stop = resolve;
    });
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (const [place, chunk] of STATE.entries()) {
        if (place === 20) {
          stop();
          await ended;
        }
        yield Buffer.from(chunk);
      }
    }
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const first = connect(inbox.address, { chunks: endless });
    const lost = delivery(first.transport);
    await stopped;
    const closing = first.transport.close();
    end();
    await closing;
    expect(await lost).toBe(false);
    expect(inbox.snapshots).toEqual([]);
    const next = connect(inbox.address, { chunks: chunksOf(...STATE) });
    expect(await delivery(next.transport, 5)).toBe(true);
    expect(inbox.snapshots).toEqual([{ from: 1, term: 5, chunks: STATE }]);
    expect(inbox.counters.snapshotsResumed).toBe(1);
    expect(inbox.aborted).toBe(0);
  });

  it('is read no faster than the receiver writes', async () => {
    const inbox = await listen(TWO, 20_000);
    let open = (): void => undefined;
    inbox.gate = new Promise((resolve) => {
      open = resolve;
    });
    let readCount = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      while (readCount < 200) {
        readCount += 1;
        yield Buffer.alloc(64 * KIB);
      }
    }
    const { transport } = connect(inbox.address, { chunks: endless, snapshotIdleMs: 20_000 });
    const delivered = delivery(transport);
    await until(() => readCount > 0);
    expect(readCount).toBeLessThan(20);
    open();
    expect(await delivered).toBe(true);
    expect(readCount).toBe(200);
  });

  it('to a peer that never answers is given up after a bounded number of attempts', async () => {
    let attempts = 0;
    const silent = await rawServer((socket) => {
      attempts += 1;
      socket.resume();
    });
    const { transport } = connect(silent, { snapshotIdleMs: 200, clock: hurried });
    expect(await delivery(transport)).toBe(false);
    expect(attempts).toBe(9);
  });

  it('to a peer that is not there is given up, and a refusal is final', async () => {
    const { transport } = connect(origin(await freePort()), { clock: hurried });
    expect(await delivery(transport)).toBe(false);
    const inbox = await listen(TWO);
    inbox.admission = 'removed';
    const { transport: refusedTransport, refused } = connect(inbox.address);
    expect(await delivery(refusedTransport)).toBe(false);
    expect(refused).toEqual([{ peer: TWO, reason: 'removed' }]);
    expect(inbox.counters.refused.removed).toBe(1);
  });

  it.each([
    ['410 Gone', ''],
    ['409 Conflict', ''],
    ['410 Gone', `${SPEAKER_HEADER}: ${speaker(FOREIGN, TWO)}\r\n`],
    ['409 Conflict', `${SPEAKER_HEADER}: ${speaker(CLUSTER, ONE)}\r\n`],
  ])('that anybody but the peer answers with %s is a failure like others: %s', async (status, headers) => {
    const answer = `HTTP/1.1 ${status}\r\n${headers}connection: close\r\ncontent-length: 0\r\n\r\n`;
    const address = await rawServer((socket) => void socket.once('data', () => socket.end(answer)));
    const { transport, refused } = connect(address, { clock: hurried });
    expect(await delivery(transport)).toBe(false);
    expect(refused).toEqual([]);
  });

  it('that fails again and again is sent after pauses that grow, another at once', async () => {
    const inbox = await listen(TWO);
    const pauses: number[] = [];
    const clock: Clock = {
      ...systemClock,
      setTimer: (delayMs, callback) => {
        if (delayMs !== 5000) pauses.push(delayMs);
        return systemClock.setTimer(delayMs === 5000 ? delayMs : 0, callback);
      },
    };
    async function* damaged(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('abc');
      throw new Error('checksum');
    }
    const { transport } = connect(inbox.address, { chunks: damaged, clock });
    expect(await delivery(transport)).toBe(false);
    expect(pauses).toEqual([]);
    for (let count = 0; count < 9; count += 1) expect(await delivery(transport)).toBe(false);
    for (const [place, pauseMs] of pauses.entries()) {
      const longestMs = Math.min(30_000, 200 * 2 ** place);
      expect(pauseMs).toBeGreaterThanOrEqual(longestMs / 2);
      expect(pauseMs).toBeLessThanOrEqual(longestMs);
    }
    expect(pauses).toHaveLength(9);
    const next = { ...FILE, meta: { ...META, index: logIndex(META.index + 1) } };
    expect(await delivery(transport, 4, next)).toBe(false);
    expect(pauses).toHaveLength(9);
  });

  it('that arrives and is asked for again waits, too: its state was refused', async () => {
    const inbox = await listen(TWO);
    const clock = holdingClock(...PAUSE_MS);
    const { transport } = connect(inbox.address, { chunks: chunksOf('abc'), clock });
    expect(await delivery(transport)).toBe(true);
    expect(clock.held()).toBe(0);
    const again = delivery(transport);
    expect(clock.held()).toBe(1);
    clock.pass();
    expect(await again).toBe(true);
    expect(inbox.snapshots).toHaveLength(2);
  });

  it('that waits is given up once when the transport closes, or when a newer one begins', async () => {
    const inbox = await listen(TWO);
    const clock = holdingClock(...PAUSE_MS);
    const { transport } = connect(inbox.address, { chunks: chunksOf('abc'), clock });
    await delivery(transport);
    const ends: string[] = [];
    for (const name of ['overtaken', 'closed'])
      transport.sendSnapshot(TWO, term(4), FILE, (delivered) => void ends.push(`${name} ${delivered}`));
    await until(() => ends.length === 1);
    expect(ends).toEqual(['overtaken false']);
    expect(clock.held()).toBe(1);
    await transport.close();
    expect(ends).toEqual(['overtaken false', 'closed false']);
    expect(clock.held()).toBe(0);
    expect(inbox.connections()).toBe(1);
  });

  it('to nobody known is not delivered', async () => {
    const { transport } = connect(null);
    expect(await delivery(transport)).toBe(false);
  });

  it('that a newer transfer to the same peer overtakes is given up', async () => {
    const inbox = await listen(TWO);
    let open = (): void => undefined;
    inbox.gate = new Promise((resolve) => {
      open = resolve;
    });
    const { transport } = connect(inbox.address, { chunks: chunksOf(...STATE) });
    const older = delivery(transport);
    await until(() => inbox.connections() === 1);
    const newer = delivery(transport);
    expect(await older).toBe(false);
    open();
    expect(await newer).toBe(true);
    expect(inbox.snapshots).toEqual([{ from: 1, term: 4, chunks: STATE }]);
  });
});
