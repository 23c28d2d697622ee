// What the doctor makes of what it has seen: a healthy group has one quiet row a check, and each fault has its own.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import { describe, expect, test } from 'vitest';

import { err, ok } from '../../../src/base/result.ts';
import type { ConfigBody } from '../../../src/cli/commands/configuration.ts';
import { doctorBlocks } from '../../../src/cli/commands/doctor.ts';
import type { ProblemBody, StatusBody } from '../../../src/cli/commands/status-body.ts';
import { CHECKS, CHECKS_BEFORE_UPGRADE, examine, type Row } from '../../../src/cli/doctor/checks.ts';
import { quantileOf, readMetrics, type Sample, valueOf } from '../../../src/cli/doctor/metrics-text.ts';
import type { ClusterSeen, MemberSight, Sights } from '../../../src/cli/doctor/sights.ts';

const NOW_SECONDS = 1_800_000_000;
const LEADER = 1;

function sample(name: string, value: number, labels: Readonly<Record<string, string>> = {}): Sample {
  return { name, labels, value };
}

const METRICS: readonly Sample[] = [
  sample('raft_disk_space_low', 0),
  sample('raft_wal_sync_seconds_bucket', 1000, { le: '0.05' }),
  sample('raft_wal_sync_seconds_bucket', 1000, { le: '+Inf' }),
];

const LEADER_METRICS: readonly Sample[] = [
  ...METRICS,
  sample('raft_failure_tolerance', 1),
  sample('peer_clock_skew_seconds', 0.003, { peer: '2' }),
  sample('peer_clock_skew_seconds', -0.004, { peer: '3' }),
  sample('backup_success_timestamp_seconds', NOW_SECONDS - 3600),
];

function configOf(id: number, values: Readonly<Record<string, unknown>> = {}): ConfigBody {
  const settings = { 'raft.id': id, 'log.level': `level ${id}`, ...values };
  return {
    member: id,
    settings: Object.entries(settings).map(([path, value]) => ({
      path,
      value,
      source: { text: 'default' },
      reloadable: true,
    })),
    without_effect: [],
    needs_restart: [],
    log_level: { level: 'info', until: null },
    last_reload: { succeeded: true, read_at: '2026-01-01T00:00:00Z' },
  };
}

function member(id: number, changes: Partial<MemberSight> = {}): MemberSight {
  const lag = (of: number): number | null => (id !== LEADER ? null : of === LEADER ? 0 : 3);
  return {
    id,
    addr: `10.0.0.${id}:9379`,
    silence: null,
    peers: {
      leader: LEADER,
      featureLevel: 6,
      members: [1, 2, 3].map((of) => ({
        id: of,
        addr: `10.0.0.${of}:9379`,
        role: 'voter',
        lag: lag(of),
        lastContactMs: 10,
        featureLevel: 6,
      })),
    },
    readiness: ok([{ name: 'leader', problem: null }]),
    config: ok(configOf(id)),
    metrics: ok(id === LEADER ? LEADER_METRICS : METRICS),
    ...changes,
  };
}

function silent(id: number): MemberSight {
  const part = err('it does not answer');
  return member(id, { silence: 'refused', peers: null, readiness: part, config: part, metrics: part });
}

/** The leader's metrics with other values, or without one that is null. */
function withMetric(name: string, value: number | null, labels?: Sample['labels']): MemberSight {
  const others = LEADER_METRICS.filter(
    (each) => each.name !== name || each.labels['peer'] !== labels?.['peer'],
  );
  return member(LEADER, { metrics: ok(value === null ? others : [...others, sample(name, value, labels)]) });
}

const PROBLEM: ProblemBody = {
  kind: 'masterUnreachable',
  severity: 'critical',
  title: 'Master unreachable',
  detail: 'no replica may take over',
  remedy: 'bring it back',
  shard: 0,
  node: null,
  addr: null,
};

function cluster(
  problems: readonly ProblemBody[] = [],
  failover = 'on',
  by: string | null = null,
): ClusterSeen {
  const status: StatusBody = {
    cluster: 'carts',
    version: 1,
    converged: true,
    automation: { failover, ignore_mass_failure: false, by, until: null, reason: 'a move', set_at: null },
    on_divergence: 'remake',
    nodes: [],
    departed: [],
    problems,
    shards: [],
    migrations: [],
    spares: { copies: null, replace_after_seconds: 60, nodes: [], shards: [] },
  };
  return { namespace: 'shop', status };
}

