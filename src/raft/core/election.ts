// Who leads: roles and their changes, PreVote, votes, the election timer and CheckQuorum (paper section 5.2, thesis section 9.6).

import { assert } from '../../base/assert.ts';
import { appendConfig, peersOf } from './configuration.ts';
import { indexAfter, payloadBytes } from './log.ts';
import { allVoters, hasUnboundVoter, isMember, isVoter, otherMembers, otherVoters } from './membership.ts';
import { boundMembership } from './membership-change.ts';
import type { PreVoteReply, PreVoteRequest, TimeoutNow, VoteReply, VoteRequest } from './messages.ts';
import { unanimousOutcome, voteOutcome } from './quorum.ts';
import type { VoteOutcome } from './quorum.ts';
import { refuseReads } from './reads.ts';
import { appendOwn, replicate } from './replication.ts';
import { envelope, quorumReached } from './state.ts';
import type { Candidacy, CoreState, Leadership } from './state.ts';
import { term } from './types.ts';
import type { MemberId, Term } from './types.ts';

const NO_DATA = new Uint8Array(0);

/** Follows `leader` (null: nobody yet) in `inTerm`. The vote is forgotten only when the term rises. */
export function becomeFollower(core: CoreState, inTerm: Term, leader: MemberId | null): void {
  assert(inTerm >= core.hardState.term, 'the term never falls');
  if (core.role.kind === 'leader') refuseReads(core, core.role);
  if (inTerm > core.hardState.term) core.hardState = { term: inTerm, votedFor: null };
  core.answeredRound = 0;
  core.role = { kind: 'follower' };
  core.leader = leader;
  restartElectionTimer(core);
}

/**
 * Takes `from` as the leader of the present term, who was heard just now. Returns false when that cannot be: the term
 * has another leader, so the message breaks the protocol.
 */
export function followLeader(core: CoreState, from: MemberId): boolean {
  if (core.leader !== null && core.leader !== from) return false;
  if (core.role.kind === 'follower') core.leader = from;
  else becomeFollower(core, core.hardState.term, from);
  core.electionElapsed = 0;
  return true;
}

/** A live leader was heard within the base election timeout; a leader trusts itself until CheckQuorum says otherwise. */
export function inLease(core: CoreState): boolean {
  if (core.role.kind === 'leader') return true;
  return core.leader !== null && core.electionElapsed < core.options.electionTicks;
}

/** One tick of a member that does not lead. `entropy` draws the timeout that the last restart of the timer left open. */
export function tickElection(core: CoreState, entropy: number): void {
  const { electionTicks } = core.options;
  core.electionTimeout ??= electionTicks + (entropy % electionTicks);
  core.electionElapsed += 1;
  if (core.electionElapsed < core.electionTimeout) return;
  if (mayCampaign(core)) preCampaign(core);
  else seekLeader(core);
}

/**
 * One who may not campaign and hears nobody no longer calls anybody its leader, and shows itself to all it knows: a leader
 * goes on with it where the stream broke, and one that was removed while it was away is told so by whoever it reaches.
 */
function seekLeader(core: CoreState): void {
  if (core.installing !== null) return;
  core.leader = null;
  restartElectionTimer(core);
  const { self } = core.options;
  const { membership } = core.log;
  if (!isMember(membership, self)) return;
  for (const member of otherMembers(membership, self)) {
    core.out.sendNow.push({ ...envelope(core, member), kind: 'heartbeatReply', readRound: 0 });
  }
}

/** CheckQuorum: true when a majority of every voter set was heard within an election timeout. */
export function hearsQuorum(core: CoreState, lead: Leadership): boolean {
  const heardAt = quorumReached(core, lead, lead.ticks, (peer) => peer.heardAtTick);
  return lead.ticks - heardAt < core.options.electionTicks;
}

/**
 * Voters, as the incarnation they are bound to; never while a snapshot is being installed: the log that would be judged
 * is about to be replaced. Also one whose removal is in its log and not known to be committed: if the others lack that
 * entry, its log is ahead of theirs and nobody else can win (thesis section 4.2.2). It is elected by the voters of the
 * membership in force, does not count itself, and leaves when that is committed.
 */
