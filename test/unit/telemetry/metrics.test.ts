// Metrics stay small whatever clients send, and series die with what they are about.

import { describe, expect, test } from 'vitest';

import { METRICS } from '../../../src/telemetry/catalog.ts';
import { EventLoopWatch } from '../../../src/telemetry/event-loop.ts';
import { Metrics } from '../../../src/telemetry/metrics.ts';
import type { ClusterSample, NodeSample, RaftSample } from '../../../src/telemetry/samples.ts';
import { FakeClock } from '../leader/fake-clock.ts';

const PLACE = { namespace: 'ns', cluster: 'c' };
const HOST = '127.0.0.1:9379';

function newMetrics(): Metrics {
  return new Metrics({
    host: HOST,
    nodeSeriesMax: 2000,
    build: { version: '1.0.0', commit: 'abc', node: 'v24' },
    clock: new FakeClock(),
  });
}

async function textOf(metrics: Metrics): Promise<string> {
  return Buffer.concat((await metrics.render()).pieces).toString();
}

/** The lines of the text without those about its metrics, without the prefix and the common labels. */
async function linesOf(metrics: Metrics, names: RegExp): Promise<readonly string[]> {
  return (await textOf(metrics))
    .split('\n')
    .filter((line) => line.startsWith('kvrocks_controller_'))
    .map((line) => line.replace('kvrocks_controller_', '').replace('namespace="ns",cluster="c"', 'c'))
    .filter((line) => names.test(line));
}

function members(count: number): readonly NodeSample[] {
  return Array.from({ length: count }, (_, index) => ({
    shard: 0,
    node: `n${index}`,
    role: index === 0 ? 'master' : 'slave',
    isUp: index === 0,
    hasRole: index === 0 ? true : null,
    missedProbes: 3 * index,
    lag: index === 0 ? null : 7,
    versionsBehind: index === 0 ? 0 : null,
  }));
}

function clusterSample(count: number): ClusterSample {
  return {
    ...PLACE,
    version: 3,
    nodes: count,
    counts: [
      { role: 'master', state: 'up', count: 1 },
      { role: 'slave', state: 'down', count: count - 1 },
    ],
    slotsUnassigned: 5,
    nodesNotConverged: 1,
    nodesDeparted: 3,
    migrations: 0,
    tasks: { running: 1, succeeded: 2 },
    slotsMoved: 30,
    slotsLeft: 70,
    migrationProgressAtSeconds: 12,
    isPaused: true,
    sparesReady: 2,
    shardsShort: 1,
    problems: [{ kind: 'failoverPaused', severity: 'warning', count: 1 }],
    members: () => members(count),
  };
}

const RAFT: RaftSample = {
  term: 1,
  isLeader: true,
  hasLeader: true,
  firstIndex: 1,
  lastIndex: 2,
  commitIndex: 2,
  appliedIndex: 2,
  voters: 3,
  learners: 0,
  isChanging: false,
  failureTolerance: 1,
  walBytes: 100,
  snapshotAtSeconds: 5,
  isSpaceLow: false,
  peers: [
    {
      peer: 2,
      lagEntries: 0,
      heardAtSeconds: 9,
      clockAheadSeconds: -0.5,
      messages: { sent: 1, dropped: 2, received: 3 },
      handshakes: { accepted: 1, refused: 0, failed: 0 },
    },
  ],
  refused: { checksum: 0 },
  waiting: { proposals: 1, reads: 0, changes: 0, inbox: 4 },
  inboxDropped: 6,
  store: { keys: 10, bytes: 1000, featureLevel: 6 },
};

test('KD3e: methods that no route takes are counted as one', async () => {
  const metrics = newMetrics();
  const odd = ['PROPFIND', 'MKCALENDAR', 'M-SEARCH', 'TRACE', 'get', '__proto__', 'x'.repeat(1000)];
  for (const method of ['GET', 'POST', ...odd]) {
    metrics.requestBegan();
    metrics.observeRequest({ method, uri: '/healthz', code: 405 }, 1, 10);
  }
  expect(await linesOf(metrics, /^http_(code|requests_total)/)).toEqual([
    `http_code{host="${HOST}",uri="/healthz",method="GET",code="405"} 1`,
    `http_code{host="${HOST}",uri="/healthz",method="POST",code="405"} 1`,
    `http_code{host="${HOST}",uri="/healthz",method="other",code="405"} ${odd.length}`,
    'http_requests_total{route="/healthz",method="GET",code="405"} 1',
    'http_requests_total{route="/healthz",method="POST",code="405"} 1',
    `http_requests_total{route="/healthz",method="other",code="405"} ${odd.length}`,
  ]);
});

