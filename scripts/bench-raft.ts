// Writes and linearizable reads a second of three controllers, beside three members of etcd under the same load in the same run.

import { cpus, totalmem } from 'node:os';

import { Command, InvalidArgumentError } from 'commander';

import { LoadGenerator } from './bench/load-generator.ts';
import { cpuMs, peakMemoryMib } from './bench/process-usage.ts';
import { etcdVersion, startControllers, startEtcd, type SystemUnderTest } from './bench/systems.ts';
import type { LoadResult, SystemName, Work } from './bench/workloads.ts';
import { median, printTable, wholeNumber } from './lib/statistics.ts';

interface Options {
  readonly connections: readonly number[];
  readonly seconds: number;
  readonly rounds: number;
  readonly etcd: string | false;
  readonly main?: string;
  readonly nodeOptions?: string;
}

/** Seconds of load on each system before anything is measured: code is compiled, segments are made, caches are warm. */
const WARM_UP_SECONDS = 3;
const WARM_UP_CONNECTIONS = 64;

const program = new Command('node scripts/bench-raft.ts')
  .description(
    'Three controllers and, where there is a binary, three members of etcd on this machine, loaded in turn by one load generator.\n' +
      'Every figure is the median of the rounds; within a round both systems are measured right after each other.',
  )
  .option('--connections <list>', 'numbers of callers, comma-separated', parseCounts, [1, 16, 64, 256])
  .option('--seconds <count>', 'length of one measurement', (text) => wholeNumber(text, 1), 4)
  .option('--rounds <count>', 'measurements of each kind', (text) => wholeNumber(text, 1), 3)
  .option('--etcd <path>', 'the etcd binary', 'etcd')
  .option('--no-etcd', 'measure the controllers alone')
  .option('--main <file>', 'another controller program, such as dist/main.js')
  .option('--node-options <flags>', 'NODE_OPTIONS of the controllers, for profiling')
  .parse();

function parseCounts(text: string): readonly number[] {
  const counts = text.split(',').map((part) => wholeNumber(part, 1));
  if (counts.length === 0) throw new InvalidArgumentError('Expected numbers such as 1,16,64.');
  return counts;
}

/** One measurement with what the members used meanwhile. */
interface Sample extends LoadResult {
  readonly system: SystemName;
  readonly work: Work;
  readonly connections: number;
  /** Processor time of all members for one answer, microseconds. */
  readonly cpuMicros: number;
}

async function main(options: Options): Promise<void> {
  const etcd = options.etcd === false ? null : options.etcd;
  const version = etcd === null ? null : etcdVersion(etcd);
  describeMachine(version);
  const generator = new LoadGenerator();
  const systems: SystemUnderTest[] = [];
  try {
    systems.push(
      await startControllers({
        ...(options.main === undefined ? {} : { main: options.main }),
        ...(options.nodeOptions === undefined ? {} : { env: { NODE_OPTIONS: options.nodeOptions } }),
      }),
    );
    if (etcd !== null && version !== null) systems.push(await startEtcd(etcd));
    const terms = await Promise.all(systems.map(async (system) => (await system.leader()).term));
    const samples = await measureAll(systems, generator, options);
    report(samples, options.connections);
    for (const [place, system] of systems.entries()) await reportMembers(system, terms[place] ?? 0);
  } finally {
    generator.stop();
    for (const system of systems) await system.stop();
  }
}

async function measureAll(
  systems: readonly SystemUnderTest[],
  generator: LoadGenerator,
  { connections, seconds, rounds }: Options,
): Promise<readonly Sample[]> {
  const samples: Sample[] = [];
  const warmUp = { connections: WARM_UP_CONNECTIONS, seconds: WARM_UP_SECONDS };
  for (const system of systems) {
    await measure(system, generator, { work: 'write', prefix: 'warm-', ...warmUp });
    await measure(system, generator, { work: 'read', prefix: 'warm-1', ...warmUp });
  }
  for (let round = 0; round < rounds; round += 1) {
    // Whoever is measured second finds the machine as the other left it: take turns.
    const order = round % 2 === 0 ? systems : systems.toReversed();
    for (const count of connections) {
      for (const work of ['write', 'read'] as const) {
        for (const system of order) {
          const prefix = work === 'read' ? 'warm-1' : `r${round}-c${count}-`;
          samples.push(await measure(system, generator, { work, prefix, connections: count, seconds }));
        }
      }
    }
    process.stderr.write(`round ${round + 1} of ${rounds} done\n`);
  }
  return samples;
}

