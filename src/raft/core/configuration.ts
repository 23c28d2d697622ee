// Membership changes of a leader: one at a time, by joint consensus (paper section 6, thesis chapter 4).
//
// A change of voters is two entries. The first makes two majorities necessary; once it is committed, no majority of the
// old voters alone can decide anything, and the leader of the day appends the second, which leaves the old voters behind.

import { err } from '../../base/result.ts';
import { indexAfter } from './log.ts';
import { currentVoters, isJoint, otherMembers } from './membership.ts';
import { changedMembership, leftJoint } from './membership-change.ts';
import type { MembershipChange } from './membership-change.ts';
import { encodeMembership } from './membership-codec.ts';
import { Progress } from './progress.ts';
import { quorumValue } from './quorum.ts';
import { reconsiderReads } from './reads.ts';
import { advanceCommit, appendOwn, replicate } from './replication.ts';
import type { CoreState, Leadership } from './state.ts';
import type { ProposalRefusal } from './step.ts';
import type { Entry, MemberId, Membership } from './types.ts';

/** Takes a change in, or says why not. The outcome of an accepted one is that of its entry and of the leave entry. */
export function changeMembership(core: CoreState, id: number, change: MembershipChange): void {
  const lead = core.role;
  if (lead.kind !== 'leader') {
    core.out.refused.push({ id, reason: 'notLeader' });
    return;
  }
  const notNow = refusalNow(core, lead);
  const next = notNow === null ? changedMembership(core.log.membership, change) : err(notNow);
  if (!next.ok) {
    core.out.refused.push({ id, reason: next.error });
    return;
  }
  if (isJoint(next.value) && !isMajorityHeard(core, lead, currentVoters(next.value))) {
    core.out.refused.push({ id, reason: 'noQuorum' });
    return;
  }
  core.out.accepted.push({ id, position: appendConfig(core, lead, next.value) });
  replicate(core, lead);
}

/**
 * A change of voters is in force at once and can only be taken back by a leader that lacks it. With a silent majority of
 * the voters to be it would end every election, also among members that could well have gone on without it.
 */
function isMajorityHeard(core: CoreState, lead: Leadership, voters: readonly MemberId[]): boolean {
  const { self, electionTicks } = core.options;
  const isHeard = (member: MemberId): boolean => {
    const peer = lead.peers.get(member);
    return member === self || (peer !== undefined && lead.ticks - peer.heardAtTick < electionTicks);
  };
  return quorumValue([voters], (member) => (isHeard(member) ? 1 : 0)) === 1;
}

/** The newest membership is not committed yet, or is joint: its change is not finished. */
export function isChangePending(core: CoreState): boolean {
  const { log } = core;
  return log.membershipIndex > log.commitIndex || isJoint(log.membership);
}

/**
 * Leaves a joint membership once it is committed, whoever wrote it. Exactly once: from the append on the newest
 * membership is not joint any more.
 */
export function leaveJoint(core: CoreState, lead: Leadership): void {
  const { log } = core;
  if (!isJoint(log.membership) || log.membershipIndex > log.commitIndex || !lead.established) return;
  appendConfig(core, lead, leftJoint(log.membership));
  replicate(core, lead);
}

/** Appends `membership`, which is in force at once: the leader replicates to its members and counts by its voters. */
export function appendConfig(core: CoreState, lead: Leadership, membership: Membership): Entry {
  const entry = appendOwn(core, lead, { kind: 'config', data: encodeMembership(membership) });
  lead.peers = peersOf(core, lead.peers, lead.ticks);
  // Fewer voters may be enough for what was waiting.
  advanceCommit(core, lead);
  reconsiderReads(core, lead);
  return entry;
}

/** Every other member, known ones as they are. A new one is probed from the end of the log. */
export function peersOf(
  core: CoreState,
  known: ReadonlyMap<MemberId, Progress>,
  nowTick: number,
): ReadonlyMap<MemberId, Progress> {
  const next = indexAfter(core.log.lastIndex);
  const members = otherMembers(core.log.membership, core.options.self);
  return new Map(members.map((member) => [member, known.get(member) ?? new Progress(member, next, nowTick)]));
}

/**
 * A leader that has committed nothing in its term may not know of a change that its predecessor has committed, and
 * could start one that shares no majority with it (Ongaro, raft-dev, 2015).
 */
function refusalNow(core: CoreState, lead: Leadership): ProposalRefusal | null {
  if (lead.transfer !== null) return 'transferring';
  if (!lead.established) return 'notEstablished';
  return isChangePending(core) ? 'changePending' : null;
}
