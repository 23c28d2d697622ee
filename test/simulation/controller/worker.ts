// A process that runs seeds it is told to and answers with their verdicts.

import { z } from 'zod';

import { runSeed, type Verdict } from './run.ts';

const taskSchema = z.object({ seeds: z.array(z.int()) });

/** What the parent sends: seeds to run, in order. */
export type Task = z.infer<typeof taskSchema>;

/** What comes back, once a task. */
export type Answer = readonly Verdict[];

process.on('message', (message) => {
  void run(taskSchema.parse(message)).then((answer) => process.send?.(answer));
});
process.on('disconnect', () => process.exit());

async function run({ seeds }: Task): Promise<Answer> {
  const verdicts: Verdict[] = [];
  for (const seed of seeds) verdicts.push(await runSeed({ seed, writer: null }));
  return verdicts;
}
