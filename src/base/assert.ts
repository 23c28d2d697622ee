// Programmer errors: a failed assertion is a bug in this program, never bad input from outside.

/** An invariant of the program does not hold. Nothing catches it on purpose: the process ends and says why. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/**
 * Throws `AssertionError` with `message` unless `condition` holds. Assertions stay on in production:
 * a crash is recovered from the log, a wrong state is not.
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Ends a switch over a union: the compiler proves that no kind is left, the assertion covers data from outside. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable value: ${JSON.stringify(value)}`);
}

/** Returns `value`, or throws `AssertionError` with `message` when it is null or undefined. */
export function present<T>(value: T | null | undefined, message: string): T {
  if (value === null || value === undefined) throw new AssertionError(message);
  return value;
}
