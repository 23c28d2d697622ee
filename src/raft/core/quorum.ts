// The one quorum function: votes, commit index, reads and CheckQuorum all go through it.

import { present } from '../../base/assert.ts';
import type { MemberId } from './types.ts';

type VoterSets = readonly (readonly MemberId[])[];

/**
 * The largest value that a majority of *every* voter set has reached; `valueOf` gives what each member reached, >= 0.
 * Nobody to ask, or a set without voters, means that nothing is reached: 0.
 * Raft paper section 6: in a joint configuration agreement needs separate majorities.
 */
export function quorumValue(voterSets: VoterSets, valueOf: (member: MemberId) => number): number {
  if (voterSets.length === 0) return 0;
  let lowest = Number.POSITIVE_INFINITY;
  for (const voters of voterSets) lowest = Math.min(lowest, majorityValue(voters, valueOf));
  return lowest;
}

/** The k-th largest value, k being a majority: exactly k voters have reached it or more. */
function majorityValue(voters: readonly MemberId[], valueOf: (member: MemberId) => number): number {
  if (voters.length === 0) return 0;
  const descending = voters.map((voter) => valueOf(voter)).sort((left, right) => right - left);
  return present(descending[Math.floor(voters.length / 2)], 'a majority is at most all voters');
}

/** The first election of a group: won when everybody granted, lost when anybody refused. */
export function unanimousOutcome(voterSets: VoterSets, votes: ReadonlyMap<MemberId, boolean>): VoteOutcome {
  const voters = voterSets.flat();
  if (voters.some((member) => votes.get(member) === false)) return 'lost';
  return voters.length > 0 && voters.every((member) => votes.get(member) === true) ? 'won' : 'pending';
}

export type VoteOutcome = 'won' | 'lost' | 'pending';

/** Won when a majority of every set granted; lost when that has become impossible. */
export function voteOutcome(voterSets: VoterSets, votes: ReadonlyMap<MemberId, boolean>): VoteOutcome {
  if (quorumValue(voterSets, (member) => (votes.get(member) === true ? 1 : 0)) === 1) return 'won';
  if (quorumValue(voterSets, (member) => (votes.get(member) === false ? 0 : 1)) === 0) return 'lost';
  return 'pending';
}