function mayCampaign(core: CoreState): boolean {
  const { self, incarnation } = core.options;
  const { log, installing } = core;
  const bound = log.membership.incarnations.get(self) ?? incarnation;
  if (installing !== null || bound !== incarnation) return false;
  return isVoter(log.membership, self) || isVoter(log.membershipAt(log.commitIndex), self);
}

/**
 * Nothing was ever written and nobody knows yet which data directory belongs to which id. Everybody must take part in
 * this first election, and its winner binds the voters to what voted. A majority would not do: one that lost its disk
 * could vote twice in a term without anybody noticing.
 */
function isFounding(core: CoreState): boolean {
  return core.log.lastIndex === 0 && hasUnboundVoter(core.log.membership);
}

function restartElectionTimer(core: CoreState): void {
  core.electionElapsed = 0;
  core.electionTimeout = null;
}

/** Asks whether an election could be won before disturbing anybody with a new term. Nothing durable changes. */
function preCampaign(core: CoreState): void {
  const { self } = core.options;
  const votes = new Map([[self, true]]);
  core.role = { kind: 'preCandidate', votes };
  // Who starts a pre-vote no longer believes in a leader, so that it can grant the pre-votes of others.
  core.leader = null;
  restartElectionTimer(core);
  for (const peer of otherVoters(core.log.membership, self)) {
    core.out.sendNow.push({
      ...envelope(core, peer),
      kind: 'preVoteRequest',
      term: term(core.hardState.term + 1),
      last: core.log.last,
    });
  }
  settlePreVotes(core, votes);
}

/**
 * Starts the term. The own vote counts when it is durable, and the requests leave only then: a candidate that crashed
 * with an unwritten term could ask again in it with a shorter log and count a vote that was given to the longer one.
 * `transfer`: the leader asked for it, so nobody is to wait for the end of its lease.
 */
function campaign(core: CoreState, transfer: boolean): void {
  const { self } = core.options;
  core.hardState = { term: term(core.hardState.term + 1), votedFor: self };
  core.role = { kind: 'candidate', votes: new Map(), incarnations: new Map() };
  core.leader = null;
  restartElectionTimer(core);
  const { last } = core.log;
  for (const peer of otherVoters(core.log.membership, self)) {
    core.out.sendAfterPersist.push({ ...envelope(core, peer), kind: 'voteRequest', last, transfer });
  }
}

/** The leader of this term, accepted as such by the caller, hands the lead over: no need to ask around first. */
export function onTimeoutNow(core: CoreState, { last }: TimeoutNow): void {
  const own = core.log.last;
  // The log went on since: the message is late and the leader has taken its lead back.
  if (last.index !== own.index || last.term !== own.term) return;
  if (mayCampaign(core)) campaign(core, true);
}

/** The hard state of the present term is durable: with it the candidate's vote for itself. */
export function onHardStateDurable(core: CoreState): void {
  const { role, hardState } = core;
  const { self, incarnation } = core.options;
  if (role.kind !== 'candidate' || hardState.votedFor !== self) return;
  role.votes.set(self, true);
  role.incarnations.set(self, incarnation);
  settleVotes(core, role);
}

/** Answers a pre-vote request of any term from the present one on, unless a live leader makes the question pointless. */
export function onPreVoteRequest(core: CoreState, message: PreVoteRequest): void {
  if (inLease(core)) return;
  const granted =
    (message.term > core.hardState.term || mayVoteFor(core, message.from)) &&
    core.log.isUpToDate(message.last);
  core.out.sendAfterPersist.push({
    ...envelope(core, message.from),
    kind: 'preVoteReply',
    term: granted ? message.term : core.hardState.term,
    granted,
  });
}

