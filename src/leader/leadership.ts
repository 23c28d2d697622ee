// One term at the head of the group: a supervisor for every cluster, from the moment the lead stands until it is lost.

import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { CheckRefusal, ClusterCheck } from '../control/check.ts';
import type { Observer } from '../control/evidence.ts';
import type { Explanation } from '../control/explain.ts';
import type { FailoverDone, FailoverRefusal, FailoverRequest } from '../control/failover-request.ts';
import type { HandPlan } from '../control/plan-by-hand.ts';
import type { Census } from '../control/sight.ts';
import type { ControlSettings, LiveSettings } from '../control/settings.ts';
import type { ClusterStatus } from '../control/status.ts';
import type { SyncedNode, SyncRefusal } from '../control/sync-outcome.ts';
import type { TaskSight } from '../control/tasks.ts';
import type { ClusterPlace, ClusterRecord } from '../topology/record.ts';
import type { Name, NodeId } from '../topology/types.ts';
import type { HandRequest } from './manual-failover.ts';
import type { ClusterRecords, LeaderMetrics, NodeClient, Witnesses } from './ports.ts';
import type { LastSight } from './last-sight.ts';
import { Supervisor } from './supervisor.ts';
import { Vantage } from './vantage.ts';

/** The configuration's `controller.failover`. */
export type LeadershipOptions = ControlSettings;

export interface LeadershipPorts {
  readonly records: ClusterRecords;
  /** Owned by this object from now on: `stop` closes it. */
  readonly client: NodeClient;
  /** Closed by `stop`, too. */
  readonly witnesses: Witnesses;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly metrics: LeaderMetrics;
  /** Whether this member still leads exactly this term, as far as it knows. Local and immediate; asked before every act. */
  readonly isCurrent: (term: number) => boolean;
  /** Gives the lead to a member that sees more of the nodes; resolves when it has it, or not. */
  readonly giveLead: (to: Observer) => Promise<void>;
}

/**
 * The supervisors of one term. Made when this member is the established leader of `term` and has applied that term's
 * first entry; stopped for good when it loses the lead. The next term gets a new object and a new client, so nothing
 * remembered or under way outlives the term that justified it.
 */
export class Leadership {
  readonly term: number;
  readonly #ports: LeadershipPorts;
  #options: LeadershipOptions;
  readonly #vantage: Vantage;
  /** Monotonic milliseconds: the lead stood by then. */
  readonly #leadSinceMs: number;
  readonly #supervisors = new Map<string, Supervisor>();
  /** Supervisors of deleted clusters that have not ended yet. */
  readonly #ending = new Set<Promise<void>>();
  #unwatch: (() => void) | null = null;
  #syncTimer: Timer | null = null;
  #stopped: Promise<void> | null = null;

