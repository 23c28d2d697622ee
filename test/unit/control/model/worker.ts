// A process that runs the seeds it is told to and answers with what it saw.

import { z } from 'zod';

import { HAPPENING_KINDS } from './plan.ts';
import { type RunVerdict, runSeed } from './run.ts';

const taskSchema = z.object({
  from: z.int().nonnegative(),
  count: z.int().positive(),
  kinds: z.array(z.enum(HAPPENING_KINDS)).readonly().exactOptional(),
});

/** What the parent sends: the first seed and how many, and the kinds of happenings if it is not to be any. */
export type Task = z.infer<typeof taskSchema>;

/** What comes back, once a task. */
export interface Answer {
  readonly runs: number;
  readonly writes: number;
  readonly failovers: number;
  readonly migrations: number;
  readonly failures: readonly RunVerdict[];
}

export function runTask({ from, count, ...share }: Task): Answer {
  const verdicts = Array.from({ length: count }, (_, index) => runSeed({ seed: from + index, ...share }));
  const sum = (of: (verdict: RunVerdict) => number): number =>
    verdicts.reduce((total, verdict) => total + of(verdict), 0);
  return {
    runs: count,
    writes: sum(({ writes }) => writes),
    failovers: sum(({ failovers }) => failovers),
    migrations: sum(({ migrations }) => migrations),
    failures: verdicts.filter(({ fault }) => fault !== null),
  };
}

process.on('message', (message) => process.send?.(runTask(taskSchema.parse(message))));
process.on('disconnect', () => process.exit());
