// The composition root: creates every part of one member and joins ports to adapters.

import { join } from 'node:path';

import { createApp } from './api/app.ts';
import { listen, type HttpServer } from './api/listen.ts';
import type { GroupStatus, GroupView } from './api/ports.ts';
import type { Logger } from './base/logger.ts';
import { err, ok, type Result } from './base/result.ts';
import type { Config } from './config/config.ts';
import { KvrocksClient } from './kvrocks/client.ts';
import { Leadership } from './leader/leadership.ts';
import type { ClusterStatus } from './leader/status.ts';
import { LeadershipTerms } from './leader/terms.ts';
import { logIndex, memberId, term, type MemberId } from './raft/core/types.ts';
import { driverOptions } from './raft/driver-options.ts';
import { openDriver, type RaftDriver } from './raft/driver.ts';
import type { TransportHandler } from './raft/ports.ts';
import { eventLoopScheduler } from './raft/scheduler.ts';
import { openSnapshots, type SnapshotDirectory } from './raft/snapshot/directory.ts';
import { createTransportCounters, type TransportCounters } from './raft/transport/counters.ts';
import { HttpTransport } from './raft/transport/http-transport.ts';
import { parsePeerAddress, type PeerOrigin } from './raft/transport/peer-address.ts';
import { raftRoutes } from './raft/transport/routes.ts';
import { nodeFileSystem } from './raft/wal/node-file-system.ts';
import { openWal } from './raft/wal/open.ts';
import { Registry } from './registry/registry.ts';
import { ReplicatedStore } from './store/replicated-store.ts';
import { openStateMachine, type StoreStateMachine } from './store/state-machine.ts';
import { systemClock } from './system/clock.ts';
import { createSystemRandom } from './system/random.ts';
import { Metrics, type ClusterSample, type RaftSample } from './telemetry/metrics.ts';
import { migrationsOf } from './topology/cluster.ts';
import type { NodeAddress } from './topology/types.ts';

/** Milliseconds a change may take, retries included: a few elections. */
const COMMIT_DEADLINE_MS = 5000;
/** Milliseconds the creation checks wait for one node. */
const INSPECT_DEADLINE_MS = 3000;
/** Milliseconds that requests under way get at a stop. */
const HTTP_CLOSE_DEADLINE_MS = 2000;
/** Milliseconds without a byte after which a snapshot transfer is given up. */
const SNAPSHOT_IDLE_MS = 10_000;

export interface ControllerParts {
  readonly logger: Logger;
  /** Called once when the process must end: nothing it acknowledged is at risk, but it cannot go on. */
  readonly onFatal: (error: Error) => void;
}

/** One running member. */
export interface Controller {
  /** Orderly end: stops leading and serving, answers who waits, closes the files. */
  close(): Promise<void>;
}

const random = createSystemRandom();

/** Starts one member. The error is one line that says what is wrong and how to mend it; nothing runs then. */
export async function startController(
  config: Config,
  parts: ControllerParts,
): Promise<Result<Controller, string>> {
  try {
    return await start(config, parts);
  } catch (error) {
    const reason = error instanceof Error ? error.message.replaceAll('\n', ' ') : String(error);
    return err(`data directory ${config.raft.dataDir}: ${reason}`);
  }
}

