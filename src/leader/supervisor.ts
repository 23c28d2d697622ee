// One cluster under this term: collects what happened, asks `control` what to do, and does it.

import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Action, CommitAction } from '../control/actions.ts';
import { censusOf } from '../control/census.ts';
import type { CheckRefusal, ClusterCheck } from '../control/check.ts';
import { type Decision, decide } from '../control/decide.ts';
import { type Explanation, explain } from '../control/explain.ts';
import type { FailoverDone, FailoverRefusal } from '../control/failover-request.ts';
import {
  type ControlEvent,
  type ControlMemory,
  forgetNode,
  forgetOthers,
  NO_MEMORY,
  observe,
} from '../control/memory.ts';
import type { Observer } from '../control/evidence.ts';
import type { NodeError } from '../control/observation.ts';
import type { HandPlan } from '../control/plan-by-hand.ts';
import type { Problem } from '../control/problems.ts';
import { type ControlSettings, type LiveSettings, probeDeadlineMs } from '../control/settings.ts';
import type { Census, Circumstances, Policies } from '../control/sight.ts';
import { lookAt, type Situation } from '../control/situation.ts';
import { nodesOf } from '../topology/cluster.ts';
import { cutOffsOf } from '../topology/departure.ts';
import type { ChangeError, ClusterPlace, ClusterRecord } from '../topology/record.ts';
import type { TaskBook } from '../topology/task.ts';
import type { ClusterVersion, NodeAddress, NodeId } from '../topology/types.ts';
import { Deeds } from './deeds.ts';
import { DepartureBook } from './departure-book.ts';
import { eventsOf } from './events.ts';
import { Farewells } from './farewells.ts';
import { type LastSight, lastSight } from './last-sight.ts';
import { LeaseKeeper, type LeasedMaster, leasedMasters } from './lease-keeper.ts';
import { LookPacer } from './look-pacer.ts';
import { LostConnections } from './lost-connections.ts';
import { type HandRequest, ManualFailover } from './manual-failover.ts';
import { NodeWatch } from './node-watch.ts';
import type { ClusterRecords, LeaderMetrics, NodeClient, PolicyStamp, Told, Witnesses } from './ports.ts';
import { Reporter } from './reporter.ts';
import { CheckRequests } from './check-requests.ts';
import { SyncRequests } from './sync-requests.ts';
import { Tally } from './tally.ts';
import { TaskPace } from './task-pace.ts';
import { type ClusterStatus, clusterStatus } from '../control/status.ts';
import type { SyncedNode, SyncRefusal } from '../control/sync-outcome.ts';
import type { TaskSight } from '../control/tasks.ts';
import type { Reach } from './vantage.ts';

export interface SupervisorContext {
  readonly term: number;
  /** When this leadership began, monotonic milliseconds. */
  readonly leadSinceMs: number;
  readonly isCurrent: (term: number) => boolean;
  readonly records: ClusterRecords;
  readonly client: NodeClient;
  readonly witnesses: Witnesses;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: LeaderMetrics;
  /** Told after every decision who sees masters that this member does not. */
  readonly onBetterPlaced: (observers: ReadonlySet<Observer>) => void;
  /** Every node that this leadership manages, as each supervisor counted its own last. */
  readonly census: () => Census;
}

/** What happens within this time is decided about together: a round of looks at 1,000 nodes is a few decisions, not 1,000. */
const GATHER_MS = 5;

/** How often nodes are looked at of which something is expected. */
const EXPECTANT_LOOK_MS = 100;

/** A replica asks for its master again about once a second: an emptied one has to be seen and fenced before that. And clients wait for a drain. */
const URGENT_LOOK_MS = 20;

/** A look that has to come first holds decisions back no longer than this. */
const LOOK_FIRST_MS = 500;

/** How soon a decision is made again that failed by a fault of ours. */
const DECISION_RETRY_MS = 5_000;

/**
 * The owner of one cluster's memory. Everything that happens becomes an event in a list; a turn reads the committed
 * record, takes the list, decides once, and starts what was decided, all in one go without an `await`: nothing that was
 * checked can change before it is used. The list is bounded by what is under way: one look, one push and one step
 * of outrunning a node, a migrate a shard, one commit.
 */
