// `npm run failure-injection`: real members under real faults, and a verdict on every answer their clients got.

import { Argument, Command, InvalidArgumentError } from 'commander';

import { randomBelow } from '../src/base/random.ts';
import { createSystemRandom } from '../src/system/random.ts';
import { runScenario } from './failure-injection/run.ts';
import type { Drama, Report, RunOptions, Scenario } from './failure-injection/scenario.ts';
import { SCENARIOS } from './failure-injection/scenarios/index.ts';
import { wholeNumber } from './lib/statistics.ts';

interface Options {
  readonly minutes: number;
  readonly seconds?: number;
  readonly actions?: readonly string[];
  readonly seed: number;
  readonly main?: string;
  readonly keep: boolean;
}

const SEEDS = 1_000_000;

const width = Math.max(...SCENARIOS.map(({ name }) => name.length));
const program = new Command('npm run failure-injection --')
  .description(
    'Starts three controllers, injects faults while clients work at random members, heals the group, and checks every answer: linearizable, members equal, nothing crashed; or starts Kvrocks nodes besides (KVROCKS_BIN=/path/to/kvrocks for real ones), injects faults into them, and looks for every acknowledged write. Cleans up everything it started.',
  )
  .addArgument(
    new Argument('<scenario>', 'what is done to them').choices(['all', ...SCENARIOS.map(({ name }) => name)]),
  )
  .option('--minutes <n>', 'how long faults are injected, a scenario; fractions allowed', positive, 1)
  .option('--seconds <n>', 'the same in seconds; comes before --minutes', (text: string) =>
    wholeNumber(text, 1),
  )
  .option(
    '--actions <list>',
    'of hostile-operator: only these actions, or those that begin with these words (kill,failover); of node-migration: what comes in between',
    (text: string) => text.split(','),
  )
  .option(
    '--seed <n>',
    'decides the faults and the requests, not their timing',
    (text: string) => wholeNumber(text, 0),
    randomBelow(createSystemRandom(), SEEDS),
  )
  .option('--main <file>', 'the program of the members, such as dist/main.js; the sources when left out')
  .option('--keep', 'leaves logs, data and history of a run without violation, too', false)
  .addHelpText(
    'after',
    `\nScenarios:\n${SCENARIOS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}`).join('\n')}\n` +
      '\nExit codes: 0 no violation (skipped scenarios included), 1 a violation, 130 interrupted.',
  )
  .showHelpAfterError('(--help lists the scenarios)')
  .allowExcessArguments(false)
  .parse();

const [name] = program.processedArgs;
const chosen = SCENARIOS.filter((scenario) => name === 'all' || scenario.name === name);
if (program.opts<Options>().actions !== undefined && !(name !== 'all' && chosen.every(takesActions)))
  program.error('--actions belongs to hostile-operator and node-migration');
process.exitCode = await main(chosen, program.opts<Options>());

function takesActions(scenario: Drama | Scenario): boolean {
  return 'run' in scenario && scenario.takesActions;
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 24 * 60))
    throw new InvalidArgumentError('Expected a number of minutes above 0.');
  return value;
}

async function main(scenarios: readonly (Drama | Scenario)[], options: Options): Promise<number> {
  const interrupt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupt.abort());
  const closing: string[] = [];
  let isFailed = false;
  for (const scenario of scenarios) {
    if (interrupt.signal.aborted) break;
    const report = await runOne(scenario, options, interrupt.signal);
    closing.push(
      `${scenario.name.padEnd(width)}  ${report.kind === 'failed' ? 'FAILED, ' : ''}${report.line}`,
    );
    isFailed ||= report.kind === 'failed';
  }
  if (scenarios.length > 1) process.stdout.write(`\n${closing.join('\n')}\n`);
  if (interrupt.signal.aborted) return 130;
  return isFailed ? 1 : 0;
}

async function runOne(scenario: Drama | Scenario, options: Options, signal: AbortSignal): Promise<Report> {
  const startMs = performance.now();
  const say = (text: string): void => {
    const seconds = ((performance.now() - startMs) / 1000).toFixed(1).padStart(6);
    process.stdout.write(`${seconds}s  ${text}\n`);
  };
  process.stdout.write(`\n${scenario.name}: ${scenario.summary} (seed ${options.seed})\n`);
  const run: RunOptions = {
    durationMs: options.seconds === undefined ? options.minutes * 60_000 : options.seconds * 1000,
    seed: options.seed,
    main: options.main ?? null,
    keeps: options.keep,
    actions: options.actions ?? null,
    say,
    signal,
  };
  const report = 'run' in scenario ? await scenario.run(run) : await runScenario(scenario, run);
  for (const problem of report.problems) say(`problem: ${problem}`);
  say(report.line);
  return report;
}