async function start(config: Config, parts: ControllerParts): Promise<Result<Controller, string>> {
  const storage = await openStorage(config, parts);
  if (!storage.ok) return storage;
  const raft = await openRaft(config, parts, storage.value);
  const { driver, transport, counters } = raft;
  storage.value.failTo(driver);
  const registry = new Registry({
    store: new ReplicatedStore(driver, storage.value.machine),
    random,
    clock: systemClock,
    deadlineMs: COMMIT_DEADLINE_MS,
  });
  const metrics = new Metrics(config.advertiseAddress);
  metrics.watchRaft(() => sampleRaft(driver, counters));
  const terms = new LeadershipTerms(
    (current) =>
      new Leadership(
        current,
        {
          records: registry,
          client: new KvrocksClient(systemClock),
          clock: systemClock,
          random,
          logger: parts.logger,
          metrics: metrics.leader,
          isCurrent: (asked) => driver.role.established && driver.role.term === asked,
        },
        config.failover,
      ),
  );
  metrics.watchClusters(() => terms.statuses().map((status) => sampleCluster(status, registry)));
  driver.onRole((view) => terms.follow(view));
  const inspecting = new KvrocksClient(systemClock);
  const app = createApp(
    {
      group: groupView(config, driver),
      clusters: registry,
      inspector: {
        inspect: (address, password) => inspecting.inspect({ address, password }, INSPECT_DEADLINE_MS),
        clusterNodes: (address, password) =>
          inspecting.clusterNodes({ address, password }, INSPECT_DEADLINE_MS),
      },
      failovers: terms,
      metrics,
      clock: systemClock,
      random,
      logger: parts.logger,
    },
    raft.routes,
  );
  const http = await listen(app, config.listen);
  const stop = async (server: HttpServer | null): Promise<void> => {
    await terms.close();
    inspecting.close();
    await Promise.all([driver.close(), server?.close(HTTP_CLOSE_DEADLINE_MS)]);
    await transport.close();
    await storage.value.machine.close();
  };
  if (!http.ok) {
    await stop(null);
    return http;
  }
  driver.start();
  parts.logger.info('controller.started', {
    addr: `${config.listen.host}:${config.listen.port}`,
    advertiseAddr: config.advertiseAddress,
    dataDir: config.raft.dataDir,
    peers: config.raft.peers,
  });
  return ok({ close: () => stop(http.value) });
}

interface Storage {
  readonly machine: StoreStateMachine;
  readonly snapshots: SnapshotDirectory;
  /** Where a failed write of the state's copy is reported from now on. */
  failTo(driver: RaftDriver): void;
}

/** The state's database first: its lock keeps a second process out of the whole data directory. */
async function openStorage(config: Config, { logger }: ControllerParts): Promise<Result<Storage, string>> {
  const { dataDir } = config.raft;
  let early: Error | null = null;
  let onFault = (error: Error): void => {
    early = error;
  };
  await makeDataDirectory(dataDir);
  const opened = await openStateMachine({
    directory: join(dataDir, 'state'),
    logger,
    onFault: (error) => onFault(error),
  });
  if (!opened.ok) {
    return err(
      opened.error.kind === 'dataDirectoryInUse'
        ? `the data directory ${dataDir} is in use by another process; stop it or set another raft.data_dir`
        : `the data directory ${dataDir} cannot be opened: ${opened.error.cause.message}`,
    );
  }
  const { snapshots, damaged } = await openSnapshots({
    fileSystem: nodeFileSystem,
    directory: join(dataDir, 'snapshots'),
  });
  for (const problem of damaged) logger.warn('raft.snapshot.unusable', { reason: problem.message });
  return ok({
    machine: opened.value.machine,
    snapshots,
    failTo: (driver) => {
      onFault = (error) => driver.fail(error);
      if (early !== null) driver.fail(early);
    },
  });
}

function makeDataDirectory(dataDir: string): Promise<void> {
  return new Promise((resolve, reject) => {
    nodeFileSystem.ensureDirectory(dataDir, (error) => (error === null ? resolve() : reject(error)));
  });
}

interface Raft {
  readonly driver: RaftDriver;
  readonly transport: HttpTransport;
  readonly counters: TransportCounters;
  readonly routes: ReturnType<typeof raftRoutes>;
}

