// Work in steps: whoever has other things to do as well takes them one at a time.

/** Yields between two steps, and returns what came of it. */
export type Steps<T> = Generator<undefined, T, undefined>;

/** All steps at once. */
export function finished<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
  }
}
