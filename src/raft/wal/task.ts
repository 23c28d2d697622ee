// Sequences of disk operations written top to bottom, driven by completions alone: no promise, no microtask.

import { AssertionError } from '../../base/assert.ts';
import type { Done } from '../ports.ts';
import type { Outcome } from './file-system.ts';

/** Starts one operation and calls `resume` once when it is over, later. */
type Start = (resume: () => void) => void;

/**
 * A sequence of operations ending in a `T`. Reads like an async function (`yield*` for `await`), but goes on in the very
 * callback that completed the last operation, so that whoever owns the callbacks owns the order of events.
 */
export type Task<T> = Generator<Start, T, undefined>;

/** Inside a task: runs one operation without a result; throws its error. */
export function* completion(start: (done: Done) => void): Task<void> {
  const failure: { error: Error | null } = { error: null };
  yield (resume) => {
    start((error) => {
      failure.error = error;
      resume();
    });
  };
  if (failure.error !== null) throw failure.error;
}

/** Inside a task: runs one operation and returns its result; throws its error. */
export function* outcome<T>(start: (done: Outcome<T>) => void): Task<T> {
  const results: (T | Error)[] = [];
  yield (resume) => {
    start((result) => {
      results.push(result);
      resume();
    });
  };
  for (const result of results) {
    if (result instanceof Error) throw result;
    return result;
  }
  throw new AssertionError('an operation was resumed without a result');
}

/**
 * Runs a task and reports its value or what it threw. A task that does no operation reports at once. A failed
 * assertion is not reported: it ends the process, as everywhere.
 */
export function runTask<T>(task: Task<T>, done: Outcome<T>): void {
  function advance(): void {
    let next: IteratorResult<Start, T>;
    try {
      next = task.next();
    } catch (error) {
      if (error instanceof AssertionError) throw error;
      done(error instanceof Error ? error : new Error('a disk operation failed', { cause: error }));
      return;
    }
    if (next.done === true) done(next.value);
    else next.value(advance);
  }
  advance();
}

/** Runs a task whose value does not matter. */
export function runSteps(task: Task<unknown>, done: Done): void {
  runTask(task, (result) => done(result instanceof Error ? result : null));
}

/** The same for start-up code that may await. */
export function taskPromise<T>(task: Task<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    runTask(task, (result) => {
      if (result instanceof Error) reject(result);
      else resolve(result);
    });
  });
}