async function openRaft(
  config: Config,
  { logger, onFatal }: ControllerParts,
  storage: Storage,
): Promise<Raft> {
  const { raft } = config;
  const self = memberId(raft.id);
  const members = raft.peers.map((_, position) => memberId(position + 1));
  const wal = await openWal({
    fileSystem: nodeFileSystem,
    directory: raft.dataDir,
    memberId: self,
    initialBase: { index: logIndex(0), term: term(0), membership: { voterSets: [members], learners: [] } },
    clock: systemClock,
    random,
    onEvent: (event) => {
      if (event.kind !== 'failed') logger.warn(`raft.log.${event.kind}`);
    },
  });
  const recorded = wal.restored.base.membership.voterSets.flat();
  if (recorded.length !== members.length || !recorded.every((member) => members.includes(member))) {
    throw new Error(
      `raft.peers lists ${members.length} members, but the group this data directory belongs to has ${recorded.length}; ` +
        'the members of a group are fixed in this release, so restore raft.peers',
    );
  }
  for (const cut of wal.cuts) logger.info('raft.log.torn_write_cut', { file: cut.file, offset: cut.offset });
  const counters = createTransportCounters();
  const opened: { driver: RaftDriver | null } = { driver: null };
  const transport = new HttpTransport(
    {
      self,
      peers: peerOrigins(raft.peers, self),
      postDeadlineMs: raft.electionTimeoutMs,
      snapshotIdleMs: SNAPSHOT_IDLE_MS,
    },
    {
      clock: systemClock,
      random,
      logger,
      counters,
      snapshots: storage.snapshots,
      onUnreachable: (peer) => opened.driver?.onUnreachable(peer),
    },
  );
  const driver = await openDriver(
    driverOptions({
      self,
      heartbeatIntervalMs: raft.heartbeatIntervalMs,
      electionTimeoutMs: raft.electionTimeoutMs,
      snapshotEntries: raft.snapshotEntries,
      trailingEntries: Math.floor(raft.snapshotEntries / 10),
    }),
    {
      log: wal.log,
      snapshots: storage.snapshots,
      stateMachine: storage.machine,
      transport,
      clock: systemClock,
      scheduler: eventLoopScheduler,
      random,
      logger,
      onFatal,
    },
    wal.restored,
  );
  opened.driver = driver;
  const handler: TransportHandler = driver;
  const routes = raftRoutes(
    { self, isMember: (id) => members.includes(id), snapshotIdleMs: SNAPSHOT_IDLE_MS },
    { handler, sink: storage.snapshots, clock: systemClock, logger, counters },
  );
  return { driver, transport, counters, routes };
}

function peerOrigins(peers: readonly NodeAddress[], self: MemberId): Map<MemberId, PeerOrigin> {
  const origins = new Map<MemberId, PeerOrigin>();
  for (const [position, address] of peers.entries()) {
    const id = memberId(position + 1);
    const origin = parsePeerAddress(address);
    if (!origin.ok) throw new Error(`raft.peers: entry ${id}: ${origin.error}`);
    if (id !== self) origins.set(id, origin.value);
  }
  return origins;
}

function groupView(config: Config, driver: RaftDriver): GroupView {
  const peers = new Map(config.raft.peers.map((address, position) => [position + 1, address]));
  return {
    peers: () => peers,
    current(): GroupStatus {
      const { role } = driver;
      const address = role.leader === null ? undefined : peers.get(role.leader);
      const leader = role.leader === null || address === undefined ? null : { id: role.leader, address };
      return { self: config.raft.id, term: role.term, leader, notReady: reasonNotReady(driver) };
    },
  };
}

/** Why this member cannot answer for the group yet; null when it can. */
function reasonNotReady(driver: RaftDriver): string | null {
  const { leader, applied, commit, installing } = driver.status();
  if (leader === null)
    return 'no leader is known: fewer than a majority of the members can be reached, or an election is under way';
  if (installing) return 'a snapshot from the leader is being installed';
  return applied < commit ? `entries up to ${commit} are committed, up to ${applied} applied` : null;
}

function sampleCluster(status: ClusterStatus, registry: Registry): ClusterSample {
  const record = registry.getCluster(status.namespace, status.cluster);
  return {
    namespace: status.namespace,
    cluster: status.cluster,
    version: status.version,
    nodes: status.nodes.length,
    nodesDown: status.nodes.filter((node) => node.condition === 'down').length,
    nodesNotConverged: status.nodes.filter((node) => !node.isConverged).length,
    migrations: record === null ? 0 : migrationsOf(record.cluster).length,
  };
}

function sampleRaft(driver: RaftDriver, counters: TransportCounters): RaftSample {
  const status = driver.status();
  const peerLag = new Map<number, number>();
  for (const { id, match } of status.peers) if (match !== null) peerLag.set(id, status.last.index - match);
  return {
    term: status.term,
    isLeader: status.role === 'leader',
    hasLeader: status.leader !== null,
    lastIndex: status.last.index,
    commitIndex: status.commit,
    appliedIndex: status.applied,
    peerLag,
    messagesRefused: Object.values(counters.refused).reduce((sum, count) => sum + count, 0),
  };
}
