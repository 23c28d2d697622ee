// Which spare a shard would get as things are.

import { nodePolicy } from '../topology/policy.ts';
import type { Spare } from '../topology/spares.ts';
import type { Shortage } from './shortage.ts';
import type { Situation } from './situation.ts';
import { spareMemory, type SparesMemory } from './spare-memory.ts';
import { sparesOf } from './spare-watch.ts';

/** Of the spares that are ready the first in a zone in which the shard has nobody, else the first. */
export function chooseSpare(situation: Situation, shortage: Shortage): Spare | null {
  const ready = sparesOf(situation).filter((spare) => isReady(situation.memory.spares, spare));
  const taken = zonesOf(situation, shortage);
  return ready.find(({ zone }) => zone !== '' && !taken.has(zone)) ?? ready[0] ?? null;
}

/** The zones of the nodes of a shard that are there. */
export function zonesOf({ policy }: Situation, { shard, missed }: Shortage): ReadonlySet<string> {
  const gone = new Set(missed.map(({ node }) => node.id));
  const there = shard.nodes.filter(({ id }) => !gone.has(id));
  return new Set(there.map(({ id }) => nodePolicy(policy.cluster, id).zone));
}

function isReady(memory: SparesMemory, spare: Spare): boolean {
  return spareMemory(memory, spare).look?.standing.kind === 'ready';
}
