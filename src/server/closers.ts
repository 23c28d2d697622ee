// What has to be ended, in the opposite order of its making.

/** Each is ended once, also when an earlier one failed. */
export class Closers {
  readonly #closers: (() => Promise<void>)[] = [];

  /** Adds the end of something; returns the way to end it before its turn. */
  add(close: () => Promise<void>): () => Promise<void> {
    let ended: Promise<void> | null = null;
    const once = (): Promise<void> => {
      ended ??= close();
      return ended;
    };
    this.#closers.push(once);
    return once;
  }

  /** Ends the newest first. Rejects with the first failure, after all have been tried. */
  async closeAll(): Promise<void> {
    const failures: unknown[] = [];
    for (const close of this.#closers.splice(0).reverse()) {
      try {
        await close();
      } catch (error) {
        failures.push(error);
      }
    }
    const [first] = failures;
    if (first !== undefined)
      throw first instanceof Error ? first : new Error('closing failed', { cause: first });
  }
}
