// A state machine without a copy on a disk: for who looks at a state and is gone before it could be used again.

import type { Done, DurableCopy } from './durable-copy.ts';
import { LOG_START } from './log-entry.ts';
import { StoreStateMachine } from './state-machine.ts';
import { KeyValueState } from './state/key-value-state.ts';

/** Keeps nothing. `defer` calls back soon, never from inside the call. */
class NoCopy implements DurableCopy {
  readonly #defer: (callback: () => void) => void;

  constructor(defer: (callback: () => void) => void) {
    this.#defer = defer;
  }

  write(): void {
    // The state in memory is all there is.
  }

  flush(done: Done): void {
    this.#defer(() => done(null));
  }

  replace(_cut: unknown, done: Done): void {
    this.#defer(() => done(null));
  }

  close(done: () => void): void {
    this.#defer(done);
  }
}

/** An empty state at the beginning of the log. */
export function openMemoryMachine(defer: (callback: () => void) => void): StoreStateMachine {
  return new StoreStateMachine(new NoCopy(defer), { position: LOG_START, state: new KeyValueState() });
}
