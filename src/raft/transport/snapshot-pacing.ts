// How long the next transfer of a snapshot waits: the same one to the same peer again is no progress.

import { backoffDelayMs, type BackoffPolicy } from '../../base/backoff.ts';
import type { Random } from '../../base/random.ts';
import type { MemberId } from '../core/types.ts';

const BACKOFF: BackoffPolicy = { delayMsMin: 200, delayMsMax: 30_000, factor: 2 };

/** A peer that needed no snapshot for so long begins anew. Far above the longest pause, so no loop ever gets there. */
const FORGOTTEN_AFTER_MS = 600_000;

interface Sending {
  readonly index: number;
  /** Transfers of this snapshot before the last one. */
  readonly repeats: number;
  /** Of the last beginning or end of a transfer. */
  readonly lastMs: number;
}

/**
 * A transfer that arrives is no success yet: the peer may find that its state is no good and ask again, and a damaged file fails
 * each time after megabytes. So every repetition counts, whatever became of those before, until there is another snapshot to send.
 */
export class SnapshotPacing {
  readonly #random: Random;
  readonly #sendings = new Map<MemberId, Sending>();

  constructor(random: Random) {
    this.#random = random;
  }

  /** Milliseconds that a transfer of the snapshot at `index`, which begins at `nowMs`, is to wait first. */
  begin(to: MemberId, index: number, nowMs: number): number {
    for (const [peer, { lastMs }] of this.#sendings)
      if (nowMs - lastMs >= FORGOTTEN_AFTER_MS) this.#sendings.delete(peer);
    const previous = this.#sendings.get(to);
    const repeats = previous?.index === index ? previous.repeats + 1 : 0;
    this.#sendings.set(to, { index, repeats, lastMs: nowMs });
    return repeats === 0 ? 0 : backoffDelayMs(BACKOFF, repeats - 1, this.#random);
  }

  /** A transfer to `to` ended. */
  end(to: MemberId, nowMs: number): void {
    const sending = this.#sendings.get(to);
    if (sending !== undefined) this.#sendings.set(to, { ...sending, lastMs: nowMs });
  }
}
