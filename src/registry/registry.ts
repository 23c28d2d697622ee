// Namespaces and clusters as records of the replicated store.

import { assert } from '../base/assert.ts';
import { type Result, err, ok } from '../base/result.ts';
import type { Key, Revision, Store, StoredValue, StoreUnavailable } from '../store/types.ts';
import { type ClusterFacts, factsFor, initialFacts } from '../topology/facts.ts';
import type { EventDraft } from '../topology/event.ts';
import type { ClusterPolicy } from '../topology/policy.ts';
import type { ChangeError, ClusterPlace, ClusterRecord } from '../topology/record.ts';
import type { TaskBook } from '../topology/task.ts';
import type { Cluster, Name, NodeAddress } from '../topology/types.ts';
import { ClusterPlans, type Replacement, revisionOf } from './cluster-plans.ts';
import { Committer, type CommitterOptions, type Planned } from './committer.ts';
import { DepartureRecords } from './departures.ts';
import { EventLog, isEventKey, type Told } from './event-log.ts';
import { JoinedRecords } from './joined-records.ts';
import {
  addressKey,
  changedPlaceOf,
  clusterKey,
  clusterOf,
  clustersPrefix,
  factsKey,
  GROUP_POLICY_KEY,
  NAMESPACE_PREFIX,
  namespaceKey,
  namespaceOf,
} from './keys.ts';
import { Policies, type PolicyStamp } from './policies.ts';
import { decodeClaim, encodeNamespace } from './record-codec.ts';
import { TaskRecords } from './tasks.ts';
import type { RegistryChange } from './types.ts';
import { WebhookCursors } from './webhook-cursors.ts';

const UNTOLD: Told = { actor: 'api', drafts: [] };

export interface RegistryOptions extends CommitterOptions {
  /** The group's feature level as applied here; it never goes down. */
  readonly featureLevel: () => number;
}

export interface ReplaceOptions {
  /** What is known of the cluster's copies from now on, in the place of `record.facts`; without it that stays as it is. */
  readonly facts?: ClusterFacts;
  /** The fence: nothing is proposed unless this member leads exactly that term. */
  readonly term?: number;
  /** The change is made only if people still want what they wanted then. */
  readonly underPolicies?: PolicyStamp;
  /** What is wanted of the cluster from now on, in the place of what `underPolicies` names. */
  readonly policy?: ClusterPolicy;
  /** Its moves of slots as they were read, and as they are from now on. */
  readonly tasks?: { readonly before: TaskBook; readonly after: TaskBook };
  /** What is told of it, and who did it; nothing where nobody says anything. */
  readonly events?: Told;
}

/**
 * Reads are local: call `linearize` first where the answer must contain everything acknowledged before. Changes are compared
 * with what they rely on inside the log, so a stale read makes them fail, never go wrong. Nothing rejects or throws but for
 * records of a later release (`UnreadableRecordError`).
 */
export class Registry {
  /** What people want of the automation. */
  readonly policies: Policies;
  /** What has left, and has to be told. */
  readonly departures: DepartureRecords;
  /** Moves of slots that somebody asked for. */
  readonly tasks: TaskRecords;
  /** What has happened. */
  readonly events: EventLog;
  /** Who was told how much of it. */
  readonly webhookCursors: WebhookCursors;
  readonly #store: Store;
  readonly #records: JoinedRecords;
  readonly #plans: ClusterPlans;
  readonly #committer: Committer;
  readonly #deadlineMs: number;
  /** Clusters whose unstored facts are being replaced: the log does not compare these, so there is one change at a time. */
  readonly #replacing = new Set<Key>();

