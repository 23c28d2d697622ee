// What an established leader changes by itself: binds members to their data directories, promotes learners that caught up.

import type { Contacts } from './contacts.ts';
import type { MembershipChange } from './core/membership-change.ts';
import { allMembers, isJoint } from './core/membership.ts';
import type { Incarnation, MemberId, Membership } from './core/types.ts';
import type { TurnLoop } from './turn-loop.ts';

/** Entries a learner may lack and still be promoted: a round trip's worth, so that the group does not wait for it. */
export const PROMOTION_LAG_ENTRIES = 100;

/** What is known of one member. */
export interface MemberEvidence {
  /** The incarnation it speaks as; null when it was not heard lately. */
  readonly incarnation: Incarnation | null;
  /** Committed entries it lacks; null while that is not known, or it was not heard lately. */
  readonly lagEntries: number | null;
}

export type Upkeep = Extract<MembershipChange, { kind: 'bind' | 'promote' }>;

/**
 * The next change that is due, or null. Binding goes first: nobody unbound may become a voter, and a wiped disk is
 * noticed only under an id that is bound.
 */
export function nextUpkeep(
  membership: Membership,
  evidenceOf: (member: MemberId) => MemberEvidence,
): Upkeep | null {
  if (isJoint(membership)) return null;
  const { incarnations, learners } = membership;
  for (const member of allMembers(membership)) {
    const { incarnation } = evidenceOf(member);
    if (incarnation !== null && !incarnations.has(member)) return { kind: 'bind', member, incarnation };
  }
  for (const member of learners) {
    const { lagEntries } = evidenceOf(member);
    const hasCaughtUp = lagEntries !== null && lagEntries <= PROMOTION_LAG_ENTRIES;
    if (hasCaughtUp && incarnations.has(member)) return { kind: 'promote', member };
  }
  return null;
}

interface KeeperParts {
  readonly self: { readonly id: MemberId; readonly incarnation: Incarnation };
  readonly loop: TurnLoop;
  readonly contacts: Contacts;
  /** Asks this member for a change, which may be refused. */
  readonly change: (change: Upkeep) => void;
}

/** Looks, with every tick, for what is due, and asks for it as anybody else would. */
export class MembershipKeeper {
  readonly #parts: KeeperParts;

  constructor(parts: KeeperParts) {
    this.#parts = parts;
  }

  /** Does something only on an established leader, and while nobody else changes anything. */
  look(nowMs: number): void {
    const { board, waiters, transfer, disk, core } = this.#parts.loop;
    if (!board.published.established || disk.condition !== 'well') return;
    if (waiters.changes.size > 0 || !transfer.isIdle) return;
    const change = nextUpkeep(core.membership, this.#evidence(nowMs));
    if (change !== null) this.#parts.change(change);
  }

  #evidence(nowMs: number): (member: MemberId) => MemberEvidence {
    const { self, loop, contacts } = this.#parts;
    const views = new Map(loop.core.peers().map((view) => [view.member, view]));
    return (member) => {
      if (member === self.id) return { incarnation: self.incarnation, lagEntries: 0 };
      if (!contacts.isAlive(member, nowMs)) return { incarnation: null, lagEntries: null };
      const view = views.get(member);
      // Before it has acknowledged something of this leader's, how far it is says nothing.
      // What is not committed is not missing: a learner as fast as the voters lacks it as well, and more under load.
      const lagEntries = view?.state === 'replicate' ? loop.core.commitIndex - view.match : null;
      return { incarnation: contacts.incarnationOf(member), lagEntries };
    };
  }
}
