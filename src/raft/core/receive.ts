// The term rules of messages (paper section 5.1): what is dropped, what raises the term, what is told the term; the rest goes to its concern.

import { present, unreachable } from '../../base/assert.ts';
import { admission } from './admission.ts';
import {
  becomeFollower,
  followLeader,
  inLease,
  onPreVoteReply,
  onPreVoteRequest,
  onTimeoutNow,
  onVoteReply,
  onVoteRequest,
  refuseOrGrantVote,
} from './election.ts';
import { onHeartbeat } from './heartbeat.ts';
import { isMember } from './membership.ts';
import { indexAfter } from './log.ts';
import { isReply } from './messages.ts';
import type { AppendAccepted, AppendRejected, HeartbeatReply, Message } from './messages.ts';
import { onRoundAnswered } from './reads.ts';
import { onAppendAccepted, onAppendRejected, onAppendRequest, resume } from './replication.ts';
import { envelope, isCredibleTerm } from './state.ts';
import type { CoreState } from './state.ts';
import { logIndex, term } from './types.ts';
import type { LogPosition } from './types.ts';

/** What a refusal names that is about the term and not about the log. */
const NOWHERE: LogPosition = { index: logIndex(0), term: term(0) };

/**
 * Messages that are not for us, from somebody who is not admitted or of a term that cannot be are dropped. Requests of
 * strangers are judged by what they say; answers count only from members, who alone are asked.
 */
export function receive(core: CoreState, message: Message): void {
  const { self } = core.options;
  const { from, incarnation } = message;
  if (message.to !== self || from === self || admission(core, from, incarnation) !== 'yes') return;
  if (isReply(message) && !isMember(core.log.membership, from)) return;
  if (!isCredibleTerm(core, message.term)) return;
  if (message.term < core.hardState.term) {
    answerLowerTerm(core, message);
    return;
  }
  if (message.term > core.hardState.term && !admitHigherTerm(core, message)) return;
  dispatch(core, message);
}

/**
 * A higher term makes us a follower in it, except where it is only a question (pre-vote) or where a live leader speaks
 * against it (thesis section 4.2.3). Returns whether to go on with the message.
 */
function admitHigherTerm(core: CoreState, message: Message): boolean {
  switch (message.kind) {
    case 'preVoteRequest':
      return true;
    case 'preVoteReply':
      if (!message.granted) becomeFollower(core, message.term, null);
      return message.granted;
    case 'voteRequest':
      if (inLease(core) && !message.transfer) return false;
      becomeFollower(core, message.term, null);
      return true;
    case 'appendRequest':
    case 'heartbeat':
    case 'timeoutNow':
      becomeFollower(core, message.term, message.from);
      return true;
    case 'voteReply':
    case 'appendAccepted':
    case 'appendRejected':
    case 'heartbeatReply':
      becomeFollower(core, message.term, null);
      return true;
    default:
      return unreachable(message);
  }
}

/**
 * Tells a sender from the past the present term. For a leader this is the way out when a member is stuck in a higher
 * term that it cannot win: the leader steps down, and the next election takes the stuck member along.
 */
function answerLowerTerm(core: CoreState, message: Message): void {
  const head = envelope(core, message.from);
  const { out } = core;
  switch (message.kind) {
    case 'preVoteRequest':
      out.sendAfterPersist.push({ ...head, kind: 'preVoteReply', granted: false });
      return;
    case 'voteRequest':
      refuseOrGrantVote(core, message.from, false);
      return;
    case 'appendRequest':
      out.sendAfterPersist.push({
        ...head,
        kind: 'appendRejected',
        probed: message.previous.index,
        hint: NOWHERE,
      });
      return;
    case 'heartbeat':
      out.sendNow.push({ ...head, kind: 'heartbeatReply', readRound: 0 });
      return;
    case 'preVoteReply':
    case 'voteReply':
    case 'appendAccepted':
    case 'appendRejected':
    case 'heartbeatReply':
    case 'timeoutNow':
      return;
    default:
      unreachable(message);
  }
}

/** A message of the present term, or a pre-vote of a later one. */
function dispatch(core: CoreState, message: Message): void {
  switch (message.kind) {
    case 'preVoteRequest':
      onPreVoteRequest(core, message);
      return;
    case 'preVoteReply':
      onPreVoteReply(core, message);
      return;
    case 'voteRequest':
      onVoteRequest(core, message);
      return;
    case 'voteReply':
      onVoteReply(core, message);
      return;
    case 'appendRequest':
      if (followLeader(core, message.from)) onAppendRequest(core, message);
      return;
    case 'heartbeat':
      if (followLeader(core, message.from)) onHeartbeat(core, message);
      return;
    case 'appendAccepted':
    case 'appendRejected':
    case 'heartbeatReply':
      hearFollower(core, message);
      return;
    case 'timeoutNow':
      if (followLeader(core, message.from)) onTimeoutNow(core, message);
      return;
    default:
      unreachable(message);
  }
}

/** Only a leader listens to what followers answer. */
function hearFollower(core: CoreState, message: AppendAccepted | AppendRejected | HeartbeatReply): void {
  const lead = core.role;
  if (lead.kind !== 'leader') return;
  const peer = present(lead.peers.get(message.from), 'a leader knows every member');
  peer.heard(message.incarnation, indexAfter(core.log.lastIndex), lead.ticks);
  if (message.kind === 'appendAccepted') {
    onAppendAccepted(core, lead, peer, message.matched);
  } else if (message.kind === 'appendRejected') {
    onAppendRejected(core, lead, peer, message);
  } else {
    onRoundAnswered(core, lead, peer, message.readRound);
    resume(core, lead, peer);
  }
}
