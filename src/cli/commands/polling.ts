// Looking again and again: until Ctrl-C, and across changes of the leader.

import { EXIT, Failure } from '../failure.ts';
import type { Session } from '../session.ts';

/** Ctrl-C ends the process at once: a request under way only reads, and nobody waits for it. `say` tells what people should know then. */
export function endOnInterrupt(say: () => void = () => undefined): void {
  process.once('SIGINT', () => {
    say();
    process.exit(EXIT.interrupted);
  });
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Nobody leads or can be reached just now, or the leader could not ask the others in time: the next look may find it otherwise. */
function isPassing(error: unknown): error is Failure {
  return error instanceof Failure && (error.code === EXIT.unreachable || error.code === EXIT.unknown);
}

/** Bears with what may pass, and tells it once. */
export class Patience {
  readonly #session: Session;
  #told: string | null = null;

  constructor(session: Session) {
    this.#session = session;
  }

  /** Null where there was no answer this time. Throws what does not pass. */
  async look<T>(ask: () => Promise<T>): Promise<T | null> {
    try {
      const seen = await ask();
      this.#told = null;
      return seen;
    } catch (error) {
      if (!isPassing(error)) throw error;
      if (this.#told === null) this.#session.terminal.tell(`${error.message}; trying again`);
      this.#told = error.message;
      return null;
    }
  }
}