  constructor(term: number, ports: LeadershipPorts, options: LeadershipOptions) {
    this.term = term;
    this.#ports = { ...ports, logger: ports.logger.child({ term }) };
    this.#options = options;
    this.#leadSinceMs = ports.clock.monotonicMs();
    this.#vantage = new Vantage({
      ...this.#ports,
      lookIntervalMs: () => this.#options.pingIntervalMs,
      reach: () => [...this.#supervisors.values()].flatMap((supervisor) => supervisor.reach()),
    });
  }

  /** Starts a supervisor a cluster and follows the records. Call once. */
  start(): void {
    this.#ports.logger.info('leadership.started', { clusters: this.#ports.records.allClusters().length });
    this.#unwatch = this.#ports.records.watch(() => this.#scheduleSync());
    this.#tellElection();
    this.#ports.client.watchLost((address) => {
      for (const supervisor of this.#supervisors.values()) supervisor.connectionLost(address);
    });
    this.#sync();
  }

  /** Ends everything under way and resolves when it has ended. Idempotent. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  /** Everybody decides by other numbers from now on. */
  adopt(settings: LiveSettings): void {
    this.#options = { ...settings, leaseMs: this.#options.leaseMs };
    for (const supervisor of this.#supervisors.values()) supervisor.adopt(settings);
  }

  /** Looks at the nodes of a cluster at once instead of at the next round. */
  nudge(namespace: Name, cluster: Name): void {
    this.#supervisors.get(keyOf(namespace, cluster))?.nudge();
  }

  /** Looks at the spares of a cluster soon, instead of at the next round. */
  lookAtSpares({ namespace, cluster }: ClusterPlace): void {
    this.#supervisors.get(keyOf(namespace, cluster))?.lookAtSpares();
  }

  /**
   * Looks at all nodes of a cluster, or at one, and tells them its topology again, also where they seem in place. Resolves once that is done,
   * or after 5 s, with what became of each.
   */
  async sync(place: ClusterPlace, node: NodeId | null): Promise<Result<readonly SyncedNode[], SyncRefusal>> {
    const supervisor = this.#supervisorOf(place);
    if (supervisor.ok) return supervisor.value.sync(node);
    return err({ kind: supervisor.error.kind === 'missing' ? 'missing' : 'notLeader' });
  }

  /** Compares the store with what every node of a cluster says now. Resolves within seconds; changes nothing. */
  async check(place: ClusterPlace): Promise<Result<ClusterCheck, CheckRefusal>> {
    const supervisor = this.#supervisorOf(place);
    if (supervisor.ok) return supervisor.value.check();
    return err({ kind: supervisor.error.kind === 'missing' ? 'missing' : 'notLeader' });
  }

  /** What the supervisor of a cluster sees; null when there is none. */
  status(namespace: Name, cluster: Name): ClusterStatus | null {
    return this.#supervisors.get(keyOf(namespace, cluster))?.status() ?? null;
  }

  /** As `Supervisor.explain`; null also when there is no such cluster. */
  explain(namespace: Name, cluster: Name, shardIndex: number): Explanation | null {
    return this.#supervisors.get(keyOf(namespace, cluster))?.explain(shardIndex) ?? null;
  }

  /** As `Supervisor.tasks`; empty also when there is no such cluster. */
  tasks(namespace: Name, cluster: Name): ReadonlyMap<number, TaskSight> {
    return this.#supervisors.get(keyOf(namespace, cluster))?.tasks() ?? new Map();
  }

  /** What was last decided from of every cluster, for metrics; each is read when it is taken. */
  *lastSights(): Iterable<LastSight> {
    for (const { lastSight } of this.#supervisors.values()) if (lastSight !== null) yield lastSight;
  }

  /** The status of every cluster. */
  statuses(): readonly ClusterStatus[] {
    return [...this.#supervisors.values()].map((supervisor) => supervisor.status());
  }

  /**
   * Promotes `preferred`, or the best replica, after fresh looks at the shard. Resolves when the change is committed
   * and the new master was told, or a bounded time has passed. Never takes another node than `preferred`.
   */
  async failover(request: FailoverRequest): Promise<Result<FailoverDone, FailoverRefusal>> {
    const supervisor = this.#supervisorOf(request);
    return supervisor.ok ? supervisor.value.failover(handRequest(request)) : supervisor;
  }

  /** What `failover` would do now and what it would cost, after the same looks; nothing is changed. */
  async planFailover(request: FailoverRequest): Promise<Result<HandPlan, FailoverRefusal>> {
    const supervisor = this.#supervisorOf(request);
    return supervisor.ok ? supervisor.value.planFailover(handRequest(request)) : supervisor;
  }

  /** Nothing depends on it: where it cannot be written down, the log of this member has it all the same. */
  #tellElection(): void {
    const text = `member ${this.#ports.witnesses.panel().self} leads from term ${this.term} on`;
    const told = this.#ports.records.tell({ kind: 'leaderElected', text }, this.term).then((outcome) => {
      if (!outcome.ok) this.#ports.logger.debug('leadership.untold', { reason: outcome.error.kind });
    });
    this.#ending.add(told);
    void told.then(() => this.#ending.delete(told));
  }

  #supervisorOf({ namespace, cluster }: ClusterPlace): Result<Supervisor, FailoverRefusal> {
    if (this.#stopped !== null) return err({ kind: 'notLeader' });
    // The watcher may be a moment behind a route that just created the cluster.
    this.#sync();
    const supervisor = this.#supervisors.get(keyOf(namespace, cluster));
    return supervisor === undefined ? err({ kind: 'missing' }) : ok(supervisor);
  }

  async #stop(): Promise<void> {
    this.#unwatch?.();
    this.#syncTimer?.cancel();
    // Closing the client ends every look and push at once; what a node was already sent is a committed version.
    const ending = [...this.#supervisors.values()].map((supervisor) => supervisor.stop());
    this.#supervisors.clear();
    this.#ports.client.close();
    await Promise.all([...ending, ...this.#ending, this.#ports.witnesses.close()]);
    await this.#vantage.ended();
    this.#ports.logger.info('leadership.stopped');
  }

  /** Changes of many records in a row lead to one comparison. */
  #scheduleSync(): void {
    this.#syncTimer ??= this.#ports.clock.setTimer(0, () => this.#sync());
  }

  #sync(): void {
    this.#syncTimer?.cancel();
    this.#syncTimer = null;
    if (this.#stopped !== null) return;
    const gone = new Set(this.#supervisors.keys());
    for (const record of this.#ports.records.allClusters()) {
      const key = keyOf(record.namespace, record.cluster.name);
      gone.delete(key);
      const supervisor = this.#supervisors.get(key);
      if (supervisor === undefined) this.#begin(key, record);
      else {
        supervisor.recordChanged(record);
        supervisor.policiesChanged();
        supervisor.tasksChanged();
        supervisor.departuresChanged();
      }
    }
    for (const key of gone) this.#end(key);
  }

  #begin(key: string, record: ClusterRecord): void {
    const onBetterPlaced = (observers: ReadonlySet<Observer>): void => this.#vantage.notice(observers);
    const lead = { term: this.term, leadSinceMs: this.#leadSinceMs };
    const context = { ...this.#ports, ...lead, onBetterPlaced, census: () => this.#census() };
    const supervisor = new Supervisor(record, context, this.#options);
    this.#supervisors.set(key, supervisor);
    supervisor.start();
  }

  #census(): Census {
    let [nodes, missed] = [0, 0];
    for (const { count } of this.#supervisors.values()) {
      nodes += count.nodes;
      missed += count.missed;
    }
    return { nodes, missed };
  }

  #end(key: string): void {
    const supervisor = this.#supervisors.get(key);
    if (supervisor === undefined) return;
    this.#supervisors.delete(key);
    this.#ports.metrics.forget(supervisor.place);
    const ended = supervisor.stop();
    this.#ending.add(ended);
    void ended.then(() => this.#ending.delete(ended));
  }
}

function handRequest({ namespace: _n, cluster: _c, ...request }: FailoverRequest): HandRequest {
  return request;
}

/** Names contain no slash, so one text is one cluster. */
function keyOf(namespace: Name, cluster: Name): string {
  return `${namespace}/${cluster}`;
}