async function measure(
  system: SystemUnderTest,
  generator: LoadGenerator,
  load: {
    readonly work: Work;
    readonly prefix: string;
    readonly connections: number;
    readonly seconds: number;
  },
): Promise<Sample> {
  const { host, port } = await system.leader();
  const total = (): number => system.pids.reduce((sum, pid) => sum + cpuMs(pid), 0);
  const before = total();
  const result = await generator.run({ system: system.name, host, port, ...load });
  const cpuMicros = ((total() - before) * 1000) / result.answered;
  if (result.firstFailure !== null)
    process.stderr.write(
      `${system.name}: ${result.failed} failed, the first: ${result.firstFailure.trim()}\n`,
    );
  return { ...result, system: system.name, work: load.work, connections: load.connections, cpuMicros };
}

const TITLES = {
  write: 'writes (namespace creates; etcd: put of 256 bytes), on the leader',
  read: 'linearizable reads of one key, on the leader',
} as const satisfies Record<Work, string>;

function report(samples: readonly Sample[], connections: readonly number[]): void {
  for (const work of ['write', 'read'] as const) {
    process.stdout.write(`\n${TITLES[work]}\n`);
    const rows = connections.map((count) => {
      const of = (system: SystemName): readonly Sample[] =>
        samples.filter(
          (sample) => sample.work === work && sample.connections === count && sample.system === system,
        );
      return row(count, of('controller'), of('etcd'));
    });
    printTable([
      [
        'connections',
        'ours/s',
        'etcd/s',
        'ratio',
        'p50 ms',
        'etcd',
        'p99 ms',
        'etcd',
        'cpu us',
        'etcd',
        'gap ms',
        'etcd',
        'failed',
      ],
      ...rows,
    ]);
  }
}

function row(count: number, ours: readonly Sample[], etcd: readonly Sample[]): readonly string[] {
  const middle = (samples: readonly Sample[], read: (sample: Sample) => number): number =>
    median(samples.map(read));
  const show = (value: number, digits: number): string => (Number.isNaN(value) ? '-' : value.toFixed(digits));
  const pair = (read: (sample: Sample) => number, digits: number): readonly string[] => [
    show(middle(ours, read), digits),
    show(middle(etcd, read), digits),
  ];
  // The ratio of each round and then the median: what else the machine did in a round concerns both.
  const ratios = ours.map((sample, round) => sample.perSecond / (etcd[round]?.perSecond ?? Number.NaN));
  return [
    String(count),
    ...pair((sample) => sample.perSecond, 0),
    show(median(ratios), 2),
    ...pair((sample) => sample.p50Ms, 2),
    ...pair((sample) => sample.p99Ms, 1),
    ...pair((sample) => sample.cpuMicros, 0),
    ...pair((sample) => sample.longestGapMs, 0),
    String(ours.reduce((sum, sample) => sum + sample.failed, 0)),
  ];
}

async function reportMembers(system: SystemUnderTest, termBefore: number): Promise<void> {
  const leader = await system.leader();
  const memory = system.pids.map(
    (pid) => `${peakMemoryMib(pid).toFixed(0)} MiB${pid === leader.pid ? ' (leader)' : ''}`,
  );
  process.stdout.write(
    `\n${system.name}: peak memory ${memory.join(', ')}; elections under load: ${leader.term - termBefore}\n`,
  );
}

function describeMachine(version: string | null): void {
  const [cpu] = cpus();
  process.stdout.write(
    `${cpus().length} x ${cpu?.model.trim() ?? 'unknown processor'}, ${(totalmem() / 2 ** 30).toFixed(0)} GiB, ` +
      `Node ${process.versions.node}, ${version === null ? 'no etcd' : `etcd ${version}`}\n`,
  );
}

await main(program.opts<Options>());
