// Planned failovers that bring masters into a zone, or spread them over all.

import { type Result, err, ok } from '../base/result.ts';
import { masterOf } from '../topology/cluster.ts';
import type { NodeId } from '../topology/types.ts';
import { type Arc, negativeCycle } from './negative-cycle.ts';
import type { PlanError } from './plan-error.ts';
import { type Placement, successorsByZone, zoneOf, zonesOf } from './zones.ts';

/** A change of masters to be asked for by name. */
export interface PlannedFailover {
  readonly shardIndex: number;
  readonly from: NodeId;
  /** Empty where nobody said in which zone the master is. */
  readonly fromZone: string;
  readonly to: NodeId;
  readonly toZone: string;
}

/**
 * With `zone`, a failover for every shard whose master is elsewhere and that has a replica there that may take over. Without, the fewest after which
 * the masters are spread as evenly over the zones as their replicas allow; a master whose zone nobody said is left where it is.
 */
export function planMasterPlaces(
  wish: Placement & { readonly zone?: string },
): Result<readonly PlannedFailover[], PlanError> {
  const zones = zonesOf(wish);
  const { zone } = wish;
  if (zone === undefined) return ok(evenPlaces(wish, zones));
  if (!zones.includes(zone)) return err({ kind: 'unknownZone', zone, known: zones });
  return ok(
    wish.cluster.shards.flatMap((_, shardIndex) => {
      const home = zoneOfMaster(wish, shardIndex);
      return home === zone ? [] : failoverTo(wish, shardIndex, zone);
    }),
  );
}

function zoneOfMaster(placement: Placement, shardIndex: number): string {
  const shard = placement.cluster.shards[shardIndex];
  return shard === undefined ? '' : zoneOf(placement, masterOf(shard).id);
}

/** None where no replica there may take over. */
function failoverTo(placement: Placement, shardIndex: number, toZone: string): readonly PlannedFailover[] {
  const shard = placement.cluster.shards[shardIndex];
  const to = shard === undefined ? undefined : successorsByZone(placement, shard).get(toZone);
  if (shard === undefined || to === undefined) return [];
  const from = masterOf(shard).id;
  return [{ shardIndex, from, fromZone: zoneOf(placement, from), to: to.id, toZone }];
}

/** Shards whose masters are in one zone and may be in the same others. Zones are indexes. */
interface Group {
  readonly home: number;
  /** Where their masters may be, their home among them. */
  readonly choices: readonly number[];
  readonly shards: number[];
  /** How many of the masters the plan has in each zone, by zone. */
  readonly masters: Map<number, number>;
}

/** A master of `group` that changes its zone in the plan; null for the arcs that only say what one master more or less in a zone is worth. */
type Step = Arc & { readonly group: Group | null };

/**
 * Minimum-cost flow by cancelling of negative cycles. What a plan costs is, first, the sum of the squares of the masters in each zone, which is least
 * where they are spread most evenly, and second the number of failovers; a plan is best when no chain of changes makes it cheaper.
 */
function evenPlaces(placement: Placement, zones: readonly string[]): readonly PlannedFailover[] {
  const groups = groupsOf(placement, zones);
  for (;;) {
    const cycle = negativeCycle(stepsFrom(groups, zones.length), zones.length + 1);
    if (cycle === null) break;
    for (const { group, from, to } of cycle) {
      if (group === null) continue;
      group.masters.set(from, (group.masters.get(from) ?? 0) - 1);
      group.masters.set(to, (group.masters.get(to) ?? 0) + 1);
    }
  }
  const failovers = groups.flatMap(({ home, shards, masters }) => {
    const zonesOfLeaving = [...masters]
      .filter(([zone]) => zone !== home)
      .flatMap(([zone, count]) => Array.from({ length: count }, () => zones[zone] ?? ''));
    return zonesOfLeaving.flatMap((zone, place) => failoverTo(placement, shards[place] ?? -1, zone));
  });
  return failovers.toSorted((left, right) => left.shardIndex - right.shardIndex);
}

function groupsOf(placement: Placement, zones: readonly string[]): readonly Group[] {
  const indexOf = new Map(zones.map((zone, index) => [zone, index]));
  const groups = new Map<string, Group>();
  for (const [shardIndex, shard] of placement.cluster.shards.entries()) {
    const home = indexOf.get(zoneOfMaster(placement, shardIndex));
    if (home === undefined) continue;
    const others = [...successorsByZone(placement, shard).keys()].map((zone) => indexOf.get(zone) ?? home);
    const choices = [...new Set([home, ...others])].toSorted((left, right) => left - right);
    const name = [home, ...choices].join(' ');
    const group = groups.get(name) ?? { home, choices, shards: [], masters: new Map<number, number>() };
    groups.set(name, group);
    group.shards.push(shardIndex);
    group.masters.set(home, group.shards.length);
  }
  return [...groups.values()];
}

/** What can be changed: of all masters of one zone that may go to another the cheapest, and the worth of one more or less, by way of one place more. */
function stepsFrom(groups: readonly Group[], zoneCount: number): readonly Step[] {
  const steps = new Map<number, Step>();
  const totals = Array.from({ length: zoneCount }, () => 0);
  let shardCount = 0;
  for (const group of groups) {
    const { home, choices, shards, masters } = group;
    shardCount += shards.length;
    for (const [from, count] of masters) {
      totals[from] = (totals[from] ?? 0) + count;
      if (count === 0) continue;
      for (const to of choices) {
        if (to === from) continue;
        const cost = Number(to !== home) - Number(from !== home);
        const place = from * zoneCount + to;
        const known = steps.get(place);
        if (known === undefined || cost < known.cost) steps.set(place, { from, to, cost, group });
      }
    }
  }
  // One step towards evenness outweighs all failovers.
  const worth = shardCount + 1;
  const outside = zoneCount;
  const more = totals.map((count, zone): Step => {
    return { from: zone, to: outside, cost: worth * (2 * count + 1), group: null };
  });
  const fewer = totals.flatMap((count, zone): Step[] =>
    count === 0 ? [] : [{ from: outside, to: zone, cost: -worth * (2 * count - 1), group: null }],
  );
  return [...steps.values(), ...more, ...fewer];
}
