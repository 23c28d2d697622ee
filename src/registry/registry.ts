// Namespaces and clusters as records of the replicated store.

import { assert } from '../base/assert.ts';
import { type Result, err, ok } from '../base/result.ts';
import type { Key, Store, StoreUnavailable, StoredValue } from '../store/types.ts';
import { allNodes } from '../topology/cluster.ts';
import type { ChangeError, ClusterPlace, ClusterRecord } from '../topology/record.ts';
import type { Cluster, Name, NodeAddress } from '../topology/types.ts';
import { Committer, type CommitterOptions, type TransactionPlan } from './committer.ts';
import {
  CLUSTER_PREFIX,
  NAMESPACE_PREFIX,
  addressKey,
  clusterKey,
  clustersPrefix,
  namespaceKey,
  namespaceOf,
  placeOf,
} from './keys.ts';
import { decodeClaim, decodeCluster, encodeClaim, encodeCluster, encodeNamespace } from './record-codec.ts';
import type { RegistryChange } from './types.ts';

/** Everything the registry works with; see `CommitterOptions`. */
export type RegistryOptions = CommitterOptions;

type Planned = Result<TransactionPlan, ChangeError>;

/**
 * Reads are local: call `linearize` first where the answer must contain everything acknowledged before. Changes are compared
 * with what they rely on inside the log, so a stale read makes them fail, never go wrong. Nothing rejects or throws but for
 * records of a later release (`UnreadableRecordError`).
 */
export class Registry {
  readonly #store: Store;
  readonly #committer: Committer;
  readonly #deadlineMs: number;
  /** Decoding validates a whole cluster; a stored value never changes, so once is enough. */
  readonly #decoded = new WeakMap<StoredValue, ClusterRecord>();

  constructor(options: RegistryOptions) {
    this.#store = options.store;
    this.#deadlineMs = options.deadlineMs;
    this.#committer = new Committer(options);
  }

  /** Resolves once reads here contain everything acknowledged before the call. */
  linearize(): Promise<Result<void, StoreUnavailable>> {
    return this.#store.linearize(this.#deadlineMs);
  }