/** Counts a grant only for the term of the campaign in preparation, a refusal only of the present term. */
export function onPreVoteReply(core: CoreState, message: PreVoteReply): void {
  const { role } = core;
  if (role.kind !== 'preCandidate') return;
  const asked = core.hardState.term + 1;
  if (message.granted && message.term !== asked) return;
  role.votes.set(message.from, message.granted);
  settlePreVotes(core, role.votes);
}

/** Answers a vote request of the present term. */
export function onVoteRequest(core: CoreState, message: VoteRequest): void {
  // Asked again in a founding: a second grant could be one to another data directory, a refusal would take back the first.
  if (isFounding(core) && core.hardState.votedFor === message.from) return;
  const granted = mayVoteFor(core, message.from) && core.log.isUpToDate(message.last);
  if (granted) {
    // A pre-candidate that gives its vote away leaves its own campaign to the winner.
    if (core.role.kind === 'preCandidate') becomeFollower(core, core.hardState.term, null);
    core.hardState = { term: core.hardState.term, votedFor: message.from };
    core.electionElapsed = 0;
  }
  refuseOrGrantVote(core, message.from, granted);
}

/** The answer leaves when the vote behind it is durable. Also tells a sender of a lower term the present one. */
export function refuseOrGrantVote(core: CoreState, to: MemberId, granted: boolean): void {
  core.out.sendAfterPersist.push({ ...envelope(core, to), kind: 'voteReply', granted });
}

export function onVoteReply(core: CoreState, message: VoteReply): void {
  const { role } = core;
  if (role.kind !== 'candidate') return;
  role.votes.set(message.from, message.granted);
  role.incarnations.set(message.from, message.incarnation);
  settleVotes(core, role);
}

/**
 * One vote a term: the one already given, or the first when no leader of the term is known. In a founding nobody can tell
 * whether who asks again under an id is the data directory that was voted for, so it is given only once.
 */
function mayVoteFor(core: CoreState, candidate: MemberId): boolean {
  const { votedFor } = core.hardState;
  if (votedFor === null) return core.leader === null;
  return votedFor === candidate && !isFounding(core);
}

function settlePreVotes(core: CoreState, votes: ReadonlyMap<MemberId, boolean>): void {
  const outcome = countVotes(core, votes);
  if (outcome === 'won') campaign(core, false);
  else if (outcome === 'lost') becomeFollower(core, core.hardState.term, null);
}

function settleVotes(core: CoreState, candidacy: Candidacy): void {
  const outcome = countVotes(core, candidacy.votes);
  if (outcome === 'won') becomeLeader(core, candidacy);
  else if (outcome === 'lost') becomeFollower(core, core.hardState.term, null);
}

function countVotes(core: CoreState, votes: ReadonlyMap<MemberId, boolean>): VoteOutcome {
  const { voterSets } = core.log.membership;
  return isFounding(core) ? unanimousOutcome(voterSets, votes) : voteOutcome(voterSets, votes);
}

/**
 * Starts to lead with an empty entry of the own term: only such an entry can be committed by counting, and everything
 * before it commits with it (paper section 8). The founding leader's first entry binds the voters instead.
 */
function becomeLeader(core: CoreState, candidacy: Candidacy): void {
  const { log, options } = core;
  const founding = isFounding(core);
  const lead: Leadership = {
    kind: 'leader',
    peers: peersOf(core, new Map(), 0),
    established: false,
    transfer: null,
    uncommittedBytes: payloadBytes(log.range(indexAfter(log.commitIndex), log.lastIndex)),
    ticks: 0,
    heartbeatElapsed: 0,
    sentRound: 0,
    confirmedRound: 0,
    earlyReads: [],
    registeredReads: [],
  };
  core.role = lead;
  core.leader = options.self;
  if (founding) {
    const voters = allVoters(log.membership);
    const found = [...candidacy.incarnations].filter(([voter]) => voters.includes(voter));
    appendConfig(core, lead, boundMembership(log.membership, new Map(found)));
  } else {
    appendOwn(core, lead, { kind: 'noop', data: NO_DATA });
  }
  replicate(core, lead);
}
