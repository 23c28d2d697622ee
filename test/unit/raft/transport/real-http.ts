// Members over real HTTP on the loopback interface: a receiving and a sending side, and ways between them that misbehave.

import { createServer as createHttpServer } from 'node:http';
import {
  connect as connectSocket,
  createServer,
  type LookupFunction,
  type Server,
  type Socket,
} from 'node:net';

import { afterEach, expect } from 'vitest';

import type { Clock } from '../../../../src/base/clock.ts';
import type { Logger } from '../../../../src/base/logger.ts';
import { createSeededRandom } from '../../../../src/base/random.ts';
import type { Message } from '../../../../src/raft/core/messages.ts';
import { memberId, type MemberId, type SnapshotMeta } from '../../../../src/raft/core/types.ts';
import type { Admission, Done, ExpulsionReason } from '../../../../src/raft/ports.ts';
import { createTransportCounters, type TransportCounters } from '../../../../src/raft/transport/counters.ts';
import { HttpTransport } from '../../../../src/raft/transport/http-transport.ts';
import type { PeerIdentity } from '../../../../src/raft/transport/identity-client.ts';
import { parsePeerAddress, type PeerOrigin } from '../../../../src/raft/transport/peer-address.ts';
import { PeerRequests } from '../../../../src/raft/transport/peer-requests.ts';
import type { SnapshotReception } from '../../../../src/raft/transport/snapshot-receiver.ts';
import { NameResolver } from '../../../../src/names/name-resolver.ts';
import { systemClock } from '../../../../src/system/clock.ts';
import { incarnationOf } from '../../../support/raft-core/builders.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { ADDRESS, CLUSTER, HEAD, ONE, TWO } from './wire.ts';

/** A member nobody has told the receiving side of. */
export const GUEST = memberId(7);

const cleanup: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const step of cleanup.splice(0).toReversed()) await step();
});

/** What a receiving side got and how it behaves. */
export interface Inbox {
  readonly requests: PeerRequests;
  readonly counters: TransportCounters;
  readonly messages: Message[];
  readonly learned: Map<MemberId, string>;
  readonly snapshots: {
    readonly from: MemberId;
    readonly term: number;
    readonly chunks: readonly string[];
  }[];
  readonly logged: string[];
  aborted: number;
  admission: Admission;
  /** When set, writes of chunks wait for it. */
  gate: Promise<void> | null;
  /** Makes its timers from now on. */
  timers: Pick<Clock, 'setTimer'>;
}

export interface Listening extends Inbox {
  readonly address: PeerOrigin;
  /** Connections accepted so far. */
  readonly connections: () => number;
}

async function afterGate(gate: Promise<void> | null, done: Done): Promise<void> {
  await gate;
  done(null);
}

/** The receiving side of `self`, without a server. */
export function inboxOf(self: MemberId, snapshotIdleMs = 5000): Inbox {
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
  const logged: string[] = [];
  const logger: Logger = {
    ...silentLogger,
    warn: (event, fields) => void logged.push(`${event} ${JSON.stringify(fields)}`),
  };
  const identity: PeerIdentity = {
    clusterId: CLUSTER,
    memberId: self,
    incarnation: incarnationOf(self),
    state: 'ready',
    featureLevel: 3,
    release: '1.2.3',
    wallMs: 1000,
    marks: [{ index: 64, hash: 'abc' }],
  };
  const learned = new Map<MemberId, string>();
  const requests = new PeerRequests(
    { self, clusterId: CLUSTER, snapshotIdleMs },
    {
      handler: {
        admits: () => inbox.admission,
        onMessage: (message) => void inbox.messages.push(message),
        onUnreachable: () => undefined,
        onRefused: () => undefined,
        onSnapshot: (from, leaderTerm, file) =>
          void inbox.snapshots.push({ from, term: leaderTerm, chunks: written.get(file.path) ?? [] }),
      },
      identity: () => identity,
      knows: ({ from, incarnation }) => from !== GUEST && incarnation === incarnationOf(from),
      onAddress: (member, address) => void learned.set(member, address),
      sink: { receive },
      clock: { ...systemClock, setTimer: (delayMs, callback) => inbox.timers.setTimer(delayMs, callback) },
      logger,
      counters,
    },
  );
  const inbox: Inbox = {
    requests,
    counters,
    messages: [],
    learned,
    snapshots: [],
    logged,
    aborted: 0,
    admission: 'yes',
    gate: null,
    timers: systemClock,
  };
  cleanup.push(async () => requests.close());
  return inbox;
}

/** The receiving side of `self` behind a server of its own. */
export async function listen(self: MemberId, snapshotIdleMs = 5000, fixedPort = 0): Promise<Listening> {
  const inbox = inboxOf(self, snapshotIdleMs);
  let connections = 0;
  const { streams } = inbox.requests;
  const server = createHttpServer({ shouldUpgradeCallback: streams.wants }, (request, response) => {
    if (!inbox.requests.take(request, response)) response.writeHead(404).end();
  });
  server.on('upgrade', streams.accept);
  server.on('connection', () => {
    connections += 1;
  });
  const port = await listenAnywhere(server, fixedPort);
  cleanup.push(
    () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        streams.close();
        server.closeAllConnections();
      }),
  );
  return Object.assign(inbox, { address: origin(port), connections: () => connections });
}

