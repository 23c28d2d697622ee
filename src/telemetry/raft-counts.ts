// What a member counts and measures of Raft and of its store.

import { RAFT_COUNTED } from './declared/member.ts';
import { histogramOf, seriesOf } from './series.ts';

export type ProposalResult = 'applied' | 'not_leader' | 'overloaded' | 'unknown';
export type SnapshotOp = 'save' | 'load' | 'send';
export type TransferOutcome = 'done' | 'refused' | 'aborted' | 'unknown';

/** Every series without a peer is there from the start: an increase counts from what was seen before. */
export class RaftTally {
  readonly #leaderChanges = seriesOf(RAFT_COUNTED, 'raft_leader_changes_total');
  readonly #elections = seriesOf(RAFT_COUNTED, 'raft_elections_total');
  readonly #transfers = seriesOf(RAFT_COUNTED, 'raft_transfers_total');
  readonly #proposals = seriesOf(RAFT_COUNTED, 'raft_proposals_total');
  readonly #commits = histogramOf(RAFT_COUNTED, 'raft_commit_seconds');
  readonly #applies = histogramOf(RAFT_COUNTED, 'raft_apply_seconds');
  readonly #syncs = histogramOf(RAFT_COUNTED, 'raft_wal_sync_seconds');
  readonly #snapshots = histogramOf(RAFT_COUNTED, 'raft_snapshot_seconds');
  readonly #roundTrips = histogramOf(RAFT_COUNTED, 'raft_peer_round_trip_seconds');
  readonly #mismatches = seriesOf(RAFT_COUNTED, 'store_hash_mismatch_total');
  readonly #rejected = seriesOf(RAFT_COUNTED, 'queue_rejected_total');
  #isLeading = false;

  constructor() {
    this.#leaderChanges.add({}, 0);
    for (const kind of ['pre_vote', 'vote']) this.#elections.add({ kind }, 0);
    for (const result of ['applied', 'not_leader', 'overloaded', 'unknown'])
      this.#proposals.add({ result }, 0);
    for (const queue of ['proposals', 'reads', 'inbox']) this.#rejected.add({ queue }, 0);
    for (const op of ['save', 'load', 'send']) this.#snapshots.begin({ op });
    for (const histogram of [this.#commits, this.#applies, this.#syncs]) histogram.begin({});
  }

  leaderChanged(): void {
    this.#leaderChanges.add({});
  }

  /** This member asked the others for their votes, or whether it would get them. */
  campaign(kind: 'pre_vote' | 'vote'): void {
    this.#elections.add({ kind });
  }

  /** A planned change of the lead, asked for here. */
  transfer(outcome: TransferOutcome): void {
    this.#transfers.add({ outcome });
  }

  proposed(result: ProposalResult, elapsedMs: number): void {
    this.#proposals.add({ result });
    if (result === 'applied') this.#commits.observe({}, elapsedMs / 1000);
    if (result === 'overloaded') this.#rejected.add({ queue: 'proposals' });
  }

  readRejected(): void {
    this.#rejected.add({ queue: 'reads' });
  }

  applied(elapsedMs: number): void {
    this.#applies.observe({}, elapsedMs / 1000);
  }

  synced(elapsedMs: number): void {
    this.#syncs.observe({}, elapsedMs / 1000);
  }

  snapshot(op: SnapshotOp, elapsedMs: number): void {
    this.#snapshots.observe({ op }, elapsedMs / 1000);
  }

  roundTrip(peer: number, elapsedMs: number): void {
    if (this.#isLeading) this.#roundTrips.observe({ peer }, elapsedMs / 1000);
  }

  /** A member is none any more. */
  forgetPeer(peer: number): void {
    this.#roundTrips.forget({ peer });
  }

  /** So many entries after which another member's state was not the same. */
  diverged(count: number): void {
    if (this.#isLeading) this.#mismatches.add({}, count);
  }

  /** To be told of every change of the lead. */
  follow(isLeading: boolean): void {
    if (isLeading === this.#isLeading) return;
    this.#isLeading = isLeading;
    this.#roundTrips.clear();
    this.#mismatches.clear();
    if (isLeading) this.#mismatches.add({}, 0);
  }

  /** `inboxDropped`: messages for which there was no room, which somebody else counts. */
  *lines(inboxDropped: number): Iterable<string> {
    this.#rejected.set({ queue: 'inbox' }, inboxDropped);
    const counted = [this.#leaderChanges, this.#elections, this.#transfers, this.#proposals, this.#rejected];
    for (const series of counted) yield* series.lines();
    for (const histogram of [this.#commits, this.#applies, this.#syncs, this.#snapshots])
      yield* histogram.lines();
    if (!this.#isLeading) return;
    yield* this.#roundTrips.lines();
    yield* this.#mismatches.lines();
  }
}
