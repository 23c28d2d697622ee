// A group of members in one process that is otherwise real: write-ahead logs and snapshots on disk, HTTP in between.

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { join } from 'node:path';

import { present } from '../../../../src/base/assert.ts';
import { foundingClusterId } from '../../../../src/raft/cluster-id.ts';
import {
  logIndex,
  memberId,
  term,
  type Entry,
  type LogIndex,
  type LogPosition,
  type Term,
  type MemberId,
} from '../../../../src/raft/core/types.ts';
import { openDriver, type RaftDriver } from '../../../../src/raft/driver.ts';
import { driverOptions, type DriverOptions } from '../../../../src/raft/driver-options.ts';
import type { Done, StateMachine, StateRestore } from '../../../../src/raft/ports.ts';
import { eventLoopScheduler } from '../../../../src/raft/scheduler.ts';
import { openSnapshots } from '../../../../src/raft/snapshot/directory.ts';
import { createTransportCounters } from '../../../../src/raft/transport/counters.ts';
import { HttpTransport } from '../../../../src/raft/transport/http-transport.ts';
import { parsePeerAddress, type PeerOrigin } from '../../../../src/raft/transport/peer-address.ts';
import type { MessageStreams } from '../../../../src/raft/transport/message-streams.ts';
import { PeerRequests } from '../../../../src/raft/transport/peer-requests.ts';
import { nodeFileSystem } from '../../../../src/raft/wal/node-file-system.ts';
import { openWal } from '../../../../src/raft/wal/open.ts';
import { NameResolver } from '../../../../src/names/name-resolver.ts';
import { systemClock } from '../../../../src/system/clock.ts';
import { createSystemRandom } from '../../../../src/system/random.ts';
import { incarnationOf, membership } from '../../../support/raft-core/builders.ts';
import { silentLogger } from '../../../support/silent-logger.ts';

const CLUSTER = foundingClusterId(['127.0.0.1:1', '127.0.0.1:2', '127.0.0.1:3']);

/** Counts commands and keeps a running checksum of them; kept in memory only, so every start rebuilds it. */
export class CountingMachine implements StateMachine {
  applied: LogIndex = logIndex(0);
  appliedTerm: Term = term(0);
  count = 0;
  checksum = 0;

  apply(entries: readonly Entry[]): readonly unknown[] {
    return entries.map((entry) => {
      this.applied = entry.index;
      this.appliedTerm = entry.term;
      if (entry.kind !== 'command') return null;
      this.count += 1;
      for (const byte of entry.data) this.checksum = (Math.imul(this.checksum, 31) + byte) >>> 0;
      return this.count;
    });
  }

  flush(done: Done): void {
    setImmediate(() => done(null));
  }

  snapshot(): { readonly index: LogIndex; readonly chunks: Iterable<Uint8Array> } {
    return { index: this.applied, chunks: [Buffer.from(JSON.stringify([this.count, this.checksum]))] };
  }

  restore(meta: LogPosition): StateRestore {
    let text = '';
    return {
      chunk: (bytes) => {
        text += Buffer.from(bytes).toString();
      },
      ready: () => null,
      swap: (done) => {
        const [count, checksum] = JSON.parse(text) as [number, number];
        this.applied = meta.index;
        this.appliedTerm = meta.term;
        this.count = count;
        this.checksum = checksum;
        setImmediate(() => done(null));
      },
      abort: () => undefined,
    };
  }
}

export interface RealMember {
  readonly id: MemberId;
  readonly driver: RaftDriver;
  readonly machine: CountingMachine;
  readonly transport: HttpTransport;
  readonly requests: PeerRequests;
}

/** Members 1..count with data under `folder`. Each keeps its server, hence its port, over restarts; while down it answers 503. */
export class RealGroup {
  readonly running = new Map<MemberId, RealMember>();
  readonly fatal: Error[] = [];
  readonly #folder: string;
  readonly #options: Partial<DriverOptions>;
  readonly #ids: readonly MemberId[];
  readonly #origins = new Map<MemberId, PeerOrigin>();
  readonly #servers: Server[] = [];

  constructor(folder: string, count: number, options: Partial<DriverOptions> = {}) {
    this.#folder = folder;
    this.#options = options;
    this.#ids = Array.from({ length: count }, (_, offset) => memberId(offset + 1));
  }

