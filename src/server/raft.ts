// Raft of one member: log, driver, and the two directions of its transport.

import type { LookupFunction } from 'node:net';

import type { RequestTaker, StreamTaker } from '../api/listen.ts';
import type { Logger } from '../base/logger.ts';
import type { Config } from '../config/config.ts';
import { isMember } from '../raft/core/membership.ts';
import { memberId, type Incarnation, type MemberId, type Membership } from '../raft/core/types.ts';
import { driverOptions } from '../raft/driver-options.ts';
import { openDriver, type RaftDriver } from '../raft/driver.ts';
import type { ExpulsionReason } from '../raft/ports.ts';
import { eventLoopScheduler } from '../raft/scheduler.ts';
import { createTransportCounters, type TransportCounters } from '../raft/transport/counters.ts';
import { HttpTransport } from '../raft/transport/http-transport.ts';
import { parsePeerAddress, type PeerOrigin } from '../raft/transport/peer-address.ts';
import { type PeerQuestion, PeerRequests } from '../raft/transport/peer-requests.ts';
import type { Identity } from '../raft/wal/identity.ts';
import { nodeFileSystem } from '../raft/wal/node-file-system.ts';
import { openWal } from '../raft/wal/open.ts';
import { systemClock } from '../system/clock.ts';
import { createSystemRandom } from '../system/random.ts';
import type { RaftTally } from '../telemetry/raft-counts.ts';
import { measuredLog, measuredMachine, measuredSnapshots, RoundTrips } from './measured.ts';
import type { Origin } from './origin.ts';
import type { Storage } from './storage.ts';

/** Milliseconds one post of a snapshot may take. */
const SNAPSHOT_IDLE_MS = 10_000;

/** Members of earlier releases read no identity of more than 4 KiB. */
const MARKS_TOLD_MAX = 16;

const random = createSystemRandom();

export interface Raft {
  readonly driver: RaftDriver;
  readonly identity: Identity;
  readonly counters: TransportCounters;
  /** Bytes of the files of the log. */
  readonly walBytes: () => number;
  /** Takes what peers send. */
  readonly peers: RequestTaker;
  readonly streams: StreamTaker;
  /** Answers a further kind of question between members; see `PeerRequests`. */
  serve(path: string, question: PeerQuestion): void;
  /** After the driver: drops what waits for peers. */
  close(): Promise<void>;
}

export interface RaftParts {
  readonly logger: Logger;
  readonly storage: Storage;
  readonly lookup: LookupFunction;
  readonly onFatal: (error: Error) => void;
  readonly onExpelled: (reason: ExpulsionReason) => void;
  /** What this member tells whoever asks. */
  readonly featureLevel: number;
  readonly release: string;
  readonly tally: RaftTally;
}