  constructor(options: RegistryOptions) {
    this.#store = options.store;
    this.#deadlineMs = options.deadlineMs;
    this.#records = new JoinedRecords(options.store);
    this.events = new EventLog(options);
    this.#committer = new Committer(options);
    this.departures = new DepartureRecords({ ...options, committer: this.#committer, events: this.events });
    this.tasks = new TaskRecords(options);
    const { events, departures, tasks } = this;
    this.#plans = new ClusterPlans({ ...options, records: this.#records, events, departures, tasks });
    this.webhookCursors = new WebhookCursors({ store: options.store, committer: this.#committer });
    this.policies = new Policies({ ...options, committer: this.#committer, events: this.events });
  }

  /** Resolves once reads here contain everything acknowledged before the call. */
  linearize(): Promise<Result<void, StoreUnavailable>> {
    return this.#store.linearize(this.#deadlineMs);
  }

  /** Calls `listener` synchronously after each applied change of clusters, policies, departures or tasks; of facts alone it does not hear. Returns the way to stop. */
  watch(listener: (change: RegistryChange) => void): () => void {
    return this.#store.watch((change) => {
      if (change.kind === 'replaced' || change.keys.includes(GROUP_POLICY_KEY)) {
        listener({ kind: 'replaced' });
        return;
      }
      const clusters = change.keys.map(changedPlaceOf).filter((place) => place !== null);
      if (clusters.length > 0) listener({ kind: 'clusters', clusters });
    });
  }

  /** Calls `listener` synchronously after each applied change of events or of what is wanted for all clusters. Returns the way to stop. */
  watchEvents(listener: () => void): () => void {
    return this.#store.watch((change) => {
      const isNews =
        change.kind === 'replaced' || change.keys.some((key) => key === GROUP_POLICY_KEY || isEventKey(key));
      if (isNews) listener();
    });
  }

  /** In code unit order of the names, those behind `after`; as of the call, however slowly they are taken. */
  listNamespaces(after: Name | null = null): Iterable<Name> {
    return namesOf(
      this.#store.scan(NAMESPACE_PREFIX, after === null ? null : namespaceKey(after)),
      namespaceOf,
    );
  }

  hasNamespace(namespace: Name): boolean {
    return this.#store.get(namespaceKey(namespace)) !== null;
  }

  /** Fails with `exists`. */
  createNamespace(namespace: Name): Promise<Result<void, ChangeError>> {
    const key = namespaceKey(namespace);
    return this.#commit(() => {
      if (this.#store.get(key) !== null) return err({ kind: 'exists' });
      return ok({ compare: [{ key, revision: 0 }], put: [{ key, value: encodeNamespace() }], remove: [] });
    });
  }

  /**
   * Fails with `missing` or `namespaceNotEmpty`. Every creation of a cluster rewrites the record of its namespace, so one that
   * comes between the look at the clusters and the commit changes the revision compared here.
   */
  deleteNamespace(namespace: Name): Promise<Result<void, ChangeError>> {
    return this.#commit(() => {
      const stored = this.#store.get(namespaceKey(namespace));
      if (stored === null) return err({ kind: 'missing' });
      for (const _ of this.#store.scan(clustersPrefix(namespace), null))
        return err({ kind: 'namespaceNotEmpty' });
      return ok({ compare: [revisionOf(stored)], put: [], remove: [stored.key] });
    });
  }

