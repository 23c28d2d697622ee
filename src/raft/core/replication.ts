// Replication: proposals into the log, the log to the followers, and the commit index by counting (paper section 5.3).

import { present } from '../../base/assert.ts';
import { membershipOf } from './config-list.ts';
import { pushCommit } from './heartbeat.ts';
import { continues, higherIndex, indexAfter, indexBefore, lowerIndex, payloadBytes } from './log.ts';
import type { AppendRejected, AppendRequest } from './messages.ts';
import type { Progress } from './progress.ts';
import { registerEarlyReads } from './reads.ts';
import { envelope, quorumReached } from './state.ts';
import type { CoreState, Leadership } from './state.ts';
import type { Proposal } from './step.ts';
import { logIndex } from './types.ts';
import type { Entry, EntryKind, LogIndex } from './types.ts';

/**
 * Appends what fits under the limit of uncommitted bytes and refuses the rest, in order: nothing overtakes a refused
 * proposal of the same call. Role check, stamp and append are one synchronous act.
 */
export function propose(core: CoreState, proposals: readonly Proposal[]): void {
  const lead = core.role;
  if (lead.kind !== 'leader' || lead.transfer !== null) {
    const reason = lead.kind === 'leader' ? 'transferring' : 'notLeader';
    for (const { id } of proposals) core.out.refused.push({ id, reason });
    return;
  }
  let full = false;
  for (const { id, data } of proposals) {
    const bytes = lead.uncommittedBytes + data.length;
    // A proposal above the whole limit still passes when nothing else is waiting; it could never pass otherwise.
    full ||= bytes > core.options.uncommittedBytesMax && lead.uncommittedBytes > 0;
    if (full) {
      core.out.refused.push({ id, reason: 'overloaded' });
      continue;
    }
    core.out.accepted.push({ id, position: appendOwn(core, lead, { kind: 'command', data }) });
  }
  replicate(core, lead);
}

/** Stamps an entry with the present term and appends it. No limit refuses it here: what a leader needs must pass. */
export function appendOwn(
  core: CoreState,
  lead: Leadership,
  content: { readonly kind: EntryKind; readonly data: Uint8Array },
): Entry {
  const entry: Entry = { index: indexAfter(core.log.lastIndex), term: core.hardState.term, ...content };
  lead.uncommittedBytes += content.data.length;
  core.log.append([entry]);
  core.out.append.push(entry);
  return entry;
}

/** Sends every follower what its state allows. */
export function replicate(core: CoreState, lead: Leadership): void {
  for (const peer of lead.peers.values()) sendNext(core, lead, peer);
}

function sendNext(core: CoreState, lead: Leadership, peer: Progress): void {
  if (peer.state.kind === 'probe' && !peer.state.awaiting) sendAppend(core, lead, peer, true);
  while (hasRoom(core, peer) && peer.next <= core.log.lastIndex) sendAppend(core, lead, peer, true);
}

function hasRoom(core: CoreState, peer: Progress): boolean {
  return peer.state.kind === 'replicate' && peer.inflightCount < core.options.inflightMax;
}

/** One append request from `next` on, or a snapshot when the log no longer reaches back to there. */
function sendAppend(core: CoreState, lead: Leadership, peer: Progress, withEntries: boolean): void {
  const { log, options, out } = core;
  const previous = log.positionAt(indexBefore(peer.next));
  peer.sentAtTick = lead.ticks;
  if (previous === null) {
    sendSnapshot(core, lead, peer);
    return;
  }
  const entries = withEntries ? log.batch(peer.next, options.appendEntriesMax, options.appendBytesMax) : [];
  out.sendNow.push({
    ...envelope(core, peer.member),
    kind: 'appendRequest',
    previous,
    entries,
    commit: log.commitIndex,
  });
  const last = entries.at(-1)?.index ?? null;
  peer.commitSent = higherIndex(peer.commitSent, lowerIndex(log.commitIndex, last ?? previous.index));
  peer.sent(last);
}

/** Not to a silent member: streaming a snapshot at the dead is work for nothing, and it will be heard when it is back. */
function sendSnapshot(core: CoreState, lead: Leadership, peer: Progress): void {
  if (lead.ticks - peer.heardAtTick >= core.options.electionTicks) {
    peer.becomeProbe(peer.next, true);
    return;
  }
  peer.becomeSnapshot();
  if (core.snapshotTransfers.has(peer.member)) return;
  core.snapshotTransfers.add(peer.member);
  core.out.sendSnapshot.push(peer.member);
}

