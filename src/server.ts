// The composition root: creates every part of one member, joins ports to adapters, and ends them in order.

import { join } from 'node:path';

import { createApp } from './api/app.ts';
import { ApiDescription } from './api/description.ts';
import { listen } from './api/listen.ts';
import { createStartingApp } from './api/starting-app.ts';
import type { Logger } from './base/logger.ts';
import { err, ok, type Result } from './base/result.ts';
import type { Config } from './config/config.ts';
import { KvrocksClient } from './kvrocks/client.ts';
import { Leadership } from './leader/leadership.ts';
import { LeadershipTerms } from './leader/terms.ts';
import { readVersion } from './main/version.ts';
import { NameResolver } from './names/name-resolver.ts';
import { memberId } from './raft/core/types.ts';
import { Registry } from './registry/registry.ts';
import { openBackups } from './server/backups.ts';
import { Closers } from './server/closers.ts';
import { expulsionEnd, type End } from './server/expulsion.ts';
import { AppliedLevel } from './server/feature-level/applied-level.ts';
import { LevelKeeper } from './server/feature-level/level-keeper.ts';
import { FoundingWatch } from './server/founding.ts';
import { Front, type Answering } from './server/front.ts';
import { countedAs, groupChanges } from './server/group-changes.ts';
import { groupView } from './server/group-view.ts';
import { leaderSource, NextLeader } from './server/leader-wait.ts';
import {
  askIdentity,
  checkFoundingPeers,
  checkOwnAddress,
  findOrigin,
  loneFounderRisk,
  type RecordedGroup,
} from './server/origin.ts';
import { openRaft, type Raft } from './server/raft.ts';
import { restoreBackup } from './server/restore.ts';
import { countCampaigns, sampleCluster, sampleRaft } from './server/samples.ts';
import { StartingView } from './server/starting-view.ts';
import { openStorage, type Storage } from './server/storage.ts';
import { nextBatch, webhookRecords } from './server/webhooks.ts';
import { keepNames, serveWitness, witnessPanel } from './server/witnesses.ts';
import { ReplicatedStore } from './store/replicated-store.ts';
import { systemClock } from './system/clock.ts';
import { createSystemRandom } from './system/random.ts';
import { Webhooks } from './webhooks/webhooks.ts';
import { Metrics } from './telemetry/metrics.ts';

/** Milliseconds a change may take, retries included: a few elections. */
const COMMIT_DEADLINE_MS = 5000;
/** Milliseconds a change of members may take: two entries, of which the second may need another leader. */
const MEMBERS_DEADLINE_MS = 10_000;
/** Milliseconds the creation checks wait for one node. */
const INSPECT_DEADLINE_MS = 3000;
/** Milliseconds in which all nodes of a request are told apart: two exchanges with each. */
const COMPARE_DEADLINE_MS = 4000;
/** Milliseconds for another member to take over the lead at a stop: a few attempts. */
const HAND_OVER_DEADLINE_MS = 3000;
/**
 * Longest time, milliseconds, in which a member that stops still answers, and asks with each answer that the client closes: whoever
 * is served this way never sends a request into a connection that is being closed, which it could not safely send again.
 */
const LEAVE_MS = 1000;
/** Milliseconds that requests under way get at a stop. */
const HTTP_CLOSE_DEADLINE_MS = 2000;
/** A member that was not heard for so many election timeouts is away. */
const AWAY_ELECTION_TIMEOUTS = 10;

export interface ControllerParts {
  readonly logger: Logger;
  /** A backup to make a new group of this one member from; null for an ordinary start. */
  readonly restoreFrom: string | null;
  /** Called once when the process must end: nothing it acknowledged is at risk, but it cannot go on. */
  readonly onFatal: (error: Error) => void;
  /** Called once when this member has no place in its group any more. `close` is then the caller's, as on a signal. */
  readonly onExpelled: (end: End) => void;
  /** Ends a start that waits for others. */
  readonly abandoned: AbortSignal;
}

/** One running member. */
export interface Controller {
  /** Orderly end: hands the lead over while still serving, then stops serving, answers who waits, closes the files. */
  close(): Promise<void>;
}

const random = createSystemRandom();

/**
 * Starts one member. The error is one line that says what is wrong and how to mend it; null when the start was abandoned.
 * Nothing runs in both cases.
 */
export async function startController(
  config: Config,
  parts: ControllerParts,
): Promise<Result<Controller, string> | null> {
  const closers = new Closers();
  try {
    const started = await start(config, parts, closers);
    if (started === null || !started.ok) await closers.closeAll();
    return started;
  } catch (error) {
    await closers.closeAll();
    const reason = error instanceof Error ? error.message.replaceAll('\n', ' ') : String(error);
    return err(`data directory ${config.raft.dataDir}: ${reason}`);
  }
}