export class Supervisor {
  readonly #context: SupervisorContext;
  #settings: ControlSettings;
  readonly #reporter: Reporter;
  readonly #tally: Tally;
  readonly #watch: NodeWatch;
  readonly #expectant: LookPacer;
  readonly #urgent: LookPacer;
  readonly #lostConnections: LostConnections;
  readonly #manual: ManualFailover;
  readonly #leases: LeaseKeeper;
  readonly #deeds: Deeds;
  readonly #farewells: Farewells;
  readonly #syncs: SyncRequests;
  readonly #checks: CheckRequests;
  /** Pushes, steps of outrunning, commits and migrations that have not ended. */
  readonly #acts = new Set<Promise<void>>();
  #record: ClusterRecord;
  #memory: ControlMemory = NO_MEMORY;
  #events: ControlEvent[] = [];
  #problems: readonly Problem[] = [];
  /** Null before the first decision. */
  #decided: Situation | null = null;
  #count: Census = { nodes: 0, missed: 0 };
  #policy: Policies;
  #policyStamp: PolicyStamp;
  #tasks: TaskBook;
  #waits: Decision['waits'] = new Map();
  readonly #pace = new TaskPace();
  /** The last version that every node was seen to have; a push of it after that repairs something. */
  #convergedVersion: ClusterVersion | null = null;
  /** Masters whose look comes before the next decision, and since when. */
  #awaited = new Set<NodeId>();
  #awaitedSinceMs = -Infinity;
  /** Commits under way: of decisions, and of what is asked for by hand. */
  #commits = 0;
  #turnTimer: Timer | null = null;
  #wakeTimer: Timer | null = null;
  #isStopped = false;

