// Two members over real HTTP on the loopback interface: messages, their links, and who is where.

import { describe, expect, it } from 'vitest';

import { memberId } from '../../../../src/raft/core/types.ts';
import type { PeerOrigin } from '../../../../src/raft/transport/peer-address.ts';
import { systemClock } from '../../../../src/system/clock.ts';
import { encodeAnswer, TAKEN } from '../../../../src/raft/transport/stream-wire.ts';
import { connect, freePort, holdingClock, listen, origin, rawServer, slowWay, until } from './real-http.ts';
import { ADDRESS, append, FOREIGN, heartbeat, ONE, TWO } from './wire.ts';

const MIB = 1024 * 1024;

const SWITCHED =
  'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: kvrocks-controller-raft\r\n\r\n';

/** `host:port` of an origin, as memberships hold it. */
function addressOf(peer: PeerOrigin): string {
  return peer.replace('http://', '');
}

describe('messages', () => {
  it('arrive, and those of one call in one post a link', async () => {
    const inbox = await listen(TWO);
    const { transport, counters } = connect(inbox.address);
    transport.send([heartbeat(1), append(0), heartbeat(2), append(1)]);
    await until(() => inbox.messages.length === 4);
    expect(counters.framesSent).toBe(2);
    expect(inbox.counters.messagesReceived).toBe(4);
    expect(inbox.counters.peers.get(ONE)).toMatchObject({ received: 4 });
    await until(() => counters.peers.get(TWO)?.accepted === 2);
    expect(counters.peers.get(TWO)).toMatchObject({ sent: 4, dropped: 0, refused: 0, failed: 0 });
    await until(() => counters.postsFailed === 0 && transport.status()[0]?.queued === 0);
    expect(transport.status()).toEqual([{ peer: TWO, reachable: true, queued: 0 }]);
  });

  it('carry the incarnation and the address of their sender', async () => {
    const inbox = await listen(TWO);
    const { transport } = connect(inbox.address);
    const sent = heartbeat(1);
    transport.send([sent]);
    await until(() => inbox.messages.length === 1);
    expect(inbox.messages).toEqual([sent]);
    expect(inbox.learned).toEqual(new Map([[ONE, ADDRESS]]));
  });

  it('keep their order within a link, with several posts in flight', async () => {
    const inbox = await listen(TWO);
    const { transport } = connect(inbox.address);
    for (let index = 0; index < 40; index += 1) {
      transport.send([append(index, 100_000)]);
      if (index % 8 === 0) await until(() => transport.status()[0]?.queued === 0);
    }
    await until(() => inbox.messages.length === 40);
    const indexes = inbox.messages.map((message) =>
      message.kind === 'appendRequest' ? message.previous.index : -1,
    );
    expect(indexes).toEqual(indexes.toSorted((left, right) => left - right));
  });

  it('travel over one warm connection a link', async () => {
    const inbox = await listen(TWO);
    const { transport } = connect(inbox.address);
    for (let round = 0; round < 20; round += 1) {
      transport.send([heartbeat(round), append(round)]);
      await until(() => inbox.messages.length === 2 * (round + 1));
    }
    expect(inbox.connections()).toBe(2);
  });

  it('to a peer that refuses connections are dropped and reported, and flow again when it is back', async () => {
    const port = await freePort();
    let nowMs = 0;
    const clock = { ...systemClock, monotonicMs: () => nowMs };
    const { transport, counters, unreachable } = connect(origin(port), { clock });
    transport.send([heartbeat(1)]);
    await until(() => unreachable.length > 0);
    expect(unreachable).toContain(TWO);
    expect(counters.postsFailed).toBe(1);
    transport.send([heartbeat(2)]);
    expect(counters.messagesDropped).toBe(2);
    expect(counters.peers.get(TWO)).toMatchObject({ dropped: 2, accepted: 0, failed: 1 });
    expect(transport.status()[0]!.reachable).toBe(false);
    const inbox = await listen(TWO, 1000, port);
    await until(() => {
      nowMs += 1000;
      transport.send([heartbeat(3)]);
      return inbox.messages.length > 0;
    });
    await until(() => transport.status()[0]!.reachable);
  });

  it('to a peer that accepts and never answers fail at the deadline, and its connection is reset', async () => {
    let closed = 0;
    const address = await rawServer((socket) => {
      socket.resume();
      socket.on('close', () => {
        closed += 1;
      });
    });
    const { transport, unreachable } = connect(address, { postDeadlineMs: 300 });
    transport.send([heartbeat(1)]);
    for (let index = 0; index < 200; index += 1) transport.send([append(index)]);
    await until(() => unreachable.length >= 2);
    await until(() => !transport.status()[0]!.reachable && closed >= 2);
  });

  it('whose receipt waits in the socket when the deadline passes are received: this process was not able to hear', async () => {
    const clock = holdingClock(20_000);
    let received = 0;
    const address = await rawServer((socket) => {
      socket.once('data', () => {
        socket.write(SWITCHED);
        socket.on('data', (bytes) => {
          received += bytes.length;
          socket.write(encodeAnswer({ status: TAKEN, received, text: '' }));
          clock.pass();
        });
      });
    });
    const { transport, counters } = connect(address, { clock });
    for (let round = 1; round <= 3; round += 1) {
      transport.send([heartbeat(round)]);
      await until(() => (received >= round * 80 && clock.held() === 0) || counters.postsFailed > 0);
    }
    expect(counters.postsFailed).toBe(0);
    expect(transport.status()).toEqual([{ peer: TWO, reachable: true, queued: 0 }]);
  });

  it('for which the connection stands when the deadline passes are sent: nobody was able to see it', async () => {
    const clock = holdingClock(20_000);
    let received = 0;
    const address = await rawServer((socket) => {
      socket.once('data', () => {
        socket.on('data', (bytes) => {
          received += bytes.length;
        });
        socket.write(SWITCHED);
        clock.pass();
      });
    });
    const { transport, counters } = connect(address, { clock });
    transport.send([heartbeat(1)]);
    await until(() => received > 0 || counters.postsFailed > 0);
    expect(counters.postsFailed).toBe(0);
  });

  it('of which nothing is heard when the deadline passes are lost', async () => {
    const clock = holdingClock(20_000);
    let received = 0;
    const address = await rawServer((socket) => {
      socket.once('data', () => {
        socket.write(SWITCHED);
        socket.on('data', (bytes) => {
          received += bytes.length;
        });
      });
    });
    const { transport, counters } = connect(address, { clock });
    transport.send([heartbeat(1)]);
    await until(() => received > 0);
    clock.pass();
    await until(() => counters.postsFailed === 1);
  });

  it('to a peer that hangs never hold up those to another', async () => {
    const inbox = await listen(TWO);
    const hung = await rawServer((socket) => void socket.pause());
    const { transport } = connect(inbox.address, { postDeadlineMs: 60_000 });
    const three = memberId(3);
    transport.setAddresses(
      new Map([
        [TWO, addressOf(inbox.address)],
        [three, addressOf(hung)],
      ]),
    );
    for (let round = 0; round < 100; round += 1) {
      transport.send([{ ...append(round, 100_000), to: three }, heartbeat(round)]);
      await until(() => inbox.messages.length === round + 1);
    }
    expect(transport.status().find(({ peer }) => peer === three)?.queued).toBeLessThanOrEqual(64);
  });

  it('of the largest entries over a slow connection get the time they need', async () => {
    const inbox = await listen(TWO);
    const address = await slowWay(inbox.address, 4 * 1024);
    const { transport, counters } = connect(address, { postDeadlineMs: 200 });
    transport.send([append(0, 4 * MIB)]);
    await until(() => inbox.messages.length > 0 || counters.postsFailed > 0);
    expect(counters.postsFailed).toBe(0);
  });

  it('of a whole window of the largest entries are all kept', async () => {
    const inbox = await listen(TWO);
    const { transport, counters, unreachable } = connect(inbox.address);
    transport.send(Array.from({ length: 8 }, (_, index) => append(index, 4 * MIB)));
    await until(() => inbox.messages.length === 8);
    expect(counters.messagesDropped).toBe(0);
    expect(unreachable).toEqual([]);
  });

  it('are dropped beyond the limit of the queue, never kept without end', async () => {
    const inbox = await listen(TWO);
    const { transport, counters } = connect(inbox.address);
    transport.send(Array.from({ length: 200 }, (_, index) => append(index, 1_000_000)));
    expect(transport.status()[0]!.queued).toBeLessThanOrEqual(64);
    expect(counters.messagesDropped).toBeGreaterThan(100);
    await until(() => inbox.messages.length > 0 && transport.status()[0]!.queued === 0);
  });
});

