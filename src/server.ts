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
import { NameResolver } from './names/name-resolver.ts';
import { memberId } from './raft/core/types.ts';
import { Registry } from './registry/registry.ts';
import { createBackupVerifier } from './server/backup-verifier.ts';
import { openBackups } from './server/backups.ts';
import { Closers } from './server/closers.ts';
import { expulsionEnd, type End } from './server/expulsion.ts';
import { AppliedLevel } from './server/feature-level/applied-level.ts';
import { LevelKeeper } from './server/feature-level/level-keeper.ts';
import { upgrades } from './server/feature-level/upgrades.ts';
import { FoundingWatch } from './server/founding.ts';
import { Front, type Answering } from './server/front.ts';
import { countedAs, groupChanges } from './server/group-changes.ts';
import { groupView } from './server/group-view.ts';
import { leaderSource, NextLeader } from './server/leader-wait.ts';
import type { LiveConfig } from './server/live-config.ts';
import { measuredConsensus } from './server/measured.ts';
import {
  askIdentity,
  checkFoundingPeers,
  checkOwnAddress,
  findOrigin,
  loneFounderRisk,
  type RecordedGroup,
} from './server/origin.ts';
import { PeerAnswers } from './server/peer-answers.ts';
import { openRaft, type Raft } from './server/raft.ts';
import { restoreBackup } from './server/restore.ts';
import { Readiness } from './server/readiness.ts';
import { StartingView } from './server/starting-view.ts';
import { openStorage, type Storage } from './server/storage.ts';
import { watchMember } from './server/watch-member.ts';
import { nextBatch, webhookRecords } from './server/webhooks.ts';
import { keepNames, serveWitness, witnessPanel } from './server/witnesses.ts';
import { ReplicatedStore } from './store/replicated-store.ts';
import { systemClock } from './system/clock.ts';
import { createSystemRandom } from './system/random.ts';
import { Webhooks } from './webhooks/webhooks.ts';
import { EventLoopWatch } from './telemetry/event-loop.ts';
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
  /** Which release this is, and of which commit. */
  readonly build: { readonly version: string; readonly commit: string };
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
  live: LiveConfig,
  parts: ControllerParts,
): Promise<Result<Controller, string> | null> {
  const closers = new Closers();
  try {
    const started = await start(live, parts, closers);
    if (started === null || !started.ok) await closers.closeAll();
    return started;
  } catch (error) {
    await closers.closeAll();
    const reason = error instanceof Error ? error.message.replaceAll('\n', ' ') : String(error);
    return err(`data directory ${live.config.raft.dataDir}: ${reason}`);
  }
}

