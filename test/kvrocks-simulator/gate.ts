// The exclusive lock of a node: while SETNODES and its kin run, every other command waits (facts section 3.6).

export class ExclusiveGate {
  #holder: Promise<unknown> | null = null;

  get held(): boolean {
    return this.#holder !== null;
  }

  /** Resolves when the present holder is done; another may have taken the lock by then: look at `held` again. */
  async released(): Promise<void> {
    await this.#holder;
  }

  /** Runs `work` alone. The caller has seen that the lock is free, in the same turn. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    const running = work();
    const holder = running.then(
      () => undefined,
      () => undefined,
    );
    this.#holder = holder;
    try {
      return await running;
    } finally {
      this.#holder = null;
    }
  }
}
