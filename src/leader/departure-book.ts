// What has left one cluster, as it is recorded now, and how this term changes that.

import type { Result } from '../base/result.ts';
import { allNodes } from '../topology/cluster.ts';
import { type Departure, type Departures, untold, withDeparture } from '../topology/departure.ts';
import type { EventDraft } from '../topology/event.ts';
import type { ChangeError, ClusterPlace } from '../topology/record.ts';
import type { ClusterRecords } from './ports.ts';

export interface DepartureBookParts {
  readonly records: Pick<ClusterRecords, 'departures' | 'ownerOf' | 'allClusters'>;
  readonly place: ClusterPlace;
  readonly term: number;
}

/** Names one departure: the same node may leave again. */
type DepartureKey = Pick<Departure, 'id' | 'leftAtSeconds'>;

export class DepartureBook {
  readonly #parts: DepartureBookParts;

  constructor(parts: DepartureBookParts) {
    this.#parts = parts;
  }

  all(): Departures {
    return this.#parts.records.departures.ofCluster(this.#parts.place);
  }

  untold(): Departures {
    return untold(this.all());
  }

  /** As recorded now; null once it is over. */
  find({ id, leftAtSeconds }: DepartureKey): Departure | null {
    return isOpen(this.all(), { id, leftAtSeconds });
  }

  /** Puts what `change` makes of it in its place (null: nothing), and tells `event`, for people; `missing` where it is over meanwhile. */
  change(
    key: DepartureKey,
    change: (known: Departure) => Departure | null,
    event: EventDraft | null = null,
  ): Promise<Result<void, ChangeError>> {
    const { records, place, term } = this.#parts;
    const events = { actor: 'controller', drafts: event === null ? [] : [event] } as const;
    return records.departures.change(
      place,
      (present) => (isOpen(present, key) === null ? null : withDeparture(present, key.id, change)),
      { term, events },
    );
  }

  /**
   * The cluster of this controller to which the node belongs now, by its id or its address, for people; null when it belongs to none. Whoever was
   * put among the spares of its own cluster when it lost its place has to hear of that, too.
   */
  ownerOf({ id, address }: Departure): string | null {
    const { records, place } = this.#parts;
    const clusters = records.allClusters();
    const owner = clusters.find(({ cluster }) =>
      allNodes(cluster).some(({ node }) => node.id === id || node.address === address),
    );
    if (owner !== undefined) return `cluster ${owner.namespace}/${owner.cluster.name}`;
    const claim = records.ownerOf(address);
    const isOwn = claim?.namespace === place.namespace && claim.cluster === place.cluster;
    return claim === null || isOwn ? null : `cluster ${claim.namespace}/${claim.cluster}`;
  }
}

function isOpen(departures: Departures, { id, leftAtSeconds }: DepartureKey): Departure | null {
  return untold(departures).find((known) => known.id === id && known.leftAtSeconds === leftAtSeconds) ?? null;
}
