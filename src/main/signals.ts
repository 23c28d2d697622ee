// What signals mean, from the first moment of the process on. Imports nothing, so that it is loaded at once.

/** Those that end the process in order. */
const STOPPING = ['SIGTERM', 'SIGINT'] as const;
/**
 * Those that would end it out of order, or open a debugger to whoever reaches the machine. SIGHUP comes from a terminal that is
 * closed, and from tools that ask for a reload, which there is not.
 */
const IGNORED = ['SIGHUP', 'SIGUSR1'] as const;

/** A `NodeJS.Process`, as far as it is needed here. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  exit(code: number): void;
}

export interface SignalHandlers {
  readonly onStop: (signal: NodeJS.Signals) => void;
  readonly onIgnored: (signal: NodeJS.Signals) => void;
}

export class ProcessSignals {
  #handlers: SignalHandlers;

  /** Until somebody handles them a signal to stop ends the process at once, as nothing was begun. */
  constructor(source: SignalSource) {
    this.#handlers = { onStop: () => source.exit(0), onIgnored: () => undefined };
    for (const signal of STOPPING) source.on(signal, () => this.#handlers.onStop(signal));
    for (const signal of IGNORED) source.on(signal, () => this.#handlers.onIgnored(signal));
  }

  /** From now on `handlers` decide what a signal does. */
  handle(handlers: SignalHandlers): void {
    this.#handlers = handlers;
  }
}