  /** Calls `listener` synchronously after each applied change of clusters. Returns the way to stop. */
  watch(listener: (change: RegistryChange) => void): () => void {
    return this.#store.watch((change) => {
      if (change.kind === 'replaced') {
        listener({ kind: 'replaced' });
        return;
      }
      const clusters = change.keys.map(placeOf).filter((place) => place !== null);
      if (clusters.length > 0) listener({ kind: 'clusters', clusters });
    });
  }

  /** In code unit order of the names. */
  listNamespaces(): readonly Name[] {
    return this.#store.list(NAMESPACE_PREFIX).map(({ key }) => namespaceOf(key));
  }

  hasNamespace(namespace: Name): boolean {
    return this.#store.get(namespaceKey(namespace)) !== null;
  }

  /** Fails with `exists`. */
  createNamespace(namespace: Name): Promise<Result<void, ChangeError>> {
    const key = namespaceKey(namespace);
    return this.#committer.commit((): Planned => {
      if (this.#store.get(key) !== null) return err({ kind: 'exists' });
      return ok({ compare: [{ key, revision: 0 }], put: [{ key, value: encodeNamespace() }], remove: [] });
    });
  }

  /**
   * Fails with `missing` or `namespaceNotEmpty`. Every creation of a cluster rewrites the record of its namespace, so one that
   * comes between the look at the clusters and the commit changes the revision compared here.
   */
  deleteNamespace(namespace: Name): Promise<Result<void, ChangeError>> {
    return this.#committer.commit((): Planned => {
      const stored = this.#store.get(namespaceKey(namespace));
      if (stored === null) return err({ kind: 'missing' });
      if (this.#store.list(clustersPrefix(namespace)).length > 0) return err({ kind: 'namespaceNotEmpty' });
      return ok({ compare: [revisionOf(stored)], put: [], remove: [stored.key] });
    });
  }

  /** In code unit order; empty also when there is no such namespace. */
  listClusters(namespace: Name): readonly Name[] {
    return this.#store.list(clustersPrefix(namespace)).map((stored) => this.#decode(stored).cluster.name);
  }

  /** In code unit order of namespace, then name. */
  allClusters(): readonly ClusterRecord[] {
    return this.#store.list(CLUSTER_PREFIX).map((stored) => this.#decode(stored));
  }

  getCluster(namespace: Name, cluster: Name): ClusterRecord | null {
    const stored = this.#store.get(clusterKey({ namespace, cluster }));
    return stored === null ? null : this.#decode(stored);
  }

  /** The cluster that has a node at `address`; null when none has. */
  ownerOf(address: NodeAddress): ClusterPlace | null {
    const claim = this.#store.get(addressKey(address));
    return claim === null ? null : decodeClaim(claim);
  }

  /** Fails with `missing` (no such namespace), `exists` or `addressTaken`. */
  createCluster(namespace: Name, cluster: Cluster): Promise<Result<void, ChangeError>> {
    const place = { namespace, cluster: cluster.name };
    const key = clusterKey(place);
    return this.#committer.commit((): Planned => {
      const parent = this.#store.get(namespaceKey(namespace));
      if (parent === null) return err({ kind: 'missing' });
      if (this.#store.get(key) !== null) return err({ kind: 'exists' });
      const claims = this.#planClaims(place, addressesOf(cluster));
      if (!claims.ok) return claims;
      return ok({
        compare: [revisionOf(parent), { key, revision: 0 }, ...claims.value.compare],
        // The namespace is written again for its revision only.
        put: [
          { key: parent.key, value: parent.value },
          { key, value: encodeCluster(place, cluster) },
          ...claims.value.put,
        ],
        remove: [],
      });
    });
  }

  /**
   * Puts `next` in the place of `record`, taking and releasing addresses with it. Fails with `missing`, `conflict` (changed
   * since `record` was read) or `addressTaken`. With a fence, nothing is proposed unless this member leads that term.
   */
  replaceCluster(
    record: ClusterRecord,
    next: Cluster,
    fence?: { readonly term: number },
  ): Promise<Result<void, ChangeError>> {
    assert(next.name === record.cluster.name, 'a cluster keeps its name');
    assert(next.version >= record.cluster.version, 'the version of a cluster never goes down');
    const place = { namespace: record.namespace, cluster: next.name };
    return this.#committer.commit((): Planned => {
      const current = this.#currentRevision(place, record);
      if (!current.ok) return current;
      const before = new Set(addressesOf(record.cluster));
      const after = new Set(addressesOf(next));
      const claims = this.#planClaims(
        place,
        [...after].filter((address) => !before.has(address)),
      );
      if (!claims.ok) return claims;
      return ok({
        compare: [current.value, ...claims.value.compare],
        put: [{ key: clusterKey(place), value: encodeCluster(place, next) }, ...claims.value.put],
        remove: [...before].filter((address) => !after.has(address)).map(addressKey),
      });
    }, fence?.term ?? null);
  }

  /** Fails with `missing` or `conflict`. */
  deleteCluster(record: ClusterRecord): Promise<Result<void, ChangeError>> {
    const place = { namespace: record.namespace, cluster: record.cluster.name };
    return this.#committer.commit((): Planned => {
      const current = this.#currentRevision(place, record);
      if (!current.ok) return current;
      const claims = addressesOf(record.cluster).map(addressKey);
      return ok({ compare: [current.value], put: [], remove: [clusterKey(place), ...claims] });
    });
  }

  #decode(stored: StoredValue): ClusterRecord {
    const known = this.#decoded.get(stored);
    if (known !== undefined) return known;
    const record = decodeCluster(stored);
    this.#decoded.set(stored, record);
    return record;
  }

  /** The comparison that lets only the reader of `record` change it. */
  #currentRevision(place: ClusterPlace, record: ClusterRecord): Result<Comparison, ChangeError> {
    const current = this.#store.get(clusterKey(place));
    if (current === null) return err({ kind: 'missing' });
    if (current.revision !== record.revision) return err({ kind: 'conflict' });
    return ok(revisionOf(current));
  }

  /**
   * Takes `addresses` for the cluster at `place`, or names the first that another cluster holds. Claims are written and
   * removed only together with their cluster's record, so while that record's revision stands, so do its claims.
   */
  #planClaims(
    place: ClusterPlace,
    addresses: readonly NodeAddress[],
  ): Result<Pick<TransactionPlan, 'compare' | 'put'>, ChangeError> {
    for (const address of addresses) {
      const owner = this.ownerOf(address);
      if (owner !== null) return err({ kind: 'addressTaken', address, ...owner });
    }
    const keys = addresses.map(addressKey);
    const value = encodeClaim(place);
    return ok({
      compare: keys.map((key) => ({ key, revision: 0 })),
      put: keys.map((key) => ({ key, value })),
    });
  }
}

type Comparison = TransactionPlan['compare'][number];

function revisionOf({ key, revision }: { readonly key: Key; readonly revision: number }): Comparison {
  return { key, revision };
}

function addressesOf(cluster: Cluster): readonly NodeAddress[] {
  return allNodes(cluster).map(({ node }) => node.address);
}
