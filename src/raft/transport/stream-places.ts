// A bounded number of places, and who gives one up when somebody else comes.

/** Whoever holds a place. */
export interface PlaceHolder {
  /** The address it comes from. */
  readonly source: string;
}

/**
 * Nobody is ever turned away here: who comes gets a place, and when there are too many the source that holds most of them gives up
 * the one that was silent longest. So whoever opens connections without end competes with itself, whatever names it uses, and
 * leaves room for a member that comes from another machine; and what a member left behind goes before what it uses.
 */
export class StreamPlaces<Holder extends PlaceHolder> {
  readonly #max: number;
  /** From the one that was silent longest to the one that spoke last. */
  readonly #holders = new Set<Holder>();

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#holders.size;
  }

  /** Gives `holder` a place, or notes that it has spoken. Returns who has lost its place for it; null when nobody has. */
  take(holder: Holder): Holder | null {
    this.#holders.delete(holder);
    this.#holders.add(holder);
    if (this.#holders.size <= this.#max) return null;
    const loser = this.#loser();
    if (loser !== null) this.#holders.delete(loser);
    return loser;
  }

  leave(holder: Holder): void {
    this.#holders.delete(holder);
  }

  #loser(): Holder | null {
    const bySource = Map.groupBy(this.#holders, ({ source }) => source);
    let most: readonly Holder[] = [];
    // Sources come in the order of their most silent holders, so that among equals the first is the one to choose.
    for (const holders of bySource.values()) if (holders.length > most.length) most = holders;
    return most[0] ?? null;
  }
}
