// What is read at a scrape, and the numbers that it is turned into: one entry for every metric that is declared as sampled.

import type { Declarations, Declared, LabelsOf } from './declared/declare.ts';
import type { CLUSTER_SAMPLED, NODE_SAMPLED } from './declared/leader.ts';
import type { HTTP_SAMPLED, RAFT_SAMPLED } from './declared/member.ts';
import { type Row, rowLines } from './series.ts';

/** Another member at the moment of a scrape. */
export interface PeerSample {
  readonly peer: number;
  /** Entries it lacks; null on a member that does not lead. */
  readonly lagEntries: number | null;
  /** Seconds since the Unix epoch; null while it was never heard. */
  readonly heardAtSeconds: number | null;
  /** How far its clock is ahead; null where it was not asked. */
  readonly clockAheadSeconds: number | null;
  readonly messages: { readonly sent: number; readonly dropped: number; readonly received: number };
  readonly handshakes: { readonly accepted: number; readonly refused: number; readonly failed: number };
}

/** Raft and the store at the moment of a scrape. */
export interface RaftSample {
  readonly term: number;
  readonly isLeader: boolean;
  readonly hasLeader: boolean;
  readonly firstIndex: number;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly voters: number;
  readonly learners: number;
  /** A change of the voters is under way. */
  readonly isChanging: boolean;
  /** Null on a member that does not lead. */
  readonly failureTolerance: number | null;
  readonly walBytes: number;
  /** Seconds since the Unix epoch; null without a snapshot. */
  readonly snapshotAtSeconds: number | null;
  /** The disk of the log is nearly full. */
  readonly isSpaceLow: boolean;
  /** The other members. */
  readonly peers: readonly PeerSample[];
  /** Reason -> requests of peers that were not taken. */
  readonly refused: Readonly<Record<string, number>>;
  /** What waits, by queue. */
  readonly waiting: Readonly<Record<'proposals' | 'reads' | 'changes' | 'inbox', number>>;
  /** Messages that found no room in the inbox. */
  readonly inboxDropped: number;
  readonly store: { readonly keys: number; readonly bytes: number; readonly featureLevel: number };
}

export const NODE_STATES = ['up', 'impaired', 'suspect', 'down', 'unknown'] as const;
export type NodeState = (typeof NODE_STATES)[number];
export type NodeRole = 'master' | 'slave';

/** One cluster as its supervisor last decided about it. */
export interface ClusterSample {
  readonly namespace: string;
  readonly cluster: string;
  readonly version: number;
  readonly nodes: number;
  /** Nodes by role and state; where there are none, nothing. */
  readonly counts: readonly { readonly role: NodeRole; readonly state: NodeState; readonly count: number }[];
  readonly slotsUnassigned: number;
  /** Nodes whose topology or role is not yet the committed one. */
  readonly nodesNotConverged: number;
  /** Nodes that have left and were not told yet. */
  readonly nodesDeparted: number;
  /** Jobs that move slots now. */
  readonly migrations: number;
  /** Tasks that move slots, by their state; those that have ended as long as they are kept. */
  readonly tasks: Readonly<Record<string, number>>;
  /** Slots that open tasks have moved, and have left to move. */
  readonly slotsMoved: number;
  readonly slotsLeft: number;
  /** Seconds since the Unix epoch; null without an open task. */
  readonly migrationProgressAtSeconds: number | null;
  /** Automatic failover is off, or only told. */
  readonly isPaused: boolean;
  /** Spares that could be used now. */
  readonly sparesReady: number;
  /** Shards with fewer nodes than are wanted. */
  readonly shardsShort: number;
  /** Problems that are present now. */
  readonly problems: readonly { readonly kind: string; readonly severity: string; readonly count: number }[];
  /** Its nodes, read only where they have series of their own. */
  readonly members: () => Iterable<NodeSample>;
}