  /** Finds a port for everybody, then starts everybody. */
  async start(): Promise<void> {
    for (const id of this.#ids) {
      const respond = (request: IncomingMessage, response: ServerResponse): void => {
        if (this.running.get(id)?.requests.take(request, response) !== true) response.writeHead(503).end();
      };
      const { server, origin } = await listen(respond, () => this.running.get(id)?.requests.streams ?? null);
      this.#servers.push(server);
      this.#origins.set(id, origin);
    }
    for (const id of this.#ids) await this.boot(id);
  }

  /** Starts one member from what its folder holds. */
  async boot(id: MemberId): Promise<RealMember> {
    const directory = join(this.#folder, String(id));
    const { log, restored, identity } = await openWal({
      fileSystem: nodeFileSystem,
      directory,
      memberId: id,
      clusterId: CLUSTER,
      initialBase: {
        index: logIndex(0),
        term: term(0),
        membership: membership(this.#ids),
      },
      clock: systemClock,
      random: createSystemRandom(),
    });
    const { snapshots } = await openSnapshots({
      fileSystem: nodeFileSystem,
      directory: join(directory, 'snapshots'),
    });
    const machine = new CountingMachine();
    const counters = createTransportCounters();
    const peers = new Map([...this.#origins].filter(([peer]) => peer !== id));
    const options = driverOptions({
      self: id,
      incarnation: incarnationOf(id),
      heartbeatIntervalMs: 50,
      electionTimeoutMs: 500,
      ...this.#options,
    });
    const common = { clock: systemClock, random: createSystemRandom(), logger: silentLogger };
    const transport = new HttpTransport(
      {
        self: id,
        clusterId: CLUSTER,
        incarnation: options.incarnation,
        advertiseAddress: `127.0.0.1:${id}`,
        peers,
        postDeadlineMs: options.electionTimeoutMs,
        snapshotIdleMs: 5000,
      },
      {
        ...common,
        lookup: new NameResolver(common).lookup,
        counters,
        snapshots,
        onUnreachable: (peer) => driver.onUnreachable(peer),
        onRefused: (peer, reason) => driver.onRefused(peer, reason),
      },
    );
    const driver = await openDriver(
      options,
      {
        ...common,
        log,
        snapshots,
        stateMachine: machine,
        transport,
        scheduler: eventLoopScheduler,
        onFatal: (error) => void this.fatal.push(error),
        onExpelled: (reason) => void this.fatal.push(new Error(`expelled: ${reason}`)),
      },
      restored,
    );
    const requests = new PeerRequests(
      { self: id, clusterId: CLUSTER, snapshotIdleMs: 5000 },
      {
        ...common,
        counters,
        handler: driver,
        sink: snapshots,
        knows: ({ from }) => driver.membership.addresses.has(from),
        identity: () => ({ ...identity, featureLevel: 1, release: null, wallMs: null, marks: [] }),
        onAddress: (peer, address) => transport.learnAddress(peer, address),
      },
    );
    const member = { id, driver, machine, transport, requests };
    this.running.set(id, member);
    driver.start();
    return member;
  }

  async stop(id: MemberId): Promise<void> {
    const member = present(this.running.get(id), 'the member runs');
    this.running.delete(id);
    await member.driver.close();
    member.requests.close();
    await member.transport.close();
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.running.keys()].map((id) => this.stop(id)));
  }

  /** Stops everybody and the servers. */
  async end(): Promise<void> {
    await this.stopAll();
    await Promise.all(this.#servers.map(closeServer));
  }

  /** The established leader, if any. */
  leader(): RealMember | null {
    return [...this.running.values()].find(({ driver }) => driver.role.established) ?? null;
  }
}

function listen(
  respond: (request: IncomingMessage, response: ServerResponse) => void,
  streams: () => MessageStreams | null,
): Promise<{ readonly server: Server; readonly origin: PeerOrigin }> {
  return new Promise((resolve, reject) => {
    const shouldUpgradeCallback = (request: IncomingMessage): boolean => streams()?.wants(request) ?? false;
    const server = createServer({ shouldUpgradeCallback }, respond);
    server.on('upgrade', (request, socket, head) => streams()?.accept(request, socket, head));
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      const origin = parsePeerAddress(`127.0.0.1:${port}`);
      if (origin.ok) resolve({ server, origin: origin.value });
      else reject(new Error(origin.error));
    });
  });
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
