// The cluster as the API shows it, as far as actions are chosen by it.

/** Both ends included. */
export interface SlotRange {
  readonly start: number;
  readonly stop: number;
}

export interface NodeSeen {
  readonly id: string;
  /** `host:port`. */
  readonly address: string;
}

export interface ShardSeen {
  readonly index: number;
  readonly master: NodeSeen;
  readonly replicas: readonly NodeSeen[];
  readonly ranges: readonly SlotRange[];
  /** What moves out of this shard; null when nothing does. */
  readonly migrating: string | null;
}

export interface ClusterSeen {
  readonly version: number;
  readonly shards: readonly ShardSeen[];
}

export interface FleetSeen extends ClusterSeen {
  /** Nodes that run and belong to no shard any more. */
  readonly spares: readonly string[];
  /** Shards that the cluster was made with; later ones were added. */
  readonly firstShardCount: number;
  /** Packets between two nodes can be dropped. */
  readonly canCut: boolean;
}

/** The shard that owns `slot`; null when none does. */
export function ownerOf(cluster: ClusterSeen, slot: number): ShardSeen | null {
  const owns = ({ ranges }: ShardSeen): boolean =>
    ranges.some(({ start, stop }) => start <= slot && slot <= stop);
  return cluster.shards.find(owns) ?? null;
}

/** Master and replicas. */
export function membersOf({ master, replicas }: ShardSeen): readonly NodeSeen[] {
  return [master, ...replicas];
}
