// Linearizable reads without the log: ReadIndex on heartbeat rounds (thesis section 6.4).
//
// A read is bound to the commit index at its registration and to a round that is sent after it. When a quorum has
// answered that round, nobody can have led a later term before the read came, so the index was complete for it.

import { sendHeartbeatRound } from './heartbeat.ts';
import type { Progress } from './progress.ts';
import { quorumReached } from './state.ts';
import type { CoreState, Leadership } from './state.ts';

/** Takes a read in, or refuses it: not the leader, or too many are waiting. */
export function onRead(core: CoreState, id: number): void {
  const lead = core.role;
  if (lead.kind !== 'leader') {
    core.out.readsRefused.push(id);
    return;
  }
  if (lead.earlyReads.length + lead.registeredReads.length >= core.options.readsMax) {
    core.out.readsRefused.push(id);
    return;
  }
  if (lead.established) {
    register(core, lead, id);
    startRoundIfNeeded(core, lead);
  } else {
    // Before its first commit a new leader may not know of everything its predecessors committed.
    lead.earlyReads.push(id);
  }
}

/** The lead is established: reads that waited for it are registered now. */
export function registerEarlyReads(core: CoreState, lead: Leadership): void {
  for (const id of lead.earlyReads) register(core, lead, id);
  lead.earlyReads = [];
  startRoundIfNeeded(core, lead);
}

/** An answer confirms rounds up to the one it echoes; an echo of a round never sent is ignored. */
export function onRoundAnswered(core: CoreState, lead: Leadership, peer: Progress, readRound: number): void {
  if (readRound > lead.sentRound || readRound <= peer.readRound) return;
  peer.readRound = readRound;
  reconsiderReads(core, lead);
}

/** Rounds may be confirmed that were not: an answer came, or fewer voters have to answer. */
export function reconsiderReads(core: CoreState, lead: Leadership): void {
  confirm(core, lead);
  startRoundIfNeeded(core, lead);
}

/** The lead is lost: no read of it can be confirmed any more. */
export function refuseReads(core: CoreState, lead: Leadership): void {
  for (const id of lead.earlyReads) core.out.readsRefused.push(id);
  for (const { id } of lead.registeredReads) core.out.readsRefused.push(id);
  lead.earlyReads = [];
  lead.registeredReads = [];
}

/** Only a round that starts after the registration counts, so the read waits for the next one. */
function register(core: CoreState, lead: Leadership, id: number): void {
  lead.registeredReads.push({ id, index: core.log.commitIndex, round: lead.sentRound + 1 });
}

/** One round is under way at most, apart from those of the clock: reads that come meanwhile share the next. */
function startRoundIfNeeded(core: CoreState, lead: Leadership): void {
  const newest = lead.registeredReads.at(-1);
  if (newest === undefined || newest.round <= lead.sentRound || lead.confirmedRound < lead.sentRound) return;
  sendHeartbeatRound(core, lead);
  confirm(core, lead);
}

/** Finds the last round a quorum has answered and releases the reads bound to it. A sole voter confirms itself. */
export function confirm(core: CoreState, lead: Leadership): void {
  lead.confirmedRound = quorumReached(core, lead, lead.sentRound, (peer) => peer.readRound);
  const open = lead.registeredReads.findIndex((read) => read.round > lead.confirmedRound);
  const released = lead.registeredReads.splice(0, open === -1 ? lead.registeredReads.length : open);
  for (const { id, index } of released) core.out.readsReady.push({ id, index });
}