/** A follower holds more of the log than was known. */
export function onAppendAccepted(core: CoreState, lead: Leadership, peer: Progress, matched: LogIndex): void {
  if (matched > core.log.lastIndex) return;
  if (peer.accepted(matched, core.log.base.index)) advanceCommit(core, lead);
  sendNext(core, lead, peer);
  pushCommit(core, lead);
}

/** The logs do not meet where they were thought to: skip what cannot fit and try further back. */
export function onAppendRejected(
  core: CoreState,
  lead: Leadership,
  peer: Progress,
  message: AppendRejected,
): void {
  const meeting = core.log.lastNotAfterTerm(
    lowerIndex(message.probed, message.hint.index),
    message.hint.term,
  );
  if (peer.rejected(message.probed, meeting)) sendNext(core, lead, peer);
}

/**
 * A follower was heard. If nothing has been sent to it for a heartbeat interval although it is behind, requests or
 * answers were lost: repeat the probe, or send one empty request whose answer shows where the stream broke.
 */
export function resume(core: CoreState, lead: Leadership, peer: Progress): void {
  const quiet = lead.ticks - peer.sentAtTick >= core.options.heartbeatTicks;
  if (peer.state.kind === 'probe') {
    if (quiet || !peer.state.awaiting) sendAppend(core, lead, peer, true);
  } else if (peer.state.kind === 'replicate') {
    if (quiet && peer.match < core.log.lastIndex) sendAppend(core, lead, peer, false);
  }
}

/**
 * Commits what a quorum holds durably, if it is of the own term: an older entry may be overwritten even when a
 * majority holds it, and commits only with a later one (paper section 5.4.2, figure 8).
 */
export function advanceCommit(core: CoreState, lead: Leadership): void {
  const { log } = core;
  const held = quorumReached(core, lead, log.durableIndex, (peer) => peer.match);
  const index = logIndex(held);
  const before = log.commitIndex;
  if (index <= before || log.termAt(index) !== core.hardState.term) return;
  log.commitTo(index);
  core.out.commit = index;
  lead.uncommittedBytes -= payloadBytes(log.range(indexAfter(before), index));
  if (!lead.established) {
    lead.established = true;
    registerEarlyReads(core, lead);
  }
  pushCommit(core, lead);
}

/** A follower's part: the caller has already accepted the sender as the leader of this term. */
export function onAppendRequest(core: CoreState, message: AppendRequest): void {
  const { log } = core;
  // An installation is about to replace the log: an acknowledgement given now would be a lie when it ends.
  if (core.installing !== null || !continues(message.previous, message.entries, message.term)) return;
  if (message.entries.some((entry) => entry.kind === 'config' && membershipOf(entry) === null)) return;
  if (message.previous.index < log.base.index) {
    // Below the base everything is committed, so it cannot differ.
    accept(core, message, log.commitIndex);
    return;
  }
  if (!log.holds(message.previous)) {
    reject(core, message);
    return;
  }
  const matched = message.entries.at(-1)?.index ?? message.previous.index;
  if (!store(core, message.entries)) return;
  // Beyond `matched` our log may be another one than the leader's.
  if (log.commitTo(lowerIndex(message.commit, matched))) core.out.commit = log.commitIndex;
  accept(core, message, matched);
}

/**
 * Appends the entries that are missing. Only a true conflict truncates: a late, shorter request must not take away
 * what was acknowledged since. Returns false, with nothing done, when committed entries would have to go.
 */
function store(core: CoreState, entries: readonly Entry[]): boolean {
  const { log, out } = core;
  const at = entries.findIndex((entry) => !log.holds(entry));
  const first = entries[at];
  if (first === undefined) return true;
  if (first.index <= log.commitIndex) return false;
  if (first.index <= log.lastIndex) {
    log.truncateFrom(first.index);
    out.truncateFrom = first.index;
  }
  const missing = entries.slice(at);
  log.append(missing);
  for (const entry of missing) out.append.push(entry);
  return true;
}

function accept(core: CoreState, message: AppendRequest, matched: LogIndex): void {
  core.out.sendAfterPersist.push({ ...envelope(core, message.from), kind: 'appendAccepted', matched });
}

/** Names the last place that may fit; committed entries always do. */
function reject(core: CoreState, message: AppendRequest): void {
  const { log } = core;
  const { previous } = message;
  const index = higherIndex(log.lastNotAfterTerm(previous.index, previous.term), log.commitIndex);
  const hint = present(log.positionAt(index), 'between commit and last');
  core.out.sendAfterPersist.push({
    ...envelope(core, message.from),
    kind: 'appendRejected',
    probed: previous.index,
    hint,
  });
}
