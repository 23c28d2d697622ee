// What a rule would have committed.

import type { ClusterFacts } from '../topology/facts.ts';
import type { Cluster } from '../topology/types.ts';
import type { CommitReason } from './actions.ts';

/** A change in the making: several can go into one commit. */
export interface Draft {
  readonly cluster: Cluster;
  readonly facts: ClusterFacts;
  readonly reasons: readonly CommitReason[];
}
