// Measures what watching many nodes costs a leader: CPU and memory while supervisors probe every node at an interval.
// Usage: node scripts/bench-probe.ts [nodes=1000] [clusters=10] [seconds=20] [intervalMs=1000]

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import RedisParser from 'redis-parser';

import type { Logger } from '../src/base/logger.ts';
import { Secret } from '../src/base/secret.ts';
import { KvrocksClient } from '../src/kvrocks/client.ts';
import { Leadership } from '../src/leader/leadership.ts';
import { NO_CLUSTER_POLICY, NO_GROUP_POLICY } from '../src/topology/policy.ts';
import type { ClusterRecords, Witnesses } from '../src/leader/ports.ts';
import { initialFacts } from '../src/topology/facts.ts';
import type { ClusterRecord } from '../src/topology/record.ts';
import { NameResolver } from '../src/names/name-resolver.ts';
import { systemClock } from '../src/system/clock.ts';
import { createSystemRandom } from '../src/system/random.ts';
import { createCluster } from '../src/topology/create-cluster.ts';
import { parseName } from '../src/topology/name.ts';
import { parseAddress } from '../src/topology/node.ts';
import { NO_TASKS } from '../src/topology/task.ts';
import type { Cluster } from '../src/topology/types.ts';
import { NO_METRICS } from '../test/support/no-metrics.ts';

const REPLICAS = 2;

/** A group of one: nobody else is asked. */
const ALONE: Witnesses = {
  panel: () => ({ self: 1, voters: [[1]] }),
  ask: () => [],
  close: () => Promise.resolve(),
};
const CRLF = '\r\n';

/** What one node of the child says about itself. */
interface Face {
  readonly port: number;
  readonly id: string;
  /** Null on a master. */
  readonly masterPort: number | null;
}

const CLUSTER_INFO = bulk([
  'cluster_state:ok',
  'cluster_slots_assigned:16384',
  'cluster_slots_ok:16384',
  'cluster_slots_pfail:0',
  'cluster_slots_fail:0',
  'cluster_known_nodes:100',
  'cluster_size:50',
  'cluster_current_epoch:1',
  'cluster_my_epoch:1',
]);

function bulk(lines: readonly string[]): string {
  const text = lines.map((line) => line + CRLF).join('');
  return `$${text.length}${CRLF}${text}${CRLF}`;
}

function replicationInfo(face: Face, sequence: number): string {
  if (face.masterPort === null) {
    return bulk([
      '# Replication',
      'role:master',
      'connected_slaves:1',
      `slave0:ip=127.0.0.1,port=1,offset=${sequence},lag=0`,
      `master_repl_offset:${sequence}`,
    ]);
  }
  return bulk([
    '# Replication',
    'role:slave',
    'master_host:127.0.0.1',
    `master_port:${face.masterPort}`,
    'master_link_status:up',
    'master_sync_unrecoverable_error:no',
    'master_sync_in_progress:0',
    'master_last_io_seconds_ago:0',
    `slave_repl_offset:${sequence}`,
    'slave_priority:100',
    'connected_slaves:0',
    `master_repl_offset:${sequence}`,
  ]);
}

/** The reply to each command of a look; the first one asks for settings, too. */
function replyTo(command: unknown, face: Face, sequence: number): string {
  const [name = '', sub = ''] = Array.isArray(command) ? command.map(String) : [];
  switch (`${name} ${sub}`.toLowerCase()) {
    case 'cluster info':
      return CLUSTER_INFO;
    case 'clusterx myid':
      return `$40${CRLF}${face.id}${CRLF}`;
    case 'info replication':
      return replicationInfo(face, sequence);
    default:
      return name.toLowerCase() === 'config' ? `*0${CRLF}` : `-ERR unknown command${CRLF}`;
  }
}

