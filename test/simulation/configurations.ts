// What must hold of memberships: how one follows another in the committed history, and which one a member goes by.

import type { Entry, MemberId, Membership } from '../../src/raft/core/types.ts';
import { logIndex } from '../../src/raft/core/types.ts';
import type { Violate } from './ledger.ts';
import type { Marks } from './marks.ts';
import { decodeMembership, sameMembership, type RaftCore } from './production.ts';

/** Follows the memberships of the committed history, from the founding one on. */
export class Configurations {
  readonly #violate: Violate;
  readonly #marks: Marks;
  readonly #bound = new Map<MemberId, string>();
  #newest: Membership;
  #newestTerm = 0;

  constructor(founding: Membership, violate: Violate, marks: Marks) {
    this.#newest = founding;
    this.#violate = violate;
    this.#marks = marks;
  }

  /** The newest committed membership. */
  get newest(): Membership {
    return this.#newest;
  }

  /** Every committed entry, in order. */
  onCommitted(entry: Entry): void {
    if (entry.kind !== 'config') return;
    const next = decodeMembership(entry.data);
    if (next === null) {
      this.#violate('config', `entry ${entry.index} holds no membership`);
      return;
    }
    const problem = succession(this.#newest, next);
    if (problem !== null) this.#violate('config', `entry ${entry.index}: ${problem}`);
    for (const [member, incarnation] of next.incarnations) {
      if ((this.#bound.get(member) ?? incarnation) !== incarnation) {
        this.#violate('identity', `member ${member} is bound to two incarnations`);
      }
      this.#bound.set(member, incarnation);
    }
    this.#count(next);
    if (this.#newest.voterSets.length > 1 && entry.term > this.#newestTerm)
      this.#marks.hit('jointLeftBySuccessor');
    this.#newest = next;
    this.#newestTerm = entry.term;
  }

  /** A member goes by the newest membership in its log; a leader has at most one that is not committed. */
  checkCore(core: RaftCore): void {
    let inForce: Membership = core.base.membership;
    let uncommitted = 0;
    for (const entry of core.entries(logIndex(core.base.index + 1), core.lastIndex)) {
      if (entry.kind !== 'config') continue;
      inForce = decodeMembership(entry.data) ?? inForce;
      if (entry.index > core.commitIndex) uncommitted += 1;
    }
    if (!sameMembership(core.membership, inForce)) {
      this.#violate('config', 'a member does not go by the newest membership in its log');
    }
    if (core.role.role === 'leader' && uncommitted > 1) {
      this.#violate('config', `${uncommitted} memberships of a leader are not committed`);
    }
  }

  #count(next: Membership): void {
    const before = this.#newest;
    if (next.voterSets.length > 1) this.#marks.hit('jointEntered');
    else if (before.voterSets.length > 1) this.#marks.hit('jointLeft');
    if (next.learners.length > before.learners.length) this.#marks.hit('learnerAdded');
    if (next.removed.length > before.removed.length) this.#marks.hit('memberRemoved');
  }
}

/** Why `next` cannot follow `before`; null when it can: joint consensus, one step at a time (paper section 6). */
function succession(before: Membership, next: Membership): string | null {
  const [current, outgoing] = before.voterSets;
  const [target, left] = next.voterSets;
  if (outgoing !== undefined) {
    return left === undefined && same(target, current)
      ? null
      : 'a joint membership is not left for its target';
  }
  if (left !== undefined) {
    return same(left, current) ? null : 'a joint membership does not contain the voters before it';
  }
  return same(target, current) ? null : 'the voters change in one step';
}

function same(left: readonly MemberId[] | undefined, right: readonly MemberId[] | undefined): boolean {
  return left !== undefined && right !== undefined && left.join() === right.join();
}
