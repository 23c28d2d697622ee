// A process that runs seeds it is told to and answers with their verdicts.

import { z } from 'zod';

import { runSeed, type Verdict } from './run.ts';

const taskSchema = z.object({ members: z.int().positive(), seeds: z.array(z.int()) });

/** What the parent sends: seeds to run, in order. */
export type Task = z.infer<typeof taskSchema>;

/** What comes back, once a task. */
export type Answer = readonly Verdict[];

process.on('message', (message) => {
  const { members, seeds } = taskSchema.parse(message);
  const answer: Answer = seeds.map((seed) => runSeed({ seed, members, writer: null }));
  process.send?.(answer);
});
process.on('disconnect', () => process.exit());
