// Every metric of the controller, declared in one place. Names end in their unit and `_total`, but for those kept from earlier controllers.

import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client';

/** What a request is counted under. `uri` is a route's template; any `method` may be given, those that no route takes are counted as one. */
export interface RequestLabels {
  readonly method: string;
  readonly uri: string;
  readonly code: number;
}

/** Raft's numbers at the moment of a scrape. */
export interface RaftSample {
  readonly term: number;
  readonly isLeader: boolean;
  readonly hasLeader: boolean;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly voters: number;
  readonly learners: number;
  /** A change of the voters is under way. */
  readonly isChanging: boolean;
  /** Peer id -> entries it lacks; on the leader only. */
  readonly peerLag: ReadonlyMap<number, number>;
  /** The disk of the log is nearly full. */
  readonly isSpaceLow: boolean;
  /** Reason -> requests of peers that were not taken. */
  readonly refused: Readonly<Record<string, number>>;
}

/** How the last reload of the configuration went, the start counted as one. */
export interface ReloadSample {
  readonly isLastGood: boolean;
  /** Seconds since the Unix epoch. */
  readonly readAtSeconds: number;
}

/** What happens to the lead. */
export interface LeadCounts {
  /** This member asked the others for their votes. */
  campaign(): void;
  /** A planned change of the lead, asked for here. */
  transfer(outcome: 'done' | 'refused' | 'aborted' | 'unknown'): void;
}

/** One cluster as the leader's supervisor sees it at the moment of a scrape. */
export interface ClusterSample {
  readonly namespace: string;
  readonly cluster: string;
  readonly version: number;
  readonly nodes: number;
  /** Nodes that missed as many probes as the configuration allows. */
  readonly nodesDown: number;
  /** Nodes whose topology or role is not yet the committed one. */
  readonly nodesNotConverged: number;
  /** Nodes that have left and were not told yet. */
  readonly nodesDeparted: number;
  readonly migrations: number;
  /** Tasks that move slots, by their state; those that have ended as long as they are kept. */
  readonly tasks: Readonly<Record<string, number>>;
  /** Slots that open tasks have moved, and have left to move. */
  readonly slotsMoved: number;
  readonly slotsLeft: number;
  /** Automatic failover is off, or only told. */
  readonly isPaused: boolean;
  /** Spares that could be used now. */
  readonly sparesReady: number;
  /** Shards with fewer nodes than are wanted. */
  readonly shardsShort: number;
  readonly problems: readonly { readonly kind: string; readonly severity: string }[];
  readonly members: readonly NodeSample[];
}

export interface NodeSample {
  readonly shard: number;
  readonly node: string;
  readonly role: 'master' | 'slave';
  readonly isUp: boolean;
  /** Probes in a row that the leader has missed. */
  readonly missedProbes: number;
  /** Sequence numbers that it lacks of its master; null on a master and where that is not known. */
  readonly lag: number | null;
}

export interface CountedPlace {
  readonly namespace: string;
  readonly cluster: string;
}

/** What the supervisors count. */
export interface LeaderCounts {
  /** A change of masters was committed; `lost`: sequence numbers that are known to be lost by it. */
  failover(place: CountedPlace, kind: 'failover' | 'switchover', lost: number | null): void;
  /** A master is missed, or has lost its data, and is not replaced now; `reason`: the kind of the problem. */
  failoverBlocked(place: CountedPlace, reason: string): void;
  /** The cluster is no more. */
  forget(place: CountedPlace): void;
  probe(outcome: 'answered' | 'failed'): void;
  push(outcome: 'accepted' | 'failed'): void;
  migrate(outcome: 'accepted' | 'failed'): void;
  commit(kind: string, outcome: 'committed' | 'refused'): void;
}

