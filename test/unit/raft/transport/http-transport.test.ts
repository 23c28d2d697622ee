// Two members over real HTTP on the loopback interface.

import { connect as connectSocket, createServer, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';

import { serve, type ServerType } from '@hono/node-server';
import { Hono } from 'hono';
import { request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';

import type { Clock } from '../../../../src/base/clock.ts';
import { createSeededRandom } from '../../../../src/base/random.ts';
import type { Message } from '../../../../src/raft/core/messages.ts';
import {
  logIndex,
  memberId,
  term,
  type MemberId,
  type SnapshotMeta,
} from '../../../../src/raft/core/types.ts';
import type { Done, SnapshotFile } from '../../../../src/raft/ports.ts';
import { createTransportCounters, type TransportCounters } from '../../../../src/raft/transport/counters.ts';
import { HttpTransport } from '../../../../src/raft/transport/http-transport.ts';
import { encodeMessages } from '../../../../src/raft/transport/message-codec.ts';
import { parsePeerAddress, type PeerOrigin } from '../../../../src/raft/transport/peer-address.ts';
import { MESSAGES_BYTES_MAX, raftRoutes } from '../../../../src/raft/transport/routes.ts';
import {
  sealSnapshotChunk,
  sealSnapshotEnd,
  sealSnapshotHead,
} from '../../../../src/raft/transport/snapshot-frames.ts';
import type { SnapshotReception } from '../../../../src/raft/transport/snapshot-receiver.ts';
import { systemClock } from '../../../../src/system/clock.ts';
import { silentLogger } from '../../../support/silent-logger.ts';

const ONE = memberId(1);
const TWO = memberId(2);
const META: SnapshotMeta = {
  index: logIndex(10),
  term: term(3),
  membership: { voterSets: [[ONE, TWO]], learners: [] },
};

const cleanup: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const step of cleanup.splice(0).toReversed()) await step();
});

interface Inbox {
  readonly address: PeerOrigin;
  readonly counters: TransportCounters;
  readonly messages: Message[];
  readonly snapshots: {
    readonly from: MemberId;
    readonly term: number;
    readonly chunks: readonly string[];
  }[];
  aborted: number;
  /** When set, writes of chunks wait for it. */
  gate: Promise<void> | null;
}

async function afterGate(gate: Promise<void> | null, done: Done): Promise<void> {
  await gate;
  done(null);
}

function origin(port: number): PeerOrigin {
  const parsed = parsePeerAddress(`127.0.0.1:${port}`);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

async function listen(self: MemberId, snapshotIdleMs = 5000, fixedPort = 0): Promise<Inbox> {
  const counters = createTransportCounters();
  const written = new Map<string, readonly string[]>();
  const receive = (meta: SnapshotMeta): SnapshotReception => {
    const chunks: string[] = [];
    return {
      write: (chunk, done) => {
        chunks.push(Buffer.from(chunk).toString());
        void afterGate(inbox.gate, done);
      },
      finish: (done) => {
        written.set('file', chunks);
        setImmediate(() => done({ meta, bytes: chunks.join('').length, path: 'file' }));
      },
      abort: () => {
        inbox.aborted += 1;
      },
    };
  };
  const routes = raftRoutes(
    { self, isMember: (id) => id === ONE || id === TWO, snapshotIdleMs },
    {
      handler: {
        onMessage: (message) => void inbox.messages.push(message),
        onUnreachable: () => undefined,
        onSnapshot: (from, leaderTerm, file) =>
          void inbox.snapshots.push({ from, term: leaderTerm, chunks: written.get(file.path) ?? [] }),
      },
      sink: { receive },
      clock: systemClock,
      logger: silentLogger,
      counters,
    },
  );
  const app = new Hono().route('/raft', routes);
  const { server, port } = await new Promise<{ server: ServerType; port: number }>((resolve) => {
    const started = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: fixedPort }, (info) =>
      resolve({ server: started, port: info.port }),
    );
  });
  const inbox: Inbox = {
    address: origin(port),
    counters,
    messages: [],
    snapshots: [],
    aborted: 0,
    gate: null,
  };
  cleanup.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        if ('closeAllConnections' in server) server.closeAllConnections();
      }),
  );
  return inbox;
}