const UPGRADE = {
  release: '1.3.0',
  level: 6,
  highest: 6,
  members: [1, 2, 3].map((id) => ({
    id,
    addr: `10.0.0.${id}:9379`,
    release: '1.3.0',
    level: 6,
    reached: true,
    error: null,
  })),
  held_by: null,
  next: 'nothing',
  off: [],
  way_back: 'none',
};

const HEALTHY: Sights = {
  nowSeconds: NOW_SECONDS,
  members: [member(1), member(2), member(3)],
  upgrade: ok(UPGRADE),
  clusters: ok([cluster()]),
};

function withMembers(...changed: readonly MemberSight[]): Sights {
  const members = HEALTHY.members.map((each) => changed.find(({ id }) => id === each.id) ?? each);
  return { ...HEALTHY, members };
}

function withClusters(...clusters: readonly ClusterSeen[]): Sights {
  return { ...HEALTHY, clusters: ok(clusters) };
}

/** `verdict name subject` of what is not well. */
function found(sights: Sights, isBeforeUpgrade = false): readonly string[] {
  return examine(sights, isBeforeUpgrade)
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ verdict, name, subject }) => `${verdict} ${name} ${subject}`);
}

const SECOND = 'controller 2 at 10.0.0.2:9379';

test('a healthy group has one row a check, all of them ok', () => {
  const rows = examine(HEALTHY, true);
  expect(rows.map(({ name }) => name)).toEqual([
    ...Object.keys(CHECKS),
    ...Object.keys(CHECKS_BEFORE_UPGRADE),
  ]);
  expect(found(HEALTHY, true)).toEqual([]);
  for (const { why, remedy } of rows)
    expect({ isSaid: why !== '', remedy }).toEqual({ isSaid: true, remedy: null });
  expect(examine(HEALTHY, false)).toHaveLength(Object.keys(CHECKS).length);
});

test('the names of rows are those that docs/kvctl.md lists', () => {
  const page = readFileSync(fileURLToPath(new URL('../../../docs/kvctl.md', import.meta.url)), 'utf8');
  const names = [...page.matchAll(/^\| `([a-z-]+\.[a-z]+)` \|/gm)].map(([, name]) => name);
  expect(names).toEqual([...Object.keys(CHECKS), ...Object.keys(CHECKS_BEFORE_UPGRADE)]);
});

test('a member that is down fails, and everything else is judged by what the others told', () => {
  const sights = withMembers(silent(3), withMetric('raft_failure_tolerance', 0));
  expect(found(sights)).toEqual([
    'fail members.reachable controller 3 at 10.0.0.3:9379',
    'warn members.tolerance the group',
  ]);
  expect(found(sights, true)).toContain('fail before-upgrade.members the group');
  const [first] = examine(sights, false);
  expect(first).toMatchObject({
    why: 'refused',
    remedy: expect.stringContaining('kvctl raft remove peer 3'),
  });
});

test('a leader that does not answer fails, and what only it knows is not called well', () => {
  expect(found(withMembers(silent(LEADER)))).toEqual([
    'fail members.reachable controller 1 at 10.0.0.1:9379',
    'fail members.leader the group',
    'warn members.tolerance the group',
    'warn members.lag the group',
    'warn members.clock the group',
    'warn backup.age the group',
  ]);
});

test('what could not be looked at is not called well', () => {
  const part = err('HTTP 404');
  const mute = HEALTHY.members.map((each) => ({ ...each, readiness: part, config: part, metrics: part }));
  const sights = { ...HEALTHY, members: mute, upgrade: part, clusters: part };
  const well = examine(sights, true).filter(({ verdict }) => verdict === 'ok');
  expect(well.map(({ name }) => name)).toEqual([
    'members.reachable',
    'members.leader',
    'members.lag',
    'before-upgrade.lag',
  ]);
});

