// Who may speak to this member, and whether this member itself may still take part.

import type { RaftCore } from './core/raft-core.ts';
import type { Incarnation, MemberId } from './core/types.ts';
import type { Admission, ExpulsionReason } from './ports.ts';

/**
 * What a sender is told. The core drops the messages of another incarnation from the moment the binding is in the log;
 * to be told so ends a process for good, so that waits until the binding is committed.
 */
export function admission(core: RaftCore, from: MemberId, incarnation: Incarnation): Admission {
  const verdict = core.admits(from, incarnation);
  if (verdict !== 'otherIncarnation') return verdict;
  const bound = core.membershipAt(core.commitIndex).incarnations.get(from);
  return bound === undefined || bound === incarnation ? 'yes' : verdict;
}

/** Reports once that this member must stop, however often and by whomever it is told. */
export class ExpulsionNotice {
  readonly #report: (reason: ExpulsionReason) => void;
  #isGiven = false;

  constructor(report: (reason: ExpulsionReason) => void) {
    this.#report = report;
  }

  give(reason: ExpulsionReason): void {
    if (this.#isGiven) return;
    this.#isGiven = true;
    this.#report(reason);
  }
}
