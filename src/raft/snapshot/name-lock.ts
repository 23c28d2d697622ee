// One change of names at a time: two renames that are under way at once have no order.

import type { Task } from '../../base/task.ts';

/** Lets tasks through in the order in which they came, each when the one before has ended, well or not. */
export class NameLock {
  #isHeld = false;
  readonly #waiting: (() => void)[] = [];

  *alone<T>(task: Task<T>): Task<T> {
    if (this.#isHeld) yield (resume) => void this.#waiting.push(resume);
    this.#isHeld = true;
    try {
      return yield* task;
    } finally {
      const next = this.#waiting.shift();
      // Handed over without a gap: whoever asks in between comes last.
      if (next === undefined) this.#isHeld = false;
      else next();
    }
  }
}
