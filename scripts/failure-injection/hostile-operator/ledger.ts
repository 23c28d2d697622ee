// Every acknowledged write, and which of them are gone. Pure.
//
// A key has one writer, which sets 1, 2, 3, ... and is answered the value that was there before. So the write that is found in the
// end names the one it replaced, that one the one before it, and so on: what is acknowledged and not in this chain is lost, even
// where later writes cover the gap.

export interface Write {
  readonly key: string;
  readonly value: number;
  /** What the node answered that it replaced; null when there was nothing. */
  readonly previous: number | null;
  /** When the answer came. */
  readonly atMs: number;
  /** Address of the node that acknowledged it. */
  readonly node: string;
}

interface KeyHistory {
  /** The last write that was there at the last audit. */
  floor: Write | null;
  /** In the order of their values. */
  later: Write[];
}

export class Ledger {
  readonly #keys = new Map<string, KeyHistory>();
  #acknowledgedCount = 0;

  get acknowledgedCount(): number {
    return this.#acknowledgedCount;
  }

  get keys(): Iterable<string> {
    return this.#keys.keys();
  }

  acknowledge(write: Write): void {
    this.#acknowledgedCount += 1;
    const history = this.#keys.get(write.key);
    if (history === undefined) this.#keys.set(write.key, { floor: null, later: [write] });
    else history.later.push(write);
  }

  /** `found` is the value at the key's master now. Returns the writes that are lost, each once, and goes on from what is there. */
  audit(key: string, found: number | null): readonly Write[] {
    const history = this.#keys.get(key);
    if (history === undefined) return [];
    const writes = history.floor === null ? history.later : [history.floor, ...history.later];
    // Where a write is found whose answer never came, the last acknowledged one before it must never be missing either.
    history.floor = writes.findLast(({ value }) => found !== null && value <= found) ?? null;
    history.later = [];
    return lostOf(writes, found);
  }
}

/** Those of `writes`, which are in the order of their values, that are not among the ancestors of what was found. */
export function lostOf(writes: readonly Write[], found: number | null): readonly Write[] {
  const byValue = new Map(writes.map((write) => [write.value, write]));
  const kept = new Set<Write>();
  let at = found;
  while (at !== null) {
    const write = byValue.get(at);
    if (write === undefined) return newerThan(at, writes, kept);
    kept.add(write);
    // What the oldest replaced was judged before.
    if (write === writes[0]) break;
    at = write.previous;
  }
  return writes.filter((each) => !kept.has(each));
}

/** Nobody knows what the unacknowledged write `value` replaced: whatever is older counts as kept. */
function newerThan(value: number, writes: readonly Write[], kept: ReadonlySet<Write>): readonly Write[] {
  return writes.filter((write) => !kept.has(write) && write.value > value);
}
