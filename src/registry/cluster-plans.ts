// The transactions that change clusters, made of the local state: what each one compares and writes.

import { type Result, err, ok } from '../base/result.ts';
import type { Store, StoredValue } from '../store/types.ts';
import { allNodes } from '../topology/cluster.ts';
import { departuresAfter } from '../topology/departure.ts';
import type { EventDraft } from '../topology/event.ts';
import { type ClusterFacts, factsFor } from '../topology/facts.ts';
import { type ClusterPolicy, NO_CLUSTER_POLICY, policyFor } from '../topology/policy.ts';
import type { ChangeError, ClusterPlace, ClusterRecord } from '../topology/record.ts';
import { opensTask, type TaskBook } from '../topology/task.ts';
import type { Cluster, NodeAddress, NodeId } from '../topology/types.ts';
import { planClaims } from './claims.ts';
import type { Planned, TransactionPlan } from './committer.ts';
import { encodeDepartures } from './departure-codec.ts';
import type { DepartureRecords } from './departures.ts';
import { encodeFacts } from './facts-codec.ts';
import { DEPARTURE_LEVEL, DRAIN_LEVEL, levelNeededBy, STORED_FACTS_LEVEL } from './feature-level.ts';
import type { EventLog, Told } from './event-log.ts';
import type { JoinedRecords } from './joined-records.ts';
import { type PolicyStamp, spareAddresses } from './policies.ts';
import { addressKey, clusterKey, departuresKey, factsKey, namespaceKey, policyKey } from './keys.ts';
import { decodeClusterPolicy, encodeClusterPolicy } from './policy-codec.ts';
import { encodeCluster } from './record-codec.ts';
import type { TaskRecords } from './tasks.ts';

export interface ClusterPlansParts {
  readonly store: Store;
  readonly records: JoinedRecords;
  readonly events: EventLog;
  readonly departures: DepartureRecords;
  readonly tasks: TaskRecords;
  readonly clock: { readonly wallMs: () => number };
  /** See `RegistryOptions`. */
  readonly featureLevel: () => number;
}

export interface Creation {
  readonly place: ClusterPlace;
  readonly cluster: Cluster;
  readonly facts: ClusterFacts;
  readonly events: Told;
}

export interface Replacement {
  readonly place: ClusterPlace;
  /** What the change was made of. */
  readonly record: ClusterRecord;
  /** `record.cluster` itself when only the facts change. */
  readonly next: Cluster;
  /** In step with `next`; null to leave them as they are. */
  readonly facts: ClusterFacts | null;
  /** Policies that have to be as they were. */
  readonly underPolicies: PolicyStamp;
  /** What is wanted of the cluster from now on, made of what `underPolicies` names; null to leave it, but for nodes that leave. */
  readonly policy: ClusterPolicy | null;
  /** The moves of slots as they were read, and as they are from now on; null to leave them. */
  readonly tasks: { readonly before: TaskBook; readonly after: TaskBook } | null;
  readonly events: Told;
}

/** What a part of a plan adds to it. */
type Part = Pick<TransactionPlan, 'compare' | 'put'>;

const NOTHING: Part = { compare: [], put: [] };
const NO_PLAN: TransactionPlan = { ...NOTHING, remove: [] };

export class ClusterPlans {
  readonly #store: Store;
  readonly #records: JoinedRecords;
  readonly #events: EventLog;
  readonly #departures: DepartureRecords;
  readonly #tasks: TaskRecords;
  readonly #clock: ClusterPlansParts['clock'];
  readonly #featureLevel: () => number;

  constructor({ store, records, events, departures, tasks, clock, featureLevel }: ClusterPlansParts) {
    this.#store = store;
    this.#events = events;
    this.#records = records;
    this.#departures = departures;
    this.#tasks = tasks;
    this.#clock = clock;
    this.#featureLevel = featureLevel;
  }

  /** Refused with `missing` (no such namespace), `exists`, `addressTaken` or `featureLevel`. */
  create({ place, cluster, facts, events }: Creation): Planned {
    const parent = this.#store.get(namespaceKey(place.namespace));
    if (parent === null) return err({ kind: 'missing' });
    const key = clusterKey(place);
    if (this.#store.get(key) !== null) return err({ kind: 'exists' });
    const claims = planClaims(this.#store, place, {
      before: new Set(),
      after: new Set(addressesOf(cluster)),
    });
    if (!claims.ok) return claims;
    const written = this.#write(place, cluster);
    if (!written.ok) return written;
    const told = this.#events.part({ place, ...events, versions: { before: 0, after: cluster.version } });
    return ok({
      compare: [revisionOf(parent), { key, revision: 0 }, ...claims.value.compare, ...told.compare],
      // The namespace is written again for its revision only.
      put: [
        { key: parent.key, value: parent.value },
        ...written.value,
        ...(this.storesFacts ? [{ key: factsKey(place), value: encodeFacts(facts) }] : []),
        ...claims.value.put,
        ...told.put,
      ],
      remove: told.remove,
    });
  }

