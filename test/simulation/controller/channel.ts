// Questions between members, beside Raft: each may be lost, and so may its answer.

import type { MemberId } from '../../../src/raft/core/types.ts';
import type { ToldLevel } from '../../../src/server/feature-level/survey.ts';
import type { Network } from '../network.ts';
import type { Process } from '../process.ts';
import type { Witness } from './production.ts';

/** After this an unanswered question is given up by whoever carries it; who asks has a deadline of its own. */
const QUESTION_US = 3_000_000;

/** What of a process answers others. */
export interface Answering {
  readonly process: Process;
  readonly identity: ToldLevel;
  readonly witness: Witness;
}

export interface ChannelParts {
  readonly network: Network;
  /** What runs on a member; null while nothing does. */
  readonly answering: (id: MemberId) => Answering | null;
}

export class Channel {
  readonly #parts: ChannelParts;

  constructor(parts: ChannelParts) {
    this.#parts = parts;
  }

  /** Has `serve` answer at member `to`; `done` is called once in `process`, with null when nothing came back. */
  ask<T>(
    process: Process,
    to: MemberId,
    question: { readonly serve: (at: Answering) => Promise<T>; readonly done: (answer: T | null) => void },
  ): void {
    const { network, answering } = this.#parts;
    const from = process.who;
    let isOver = false;
    const finish = (answer: T | null): void => {
      if (isOver) return;
      isOver = true;
      process.deliver(() => question.done(answer));
    };
    const failed = (): void => finish(null);
    const arrive = (): void => {
      const target = answering(to);
      if (target === null) {
        failed();
        return;
      }
      target.process.deliver(() => {
        void question.serve(target).then((answer) => {
          if (!target.process.alive) return;
          const parcel = { from: to, to: from, lane: 'answer', arrive: () => finish(answer), failed };
          network.send(parcel, QUESTION_US);
        });
      });
    };
    network.send({ from, to, lane: 'question', arrive, failed }, QUESTION_US);
  }
}
