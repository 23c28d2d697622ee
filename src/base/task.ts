// Sequences of operations written top to bottom, driven by completions alone: no promise, no microtask.

import { AssertionError } from './assert.ts';

/** Called exactly once with the result of an operation, never from inside the call that was given it. */
export type Outcome<T> = (result: T | Error) => void;

/** Starts one operation and calls `resume` once when it is over, later. */
type Start = (resume: () => void) => void;

/**
 * A sequence of operations ending in a `T`. Reads like an async function (`yield*` for `await`), but goes on in the very
 * callback that completed the last operation, so that whoever owns the callbacks owns the order of events.
 */
export type Task<T> = Generator<Start, T, undefined>;

/** Inside a task: runs one operation without a result; throws its error. */
export function* completion(start: (done: (error: Error | null) => void) => void): Task<void> {
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

/** Inside a task: lets everything else that is due run, then goes on. */
export function* pause(yieldTurn: (callback: () => void) => void): Task<void> {
  yield (resume) => yieldTurn(resume);
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
      done(error instanceof Error ? error : new Error('an operation failed', { cause: error }));
      return;
    }
    if (next.done === true) done(next.value);
    else next.value(advance);
  }
  advance();
}

/** Runs a task whose value does not matter. */
export function runSteps(task: Task<unknown>, done: (error: Error | null) => void): void {
  runTask(task, (result) => done(result instanceof Error ? result : null));
}
