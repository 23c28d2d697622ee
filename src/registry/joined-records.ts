// Clusters read together with their facts, decoded once.

import type { Store, StoredValue } from '../store/types.ts';
import { type ClusterFacts, factsFor, initialFacts } from '../topology/facts.ts';
import { type ClusterPlace, type ClusterRecord, clusterRecord } from '../topology/record.ts';
import { decodeFacts } from './facts-codec.ts';
import { CLUSTER_PREFIX, clusterKey, factsKey } from './keys.ts';
import { decodeCluster, type StoredCluster } from './record-codec.ts';

/** Facts as a record has them, whether they are stored or not. */
type Facts = Pick<ClusterRecord, 'facts' | 'factsRevision'>;

interface Joined {
  readonly record: ClusterRecord;
  /** What the facts of `record` are from; null when there were none. */
  readonly source: StoredValue | Facts | null;
}

/**
 * Reads what the registry writes. Below the level at which facts are stored they are kept here, in this process only, each beside the very
 * value of the cluster that they go with. Whenever the cluster changes and this process cannot say what that meant for its facts (another
 * leader did it, or the outcome is unknown), they are gone with that value, and what is proven begins anew: a promotion that nobody
 * remembers must not be taken for one that never was.
 */
export class JoinedRecords {
  readonly #store: Pick<Store, 'get' | 'list'>;
  /** Decoding validates a whole cluster; a stored value never changes, so once is enough. */
  readonly #joined = new WeakMap<StoredValue, Joined>();
  readonly #decodedFacts = new WeakMap<StoredValue, ClusterFacts>();
  readonly #unstored = new WeakMap<StoredValue, Facts>();
  /** From a cluster's stored value to the one that `carryOver` put in its place. */
  readonly #followed = new WeakMap<StoredValue, StoredValue>();
  /** Goes down, below the 0 of "none": no revision of the store is ever taken for one of these, or the other way round. */
  #unstoredRevision = 0;

  constructor(store: Pick<Store, 'get' | 'list'>) {
    this.#store = store;
  }

  /** In code unit order of namespace, then name. */
  all(): readonly ClusterRecord[] {
    return this.#store.list(CLUSTER_PREFIX).map((stored) => this.read(stored));
  }

  get(place: ClusterPlace): ClusterRecord | null {
    const stored = this.#store.get(clusterKey(place));
    return stored === null ? null : this.read(stored);
  }

  /** The record of a cluster's stored value. */
  read(stored: StoredValue): ClusterRecord {
    const known = this.#joined.get(stored);
    const cluster = known?.record ?? decodeCluster(stored);
    const place = { namespace: cluster.namespace, cluster: cluster.cluster.name };
    const source = this.#store.get(factsKey(place)) ?? this.#unstored.get(stored) ?? null;
    if (known !== undefined && known.source === source) return known.record;
    const record = this.#join(cluster, source);
    this.#joined.set(stored, { record, source });
    return record;
  }

  /** The facts in a stored value of a facts key, as they were written: not brought into step with any cluster. */
  storedFacts(stored: StoredValue): ClusterFacts {
    const known = this.#decodedFacts.get(stored);
    if (known !== undefined) return known;
    const facts = decodeFacts(stored);
    this.#decodedFacts.set(stored, facts);
    return facts;
  }

  /**
   * Keeps `facts`, which are not stored, beside `stored` or what has followed it: a change that left the facts alone may be told before an
   * earlier one whose outcome had to be asked for twice.
   */
  keep(stored: StoredValue, facts: ClusterFacts): void {
    let last = stored;
    for (let next = this.#followed.get(last); next !== undefined; next = this.#followed.get(last))
      last = next;
    this.#unstoredRevision -= 1;
    const inStep = factsFor(facts, this.read(last).cluster);
    this.#unstored.set(last, { facts: inStep, factsRevision: this.#unstoredRevision });
  }

  /** `after` is the stored value of the same cluster as `before` after a change made here: what is kept beside the one goes on beside the other. */
  carryOver(before: StoredValue, after: StoredValue): void {
    this.#followed.set(before, after);
    const kept = this.#unstored.get(before);
    if (kept === undefined) return;
    const facts = factsFor(kept.facts, this.read(after).cluster);
    this.#unstored.set(after, { ...kept, facts });
  }

  #join({ namespace, cluster, revision }: StoredCluster, source: StoredValue | Facts | null): ClusterRecord {
    if (source === null) {
      return { namespace, cluster, revision, facts: initialFacts(cluster), factsRevision: 0 };
    }
    const { facts, factsRevision } =
      'facts' in source ? source : { facts: this.storedFacts(source), factsRevision: source.revision };
    return clusterRecord({ namespace, cluster, revision, facts, factsRevision });
  }
}
