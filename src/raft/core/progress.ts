// What a leader knows of one follower: how far it has come, what to send next, and how boldly.

import { assert } from '../../base/assert.ts';
import { higherIndex, indexAfter, indexBefore, lowerIndex } from './log.ts';
import { logIndex } from './types.ts';
import type { Incarnation, LogIndex, MemberId } from './types.ts';

/**
 * `probe`: where the logs meet is not known; one request at a time. `replicate`: it is; requests are pipelined and
 * `next` runs ahead of `match`. `snapshot`: the follower needs what the log no longer holds; nothing is sent meanwhile.
 */
export type ReplicationState =
  | { readonly kind: 'probe'; readonly awaiting: boolean }
  /** Last indexes of the append requests under way, oldest first. */
  | { readonly kind: 'replicate'; readonly inflight: LogIndex[] }
  | { readonly kind: 'snapshot' };

export class Progress {
  readonly member: MemberId;
  #match: LogIndex;
  #next: LogIndex;
  #state: ReplicationState = { kind: 'probe', awaiting: false };
  #heardAtTick: number;
  /** Of the data directory that was heard last; null before it was heard. */
  #incarnation: Incarnation | null = null;
  /** The tick in which it was last sent an append request or a snapshot. */
  sentAtTick = 0;
  /** The highest heartbeat round it has answered. */
  readRound = 0;
  /** The highest commit index it was told. */
  commitSent: LogIndex;

  /** Nothing is known to match yet. `nowTick`: a member is not called silent before it had time to answer. */
  constructor(member: MemberId, next: LogIndex, nowTick: number) {
    const nothing = logIndex(0);
    this.member = member;
    this.#heardAtTick = nowTick;
    this.#match = nothing;
    this.#next = next;
    this.commitSent = nothing;
  }

  /** The member's log is durably equal to the leader's up to here. */
  get match(): LogIndex {
    return this.#match;
  }

  /** The index of the next entry to send; always above `match`. */
  get next(): LogIndex {
    return this.#next;
  }

  get state(): ReplicationState {
    return this.#state;
  }

  get inflightCount(): number {
    return this.#state.kind === 'replicate' ? this.#state.inflight.length : 0;
  }

  /** The tick of the leadership in which the member was last heard. */
  get heardAtTick(): number {
    return this.#heardAtTick;
  }

  /**
   * The member was heard as `incarnation`. While its id is not bound, that can be another data directory than the one whose
   * acknowledgements were counted: then nothing is known to match, and it is probed from `next`.
   */
  heard(incarnation: Incarnation, next: LogIndex, nowTick: number): void {
    this.#heardAtTick = nowTick;
    const isAnother = this.#incarnation !== null && this.#incarnation !== incarnation;
    this.#incarnation = incarnation;
    if (!isAnother) return;
    this.#match = logIndex(0);
    this.readRound = 0;
    this.commitSent = logIndex(0);
    this.becomeProbe(next, false);
  }

  /** Starts over from `next`, one request at a time. `awaiting` holds it back until the member is heard again. */
  becomeProbe(next: LogIndex, awaiting: boolean): void {
    this.#setNext(next);
    this.#state = { kind: 'probe', awaiting };
  }

  becomeSnapshot(): void {
    this.#state = { kind: 'snapshot' };
  }

  /** The member holds the log up to `matched`. `base` is the index of the leader's log base. Returns whether this was news. */
  accepted(matched: LogIndex, base: LogIndex): boolean {
    const news = matched > this.#match;
    this.#match = higherIndex(this.#match, matched);
    if (this.#next <= this.#match) this.#setNext(indexAfter(this.#match));
    if (this.#state.kind === 'replicate') {
      const { inflight } = this.#state;
      const open = inflight.findIndex((index) => index > this.#match);
      inflight.splice(0, open === -1 ? inflight.length : open);
      return news;
    }
    // A probe is answered by nothing older than what is known; a snapshot is not needed once the log reaches the member.
    const found = this.#state.kind === 'probe' ? matched === this.#match : this.#match >= base;
    if (found) this.#becomeReplicate();
    return news;
  }

  /**
   * The request whose previous index was `probed` did not fit; `meeting` is the next place where the logs may meet.
   * Returns false when the refusal is stale: it contradicts `match` or does not answer the outstanding probe.
   */
  rejected(probed: LogIndex, meeting: LogIndex): boolean {
    if (probed <= this.#match) return false;
    if (!this.#mayHaveSent(probed)) return false;
    const next = lowerIndex(probed, indexAfter(meeting));
    this.becomeProbe(higherIndex(next, indexAfter(this.#match)), false);
    return true;
  }

  /** An append request left that ends at `last`; `last` is null for one without entries. */
  sent(last: LogIndex | null): void {
    assert(this.#state.kind !== 'snapshot', 'nothing is appended while a snapshot is under way');
    if (this.#state.kind === 'probe') {
      this.#state = { kind: 'probe', awaiting: true };
    } else if (last !== null) {
      this.#state.inflight.push(last);
      this.#setNext(indexAfter(last));
    }
  }

  /** Whether a request after `probed` can be under way: the one probe, or any of the stream. */
  #mayHaveSent(probed: LogIndex): boolean {
    if (this.#state.kind === 'probe') return this.#state.awaiting && probed === indexBefore(this.#next);
    return this.#state.kind === 'replicate' && probed < this.#next;
  }

  #becomeReplicate(): void {
    this.#setNext(indexAfter(this.#match));
    this.#state = { kind: 'replicate', inflight: [] };
  }

  #setNext(next: LogIndex): void {
    assert(next > this.#match, 'next is always above match');
    this.#next = next;
  }
}
