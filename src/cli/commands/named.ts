// Names: those that may be left out, and those that nobody has.

import { EXIT, Failure } from '../failure.ts';

/** What a flag, the environment or the context says; null where none of them does. */
export function named(ask: () => string): string | null {
  try {
    return ask();
  } catch (error) {
    if (error instanceof Failure && error.code === EXIT.usage) return null;
    throw error;
  }
}

/** Says what it is that does not exist: the API says only that. */
export async function existing<T>(what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== EXIT.missing) throw error;
    throw new Failure(EXIT.missing, `${what}: ${error.message}`, { cause: error });
  }
}
