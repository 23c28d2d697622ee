// Whether a snapshot transfer still gets somewhere. Pure.

import type { Result } from '../../base/result.ts';
import type { SnapshotAnswer, SnapshotBatch } from './snapshot-codec.ts';

/** Failures and steps back in a row, without the peer ever holding more than before, after which a transfer is given up. */
const SETBACKS_MAX = 8;
/** Times the peer may say that it is still verifying; it says so after half of the deadline of a post. */
const VERIFICATIONS_MAX = 60;

/** Why a post brought no answer; `final` when another would not either. */
export interface PostFailure {
  readonly reason: string;
  readonly final: boolean;
}

/** Bounds a transfer by its progress, not by its size: only a peer that holds more than ever before buys new attempts. */
export class SnapshotProgress {
  #best = -1;
  #setbacks = 0;
  #verifications = 0;

  /** Failures and steps back since the peer last held more than before. */
  get setbacks(): number {
    return this.#setbacks;
  }

  /** Why to give up after this answer to `batch`; null to go on. */
  judge(batch: SnapshotBatch, answer: Result<SnapshotAnswer, PostFailure>): string | null {
    if (!answer.ok) {
      this.#setbacks += 1;
      return answer.error.final || this.#setbacks > SETBACKS_MAX ? answer.error.reason : null;
    }
    const { chunks } = answer.value;
    const expected = batch.offset + batch.chunks.length;
    if (batch.last && chunks === expected) {
      this.#verifications += 1;
      return this.#verifications > VERIFICATIONS_MAX ? 'the peer does not finish verifying' : null;
    }
    if (chunks < expected) this.#setbacks += 1;
    if (chunks > this.#best) {
      this.#best = chunks;
      this.#setbacks = 0;
    }
    return this.#setbacks > SETBACKS_MAX ? 'the peer keeps starting over' : null;
  }
}
