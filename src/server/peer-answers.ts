// What the leader learns of the other members when it asks them who they are: how their clocks go, and whether their state is the same.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { StateMark } from '../store/state-marks.ts';

/** As far as it matters here; both are empty of earlier releases. */
export interface PeerAnswer {
  /** Its wall clock when it answered, milliseconds since the Unix epoch. */
  readonly wallMs: number | null;
  /** What its state was after the last entries. */
  readonly marks: readonly StateMark[];
}

export interface PeerAnswersParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What the state here was after the last entries. */
  readonly ownMarks: () => readonly StateMark[];
  /** So many entries after which a member's state was not the same. */
  readonly onDiverged: (count: number) => void;
}

/** Decides nothing: clocks are for people, and what is different in two states has to be found out by people. */
export class PeerAnswers {
  readonly #parts: PeerAnswersParts;
  /** Seconds by member. */
  readonly #ahead = new Map<number, number>();
  /** The last entry that was compared, by member. */
  readonly #compared = new Map<number, number>();

  constructor(parts: PeerAnswersParts) {
    this.#parts = parts;
  }

  /** The answer came `elapsedMs` after the question: it was given half of that ago, give or take as much. */
  heard(member: number, { wallMs, marks }: PeerAnswer, elapsedMs: number): void {
    const { clock } = this.#parts;
    if (wallMs !== null) this.#ahead.set(member, (wallMs - (clock.wallMs() - elapsedMs / 2)) / 1000);
    this.#compare(member, marks);
  }

  /** Null of a member that has not said it in this lead. */
  aheadSeconds(member: number): number | null {
    return this.#ahead.get(member) ?? null;
  }

  /** Another lead: nobody asks any more, or everybody is asked anew. */
  forget(): void {
    this.#ahead.clear();
    this.#compared.clear();
  }

  #compare(member: number, marks: readonly StateMark[]): void {
    const { ownMarks, onDiverged, logger } = this.#parts;
    const own = new Map(ownMarks().map(({ index, hash }) => [index, hash]));
    const compared = this.#compared.get(member) ?? 0;
    const fresh = marks.filter(({ index }) => index > compared && own.has(index));
    if (fresh.length === 0) return;
    this.#compared.set(member, Math.max(...fresh.map(({ index }) => index)));
    const different = fresh.filter(({ index, hash }) => own.get(index) !== hash);
    const [first] = different;
    if (first === undefined) return;
    onDiverged(different.length);
    logger.error('store.diverged', {
      peer: member,
      index: first.index,
      own: own.get(first.index) ?? null,
      its: first.hash,
    });
  }
}
