// `npm run simulate:controller`: seeds of the simulation of whole controllers with a fleet, one with its events or many over all cores.

import { availableParallelism } from 'node:os';

import { Command, InvalidArgumentError, Option } from 'commander';

import {
  describeFailure,
  describeTotals,
  describeVerdict,
  isTelling,
} from '../test/simulation/controller/report.ts';
import { runSeed } from '../test/simulation/controller/run.ts';
import { sweep, type Totals } from '../test/simulation/controller/sweep.ts';

const PROGRESS_MS = 10_000;
const SEED_MAX = 2 ** 53 - 1;

interface Options {
  readonly seed?: number;
  readonly seeds?: number;
  readonly from: number;
  readonly minutes?: number;
  readonly workers: number;
  readonly failures: number;
  readonly trace: boolean;
  readonly details: boolean;
}

const program = new Command('npm run simulate:controller --')
  .description(
    'Runs groups of whole controllers and a fleet of nodes under virtual time and faults; the same seed does the same again.',
  )
  .addOption(new Option('--seed <n>', 'run this one seed').argParser(parseSeed).conflicts('seeds'))
  .option('--trace', 'with --seed: print what happens', false)
  .option('--details', 'with --seed: print every event, disks and messages of Raft included', false)
  .option('--seeds <n>', 'run this many seeds', parseCount)
  .option('--from <n>', 'with --seeds: the first of them', parseSeed, 1)
  .option(
    '--minutes <n>',
    'begin no more seeds after this time (all there are, unless --seeds says how many)',
    parseMinutes,
  )
  .option('--workers <n>', 'processes to run in', parseCount, availableParallelism())
  .option('--failures <n>', 'stop after this many failed seeds', parseCount, 10)
  .allowExcessArguments(false)
  .parse();

await run(program.opts<Options>());

async function run(options: Options): Promise<void> {
  if (options.seed !== undefined) await runOne(options.seed, options);
  else if (options.seeds !== undefined || options.minutes !== undefined) await runMany(options);
  else program.error('error: say --seed <n>, --seeds <n> or --minutes <n>');
}

async function runOne(seed: number, { trace, details }: Options): Promise<void> {
  const isTraced = trace || details;
  const writer = (line: string): void => {
    if (details || isTelling(line)) console.log(line);
  };
  const verdict = await runSeed({ seed, writer: isTraced ? writer : null });
  if (verdict.violation !== null && !isTraced) console.log(await describeFailure(verdict));
  console.log(describeVerdict(verdict));
  if (verdict.violation !== null) process.exitCode = 1;
}

async function runMany(options: Options): Promise<void> {
  const startMs = performance.now();
  let saidMs = startMs;
  const onProgress = (totals: Totals): void => {
    const nowMs = performance.now();
    if (nowMs - saidMs < PROGRESS_MS) return;
    saidMs = nowMs;
    const rate = (totals.seeds / (nowMs - startMs)) * 1000;
    console.log(`${totals.seeds} seeds, ${totals.failures} failed, ${rate.toFixed(1)} seeds/s`);
  };
  const totals = await sweep({
    from: options.from,
    count: options.seeds ?? SEED_MAX - options.from,
    workers: options.workers,
    durationMsMax: (options.minutes ?? Number.POSITIVE_INFINITY) * 60_000,
    failuresMax: options.failures,
    onProgress,
    onFailure: async (verdict) => console.log(await describeFailure(verdict)),
  });
  const seconds = Math.round((performance.now() - startMs) / 1000);
  console.log(`${describeTotals(totals)} (from seed ${options.from}, ${seconds} s)`);
  if (totals.failures > 0) process.exitCode = 1;
}

function parseSeed(text: string): number {
  return parseInteger(text, 0);
}

function parseCount(text: string): number {
  return parseInteger(text, 1);
}

function parseInteger(text: string, min: number): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || value < min || value > SEED_MAX) {
    throw new InvalidArgumentError(`It must be a whole number from ${min} on.`);
  }
  return value;
}

function parseMinutes(text: string): number {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new InvalidArgumentError('It must be a number above 0.');
  return value;
}
