// What this release understands of what a group writes, as one number.

/** What every release understands; also that of members that say nothing of levels, and of a group that never agreed on one. */
export const FIRST_FEATURE_LEVEL = 1;

/**
 * The highest level of this release. It rises with every change of what is written for other members to read: records, transactions,
 * messages. Such a thing is written only while the group's own level, which all members support, is at least the one it came with.
 *  1  records of version 1
 *  2  cluster records of version 2, whose migrations can be cancelled; facts about copies beside them
 *  3  cluster records of version 3, whose shards can be drained: planned changes of masters that lose nothing; members look at nodes for
 *     their leader when it asks
 *  4  policies: what people want of the automation; events
 *  5  spares: cluster policies of version 2; departures: nodes that have left and have to be told; events of them, and of topologies pushed
 *     again when somebody asks
 *  6  tasks: moves of slots that are worked off job by job; events of them
 *  7  clusters of a group that was made out of a backup, which are only observed until they are accepted; events of that
 */
export const FEATURE_LEVEL = 7;

/** What people can do from a level on, and not before. */
export interface Feature {
  readonly level: number;
  /** A phrase for people. */
  readonly brings: string;
}

/** One for each level above the first, ascending. */
export const FEATURES: readonly Feature[] = [
  {
    level: 2,
    brings: 'started migrations can be cancelled; what is known of copies and promotions outlives the leader',
  },
  {
    level: 3,
    brings:
      'a planned failover of a living master loses nothing; a majority of the controllers says whether a node is down',
  },
  {
    level: 4,
    brings: 'pauses, dry runs, maintenance, priorities and zones; events and webhooks',
  },
  { level: 5, brings: 'spares; nodes that leave a cluster are told that they left' },
  {
    level: 6,
    brings:
      'migrations of many ranges, job by job, that can be paused and tried again; scale-out, scale-in, rebalance and drain',
  },
  {
    level: 7,
    brings: 'a group that is restored from a backup only looks at its clusters until each is accepted',
  },
];

/** From here on a majority of the members decides whether a node is there. */
export const WITNESS_LEVEL = 3;
