// The Grafana dashboards as data: which questions each answers, by which expressions over declared metrics.

/** One panel. `{}` in an expression stands for the selection of the job, `{p}` for that of job, namespace and cluster, with more labels before its end. */
export interface PanelPlan {
  readonly title: string;
  /** Grafana's name of it, such as `s`, `bytes`, `ops`; none for plain counts. */
  readonly unit?: string;
  /** Expression and the name of its lines. */
  readonly lines: readonly (readonly [expression: string, legend: string])[];
}

export interface DashboardPlan {
  readonly file: string;
  readonly title: string;
  /** Whether namespace and cluster can be chosen. */
  readonly ofClusters: boolean;
  readonly panels: readonly PanelPlan[];
}

/** A quantile of a histogram, by further labels. */
function quantile(level: number, name: string, selection: string, by: string): string {
  return `histogram_quantile(${level}, sum by (le, ${by}) (rate(~${name}_bucket${selection}[$__rate_interval])))`;
}

function rate(name: string, selection: string, by: string): string {
  return `sum by (${by}) (rate(~${name}${selection}[$__rate_interval]))`;
}

export const DASHBOARDS: readonly DashboardPlan[] = [
  {
    file: 'group.json',
    title: 'Kvrocks controller: Group',
    ofClusters: false,
    panels: [
      { title: 'Who leads', lines: [['~raft_is_leader{}', '{{instance}}']] },
      { title: 'Knows a leader', lines: [['~raft_has_leader{}', '{{instance}}']] },
      {
        title: 'Voters that may still fail',
        lines: [['min by (job) (~raft_failure_tolerance{})', '{{job}}']],
      },
      {
        title: 'Members',
        lines: [
          ['~raft_members{}', '{{instance}} {{role}}'],
          ['~raft_membership_changing{}', '{{instance}} changing'],
        ],
      },
      { title: 'Term', lines: [['~raft_term{}', '{{instance}}']] },
      {
        title: 'Changes of the lead, and elections, an hour',
        lines: [
          ['increase(~raft_leader_changes_total{}[1h])', '{{instance}} changes'],
          ['increase(~raft_elections_total{}[1h])', '{{instance}} {{kind}}'],
          ['increase(~raft_transfers_total{}[1h])', '{{instance}} transfer {{outcome}}'],
        ],
      },
      { title: 'Entries a member lacks', lines: [['~raft_peer_lag_entries{}', 'member {{peer}}']] },
      {
        title: 'Since a member was heard',
        unit: 's',
        lines: [['time() - ~raft_peer_contact_timestamp_seconds{}', '{{instance}} of {{peer}}']],
      },
      {
        title: 'Clock of a member ahead',
        unit: 's',
        lines: [['~peer_clock_skew_seconds{}', 'member {{peer}}']],
      },
      {
        title: 'Round trip to a member, p50 and p99',
        unit: 's',
        lines: [
          [quantile(0.5, 'raft_peer_round_trip_seconds', '{}', 'peer'), 'member {{peer}} p50'],
          [quantile(0.99, 'raft_peer_round_trip_seconds', '{}', 'peer'), 'member {{peer}} p99'],
        ],
      },
      {
        title: 'Connections to members, by how they began',
        unit: 'ops',
        lines: [
          [
            rate('peer_handshakes_total', '{}', 'instance, peer, result'),
            '{{instance}} to {{peer}} {{result}}',
          ],
        ],
      },
      {
        title: 'Requests of peers not taken',
        unit: 'ops',
        lines: [[rate('raft_messages_refused_total', '{}', 'instance, reason'), '{{instance}} {{reason}}']],
      },
      { title: 'States that were not the same', lines: [['~store_hash_mismatch_total{}', '{{instance}}']] },
      { title: 'Feature level', lines: [['~store_feature_level{}', '{{instance}}']] },
    ],
  },
  {
    file: 'write-path.json',
    title: 'Kvrocks controller: Write path',
    ofClusters: false,
    panels: [
      {
        title: 'Proposals',
        unit: 'ops',
        lines: [[rate('raft_proposals_total', '{}', 'instance, result'), '{{instance}} {{result}}']],
      },
      {
        title: 'Proposed to applied, p50 and p99',
        unit: 's',
        lines: [
          [quantile(0.5, 'raft_commit_seconds', '{}', 'instance'), '{{instance}} p50'],
          [quantile(0.99, 'raft_commit_seconds', '{}', 'instance'), '{{instance}} p99'],
        ],
      },
      {
        title: 'A write to the log, p50 and p99',
        unit: 's',
        lines: [
          [quantile(0.5, 'raft_wal_sync_seconds', '{}', 'instance'), '{{instance}} p50'],
          [quantile(0.99, 'raft_wal_sync_seconds', '{}', 'instance'), '{{instance}} p99'],
        ],
      },
      {
        title: 'Applying a batch, p99',
        unit: 's',
        lines: [[quantile(0.99, 'raft_apply_seconds', '{}', 'instance'), '{{instance}}']],
      },
      {
        title: 'Committed and not applied',
        lines: [['~raft_commit_index{} - ~raft_applied_index{}', '{{instance}}']],
      },
      {
        title: 'What waits',
        lines: [
          ['~queue_depth{}', '{{instance}} {{queue}}'],
          ['~raft_proposals_pending{}', '{{instance}} without an outcome'],
        ],
      },
      {
        title: 'What found no room',
        unit: 'ops',
        lines: [[rate('queue_rejected_total', '{}', 'instance, queue'), '{{instance}} {{queue}}']],
      },
      {
        title: 'Messages between members',
        unit: 'ops',
        lines: [
          [
            rate('raft_messages_total', '{}', 'instance, direction, result'),
            '{{instance}} {{direction}} {{result}}',
          ],
        ],
      },
      {
        title: 'Entries in the log',
        lines: [['~raft_last_index{} - ~raft_first_index{} + 1', '{{instance}}']],
      },
      { title: 'Bytes of the log', unit: 'bytes', lines: [['~raft_wal_bytes{}', '{{instance}}']] },
      { title: 'Disk nearly full', lines: [['~raft_disk_space_low{}', '{{instance}}']] },
      {
        title: 'Age of the newest snapshot',
        unit: 's',
        lines: [['time() - ~raft_snapshot_timestamp_seconds{}', '{{instance}}']],
      },
      {
        title: 'Time of a snapshot, p99',
        unit: 's',
        lines: [[quantile(0.99, 'raft_snapshot_seconds', '{}', 'op'), '{{op}}']],
      },
      {
        title: 'State',
        lines: [
          ['~store_keys{}', '{{instance}} keys'],
          ['~store_bytes{}', '{{instance}} bytes'],
        ],
      },
    ],
  },
  {
    file: 'clusters.json',
    title: 'Kvrocks controller: Clusters',
    ofClusters: true,
    panels: [
      {
        title: 'Problems',
        lines: [
          [
            'sum by (namespace, cluster, problem, severity) (~problems{p})',
            '{{namespace}}/{{cluster}} {{severity}} {{problem}}',
          ],
        ],
      },
      { title: 'Converged', lines: [['~cluster_converged{p}', '{{namespace}}/{{cluster}}']] },
      {
        title: 'Nodes by state',
        lines: [['sum by (role, state) (~cluster_nodes{p})', '{{role}} {{state}}']],
      },
      {
        title: 'Nodes without their topology',
        lines: [
          ['~cluster_nodes_not_converged{p}', '{{namespace}}/{{cluster}}'],
          ['~cluster_nodes_departed{p}', '{{namespace}}/{{cluster}} departed, not told'],
        ],
      },
      {
        title: 'Slots that nobody owns',
        lines: [['~cluster_slots_unassigned{p}', '{{namespace}}/{{cluster}}']],
      },
      { title: 'Version of the topology', lines: [['~cluster_version{p}', '{{namespace}}/{{cluster}}']] },
      {
        title: 'Topologies told to nodes',
        unit: 'ops',
        lines: [
          [
            rate('topology_pushes_total', '{p}', 'namespace, cluster, result'),
            '{{namespace}}/{{cluster}} {{result}}',
          ],
        ],
      },
      {
        title: 'Short of copies, and spares',
        lines: [
          ['~cluster_shards_short{p}', '{{namespace}}/{{cluster}} shards short'],
          ['~cluster_spares_ready{p}', '{{namespace}}/{{cluster}} spares ready'],
        ],
      },
      { title: 'Failover off', lines: [['~cluster_paused{p}', '{{namespace}}/{{cluster}}']] },
      {
        title: 'Decisions',
        unit: 'ops',
        lines: [[rate('decisions_total', '{}', 'kind, outcome'), '{{kind}} {{outcome}}']],
      },
    ],
  },
  {
    file: 'nodes.json',
    title: 'Kvrocks controller: Nodes and lag',
    ofClusters: true,
    panels: [
      {
        title: 'Nodes that do not answer',
        lines: [['~node_up{p} == 0', '{{namespace}}/{{cluster}} {{shard}} {{role}} {{node}}']],
      },
      {
        title: 'Looks missed in a row',
        lines: [['~node_failure_count{p} > 0', '{{namespace}}/{{cluster}} {{shard}} {{role}} {{node}}']],
      },
      {
        title: 'Sequence numbers a replica lacks',
        lines: [['~node_lag_sequences{p}', '{{namespace}}/{{cluster}} {{shard}} {{node}}']],
      },
      {
        title: 'Nodes in another role',
        lines: [['~node_role_expected{p} == 0', '{{namespace}}/{{cluster}} {{shard}} {{role}} {{node}}']],
      },
      {
        title: 'Versions a node lacks',
        lines: [['~node_topology_behind{p} > 0', '{{namespace}}/{{cluster}} {{shard}} {{node}}']],
      },
      {
        title: 'A look, p50 and p99',
        unit: 's',
        lines: [
          [quantile(0.5, 'node_probe_seconds', '{p}', 'namespace, cluster'), '{{namespace}}/{{cluster}} p50'],
          [
            quantile(0.99, 'node_probe_seconds', '{p}', 'namespace, cluster'),
            '{{namespace}}/{{cluster}} p99',
          ],
        ],
      },
      {
        title: 'Looks that failed',
        unit: 'ops',
        lines: [
          [
            rate('node_probe_failures_total', '{p}', 'namespace, cluster, reason'),
            '{{namespace}}/{{cluster}} {{reason}}',
          ],
        ],
      },
      {
        title: 'Rounds that began late',
        unit: 'ops',
        lines: [[rate('probes_late_total', '{}', 'instance'), '{{instance}}']],
      },
    ],
  },
  {
    file: 'failover.json',
    title: 'Kvrocks controller: Failover and why not',
    ofClusters: true,
    panels: [
      {
        title: 'Changes of masters, an hour',
        lines: [
          [
            'sum by (namespace, cluster, kind, result) (increase(~failovers_total{p}[1h]))',
            '{{namespace}}/{{cluster}} {{kind}} {{result}}',
          ],
        ],
      },
      {
        title: 'Time of a change, p50 and p99',
        unit: 's',
        lines: [
          [quantile(0.5, 'failover_seconds', '{}', 'kind'), '{{kind}} p50'],
          [quantile(0.99, 'failover_seconds', '{}', 'kind'), '{{kind}} p99'],
        ],
      },
      {
        title: 'Since the last change',
        unit: 's',
        lines: [['time() - ~failover_last_timestamp_seconds{p}', '{{namespace}}/{{cluster}}']],
      },
      {
        title: 'Masters missed and not replaced, an hour',
        lines: [
          [
            'sum by (namespace, cluster, reason) (increase(~failover_blocked_total{p}[1h]))',
            '{{namespace}}/{{cluster}} {{reason}}',
          ],
        ],
      },
      {
        title: 'Masters that do not answer',
        lines: [['~cluster_nodes{p,role="master",state!="up"}', '{{namespace}}/{{cluster}} {{state}}']],
      },
      {
        title: 'Sequence numbers lost, a day',
        lines: [['increase(~failover_lost_sequences_total{p}[1d])', '{{namespace}}/{{cluster}}']],
      },
      {
        title: 'What holds failovers back',
        lines: [
          [
            'sum by (namespace, cluster, problem) (~problems{p,problem=~"masterUnreachable|masterUnconfirmed|masterDataLost|failoverRestrained|failoverPaused|massFailure|leaseExpired"})',
            '{{namespace}}/{{cluster}} {{problem}}',
          ],
        ],
      },
    ],
  },
  {
    file: 'migration.json',
    title: 'Kvrocks controller: Migration',
    ofClusters: true,
    panels: [
      { title: 'Migrations', lines: [['~migration_tasks{p}', '{{namespace}}/{{cluster}} {{state}}']] },
      { title: 'Jobs under way', lines: [['~cluster_migrations{p}', '{{namespace}}/{{cluster}}']] },
      {
        title: 'Slots of open migrations',
        lines: [
          ['~cluster_migration_slots_moved{p}', '{{namespace}}/{{cluster}} moved'],
          ['~cluster_migration_slots_left{p}', '{{namespace}}/{{cluster}} left'],
        ],
      },
      {
        title: 'Slots a second',
        unit: 'ops',
        lines: [
          [
            rate('migrated_slots_total', '{p}', 'namespace, cluster, result'),
            '{{namespace}}/{{cluster}} {{result}}',
          ],
        ],
      },
      {
        title: 'Time of a slot, p50 and p99',
        unit: 's',
        lines: [
          [quantile(0.5, 'migration_slot_seconds', '{}', 'job'), 'p50'],
          [quantile(0.99, 'migration_slot_seconds', '{}', 'job'), 'p99'],
        ],
      },
      {
        title: 'Since it last came on',
        unit: 's',
        lines: [['time() - ~migration_progress_timestamp_seconds{p}', '{{namespace}}/{{cluster}}']],
      },
      {
        title: 'Commands to move slots',
        unit: 'ops',
        lines: [[rate('migrate_commands_total', '{}', 'outcome'), '{{outcome}}']],
      },
    ],
  },
  {
    file: 'api.json',
    title: 'Kvrocks controller: API',
    ofClusters: false,
    panels: [
      {
        title: 'Requests',
        unit: 'reqps',
        lines: [[rate('http_requests_total', '{}', 'instance, code'), '{{instance}} {{code}}']],
      },
      {
        title: 'Requests by route',
        unit: 'reqps',
        lines: [[rate('http_requests_total', '{}', 'route, method'), '{{method}} {{route}}']],
      },
      {
        title: 'Time to answer, p50 and p99',
        unit: 's',
        lines: [
          [quantile(0.5, 'http_request_seconds', '{}', 'method'), '{{method}} p50'],
          [quantile(0.99, 'http_request_seconds', '{}', 'method'), '{{method}} p99'],
        ],
      },
      {
        title: 'Failures by route',
        unit: 'reqps',
        lines: [[rate('http_requests_total', '{code=~"5.."}', 'route, code'), '{{code}} {{route}}']],
      },
      {
        title: 'Refused for what they are',
        unit: 'reqps',
        lines: [[rate('http_rejected_total', '{}', 'instance, reason'), '{{instance}} {{reason}}']],
      },
      {
        title: 'Redirected to the leader',
        unit: 'reqps',
        lines: [[rate('http_redirected_total', '{}', 'instance'), '{{instance}}']],
      },
      { title: 'Connections', lines: [['~http_connections{}', '{{instance}} {{kind}}']] },
      { title: 'Being answered', lines: [['~http_in_flight{}', '{{instance}}']] },
    ],
  },
  {
    file: 'process.json',
    title: 'Kvrocks controller: Process',
    ofClusters: false,
    panels: [
      {
        title: 'Releases',
        lines: [['count by (version, commit, node) (~build_info{})', '{{version}} {{commit}} on {{node}}']],
      },
      {
        title: 'Last reload of the configuration: 1 is good',
        lines: [['~config_reload_success{}', '{{instance}}']],
      },
      {
        title: 'Age of the configuration that counts',
        unit: 's',
        lines: [['time() - ~config_reload_timestamp_seconds{}', '{{instance}}']],
      },
      {
        title: 'Processor',
        unit: 'percentunit',
        lines: [['rate(process_cpu_seconds_total{}[$__rate_interval])', '{{instance}}']],
      },
      {
        title: 'Memory',
        unit: 'bytes',
        lines: [
          ['process_resident_memory_bytes{}', '{{instance}}'],
          ['nodejs_heap_size_used_bytes{}', '{{instance}} heap in use'],
        ],
      },
      {
        title: 'Lag of the event loop, p99',
        unit: 's',
        lines: [[quantile(0.99, 'event_loop_lag_seconds', '{}', 'instance'), '{{instance}}']],
      },
      { title: 'Open descriptors', lines: [['process_open_fds{}', '{{instance}}']] },
      {
        title: 'Garbage collection',
        unit: 'percentunit',
        lines: [
          ['sum by (instance) (rate(nodejs_gc_duration_seconds_sum{}[$__rate_interval]))', '{{instance}}'],
        ],
      },
      {
        title: 'Since it was started',
        unit: 's',
        lines: [['time() - process_start_time_seconds{}', '{{instance}}']],
      },
      {
        title: 'Since the last whole backup',
        unit: 's',
        lines: [['time() - max by (job) (~backup_success_timestamp_seconds{})', '{{job}}']],
      },
    ],
  },
];
