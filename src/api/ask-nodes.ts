// Many nodes are asked side by side: so many at once, under one deadline, and not for a client that has gone.

import type { Clock } from '../base/clock.ts';

/** Nodes asked at once, at most. */
const CONCURRENCY_MAX = 64;

export interface AskingLimits<Answer> {
  readonly clock: Clock;
  /** Nobody is asked any more after so many milliseconds; whoever was asked before has a deadline of its own. */
  readonly deadlineMs: number;
  /** Fires when the client has gone. */
  readonly abandoned: AbortSignal;
  /** Whether an answer settles the matter, so that nobody else has to be asked. */
  readonly isEnough?: (answer: Answer) => boolean;
}

/** The answers in the order of `items`; null for those that were not asked. */
export async function askAll<Item, Answer>(
  items: readonly Item[],
  ask: (item: Item) => Promise<Answer>,
  limits: AskingLimits<Answer>,
): Promise<readonly (Answer | null)[]> {
  const { clock, abandoned, isEnough = () => false } = limits;
  const untilMs = clock.monotonicMs() + limits.deadlineMs;
  const answers = Array.from<Answer | null>({ length: items.length }).fill(null);
  const left = items.entries();
  let isOver = false;
  const askOn = async (): Promise<void> => {
    for (const [index, item] of left) {
      if (isOver || abandoned.aborted || clock.monotonicMs() > untilMs) return;
      const answer = await ask(item);
      answers[index] = answer;
      isOver ||= isEnough(answer);
    }
  };
  await Promise.all(Array.from({ length: Math.min(CONCURRENCY_MAX, items.length) }, askOn));
  return answers;
}
