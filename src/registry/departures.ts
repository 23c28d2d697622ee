// What has left each cluster, as records of the store: read locally, changed by comparison.

import { err, ok, type Result } from '../base/result.ts';
import type { Store, StoredValue } from '../store/types.ts';
import type { Departures } from '../topology/departure.ts';
import type { ChangeError, ClusterPlace } from '../topology/record.ts';
import type { Committer } from './committer.ts';
import { decodeDepartures, encodeDepartures } from './departure-codec.ts';
import type { EventLog, Told } from './event-log.ts';
import { clusterKey, departuresKey } from './keys.ts';
import { decodeCluster } from './record-codec.ts';

export interface DepartureRecordsParts {
  readonly store: Store;
  readonly committer: Committer;
  readonly events: EventLog;
}

const NOBODY: Departures = [];

/** Nodes come into it by changes of their cluster (`cluster-plans.ts`), and leave it by what is told of them here. */
export class DepartureRecords {
  readonly #parts: DepartureRecordsParts;
  /** A stored value never changes, so it is decoded once. */
  readonly #decoded = new WeakMap<StoredValue, Departures>();

  constructor(parts: DepartureRecordsParts) {
    this.#parts = parts;
  }

  /** Local, as all reads are. */
  ofCluster(place: ClusterPlace): Departures {
    const stored = this.#parts.store.get(departuresKey(place));
    if (stored === null) return NOBODY;
    const known = this.#decoded.get(stored);
    if (known !== undefined) return known;
    const departures = decodeDepartures(stored);
    this.#decoded.set(stored, departures);
    return departures;
  }

  /**
   * Puts what `change` makes of the newest ones in their place, and tells `events`. `change` may be called again; null means that there is
   * nothing to change. Refused with `missing` then, and where the cluster is gone. With `term`, only while this member leads exactly that.
   */
  async change(
    place: ClusterPlace,
    change: (present: Departures) => Departures | null,
    { term, events }: { readonly term?: number; readonly events: Told },
  ): Promise<Result<void, ChangeError>> {
    const { store, committer } = this.#parts;
    const committed = await committer.commit(() => {
      const cluster = store.get(clusterKey(place));
      const key = departuresKey(place);
      const next = cluster === null ? null : change(this.ofCluster(place));
      if (cluster === null || next === null) return err({ kind: 'missing' });
      const { version } = decodeCluster(cluster).cluster;
      const versions = { before: version, after: version };
      const told = this.#parts.events.part({ place, ...events, versions });
      return ok({
        compare: [
          { key, revision: store.get(key)?.revision ?? 0 },
          { key: cluster.key, revision: cluster.revision },
          ...told.compare,
        ],
        put: [{ key, value: encodeDepartures(next) }, ...told.put],
        remove: told.remove,
      });
    }, term ?? null);
    return committed.ok ? ok(undefined) : committed;
  }
}
