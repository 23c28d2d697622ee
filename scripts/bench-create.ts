// Measures how long it takes to create a cluster of many new nodes, with every check of them.

import { Command } from 'commander';

import { startTrio, type Trio } from '../test/support/controller-process.ts';
import type { KvrocksNode } from '../test/support/kvrocks-node.ts';
import { Scene } from '../test/support/scene.ts';
import { median, printTable, wholeNumber } from './lib/statistics.ts';

interface Options {
  readonly nodes: number;
  readonly replicas: number;
  readonly runs: number;
}

const program = new Command('node scripts/bench-create.ts')
  .description(
    'Time from POST .../clusters to its answer, and to the moment when every node has its place.\n' +
      'KVROCKS_BIN=/path/to/kvrocks measures real servers instead of simulated ones; each node is a process of its own.',
  )
  .option('--nodes <count>', 'nodes of the cluster', (text) => wholeNumber(text, 1), 60)
  .option('--replicas <count>', 'nodes of a shard, its master included', (text) => wholeNumber(text, 1), 2)
  .option('--runs <count>', 'clusters created', (text) => wholeNumber(text, 1), 3)
  .parse();

await main(program.opts<Options>());

interface Times {
  readonly answeredMs: number;
  readonly convergedMs: number;
}

async function main(options: Options): Promise<void> {
  const trio = await startTrio({ pingIntervalSeconds: 3, maxPingCount: 5 });
  const times: Times[] = [];
  try {
    for (let run = 0; run < options.runs; run += 1) times.push(await createOnce(trio, options));
  } finally {
    await trio.stop();
  }
  const rows = [['until', 'median', 'worst']];
  for (const [what, all] of [
    ['the answer', times.map(({ answeredMs }) => answeredMs)],
    ['every node has its place', times.map(({ convergedMs }) => convergedMs)],
  ] as const)
    rows.push([what, `${Math.round(median(all))} ms`, `${Math.round(Math.max(...all))} ms`]);
  process.stdout.write(`a cluster of ${options.nodes} nodes, ${options.runs} times\n`);
  printTable(rows);
}

/** New nodes each time: a node that was used is refused. */
async function createOnce(trio: Trio, { nodes: count, replicas }: Options): Promise<Times> {
  const scene = new Scene(trio.api);
  try {
    const nodes: KvrocksNode[] = [];
    while (nodes.length < count) nodes.push(...(await scene.nodes(Math.min(10, count - nodes.length))));
    await scene.makeNamespace();
    const startMs = performance.now();
    const body = { name: 'bench', nodes: nodes.map(({ address }) => address), replicas };
    const answer = await trio.api.post(`/api/v1/namespaces/${scene.namespace}/clusters`, body);
    if (answer.status !== 201) throw new Error(answer.text);
    const answeredMs = performance.now() - startMs;
    await scene.converged('bench');
    return { answeredMs, convergedMs: performance.now() - startMs };
  } finally {
    await scene.end();
  }
}
