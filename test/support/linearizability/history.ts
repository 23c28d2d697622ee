// What clients saw: operations with the interval in which each took effect, and the sequential object they are held against.

/**
 * One call of one client. `call` and `return` are readings of one clock that all clients share, in any unit; `return` is
 * null for an operation that was never answered. An operation that certainly had no effect does not belong in a history.
 */
export interface Operation<Input, Output> {
  readonly client: number;
  /** The object it works on: histories are checked key by key, since objects that are linearizable each are so together. */
  readonly key: string;
  readonly call: number;
  readonly return: number | null;
  readonly input: Input;
  /** 'unknown' (a timeout, a broken connection, a 504): it may take effect at any time after `call`, or never. */
  readonly output: Output | 'unknown';
}

/** The object as it would behave with one client at a time. Pure; inputs are plain data (they are compared as JSON). */
export interface Model<State, Input, Output> {
  readonly init: State;
  /** The state after `input` answered `output`; null when it could not have answered that in `state`. */
  step(state: State, input: Input, output: Output | 'unknown'): State | null;
  /** True when `input` answered by `output` changed nothing, whatever the state was. Only saves time. */
  observes(input: Input, output: Output): boolean;
  /** Equal for equal states and for these only; short, people read it too. */
  describeState(state: State): string;
  /** One operation in a few words, e.g. `write 3 -> ok`. */
  describe(input: Input, output: Output | 'unknown'): string;
}