/** A clock that holds some timers back. */
export interface HoldingClock extends Clock {
  /** Timers held back and not cancelled. */
  readonly held: () => number;
  /** Their time is over: runs them now, whatever waits in the sockets. */
  readonly pass: () => void;
}

/** Holds back the timers of `delayMsMin` to `delayMsMax`; all others run. */
export function holdingClock(delayMsMin: number, delayMsMax = Number.POSITIVE_INFINITY): HoldingClock {
  const held = new Set<() => void>();
  return {
    ...systemClock,
    setTimer: (delayMs, callback) => {
      if (delayMs < delayMsMin || delayMs > delayMsMax) return systemClock.setTimer(delayMs, callback);
      held.add(callback);
      return { cancel: () => void held.delete(callback) };
    },
    held: () => held.size,
    pass: () => {
      const passed = [...held];
      held.clear();
      for (const callback of passed) callback();
    },
  };
}

export interface Outbox {
  readonly transport: HttpTransport;
  readonly counters: TransportCounters;
  readonly unreachable: MemberId[];
  readonly refused: { readonly peer: MemberId; readonly reason: ExpulsionReason }[];
}

export interface Wiring {
  readonly chunks?: () => AsyncIterable<Uint8Array>;
  readonly snapshotIdleMs?: number;
  /** Long by default: on a busy machine a post may take a while, and a missed deadline loses messages by design. */
  readonly postDeadlineMs?: number;
  readonly clock?: Clock;
  readonly clusterId?: typeof CLUSTER;
  readonly lookup?: LookupFunction;
}

/** The sending side of member 1, configured with member 2 at `peer`; null: with nobody. */
export function connect(peer: PeerOrigin | null, wiring: Wiring = {}): Outbox {
  const { chunks = chunksOf(), snapshotIdleMs = 5000, postDeadlineMs = 20_000, clock = systemClock } = wiring;
  const counters = createTransportCounters();
  const unreachable: MemberId[] = [];
  const refused: Outbox['refused'] = [];
  const transport = new HttpTransport(
    {
      self: ONE,
      clusterId: wiring.clusterId ?? CLUSTER,
      incarnation: HEAD.incarnation,
      advertiseAddress: ADDRESS,
      peers: new Map(peer === null ? [] : [[TWO, peer]]),
      postDeadlineMs,
      snapshotIdleMs,
    },
    {
      clock,
      lookup: wiring.lookup ?? new NameResolver({ clock }).lookup,
      random: createSeededRandom(1),
      logger: silentLogger,
      counters,
      snapshots: { read: () => chunks() },
      onUnreachable: (id) => void unreachable.push(id),
      onRefused: (id, reason) => void refused.push({ peer: id, reason }),
    },
  );
  cleanup.push(() => transport.close());
  return { transport, counters, unreachable, refused };
}

export function chunksOf(...texts: readonly string[]): () => AsyncGenerator<Uint8Array> {
  return async function* () {
    for (const text of texts) yield Buffer.from(text);
  };
}

export function origin(port: number): PeerOrigin {
  const parsed = parsePeerAddress(`127.0.0.1:${port}`);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

export function listenAnywhere(server: Server, fixedPort = 0): Promise<number> {
  return new Promise((resolve) => {
    server.listen(fixedPort, '127.0.0.1', () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : 0);
    });
  });
}

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listenAnywhere(server);
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  return port;
}

/** A server whose every connection is given to `serve`; gone after the test. */
export async function rawServer(serve: (socket: Socket, connection: number) => void): Promise<PeerOrigin> {
  const sockets = new Set<Socket>();
  let count = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    count += 1;
    serve(socket, count);
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

/** Joins `near` to a connection of its own to `target`; `carry` passes on what came from `near`. */
export function joined(
  near: Socket,
  target: PeerOrigin,
  carry: (far: Socket, bytes: Buffer) => void,
): Socket {
  const far = connectSocket(Number(new URL(target).port), '127.0.0.1');
  far.on('error', () => undefined);
  near.on('close', () => far.destroy());
  far.on('close', () => near.destroy());
  near.on('data', (bytes) => carry(far, bytes));
  far.pipe(near);
  return far;
}

/** A way to `target` that carries `bytesPerMs` towards it, and answers back without delay. */
export function slowWay(target: PeerOrigin, bytesPerMs: number): Promise<PeerOrigin> {
  return rawServer((near) => {
    joined(near, target, (far, bytes) => {
      far.write(bytes);
      near.pause();
      setTimeout(() => near.resume(), bytes.length / bytesPerMs);
    });
  });
}

/** A way to `target` whose connections break after so many bytes towards it, the last of which are lost; then it is whole. */
export function breakingWay(target: PeerOrigin, bytesOfConnections: readonly number[]): Promise<PeerOrigin> {
  return rawServer((near, connection) => {
    let left = bytesOfConnections[connection - 1] ?? Number.POSITIVE_INFINITY;
    joined(near, target, (far, bytes) => {
      left -= bytes.length;
      if (left >= 0) far.write(bytes);
      else near.destroy();
    });
  });
}

export function until(condition: () => boolean): Promise<void> {
  return expect.poll(condition, { timeout: 20_000, interval: 5 }).toBe(true);
}
