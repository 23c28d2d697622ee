// `npm run simulate:mutants`: plants one known bug after the other and shows the seed that finds it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { Command, InvalidArgumentError, Option } from 'commander';

import { CONTROL_MUTANTS } from '../test/mutants/control.ts';
import { CONTROLLER_MUTANTS } from '../test/mutants/controller.ts';
import type { Mutant } from '../test/mutants/mutant.ts';
import { RAFT_MUTANTS } from '../test/mutants/raft.ts';

type Part = 'raft' | 'control' | 'controller';

/** The bugs of one part of the sources, and how they are hunted: a bug that `seeds` seeds do not find is a hole in the hunter. */
interface Hunt {
  readonly mutants: Readonly<Record<string, Mutant>>;
  readonly script: string;
  readonly seeds: number;
  /** What is tried of one bug, one after the other, as arguments of the script. */
  readonly rounds: (name: string) => readonly (readonly string[])[];
  /** Matches the line of a failed seed: the seed, and what went wrong. */
  readonly found: RegExp;
}

const HUNTS: Readonly<Record<Part, Hunt>> = {
  raft: {
    mutants: RAFT_MUTANTS,
    script: 'simulate.ts',
    seeds: 2000,
    rounds: () => [
      ['--members', '3'],
      ['--members', '5'],
    ],
    found: /^seed (\d+, \d+ members): (.*)$/mu,
  },
  control: {
    mutants: CONTROL_MUTANTS,
    script: 'simulate-fleet.ts',
    seeds: 3000,
    rounds: (name) => [['--kinds', CONTROL_MUTANTS[name]?.kinds.join(',') ?? '']],
    found: /^seed (\d+): (.*)$/mu,
  },
  controller: {
    mutants: CONTROLLER_MUTANTS,
    script: 'simulate-controller.ts',
    seeds: 3000,
    rounds: () => [[]],
    found: /^seed (\d+): (.*)$/mu,
  },
};

interface Options {
  readonly only?: Part;
  readonly seeds?: number;
  readonly from: number;
  readonly workers?: number;
}

interface Target {
  readonly name: string;
  readonly hunt: Hunt;
}

const all: readonly Target[] = Object.values(HUNTS).flatMap((hunt) =>
  Object.keys(hunt.mutants).map((name) => ({ name, hunt })),
);
const program = new Command('npm run simulate:mutants --')
  .description('Plants one known bug after the other into the sources and shows the seed that finds it.')
  .argument('[names...]', `which bugs; all when none is named: ${all.map(({ name }) => name).join(', ')}`)
  .addOption(
    new Option(
      '--only <part>',
      'raft: the bugs that groups of controllers find; control: those that fleets of nodes find; controller: those that both together find',
    ).choices(Object.keys(HUNTS)),
  )
  .option(
    '--seeds <n>',
    `seeds to try, with 3 members and then with 5 where it is groups (${HUNTS.raft.seeds}, of fleets and whole controllers ${HUNTS.control.seeds})`,
    parseCount,
  )
  .option('--from <n>', 'the first of them', parseCount, 1)
  .option('--workers <n>', 'processes to run in', parseCount)
  .parse();

const options = program.opts<Options>();
const targets = program.args.length > 0 ? program.args.map(targetOf) : all.filter(isWanted);
const survivors: string[] = [];
for (const target of targets) {
  const { name, hunt } = target;
  const startMs = performance.now();
  const found = await kill(target);
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  if (found === null) survivors.push(name);
  console.log(`${name} (${hunt.mutants[name]?.bug ?? ''})\n  ${found ?? 'SURVIVED'} (${seconds} s)`);
}
const killed = targets.length - survivors.length;
console.log(
  `${killed} of ${targets.length} planted bugs found${survivors.length > 0 ? `, not: ${survivors.join(' ')}` : ''}`,
);
if (survivors.length > 0) process.exitCode = 1;

function targetOf(name: string): Target {
  return (
    all.find((target) => target.name === name) ??
    program.error(`error: there is no bug "${name}"; see --help`)
  );
}

function isWanted({ hunt }: Target): boolean {
  return options.only === undefined || hunt === HUNTS[options.only];
}

/** The first seed that finds the bug, and how; null when it survives. */
async function kill({ name, hunt }: Target): Promise<string | null> {
  for (const round of hunt.rounds(name)) {
    const found = await simulate(name, hunt, round);
    if (found !== null) return found;
  }
  return null;
}

/** Runs the simulator with the bug in it until the first failed seed. */
async function simulate(name: string, hunt: Hunt, round: readonly string[]): Promise<string | null> {
  const { seeds = hunt.seeds, from, workers } = options;
  const hook = new URL(`../test/mutants/hook.ts?mutant=${name}`, import.meta.url).href;
  const script = fileURLToPath(new URL(hunt.script, import.meta.url));
  const numbers = ['--seeds', String(seeds), '--from', String(from), ...round];
  if (workers !== undefined) numbers.push('--workers', String(workers));
  const child = spawn(process.execPath, ['--import', hook, script, ...numbers, '--failures', '1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = await once(child, 'close');
  const found = hunt.found.exec(output);
  if (found !== null) {
    const [, seed = '', violation = ''] = found;
    return `seed ${seed}: ${violation}`;
  }
  if (code !== 0) throw new Error(`the simulator failed with the bug "${name}" in it:\n${output}`);
  return null;
}

function parseCount(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1)
    throw new InvalidArgumentError('It must be a whole number from 1 on.');
  return value;
}
