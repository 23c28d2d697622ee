// Snapshots: forgetting what one stands for, sending it to a follower that needs it, installing one from the leader.

import { assert } from '../../base/assert.ts';
import { becomeFollower, followLeader } from './election.ts';
import { higherIndex, indexAfter, lowerIndex } from './log.ts';
import { wasRemoved } from './admission.ts';
import { envelope, isCredibleTerm } from './state.ts';
import type { CoreState } from './state.ts';
import type { Input } from './step.ts';
import { INDEX_MAX } from './types.ts';
import type { LogIndex, MemberId, SnapshotMeta } from './types.ts';

type SnapshotReceived = Extract<Input, { kind: 'snapshotReceived' }>;
type SnapshotSent = Extract<Input, { kind: 'snapshotSent' }>;

/**
 * A snapshot from a leader lies on disk. It is installed only when it brings something new: one that is behind the
 * commit index is acknowledged and forgotten, one that the log already reaches only moves the commit index, so that
 * entries after it, which may have been acknowledged, stay.
 */
export function onSnapshotReceived(core: CoreState, input: SnapshotReceived): void {
  if (!acceptSender(core, input)) return;
  const { log } = core;
  const { snapshot } = input;
  // One installation at a time; the leader offers another if this one leaves a gap.
  if (core.installing !== null) return;
  if (snapshot.index > log.commitIndex && log.holds(snapshot) && log.commitTo(snapshot.index)) {
    core.out.commit = log.commitIndex;
  }
  if (snapshot.index <= log.commitIndex) {
    acknowledge(core, input.from, log.commitIndex);
    return;
  }
  core.installing = snapshot;
  core.out.installSnapshot = snapshot;
}

/** The term rules for a snapshot's sender: the same as for an append request, except that a stale one is not answered. */
function acceptSender(core: CoreState, input: SnapshotReceived): boolean {
  const { from, term, snapshot } = input;
  if (from === core.options.self || wasRemoved(core, from)) return false;
  if (!isCredibleTerm(core, term) || snapshot.index > INDEX_MAX) return false;
  if (snapshot.membership.voterSets.some((voters) => voters.length === 0)) return false;
  if (term < core.hardState.term || snapshot.term > term) return false;
  if (term > core.hardState.term) becomeFollower(core, term, from);
  return followLeader(core, from);
}

/** The snapshot is the base of log and state now. Its content is committed, so any leader may be told that we hold it. */
export function onSnapshotInstalled(core: CoreState, snapshot: SnapshotMeta): void {
  const { installing, log, options } = core;
  assert(installing !== null, 'an installation was under way');
  assert(
    installing.index === snapshot.index && installing.term === snapshot.term,
    'the same snapshot came back',
  );
  core.installing = null;
  log.reset(snapshot);
  core.out.commit = log.commitIndex;
  if (core.leader !== null && core.leader !== options.self) acknowledge(core, core.leader, log.commitIndex);
}

/**
 * A transfer ended. Delivered is not installed: the follower is probed behind the snapshot, but only after it is heard
 * again; its acknowledgement after the installation usually comes first. A failed transfer waits in the same way.
 */
export function onSnapshotSent(core: CoreState, input: SnapshotSent): void {
  core.snapshotTransfers.delete(input.to);
  const lead = core.role;
  if (lead.kind !== 'leader') return;
  const peer = lead.peers.get(input.to);
  if (peer === undefined || peer.state.kind !== 'snapshot') return;
  const reached = input.delivered ? lowerIndex(input.index, core.log.lastIndex) : peer.match;
  peer.becomeProbe(indexAfter(higherIndex(reached, peer.match)), true);
  peer.sentAtTick = lead.ticks;
}

function acknowledge(core: CoreState, to: MemberId, matched: LogIndex): void {
  core.out.sendAfterPersist.push({ ...envelope(core, to), kind: 'appendAccepted', matched });
}