async function start(
  config: Config,
  parts: ControllerParts,
  closers: Closers,
): Promise<Result<Controller, string> | null> {
  const { logger } = parts;
  const { dataDir } = config.raft;
  if (parts.restoreFrom !== null) {
    const restored = await restoreBackup(config, parts.restoreFrom, {
      clock: systemClock,
      random,
      logger,
    });
    if (!restored.ok) return restored;
  }
  const opened = await openStorage(dataDir, logger);
  if (!opened.ok) return opened;
  const storage = opened.value;
  closers.add(() => storage.machine.close());
  // Before anybody else listens to the state: see the class.
  const level = new AppliedLevel(storage.machine, config.raft.featureLevel);
  const isSupported = checkLevel(level, dataDir);
  if (!isSupported.ok) return isSupported;

  const metrics = new Metrics(config.advertiseAddress);
  const waiting = new StartingView(config.raft.id, level.recorded.level);
  const description = new ApiDescription(readVersion(), systemClock);
  const startingApp = createStartingApp({ group: waiting, metrics, description });
  const front = new Front({ app: startingApp, peers: () => false });
  const http = await listen(config.listen, {
    app: front.app,
    peers: front.peers,
    streams: front.streams,
    clock: systemClock,
    logger,
  });
  if (!http.ok) return http;
  const stopListening = closers.add(() => http.value.close(HTTP_CLOSE_DEADLINE_MS));

  const names = new NameResolver({ clock: systemClock, keptIn: join(dataDir, 'known-names') });
  closers.add(() => Promise.resolve(names.close()));
  const origin = await findOrigin(config, {
    clock: systemClock,
    lookup: names.lookup,
    logger,
    onWaiting: (reason) => waiting.say(reason),
    abandoned: parts.abandoned,
  });
  if (origin === null || !origin.ok) return origin;
  const raft = await openRaft(config, origin.value, {
    logger,
    storage,
    lookup: names.lookup,
    onFatal: parts.onFatal,
    onExpelled: (reason) => parts.onExpelled(expulsionEnd(config, reason)),
    featureLevel: level.supported,
  });
  const { driver } = raft;
  closers.add(() => raft.close());
  closers.add(() => driver.close());
  // The state may have come from a snapshot meanwhile.
  const isStillSupported = checkLevel(level, dataDir);
  if (!isStillSupported.ok) return isStillSupported;
  level.failTo((problem) => driver.fail(problem));
  const checked = checkRecorded(config, raft, logger);
  if (!checked.ok) return checked;

  const founding = new FoundingWatch(driver, {
    clock: systemClock,
    logger,
    awayMs: awayMs(config),
    clusterId: raft.identity.clusterId,
    ask: (address) => askIdentity(address, { clock: systemClock, lookup: names.lookup }),
  });
  front.serve(
    createMember(config, { logger, metrics, description, storage, raft, founding, names, level }, closers),
  );
  driver.start();
  founding.start();
  logger.info('controller.started', {
    addr: `${config.listen.host}:${config.listen.port}`,
    advertiseAddr: config.advertiseAddress,
    dataDir,
    cluster: raft.identity.clusterId,
    members: [...driver.membership.addresses.values()],
  });
  return ok({
    close: async () => {
      founding.stop();
      await handOver(raft, logger);
      // In this order: a client that is asked to close connects again, and what connects while a listener closes is reset.
      http.value.stopAccepting();
      front.leave();
      await http.value.unused(LEAVE_MS);
      await stopListening();
      await closers.closeAll();
    },
  });
}

/** Whether this member understands what its group writes. */
function checkLevel({ problem }: AppliedLevel, dataDir: string): Result<void, string> {
  return problem === null ? ok(undefined) : err(`data directory ${dataDir}: ${problem}`);
}

/** Whether this configuration is meant for what the data directory knows of its group. */
function checkRecorded(config: Config, { driver, identity }: Raft, logger: Logger): Result<void, string> {
  const recorded: RecordedGroup = {
    clusterId: identity.clusterId,
    membership: driver.membership,
    isFounded: driver.status().last.index > 0,
  };
  for (const check of [checkFoundingPeers, checkOwnAddress]) {
    const checked = check(config, recorded);
    if (!checked.ok) return checked;
  }
  const risk = loneFounderRisk(config, recorded);
  if (risk !== null) logger.warn('raft.founding.alone', { reason: risk });
  return ok(undefined);
}