const PREFIX = 'kvrocks_controller_';
/** Methods with a series of their own; clients may send any of three dozen, on every route. */
const METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);
const OTHER_METHOD = 'other';
/** Nodes above which none has a series of its own. */
const NODE_SERIES_MAX = 2000;
const REQUEST_LABELS = ['host', 'uri', 'method', 'code'] as const;

/** Owns one registry a process. `host` is this member's advertised address. */
export class Metrics {
  readonly #registry = new Registry();
  readonly #host: string;
  readonly #latency: Histogram<(typeof REQUEST_LABELS)[number]>;
  readonly #codes: Counter<(typeof REQUEST_LABELS)[number]>;
  readonly #payloads: Counter<(typeof REQUEST_LABELS)[number]>;
  readonly lead: LeadCounts;
  /** Counts of the leader's work; they stay where they are while this member does not lead. */
  readonly leader: LeaderCounts;

  constructor(host: string) {
    this.#host = host;
    const registers = [this.#registry];
    collectDefaultMetrics({ register: this.#registry });
    this.#latency = new Histogram({
      name: `${PREFIX}request_latency`,
      help: 'Time to answer a request, milliseconds',
      labelNames: REQUEST_LABELS,
      buckets: Array.from({ length: 16 }, (_, exponent) => 2 ** exponent),
      registers,
    });
    this.#codes = new Counter({
      name: `${PREFIX}http_code`,
      help: 'Requests answered, by status code',
      labelNames: REQUEST_LABELS,
      registers,
    });
    this.#payloads = new Counter({
      name: `${PREFIX}http_payload`,
      help: 'Bytes of answers',
      labelNames: REQUEST_LABELS,
      registers,
    });
    this.leader = this.#leaderCounts();
    this.lead = this.#leadCounts();
  }

  observeRequest(labels: RequestLabels, elapsedMs: number, payloadBytes: number): void {
    const method = METHODS.has(labels.method) ? labels.method : OTHER_METHOD;
    const full = { host: this.#host, uri: labels.uri, method, code: labels.code };
    this.#latency.observe(full, elapsedMs);
    this.#codes.inc(full);
    this.#payloads.inc(full, payloadBytes);
  }

  /** Registers gauges that are read from `sample` at every scrape. Call once. */
  watchRaft(sample: () => RaftSample): void {
    const gauge = (name: string, help: string, read: (current: RaftSample) => number): void => {
      this.#gauge(`raft_${name}`, help, (target) => target.set(read(sample())));
    };
    gauge('term', 'Current Raft term', (current) => current.term);
    gauge('is_leader', '1 on the leader', (current) => Number(current.isLeader));
    gauge('has_leader', '1 while this member knows a leader', (current) => Number(current.hasLeader));
    gauge('last_index', 'Last index of the log', (current) => current.lastIndex);
    gauge('commit_index', 'Last committed index', (current) => current.commitIndex);
    gauge('applied_index', 'Last applied index', (current) => current.appliedIndex);
    gauge('voters', 'Voters of the group, as this member knows it', (current) => current.voters);
    gauge('learners', 'Members that do not vote yet', (current) => current.learners);
    gauge('membership_changing', '1 while a change of the voters is under way', (current) =>
      Number(current.isChanging),
    );
    gauge(
      'disk_space_low',
      '1 while commands are refused because the disk of the log is nearly full',
      (current) => Number(current.isSpaceLow),
    );
    const refused = new Gauge({
      name: `${PREFIX}raft_messages_refused_total`,
      help: 'Requests of peers that were not taken, by reason',
      labelNames: ['reason'],
      registers: [this.#registry],
      collect() {
        for (const [reason, count] of Object.entries(sample().refused)) refused.set({ reason }, count);
      },
    });
    const lag = new Gauge({
      name: `${PREFIX}raft_peer_lag_entries`,
      help: 'Entries a peer lacks, as the leader knows it',
      labelNames: ['peer'],
      registers: [this.#registry],
      collect() {
        lag.reset();
        for (const [peer, entries] of sample().peerLag) lag.set({ peer }, entries);
      },
    });
  }

  /** Registers gauges that are read from `sample` at every scrape. Call once. */
  watchConfig(sample: () => ReloadSample): void {
    this.#gauge(
      'config_reload_success',
      '1 unless the last reload of the configuration was refused',
      (gauge) => gauge.set(Number(sample().isLastGood)),
    );
    this.#gauge(
      'config_reload_timestamp_seconds',
      'When the configuration was read last without a problem',
      (gauge) => gauge.set(sample().readAtSeconds),
    );
  }

  /** Registers gauges a cluster, read from `samples` at every scrape; empty on a member that does not lead. Call once. */
  watchClusters(samples: () => readonly ClusterSample[]): void {
    const gauge = (name: string, help: string, read: (sample: ClusterSample) => number): void => {
      const target: Gauge<'namespace' | 'cluster'> = new Gauge({
        name: `${PREFIX}cluster_${name}`,
        help,
        labelNames: ['namespace', 'cluster'],
        registers: [this.#registry],
        collect: () => {
          target.reset();
          for (const sample of samples()) {
            target.set({ namespace: sample.namespace, cluster: sample.cluster }, read(sample));
          }
        },
      });
    };
    gauge('version', 'Committed topology version', (sample) => sample.version);
    gauge('nodes', 'Nodes of the cluster', (sample) => sample.nodes);
    gauge('nodes_down', 'Nodes that count as down', (sample) => sample.nodesDown);
    gauge(
      'nodes_not_converged',
      'Nodes without the committed topology or role',
      (sample) => sample.nodesNotConverged,
    );
    gauge(
      'nodes_departed',
      'Nodes that have left the cluster and were not told yet',
      (sample) => sample.nodesDeparted,
    );
    gauge('migrations', 'Slot migrations under way', (sample) => sample.migrations);
    gauge('migration_slots_moved', 'Slots that open migrations have moved', (sample) => sample.slotsMoved);
    gauge(
      'migration_slots_left',
      'Slots that open migrations have left to move',
      (sample) => sample.slotsLeft,
    );
    gauge('paused', '1 while automatic failover is off or run dry', (sample) => Number(sample.isPaused));
    gauge('spares_ready', 'Spares that could be used now', (sample) => sample.sparesReady);
    gauge(
      'shards_short',
      'Shards that have fewer nodes than are wanted of them',
      (sample) => sample.shardsShort,
    );
    this.#watchProblems(samples);
    this.#watchTasks(samples);
    this.#watchNodes(samples);
  }

  #watchTasks(samples: () => readonly ClusterSample[]): void {
    const tasks = new Gauge({
      name: `${PREFIX}migration_tasks`,
      help: 'Migrations of a cluster by their state, those that have ended as long as they are kept',
      labelNames: ['namespace', 'cluster', 'state'],
      registers: [this.#registry],
      collect() {
        tasks.reset();
        for (const { namespace, cluster, tasks: counted } of samples())
          for (const [state, count] of Object.entries(counted))
            tasks.set({ namespace, cluster, state }, count);
      },
    });
  }

  #watchProblems(samples: () => readonly ClusterSample[]): void {
    const problems = new Gauge({
      name: `${PREFIX}problems`,
      help: 'Problems of clusters that are present now',
      labelNames: ['namespace', 'cluster', 'problem', 'severity'],
      registers: [this.#registry],
      collect() {
        problems.reset();
        for (const { namespace, cluster, problems: found } of samples()) {
          for (const { kind, severity } of found)
            problems.inc({ namespace, cluster, problem: kind, severity });
        }
      },
    });
  }

  /** None at all above `NODE_SERIES_MAX` nodes: what each cluster counts has to do then. */
  #watchNodes(samples: () => readonly ClusterSample[]): void {
    const labelNames = ['namespace', 'cluster', 'shard', 'node', 'role'] as const;
    const gauge = (name: string, help: string, read: (node: NodeSample) => number | null): void => {
      const target: Gauge<(typeof labelNames)[number]> = new Gauge({
        name: `${PREFIX}node_${name}`,
        help,
        labelNames,
        registers: [this.#registry],
        collect: () => {
          target.reset();
          const all = samples();
          if (all.reduce((count, { nodes }) => count + nodes, 0) > NODE_SERIES_MAX) return;
          for (const { namespace, cluster, members } of all) {
            for (const member of members) {
              const { shard, node, role } = member;
              const value = read(member);
              if (value !== null) target.set({ namespace, cluster, shard, node, role }, value);
            }
          }
        },
      });
    };
    gauge('up', '1 while the node answers', (node) => Number(node.isUp));
    gauge('failure_count', 'Probes of the node missed in a row', (node) => node.missedProbes);
    gauge('lag_sequences', 'Sequence numbers a replica lacks of its master', (node) => node.lag);
  }

  /** Prometheus text. */
  async render(): Promise<{ readonly text: string; readonly contentType: string }> {
    return { text: await this.#registry.metrics(), contentType: this.#registry.contentType };
  }

  #leadCounts(): LeadCounts {
    const elections = this.#counter('raft_elections_total', 'Terms in which this member asked for votes', []);
    const transfers = this.#counter('raft_transfers_total', 'Planned changes of the lead, by outcome', [
      'outcome',
    ]);
    return {
      campaign: () => elections.inc(),
      transfer: (outcome) => transfers.inc({ outcome }),
    };
  }

  #leaderCounts(): LeaderCounts {
    const probes = this.#counter('probes_total', 'Looks at nodes, by outcome', ['outcome']);
    const pushes = this.#counter('pushes_total', 'Topologies pushed to nodes, by outcome', ['outcome']);
    const migrates = this.#counter('migrate_commands_total', 'CLUSTERX MIGRATE commands sent, by outcome', [
      'outcome',
    ]);
    const commits = this.#counter('decisions_total', 'Decisions committed by the leader, by kind', [
      'kind',
      'outcome',
    ]);
    const place = ['namespace', 'cluster'] as const;
    const reasons = new Set<string>();
    const failovers = this.#counter('failovers_total', 'Changes of masters that were committed, by kind', [
      ...place,
      'kind',
    ]);
    const blocked = this.#counter(
      'failover_blocked_total',
      'Times that a master was missed and not replaced, by the problem that was told',
      [...place, 'reason'],
    );
    const lost = this.#counter(
      'failover_lost_sequences_total',
      'Sequence numbers known to be lost by failovers',
      place,
    );
    const last = new Gauge({
      name: `${PREFIX}failover_last_timestamp_seconds`,
      help: 'When the last change of masters was committed here',
      labelNames: place,
      registers: [this.#registry],
    });
    return {
      failover: (at, kind, count) => {
        failovers.inc({ ...at, kind });
        lost.inc(at, count ?? 0);
        last.setToCurrentTime(at);
      },
      failoverBlocked: (at, reason) => {
        reasons.add(reason);
        blocked.inc({ ...at, reason });
      },
      forget: (at) => {
        lost.remove(at);
        last.remove(at);
        for (const kind of ['failover', 'switchover']) failovers.remove({ ...at, kind });
        for (const reason of reasons) blocked.remove({ ...at, reason });
      },
      probe: (outcome) => probes.inc({ outcome }),
      push: (outcome) => pushes.inc({ outcome }),
      migrate: (outcome) => migrates.inc({ outcome }),
      commit: (kind, outcome) => commits.inc({ kind, outcome }),
    };
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name: PREFIX + name, help, labelNames, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, update: (gauge: Gauge) => void): void {
    const gauge: Gauge = new Gauge({
      name: PREFIX + name,
      help,
      registers: [this.#registry],
      collect: () => update(gauge),
    });
  }
}