  /** As `listNamespaces`; empty also when there is no such namespace. */
  listClusters(namespace: Name, after: Name | null = null): Iterable<Name> {
    const behind = after === null ? null : clusterKey({ namespace, cluster: after });
    return namesOf(this.#store.scan(clustersPrefix(namespace), behind), clusterOf);
  }

  /** In code unit order of namespace, then name. */
  allClusters(): readonly ClusterRecord[] {
    return this.#records.all();
  }

  getCluster(namespace: Name, cluster: Name): ClusterRecord | null {
    return this.#records.get({ namespace, cluster });
  }

  /** The cluster that has a node or a spare at `address`; null when none has. */
  ownerOf(address: NodeAddress): ClusterPlace | null {
    const claim = this.#store.get(addressKey(address));
    return claim === null ? null : decodeClaim(claim);
  }

  /** Fails with `missing` (no such namespace), `exists` or `addressTaken`. */
  async createCluster(
    namespace: Name,
    cluster: Cluster,
    facts: ClusterFacts = initialFacts(cluster),
    events: Told = UNTOLD,
  ): Promise<Result<void, ChangeError>> {
    const place = { namespace, cluster: cluster.name };
    const creation = { place, cluster, facts: factsFor(facts, cluster), events };
    const committed = await this.#committer.commit(() => this.#plans.create(creation));
    if (!committed.ok) return committed;
    const stored = this.#store.get(clusterKey(place));
    if (stored?.revision === committed.value && !this.#areFactsStored(place)) {
      this.#records.keep(stored, creation.facts);
    }
    return ok(undefined);
  }

  /**
   * Puts `next` in the place of `record`, taking and releasing addresses with it, and `facts` in the place of what is known of its copies,
   * in one transaction. With `record.cluster` itself as `next` only the facts change. Fails with `missing`, `conflict` (changed since
   * `record` was read; facts and policies count only if some are given), `addressTaken` or `featureLevel`.
   */
  replaceCluster(
    record: ClusterRecord,
    next: Cluster,
    { facts, term, underPolicies = [], policy, tasks, events = UNTOLD }: ReplaceOptions = {},
  ): Promise<Result<void, ChangeError>> {
    assert(next.name === record.cluster.name, 'a cluster keeps its name');
    assert(next.version >= record.cluster.version, 'the version of a cluster never goes down');
    const place = { namespace: record.namespace, cluster: next.name };
    const nextFacts = facts === undefined ? null : factsFor(facts, next);
    assert(
      policy === undefined || underPolicies.length > 0,
      'a policy is made of one that has to be the same still',
    );
    const change: Replacement = {
      place,
      record,
      next,
      facts: nextFacts,
      underPolicies,
      policy: policy ?? null,
      tasks: tasks ?? null,
      events,
    };
    return nextFacts === null || this.#plans.storesFacts
      ? this.#replace(change, term ?? null)
      : this.#replaceAlone(change, term ?? null);
  }

  /** Whether the group is at a level at which a planned change of masters can be recorded. */
  get storesDrains(): boolean {
    return this.#plans.storesDrains;
  }

  /** Fails with `missing` or `conflict`. What is told of it goes to the log of the group: that of the cluster goes with it. */
  deleteCluster(record: ClusterRecord, events: Told = UNTOLD): Promise<Result<void, ChangeError>> {
    return this.#commit(() => this.#plans.delete(record, events));
  }

  /**
   * Writes something down that concerns the whole group; nothing before all members know events. Refused unless this member leads exactly
   * `term`.
   */
  async tell(draft: EventDraft, term: number): Promise<Result<void, ChangeError>> {
    if (!this.events.areStored) return ok(undefined);
    const entry = { place: null, drafts: [draft], actor: 'controller', versions: null } as const;
    const committed = await this.#committer.commit(() => ok(this.events.part(entry)), term);
    return committed.ok ? ok(undefined) : committed;
  }

  async #commit(plan: () => Planned): Promise<Result<void, ChangeError>> {
    const committed = await this.#committer.commit(plan);
    return committed.ok ? ok(undefined) : committed;
  }

  async #replaceAlone(change: Replacement, term: number | null): Promise<Result<void, ChangeError>> {
    const key = clusterKey(change.place);
    if (this.#replacing.has(key)) return err({ kind: 'conflict' });
    this.#replacing.add(key);
    try {
      return await this.#replace(change, term);
    } finally {
      this.#replacing.delete(key);
    }
  }

  async #replace(change: Replacement, term: number | null): Promise<Result<void, ChangeError>> {
    const before = this.#store.get(clusterKey(change.place));
    const committed = await this.#committer.commit(() => this.#plans.replace(change), term);
    if (!committed.ok) return committed;
    if (before !== null && !this.#areFactsStored(change.place)) {
      this.#keepFacts(change, before, committed.value);
    }
    return ok(undefined);
  }

  /**
   * After a change that was committed at `revision` without storing facts. Several changes may have been applied before the first of them
   * is told here: each leaves what is known beside the value that it made, where the next one finds it.
   */
  #keepFacts({ place, record, next, facts }: Replacement, before: StoredValue, revision: Revision): void {
    if (next === record.cluster) {
      if (facts !== null) this.#records.keep(before, facts);
      return;
    }
    const after = this.#store.get(clusterKey(place));
    if (after?.revision !== revision) return;
    if (facts === null) this.#records.carryOver(before, after);
    else this.#records.keep(after, facts);
  }

  #areFactsStored(place: ClusterPlace): boolean {
    return this.#store.get(factsKey(place)) !== null;
  }
}

function* namesOf(values: Iterable<StoredValue>, nameOf: (key: Key) => Name): Generator<Name, undefined> {
  for (const { key } of values) yield nameOf(key);
}
