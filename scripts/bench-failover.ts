// Measures how long writes of a shard fail when its master is killed or hangs, until its replica takes one, or is changed as planned under load.

import { Command, Option } from 'commander';

import { startTrio, type Trio } from '../test/support/controller-process.ts';
import { CountingWriter } from '../test/support/counting-writer.ts';
import { expectStatus, masterOf, replicasOf, Scene } from '../test/support/scene.ts';
import { wholeNumber, median, printTable } from './lib/statistics.ts';

interface Options {
  readonly runs: number;
  readonly pingInterval: number;
  readonly maxPingCount: number;
  readonly way: 'kill' | 'hang' | 'both' | 'planned';
}

const program = new Command('node scripts/bench-failover.ts')
  .description(
    'Median time from kill -9 (or SIGSTOP) of a master to the first write its replica takes, with three controllers.\n' +
      'With --way planned: the longest time without an acknowledged write that any of four clients sees while a living master is replaced by hand, and\n' +
      'how many acknowledged writes are lost. KVROCKS_BIN=/path/to/kvrocks measures real servers instead of simulated ones.',
  )
  .option('--runs <count>', 'failovers of each kind', (text) => wholeNumber(text, 1), 10)
  .option('--ping-interval <seconds>', 'controller.failover.ping_interval_seconds', Number, 0.5)
  .option('--max-ping-count <count>', 'controller.failover.max_ping_count', (text) => wholeNumber(text, 1), 3)
  .addOption(
    new Option('--way <way>', 'how the master goes')
      .choices(['kill', 'hang', 'both', 'planned'])
      .default('both'),
  )
  .parse();

const options = program.opts<Options>();
await (options.way === 'planned' ? measurePlanned(options) : main({ ...options, way: options.way }));

function nodesKind(): string {
  return (process.env['KVROCKS_BIN'] ?? '') === '' ? 'simulated nodes' : 'real nodes';
}

async function main({
  way: ways,
  pingInterval,
  maxPingCount,
  runs,
}: Options & { readonly way: 'kill' | 'hang' | 'both' }): Promise<void> {
  const windowMs = pingInterval * maxPingCount * 1000;
  const trio = await startTrio({ pingIntervalSeconds: pingInterval, maxPingCount });
  const rows = [['master', 'runs', 'median', 'worst', 'median - window']];
  try {
    for (const way of ways === 'both' ? (['kill', 'hang'] as const) : [ways]) {
      const times: number[] = [];
      for (let run = 0; run < runs; run += 1) times.push(await failoverMs(trio, way));
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
      `(${maxPingCount} probes, ${pingInterval} s apart); ` +
      `${nodesKind()}\n`,
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

/** A master and two replicas under the load of four clients; one planned change of masters after the other. */
async function measurePlanned({ runs, pingInterval, maxPingCount }: Options): Promise<void> {
  const trio = await startTrio({ pingIntervalSeconds: pingInterval, maxPingCount });
  const scene = new Scene(trio.api);
  try {
    const [shard] = (await scene.cluster('bench', await scene.nodes(3), { replicas: 3 })).shards;
    if (shard === undefined) throw new Error('one shard');
    await scene.ask(masterOf(shard).addr, 'SET', 'before', '1');
    for (const { addr } of replicasOf(shard)) await scene.inSync(masterOf(shard).addr, addr);
    const writer = new CountingWriter({ addresses: shard.nodes.map(({ addr }) => addr), prefix: 'bench' });
    const gapsMs: number[] = [];
    for (let run = 0; run < runs; run += 1) {
      await writer.progress(200);
      await scene.converged('bench');
      writer.takeLongestGapMs();
      expectStatus(await scene.api.post(scene.path('bench', '/shards/0/failover')), 200);
      await writer.progress(200);
      gapsMs.push(writer.takeLongestGapMs());
    }
    await writer.stop();
    const [now] = (await scene.converged('bench')).shards;
    const lost = now === undefined ? [] : await writer.lostAt(masterOf(now).addr);
    process.stdout.write(
      `planned changes of a living master under load, longest gap of any of four clients; ${nodesKind()}\n`,
    );
    printTable([
      ['runs', 'median', 'worst', 'acknowledged writes', 'lost'],
      [
        String(gapsMs.length),
        `${Math.round(median(gapsMs))} ms`,
        `${Math.round(Math.max(...gapsMs))} ms`,
        String(writer.count),
        String(lost.length),
      ],
    ]);
  } finally {
    await scene.end();
    await trio.stop();
  }
}
