// What comes in over streams, and what does not: unfinished frames, too many streams, foreign ones, peers that vanish.

import { readFile } from 'node:fs/promises';

import { describe, expect, it } from 'vitest';

import { memberId } from '../../../../src/raft/core/types.ts';
import type { FrameHead } from '../../../../src/raft/transport/frame.ts';
import { encodeMessages } from '../../../../src/raft/transport/message-codec.ts';
import { connect, holdingClock, listen, until, type HoldingClock, type Listening } from './real-http.ts';
import { openStream } from './raw-stream.ts';
import { FOREIGN, heartbeat, sealed, sealer, TWO } from './wire.ts';

const SECOND_MS = 1000;
const MINUTE_MS = 60_000;
const MIB = 1024 * 1024;

const whole = encodeMessages(sealer(), [heartbeat(1)]);

/** A receiving side whose minute passes when the test says so. */
async function listenHeld(): Promise<{ readonly inbox: Listening; readonly clock: HoldingClock }> {
  const clock = holdingClock(MINUTE_MS);
  const inbox = await listen(TWO);
  inbox.timers = clock;
  return { inbox, clock };
}

/** The beginning of a frame of 8 MiB: its head, or less. */
function beginning(head: Partial<FrameHead> = {}, bytes = 100): Buffer {
  return sealed('messages', Buffer.alloc(8 * MIB), head).subarray(0, bytes);
}

describe('a frame on a stream', () => {
  it('that is never finished ends its stream after a minute, and is counted', async () => {
    const { inbox, clock } = await listenHeld();
    const stream = await openStream(inbox);
    stream.socket.write(Buffer.concat([whole, beginning()]));
    await until(() => inbox.messages.length === 1);
    expect(clock.held()).toBe(1);
    clock.pass();
    await until(stream.isClosed);
    expect(inbox.counters.refused).toMatchObject({ stalled: 1, aborted: 0 });
    expect(inbox.logged).toEqual([expect.stringContaining('after 100 bytes of a frame')]);
  });

  it.each([0, 30])('of which only %i bytes come ends its stream after a second', async (bytes) => {
    const clock = holdingClock(SECOND_MS, SECOND_MS);
    const inbox = await listen(TWO);
    inbox.timers = clock;
    const stream = await openStream(inbox);
    stream.socket.write(whole.subarray(0, bytes));
    if (bytes > 0) await until(() => stream.answers.length === 1);
    expect(clock.held()).toBe(1);
    clock.pass();
    await until(stream.isClosed);
    expect(inbox.counters.refused.stalled).toBe(1);
  });

  it('that is whole leaves the stream all the time there is until the next', async () => {
    const { inbox, clock } = await listenHeld();
    const stream = await openStream(inbox);
    stream.socket.write(whole);
    for (let round = 2; round <= 4; round += 1) {
      await until(() => inbox.messages.length === round - 1);
      stream.socket.write(whole.subarray(0, 30));
      await until(() => clock.held() === 1);
      stream.socket.write(whole.subarray(30));
      await until(() => inbox.messages.length === round);
      expect(clock.held()).toBe(0);
    }
    expect(stream.isClosed()).toBe(false);
  });

  it('whose rest waits in the socket when its minute is over is taken: this process was not able to hear', async () => {
    const { inbox, clock } = await listenHeld();
    const stream = await openStream(inbox);
    stream.socket.write(Buffer.concat([whole, whole.subarray(0, 30)]));
    await until(() => stream.answers.length === 1 && clock.held() === 1);
    stream.socket.write(whole.subarray(30));
    clock.pass();
    await until(() => inbox.messages.length === 2 || stream.isClosed());
    expect(inbox.messages).toHaveLength(2);
    expect(inbox.counters.refused.stalled).toBe(0);
  });

  it('that is cut off is counted; an end between two frames is not', async () => {
    const { inbox } = await listenHeld();
    const polite = await openStream(inbox);
    polite.socket.end(whole);
    await until(polite.isClosed);
    expect(inbox.counters.refused.aborted).toBe(0);
    const cut = await openStream(inbox);
    cut.socket.end(Buffer.concat([whole, whole.subarray(0, -1)]));
    await until(() => inbox.counters.refused.aborted === 1);
    expect(inbox.messages).toHaveLength(2);
  });

  it('that this member itself cuts off when it stops is nobody’s fault', async () => {
    const { inbox } = await listenHeld();
    const stream = await openStream(inbox);
    stream.socket.write(beginning());
    await until(() => stream.answers.length === 1);
    inbox.requests.close();
    await until(stream.isClosed);
    expect(inbox.counters.refused).toMatchObject({ aborted: 0, stalled: 0 });
  });

  it.each([
    ['foreignCluster', { clusterId: FOREIGN }],
    ['wrongRecipient', { to: memberId(3) }],
  ] as const)('is refused as %s by its head, before megabytes of it are here', async (reason, head) => {
    const { inbox } = await listenHeld();
    const stream = await openStream(inbox);
    stream.socket.write(beginning(head));
    await until(stream.isClosed);
    expect(stream.answers.at(-1)).toMatchObject({ status: 421, received: 100 });
    expect(inbox.counters.refused[reason]).toBe(1);
  });

  it('is not judged by half a head', async () => {
    const { inbox } = await listenHeld();
    const stream = await openStream(inbox);
    stream.socket.write(beginning({ clusterId: FOREIGN }, 70));
    await until(() => stream.answers.length === 1);
    expect(stream.answers).toEqual([{ status: 204, received: 70, text: '' }]);
  });

  it('tells nothing about its sender before it is proved whole: a damaged name may be anybody’s', async () => {
    const { inbox } = await listenHeld();
    inbox.admission = 'removed';
    const stream = await openStream(inbox);
    stream.socket.write(beginning());
    await until(() => stream.answers.length === 1);
    expect(stream.answers).toEqual([{ status: 204, received: 100, text: '' }]);
    expect(inbox.counters.refused.removed).toBe(0);
  });
});

describe('streams', () => {
  it.runIf(process.platform === 'linux')(
    'are asked by both kernels whether the other end is still there',
    async () => {
      const inbox = await listen(TWO);
      const { transport } = connect(inbox.address);
      transport.send([heartbeat(1)]);
      await until(() => inbox.messages.length === 1);
      const port = Number(new URL(inbox.address).port);
      await expect.poll(() => timersOf(port), { timeout: 20_000 }).toEqual(['02', '02']);
    },
  );
});

/** The kernel's pending timers of the established connections with `port` at one end: 02 is keep-alive, 00 none. */
async function timersOf(port: number): Promise<readonly string[]> {
  const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  return lines
    .filter(([, local, remote, state]) => state === '01' && [local, remote].some((end) => end?.endsWith(hex)))
    .map(([, , , , , timer]) => timer?.slice(0, 2) ?? '');
}
