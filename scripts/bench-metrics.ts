// How long GET /metrics holds the event loop with ten thousand nodes, in clusters of several sizes: real supervisors' sights, no network.

import { setImmediate as turn } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { createSeededRandom } from '../src/base/random.ts';
import { Secret } from '../src/base/secret.ts';
import { NO_MEMORY } from '../src/control/memory.ts';
import { lookAt } from '../src/control/situation.ts';
import type { LastSight } from '../src/leader/last-sight.ts';
import { sampleCluster } from '../src/server/samples.ts';
import { systemClock } from '../src/system/clock.ts';
import { Metrics } from '../src/telemetry/metrics.ts';
import { createCluster } from '../src/topology/create-cluster.ts';
import { initialFacts } from '../src/topology/facts.ts';
import { parseName } from '../src/topology/name.ts';
import { parseAddress } from '../src/topology/node.ts';
import { NO_CLUSTER_POLICY, NO_GROUP_POLICY } from '../src/topology/policy.ts';
import { NO_TASKS } from '../src/topology/task.ts';
import type { Name, NodeAddress } from '../src/topology/types.ts';

const { values } = parseArgs({
  options: { nodes: { type: 'string', default: '10000' }, rounds: { type: 'string', default: '20' } },
});
const nodeCount = Number(values.nodes);
const rounds = Number(values.rounds);

/** Clusters that the nodes are spread over, and nodes above which none has series of its own. */
const SHAPES = [
  { clusters: 100, seriesMax: 2000 },
  { clusters: 100, seriesMax: nodeCount },
  { clusters: 10, seriesMax: 2000 },
  { clusters: 1, seriesMax: 2000 },
  { clusters: Math.floor(nodeCount / 4), seriesMax: 2000 },
] as const;

const rows = [];
for (const shape of SHAPES) rows.push(await measure(shape));
console.table(rows);

async function measure({ clusters, seriesMax }: (typeof SHAPES)[number]): Promise<Record<string, number>> {
  const metrics = new Metrics({
    host: '127.0.0.1:9379',
    nodeSeriesMax: seriesMax,
    build: { version: '', commit: '', node: process.version },
    clock: systemClock,
  });
  const sights = Array.from({ length: clusters }, (_, index) =>
    sightOf(index, Math.floor(nodeCount / clusters)),
  );
  metrics.followLead(true);
  for (const { place } of sights) {
    metrics.leader.begin(place, ['masterUnreachable', 'masterUnconfirmed', 'failoverRestrained']);
    metrics.leader.probe(place, { elapsedMs: 1, error: null });
  }
  const tasks = { ofCluster: () => NO_TASKS };
  metrics.watchClusters(function* samples() {
    for (const sight of sights) yield sampleCluster(sight, { tasks }, systemClock);
  });
  for (let round = 0; round < 3; round += 1) await metrics.render();
  const holds: number[] = [];
  let bytes = 0;
  let seconds = 0;
  for (let round = 0; round < rounds; round += 1) {
    const startedMs = performance.now();
    const startedBusyMs = busyMs();
    const rendering = metrics.render();
    const state = { isDone: false };
    void rendering.then(() => {
      state.isDone = true;
    });
    let worstMs = busyMs() - startedBusyMs;
    while (!state.isDone) {
      const before = busyMs();
      await turn();
      worstMs = Math.max(worstMs, busyMs() - before);
    }
    bytes = (await rendering).pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
    seconds += (performance.now() - startedMs) / 1000;
    holds.push(worstMs);
  }
  const sorted = holds.toSorted((left, right) => left - right);
  return {
    clusters,
    'nodes with series': nodeCount <= seriesMax ? nodeCount : 0,
    'text MB': Math.round(bytes / 10_000) / 100,
    'whole, ms': Math.round((seconds / rounds) * 1000),
    'longest hold, median ms': Math.round((sorted[Math.floor(rounds / 2)] ?? 0) * 10) / 10,
    'worst ms': Math.round((sorted.at(-1) ?? 0) * 10) / 10,
  };
}

/** Milliseconds of a processor that this thread has had: what other processes take of the machine is not the program's. */
function busyMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function sightOf(index: number, size: number): LastSight {
  const addresses = Array.from({ length: size }, (_, node) => addressOf(index * size + node));
  const cluster = createCluster({
    name: nameOf(`c${index}`),
    addresses,
    replicas: 2,
    password: Secret.none,
    nowSeconds: 1,
    random: createSeededRandom(index + 1),
  });
  if (!cluster.ok) throw new Error(JSON.stringify(cluster.error));
  const situation = lookAt({
    cluster: cluster.value,
    facts: initialFacts(cluster.value),
    memory: NO_MEMORY,
    settings: {
      pingIntervalMs: 3000,
      maxPingCount: 5,
      restartGraceMs: 800,
      lagMax: 10_000,
      switchoverTimeoutMs: 2000,
      coolDownMs: 0,
      aliveSizeMin: 10,
      failureRatioMax: 0.6,
      leaseMs: 0,
    },
    nowMs: 1000,
    nowSeconds: 1,
    policy: { group: NO_GROUP_POLICY, cluster: NO_CLUSTER_POLICY },
    census: { nodes: size, missed: 0 },
    cutOffs: new Map(),
    tasks: NO_TASKS,
    term: 1,
    leadSinceMs: 0,
    panel: { self: 1, voters: [[1]] },
  });
  return {
    place: { namespace: nameOf('bench'), cluster: cluster.value.name },
    situation,
    problems: [],
    departedUntold: 0,
    progressAtMs: null,
  };
}

function nameOf(text: string): Name {
  const name = parseName(text);
  if (!name.ok) throw new Error(text);
  return name.value;
}

function addressOf(number: number): NodeAddress {
  const address = parseAddress(`10.${number >> 16}.${(number >> 8) & 255}.${number & 255}:6666`);
  if (!address.ok) throw new Error(String(number));
  return address.value;
}