  constructor(record: ClusterRecord, context: SupervisorContext, settings: ControlSettings) {
    const { client, clock, random, metrics } = context;
    const logger = context.logger.child({ namespace: record.namespace, cluster: record.cluster.name });
    this.#record = record;
    this.#context = { ...context, logger };
    this.#settings = settings;
    [this.#policy, this.#policyStamp] = this.#readPolicies();
    const place = { namespace: record.namespace, cluster: record.cluster.name };
    this.#tasks = context.records.tasks.ofCluster(place);
    this.#pace.follow(this.#tasks, clock.monotonicMs());
    this.#tally = new Tally(place, { clock, metrics });
    this.#reporter = new Reporter(logger, this.#tally);
    this.#watch = new NodeWatch({
      client,
      clock,
      random,
      intervalMs: settings.pingIntervalMs,
      knownVersion: () => this.#record.cluster.version,
      onLate: () => this.#tally.roundLate(),
      onLook: (look) => {
        this.#tally.looked(look);
        this.#happened({ kind: 'probed', node: look.id, ...look });
      },
    });
    const lookNow = (ids: readonly NodeId[]): void => this.#watch.lookNow(ids);
    this.#expectant = new LookPacer({ clock, lookNow }, EXPECTANT_LOOK_MS);
    this.#urgent = new LookPacer({ clock, lookNow }, URGENT_LOOK_MS);
    this.#lostConnections = new LostConnections({ clock, lookNow });
    this.#manual = new ManualFailover({
      clock,
      lookNow,
      // A master that answered since the last decision lives: whoever chooses by hand has to know that, too.
      current: () => {
        if (this.#events.length > 0) this.#takeIn();
        return { record: this.#record, situation: this.#situation() };
      },
      commit: (from, action) => this.#replace(from, action),
      forget: (id) => {
        this.#memory = forgetNode(this.#memory, id);
      },
      canDrain: () => this.#context.records.storesDrains,
      switchoverTimeoutMs: () => this.#settings.switchoverTimeoutMs,
    });
    this.#leases = new LeaseKeeper({
      clock,
      client,
      settings,
      masters: () => leasedMasters(this.#record.cluster, this.#memory),
      confirm: () => this.#confirm(this.#record.cluster.version),
      letGo: (master) => this.#letLeaseGo(master),
      onAnswer: ({ node: { id: node, address } }, answer) => {
        this.#reporter.leased({ node, address }, answer);
        this.#happened({ kind: 'leaseAnswered', node, address, endedAtMs: clock.monotonicMs(), answer });
      },
    });
    this.#deeds = new Deeds({
      client,
      clock,
      random,
      witnesses: context.witnesses,
      reporter: this.#reporter,
      record: () => this.#record,
      situation: () => this.#situation(),
      clusters: () => this.#context.records.allClusters().map(({ cluster }) => cluster),
      isConverged: (version) => this.#convergedVersion === version,
      confirm: (version) => this.#confirm(version),
      openLease: (node, version) => this.#leases.open(node, version),
      lookNow,
      happened: (event) => this.#happened(event),
    });
    this.#syncs = new SyncRequests({
      clock,
      lookNow,
      happened: (event) => this.#happened(event),
      situation: () => this.#situation(),
    });
    this.#checks = new CheckRequests({
      clock,
      client,
      lookNow,
      situation: () => this.#situation(),
      departed: () => this.#farewells.problems(),
    });
    this.#farewells = new Farewells({
      book: new DepartureBook({ records: context.records, place, term: context.term }),
      client,
      clock,
      logger,
      lookDeadlineMs: () => probeDeadlineMs(this.#settings.pingIntervalMs),
      record: () => this.#record,
      confirm: (version) => this.#confirm(version),
      onNews: () => this.#turnSoon(),
    });
  }

  /** Begins with a look at every node. Call once. */
  start(): void {
    this.#tally.begin();
    this.#watch.follow(nodesOf(this.#record.cluster));
    this.#watch.start();
    this.#farewells.follow();
    this.#turnSoon();
  }

  /** Decides by other numbers from the next turn on. What was seen and what is under way stays as it is. */
  adopt(settings: LiveSettings): void {
    this.#settings = { ...settings, leaseMs: this.#settings.leaseMs };
    this.#watch.setInterval(settings.pingIntervalMs);
    this.#turnSoon();
  }

  /** What people want may have changed. */
  policiesChanged(): void {
    const [policy, stamp] = this.#readPolicies();
    if (policy.group === this.#policy.group && policy.cluster === this.#policy.cluster) return;
    this.#policy = policy;
    this.#policyStamp = stamp;
    this.#turnSoon();
  }

  /** Somebody may have asked for moves of slots, or want others. */
  tasksChanged(): void {
    const tasks = this.#context.records.tasks.ofCluster(this.place);
    if (tasks === this.#tasks) return;
    this.#tasks = tasks;
    this.#pace.follow(tasks, this.#context.clock.monotonicMs());
    this.#turnSoon();
  }

  /** Something may have left, been told, or be back. */
  departuresChanged(): void {
    this.#farewells.follow();
  }

  #readPolicies(): readonly [Policies, PolicyStamp] {
    const { policies } = this.#context.records;
    const place = { namespace: this.#record.namespace, cluster: this.#record.cluster.name };
    return [{ group: policies.ofGroup(), cluster: policies.ofCluster(place) }, policies.stamp(place)];
  }

  /** The committed record changed, by whomever. New facts alone are taken over in silence: whoever wrote them decides on. */
  recordChanged(record: ClusterRecord): void {
    const { revision, factsRevision } = this.#record;
    const isClusterSame = record.revision === revision;
    if (this.#isStopped || (isClusterSame && record.factsRevision === factsRevision)) return;
    const isHigher = record.cluster.version > this.#record.cluster.version;
    this.#record = record;
    if (isClusterSame) return;
    if (isHigher && this.#commits === 0) this.#lookFirst();
    this.#memory = forgetOthers(this.#memory, record.cluster);
    this.#lostConnections.keep(new Set(nodesOf(record.cluster).map(({ id }) => id)));
    this.#watch.follow(nodesOf(record.cluster));
    this.#reporter.follow(record.cluster);
    this.#turnSoon();
  }

  /**
   * A topology that somebody asked for goes out after one more look at every master that answers: what was handed over by hand since the last one
   * is undone by a higher version (facts section 5.4), unless it is seen before. What is decided here is decided from such looks already.
   */
  #lookFirst(): void {
    const nowMs = this.#context.clock.monotonicMs();
    const masters = [...this.#situation().views.values()].filter(
      ({ node, condition }) => node.role === 'master' && condition === 'answering',
    );
    this.#awaited = new Set(masters.map(({ node }) => node.id));
    this.#awaitedSinceMs = nowMs;
    this.#watch.lookNow([...this.#awaited]);
  }

  /** Whether a look that is to come first is still under way. */
  get #isLookAwaited(): boolean {
    const { clock } = this.#context;
    return this.#awaited.size > 0 && clock.monotonicMs() < this.#awaitedSinceMs + LOOK_FIRST_MS;
  }

  /** Looks at all nodes at once instead of at the next round. */
  nudge(): void {
    this.#farewells.lookNow();
    this.#watch.lookNow(nodesOf(this.#record.cluster).map((node) => node.id));
    this.#turnSoon();
  }

  /** Looks at the spares soon, however often that is asked for. */
  lookAtSpares(): void {
    this.#happened({ kind: 'sparesAsked', atMs: this.#context.clock.monotonicMs() });
  }

  /** See `Leadership.sync`. Of what has left everything is looked at, too. */
  sync(node: NodeId | null): Promise<Result<readonly SyncedNode[], SyncRefusal>> {
    this.#farewells.lookNow();
    const ids = nodesOf(this.#record.cluster).map(({ id }) => id);
    return this.#syncs.run(node === null ? ids : ids.filter((id) => id === node));
  }

  /** See `Leadership.check`. */
  check(): Promise<Result<ClusterCheck, CheckRefusal>> {
    return this.#checks.run();
  }

  /** Why the master of the shard is replaced, or not; null when there is no such shard. */
  explain(shardIndex: number): Explanation | null {
    const situation = this.#situation();
    const shard = situation.cluster.shards[shardIndex];
    if (shard === undefined) return null;
    const explanation = explain(situation, shard);
    // What came due by the clock alone is done now that somebody hears of it.
    if (explanation.verdict === 'due') this.#turnSoon();
    return explanation;
  }

  /** The node at `address`, if it is one of this cluster or has left it, ended its connection: it is looked at now, not at the next round. */
  connectionLost(address: NodeAddress): void {
    this.#farewells.connectionLost(address);
    const node = nodesOf(this.#record.cluster).find((candidate) => candidate.address === address);
    if (node !== undefined) this.#lostConnections.lost(node.id);
  }

  /** How the open migrations come on, by their ids. */
  tasks(): ReadonlyMap<number, TaskSight> {
    return this.#pace.sights(this.#tasks, this.#waits);
  }

  status(): ClusterStatus {
    const departed = this.#farewells.status();
    return clusterStatus(this.#record, this.#situation(), { problems: this.#problems, departed });
  }

  /** Null before the first decision. Costs nothing, however large the cluster is. */
  get lastSight(): LastSight | null {
    if (this.#decided === null) return null;
    const departed = this.#farewells.status();
    const { progressAtMs } = this.#pace;
    return lastSight(this.place, this.#decided, { problems: this.#problems, departed, progressAtMs });
  }

  /** Every node, and whether it is heard from here. */
  reach(): readonly Reach[] {
    const { namespace, cluster } = this.#record;
    const place = { namespace, cluster: cluster.name };
    return [...this.#situation().views.values()].map(({ node, presence }) => ({
      place,
      node: node.id,
      isReached: presence === 'present',
      isBlind: presence === 'blind',
    }));
  }

  get place(): ClusterPlace {
    return { namespace: this.#record.namespace, cluster: this.#record.cluster.name };
  }

  /** Its nodes as it counted them last. */
  get count(): Census {
    return this.#count;
  }

  /** See `Leadership.failover`. One at a time. */
  async failover(request: HandRequest): Promise<Result<FailoverDone, FailoverRefusal>> {
    const answer = await this.#manual.run(request);
    if (!answer.ok) this.#reporter.failoverRefused(request, answer.error);
    return answer;
  }

  /** See `Leadership.planFailover`. */
  planFailover(request: HandRequest): Promise<Result<HandPlan, FailoverRefusal>> {
    return this.#manual.plan(request);
  }

  /** Nothing starts after this. Resolves when all that is under way has ended; closing the client ends it at once. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#turnTimer?.cancel();
    this.#wakeTimer?.cancel();
    this.#lostConnections.stop();
    this.#expectant.stop();
    this.#urgent.stop();
    this.#watch.follow([]);
    this.#manual.stop();
    this.#farewells.stop();
    this.#syncs.stop();
    this.#checks.stop();
    await Promise.all([
      this.#watch.stop(),
      this.#leases.stop(),
      this.#manual.ended(),
      this.#farewells.ended(),
      this.#checks.ended(),
      ...this.#acts,
    ]);
  }

  #happened(event: ControlEvent): void {
    if (event.kind === 'probed' && event.startedAtMs >= this.#awaitedSinceMs)
      this.#awaited.delete(event.node);
    this.#events.push(event);
    this.#turnSoon();
  }

  #turnSoon(): void {
    if (this.#isStopped) return;
    this.#turnTimer ??= this.#context.clock.setTimer(GATHER_MS, () => this.#turn());
  }

  /** One decision, from the record as committed now. Nothing in here waits, so what is checked holds to the end. */
  #turn(): void {
    const { records, term } = this.#context;
    const current = records.getCluster(this.#record.namespace, this.#record.cluster.name);
    if (current !== null) this.recordChanged(current);
    this.policiesChanged();
    this.tasksChanged();
    this.departuresChanged();
    this.#turnTimer?.cancel();
    this.#turnTimer = null;
    this.#takeIn();
    const nowSeconds = Math.floor(this.#context.clock.wallMs() / 1000);
    const { cluster, facts } = this.#record;
    this.#count = censusOf({ cluster, facts, memory: this.#memory, policy: this.#policy, nowSeconds });
    // Without the lead or the record nothing is decided: whoever made this object is about to stop it.
    if (this.#isStopped || current === null || !this.#context.isCurrent(term)) return;
    if (this.#isLookAwaited) {
      this.#wakeAt(this.#awaitedSinceMs + LOOK_FIRST_MS);
      return;
    }
    const decision = this.#decide();
    if (decision === null) return;
    this.#memory = decision.memory;
    this.#waits = decision.waits;
    this.#decided = decision.situation;
    this.#problems = [...decision.problems, ...this.#farewells.problems()];
    this.#reporter.problems(this.#problems);
    for (const action of decision.actions) this.#act(action);
    this.#wakeAt(decision.wakeAtMs);
    this.#expectant.follow(decision.expectant);
    this.#urgent.follow(decision.urgent);
    this.#context.onBetterPlaced(decision.betterPlaced);
    this.#leases.decided(decision.problems.some(({ kind }) => kind === 'leaseExpired'));
    this.#noteConvergence();
    this.#manual.turned();
    this.#syncs.turned();
    this.#checks.turned();
  }

  /** What has happened is remembered. */
  #takeIn(): void {
    const events = this.#events;
    this.#events = [];
    this.#memory = observe(this.#memory, { cluster: this.#record.cluster, settings: this.#settings }, events);
  }

  /**
   * A fault of ours in one cluster's decision must not end the others' supervision, and not this one's either: it is told, and the decision is
   * made again after a pause, from newer looks.
   */
  #decide(): Decision | null {
    try {
      return decide(this.#circumstances());
    } catch (error) {
      this.#reporter.decisionFailed(error);
      this.#wakeAt(this.#context.clock.monotonicMs() + DECISION_RETRY_MS);
      return null;
    }
  }

  #noteConvergence(): void {
    const { version } = this.#record.cluster;
    if (this.#convergedVersion === version) return;
    const { views } = this.#situation();
    if (![...views.values()].every((view) => view.need.kind === 'nothing')) return;
    this.#convergedVersion = version;
    this.#reporter.converged(version, views.size);
    // A new master has no lease until its first renewal.
    this.#leases.renew();
  }

  #wakeAt(wakeAtMs: number): void {
    this.#wakeTimer?.cancel();
    this.#wakeTimer = null;
    if (wakeAtMs === Infinity) return;
    const delayMs = Math.max(0, wakeAtMs - this.#context.clock.monotonicMs());
    this.#wakeTimer = this.#context.clock.setTimer(delayMs, () => this.#turnSoon());
  }

  #act(action: Action): void {
    const act = this.#begin(action);
    this.#acts.add(act);
    void act.then(() => this.#acts.delete(act));
  }

  #begin(action: Action): Promise<void> {
    return action.kind === 'commit' ? this.#commit(action) : this.#deeds.begin(action);
  }

  /**
   * For what no version fences: the lead is confirmed by a majority right before it is sent, and the topology it was decided for has to be the
   * committed one still, unless it does not matter which that is.
   */
  async #confirm(version: ClusterVersion | null): Promise<Result<void, NodeError>> {
    const { records, term, isCurrent } = this.#context;
    const confirmed = await records.linearize();
    const current = records.getCluster(this.#record.namespace, this.#record.cluster.name);
    const isCommitted = current !== null && (version === null || current.cluster.version === version);
    if (confirmed.ok && !this.#isStopped && isCurrent(term) && isCommitted) return ok(undefined);
    return err({
      kind: 'ownFault',
      message: 'not sent: the lead or the topology could not be confirmed',
    });
  }

  /**
   * Decided and remembered in one go: from here on the lease counts as being renewed, and a silent master waits for the end of that. While a change
   * of masters is being committed nothing is renewed, since that was decided from leases that are over.
   */
  #letLeaseGo({ node, version }: LeasedMaster): boolean {
    const { term, isCurrent } = this.#context;
    const isInOffice = this.#record.cluster.version === version;
    if (this.#isStopped || !isCurrent(term) || this.#commits > 0 || !isInOffice) return false;
    this.#happened({ kind: 'leaseLetGo', node: node.id, address: node.address });
    return true;
  }

  async #commit(action: CommitAction): Promise<void> {
    const result = await this.#replace(this.#record, action, this.#policyStamp);
    if (result.ok) this.#manual.committed(action.reasons);
    const endedAtMs = this.#context.clock.monotonicMs();
    this.#happened({ kind: 'commitEnded', endedAtMs, isCommitted: result.ok });
  }

  /** Commits `action.next` in place of `from` under this term's fence, and takes over whatever is committed then. */
  async #replace(
    from: ClusterRecord,
    action: CommitAction,
    underPolicies: PolicyStamp = [],
  ): Promise<Result<void, ChangeError>> {
    const { records, term, isCurrent } = this.#context;
    if (this.#isStopped || !isCurrent(term)) return err({ kind: 'notLeader' });
    this.#reporter.committing(action);
    const { next, facts, policy, tasks } = action;
    this.#commits += 1;
    const events: Told = { actor: 'controller', drafts: eventsOf(action, this.#situation()) };
    const result = await records.replaceCluster(from, next, {
      facts,
      term,
      underPolicies,
      ...(policy === undefined ? {} : { policy }),
      ...(tasks === undefined ? {} : { tasks: { before: this.#tasks, after: tasks } }),
      events,
    });
    this.#commits -= 1;
    this.#reporter.committed(action, result);
    const current = records.getCluster(from.namespace, from.cluster.name);
    if (current !== null) this.recordChanged(current);
    return result;
  }

  #situation(): Situation {
    return lookAt(this.#circumstances());
  }

  #circumstances(): Circumstances {
    const { clock, term, leadSinceMs, witnesses, census, records } = this.#context;
    return {
      cluster: this.#record.cluster,
      facts: this.#record.facts,
      memory: this.#memory,
      settings: this.#settings,
      nowMs: clock.monotonicMs(),
      nowSeconds: Math.floor(clock.wallMs() / 1000),
      term,
      leadSinceMs,
      panel: witnesses.panel(),
      policy: this.#policy,
      census: census(),
      cutOffs: cutOffsOf(records.departures.ofCluster(this.place)),
      tasks: this.#tasks,
    };
  }
}
