// The ways in which the operations so far may have taken effect, without those that another one makes superfluous.

/** One way: the state it led to and which operations whose interval is still open have taken effect in it. */
export interface Configuration<State> {
  readonly state: State;
  /** The state as text, equal for equal states only. */
  readonly stateText: string;
  /** Bit set over the slots of operations that will be answered but are not yet. */
  readonly done: bigint;
  /** Of each class of operations that are never answered, how many have taken effect: always the earliest ones. */
  readonly spent: readonly number[];
}

/**
 * A set of configurations that drops what is dominated: with the same state and the same `done`, the one that used up fewer
 * operations of unknown outcome can do everything the other can, since those may also never take effect.
 */
export class ConfigurationSet<State> {
  readonly #groups = new Map<string, Configuration<State>[]>();

  /** False when `candidate` or one that dominates it is here already. */
  add(candidate: Configuration<State>): boolean {
    const key = `${candidate.done.toString(36)} ${candidate.stateText}`;
    const group = this.#groups.get(key) ?? [];
    if (group.some((one) => isDominated(candidate, one))) return false;
    this.#groups.set(key, [...group.filter((one) => !isDominated(one, candidate)), candidate]);
    return true;
  }

  get all(): readonly Configuration<State>[] {
    return [...this.#groups.values()].flat();
  }
}

function isDominated<State>(one: Configuration<State>, by: Configuration<State>): boolean {
  return by.spent.every((count, index) => count <= (one.spent[index] ?? 0));
}