export interface NodeSample {
  readonly shard: number;
  readonly node: string;
  readonly role: NodeRole;
  readonly isUp: boolean;
  /** Whether it says that it has its role; null before its first answer. */
  readonly hasRole: boolean | null;
  /** Looks in a row that the leader has missed. */
  readonly missedProbes: number;
  /** Sequence numbers that it lacks of its master; null on a master and where that is not known. */
  readonly lag: number | null;
  /** Versions that it lacks; null before its first answer. */
  readonly versionsBehind: number | null;
}

export interface HttpSample {
  readonly connections: { readonly http: number; readonly peer: number };
  readonly inFlight: number;
}

type Readers<D, Sample> = {
  readonly [Name in keyof D]: (sample: Sample) => Iterable<Row<LabelsOf<D[Name]>>>;
};

/** All lines of the declared metrics, as `readers` make them of one sample. */
export function* sampledLines<Sample>(
  declared: Declarations,
  readers: Readonly<Record<string, (sample: Sample) => Iterable<Row<string>>>>,
  sample: Sample,
): Iterable<string> {
  for (const [name, read] of Object.entries(readers)) {
    const metric: Declared | undefined = declared[name];
    if (metric !== undefined) yield* rowLines(name, metric, read(sample));
  }
}

function one(value: number | boolean): Iterable<Row<never>> {
  return [[Number(value), {}]];
}

function known(value: number | null): Iterable<Row<never>> {
  return value === null ? [] : one(value);
}

function ofPeers(
  read: (sample: PeerSample) => number | null,
): (sample: RaftSample) => readonly Row<'peer'>[] {
  return ({ peers }) =>
    peers.flatMap((sample): Row<'peer'>[] => {
      const value = read(sample);
      return value === null ? [] : [[value, { peer: sample.peer }]];
    });
}

export const RAFT_READERS: Readers<typeof RAFT_SAMPLED, RaftSample> = {
  raft_has_leader: ({ hasLeader }) => one(hasLeader),
  raft_is_leader: ({ isLeader }) => one(isLeader),
  raft_term: ({ term }) => one(term),
  raft_commit_index: ({ commitIndex }) => one(commitIndex),
  raft_applied_index: ({ appliedIndex }) => one(appliedIndex),
  raft_first_index: ({ firstIndex }) => one(firstIndex),
  raft_last_index: ({ lastIndex }) => one(lastIndex),
  raft_members: ({ voters, learners }) => [
    [voters, { role: 'voter' }],
    [learners, { role: 'learner' }],
  ],
  raft_membership_changing: ({ isChanging }) => one(isChanging),
  raft_failure_tolerance: ({ failureTolerance }) => known(failureTolerance),
  raft_proposals_pending: ({ waiting }) => one(waiting.proposals),
  raft_wal_bytes: ({ walBytes }) => one(walBytes),
  raft_snapshot_timestamp_seconds: ({ snapshotAtSeconds }) => known(snapshotAtSeconds),
  raft_disk_space_low: ({ isSpaceLow }) => one(isSpaceLow),
  raft_peer_lag_entries: ofPeers(({ lagEntries }) => lagEntries),
  raft_peer_contact_timestamp_seconds: ofPeers(({ heardAtSeconds }) => heardAtSeconds),
  peer_clock_skew_seconds: ofPeers(({ clockAheadSeconds }) => clockAheadSeconds),
  raft_messages_total: ({ peers }) =>
    peers.flatMap(({ peer, messages }): Row<'peer' | 'direction' | 'result'>[] => [
      [messages.sent, { peer, direction: 'sent', result: 'ok' }],
      [messages.dropped, { peer, direction: 'sent', result: 'dropped' }],
      [messages.received, { peer, direction: 'received', result: 'ok' }],
    ]),
  peer_handshakes_total: ({ peers }) =>
    peers.flatMap(({ peer, handshakes }) =>
      Object.entries(handshakes).map(([result, count]): Row<'peer' | 'result'> => [count, { peer, result }]),
    ),
  raft_messages_refused_total: ({ refused }) =>
    Object.entries(refused).map(([reason, count]): Row<'reason'> => [count, { reason }]),
  queue_depth: ({ waiting }) =>
    Object.entries(waiting).map(([queue, count]): Row<'queue'> => [count, { queue }]),
  store_keys: ({ store }) => one(store.keys),
  store_bytes: ({ store }) => one(store.bytes),
  store_feature_level: ({ store }) => one(store.featureLevel),
};

