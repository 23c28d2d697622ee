// `npm run simulate`: seeds of the deterministic simulator, one with its events or many over all cores.

import { availableParallelism } from 'node:os';

import { Command, InvalidArgumentError, Option } from 'commander';

import {
  describeFailure,
  describeMarks,
  describeTotals,
  describeVerdict,
} from '../test/simulation/report.ts';
import { runSeed } from '../test/simulation/run.ts';
import { sweep, type Totals } from '../test/simulation/sweep.ts';

const PROGRESS_MS = 10_000;
const SEED_MAX = 2 ** 53 - 1;

interface Options {
  readonly seed?: number;
  readonly seeds?: number;
  readonly from: number;
  readonly minutes?: number;
  readonly members: '3' | '5';
  readonly workers: number;
  readonly failures: number;
  readonly trace: boolean;
  readonly marks: boolean;
}

const program = new Command('npm run simulate --')
  .description(
    'Runs whole groups under virtual time, a bad network and bad disks; the same seed does the same again.',
  )
  .addOption(new Option('--seed <n>', 'run this one seed').argParser(parseSeed).conflicts('seeds'))
  .option('--trace', 'with --seed: print every event', false)
  .option('--seeds <n>', 'run this many seeds', parseCount)
  .option('--from <n>', 'with --seeds: the first of them', parseSeed, 1)
  .option(
    '--minutes <n>',
    'begin no more seeds after this time (all there are, unless --seeds says how many)',
    parseMinutes,
  )
  .addOption(new Option('--members <n>', 'voters of the group').choices(['3', '5']).default('3'))
  .option('--workers <n>', 'processes to run in', parseCount, availableParallelism())
  .option('--failures <n>', 'stop after this many failed seeds', parseCount, 10)
  .option('--marks', 'list how often each rare path was taken', false)
  .allowExcessArguments(false)
  .parse();

await run(program.opts<Options>());

async function run(options: Options): Promise<void> {
  if (options.seed !== undefined) runOne(options.seed, options);
  else if (options.seeds !== undefined || options.minutes !== undefined) await runMany(options);
  else program.error('error: say --seed <n>, --seeds <n> or --minutes <n>');
}

function runOne(seed: number, { members, trace, marks }: Options): void {
  const voters = Number(members);
  const verdict = runSeed({ seed, members: voters, writer: trace ? (line) => console.log(line) : null });
  if (marks) console.log(JSON.stringify(verdict.marks));
  if (verdict.violation !== null && !trace) console.log(describeFailure(verdict));
  console.log(describeVerdict(verdict));
  if (verdict.violation !== null) process.exitCode = 1;
}

async function runMany(options: Options): Promise<void> {
  const members = Number(options.members);
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
    members,
    from: options.from,
    count: options.seeds ?? SEED_MAX - options.from,
    workers: options.workers,
    durationMsMax: (options.minutes ?? Number.POSITIVE_INFINITY) * 60_000,
    failuresMax: options.failures,
    onProgress,
    onFailure: (verdict) => console.log(describeFailure(verdict)),
  });
  if (options.marks) console.log(describeMarks(totals.marks));
  const seconds = Math.round((performance.now() - startMs) / 1000);
  console.log(`${describeTotals(totals, members)} (from seed ${options.from}, ${seconds} s)`);
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
