// Tasks of `base/task.ts` for code that works with a disk, and their edge to start-up code that awaits.

import { type Task, runTask } from '../../base/task.ts';

export { type Task, completion, outcome, runSteps, runTask } from '../../base/task.ts';

/** Runs a task for start-up code that may await. */
export function taskPromise<T>(task: Task<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    runTask(task, (result) => {
      if (result instanceof Error) reject(result);
      else resolve(result);
    });
  });
}