/** Opens everything; nothing is sent and no time passes before `driver.start`. Rejects with a line for the operator. */
export async function openRaft(config: Config, origin: Origin, parts: RaftParts): Promise<Raft> {
  const { raft, advertiseAddress } = config;
  const { logger, storage, lookup, tally } = parts;
  const measuring = { clock: systemClock, tally };
  const roundTrips = new RoundTrips(measuring);
  const self = memberId(raft.id);
  const wal = await openWal({
    fileSystem: nodeFileSystem,
    directory: raft.dataDir,
    memberId: self,
    clusterId: origin.clusterId,
    initialBase: origin.initialBase,
    clock: systemClock,
    random,
    onEvent: (event) => {
      const reason = 'error' in event ? { reason: event.error.message } : {};
      if (event.kind !== 'failed') logger.warn(`raft.log.${event.kind}`, reason);
    },
  });
  for (const cut of wal.cuts) logger.info('raft.log.torn_write_cut', { file: cut.file, offset: cut.offset });
  const { identity } = wal;
  const counters = createTransportCounters();
  const opened: { driver: RaftDriver | null } = { driver: null };
  const transport = new HttpTransport(
    {
      self,
      clusterId: identity.clusterId,
      incarnation: identity.incarnation,
      advertiseAddress,
      peers: foundingOrigins(config, self),
      postDeadlineMs: raft.electionTimeoutMs,
      snapshotIdleMs: SNAPSHOT_IDLE_MS,
    },
    {
      clock: systemClock,
      lookup,
      random,
      logger,
      counters,
      snapshots: storage.snapshots,
      onUnreachable: (peer) => {
        roundTrips.unreachable(peer);
        opened.driver?.onUnreachable(peer);
      },
      onRefused: (peer, reason) => opened.driver?.onRefused(peer, reason),
    },
  );
  const driver = await openDriver(
    driverOptions({
      self,
      incarnation: identity.incarnation,
      heartbeatIntervalMs: raft.heartbeatIntervalMs,
      electionTimeoutMs: raft.electionTimeoutMs,
      snapshotEntries: raft.snapshotEntries,
      trailingEntries: Math.floor(raft.snapshotEntries / 10),
    }),
    {
      log: measuredLog(wal.log, measuring),
      snapshots: measuredSnapshots(storage.snapshots, measuring, () => storage.snapshotTimes.renewed()),
      stateMachine: measuredMachine(storage.machine, measuring),
      transport: roundTrips.measured(transport),
      clock: systemClock,
      scheduler: eventLoopScheduler,
      random,
      logger,
      onFatal: parts.onFatal,
      onExpelled: parts.onExpelled,
    },
    wal.restored,
  );
  opened.driver = driver;
  storage.failTo(driver);
  const peers = new PeerRequests(
    { self, clusterId: identity.clusterId, snapshotIdleMs: SNAPSHOT_IDLE_MS },
    {
      handler: {
        admits: (from, incarnation) => driver.admits(from, incarnation),
        onMessage: (message) => {
          roundTrips.heard(message);
          driver.onMessage(message);
        },
        onUnreachable: (peer) => driver.onUnreachable(peer),
        onRefused: (peer, reason) => driver.onRefused(peer, reason),
        onSnapshot: (from, term, file) => driver.onSnapshot(from, term, file),
      },
      sink: storage.snapshots,
      clock: systemClock,
      logger,
      counters,
      identity: () => ({
        ...identity,
        featureLevel: parts.featureLevel,
        release: parts.release,
        wallMs: systemClock.wallMs(),
        marks: storage.machine.marks.slice(-MARKS_TOLD_MAX),
      }),
      knows: ({ from, incarnation }) => isKnown(driver.membership, from, incarnation),
      onAddress: (member, address) => transport.learnAddress(member, address),
    },
  );
  return {
    driver,
    identity,
    counters,
    walBytes: () => wal.log.bytes,
    peers: peers.take,
    streams: peers.streams,
    serve: (path, question) => peers.serve(path, question),
    close: async () => {
      peers.close();
      await transport.close();
    },
  };
}

/** Whether a sender is who the membership says; one that is not bound yet is taken at its word. */
function isKnown(membership: Membership, member: MemberId, incarnation: Incarnation): boolean {
  const bound = membership.incarnations.get(member);
  return isMember(membership, member) && (bound === undefined || bound === incarnation);
}

/** The first address book, of a founding member only: what a member that joins is told says nothing of numbers. */
function foundingOrigins({ raft }: Config, self: MemberId): ReadonlyMap<MemberId, PeerOrigin> {
  const origins = new Map<MemberId, PeerOrigin>();
  if (raft.clusterState === 'existing') return origins;
  for (const [position, address] of raft.peers.entries()) {
    const id = memberId(position + 1);
    const origin = parsePeerAddress(address);
    if (!origin.ok) throw new Error(`raft.peers: entry ${id}: ${origin.error}`);
    if (id !== self) origins.set(id, origin.value);
  }
  return origins;
}
