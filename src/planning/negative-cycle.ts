// A way round that costs less than nothing (Bellman and Ford).

import { present } from '../base/assert.ts';

/** From one place to another, both numbers from 0 on, at a whole cost. */
export interface Arc {
  readonly from: number;
  readonly to: number;
  readonly cost: number;
}

/** The arcs of a cycle whose costs add up to less than 0 and that visits no place twice; null when there is none. */
export function negativeCycle<A extends Arc>(arcs: readonly A[], placeCount: number): readonly A[] | null {
  const costs = Array.from({ length: placeCount }, () => 0);
  const arrivals = new Map<number, A>();
  let changed: number | null = null;
  for (let round = 0; round < placeCount; round += 1) {
    changed = null;
    for (const arc of arcs) {
      const cost = (costs[arc.from] ?? 0) + arc.cost;
      if (cost >= (costs[arc.to] ?? 0)) continue;
      costs[arc.to] = cost;
      arrivals.set(arc.to, arc);
      changed = arc.to;
    }
    if (changed === null) return null;
  }
  const arrival = (place: number): A => present(arrivals.get(place), 'a place behind a cycle was arrived at');
  let place = present(changed, 'there is at least one place');
  for (let step = 0; step < placeCount; step += 1) place = arrival(place).from;
  const cycle: A[] = [];
  const start = place;
  do {
    const arc = arrival(place);
    cycle.push(arc);
    place = arc.from;
  } while (place !== start);
  return cycle;
}
