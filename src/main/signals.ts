// What signals mean, from the first moment of the process on. Imports nothing, so that it is loaded at once.

/** Those that end the process in order. */
const STOPPING = ['SIGTERM', 'SIGINT'] as const;
/** Asks for a reload; also comes from a terminal that is closed, where a reload does no harm. */
const RELOADING = 'SIGHUP';
/** Would open a debugger to whoever reaches the machine. */
const IGNORED = 'SIGUSR1';

/** A `NodeJS.Process`, as far as it is needed here. */
export interface SignalSource {
  on(signal: NodeJS.Signals, listener: (signal: NodeJS.Signals) => void): unknown;
  exit(code: number): void;
}

export interface SignalHandlers {
  readonly onStop: (signal: NodeJS.Signals) => void;
  readonly onReload: () => void;
  readonly onIgnored: (signal: NodeJS.Signals) => void;
}

export class ProcessSignals {
  #handlers: SignalHandlers;
  #isReloadMissed = false;

  /** Until somebody handles them a signal to stop ends the process at once, as nothing was begun, and one to reload is kept. */
  constructor(source: SignalSource) {
    this.#handlers = {
      onStop: () => source.exit(0),
      onReload: () => {
        this.#isReloadMissed = true;
      },
      onIgnored: () => undefined,
    };
    for (const signal of STOPPING) source.on(signal, () => this.#handlers.onStop(signal));
    source.on(RELOADING, () => this.#handlers.onReload());
    source.on(IGNORED, () => this.#handlers.onIgnored(IGNORED));
  }

  /** From now on `handlers` decide what a signal does. A configuration that changed right after it was read is read again. */
  handle(handlers: SignalHandlers): void {
    this.#handlers = handlers;
    if (this.#isReloadMissed) handlers.onReload();
  }
}