interface Outbox {
  readonly transport: HttpTransport;
  readonly counters: TransportCounters;
  readonly unreachable: MemberId[];
}

interface Wiring {
  readonly chunks?: AsyncIterable<Uint8Array>;
  readonly snapshotIdleMs?: number;
  /** Long by default: on a busy machine a post may take a while, and a missed deadline loses messages by design. */
  readonly postDeadlineMs?: number;
  readonly clock?: Clock;
}

function connect(peer: PeerOrigin, wiring: Wiring = {}): Outbox {
  const { chunks = empty(), snapshotIdleMs = 1000, postDeadlineMs = 20_000, clock = systemClock } = wiring;
  const counters = createTransportCounters();
  const unreachable: MemberId[] = [];
  const transport = new HttpTransport(
    { self: ONE, peers: new Map([[TWO, peer]]), postDeadlineMs, snapshotIdleMs },
    {
      clock,
      random: createSeededRandom(1),
      logger: silentLogger,
      counters,
      snapshots: { read: () => chunks },
      onUnreachable: (id) => void unreachable.push(id),
    },
  );
  cleanup.push(() => transport.close());
  return { transport, counters, unreachable };
}

async function* empty(): AsyncGenerator<Uint8Array> {
  // No chunks.
}

async function* chunksOf(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield Buffer.from(text);
}

function heartbeat(readRound: number): Message {
  return { kind: 'heartbeat', from: ONE, to: TWO, term: term(1), commit: logIndex(0), readRound };
}

function append(index: number, bytes = 10): Message {
  const data = Buffer.alloc(bytes, index % 256);
  return {
    kind: 'appendRequest',
    from: ONE,
    to: TWO,
    term: term(1),
    previous: { index: logIndex(index), term: term(index === 0 ? 0 : 1) },
    commit: logIndex(0),
    entries: [{ index: logIndex(index + 1), term: term(1), kind: 'command', data }],
  };
}

function listenAnywhere(server: Server): Promise<number> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

/** A port on which nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listenAnywhere(server);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  return port;
}

/** The port of a server that accepts connections and never says anything. */
function silentServer(): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  cleanup.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  );
  return listenAnywhere(server);
}

/** The origin of a way to `target` that carries `bytesPerMs` towards it, and answers back without delay. */
async function slowWay(target: PeerOrigin, bytesPerMs: number): Promise<PeerOrigin> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connectSocket(Number(new URL(target).port), '127.0.0.1');
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
    }
    near.on('data', (bytes) => {
      far.write(bytes);
      near.pause();
      setTimeout(() => near.resume(), bytes.length / bytesPerMs);
    });
    far.pipe(near);
  });
  cleanup.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  );
  return origin(await listenAnywhere(server));
}

function until(condition: () => boolean): Promise<void> {
  return expect.poll(condition, { timeout: 20_000, interval: 5 }).toBe(true);
}

