// `npm run simulate:mutants`: plants one known bug after the other and shows the seed that finds it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

import { Command, InvalidArgumentError } from 'commander';

import { mutants } from '../test/simulation/mutants/list.ts';

/** A bug that this many seeds do not find is a hole in the simulator. */
const SEEDS = 2000;

interface Options {
  readonly seeds: number;
  readonly from: number;
}

interface Death {
  readonly seed: string;
  readonly members: string;
  readonly violation: string;
}

const program = new Command('npm run simulate:mutants --')
  .description('Plants one known bug after the other into the sources and shows the seed that finds it.')
  .argument('[names...]', `which bugs; all when none is named: ${Object.keys(mutants).join(', ')}`)
  .option('--seeds <n>', 'seeds to try with 3 members, and then with 5', parseCount, SEEDS)
  .option('--from <n>', 'the first of them', parseCount, 1)
  .parse();

const names = program.args.length > 0 ? program.args : Object.keys(mutants);
for (const name of names) {
  if (mutants[name] === undefined) program.error(`error: there is no bug "${name}"; see --help`);
}

const survivors: string[] = [];
for (const name of names) {
  const startMs = performance.now();
  const death = await hunt(name, program.opts<Options>());
  const seconds = ((performance.now() - startMs) / 1000).toFixed(1);
  if (death === null) survivors.push(name);
  const found =
    death === null ? 'SURVIVED' : `seed ${death.seed} with ${death.members} members: ${death.violation}`;
  console.log(`${name} (${mutants[name]?.bug ?? ''})\n  ${found} (${seconds} s)`);
}
const killed = names.length - survivors.length;
console.log(
  `${killed} of ${names.length} planted bugs found${survivors.length > 0 ? `, not: ${survivors.join(' ')}` : ''}`,
);
if (survivors.length > 0) process.exitCode = 1;

async function hunt(name: string, options: Options): Promise<Death | null> {
  return (await simulate(name, 3, options)) ?? simulate(name, 5, options);
}

/** Runs the simulator with the bug in it until the first failed seed. */
async function simulate(name: string, members: number, { seeds, from }: Options): Promise<Death | null> {
  const hook = new URL(`../test/simulation/mutants/hook.ts?mutant=${name}`, import.meta.url).href;
  const script = fileURLToPath(new URL('simulate.ts', import.meta.url));
  const numbers = ['--seeds', String(seeds), '--from', String(from), '--members', String(members)];
  const child = spawn(process.execPath, ['--import', hook, script, ...numbers, '--failures', '1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text));
  const [code] = await once(child, 'close');
  const found = /^seed (\d+), (\d+) members: (.*)$/mu.exec(output);
  if (found !== null) {
    const [, seed = '', count = '', violation = ''] = found;
    return { seed, members: count, violation };
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
