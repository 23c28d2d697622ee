// What a decision can ask for, as data, with the reasons people will read.

import type { Cluster, ClusterVersion, NodeAddress, NodeId, ShardId, SlotRange } from '../topology/types.ts';

/** Why a commit is made. Several can share one commit. `text` is one sentence for people. */
export type CommitReason =
  | {
      readonly kind: 'failover';
      readonly shardIndex: number;
      readonly from: NodeId;
      readonly to: NodeId;
      readonly text: string;
    }
  | {
      readonly kind: 'migrationStarted' | 'migrationFinished' | 'migrationGivenUp';
      readonly sourceIndex: number;
      readonly targetIndex: number;
      readonly slots: string;
      readonly text: string;
    }
  | { readonly kind: 'versionRaised'; readonly from: number; readonly to: number; readonly text: string };

export interface PushAction {
  readonly kind: 'push';
  readonly node: NodeId;
  readonly address: NodeAddress;
  /** Given to the node by SETNODEID first; null when it has it already. */
  readonly id: NodeId | null;
  readonly text: string;
  readonly version: ClusterVersion;
  readonly why: string;
}

export interface MigrateAction {
  readonly kind: 'migrate';
  /** The source's shard: the name under which the outcome is reported back. */
  readonly shard: ShardId;
  readonly source: NodeId;
  readonly sourceAddress: NodeAddress;
  readonly target: NodeId;
  readonly range: SlotRange;
  /** 1 for the first try. */
  readonly attempt: number;
}

export interface CommitAction {
  readonly kind: 'commit';
  /** To be committed in place of exactly the cluster the decision was made from. */
  readonly next: Cluster;
  readonly reasons: readonly CommitReason[];
}

/** Every action must be carried out, and its outcome given to `observe` (`pushed`, `migrateAnswered`, `commitEnded`), exactly once. */
export type Action = PushAction | MigrateAction | CommitAction;
