// Measures what a controller costs: memory when idle, processor time of the leader that watches many nodes.

import { resolve } from 'node:path';

import { Command } from 'commander';

import { type ControllerProcess, startTrio, type Trio } from '../test/support/controller-process.ts';
import { expectStatus } from '../test/support/scene.ts';
import { notYet, pause, waitUntil } from '../test/support/wait-until.ts';
import { startFakeNodes } from './lib/fake-nodes.ts';
import { printTable, wholeNumber } from './lib/statistics.ts';

interface Options {
  readonly nodes: number;
  readonly clusters: number;
  readonly interval: number;
  readonly seconds: number;
  readonly main?: string;
}

const program = new Command('node scripts/bench-idle-and-probes.ts')
  .description(
    'Memory of idle controllers, and the processor time of the leader that probes many (fake) nodes.',
  )
  .option('--nodes <count>', 'nodes in all', (text) => wholeNumber(text, 2), 1000)
  .option(
    '--clusters <count>',
    'clusters the nodes are spread over; two nodes a shard',
    (text) => wholeNumber(text, 1),
    10,
  )
  .option('--interval <seconds>', 'controller.failover.ping_interval_seconds', Number, 1)
  .option('--seconds <count>', 'how long is measured', (text) => wholeNumber(text, 1), 20)
  .option('--main <file>', 'program to measure, such as dist/main.js; the sources when left out', (file) =>
    resolve(file),
  )
  .parse();

await main(program.opts<Options>());

interface Usage {
  readonly cpuSeconds: number;
  readonly rssMb: number;
  readonly atMs: number;
}

async function main(options: Options): Promise<void> {
  const trio = await startTrio({
    pingIntervalSeconds: options.interval,
    maxPingCount: 5,
    ...(options.main === undefined ? {} : { main: options.main }),
    raft: raftFor(options.nodes),
  });
  const rows = [['state', 'member', 'memory', 'processor']];
  const nodes = await startFakeNodes(options.nodes);
  try {
    rows.push(...(await measure(trio, 'idle', options.seconds)));
    await watchNodes(trio, nodes.addresses, options.clusters);
    rows.push(
      ...(await measure(trio, `${options.nodes} nodes every ${options.interval} s`, options.seconds)),
    );
  } finally {
    nodes.stop();
    await trio.stop();
  }
  printTable(rows);
}

/** Thousands of fake nodes leave a small machine little for their start: the group must not lose its leader over that. */
function raftFor(nodes: number): {
  readonly heartbeatIntervalMs: number;
  readonly electionTimeoutMs: number;
} {
  return nodes <= 2000
    ? { heartbeatIntervalMs: 50, electionTimeoutMs: 500 }
    : { heartbeatIntervalMs: 500, electionTimeoutMs: 5000 };
}

/** Creates the clusters and waits until every node has taken its topology. */
async function watchNodes(trio: Trio, addresses: readonly string[], clusters: number): Promise<void> {
  expectStatus(await trio.api.post('/api/v1/namespaces', { namespace: 'bench' }), 201);
  const size = Math.floor(addresses.length / clusters / 2) * 2;
  for (let index = 0; index < clusters; index += 1) {
    const nodes = addresses.slice(index * size, (index + 1) * size);
    const body = { name: `c${index}`, nodes, replicas: 2 };
    expectStatus(await trio.api.post('/api/v1/namespaces/bench/clusters', body), 201);
  }
  await waitUntil(
    'every node to have its topology',
    async () => {
      const leader = await trio.leader();
      const { text } = await trio.api.sendTo(leader.url, 'GET', '/metrics');
      const converged = sumOf(text, 'cluster_nodes') - sumOf(text, 'cluster_nodes_not_converged');
      return converged === size * clusters ? true : notYet(`${converged} of ${size * clusters}`);
    },
    { intervalMs: 500, deadlineMs: 120_000 },
  );
  await pause(3000);
}

/** The sum of a gauge over all clusters. */
function sumOf(metrics: string, name: string): number {
  const lines = metrics.matchAll(new RegExp(`^kvrocks_controller_${name}\\{.*\\} (\\S+)$`, 'gm'));
  return [...lines].reduce((sum, line) => sum + Number(line[1]), 0);
}

/** One row a member: memory at the end, processor time over `seconds`. */
async function measure(trio: Trio, state: string, seconds: number): Promise<string[][]> {
  const leader = await trio.leader();
  await pause(3000);
  const before = await Promise.all(trio.members.map((member) => usageOf(trio, member)));
  await pause(seconds * 1000);
  const after = await Promise.all(trio.members.map((member) => usageOf(trio, member)));
  if ((await trio.leader()) !== leader) throw new Error('the leader changed while it was measured');
  return trio.members.map((member, index) => {
    const [from, to] = [before[index], after[index]];
    if (from === undefined || to === undefined) throw new Error('every member was measured');
    const percent = ((to.cpuSeconds - from.cpuSeconds) / (to.atMs - from.atMs)) * 100_000;
    return [
      state,
      member === leader ? 'leader' : 'follower',
      `${to.rssMb.toFixed(0)} MB`,
      `${percent.toFixed(1)} % of a core`,
    ];
  });
}

/** What the member itself reports at /metrics. */
async function usageOf(trio: Trio, member: ControllerProcess): Promise<Usage> {
  const { text } = await trio.api.sendTo(member.url, 'GET', '/metrics');
  const value = (name: string): number => Number(new RegExp(`^${name} (\\S+)`, 'm').exec(text)?.[1]);
  return {
    cpuSeconds: value('process_cpu_seconds_total'),
    rssMb: value('process_resident_memory_bytes') / 1e6,
    atMs: performance.now(),
  };
}
