// What a node that has left may still take from clients, and what it has that no member of the cluster ever had.

import { masterOf } from '../topology/cluster.ts';
import type { CopyBefore, Departure } from '../topology/departure.ts';
import {
  type ClusterFacts,
  isCondemned,
  PROMOTIONS_MAX,
  type ShardFacts,
  UNSEEN_NODE,
} from '../topology/facts.ts';
import type { Cluster, NodeRole, Shard } from '../topology/types.ts';
import { historyOf } from './lineage.ts';

interface Whole {
  readonly cluster: Cluster;
  readonly facts: ClusterFacts;
}

/**
 * Whether clients may find a master in a node that has not heard yet: each write it takes is acknowledged and lost. `seenRole` is what it said of
 * itself since it left; null while it has not answered. It comes back as what it was told last, so that whoever was a master before its last
 * promotion counts, and whoever nothing is remembered of.
 */
export function mayTakeWrites(departure: Departure, seenRole: NodeRole | null, whole: Whole): boolean {
  if (seenRole !== null) return seenRole === 'master';
  if (departure.role === 'master') return true;
  const promotions = formerShard(departure, whole)?.facts.promotions ?? null;
  if (promotions === null || promotions.length >= PROMOTIONS_MAX) return true;
  return promotions.some(({ from }) => from === departure.id);
}

/** `lost`: sequence numbers that no member has, at most; null where that is not known. `text`: a sentence for people; empty where there is nothing to say. */
export interface OwnData {
  readonly lost: number | null;
  readonly text: string;
}

/**
 * What is lost with a node that has left and stands at `sequence`, judged by what it was before it was cut off, as a copy that comes back is. Of
 * a shard that is gone, too, nothing is known.
 */
export function ownDataOf(
  departure: Departure,
  { before, sequence }: { readonly before: CopyBefore | null; readonly sequence: number | null },
  whole: Whole,
): OwnData {
  if (sequence === 0) return { lost: 0, text: '' };
  const former = formerShard(departure, whole);
  if (before === null || former === null) return { lost: null, text: '' };
  const { shard, facts } = former;
  const history = historyOf(
    { ...before, sequence },
    {
      id: departure.id,
      facts: UNSEEN_NODE,
      shard: facts,
      masterAddress: masterOf(shard).address,
      addressOf: (wanted) => shard.nodes.find(({ id }) => id === wanted)?.address ?? null,
      isCondemned: (wanted) => isCondemned(whole.facts, wanted),
    },
  );
  switch (history.kind) {
    case 'diverged':
      return {
        lost: history.ownCount,
        text: `Up to ${history.ownCount} sequence numbers are its own and are lost with it (from ${history.ownFrom} on)`,
      };
    case 'unknown':
      return { lost: null, text: `How much of what it has is its own is not known: ${history.why}` };
    default:
      return { lost: 0, text: '' };
  }
}

/** The shard that it belonged to, by who was its master when it left; null when that is gone. */
function formerShard(
  { masterId }: Departure,
  { cluster, facts }: Whole,
): { readonly shard: Shard; readonly facts: ShardFacts } | null {
  for (const shard of cluster.shards) {
    const known = facts.shards.get(shard.id);
    const isFormer =
      shard.nodes.some(({ id }) => id === masterId) ||
      known?.promotions.some(({ from, to }) => from === masterId || to === masterId) === true;
    if (known !== undefined && isFormer) return { shard, facts: known };
  }
  return null;
}
