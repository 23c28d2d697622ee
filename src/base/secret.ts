// Passwords: kept and compared, never printed.

/** A text that logs, errors and JSON show as `[redacted]`. The one way to its value is `reveal()`, at the socket or the disk. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  /** No password at all. */
  static readonly none = new Secret('');

  get isEmpty(): boolean {
    return this.#value === '';
  }

  reveal(): string {
    return this.#value;
  }

  equals(other: Secret): boolean {
    return this.#value === other.#value;
  }

  toString(): string {
    return '[redacted]';
  }

  toJSON(): string {
    return '[redacted]';
  }

  /** What `util.inspect` and `console.log` show; the symbol is registered, so no `node:` import is needed. */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[redacted]';
  }
}