describe('one fault has one row', () => {
  const faults: readonly (readonly [fault: string, sights: Sights, rows: readonly string[]])[] = [
    [
      'a check of readyz that fails',
      withMembers(member(2, { readiness: ok([{ name: 'applied', problem: 'behind' }]) })),
      [`fail members.ready ${SECOND}`],
    ],
    [
      'a member that does not tell its metrics',
      withMembers(member(2, { metrics: err('broken off') })),
      [`warn members.answers ${SECOND}`],
    ],
    [
      'a member that knows no leader',
      withMembers(member(2, { peers: { leader: 0, featureLevel: 6, members: [] } })),
      ['fail members.leader the group'],
    ],
    [
      'a group that bears no failure',
      withMembers(withMetric('raft_failure_tolerance', 0)),
      ['warn members.tolerance the group'],
    ],
    [
      'a clock that is ahead',
      withMembers(withMetric('peer_clock_skew_seconds', 0.6, { peer: '2' })),
      [`warn members.clock ${SECOND}`],
    ],
    [
      'a clock that is behind',
      withMembers(withMetric('peer_clock_skew_seconds', -0.6, { peer: '2' })),
      [`warn members.clock ${SECOND}`],
    ],
    [
      'a clock that was not compared',
      withMembers(withMetric('peer_clock_skew_seconds', null, { peer: '2' })),
      [`warn members.clock ${SECOND}`],
    ],
    [
      'settings of failovers that differ',
      withMembers(
        member(1, { config: ok(configOf(1, { 'controller.failover.max_lag': 5 })) }),
        member(2, { config: ok(configOf(2, { 'controller.failover.max_lag': 6 })) }),
      ),
      ['warn config.settings controller.failover.max_lag'],
    ],
    [
      'leases that differ',
      withMembers(
        member(1, { config: ok(configOf(1, { 'controller.failover.master_lease_ms': 0 })) }),
        member(2, { config: ok(configOf(2, { 'controller.failover.master_lease_ms': 6000 })) }),
      ),
      ['fail config.settings controller.failover.master_lease_ms'],
    ],
    [
      'a setting that waits for a restart',
      withMembers(
        member(2, { config: ok({ ...configOf(2), needs_restart: [{ path: 'addr', from: 'a', to: 'b' }] }) }),
      ),
      [`warn config.restart ${SECOND}`],
    ],
    [
      'a reload that was refused',
      withMembers(
        member(2, { config: ok({ ...configOf(2), last_reload: { succeeded: false, read_at: 'then' } }) }),
      ),
      [`fail config.reload ${SECOND}`],
    ],
    ['a slow disk', withMembers(slowDisk(0.25)), [`warn disk.sync ${SECOND}`]],
    ['a very slow disk', withMembers(slowDisk(2.5)), [`fail disk.sync ${SECOND}`]],
    [
      'a full disk',
      withMembers(withMetric('raft_disk_space_low', 1)),
      ['fail disk.space controller 1 at 10.0.0.1:9379'],
    ],
    [
      'states that differ',
      withMembers(withMetric('store_hash_mismatch_total', 1)),
      ['fail state.same controller 1 at 10.0.0.1:9379'],
    ],
    [
      'an upgrade that is not finalized',
      { ...HEALTHY, upgrade: ok({ ...UPGRADE, level: 5 }) },
      ['warn release.level the group'],
    ],
    [
      'another release',
      {
        ...HEALTHY,
        upgrade: ok({
          ...UPGRADE,
          members: UPGRADE.members.map((each) => ({ ...each, release: each.id === 2 ? null : '1.3.0' })),
        }),
      },
      ['warn release.same the group'],
    ],
    [
      'no backup',
      withMembers(withMetric('backup_success_timestamp_seconds', null)),
      ['warn backup.age the group'],
    ],
    [
      'an old backup',
      withMembers(withMetric('backup_success_timestamp_seconds', NOW_SECONDS - 27 * 3600)),
      ['warn backup.age the group'],
    ],
    ['a paused cluster', withClusters(cluster([], 'paused', 'cluster')), ['warn clusters.paused shop/carts']],
    [
      'a cluster that is only looked at',
      withClusters(cluster([{ ...PROBLEM, kind: 'clusterObserved', severity: 'error' }])),
      ['fail clusters.observed shop/carts'],
    ],
    [
      'a grave problem, twice',
      withClusters(cluster([PROBLEM, PROBLEM])),
      ['fail clusters.problems shop/carts'],
    ],
    [
      'a light problem',
      withClusters(
        cluster([
          { ...PROBLEM, severity: 'warning' },
          { ...PROBLEM, kind: 'nodeLoading', severity: 'info' },
        ]),
      ),
      ['warn clusters.problems shop/carts'],
    ],
    [
      'a risky setting of a node',
      withClusters(cluster([{ ...PROBLEM, kind: 'emptiesBeforeFullSync', severity: 'warning' }])),
      ['warn nodes.settings shop/carts'],
    ],
  ];

  test.each(faults)('%s', (_fault, sights, rows) => {
    expect(found(sights)).toEqual(rows);
  });

  test('a member that lags far behind', () => {
    expect(found(withMembers(lagging(1001)))).toEqual([`warn members.lag ${SECOND}`]);
    expect(found(withMembers(lagging(1000)))).toEqual([]);
  });
});