test('a request is counted as rejected or redirected by its answer, and is in flight until then', async () => {
  const metrics = newMetrics();
  metrics.watchHttp(() => ({ connections: { http: 2, peer: 4 } }));
  for (const code of [413, 429, 307]) {
    metrics.requestBegan();
    metrics.observeRequest({ method: 'GET', uri: '/x', code }, 2, 0);
  }
  metrics.requestRejected('host');
  metrics.requestBegan();
  expect(await linesOf(metrics, /^http_(rejected|redirected|in_flight|connections)/)).toEqual([
    'http_rejected_total{reason="host"} 1',
    'http_rejected_total{reason="target"} 0',
    'http_rejected_total{reason="size"} 1',
    'http_rejected_total{reason="overload"} 1',
    'http_rejected_total{reason="unreadable"} 0',
    'http_redirected_total 1',
    'http_connections{kind="http"} 2',
    'http_connections{kind="peer"} 4',
    'http_in_flight 1',
  ]);
});

describe('of the leader', () => {
  const LEADERS = /^(cluster_|problems|node_|failover|migrat|topology|probes|decisions)/;

  test('nodes have series of their own up to two thousand; above that each cluster has its counts', async () => {
    const metrics = newMetrics();
    let count = 2;
    metrics.watchClusters(() => [clusterSample(count)]);
    const ofNodes = [
      'node_up{c,shard="0",node="n0",role="master"} 1',
      'node_up{c,shard="0",node="n1",role="slave"} 0',
      'node_role_expected{c,shard="0",node="n0",role="master"} 1',
      'node_lag_sequences{c,shard="0",node="n1",role="slave"} 7',
      'node_topology_behind{c,shard="0",node="n0",role="master"} 0',
      'node_failure_count{c,shard="0",node="n0",role="master"} 0',
      'node_failure_count{c,shard="0",node="n1",role="slave"} 3',
    ];
    expect(await linesOf(metrics, /^node_/)).toEqual(ofNodes);
    count = 2001;
    expect(await linesOf(metrics, /^node_/)).toEqual([]);
    expect(await linesOf(metrics, /^(cluster_nodes\{|problems)/)).toEqual([
      'cluster_nodes{c,role="master",state="up"} 1',
      'cluster_nodes{c,role="slave",state="down"} 2000',
      'problems{c,problem="failoverPaused",severity="warning"} 1',
    ]);
  });

  test('counts of a cluster begin at 0 with its supervision, and end with the cluster', async () => {
    const metrics = newMetrics();
    metrics.followLead(true);
    metrics.leader.begin(PLACE, ['failoverRestrained']);
    metrics.leader.begin({ ...PLACE, cluster: 'c2' }, []);
    metrics.leader.failover(PLACE, 'failover', 'done', 7);
    metrics.leader.failover(PLACE, 'switchover', 'undone');
    metrics.leader.failoverBlocked(PLACE, 'failoverRestrained');
    const ofC = async (): Promise<readonly string[]> =>
      (await linesOf(metrics, /^failover/)).filter((line) => /\{c[,}]/.test(line) && !line.includes('last'));
    expect(await ofC()).toEqual([
      'failovers_total{c,kind="failover",result="done"} 1',
      'failovers_total{c,kind="failover",result="failed"} 0',
      'failovers_total{c,kind="failover",result="undone"} 0',
      'failovers_total{c,kind="switchover",result="done"} 0',
      'failovers_total{c,kind="switchover",result="failed"} 0',
      'failovers_total{c,kind="switchover",result="undone"} 1',
      'failover_blocked_total{c,reason="failoverRestrained"} 1',
      'failover_lost_sequences_total{c} 7',
    ]);
    metrics.leader.forget(PLACE);
    metrics.leader.push(PLACE, 'accepted');
    const left = await linesOf(metrics, LEADERS);
    expect(left.filter((line) => /\{c[,}]/.test(line))).toEqual([]);
    expect(left.filter((line) => line.includes('cluster="c2"')).length).toBeGreaterThan(5);
  });

  test('nothing is there on a member that does not lead, whatever comes late from its last lead', async () => {
    const metrics = newMetrics();
    metrics.watchRaft(() => ({ ...RAFT, failureTolerance: null, peers: [] }));
    metrics.watchClusters(() => []);
    const count = (): void => {
      metrics.leader.begin(PLACE, []);
      metrics.leader.probe(PLACE, { elapsedMs: 5, error: 'timedOut' });
      metrics.leader.migrate('accepted');
      metrics.leader.commit('failover', 'committed');
      metrics.raft.roundTrip(2, 1);
      metrics.raft.diverged(1);
    };
    count();
    const ofLead =
      /^(cluster_|problems|node_|failover|migrat|topology|probes|decisions|raft_peer|store_hash|raft_failure)/;
    expect(await linesOf(metrics, ofLead)).toEqual([]);
    metrics.followLead(true);
    count();
    expect((await linesOf(metrics, ofLead)).length).toBeGreaterThan(20);
    metrics.followLead(false);
    metrics.leader.probe(PLACE, { elapsedMs: 5, error: null });
    expect(await linesOf(metrics, ofLead)).toEqual([]);
  });

  test('the time of a job is that of each of its slots', async () => {
    const metrics = newMetrics();
    metrics.followLead(true);
    metrics.leader.begin(PLACE, []);
    metrics.leader.slots(PLACE, { outcome: 'moved', count: 100, elapsedMs: 2000 });
    metrics.leader.slots(PLACE, { outcome: 'kept', count: 7, elapsedMs: 2000 });
    expect(await linesOf(metrics, /^migrated_slots|^migration_slot_seconds_(sum|count)/)).toEqual([
      'migrated_slots_total{c,result="moved"} 100',
      'migrated_slots_total{c,result="kept"} 7',
      'migration_slot_seconds_sum 2',
      'migration_slot_seconds_count 100',
    ]);
  });
});

test('every metric that is declared has a source, and none is there that is not declared', async () => {
  const metrics = newMetrics();
  metrics.watchRaft(() => RAFT);
  metrics.watchHttp(() => ({ connections: { http: 1, peer: 1 } }));
  metrics.watchConfig(() => ({ isLastGood: true, readAtSeconds: 7 }));
  metrics.watchClusters(() => [clusterSample(2)]);
  metrics.followLead(true);
  metrics.leader.begin(PLACE, ['failoverRestrained']);
  metrics.leader.probe(PLACE, { elapsedMs: 5, error: 'timedOut' });
  metrics.leader.failover(PLACE, 'failover', 'done', 7);
  metrics.leader.commit('failover', 'committed');
  metrics.raft.transfer('done');
  metrics.raft.roundTrip(2, 3);
  metrics.backedUp();
  metrics.requestBegan();
  metrics.observeRequest({ method: 'GET', uri: '/healthz', code: 200 }, 1, 10);
  const text = await textOf(metrics);
  const samples = new Set(
    [...text.matchAll(/^(kvrocks_controller_\w+?)(?:_bucket|_sum|_count)?(?:\{.*\})? \S+$/gm)].map(
      ([, name]) => name,
    ),
  );
  // A counter or gauge whose own name ends like a part of a histogram.
  samples.add('kvrocks_controller_node_failure_count');
  samples.delete('kvrocks_controller_node_failure');
  expect(samples).toEqual(new Set(METRICS.keys()));
  for (const [name, { kind, help }] of METRICS) {
    expect(text).toContain(`# HELP ${name} ${help}\n# TYPE ${name} ${kind}\n`);
    expect(name.endsWith('_total'), name).toBe(kind === 'counter' && !/http_(code|payload)$/.test(name));
  }
});

test('a value of a label cannot break its line', async () => {
  const metrics = newMetrics();
  metrics.requestBegan();
  metrics.observeRequest({ method: 'GET', uri: 'a"b\\c\nd', code: 200 }, 1, 0);
  expect(await linesOf(metrics, /^http_requests_total/)).toEqual([
    'http_requests_total{route="a\\"b\\\\c\\nd",method="GET",code="200"} 1',
  ]);
});

test('who asks while a text is being made gets that one', async () => {
  const metrics = newMetrics();
  const [one, other] = await Promise.all([metrics.render(), metrics.render()]);
  expect(other).toBe(one);
  expect(await metrics.render()).not.toBe(one);
});

test('an event loop that has not turned for ten seconds is told, also to who asked meanwhile and is answered after it', async () => {
  const clock = new FakeClock();
  const late: (() => void)[] = [];
  let isStanding = false;
  const lags: number[] = [];
  const watch = new EventLoopWatch(
    {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      setTimer: (delayMs, callback) =>
        clock.setTimer(delayMs, () => (isStanding ? void late.push(callback) : callback())),
    },
    (lagMs) => lags.push(lagMs),
  );
  await clock.advance(60_000);
  expect(watch.check.problem).toBeNull();
  expect(Math.max(...lags)).toBe(0);
  isStanding = true;
  await clock.advance(9000);
  expect(watch.check.problem).toBeNull();
  await clock.advance(3000);
  const told = { name: 'event_loop', problem: 'the event loop has not turned for 12 s' };
  expect(watch.check).toEqual(told);
  isStanding = false;
  for (const callback of late) callback();
  expect(watch.check).toEqual(told);
  await clock.advance(1000);
  expect(watch.check.problem).toBeNull();
  expect(Math.max(...lags)).toBe(11_750);
  watch.stop();
  expect(clock.pendingCount).toBe(0);
});
