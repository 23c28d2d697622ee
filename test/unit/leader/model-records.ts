// The registry as a model: records with revisions, committed after a while, refused to whoever does not lead.

import type { Clock } from '../../../src/base/clock.ts';
import { err, ok, type Result } from '../../../src/base/result.ts';
import type { ClusterRecords } from '../../../src/leader/ports.ts';
import { type ChangeError, type ClusterRecord, clusterRecord } from '../../../src/topology/record.ts';
import { initialFacts } from '../../../src/topology/facts.ts';
import type { Cluster, Name } from '../../../src/topology/types.ts';

const COMMIT_MS = 2;

export class ModelRecords implements ClusterRecords {
  term = 1;
  /** The next commits end like this instead, oldest first; `unknown` ones are applied all the same. */
  readonly nextErrors: ChangeError[] = [];
  readonly history: Cluster[] = [];
  readonly #clock: Clock;
  readonly #records = new Map<string, ClusterRecord>();
  readonly #listeners = new Set<() => void>();
  #revision = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** What a route of the API does. */
  put(namespace: Name, cluster: Cluster): void {
    this.#revision += 1;
    const key = `${namespace}/${cluster.name}`;
    const { facts, factsRevision } = this.#records.get(key) ?? {
      facts: initialFacts(cluster),
      factsRevision: 0,
    };
    const record = { namespace, cluster, revision: this.#revision, facts, factsRevision };
    this.#records.set(key, clusterRecord(record));
    this.history.push(cluster);
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

  replaceCluster(
    record: ClusterRecord,
    next: Cluster,
    fence: { readonly term: number },
  ): Promise<Result<void, ChangeError>> {
    return new Promise((resolve) => {
      this.#clock.setTimer(COMMIT_MS, () => resolve(this.#replace(record, next, fence.term)));
    });
  }

  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  get listenerCount(): number {
    return this.#listeners.size;
  }

  #replace(record: ClusterRecord, next: Cluster, term: number): Result<void, ChangeError> {
    if (term !== this.term) return err({ kind: 'notLeader' });
    const planned = this.nextErrors.shift();
    if (planned !== undefined && planned.kind !== 'unknown') return err(planned);
    const current = this.getCluster(record.namespace, record.cluster.name);
    if (current === null) return err({ kind: 'missing' });
    if (current.revision !== record.revision) return err({ kind: 'conflict' });
    this.put(record.namespace, next);
    return planned === undefined ? ok(undefined) : err(planned);
  }
}
