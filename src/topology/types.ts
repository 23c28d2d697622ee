// The vocabulary of Kvrocks clusters. All values are immutable; whatever has one of these types is valid.

import type { Brand } from '../base/brand.ts';
import type { Secret } from '../base/secret.ts';

/** Number of hash slots of a cluster: slots are 0..16383. */
export const SLOT_COUNT = 16_384;

/** A hash slot, 0..16383. */
export type Slot = Brand<number, 'Slot'>;

/** An inclusive range of slots, `start <= stop`. */
export interface SlotRange {
  readonly start: Slot;
  readonly stop: Slot;
}

/** Slots as sorted, disjoint, non-adjacent ranges: one text form for one set. */
export type SlotSet = Brand<readonly SlotRange[], 'SlotSet'>;

/** A node's name in the topology: exactly 40 letters or digits (`parseNodeId`). */
export type NodeId = Brand<string, 'NodeId'>;

/** `host:port`: a host name, IPv4 or IPv6 literal in brackets; port 1..65535. One spelling for one address. */
export type NodeAddress = Brand<string, 'NodeAddress'>;

/** A namespace's or cluster's name: 1 to 63 of letters, digits, `.`, `_`, `-`, the first a letter or digit. */
export type Name = Brand<string, 'Name'>;

/** A shard's identity inside its cluster: a positive integer, never reused. The API names shards by index instead. */
export type ShardId = Brand<number, 'ShardId'>;

/** The topology version nodes compare (`CLUSTERX VERSION`): a positive integer, only ever rising. */
export type ClusterVersion = Brand<number, 'ClusterVersion'>;

/** The API and Kvrocks spell the second one `slave`. */
export type NodeRole = 'master' | 'replica';

export interface Node {
  readonly id: NodeId;
  readonly address: NodeAddress;
  readonly role: NodeRole;
  /** The node's `requirepass`; empty when it has none. */
  readonly password: Secret;
  /** The node's `masterauth`; kept for the API, used by nobody else. */
  readonly masterAuth: Secret;
  /** Seconds since the Unix epoch. */
  readonly createdAtSeconds: number;
}

/**
 * How far a migration is, as far as it must outlive its leader. A node remembers its last job until the next one or a restart (facts
 * section 5.2), so a `success` it reports may be of an earlier move of the same slots. It counts only in stage `started`, which is
 * committed before the first MIGRATE is sent and only while the source reports no such success.
 */
export type MigrationStage =
  /** No MIGRATE was ever sent for it. */
  | { readonly kind: 'planned' }
  /** A MIGRATE may have been sent. `isTargetMarked`: the target reported a success of these slots already before. */
  | { readonly kind: 'started'; readonly isTargetMarked: boolean };

/** A committed intention to move slots out of the shard that holds this. Not part of the pushed topology. */
export interface Migration {
  readonly range: SlotRange;
  readonly target: ShardId;
  readonly stage: MigrationStage;
  /** Seconds since the Unix epoch. */
  readonly startedAtSeconds: number;
  /** Somebody asked to give it up: it is ended as soon as that is safe, and finished if it turns out to have succeeded. */
  readonly isCancelled: boolean;
}

/**
 * A planned change of masters under way: the master, and nobody else, is told that its slots are already those of `to`. It turns clients away and
 * goes on as the source of its replicas, so that its sequence stands still until `to` has reached it (facts section 10).
 */
export interface Drain {
  /** The replica that is to take over. */
  readonly to: NodeId;
  /** The version of the cluster that began it. */
  readonly version: ClusterVersion;
}

/** Exactly one master, any number of replicas. `nodes` keeps the order in which they were added. */
export interface Shard {
  readonly id: ShardId;
  readonly nodes: readonly Node[];
  readonly slots: SlotSet;
  /** The move out of this shard, if one is under way. */
  readonly migration: Migration | null;
  /** The planned change of masters, if one is under way. */
  readonly drain: Drain | null;
}

/**
 * One cluster: no slot is owned twice, no address and no node id is used twice, every migration's slots belong to its
 * shard and its target is another shard of this cluster. Made only by `topology/cluster.ts` and `topology/change.ts`.
 */
export interface Cluster {
  readonly name: Name;
  readonly version: ClusterVersion;
  readonly shards: readonly Shard[];
  /** The id the next added shard gets. */
  readonly nextShardId: ShardId;
}
