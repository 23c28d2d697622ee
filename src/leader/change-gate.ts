// Says when something repeated is news: the first time, and when it changes.

/** Remembers the last text a key was reported with, so that a fault that lasts is one log line and not one an attempt. */
export class ChangeGate<Key> {
  readonly #last = new Map<Key, string>();

  /** True when `text` differs from what was last reported for `key`. */
  isNews(key: Key, text: string): boolean {
    if (this.#last.get(key) === text) return false;
    this.#last.set(key, text);
    return true;
  }

  /** Forgets `key`; true when there was something to forget, so that its end can be reported too. */
  clear(key: Key): boolean {
    return this.#last.delete(key);
  }

  /** The remembered keys that `current` lacks. */
  keysBeside(current: ReadonlyMap<Key, unknown>): readonly Key[] {
    return [...this.#last.keys()].filter((key) => !current.has(key));
  }

  /** Forgets all keys but these. */
  keepOnly(keys: ReadonlySet<Key>): void {
    for (const key of this.#last.keys()) {
      if (!keys.has(key)) this.#last.delete(key);
    }
  }
}
