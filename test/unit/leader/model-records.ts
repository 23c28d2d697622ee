// The registry as a model: records with revisions, committed after a while, refused to whoever does not lead.

import type { Clock } from '../../../src/base/clock.ts';
import { err, ok, type Result } from '../../../src/base/result.ts';
import type {
  ClusterRecords,
  DepartureLists,
  PolicyRecords,
  PolicyStamp,
  Told,
} from '../../../src/leader/ports.ts';
import {
  type ClusterPolicy,
  type GroupPolicy,
  NO_CLUSTER_POLICY,
  NO_GROUP_POLICY,
  policyFor,
} from '../../../src/topology/policy.ts';
import {
  type ChangeError,
  type ClusterPlace,
  type ClusterRecord,
  clusterRecord,
} from '../../../src/topology/record.ts';
import { type ClusterFacts, initialFacts } from '../../../src/topology/facts.ts';
import type { EventDraft } from '../../../src/topology/event.ts';
import { type Departures, departuresAfter } from '../../../src/topology/departure.ts';
import { allNodes } from '../../../src/topology/cluster.ts';
import { NO_TASKS, type TaskBook } from '../../../src/topology/task.ts';
import type { Cluster, Name, NodeAddress } from '../../../src/topology/types.ts';

const COMMIT_MS = 2;

interface Change {
  readonly term: number;
  readonly facts?: ClusterFacts;
  readonly tasks?: { readonly before: TaskBook; readonly after: TaskBook };
  readonly policy?: ClusterPolicy;
  readonly events?: { readonly drafts: readonly EventDraft[] };
}

/** What people want, as a test sets it. */
export class ModelPolicies implements PolicyRecords {
  group: GroupPolicy = NO_GROUP_POLICY;
  cluster: ClusterPolicy = NO_CLUSTER_POLICY;

  ofGroup(): GroupPolicy {
    return this.group;
  }

  ofCluster(): ClusterPolicy {
    return this.cluster;
  }

  stamp(): PolicyStamp {
    return [];
  }
}

export class ModelRecords implements ClusterRecords {
  term = 1;
  storesDrains = true;
  readonly policies = new ModelPolicies();
  /** What has left, of all clusters together: a scene has one. */
  departed: Departures = [];
  readonly departures: DepartureLists = {
    ofCluster: () => this.departed,
    change: (_, change, options) => this.#changeDepartures(change, options),
  };
  /** Moves of slots, of all clusters together. */
  book: TaskBook = NO_TASKS;
  readonly tasks = { ofCluster: () => this.book };
  /** The next commits end like this instead, oldest first; `unknown` ones are applied all the same. */
  readonly nextErrors: ChangeError[] = [];
  readonly history: Cluster[] = [];
  /** How often the lead was confirmed, and what happens before the next answer to that. */
  confirmations = 0;
  beforeConfirmation: () => void = () => {};
  readonly #clock: Clock;
  readonly #records = new Map<string, ClusterRecord>();
  readonly #listeners = new Set<() => void>();
  #revision = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What a route of the API does; the leader's own changes bring facts. */
  put(namespace: Name, cluster: Cluster, facts?: ClusterFacts): void {
    this.#revision += 1;
    const before = this.getCluster(namespace, cluster.name);
    const known = before ?? { facts: initialFacts(cluster), factsRevision: 0 };
    const factsRevision = facts === undefined ? known.factsRevision : this.#revision;
    const isClusterChanged = cluster !== before?.cluster;
    if (before !== null && isClusterChanged) {
      const nowSeconds = Math.floor(this.#clock.wallMs() / 1000);
      const change = { before: before.cluster, after: cluster, nowSeconds };
      this.departed = departuresAfter(this.departed, change).departures;
    }
    const revision = isClusterChanged ? this.#revision : before.revision;
    const record = { namespace, cluster, revision, facts: facts ?? known.facts, factsRevision };
    this.#records.set(`${namespace}/${cluster.name}`, clusterRecord(record));
    if (!isClusterChanged) return;
    this.history.push(cluster);
    for (const listener of this.#listeners) listener();
  }

  /** What people want has changed. */
  changed(): void {
    for (const listener of this.#listeners) listener();
  }

  remove(namespace: Name, cluster: Name): void {
    this.#records.delete(`${namespace}/${cluster}`);
    for (const listener of this.#listeners) listener();
  }

  allClusters(): readonly ClusterRecord[] {
    return [...this.#records.values()];
  }

  getCluster(namespace: Name, cluster: Name): ClusterRecord | null {
    return this.#records.get(`${namespace}/${cluster}`) ?? null;
  }

  ownerOf(address: NodeAddress): ClusterPlace | null {
    const owner = this.allClusters().find(({ cluster }) =>
      allNodes(cluster).some(({ node }) => node.address === address),
    );
    return owner === undefined ? null : { namespace: owner.namespace, cluster: owner.cluster.name };
  }

  #changeDepartures(
    change: (present: Departures) => Departures | null,
    { term, events }: { readonly term: number; readonly events: Told },
  ): Promise<Result<void, ChangeError>> {
    return new Promise((resolve) => {
      this.#clock.setTimer(COMMIT_MS, () => {
        const next = term === this.term ? change(this.departed) : null;
        if (next === null) {
          resolve(err({ kind: term === this.term ? 'missing' : 'notLeader' }));
          return;
        }
        this.departed = next;
        this.told.push(...events.drafts);
        this.changed();
        resolve(ok(undefined));
      });
    });
  }

  /** What the leader has told of the group, and of its clusters with what it committed. */
  readonly told: EventDraft[] = [];

  tell(event: EventDraft): Promise<Result<void, ChangeError>> {
    this.told.push(event);
    return Promise.resolve(ok(undefined));
  }

  linearize(): Promise<Result<void, ChangeError>> {
    return new Promise((resolve) => {
      this.#clock.setTimer(COMMIT_MS, () => {
        this.beforeConfirmation();
        this.confirmations += 1;
        const planned = this.nextErrors.shift();
        resolve(planned === undefined ? ok(undefined) : err(planned));
      });
    });
  }

  replaceCluster(record: ClusterRecord, next: Cluster, change: Change): Promise<Result<void, ChangeError>> {
    return new Promise((resolve) => {
      this.#clock.setTimer(COMMIT_MS, () => resolve(this.#replace(record, next, change)));
    });
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  #replace(
    record: ClusterRecord,
    next: Cluster,
    { term, facts, policy, tasks, events }: Change,
  ): Result<void, ChangeError> {
    if (term !== this.term) return err({ kind: 'notLeader' });
    const planned = this.nextErrors.shift();
    if (planned !== undefined && planned.kind !== 'unknown') return err(planned);
    const current = this.getCluster(record.namespace, record.cluster.name);
    if (current === null) return err({ kind: 'missing' });
    if (current.revision !== record.revision) return err({ kind: 'conflict' });
    if (facts !== undefined && current.factsRevision !== record.factsRevision) {
      return err({ kind: 'conflict' });
    }
    if (tasks !== undefined && tasks.before !== this.book) return err({ kind: 'conflict' });
    this.book = tasks?.after ?? this.book;
    this.told.push(...(events?.drafts ?? []));
    if (policy !== undefined) this.policies.cluster = policyFor(policy, next);
    this.put(record.namespace, next, facts);
    return planned === undefined ? ok(undefined) : err(planned);
  }
}