  /** Refused with `missing`, `conflict`, `observed`, `addressTaken` (also by a spare of this very cluster) or `featureLevel`. */
  replace(change: Replacement): Planned {
    const { place, record, next } = change;
    const current = this.#current(place, record);
    if (!current.ok) return current;
    const { observedSinceSeconds: sinceSeconds } = change.facts ?? record.facts;
    if (sinceSeconds !== null) return err({ kind: 'observed', sinceSeconds });
    const claims = this.#replaceClaims(change);
    if (!claims.ok) return claims;
    const facts = change.facts === null ? ok(this.#forget(change)) : this.#replaceFacts(change, change.facts);
    if (!facts.ok) return facts;
    // Whoever deletes the cluster, or removes a shard, knows of every open task from its revision.
    const isToBeSeen = change.tasks !== null && opensTask(change.tasks.before, change.tasks.after);
    const written = next === record.cluster && !isToBeSeen ? ok([]) : this.#write(place, next);
    if (!written.ok) return written;
    const policy = this.#replacePolicy(change);
    const tasks = change.tasks === null ? ok(NO_PLAN) : this.#tasks.part(place, change.tasks);
    if (!tasks.ok) return tasks;
    if (!this.#areUnchanged(change.underPolicies)) return err({ kind: 'conflict' });
    const versions = { before: record.cluster.version, after: next.version };
    const departed = this.#depart(change);
    const drafts = [...change.events.drafts, ...departed.drafts];
    const told = this.#events.part({ place, actor: change.events.actor, drafts, versions });
    return ok({
      compare: [
        current.value,
        ...facts.value.compare,
        ...policy.compare,
        ...change.underPolicies.filter(({ key }) => policy.compare.every((own) => own.key !== key)),
        ...claims.value.compare,
        ...departed.compare,
        ...tasks.value.compare,
        ...told.compare,
      ],
      put: [
        ...written.value,
        ...facts.value.put,
        ...policy.put,
        ...claims.value.put,
        ...departed.put,
        ...tasks.value.put,
        ...told.put,
      ],
      remove: [...claims.value.remove, ...tasks.value.remove, ...told.remove],
    });
  }

  /**
   * Refused with `missing` or `conflict`. Its facts, its policy, its departures, its tasks and its events go too: nobody writes them without comparing the
   * cluster. The policy is compared for the claims of its spares.
   */
  delete(record: ClusterRecord, events: Told): Planned {
    const place = { namespace: record.namespace, cluster: record.cluster.name };
    const current = this.#current(place, record);
    if (!current.ok) return current;
    const policy = { key: policyKey(place), revision: this.#store.get(policyKey(place))?.revision ?? 0 };
    const claims = [...addressesOf(record.cluster), ...spareAddresses(this.#policyOf(place))].map(addressKey);
    const own = [
      clusterKey(place),
      factsKey(place),
      policyKey(place),
      departuresKey(place),
      ...this.#tasks.keysOf(place),
      ...this.#events.keysOf(place),
    ];
    const told = this.#events.part({ place: null, ...events, versions: null });
    return ok({
      compare: [current.value, policy, ...told.compare],
      put: told.put,
      remove: [...own, ...claims, ...told.remove],
    });
  }

  /** Whether the group is at a level at which facts are stored. */
  get storesFacts(): boolean {
    return this.#featureLevel() >= STORED_FACTS_LEVEL;
  }

  get storesDrains(): boolean {
    return this.#featureLevel() >= DRAIN_LEVEL;
  }

  /** The comparison that lets only the reader of `record` change it. */
  #current(place: ClusterPlace, record: ClusterRecord): Result<Comparison, ChangeError> {
    const current = this.#store.get(clusterKey(place));
    if (current === null) return err({ kind: 'missing' });
    if (current.revision !== record.revision) return err({ kind: 'conflict' });
    return ok(revisionOf(current));
  }

  #write(place: ClusterPlace, cluster: Cluster): Result<Part['put'], ChangeError> {
    const needed = levelNeededBy(cluster);
    const current = this.#featureLevel();
    if (needed > current) return err({ kind: 'featureLevel', needed, current });
    return ok([{ key: clusterKey(place), value: encodeCluster(place, cluster, current) }]);
  }

  /** Facts that are given replace exactly those that their maker read. */
  #replaceFacts({ place, record }: Replacement, facts: ClusterFacts): Result<Part, ChangeError> {
    if (this.#records.get(place)?.factsRevision !== record.factsRevision) return err({ kind: 'conflict' });
    if (!this.storesFacts) return ok(NOTHING);
    const key = factsKey(place);
    const revision = this.#store.get(key)?.revision ?? 0;
    const isUnchanged = facts === record.facts && revision > 0;
    return ok({
      compare: [{ key, revision }],
      put: isUnchanged ? [] : [{ key, value: encodeFacts(facts) }],
    });
  }

  /**
   * What was seen of nodes that leave is forgotten in the same transaction: one that comes back is a new one, and must not be believed on
   * the strength of what it once was. The newest facts are taken, so this is in nobody's way.
   */
  #forget({ place, record, next }: Replacement): Part {
    const stored = this.#store.get(factsKey(place));
    const staying = new Set(idsOf(next));
    if (stored === null || idsOf(record.cluster).every((id) => staying.has(id))) return NOTHING;
    const facts = factsFor(this.#records.storedFacts(stored), next);
    return { compare: [revisionOf(stored)], put: [{ key: stored.key, value: encodeFacts(facts) }] };
  }

  #areUnchanged(stamp: PolicyStamp): boolean {
    return stamp.every(({ key, revision }) => (this.#store.get(key)?.revision ?? 0) === revision);
  }

  /** What was wanted of nodes that leave is forgotten with them. */
  #replacePolicy({ place, record, next, policy }: Replacement): Part {
    if (policy === null && next === record.cluster) return NOTHING;
    const before = this.#policyOf(place);
    const after = policyFor(policy ?? before, next);
    if (after === before) return NOTHING;
    const key = policyKey(place);
    return {
      compare: [{ key, revision: this.#store.get(key)?.revision ?? 0 }],
      put: [{ key, value: encodeClusterPolicy(after, this.#featureLevel()) }],
    };
  }

  /**
   * Whoever leaves is remembered until it has heard of it, in the transaction of whatever change it leaves by; whoever is back need not hear of
   * it any more. Nothing before all members know departures.
   */
  #depart({ place, record, next }: Replacement): Part & { readonly drafts: readonly EventDraft[] } {
    const nothing = { ...NOTHING, drafts: [] };
    if (next === record.cluster || this.#featureLevel() < DEPARTURE_LEVEL) return nothing;
    const known = this.#departures.ofCluster(place);
    const nowSeconds = Math.max(0, Math.floor(this.#clock.wallMs() / 1000));
    const { departures, forgotten } = departuresAfter(known, {
      before: record.cluster,
      after: next,
      nowSeconds,
    });
    if (departures === known) return nothing;
    const key = departuresKey(place);
    return {
      compare: [{ key, revision: this.#store.get(key)?.revision ?? 0 }],
      put: [{ key, value: encodeDepartures(departures) }],
      drafts: forgotten.map(({ id, address }) => ({
        kind: 'departureForgotten',
        text: `node ${address} was never told that it left: too many others have left since`,
        node: id,
      })),
    };
  }

  /** Whoever leaves and is kept as a spare keeps its address. No address is a member's and a spare's. */
  #replaceClaims({ place, record, next, policy }: Replacement): Result<TransactionPlan, ChangeError> {
    const current = this.#policyOf(place);
    const spares = spareAddresses(policy ?? current);
    const members = addressesOf(next);
    const both = members.find((address) => spares.has(address));
    if (both !== undefined) return err({ kind: 'addressTaken', address: both, ...place });
    return planClaims(this.#store, place, {
      before: new Set([...addressesOf(record.cluster), ...spareAddresses(current)]),
      after: new Set([...members, ...spares]),
    });
  }

  #policyOf(place: ClusterPlace): ClusterPolicy {
    const stored = this.#store.get(policyKey(place));
    return stored === null ? NO_CLUSTER_POLICY : decodeClusterPolicy(stored);
  }
}

type Comparison = TransactionPlan['compare'][number];

export function revisionOf({ key, revision }: Pick<StoredValue, 'key' | 'revision'>): Comparison {
  return { key, revision };
}

function addressesOf(cluster: Cluster): readonly NodeAddress[] {
  return allNodes(cluster).map(({ node }) => node.address);
}

function idsOf(cluster: Cluster): readonly NodeId[] {
  return allNodes(cluster).map(({ node }) => node.id);
}