describe('messages', () => {
  it('arrive, and those of one call in one post a link', async () => {
    const inbox = await listen(TWO);
    const { transport, counters } = connect(inbox.address);
    transport.send([heartbeat(1), append(0), heartbeat(2), append(1)]);
    await until(() => inbox.messages.length === 4);
    expect(counters.framesSent).toBe(2);
    expect(inbox.counters.messagesReceived).toBe(4);
    expect(transport.status()).toEqual([{ peer: TWO, reachable: true, queued: 0 }]);
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
    expect(counters.messagesDropped).toBe(1);
    expect(transport.status()[0]!.reachable).toBe(false);
    const inbox = await listen(TWO, 1000, port);
    await until(() => {
      nowMs += 1000;
      transport.send([heartbeat(3)]);
      return inbox.messages.length > 0;
    });
    await until(() => transport.status()[0]!.reachable);
  });

  it('to a peer that accepts and never answers fail at the deadline', async () => {
    const port = await silentServer();
    const { transport, unreachable } = connect(origin(port), { postDeadlineMs: 300 });
    const startMs = performance.now();
    transport.send([heartbeat(1)]);
    for (let index = 0; index < 200; index += 1) transport.send([append(index)]);
    await until(() => unreachable.length >= 2);
    expect(performance.now() - startMs).toBeLessThan(4000);
    await until(() => !transport.status()[0]!.reachable);
  });

  it('of the largest entries over a slow connection get the time they need', async () => {
    const inbox = await listen(TWO);
    const address = await slowWay(inbox.address, 4 * 1024);
    const { transport, counters } = connect(address, { postDeadlineMs: 200 });
    transport.send([append(0, 4 * 1024 * 1024)]);
    await until(() => inbox.messages.length > 0 || counters.postsFailed > 0);
    expect(counters.postsFailed).toBe(0);
  });

  it('of a whole window of the largest entries are all kept', async () => {
    const inbox = await listen(TWO);
    const { transport, counters, unreachable } = connect(inbox.address);
    transport.send(Array.from({ length: 8 }, (_, index) => append(index, 4 * 1024 * 1024)));
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

describe('the message route', () => {
  const post = async (inbox: Inbox, body: Buffer): Promise<number> => {
    const response = await request(`${inbox.address}/raft/messages`, { method: 'POST', body });
    expect(await response.body.text()).toBe('');
    return response.statusCode;
  };

  it('answers what it refuses with a status and counts the reason', async () => {
    const inbox = await listen(TWO);
    const good = encodeMessages(ONE, TWO, [heartbeat(1)]);
    expect(await post(inbox, good)).toBe(204);
    expect(await post(inbox, Buffer.from('hello, world'))).toBe(400);
    const broken = Buffer.from(good);
    broken.writeUInt8(broken.readUInt8(14) ^ 1, 14);
    expect(await post(inbox, broken)).toBe(400);
    expect(await post(inbox, encodeMessages(ONE, memberId(3), []))).toBe(421);
    expect(await post(inbox, encodeMessages(memberId(9), TWO, []))).toBe(403);
    expect(await post(inbox, Buffer.alloc(MESSAGES_BYTES_MAX + 1))).toBe(413);
    expect(inbox.messages).toHaveLength(1);
    expect(inbox.counters.refused).toMatchObject({
      notAFrame: 1,
      checksum: 1,
      wrongRecipient: 1,
      unknownSender: 1,
      tooLarge: 1,
    });
  });

  it('asks for a length', async () => {
    const inbox = await listen(TWO);
    const body = Readable.from([Buffer.from('x')]);
    const response = await request(`${inbox.address}/raft/messages`, { method: 'POST', body });
    await response.body.dump();
    expect(response.statusCode).toBe(411);
  });
});

describe('a snapshot', () => {
  const FILE: SnapshotFile = { meta: META, bytes: 9, path: 'file' };

  it('arrives chunk by chunk and is handed over whole', async () => {
    const inbox = await listen(TWO);
    const { transport, counters } = connect(inbox.address, { chunks: chunksOf('abc', 'defg', 'hi') });
    const delivered = await new Promise<boolean>((resolve) => {
      transport.sendSnapshot(TWO, term(4), FILE, resolve);
    });
    expect(delivered).toBe(true);
    expect(inbox.snapshots).toEqual([{ from: ONE, term: 4, chunks: ['abc', 'defg', 'hi'] }]);
    expect(counters.snapshotsSent).toBe(1);
    expect(inbox.counters.snapshotsReceived).toBe(1);
    expect(inbox.aborted).toBe(0);
  });

  it('of which reading fails is broken off, and what arrived is thrown away', async () => {
    const inbox = await listen(TWO);
    async function* damaged(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('abc');
      throw new Error('checksum');
    }
    const { transport } = connect(inbox.address, { chunks: damaged() });
    const delivered = await new Promise<boolean>((resolve) => {
      transport.sendSnapshot(TWO, term(4), FILE, resolve);
    });
    expect(delivered).toBe(false);
    await until(() => inbox.counters.refused.aborted === 1);
    expect(inbox.snapshots).toEqual([]);
    expect(inbox.aborted).toBeLessThanOrEqual(1);
  });

  it('is read no faster than the receiver writes', async () => {
    const inbox = await listen(TWO, 10_000);
    let open = (): void => undefined;
    inbox.gate = new Promise((resolve) => {
      open = resolve;
    });
    let readCount = 0;
    async function* endless(): AsyncGenerator<Uint8Array> {
      for (; readCount < 2000; readCount += 1) yield Buffer.alloc(64 * 1024);
    }
    const { transport } = connect(inbox.address, { chunks: endless(), snapshotIdleMs: 10_000 });
    const delivered = new Promise<boolean>((resolve) => {
      transport.sendSnapshot(TWO, term(4), FILE, resolve);
    });
    let before = -1;
    await expect
      .poll(
        () => {
          const still = readCount === before && readCount > 0;
          before = readCount;
          return still;
        },
        { timeout: 5000, interval: 100 },
      )
      .toBe(true);
    expect(readCount).toBeLessThan(500);
    open();
    expect(await delivered).toBe(true);
  });

  it('is given up when the sender falls silent', async () => {
    const inbox = await listen(TWO, 100);
    async function* stuck(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('abc');
      await new Promise(() => undefined);
    }
    const { transport } = connect(inbox.address, { chunks: stuck(), snapshotIdleMs: 10_000 });
    const delivered = await new Promise<boolean>((resolve) => {
      transport.sendSnapshot(TWO, term(4), FILE, resolve);
    });
    expect(delivered).toBe(false);
    expect(inbox.counters.refused.aborted).toBe(1);
    expect(inbox.aborted).toBe(1);
  });

  it('is refused when it is for another, from nobody, short, or doubled', async () => {
    const inbox = await listen(TWO);
    const post = async (body: Buffer): Promise<number> => {
      const response = await request(`${inbox.address}/raft/snapshot`, { method: 'POST', body });
      await response.body.dump();
      return response.statusCode;
    };
    const head = (from: MemberId, to: MemberId): Buffer =>
      sealSnapshotHead({ from, to, term: term(4), meta: META });
    const chunk = sealSnapshotChunk(Buffer.from('abc'));
    const end = sealSnapshotEnd({ chunks: 1, bytes: 3 });
    expect(await post(Buffer.concat([head(ONE, TWO), chunk, end]))).toBe(204);
    expect(await post(Buffer.concat([head(ONE, memberId(3)), chunk, end]))).toBe(421);
    expect(await post(Buffer.concat([head(memberId(9), TWO), chunk, end]))).toBe(403);
    expect(await post(Buffer.concat([head(ONE, TWO), chunk]))).toBe(400);
    expect(await post(Buffer.concat([head(ONE, TWO), chunk, sealSnapshotEnd({ chunks: 2, bytes: 3 })]))).toBe(
      400,
    );
    expect(await post(Buffer.concat([chunk, end]))).toBe(400);
    expect(inbox.snapshots).toHaveLength(1);
  });
});

describe('a peer address', () => {
  it.each(['127.0.0.1:9379', 'peer-1.example:80', '[::1]:9379'])('%s is one', (text) => {
    expect(parsePeerAddress(text)).toEqual({ ok: true, value: `http://${text}` });
  });

  it.each([
    '',
    'host',
    'host:0',
    'host:65536',
    'http://host:1',
    'user@host:1',
    'a b:1',
    '::1:80',
    'host:1/x',
  ])('"%s" is none', (text) => {
    expect(parsePeerAddress(text).ok).toBe(false);
  });
});