/** What a member is made of once its Raft is open: records, supervisors, and the application in front of both. */
function createMember(
  config: Config,
  parts: {
    readonly logger: Logger;
    readonly metrics: Metrics;
    readonly description: ApiDescription;
    readonly storage: Storage;
    readonly raft: Raft;
    readonly founding: FoundingWatch;
    readonly names: NameResolver;
    readonly level: AppliedLevel;
  },
  closers: Closers,
): Answering {
  const { logger, metrics, storage, raft, founding, names, level } = parts;
  const { driver } = raft;
  const self = memberId(config.raft.id);
  const store = new ReplicatedStore(driver, storage.machine);
  const registry = new Registry({
    store,
    random,
    clock: systemClock,
    deadlineMs: COMMIT_DEADLINE_MS,
    featureLevel: () => level.recorded.level,
  });
  const terms = new LeadershipTerms(
    (current) =>
      new Leadership(
        current,
        {
          records: registry,
          client: new KvrocksClient({ clock: systemClock, names }),
          witnesses: witnessPanel(current, {
            raft,
            self,
            lookup: names.lookup,
            featureLevel: () => level.recorded.level,
            pingIntervalMs: config.failover.pingIntervalMs,
          }),
          clock: systemClock,
          random,
          logger,
          metrics: metrics.leader,
          isCurrent: (asked) => driver.role.established && driver.role.term === asked,
          giveLead: async (to) => {
            const outcome = await driver.transferLead(memberId(to));
            metrics.lead.transfer(outcome.ok ? 'done' : countedAs(outcome.error));
          },
        },
        config.failover,
      ),
  );
  closers.add(() => terms.close());
  const observing = new KvrocksClient({ clock: systemClock, names });
  closers.add(() => Promise.resolve(observing.close()));
  serveWitness({ raft, registry, client: observing });
  const forgetNames = keepNames(raft, registry, names);
  closers.add(() => Promise.resolve(forgetNames()));
  metrics.watchRaft(() => sampleRaft(driver.status(), raft.counters));
  metrics.watchClusters(() => terms.statuses().map((status) => sampleCluster(status, registry)));
  driver.onRole((view) => terms.follow(view));
  const webhooks = new Webhooks({
    clock: systemClock,
    random,
    logger,
    lookup: names.lookup,
    webhooks: () => registry.policies.ofGroup().webhooks,
    next: (webhook, limit) => nextBatch(registry, webhook, limit),
    delivered: (webhook, cursor, term) => registry.webhookCursors.advance(webhook.name, cursor, term),
    watch: (listener) => registry.watchEvents(listener),
  });
  driver.onRole((view) => webhooks.follow(view));
  closers.add(() => webhooks.close());
  driver.onRole(countCampaigns(metrics.lead));
  const levels = new LevelKeeper({
    driver,
    self,
    clusterId: raft.identity.clusterId,
    applied: level,
    store,
    ask: (address, abandoned) =>
      askIdentity(address, { clock: systemClock, lookup: names.lookup, abandoned }),
    clock: systemClock,
    random,
    logger,
  });
  closers.add(() => levels.close());
  const inspecting = new KvrocksClient({ clock: systemClock, names });
  closers.add(() => Promise.resolve(inspecting.close()));
  const { electionTimeoutMs } = config.raft;
  const leaderWait = new NextLeader(leaderSource(driver, self), { clock: systemClock, electionTimeoutMs });
  closers.add(() => leaderWait.close());
  const app = createApp({
    group: groupView(driver, {
      self,
      advertiseAddress: config.advertiseAddress,
      awayMs: awayMs(config),
      foundingTrouble: () => founding.trouble,
      levels: { group: () => level.recorded.level, of: (member) => levels.levelOf(member) },
    }),
    groupChanges: groupChanges({
      driver,
      self,
      clusterId: raft.identity.clusterId,
      ask: (address) => askIdentity(address, { clock: systemClock, lookup: names.lookup }),
      deadlineMs: MEMBERS_DEADLINE_MS,
      featureLevel: () => level.recorded.level,
      onTransfer: (outcome) => metrics.lead.transfer(outcome),
    }),
    leaderWait,
    backups: openBackups(registry, driver, { clock: systemClock, logger }),
    clusters: registry,
    policies: registry.policies,
    departures: registry.departures,
    events: registry.events,
    webhooks: webhookRecords(registry),
    inspector: {
      inspect: (endpoint) => inspecting.inspect(endpoint, INSPECT_DEADLINE_MS),
      clusterNodes: (endpoint) => inspecting.clusterNodes(endpoint, INSPECT_DEADLINE_MS),
      slotServices: (endpoint, slots) => inspecting.slotServices(endpoint, slots, INSPECT_DEADLINE_MS),
      sameProcess: (endpoints) => inspecting.sameProcess(endpoints, random, COMPARE_DEADLINE_MS),
    },
    failovers: terms,
    attention: terms,
    insight: terms,
    metrics,
    description: parts.description,
    clock: systemClock,
    random,
    logger,
  });
  return { app, peers: raft.peers, streams: raft.streams };
}

function awayMs({ raft }: Config): number {
  return AWAY_ELECTION_TIMEOUTS * raft.electionTimeoutMs;
}

async function handOver({ driver }: Raft, logger: Logger): Promise<void> {
  if (driver.role.role !== 'leader') return;
  const outcome = await driver.handOver(HAND_OVER_DEADLINE_MS);
  logger.info('controller.handed_over', { outcome, leader: driver.role.leader });
}
