// Says when something repeated is news: the first time, and when it changes.

/** Texts remembered of one key: two states that alternate are no news, however often they do. */
const TEXTS_MAX = 4;

/** Remembers the last texts a key was reported with, so that a fault that lasts is one log line and not one an attempt. */
export class ChangeGate<Key> {
  readonly #last = new Map<Key, readonly string[]>();

  /** True when `text` is none of those last reported for `key`. */
  isNews(key: Key, text: string): boolean {
    const known = this.#last.get(key) ?? [];
    if (known.includes(text)) return false;
    this.#last.set(key, [...known, text].slice(-TEXTS_MAX));
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
