// Saturates every core with other work and counts elections: a leader that is only slow must not be replaced.

import { type ChildProcess, spawn } from 'node:child_process';
import { cpus } from 'node:os';

import { Command } from 'commander';

import { wholeNumber } from '../lib/statistics.ts';
import { LoadGenerator } from './load-generator.ts';
import { startControllers } from './systems.ts';

interface Options {
  readonly minutes: number;
  readonly connections: number;
  readonly loops: number;
}

const program = new Command('node scripts/bench/saturation.ts')
  .description(
    'Three controllers with default times and some write load, beside one busy loop a core of the same priority.\n' +
      'Exits with 1 when the term changed.',
  )
  .option('--minutes <count>', 'how long', (text) => wholeNumber(text, 1), 10)
  .option('--connections <count>', 'callers that write', (text) => wholeNumber(text, 1), 4)
  .option(
    '--loops <count>',
    'busy loops; 0 where something else keeps the cores busy, such as seeds of the simulator',
    (text) => wholeNumber(text, 0),
    cpus().length,
  )
  .parse();

/** The load comes in jobs of this length, so that the term is looked at in between. */
const JOB_SECONDS = 15;
const BUSY_LOOP = 'for (;;);';

async function main({ minutes, connections, loops }: Options): Promise<void> {
  const system = await startControllers();
  const generator = new LoadGenerator();
  const burners: ChildProcess[] = [];
  const endBurners = (): void => {
    for (const burner of burners) burner.kill('SIGKILL');
  };
  process.once('exit', endBurners);
  let answered = 0;
  let failed = 0;
  let longestGapMs = 0;
  try {
    const before = await system.leader();
    for (let loop = 0; loop < loops; loop += 1)
      burners.push(spawn(process.execPath, ['-e', BUSY_LOOP], { stdio: 'ignore' }));
    for (let job = 0; job < (minutes * 60) / JOB_SECONDS; job += 1) {
      const { host, port } = await system.leader();
      const load = { system: 'controller', work: 'write', host, port, connections } as const;
      const result = await generator.run({ ...load, seconds: JOB_SECONDS, prefix: `s${job}-` });
      answered += result.answered;
      failed += result.failed;
      longestGapMs = Math.max(longestGapMs, result.longestGapMs);
    }
    const elections = (await system.leader()).term - before.term;
    process.stdout.write(
      `${minutes} min, ${loops} busy loops on ${cpus().length} cores: ${elections} elections, ` +
        `${answered} writes accepted, ${failed} not, longest gap ${longestGapMs.toFixed(0)} ms\n`,
    );
    if (elections > 0) process.exitCode = 1;
  } finally {
    endBurners();
    generator.stop();
    await system.stop();
  }
}

await main(program.opts<Options>());