describe('before an upgrade', () => {
  const hindrances: readonly (readonly [hindrance: string, sights: Sights, row: string])[] = [
    ['a little lag', withMembers(lagging(101)), `fail before-upgrade.lag ${SECOND}`],
    [
      'a backup of this morning',
      withMembers(withMetric('backup_success_timestamp_seconds', NOW_SECONDS - 3 * 3600)),
      'fail before-upgrade.backup the group',
    ],
    [
      'the last upgrade, not finalized',
      { ...HEALTHY, upgrade: ok({ ...UPGRADE, level: 5 }) },
      'fail before-upgrade.release the group',
    ],
    ['a grave problem', withClusters(cluster([PROBLEM])), 'fail before-upgrade.clusters the group'],
    [
      'health that is not known',
      { ...HEALTHY, clusters: err('no leader') },
      'fail before-upgrade.clusters the group',
    ],
  ];

  test.each(hindrances)('%s stands against it', (_hindrance, sights, row) => {
    const rows = found(sights, true);
    expect(rows.filter((each) => each.includes(' before-upgrade.'))).toEqual([row]);
  });
});

test('people see the worst first, each with what to do, and a count at the end', () => {
  const rows: readonly Row[] = [
    { name: 'a.b', verdict: 'fail', subject: 'x', why: 'it is off', remedy: 'turn it on' },
    { name: 'long.name', verdict: 'ok', subject: 'y', why: 'it is well', remedy: null },
  ];
  expect(doctorBlocks(rows)).toEqual([
    { kind: 'line', text: 'fail  a.b        x: it is off', colour: 'red' },
    { kind: 'line', text: '      to do: turn it on', colour: null },
    { kind: 'line', text: 'ok    long.name  y: it is well', colour: 'green' },
    { kind: 'line', text: '1 fail, 0 warn, 1 ok', colour: 'bold' },
  ]);
  const sights = withMembers(
    withMetric('raft_failure_tolerance', 0),
    member(2, { readiness: ok([{ name: 'log', problem: 'gave up' }]) }),
  );
  expect(found(sights).map((each) => each.split(' ')[0])).toEqual(['fail', 'warn']);
});

test('metrics are read with their labels, and a quantile as Prometheus reckons it', () => {
  const samples = readMetrics(
    [
      '# HELP kvrocks_controller_x text',
      'process_cpu_seconds_total 3',
      'kvrocks_controller_raft_disk_space_low 1',
      'kvrocks_controller_odd{name="a}\\"b,c",le="1"} 2.5e-3',
      'kvrocks_controller_t_bucket{le="0.1"} 90',
      'kvrocks_controller_t_bucket{le="0.5"} 100',
      'kvrocks_controller_t_bucket{le="+Inf"} 100',
      'kvrocks_controller_u_bucket{le="0.1"} 1',
      'kvrocks_controller_u_bucket{le="+Inf"} 100',
      'kvrocks_controller_v_bucket{le="+Inf"} 0',
    ].join('\n'),
  );
  expect(valueOf(samples, 'raft_disk_space_low')).toBe(1);
  expect(valueOf(samples, 'absent')).toBe(null);
  expect(samples[1]).toEqual({ name: 'odd', labels: { name: 'a}\\"b,c', le: '1' }, value: 0.0025 });
  expect(quantileOf(samples, 't', 0.5)).toBeCloseTo(0.0556, 3);
  expect(quantileOf(samples, 't', 0.99)).toBeCloseTo(0.46);
  expect(quantileOf(samples, 'u', 0.99)).toBe(0.1);
  expect(quantileOf(samples, 'v', 0.99)).toBe(null);
});

/** All writes of member 2 fall into the bucket that ends there. */
function slowDisk(bound: number): MemberSight {
  const name = 'raft_wal_sync_seconds_bucket';
  return member(2, {
    metrics: ok([
      sample(name, 0, { le: String(bound * 0.9) }),
      sample(name, 100, { le: String(bound) }),
      sample(name, 100, { le: '+Inf' }),
    ]),
  });
}

/** The leader, from which member 2 lacks so many entries. */
function lagging(entries: number): MemberSight {
  const leader = member(LEADER);
  const members = (leader.peers?.members ?? []).map((each) =>
    each.id === 2 ? Object.assign({}, each, { lag: entries }) : each,
  );
  return { ...leader, peers: { leader: LEADER, featureLevel: 6, members } };
}
