// What is wrong with where the nodes of a cluster stand, and how to mend it.

import { masterOf } from '../topology/cluster.ts';
import type { NodeId, Shard } from '../topology/types.ts';
import { planMasterPlaces } from './master-places.ts';
import { type Placement, zoneOf, zonesOf } from './zones.ts';

export type PlacementFaultKind =
  /** All copies of a shard are in one zone. */
  | 'oneZone'
  /** More masters in a zone than its fair share. */
  | 'crowdedZone'
  /** Nobody said in which zone nodes are. */
  | 'zoneUnknown';

export interface PlacementFault {
  readonly kind: PlacementFaultKind;
  /** Nothing is affected now; the loss of a zone would cost more than it has to. */
  readonly severity: 'warning';
  /** By index, as the API names them. */
  readonly shards: readonly number[];
  /** Those that stand wrong: all of the shard, the masters of the zone, or those without a zone. */
  readonly nodes: readonly NodeId[];
  /** One sentence for people. */
  readonly detail: string;
  /** What to do, with the route that does it. */
  readonly remedy: string;
}

/** Faults of shards in their order, then of zones in theirs. None where no node has a zone; a single zone is no fault. */
export function placementFaults(placement: Placement): readonly PlacementFault[] {
  const { shards } = placement.cluster;
  const zones = zonesOf(placement);
  if (zones.length === 0) return [];
  return [
    ...shards.flatMap((shard, index) => unknownZones(placement, shard, index)),
    ...(zones.length === 1
      ? []
      : shards.flatMap((shard, index) => allInOneZone(placement, { shard, index, zones }))),
    ...crowdedZones(placement, zones),
  ];
}

function unknownZones(placement: Placement, shard: Shard, index: number): readonly PlacementFault[] {
  const nodes = shard.nodes.filter(({ id }) => zoneOf(placement, id) === '');
  if (nodes.length === 0) return [];
  const names = nodes.map(({ address }) => address).join(', ');
  return [
    {
      kind: 'zoneUnknown',
      severity: 'warning',
      shards: [index],
      nodes: nodes.map(({ id }) => id),
      detail: `of shard ${index} nobody said in which zone ${names} ${nodes.length === 1 ? 'is' : 'are'}, as was said of other nodes`,
      remedy: `Say so: PATCH .../shards/${index}/nodes/{id} {"zone": "..."}.`,
    },
  ];
}

/** Not where the zone of one of its nodes is unknown: it may be another. */
function allInOneZone(
  placement: Placement,
  { shard, index, zones }: { shard: Shard; index: number; zones: readonly string[] },
): readonly PlacementFault[] {
  const [zone, ...more] = new Set(shard.nodes.map(({ id }) => zoneOf(placement, id)));
  if (zone === undefined || zone === '' || more.length > 0) return [];
  const others = zones.filter((other) => other !== zone);
  return [
    {
      kind: 'oneZone',
      severity: 'warning',
      shards: [index],
      nodes: shard.nodes.map(({ id }) => id),
      detail:
        shard.nodes.length === 1
          ? `the only copy of shard ${index} is in zone ${zone}, and is lost with it`
          : `all ${shard.nodes.length} copies of shard ${index} are in zone ${zone}, and are lost with it`,
      remedy:
        `Add a replica that stands in ${others.join(' or ')}: POST .../shards/${index}/nodes {"addr": "host:port", "role": "slave"}, ` +
        `then say so: PATCH .../shards/${index}/nodes/{id} {"zone": "${others[0] ?? ''}"}.`,
    },
  ];
}

function crowdedZones(placement: Placement, zones: readonly string[]): readonly PlacementFault[] {
  const { shards } = placement.cluster;
  const fairShare = Math.ceil(shards.length / zones.length);
  const places = shards.map((shard, index) => ({ index, id: masterOf(shard).id }));
  const byZone = Map.groupBy(places, ({ id }) => zoneOf(placement, id));
  const crowded = zones.filter((zone) => (byZone.get(zone)?.length ?? 0) > fairShare);
  if (crowded.length === 0) return [];
  const spread = planMasterPlaces(placement);
  return crowded.map((zone): PlacementFault => {
    const masters = byZone.get(zone) ?? [];
    const away = spread.ok ? spread.value.filter(({ fromZone }) => fromZone === zone) : [];
    const [first] = away;
    return {
      kind: 'crowdedZone',
      severity: 'warning',
      shards: masters.map(({ index }) => index),
      nodes: masters.map(({ id }) => id),
      detail: `${masters.length} of ${shards.length} masters are in zone ${zone}, whose fair share of ${zones.length} zones is ${fairShare}: its loss stops that many shards at once`,
      remedy:
        first === undefined
          ? `No replica may take over where there are fewer masters: add some in another zone, POST .../shards/{shard}/nodes {"addr": "host:port", "role": "slave"} and PATCH .../shards/{shard}/nodes/{id} {"zone": "..."}.`
          : `Fail over to a replica in another zone, of ${away.length === 1 ? 'shard' : 'shards'} ${away.map(({ shardIndex }) => shardIndex).join(', ')}: ` +
            `POST .../shards/${first.shardIndex}/failover {"preferred_node_id": "${first.to}"}${away.length === 1 ? '' : ', and likewise for the others'}.`,
    };
  });
}
