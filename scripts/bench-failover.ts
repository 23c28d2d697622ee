// Measures how long writes of a shard fail when its master is killed or hangs, until its replica takes one.

import { Command, Option } from 'commander';

import { startTrio, type Trio } from '../test/support/controller-process.ts';
import { masterOf, replicasOf, Scene } from '../test/support/scene.ts';
import { wholeNumber, median, printTable } from './lib/statistics.ts';

interface Options {
  readonly runs: number;
  readonly pingInterval: number;
  readonly maxPingCount: number;
  readonly way: 'kill' | 'hang' | 'both';
}

const program = new Command('node scripts/bench-failover.ts')
  .description(
    'Median time from kill -9 (or SIGSTOP) of a master to the first write its replica takes, with three controllers.\n' +
      'KVROCKS_BIN=/path/to/kvrocks measures real servers instead of simulated ones.',
  )
  .option('--runs <count>', 'failovers of each kind', (text) => wholeNumber(text, 1), 10)
  .option('--ping-interval <seconds>', 'controller.failover.ping_interval_seconds', Number, 0.5)
  .option('--max-ping-count <count>', 'controller.failover.max_ping_count', (text) => wholeNumber(text, 1), 3)
  .addOption(
    new Option('--way <way>', 'how the master dies').choices(['kill', 'hang', 'both']).default('both'),
  )
  .parse();

await main(program.opts<Options>());

async function main(options: Options): Promise<void> {
  const windowMs = options.pingInterval * options.maxPingCount * 1000;
  const trio = await startTrio({
    pingIntervalSeconds: options.pingInterval,
    maxPingCount: options.maxPingCount,
  });
  const rows = [['master', 'runs', 'median', 'worst', 'median - window']];
  try {
    for (const way of options.way === 'both' ? (['kill', 'hang'] as const) : [options.way]) {
      const times: number[] = [];
      for (let run = 0; run < options.runs; run += 1) times.push(await failoverMs(trio, way));
      const middle = median(times);
      rows.push([
        way === 'kill' ? 'killed (kill -9)' : 'hung (SIGSTOP)',
        String(times.length),
        `${Math.round(middle)} ms`,
        `${Math.round(Math.max(...times))} ms`,
        `${Math.round(middle - windowMs)} ms`,
      ]);
    }
  } finally {
    await trio.stop();
  }
  process.stdout.write(
    `time from the failure to the first write at the replica; detection window ${windowMs} ms ` +
      `(${options.maxPingCount} probes, ${options.pingInterval} s apart); ` +
      `${(process.env['KVROCKS_BIN'] ?? '') === '' ? 'simulated nodes' : 'real nodes'}\n`,
  );
  printTable(rows);
}

/** One failover of a fresh shard. The moment of the failure is spread over the probing interval by the set-up before it. */
async function failoverMs(trio: Trio, way: 'kill' | 'hang'): Promise<number> {
  const scene = new Scene(trio.api);
  try {
    const view = await scene.cluster('bench', await scene.nodes(2), { replicas: 2 });
    const [shard] = view.shards;
    const replica = shard === undefined ? undefined : replicasOf(shard)[0];
    if (shard === undefined || replica === undefined) throw new Error('one shard with a replica');
    const master = scene.nodeAt(masterOf(shard).addr);
    await scene.ask(master.address, 'SET', 'before', '1');
    await scene.inSync(master.address, replica.addr);
    const startMs = performance.now();
    if (way === 'kill') await master.kill();
    else master.pause();
    await scene.untilWritable(replica.addr, 'after', '1');
    return performance.now() - startMs;
  } finally {
    await scene.end();
  }
}
