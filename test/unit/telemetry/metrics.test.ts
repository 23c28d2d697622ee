// Metrics stay small whatever clients send.

import { expect, test } from 'vitest';

import { type ClusterSample, Metrics, type NodeSample } from '../../../src/telemetry/metrics.ts';

function seriesOf(text: string): readonly string[] {
  return text.split('\n').filter((line) => line.startsWith('kvrocks_controller_http_code{'));
}

test('KD3e: methods that no route takes are counted as one', async () => {
  const metrics = new Metrics('127.0.0.1:9379');
  const odd = ['PROPFIND', 'MKCALENDAR', 'M-SEARCH', 'TRACE', 'get', '__proto__', 'x'.repeat(1000)];
  for (const method of ['GET', 'POST', ...odd])
    metrics.observeRequest({ method, uri: '/healthz', code: 405 }, 1, 10);
  const { text } = await metrics.render();
  expect(seriesOf(text)).toEqual([
    'kvrocks_controller_http_code{host="127.0.0.1:9379",uri="/healthz",method="GET",code="405"} 1',
    'kvrocks_controller_http_code{host="127.0.0.1:9379",uri="/healthz",method="POST",code="405"} 1',
    `kvrocks_controller_http_code{host="127.0.0.1:9379",uri="/healthz",method="other",code="405"} ${odd.length}`,
  ]);
});

test('nodes have series of their own up to two thousand, and what belongs to a cluster goes with it', async () => {
  const metrics = new Metrics('127.0.0.1:9379');
  const place = { namespace: 'ns', cluster: 'c' };
  const members = (count: number): readonly NodeSample[] =>
    Array.from({ length: count }, (_, index) => {
      const role = index === 0 ? 'master' : 'slave';
      return {
        shard: 0,
        node: `n${index}`,
        role,
        isUp: index === 0,
        missedProbes: 3 * index,
        lag: index === 0 ? null : 7,
      } as const;
    });
  let count = 2;
  const sample = (): ClusterSample => ({
    ...place,
    version: 3,
    nodes: count,
    nodesDown: 1,
    nodesNotConverged: 1,
    nodesDeparted: 3,
    migrations: 0,
    tasks: { running: 1, succeeded: 2 },
    slotsMoved: 30,
    slotsLeft: 70,
    isPaused: true,
    sparesReady: 2,
    shardsShort: 1,
    problems: [{ kind: 'failoverPaused', severity: 'warning' }],
    members: members(count),
  });
  metrics.watchClusters(() => [sample()]);
  metrics.leader.failover(place, 'failover', 7);
  metrics.leader.failover(place, 'switchover', 0);
  metrics.leader.failoverBlocked(place, 'failoverRestrained');
  const lines = async (): Promise<readonly string[]> =>
    (await metrics.render()).text
      .split('\n')
      .filter((line) => /^kvrocks_controller_(?:cluster_paused|problems|node_|failover)/.test(line))
      .map((line) => line.replace('kvrocks_controller_', '').replace('namespace="ns",cluster="c"', 'c'))
      .filter((line) => !line.startsWith('failover_last'));
  const ofCluster = ['cluster_paused{c} 1', 'problems{c,problem="failoverPaused",severity="warning"} 1'];
  const counted = [
    'failovers_total{c,kind="failover"} 1',
    'failovers_total{c,kind="switchover"} 1',
    'failover_blocked_total{c,reason="failoverRestrained"} 1',
    'failover_lost_sequences_total{c} 7',
  ];
  const ofNodes = [
    'node_up{c,shard="0",node="n0",role="master"} 1',
    'node_up{c,shard="0",node="n1",role="slave"} 0',
    'node_failure_count{c,shard="0",node="n0",role="master"} 0',
    'node_failure_count{c,shard="0",node="n1",role="slave"} 3',
    'node_lag_sequences{c,shard="0",node="n1",role="slave"} 7',
  ];
  expect((await lines()).toSorted()).toEqual([...ofCluster, ...counted, ...ofNodes].toSorted());
  count = 2001;
  metrics.leader.forget(place);
  expect(await lines()).toEqual(ofCluster);
});