describe('a refusal', () => {
  it.each(['otherIncarnation', 'removed'] as const)(
    'as %s is told once, until the peer takes something again',
    async (reason) => {
      const inbox = await listen(TWO);
      let nowMs = 0;
      const clock = { ...systemClock, monotonicMs: () => nowMs };
      const { transport, refused, counters } = connect(inbox.address, { clock });
      const sendUntil = async (condition: () => boolean): Promise<void> => {
        await until(() => {
          nowMs += 1000;
          transport.send([heartbeat(1), append(0)]);
          return condition();
        });
      };
      inbox.admission = reason;
      await sendUntil(() => counters.postsFailed > 6);
      expect(refused).toEqual([{ peer: TWO, reason }]);
      inbox.admission = 'yes';
      await sendUntil(() => inbox.messages.length > 3 && transport.status()[0]!.reachable);
      inbox.admission = reason;
      await sendUntil(() => refused.length === 2);
      expect(inbox.counters.refused[reason]).toBeGreaterThan(6);
    },
  );

  it.each([
    ['410 Gone', 'HTTP/1.1 410 Gone\r\ncontent-length: 0\r\n\r\n'],
    ['409 Conflict', 'HTTP/1.1 409 Conflict\r\ncontent-length: 0\r\n\r\n'],
    [
      'another protocol with the same numbers',
      Buffer.concat([
        Buffer.from('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n'),
        encodeAnswer({ status: 410, received: 0, text: '' }),
      ]),
    ],
  ])('by whatever else listens at the address of a peer is none: %s', async (_name, answer) => {
    const address = await rawServer((socket) => void socket.once('data', () => socket.write(answer)));
    const { transport, refused, counters } = connect(address);
    transport.send([heartbeat(1), append(0)]);
    await until(() => counters.postsFailed === 2);
    expect(refused).toEqual([]);
  });

  it('as foreign is a failure like others: nobody is told to stop for it', async () => {
    const inbox = await listen(TWO);
    const { transport, refused, counters } = connect(inbox.address, { clusterId: FOREIGN });
    transport.send([heartbeat(1)]);
    await until(() => counters.postsFailed === 1);
    expect(refused).toEqual([]);
    expect(inbox.messages).toEqual([]);
    expect(inbox.counters.refused.foreignCluster).toBe(1);
  });
});