export const HTTP_READERS: Readers<typeof HTTP_SAMPLED, HttpSample> = {
  http_connections: ({ connections }) =>
    Object.entries(connections).map(([kind, count]): Row<'kind'> => [count, { kind }]),
  http_in_flight: ({ inFlight }) => one(inFlight),
};

type Clusters = readonly ClusterSample[];
type Place = 'namespace' | 'cluster';

function ofClusters(
  read: (sample: ClusterSample) => number | null,
): (samples: Clusters) => Iterable<Row<Place>> {
  return function* rows(samples) {
    for (const sample of samples) {
      const value = read(sample);
      if (value !== null) yield [value, { namespace: sample.namespace, cluster: sample.cluster }];
    }
  };
}

export const CLUSTER_READERS: Readers<typeof CLUSTER_SAMPLED, Clusters> = {
  cluster_version: ofClusters(({ version }) => version),
  *cluster_nodes(samples) {
    for (const { namespace, cluster, counts } of samples)
      for (const { role, state, count } of counts) yield [count, { namespace, cluster, role, state }];
  },
  cluster_slots_unassigned: ofClusters(({ slotsUnassigned }) => slotsUnassigned),
  cluster_converged: ofClusters(({ nodesNotConverged }) => Number(nodesNotConverged === 0)),
  cluster_nodes_not_converged: ofClusters(({ nodesNotConverged }) => nodesNotConverged),
  cluster_nodes_departed: ofClusters(({ nodesDeparted }) => nodesDeparted),
  cluster_paused: ofClusters(({ isPaused }) => Number(isPaused)),
  cluster_spares_ready: ofClusters(({ sparesReady }) => sparesReady),
  cluster_shards_short: ofClusters(({ shardsShort }) => shardsShort),
  *problems(samples) {
    for (const { namespace, cluster, problems } of samples)
      for (const { kind, severity, count } of problems)
        yield [count, { namespace, cluster, problem: kind, severity }];
  },
  cluster_migrations: ofClusters(({ migrations }) => migrations),
  cluster_migration_slots_moved: ofClusters(({ slotsMoved }) => slotsMoved),
  cluster_migration_slots_left: ofClusters(({ slotsLeft }) => slotsLeft),
  *migration_tasks(samples) {
    for (const { namespace, cluster, tasks } of samples)
      for (const [state, count] of Object.entries(tasks)) yield [count, { namespace, cluster, state }];
  },
  migration_progress_timestamp_seconds: ofClusters(
    ({ migrationProgressAtSeconds }) => migrationProgressAtSeconds,
  ),
};

type NodeLabel = Place | 'shard' | 'node' | 'role';

function ofNodes(read: (node: NodeSample) => number | null): (samples: Clusters) => Iterable<Row<NodeLabel>> {
  return function* rows(samples) {
    for (const { namespace, cluster, members } of samples) {
      for (const member of members()) {
        const value = read(member);
        const { shard, node, role } = member;
        if (value !== null) yield [value, { namespace, cluster, shard, node, role }];
      }
    }
  };
}

export const NODE_READERS: Readers<typeof NODE_SAMPLED, Clusters> = {
  node_up: ofNodes(({ isUp }) => Number(isUp)),
  node_role_expected: ofNodes(({ hasRole }) => (hasRole === null ? null : Number(hasRole))),
  node_lag_sequences: ofNodes(({ lag }) => lag),
  node_topology_behind: ofNodes(({ versionsBehind }) => versionsBehind),
  node_failure_count: ofNodes(({ missedProbes }) => missedProbes),
};