async function start(
  live: LiveConfig,
  parts: ControllerParts,
  closers: Closers,
): Promise<Result<Controller, string> | null> {
  const { logger } = parts;
  // Whatever else may change while this runs, what a start needs of it does not.
  const { config } = live;
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

  const metrics = new Metrics({
    host: config.advertiseAddress,
    nodeSeriesMax: config.metrics.nodeSeriesMax,
    build: { ...parts.build, node: process.version },
    clock: systemClock,
  });
  metrics.watchConfig(() => live.sample);
  const eventLoop = new EventLoopWatch(systemClock, (lagMs) => metrics.observeLag(lagMs));
  closers.add(() => Promise.resolve(eventLoop.stop()));
  const waiting = new StartingView(config.raft.id, level.recorded.level);
  const description = new ApiDescription(parts.build.version, systemClock);
  const startingHealth = { live: () => [eventLoop.check], ready: () => waiting.checks() };
  const front = new Front({
    app: createStartingApp({ group: waiting, health: startingHealth, metrics, description }),
    peers: () => false,
  });
  const http = await listen(config.listen, {
    app: front.app,
    peers: front.peers,
    streams: front.streams,
    clock: systemClock,
    logger,
    onRejected: (reason) => metrics.requestRejected(reason),
  });
  if (!http.ok) return http;
  metrics.watchHttp(() => ({ connections: http.value.connections }));
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
    release: parts.build.version,
    tally: metrics.raft,
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
    createMember(
      live,
      { ...parts, metrics, description, eventLoop, storage, raft, founding, names, level },
      closers,
    ),
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
  live: LiveConfig,
  parts: {
    readonly logger: Logger;
    readonly metrics: Metrics;
    readonly description: ApiDescription;
    readonly eventLoop: EventLoopWatch;
    readonly storage: Storage;
    readonly raft: Raft;
    readonly founding: FoundingWatch;
    readonly names: NameResolver;
    readonly level: AppliedLevel;
    readonly build: ControllerParts['build'];
  },
  closers: Closers,
): Answering {
  const { logger, build, metrics, description, eventLoop, storage, raft, founding, names, level } = parts;
  const { config } = live;
  const { driver } = raft;
  const self = memberId(config.raft.id);
  const measuring = { clock: systemClock, tally: metrics.raft };
  const store = new ReplicatedStore(measuredConsensus(driver, measuring), storage.machine);
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
            pingIntervalMs: () => live.config.failover.pingIntervalMs,
          }),
          clock: systemClock,
          random,
          logger,
          metrics: metrics.leader,
          isCurrent: (asked) => driver.role.established && driver.role.term === asked,
          giveLead: async (to) => {
            const outcome = await driver.transferLead(memberId(to));
            metrics.raft.transfer(outcome.ok ? 'done' : countedAs(outcome.error));
          },
        },
        live.config.failover,
      ),
  );
  closers.add(() => terms.close());
  live.onChange(({ failover }) => terms.adopt(failover));
  const observing = new KvrocksClient({ clock: systemClock, names });
  closers.add(() => Promise.resolve(observing.close()));
  serveWitness({ raft, registry, client: observing });
  const forgetNames = keepNames(raft, registry, names);
  closers.add(() => Promise.resolve(forgetNames()));
  const answers = new PeerAnswers({
    clock: systemClock,
    logger,
    ownMarks: () => storage.machine.marks,
    onDiverged: (count) => metrics.raft.diverged(count),
  });
  watchMember({ ...parts, answers, terms, registry, awayMs: awayMs(config) });
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
  const levelParts = {
    driver,
    self,
    clusterId: raft.identity.clusterId,
    applied: level,
    release: build.version,
    store,
    ask: (address: string, abandoned: AbortSignal) =>
      askIdentity(address, { clock: systemClock, lookup: names.lookup, abandoned }),
    clock: systemClock,
    random,
    logger,
  };
  const levels = new LevelKeeper({
    ...levelParts,
    onTold: (member, told, elapsedMs) => answers.heard(member, told, elapsedMs),
  });
  closers.add(() => levels.close());
  const inspecting = new KvrocksClient({ clock: systemClock, names });
  closers.add(() => Promise.resolve(inspecting.close()));
  const { electionTimeoutMs } = config.raft;
  const leaderWait = new NextLeader(leaderSource(driver, self), { clock: systemClock, electionTimeoutMs });
  closers.add(() => leaderWait.close());
  const readiness = new Readiness(driver, {
    self,
    advertiseAddress: config.advertiseAddress,
    awayMs: awayMs(config),
    foundingTrouble: () => founding.trouble,
  });
  const app = createApp({
    group: groupView(driver, {
      self,
      levels: { group: () => level.recorded.level, of: (member) => levels.levelOf(member) },
    }),
    health: {
      live: () => [eventLoop.check, readiness.log],
      ready: (mustLead) => readiness.checks(mustLead),
    },
    groupChanges: groupChanges({
      driver,
      self,
      clusterId: raft.identity.clusterId,
      ask: (address) => askIdentity(address, { clock: systemClock, lookup: names.lookup }),
      deadlineMs: MEMBERS_DEADLINE_MS,
      featureLevel: () => level.recorded.level,
      onTransfer: (outcome) => metrics.raft.transfer(outcome),
    }),
    configuration: live,
    leaderWait,
    upgrades: upgrades(levelParts),
    backups: openBackups(registry, driver, { clock: systemClock, logger, onDone: () => metrics.backedUp() }),
    backupVerifier: createBackupVerifier(),
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
    description,
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
