// Starts a leadership when the lead stands and stops it when it is lost.

import { err, type Result } from '../base/result.ts';
import type { CheckRefusal, ClusterCheck } from '../control/check.ts';
import type { Explanation } from '../control/explain.ts';
import type { FailoverDone, FailoverRefusal, FailoverRequest } from '../control/failover-request.ts';
import type { HandPlan } from '../control/plan-by-hand.ts';
import type { LiveSettings } from '../control/settings.ts';
import type { ClusterPlace } from '../topology/record.ts';
import type { ClusterStatus } from '../control/status.ts';
import type { SyncedNode, SyncRefusal } from '../control/sync-outcome.ts';
import type { TaskSight } from '../control/tasks.ts';
import type { Name, NodeId } from '../topology/types.ts';
import type { Leadership } from './leadership.ts';
import type { LastSight } from './last-sight.ts';

/** What is known of the own place in the group. */
export interface LeadView {
  readonly term: number;
  /** True when this member leads and has applied its own term's first entry. */
  readonly established: boolean;
}

/** Owns at most one running leadership, and those that are still ending. */
export class LeadershipTerms {
  readonly #begin: (term: number) => Leadership;
  readonly #ending = new Set<Promise<void>>();
  #current: Leadership | null = null;

  /** `begin` makes the leadership of a term; it is started here. */
  constructor(begin: (term: number) => Leadership) {
    this.#begin = begin;
  }

  /** To be told of every change. The end of an old term is not awaited: its term is its fence. */
  follow(view: LeadView): void {
    const wanted = view.established ? view.term : null;
    if (wanted === (this.#current?.term ?? null)) return;
    this.#end();
    if (wanted === null) return;
    this.#current = this.#begin(wanted);
    this.#current.start();
  }

  /** For the leadership of the present term, if there is one; the next ones begin with them. */
  adopt(settings: LiveSettings): void {
    this.#current?.adopt(settings);
  }

  /** As `Leadership.lastSights`; empty on a member that does not lead. */
  lastSights(): Iterable<LastSight> {
    return this.#current?.lastSights() ?? [];
  }

  /** The status of every cluster; empty on a member that does not lead. */
  statuses(): readonly ClusterStatus[] {
    return this.#current?.statuses() ?? [];
  }

  /** What the leadership of the present term sees of a cluster; null where there is none. */
  status({ namespace, cluster }: ClusterPlace): ClusterStatus | null {
    return this.#current?.status(namespace, cluster) ?? null;
  }

  /** Why it replaces the master of a shard, or does not; null likewise. */
  explain({ namespace, cluster }: ClusterPlace, shardIndex: number): Explanation | null {
    return this.#current?.explain(namespace, cluster, shardIndex) ?? null;
  }

  /** How the open migrations of a cluster come on, by their ids. */
  tasks({ namespace, cluster }: ClusterPlace): ReadonlyMap<number, TaskSight> {
    return this.#current?.tasks(namespace, cluster) ?? new Map();
  }

  /** Has the nodes of a cluster looked at at once by the leadership of the present term, if there is one. */
  nudge(namespace: Name, cluster: Name): void {
    this.#current?.nudge(namespace, cluster);
  }

  /** Has the spares of a cluster looked at soon; nothing where there is no leadership. */
  lookAtSpares(place: ClusterPlace): void {
    this.#current?.lookAtSpares(place);
  }

  /** Has nodes told their topology again; `notLeader` where there is no leadership. */
  sync(place: ClusterPlace, node: NodeId | null): Promise<Result<readonly SyncedNode[], SyncRefusal>> {
    if (this.#current === null) return Promise.resolve(err({ kind: 'notLeader' }));
    return this.#current.sync(place, node);
  }

  /** Has a cluster compared with its nodes; `notLeader` where there is no leadership. */
  check(place: ClusterPlace): Promise<Result<ClusterCheck, CheckRefusal>> {
    if (this.#current === null) return Promise.resolve(err({ kind: 'notLeader' }));
    return this.#current.check(place);
  }

  /** Manual failover by the leadership of the present term; `notLeader` where there is none. */
  failover(request: FailoverRequest): Promise<Result<FailoverDone, FailoverRefusal>> {
    if (this.#current === null) return Promise.resolve(err({ kind: 'notLeader' }));
    return this.#current.failover(request);
  }

  /** What a manual failover would do now; `notLeader` where there is no leadership. */
  planFailover(request: FailoverRequest): Promise<Result<HandPlan, FailoverRefusal>> {
    if (this.#current === null) return Promise.resolve(err({ kind: 'notLeader' }));
    return this.#current.planFailover(request);
  }

  /** Stops what runs and resolves when everything has ended. */
  async close(): Promise<void> {
    this.#end();
    await Promise.all(this.#ending);
  }

  #end(): void {
    const current = this.#current;
    this.#current = null;
    if (current === null) return;
    const ended = current.stop();
    this.#ending.add(ended);
    void ended.then(() => this.#ending.delete(ended));
  }
}
