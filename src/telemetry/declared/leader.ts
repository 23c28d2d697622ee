// The metrics of what only the leader knows and does; all of them are absent on other members.

import { counter, gauge, histogram, LONG_SECONDS, REQUEST_SECONDS } from './declare.ts';

/** Of each cluster, as its supervisor last decided; read at every scrape. */
export const CLUSTER_SAMPLED = {
  cluster_version: gauge('Committed version of the topology', 'namespace', 'cluster'),
  cluster_nodes: gauge(
    'Nodes by role (master, slave) and state: up (answers), impaired (answers with errors, or is loading), suspect (missed once), down (missed for the whole window, or gone), unknown (not looked at yet)',
    'namespace',
    'cluster',
    'role',
    'state',
  ),
  cluster_slots_unassigned: gauge('Slots that no shard owns', 'namespace', 'cluster'),
  cluster_converged: gauge(
    '1 while every node has the committed topology and its role',
    'namespace',
    'cluster',
  ),
  cluster_nodes_not_converged: gauge('Nodes without the committed topology or role', 'namespace', 'cluster'),
  cluster_nodes_departed: gauge('Nodes that have left and were not told yet', 'namespace', 'cluster'),
  cluster_paused: gauge('1 while automatic failover is off or run dry', 'namespace', 'cluster'),
  cluster_spares_ready: gauge('Spares that could be used now', 'namespace', 'cluster'),
  cluster_shards_short: gauge('Shards that have fewer nodes than are wanted of them', 'namespace', 'cluster'),
  problems: gauge('Problems that are present now', 'namespace', 'cluster', 'problem', 'severity'),
  cluster_migrations: gauge('Jobs that move slots now', 'namespace', 'cluster'),
  cluster_migration_slots_moved: gauge('Slots that open migrations have moved', 'namespace', 'cluster'),
  cluster_migration_slots_left: gauge('Slots that open migrations have left to move', 'namespace', 'cluster'),
  migration_tasks: gauge(
    'Migrations by state: pending, running, paused, and succeeded, failed, cancelled as long as they are kept',
    'namespace',
    'cluster',
    'state',
  ),
  migration_progress_timestamp_seconds: gauge(
    'When an open migration last came on or was begun, as this leader saw it; absent without one',
    'namespace',
    'cluster',
  ),
} as const;

const NODE = ['namespace', 'cluster', 'shard', 'node', 'role'] as const;

/** Of each node, absent above `metrics.node_series_max` nodes, where `cluster_nodes` has to do. `role` is the one that is wanted of it. */
export const NODE_SAMPLED = {
  node_up: gauge('1 while the node answers', ...NODE),
  node_role_expected: gauge(
    '1 while the node says that it has the role that is wanted of it; absent before its first answer',
    ...NODE,
  ),
  node_lag_sequences: gauge(
    'Sequence numbers (about one a write) that a replica lacks of its master, where that is known',
    ...NODE,
  ),
  node_topology_behind: gauge('Versions of the topology that the node lacks, by its last answer', ...NODE),
  node_failure_count: gauge('Looks at the node missed in a row (name of earlier controllers)', ...NODE),
} as const;

/** Counted or measured as it happens; those of a cluster begin with it, at 0, and end with it. */
export const LEADER_COUNTED = {
  node_probe_seconds: histogram(
    REQUEST_SECONDS,
    'One look at a node, whatever came of it',
    'namespace',
    'cluster',
  ),
  node_probe_failures_total: counter(
    'Looks at nodes that brought no report, by the kind of the error',
    'namespace',
    'cluster',
    'reason',
  ),
  probes_late_total: counter(
    'Rounds of looks that began more than an interval late: this process was busy or stood still',
  ),
  failovers_total: counter(
    'Changes of masters by kind (failover; switchover: planned, with clients turned away) and result: done (committed), failed (to be committed), undone (a switchover taken back)',
    'namespace',
    'cluster',
    'kind',
    'result',
  ),
  failover_blocked_total: counter(
    'Times that a master was missed and not replaced, by the problem that was told',
    'namespace',
    'cluster',
    'reason',
  ),
  failover_lost_sequences_total: counter(
    'Sequence numbers known to be lost by changes of masters',
    'namespace',
    'cluster',
  ),
  failover_last_timestamp_seconds: gauge(
    'When the last change of masters was committed by this leader',
    'namespace',
    'cluster',
  ),
  failover_seconds: histogram(
    LONG_SECONDS,
    'From the decision for a change of masters to the new one seen in office, by kind',
    'kind',
  ),
  topology_pushes_total: counter(
    'Topologies told to nodes, by result: accepted, failed',
    'namespace',
    'cluster',
    'result',
  ),
  migrated_slots_total: counter(
    "Slots whose job has ended, by result: moved (recorded at the target), kept (still the source's: given up or failed)",
    'namespace',
    'cluster',
    'result',
  ),
  migration_slot_seconds: histogram(
    LONG_SECONDS,
    'Time a slot took of jobs that moved slots: the time of the job by the number of its slots',
  ),
  migrate_commands_total: counter('CLUSTERX MIGRATE commands sent, by outcome: accepted, failed', 'outcome'),
  decisions_total: counter(
    'Decisions of the leader by kind and outcome: committed, refused',
    'kind',
    'outcome',
  ),
} as const;
