// Questions about a membership. Changing it comes with joint consensus; until then it is data.

import type { MemberId, Membership } from './types.ts';

export function isVoter(membership: Membership, member: MemberId): boolean {
  return membership.voterSets.some((voters) => voters.includes(member));
}

/** A voter or a learner: somebody whose messages count. */
export function isMember(membership: Membership, member: MemberId): boolean {
  return isVoter(membership, member) || membership.learners.includes(member);
}

/** Every voter but `self`, each once, in ascending order, so that effects never depend on how the sets are written. */
export function otherVoters(membership: Membership, self: MemberId): readonly MemberId[] {
  return others(membership.voterSets.flat(), self);
}

/** Every voter and learner but `self`, each once, in ascending order. */
export function otherMembers(membership: Membership, self: MemberId): readonly MemberId[] {
  return others([...membership.voterSets.flat(), ...membership.learners], self);
}

function others(members: readonly MemberId[], self: MemberId): readonly MemberId[] {
  return [...new Set(members)].filter((member) => member !== self).sort((left, right) => left - right);
}