/** The child: one port a node; sequences always move. */
async function serve(nodeCount: number): Promise<void> {
  const faces = new Map<number, Face>();
  let sequence = 1000;
  const servers: Server[] = [];
  for (let count = 0; count < nodeCount; count += 1) {
    const server = createServer((socket) => {
      const face = faces.get(socket.localPort ?? 0);
      socket.on('error', () => socket.destroy());
      let replies = '';
      const parser = new RedisParser({
        returnReply: (command: unknown) => {
          if (face !== undefined) replies += replyTo(command, face, sequence);
        },
        returnError: () => socket.destroy(),
        returnFatalError: () => socket.destroy(),
      });
      socket.on('data', (bytes) => {
        sequence += 1;
        replies = '';
        parser.execute(bytes);
        if (face === undefined) socket.destroy();
        else socket.write(replies);
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    servers.push(server);
  }
  process.on('disconnect', () => process.exit(0));
  process.on('message', (message) => {
    for (const face of message as Face[]) faces.set(face.port, face);
    process.send?.('ready');
  });
  process.send?.(servers.map((server) => (server.address() as AddressInfo).port));
}

/** The value of a parse that cannot fail here. */
function valid<T>(
  result: { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown },
): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

function makeClusters(ports: readonly number[], clusterCount: number): Cluster[] {
  const size = Math.floor(ports.length / clusterCount / REPLICAS) * REPLICAS;
  return Array.from({ length: clusterCount }, (_, index) =>
    valid(
      createCluster({
        name: valid(parseName(`c${index}`)),
        addresses: ports
          .slice(index * size, (index + 1) * size)
          .map((port) => valid(parseAddress(`127.0.0.1:${port}`))),
        replicas: REPLICAS,
        password: Secret.none,
        random: createSystemRandom(),
        nowSeconds: 0,
      }),
    ),
  );
}

function facesOf(cluster: Cluster): Face[] {
  return cluster.shards.flatMap((shard) => {
    const ports = shard.nodes.map((node) => Number(node.address.split(':')[1]));
    return shard.nodes.map((node, index) => ({
      port: ports[index] ?? 0,
      id: node.id,
      masterPort: index === 0 ? null : (ports[0] ?? 0),
    }));
  });
}

const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (event, fields) => console.log(event, fields),
  error: (event, fields) => console.log(event, fields),
  child: () => silent,
};

/** What is written down of nodes is kept in memory; no topology changes. */
function recordsOf(clusters: readonly Cluster[]): ClusterRecords {
  const namespace = valid(parseName('bench'));
  const records: ClusterRecord[] = clusters.map((cluster) => ({
    namespace,
    cluster,
    revision: 1,
    facts: initialFacts(cluster),
    factsRevision: 0,
  }));
  return {
    storesDrains: true,
    tell: () => Promise.resolve({ ok: true, value: undefined }),
    policies: { ofGroup: () => NO_GROUP_POLICY, ofCluster: () => NO_CLUSTER_POLICY, stamp: () => [] },
    departures: { ofCluster: () => [], change: () => Promise.resolve({ ok: true, value: undefined }) },
    tasks: { ofCluster: () => NO_TASKS },
    ownerOf: () => null,
    allClusters: () => records,
    getCluster: (_, name) => records.find((record) => record.cluster.name === name) ?? null,
    linearize: () => Promise.resolve({ ok: true, value: undefined }),
    replaceCluster: (record, cluster, { facts = record.facts }) => {
      const index = records.findIndex((known) => known.cluster.name === cluster.name);
      records[index] = { ...record, cluster, facts, factsRevision: record.factsRevision + 1 };
      return Promise.resolve({ ok: true, value: undefined });
    },
    watch: () => () => undefined,
  };
}

async function measure(options: {
  nodes: number;
  clusters: number;
  seconds: number;
  intervalMs: number;
}): Promise<void> {
  const { nodes, seconds, intervalMs } = options;
  const child = fork(fileURLToPath(import.meta.url), ['--serve', String(nodes)]);
  const [ports] = (await once(child, 'message')) as [number[]];
  const clusters = makeClusters(ports, options.clusters);
  child.send(clusters.flatMap((cluster) => facesOf(cluster)));
  await once(child, 'message');
  const looks = { answered: 0, failed: 0 };
  const leadership = new Leadership(
    1,
    {
      records: recordsOf(clusters),
      client: new KvrocksClient({ clock: systemClock, names: new NameResolver({ clock: systemClock }) }),
      witnesses: ALONE,
      clock: systemClock,
      random: createSystemRandom(),
      logger: silent,
      metrics: {
        ...NO_METRICS,
        probe: (_, { error }) => {
          looks[error === null ? 'answered' : 'failed'] += 1;
        },
      },
      isCurrent: () => true,
      giveLead: () => Promise.resolve(),
    },
    {
      pingIntervalMs: intervalMs,
      maxPingCount: 5,
      restartGraceMs: 800,
      lagMax: 10_000,
      switchoverTimeoutMs: 2000,
      coolDownMs: 0,
      aliveSizeMin: 10,
      failureRatioMax: 0.6,
      leaseMs: 0,
    },
  );
  leadership.start();
  await delay(3 * intervalMs);
  looks.answered = 0;
  looks.failed = 0;
  const cpuBefore = process.cpuUsage();
  const startedAtMs = systemClock.monotonicMs();
  await delay(seconds * 1000);
  const cpu = process.cpuUsage(cpuBefore);
  const elapsedMs = systemClock.monotonicMs() - startedAtMs;
  const converged = leadership.statuses().filter((status) => status.isConverged).length;
  const rssMegabytes = Math.round(process.memoryUsage.rss() / 1e6);
  await leadership.stop();
  child.disconnect();
  const cpuMicroseconds = cpu.user + cpu.system;
  console.log(
    `${nodes} nodes in ${clusters.length} clusters every ${intervalMs} ms: ` +
      `${(cpuMicroseconds / 10 / elapsedMs).toFixed(1)} % of a core ` +
      `(${Math.round(cpuMicroseconds / Math.max(1, looks.answered + looks.failed))} us a look), ` +
      `${looks.answered} answered, ${looks.failed} failed, ${converged} clusters converged, ${rssMegabytes} MB`,
  );
}

const [first, second, third, fourth] = process.argv.slice(2);
if (first === '--serve') {
  await serve(Number(second));
} else {
  await measure({
    nodes: Number(first ?? 1000),
    clusters: Number(second ?? 10),
    seconds: Number(third ?? 20),
    intervalMs: Number(fourth ?? 1000),
  });
}
