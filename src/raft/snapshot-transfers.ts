// Which snapshots are on their way to other members: the log behind them is still needed when they have arrived.

import type { LogIndex, MemberId } from './core/types.ts';

/** `keptUntilMs`: null while it is being sent; afterwards, until when the member may ask for what comes behind it. */
interface Transfer {
  readonly index: LogIndex;
  readonly keptUntilMs: number | null;
}

/**
 * The newest transfer to each member. A log that was cut behind the snapshot while it was on its way would make the member
 * need another one as soon as it has it, and under steady writes so for ever.
 */
export class SnapshotTransfers {
  readonly #transfers = new Map<MemberId, Transfer>();
  readonly #keptMs: number;

  /** `keptMs`: milliseconds that a delivered snapshot counts on: it has to be installed, and where it ends to be probed. */
  constructor(keptMs: number) {
    this.#keptMs = keptMs;
  }

  begin(to: MemberId, index: LogIndex): void {
    this.#transfers.set(to, { index, keptUntilMs: null });
  }

  /** The end of a transfer; of one that was followed by another to the same member nothing is left to note. */
  end(to: MemberId, sent: { readonly index: LogIndex; readonly delivered: boolean }, nowMs: number): void {
    if (this.#transfers.get(to)?.index !== sent.index) return;
    if (sent.delivered) this.#transfers.set(to, { index: sent.index, keptUntilMs: nowMs + this.#keptMs });
    else this.#transfers.delete(to);
  }

  /** The last entries of the snapshots whose receivers will want what follows. */
  indexes(nowMs: number): readonly LogIndex[] {
    const indexes: LogIndex[] = [];
    for (const [member, { index, keptUntilMs }] of this.#transfers) {
      if (keptUntilMs === null || nowMs < keptUntilMs) indexes.push(index);
      else this.#transfers.delete(member);
    }
    return indexes;
  }
}
