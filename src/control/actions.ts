// What a decision can ask for, as data, with the reasons people will read.

import type { ClusterFacts } from '../topology/facts.ts';
import type { ClusterPolicy } from '../topology/policy.ts';
import type { Spare } from '../topology/spares.ts';
import type { TaskBook } from '../topology/task.ts';
import type { NodeTuning } from '../topology/tuning.ts';
import type { Cluster, ClusterVersion, NodeAddress, NodeId, ShardId, SlotRange } from '../topology/types.ts';

/** Why a commit is made. Several can share one commit. `text` is one sentence for people. */
export type CommitReason =
  | {
      readonly kind: 'failover';
      readonly shardIndex: number;
      readonly from: NodeId;
      readonly to: NodeId;
      /** The old master was drained, and the new one has all it had: nothing is lost. */
      readonly isDrained: boolean;
      /** Sequence numbers that the new one is known to lack of the old one; null where that is not known. */
      readonly lost: number | null;
      readonly text: string;
    }
  /** A planned change of masters begins, or is given up. */
  | {
      readonly kind: 'drainStarted' | 'drainUndone';
      readonly shardIndex: number;
      readonly from: NodeId;
      readonly to: NodeId;
      readonly text: string;
    }
  /** `handOverUndone`: slots that were recorded at their target are the source's again, since the target has deleted what it had of them. */
  | {
      readonly kind:
        | 'migrationStarted'
        | 'migrationCleared'
        | 'migrationFinished'
        | 'migrationGivenUp'
        | 'handOverUndone';
      readonly sourceIndex: number;
      readonly targetIndex: number;
      readonly slots: string;
      readonly text: string;
    }
  | { readonly kind: 'versionRaised'; readonly from: number; readonly to: number; readonly text: string }
  /** Something happened to a node's copy of the data that people should hear of. */
  | {
      readonly kind: 'copyCondemned' | 'copyRemade' | 'promotionConfirmed' | 'pushesHeld';
      readonly shardIndex: number | null;
      readonly node: NodeId | null;
      readonly text: string;
    }
  /** A spare became the node `node` in the place of `lost`; null: in one that nobody had. */
  | {
      readonly kind: 'copyReplaced';
      readonly shardIndex: number;
      readonly node: NodeId;
      readonly lost: NodeId | null;
      readonly text: string;
    }
  /** A shard has given all its slots away, as was wanted. */
  | {
      readonly kind: 'shardRemoved';
      readonly shardIndex: number;
      readonly task: number;
      readonly text: string;
    }
  /** A task begins, or has ended. */
  | {
      readonly kind: 'taskStarted' | 'taskSucceeded' | 'taskFailed' | 'taskCancelled';
      readonly task: number;
      readonly text: string;
    }
  /** Positions and links were written down, or how far tasks are, and nothing else. No news for people. */
  | { readonly kind: 'noted' | 'taskNoted' };

/**
 * What a node is told a topology for:
 * - `role`: the committed topology.
 * - `isolation`: the same, but this node a master without slots, which turns clients away (facts section 13).
 * - `drain`: the same, but the slots of this master are those of the replica that takes over, to which clients are turned away (facts section 10).
 */
export type PushPurpose = 'role' | 'isolation' | 'drain';

export interface PushAction {
  readonly kind: 'push';
  readonly node: NodeId;
  readonly address: NodeAddress;
  /** Given to the node by SETNODEID first; null when it has it already. */
  readonly id: NodeId | null;
  readonly purpose: PushPurpose;
  readonly text: string;
  readonly version: ClusterVersion;
  /** With FORCE, for a node that holds this version already: an equal one is ignored (facts section 2.2). */
  readonly isForced: boolean;
  /**
   * Its clients' connections are ended first. It becomes a master: an import that it began as one before, and was replaced in, ends with its
   * connection, and from then on that would delete the slots (slot_import.cc, StopForLinkError).
   */
  readonly endsClients: boolean;
  readonly why: string;
}

export interface MigrateAction {
  readonly kind: 'migrate';
  /** The source's shard: the name under which the outcome is reported back. */
  readonly shard: ShardId;
  readonly source: NodeId;
  readonly sourceAddress: NodeAddress;
  readonly target: NodeId;
  /** Where imports that it is done with are ended first: the end of their connections would delete what comes in (slot_import.cc, StopForLinkError). */
  readonly targetAddress: NodeAddress;
  readonly range: SlotRange;
  /** 1 for the first try. */
  readonly attempt: number;
}

/** Raises the sequence number of an isolated node, so that its next synchronisation has to be a full one (facts section 13). */
export interface OutrunAction {
  readonly kind: 'outrun';
  readonly node: NodeId;
  readonly address: NodeAddress;
  /** Numbers to use up, 1 to 20,000. */
  readonly count: number;
}

/** Keeps replicas from copying a master that has lost its data; told any topology, it is open again. */
export interface FenceAction {
  readonly kind: 'fence';
  readonly node: NodeId;
  readonly address: NodeAddress;
  readonly why: string;
}

/** Reads or changes how a node sends slots. Both can be done again; setting is done only where the node has it otherwise. */
export interface TuneAction {
  readonly kind: 'tune';
  readonly node: NodeId;
  readonly address: NodeAddress;
  readonly task: number;
  /** `read`: what it has; `set`: what the task wants; `restore`: what it had before. */
  readonly step: 'read' | 'set' | 'restore';
  /** Null for what the task leaves alone. */
  readonly settings: NodeTuning;
}

/** Asks the other members what they see of nodes that this one does not find. */
export interface InquireAction {
  readonly kind: 'inquire';
  readonly nodes: readonly NodeId[];
}

/** Looks at a spare; `isToUse`: also tells it apart from all members, because it is about to become one. */
export interface InspectSpareAction {
  readonly kind: 'inspectSpare';
  readonly spare: Spare;
  readonly isToUse: boolean;
}

export interface CommitAction {
  readonly kind: 'commit';
  /** To be committed in place of exactly the cluster the decision was made from; the same object when only `facts` change. */
  readonly next: Cluster;
  /** Written in the same transaction. */
  readonly facts: ClusterFacts;
  /** What is wanted of the cluster from then on, where that changes with it. */
  readonly policy?: ClusterPolicy;
  /** The tasks from then on, where they change with it, or where jobs of theirs begin: they have to be as they were read. */
  readonly tasks?: TaskBook;
  readonly reasons: readonly CommitReason[];
}

/** Every action must be carried out, and its outcome given to `observe` (`pushed`, `migrateAnswered`, `outran`, `fenced`, `tuned`, `inquired`, `spareLooked`, `commitEnded`), exactly once. */
export type Action =
  | PushAction
  | MigrateAction
  | OutrunAction
  | FenceAction
  | TuneAction
  | InquireAction
  | InspectSpareAction
  | CommitAction;
