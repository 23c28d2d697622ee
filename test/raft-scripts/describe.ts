// Effects, messages and states as lines of a transcript.

import { allMembers } from '../../src/raft/core/membership.ts';
import { decodeMembership } from '../../src/raft/core/membership-codec.ts';
import type { Message } from '../../src/raft/core/messages.ts';
import type { RaftCore } from '../../src/raft/core/raft-core.ts';
import type { Effects, TransferEvent } from '../../src/raft/core/step.ts';
import type { Entry, HardState, LogPosition, MemberId, Membership } from '../../src/raft/core/types.ts';

function position({ index, term }: LogPosition): string {
  return `${index}@${term}`;
}

/** `1,2,4|1,2,3 learners 5 removed 6 unbound 2`: the voters to be, while joint the outgoing ones, and the others. */
function membershipText(membership: Membership): string {
  const { voterSets, learners, removed, incarnations } = membership;
  const unbound = allMembers(membership).filter((member) => !incarnations.has(member));
  const others = [
    ['learners', learners],
    ['removed', removed.map(({ member }) => member)],
    ['unbound', unbound],
  ] as const;
  const rest = others.flatMap(([name, ids]) => (ids.length === 0 ? [] : [`${name} ${ids.join()}`]));
  return [voterSets.map((voters) => voters.join()).join('|'), ...rest].join(' ');
}

function entryText(entry: Entry): string {
  if (entry.kind === 'config') {
    const membership = decodeMembership(entry.data);
    return `${position(entry)}:(${membership === null ? 'unreadable' : membershipText(membership)})`;
  }
  const data = new TextDecoder().decode(entry.data);
  return entry.kind === 'command' ? `${position(entry)}:${data}` : `${position(entry)}:(${entry.kind})`;
}

function entriesText(entries: readonly Entry[]): string {
  if (entries.length <= 6) return entries.map(entryText).join(' ');
  return [...entries.slice(0, 2).map(entryText), '..', ...entries.slice(-1).map(entryText)].join(' ');
}

function hardStateText({ term, votedFor }: HardState): string {
  return `term ${term} vote ${votedFor ?? '-'}`;
}

export function messageText(message: Message): string {
  const head = `${message.kind} term ${message.term}`;
  switch (message.kind) {
    case 'voteRequest':
      return `${head} last ${position(message.last)}${message.transfer ? ' asked by the leader' : ''}`;
    case 'preVoteRequest':
    case 'timeoutNow':
      return `${head} last ${position(message.last)}`;
    case 'preVoteReply':
    case 'voteReply':
      return `${head} ${message.granted ? 'granted' : 'refused'}`;
    case 'appendRequest': {
      const entries = message.entries.length === 0 ? '' : ` [${entriesText(message.entries)}]`;
      return `${head} after ${position(message.previous)} commit ${message.commit}${entries}`;
    }
    case 'appendAccepted':
      return `${head} matched ${message.matched}`;
    case 'appendRejected':
      return `${head} probed ${message.probed} hint ${position(message.hint)}`;
    case 'heartbeat':
      return `${head} commit ${message.commit} round ${message.readRound}`;
    case 'heartbeatReply':
      return `${head} round ${message.readRound}`;
  }
}

function transferText(event: TransferEvent): string {
  switch (event.kind) {
    case 'started':
      return `hands the lead over to ${event.to}`;
    case 'refused':
      return `refuses to hand over: ${event.reason}`;
    case 'aborted':
      return 'keeps the lead';
  }
}

/** One line an effect; none for a step without effects. */
export function effectLines(member: MemberId, effects: Effects): readonly string[] {
  const lines: string[] = [];
  const { role, hardState, truncateFrom, append, commit, installSnapshot } = effects;
  if (role !== null) {
    const established = role.established ? ', established' : '';
    lines.push(`is ${role.role} in term ${role.term}, leader ${role.leader ?? '-'}${established}`);
  }
  if (hardState !== null) lines.push(`writes ${hardStateText(hardState)}`);
  if (truncateFrom !== null) lines.push(`cuts from ${truncateFrom}`);
  if (append.length > 0) lines.push(`appends ${entriesText(append)}`);
  if (effects.membership !== null) lines.push(`has the members ${membershipText(effects.membership)}`);
  if (commit !== null) lines.push(`commits to ${commit}`);
  if (effects.transfer !== null) lines.push(transferText(effects.transfer));
  for (const message of effects.sendNow) lines.push(`-> ${message.to} ${messageText(message)}`);
  for (const message of effects.sendAfterPersist) lines.push(`=> ${message.to} ${messageText(message)}`);
  for (const to of effects.sendSnapshot) lines.push(`sends a snapshot to ${to}`);
  if (installSnapshot !== null) lines.push(`installs the snapshot at ${position(installSnapshot)}`);
  for (const { id, reason } of effects.refused) lines.push(`refuses proposal ${id}: ${reason}`);
  for (const { id, index } of effects.readsReady) lines.push(`read ${id} is ready at ${index}`);
  for (const id of effects.readsRefused) lines.push(`read ${id} is refused`);
  return lines.map((line) => `${member}: ${line}`);
}

export function statusLine(core: RaftCore, durable: HardState): string {
  const { role, term, leader, established } = core.role;
  const { base, commitIndex, durableIndex, last } = core;
  const parts = [
    `${established ? 'established ' : ''}${role} term ${term} leader ${leader ?? '-'}`,
    `base ${position(base)} commit ${commitIndex} durable ${durableIndex} last ${position(last)}`,
    `disk ${hardStateText(durable)}`,
    ...core.peers().map(({ member, state, match, next, inflightCount }) => {
      const inflight = inflightCount > 0 ? ` inflight ${inflightCount}` : '';
      return `${member}: ${state} match ${match} next ${next}${inflight}`;
    }),
  ];
  return parts.join(' | ');
}
