// Who leads: roles and their changes, PreVote, votes, the election timer and CheckQuorum (paper section 5.2, thesis section 9.6).

import { assert } from '../../base/assert.ts';
import { indexAfter, payloadBytes } from './log.ts';
import { isVoter, otherMembers, otherVoters } from './membership.ts';
import type { PreVoteReply, PreVoteRequest, VoteReply, VoteRequest } from './messages.ts';
import { Progress } from './progress.ts';
import { voteOutcome } from './quorum.ts';
import { refuseReads } from './reads.ts';
import { appendOwn, replicate } from './replication.ts';
import { envelope, quorumReached } from './state.ts';
import type { CoreState, Leadership } from './state.ts';
import { logIndex, term } from './types.ts';
import type { MemberId, Term } from './types.ts';

const NO_DATA = new Uint8Array(0);

/** Follows `leader` (null: nobody yet) in `inTerm`. The vote is forgotten only when the term rises. */
export function becomeFollower(core: CoreState, inTerm: Term, leader: MemberId | null): void {
  assert(inTerm >= core.hardState.term, 'the term never falls');
  if (core.role.kind === 'leader') refuseReads(core, core.role);
  if (inTerm > core.hardState.term) core.hardState = { term: inTerm, votedFor: null };
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
  if (core.electionElapsed >= core.electionTimeout && mayCampaign(core)) preCampaign(core);
}

/** CheckQuorum: true when a majority of every voter set was heard within an election timeout. */
export function hearsQuorum(core: CoreState, lead: Leadership): boolean {
  const heardAt = quorumReached(core, lead, lead.ticks, (peer) => peer.heardAtTick);
  return lead.ticks - heardAt < core.options.electionTicks;
}

/** Never while a snapshot is being installed: the log that would be judged is about to be replaced. */
function mayCampaign(core: CoreState): boolean {
  return core.installing === null && isVoter(core.membership, core.options.self);
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
  for (const peer of otherVoters(core.membership, self)) {
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
 */
function campaign(core: CoreState): void {
  const { self } = core.options;
  core.hardState = { term: term(core.hardState.term + 1), votedFor: self };
  core.role = { kind: 'candidate', votes: new Map() };
  core.leader = null;
  restartElectionTimer(core);
  for (const peer of otherVoters(core.membership, self)) {
    core.out.sendAfterPersist.push({ ...envelope(core, peer), kind: 'voteRequest', last: core.log.last });
  }
}

/** The hard state of the present term is durable: with it the candidate's vote for itself. */
export function onHardStateDurable(core: CoreState): void {
  const { role, hardState } = core;
  const { self } = core.options;
  if (role.kind !== 'candidate' || hardState.votedFor !== self) return;
  role.votes.set(self, true);
  settleVotes(core, role.votes);
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
  settleVotes(core, role.votes);
}

/** One vote a term: the one already given, or the first when no leader of the term is known. */
function mayVoteFor(core: CoreState, candidate: MemberId): boolean {
  const { votedFor } = core.hardState;
  return votedFor === candidate || (votedFor === null && core.leader === null);
}

function settlePreVotes(core: CoreState, votes: ReadonlyMap<MemberId, boolean>): void {
  const outcome = voteOutcome(core.membership.voterSets, votes);
  if (outcome === 'won') campaign(core);
  else if (outcome === 'lost') becomeFollower(core, core.hardState.term, null);
}

function settleVotes(core: CoreState, votes: ReadonlyMap<MemberId, boolean>): void {
  const outcome = voteOutcome(core.membership.voterSets, votes);
  if (outcome === 'won') becomeLeader(core);
  else if (outcome === 'lost') becomeFollower(core, core.hardState.term, null);
}

/**
 * Starts to lead with an empty entry of the own term: only such an entry can be committed by counting, and everything
 * before it commits with it (paper section 8).
 */
function becomeLeader(core: CoreState): void {
  const { log, options } = core;
  assert(core.role.kind === 'candidate', 'only a candidate wins an election');
  const next = indexAfter(log.lastIndex);
  const peers = otherMembers(core.membership, options.self);
  const lead: Leadership = {
    kind: 'leader',
    peers: new Map(peers.map((peer) => [peer, new Progress(peer, logIndex(0), next)])),
    established: false,
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
  appendOwn(core, 'noop', NO_DATA);
  replicate(core, lead);
}
