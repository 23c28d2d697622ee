// Heartbeats: they keep the lead, carry the commit index to idle followers and number the rounds that confirm reads.

import { higherIndex, lowerIndex } from './log.ts';
import type { Heartbeat } from './messages.ts';
import type { Progress } from './progress.ts';
import { envelope } from './state.ts';
import type { CoreState, Leadership } from './state.ts';

/** Starts the next round: one heartbeat to every peer at once. */
export function sendHeartbeatRound(core: CoreState, lead: Leadership): void {
  lead.sentRound += 1;
  lead.heartbeatElapsed = 0;
  for (const peer of lead.peers.values()) sendHeartbeat(core, lead, peer);
}

/**
 * Tells a follower that has everything of a commit index it does not know yet, so that it need not wait for the next
 * heartbeat. One that still misses entries learns it from its next append request, or here when it has caught up.
 */
export function pushCommit(core: CoreState, lead: Leadership): void {
  for (const peer of lead.peers.values()) {
    if (peer.state.kind !== 'replicate' || peer.match !== core.log.lastIndex) continue;
    if (peer.commitSent < core.log.commitIndex) sendHeartbeat(core, lead, peer);
  }
}

/** The commit index never passes what this follower is known to hold: beyond that its log may be another. */
function sendHeartbeat(core: CoreState, lead: Leadership, peer: Progress): void {
  const commit = lowerIndex(peer.match, core.log.commitIndex);
  peer.commitSent = higherIndex(peer.commitSent, commit);
  core.out.sendNow.push({
    ...envelope(core, peer.member),
    kind: 'heartbeat',
    commit,
    readRound: lead.sentRound,
  });
}

/** A follower's part: the caller has already accepted the sender as the leader of this term. */
export function onHeartbeat(core: CoreState, message: Heartbeat): void {
  // A commit index beyond our log was never ours to reach: the leader only names what we acknowledged.
  if (core.installing === null && message.commit <= core.log.lastIndex && core.log.commitTo(message.commit)) {
    core.out.commit = core.log.commitIndex;
  }
  // A round is answered once: what only carries the commit index comes under a round that was answered, and wants no answer.
  if (message.readRound !== 0 && message.readRound === core.answeredRound) return;
  core.answeredRound = message.readRound;
  core.out.sendNow.push({
    ...envelope(core, message.from),
    kind: 'heartbeatReply',
    readRound: message.readRound,
  });
}
