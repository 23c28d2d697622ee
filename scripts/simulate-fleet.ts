// `npm run simulate:fleet`: random runs of the model of a fleet, one seed with its events or many over two processes.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { Command, InvalidArgumentError, Option } from 'commander';

import { minimise } from '../test/unit/control/model/minimise.ts';
import { HAPPENING_KINDS, type HappeningKind } from '../test/unit/control/model/plan.ts';
import { runSeed } from '../test/unit/control/model/run.ts';
import type { Answer, Task } from '../test/unit/control/model/worker.ts';

const WORKERS = 2;
const TASK_SEEDS = 50;
const WORKER_URL = new URL('../test/unit/control/model/worker.ts', import.meta.url);

interface Options {
  readonly seed?: number;
  readonly kinds?: readonly HappeningKind[];
  readonly keep?: string;
  readonly calm: boolean;
  readonly seeds?: number;
  readonly from: number;
  readonly workers: number;
  readonly failures: number;
}

const program = new Command('npm run simulate:fleet --')
  .description('Runs fleets of model nodes under faults and errands; the same seed does the same again.')
  .addOption(
    new Option('--seed <n>', 'run this one seed and print its events')
      .argParser(parseCount)
      .conflicts('seeds'),
  )
  .option(
    '--kinds <names>',
    `have these kinds of happenings and no others: ${HAPPENING_KINDS.join(',')}`,
    parseKinds,
  )
  .option(
    '--keep <places>',
    "with --seed: which of its plan's happenings take place, for example 3,7 or none",
  )
  .option('--calm', 'with --seed: nothing is lost on its way, and everything is quick', false)
  .option('--seeds <n>', 'run this many seeds', parseCount)
  .option('--from <n>', 'with --seeds: the first of them', parseCount, 1)
  .option('--workers <n>', 'with --seeds: processes to run in', parsePositive, WORKERS)
  .option('--failures <n>', 'with --seeds: stop after this many failed ones', parsePositive, 10)
  .allowExcessArguments(false)
  .parse();

await run(program.opts<Options>());

async function run(options: Options): Promise<void> {
  const { seed, seeds } = options;
  if (seed !== undefined) runOne(seed, options);
  else if (seeds !== undefined) await runMany(seeds, options);
  else program.error('error: say --seed <n> or --seeds <n>');
}

function runOne(seed: number, { kinds, keep, calm }: Options): void {
  const places = keep === 'none' ? [] : keep?.split(',').map(parseCount);
  const share = { ...shareOf(kinds), ...(places === undefined ? {} : { keep: new Set(places) }) };
  const { fault, trace } = runSeed({ seed, isCalm: calm, isTraced: true, ...share });
  for (const line of trace) console.log(line);
  console.log(fault === null ? `seed ${seed}: clean` : `seed ${seed}: ${fault}`);
  if (fault !== null) process.exitCode = 1;
}

async function runMany(count: number, { from, kinds, workers, failures }: Options): Promise<void> {
  const startMs = performance.now();
  const total = { runs: 0, writes: 0, failovers: 0, migrations: 0 };
  const failed: number[] = [];
  let next = from;
  const takeTask = (): Task | null => {
    if (next >= from + count || failed.length >= failures) return null;
    const task = { from: next, count: Math.min(TASK_SEEDS, from + count - next), ...shareOf(kinds) };
    next += task.count;
    return task;
  };
  const take = (answer: Answer): void => {
    total.runs += answer.runs;
    total.writes += answer.writes;
    total.failovers += answer.failovers;
    total.migrations += answer.migrations;
    failed.push(...answer.failures.map(({ seed }) => seed));
  };
  await Promise.all(Array.from({ length: workers }, () => work(takeTask, take)));
  const seconds = Math.round((performance.now() - startMs) / 1000);
  const did = `${total.writes} writes, ${total.failovers} failovers, ${total.migrations} migrations, ${seconds} s`;
  if (failed.length === 0) {
    console.log(`${total.runs} seeds: clean, ${did} (from seed ${from})`);
    return;
  }
  process.exitCode = 1;
  console.log(`${total.runs} seeds: ${failed.length} failed, ${did} (from seed ${from})`);
  for (const seed of failed.toSorted((left, right) => left - right).slice(0, failures)) explain(seed, kinds);
}

/** The least that still fails, with its events, and the command that shows it again. */
function explain(seed: number, kinds: Options['kinds']): void {
  const { keep, isCalm, verdict } = minimise({ seed, ...shareOf(kinds) });
  console.log(`\n${verdict.trace.join('\n')}\nseed ${seed}: ${verdict.fault}`);
  const chosen = kinds === undefined ? '' : `--kinds ${kinds.join(',')} `;
  const share = `${chosen}--keep ${keep.join(',') || 'none'}${isCalm ? ' --calm' : ''}`;
  console.log(`npm run simulate:fleet -- --seed ${seed} ${share}`);
}

/** One worker process from its start to its end. */
async function work(takeTask: () => Task | null, take: (answer: Answer) => void): Promise<void> {
  const child = fork(fileURLToPath(WORKER_URL), { serialization: 'advanced' });
  const ended = once(child, 'exit');
  try {
    for (let task = takeTask(); task !== null; task = takeTask()) take(await ask(child, task));
  } finally {
    if (child.connected) child.disconnect();
    await ended;
  }
}

function ask(child: ChildProcess, task: Task): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null): void =>
      reject(new Error(`a worker ended with code ${code} while running seeds from ${task.from}`));
    child.once('exit', onExit);
    child.once('message', (message) => {
      child.off('exit', onExit);
      resolve(message as Answer);
    });
    child.send(task);
  });
}

function shareOf(kinds: Options['kinds']): Pick<Options, 'kinds'> {
  return kinds === undefined ? {} : { kinds };
}

function parseKinds(text: string): readonly HappeningKind[] {
  return text.split(',').map((name) => {
    const kind = HAPPENING_KINDS.find((known) => known === name);
    if (kind === undefined) throw new InvalidArgumentError(`There is no kind "${name}".`);
    return kind;
  });
}

function parseCount(text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
    throw new InvalidArgumentError('It must be a whole number.');
  }
  return value;
}

function parsePositive(text: string): number {
  const value = parseCount(text);
  if (value === 0) throw new InvalidArgumentError('It must be at least 1.');
  return value;
}