describe('the addresses of members', () => {
  it('come from the membership as members join, move and leave', async () => {
    const [first, second] = [await listen(TWO), await listen(TWO)];
    const { transport, counters } = connect(null);
    transport.send([heartbeat(1)]);
    expect(counters.messagesDropped).toBe(1);
    transport.setAddresses(new Map([[TWO, addressOf(first.address)]]));
    transport.send([heartbeat(2)]);
    await until(() => first.messages.length === 1);
    transport.setAddresses(new Map([[TWO, addressOf(second.address)]]));
    transport.send([heartbeat(3)]);
    await until(() => second.messages.length === 1);
    transport.setAddresses(new Map([[ONE, ADDRESS]]));
    transport.send([heartbeat(4)]);
    expect(counters.messagesDropped).toBe(2);
    expect(transport.status()).toEqual([]);
    expect(first.messages).toHaveLength(1);
  });

  it('keep the connection of a member that stays where it is', async () => {
    const inbox = await listen(TWO);
    const { transport } = connect(inbox.address);
    transport.send([heartbeat(1)]);
    await until(() => inbox.messages.length === 1);
    for (const id of [3, 4, 5]) {
      transport.setAddresses(
        new Map([
          [TWO, addressOf(inbox.address)],
          [memberId(id), '127.0.0.1:1'],
        ]),
      );
      transport.send([heartbeat(id)]);
    }
    await until(() => inbox.messages.length === 4);
    expect(inbox.connections()).toBe(1);
  });

  it('that are given up still get what was queued: a removed member hears of it', async () => {
    const inbox = await listen(TWO);
    const { transport } = connect(inbox.address);
    transport.send(Array.from({ length: 60 }, (_, index) => append(index, 100_000)));
    transport.setAddresses(new Map([[ONE, ADDRESS]]));
    await until(() => inbox.messages.length === 60);
  });

  it('of strangers are learned from what they send, so that they can be answered', async () => {
    const inbox = await listen(TWO);
    const { transport } = connect(null);
    transport.learnAddress(TWO, addressOf(inbox.address));
    transport.send([heartbeat(1)]);
    await until(() => inbox.messages.length === 1);
    expect(transport.status()).toEqual([]);
    const moved = await listen(TWO);
    transport.learnAddress(TWO, addressOf(moved.address));
    transport.send([heartbeat(2)]);
    await until(() => moved.messages.length === 1);
  });
});
