// Connections of whoever reaches the port, and the members that are heard all the same.

import { describe, expect, it, onTestFinished } from 'vitest';

import type { FrameHead } from '../../../../src/raft/transport/frame.ts';
import { encodeMessages } from '../../../../src/raft/transport/message-codec.ts';
import { connect, GUEST, holdingClock, listen, slowWay, until, type Listening } from './real-http.ts';
import { openStream, type RawStream } from './raw-stream.ts';
import { append, heartbeat, ONE, sealer, TWO } from './wire.ts';
import { incarnationOf } from '../../../support/raft-core/builders.ts';

/** Another machine than that of the members, as far as addresses tell. */
const ELSEWHERE = '127.0.0.2';

/** Opens `count` streams one after the other that say `first` and nothing more. */
async function crowd(
  inbox: Listening,
  count: number,
  { from, first }: { readonly from?: string; readonly first?: Buffer } = {},
): Promise<readonly RawStream[]> {
  const streams: RawStream[] = [];
  while (streams.length < count) {
    const stream = await openStream(inbox, from);
    if (first !== undefined) stream.socket.write(first);
    streams.push(stream);
  }
  return streams;
}

/** Opens streams without end from `from`, at most 80 at a time, each ended one replaced; returns how many there have been. */
function flood(inbox: Listening, from: string, first?: Buffer): () => number {
  let opened = 0;
  const state = { isOver: false };
  const current = new Set<RawStream>();
  const one = async (): Promise<void> => {
    while (!state.isOver) {
      const stream = await openStream(inbox, from);
      opened += 1;
      current.add(stream);
      if (first !== undefined) stream.socket.write(first);
      await new Promise<void>((resolve) => {
        if (stream.isClosed() || state.isOver) resolve();
        stream.socket.once('close', () => resolve());
      });
      current.delete(stream);
    }
  };
  const all = Promise.allSettled(Array.from({ length: 80 }, one));
  onTestFinished(async () => {
    state.isOver = true;
    for (const { socket } of current) socket.destroy();
    await all;
  });
  return () => opened;
}

/** A whole frame with one heartbeat, in anybody's name. */
function greeting(head: Partial<FrameHead> = {}): Buffer {
  const { incarnation = incarnationOf(head.from ?? ONE) } = head;
  return encodeMessages(sealer(head), [{ ...heartbeat(1, head.from), incarnation }]);
}

function open(streams: readonly RawStream[]): number {
  return streams.filter((stream) => !stream.isClosed()).length;
}

describe('streams that say nothing', () => {
  it('KD3c: are ended after a second, and keep no member out meanwhile', async () => {
    const inbox = await listen(TWO);
    const idle = await crowd(inbox, 100);
    const { transport } = connect(inbox.address);
    transport.send([heartbeat(1), append(0)]);
    await until(() => inbox.messages.length === 2);
    await until(() => open(idle) === 0);
    transport.send([heartbeat(2)]);
    await until(() => inbox.messages.length === 3);
    expect(inbox.connections()).toBe(102);
  });

  it('KD3c: are 64 at most: one more ends the one that was silent longest, with the reason', async () => {
    const inbox = await listen(TWO);
    inbox.timers = holdingClock(1000, 1000);
    const idle = await crowd(inbox, 65);
    await until(() => idle[0]?.isClosed() === true);
    expect(idle[0]?.answers).toEqual([
      { status: 503, received: 0, text: expect.stringContaining('Check that only members reach this port') },
    ]);
    expect([open(idle), inbox.counters.refused.tooManyStreams]).toEqual([64, 1]);
  });

  it('KD3c: keep no member out either when they come back as soon as they are ended', async () => {
    const inbox = await listen(TWO);
    const opened = flood(inbox, ELSEWHERE);
    await until(() => opened() > 200);
    const { transport, counters } = connect(inbox.address);
    for (let round = 1; round <= 20; round += 1) {
      transport.send([heartbeat(round), append(round)]);
      await until(() => inbox.messages.length === 2 * round);
    }
    expect(counters.postsFailed).toBe(0);
  });
});

describe('streams in the name of a member', () => {
  it('KD3c: that say no more than its name keep it out neither when they hang nor when they come back', async () => {
    const inbox = await listen(TWO);
    const opened = flood(inbox, ELSEWHERE, greeting().subarray(0, -1));
    await until(() => opened() > 200);
    const { transport, counters } = connect(inbox.address);
    for (let round = 1; round <= 20; round += 1) {
      transport.send([heartbeat(round), append(round)]);
      await until(() => inbox.messages.length === 2 * round);
    }
    expect(counters.postsFailed).toBe(0);
  });

  it('are four at most, and those that it uses are the last to go', async () => {
    const inbox = await listen(TWO);
    const { transport, counters } = connect(inbox.address);
    transport.send([heartbeat(1), append(1)]);
    await until(() => inbox.messages.length === 2);
    const rivals = await crowd(inbox, 2, { first: greeting() });
    await until(() => inbox.messages.length === 4);
    expect(open(rivals)).toBe(2);
    transport.send([heartbeat(2), append(2)]);
    await until(() => inbox.messages.length === 6);
    const later = await crowd(inbox, 2, { first: greeting() });
    await until(() => open(rivals) === 0);
    transport.send([heartbeat(3), append(3)]);
    await until(() => inbox.messages.length === 10);
    expect([open(later), counters.postsFailed]).toEqual([2, 0]);
  });

  it('KD3c: take no place of another member, nor of one that is not known here', async () => {
    const inbox = await listen(TWO);
    const guest = { from: GUEST, incarnation: incarnationOf(GUEST) };
    const [lagging] = await crowd(inbox, 1, { from: ELSEWHERE, first: greeting(guest) });
    const { transport, counters } = connect(inbox.address);
    transport.send([heartbeat(1), append(1)]);
    await until(() => inbox.messages.length === 3);
    const impostor = { from: GUEST, incarnation: incarnationOf(GUEST, 1) };
    const guests = await crowd(inbox, 20, { first: greeting(impostor) });
    await until(() => open(guests) === 7);
    transport.send([heartbeat(2), append(2)]);
    await until(() => inbox.messages.length === 25);
    expect([lagging?.isClosed(), counters.postsFailed]).toEqual([false, 0]);
  });
});

describe('a first frame', () => {
  it('may take longer than a second when its head is here in time', async () => {
    const inbox = await listen(TWO);
    const bytesPerMs = 100;
    const { transport, counters } = connect(await slowWay(inbox.address, bytesPerMs));
    transport.send([append(0, 2000 * bytesPerMs)]);
    await until(() => inbox.messages.length === 1);
    expect(counters.postsFailed).toBe(0);
  });
});
