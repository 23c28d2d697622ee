// Questions about one membership.

import { present } from '../../base/assert.ts';
import type { MemberId, Membership } from './types.ts';

export function isVoter(membership: Membership, member: MemberId): boolean {
  return membership.voterSets.some((voters) => voters.includes(member));
}

/** A voter or a learner: somebody whose answers count. */
export function isMember(membership: Membership, member: MemberId): boolean {
  return isVoter(membership, member) || membership.learners.includes(member);
}

/** While joint, agreement needs a majority of the voters to be and of those that are leaving (paper section 6). */
export function isJoint(membership: Membership): boolean {
  return membership.voterSets.length > 1;
}

/** The voters in force; while joint, those to be. */
export function currentVoters(membership: Membership): readonly MemberId[] {
  return present(membership.voterSets[0], 'a membership has a voter set');
}

/** Every voter of any set, each once, in ascending order, so that effects never depend on how the sets are written. */
export function allVoters(membership: Membership): readonly MemberId[] {
  return ascending(membership.voterSets.flat());
}

/** Every voter and learner, each once, in ascending order. */
export function allMembers(membership: Membership): readonly MemberId[] {
  return ascending([...membership.voterSets.flat(), ...membership.learners]);
}

/** Every voter but `self`. */
export function otherVoters(membership: Membership, self: MemberId): readonly MemberId[] {
  return allVoters(membership).filter((member) => member !== self);
}

/** Every voter and learner but `self`. */
export function otherMembers(membership: Membership, self: MemberId): readonly MemberId[] {
  return allMembers(membership).filter((member) => member !== self);
}

/**
 * Before a group's first start: everybody in `addresses` (host:port) votes and nobody is bound. Empty `addresses` are
 * what a member knows that is about to join a group.
 */
export function foundingMembership(addresses: ReadonlyMap<MemberId, string>): Membership {
  const voters = ascending([...addresses.keys()]);
  return { voterSets: [voters], learners: [], addresses, incarnations: new Map(), removed: [] };
}

/** Some voter is not bound to an incarnation yet. */
export function hasUnboundVoter(membership: Membership): boolean {
  return membership.voterSets.flat().some((voter) => !membership.incarnations.has(voter));
}

function ascending(members: readonly MemberId[]): readonly MemberId[] {
  return [...new Set(members)].sort((left, right) => left - right);
}
