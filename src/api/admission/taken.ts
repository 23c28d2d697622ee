// What is written down of nodes when they are taken in.

import { standingOfFresh } from '../../control/joining.ts';
import { masterOf, replicasOf } from '../../topology/cluster.ts';
import { type ClusterFacts, UNSEEN_NODE, withFactsOfNodes, withReadMasters } from '../../topology/facts.ts';
import type { Shard } from '../../topology/types.ts';
import { admitMaster, admitReplica, type Newcomers } from './admit.ts';

export interface TakingWishes {
  readonly newcomers: Newcomers;
  /** Masters may bring data, which becomes that of their shards. */
  readonly withData: boolean;
  /** Replicas may bring data, which is thrown away and made anew from their masters. */
  readonly remake: boolean;
  readonly isWaived: boolean;
  /** Seconds since the Unix epoch. */
  readonly nowSeconds: number;
}

/** `facts` with those of new shards. Throws when one of their nodes may not become what it is to be. */
export function factsOfNewShards(
  facts: ClusterFacts,
  shards: readonly Shard[],
  wishes: TakingWishes,
): ClusterFacts {
  const { newcomers, nowSeconds } = wishes;
  const sequences = new Map(
    shards.flatMap((shard) => {
      const { id, address } = masterOf(shard);
      const sequence = admitMaster(newcomers, address, wishes);
      return sequence === null ? [] : [[id, sequence] as const];
    }),
  );
  const replicas = shards.flatMap((shard) =>
    replicasOf(shard).map(({ id, address }) => {
      const remake = admitReplica(newcomers, address, { ...wishes, standingOf: standingOfFresh });
      return [id, { ...UNSEEN_NODE, remake }] as const;
    }),
  );
  return withFactsOfNodes(withReadMasters(facts, shards, sequences, nowSeconds), replicas);
}
