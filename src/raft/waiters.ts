// Everybody who waits for something from this member: proposals, changes of members, reads; and what they are told together.

import type { AppliedBatch } from './apply-loop.ts';
import type { Effects } from './core/step.ts';
import type { LogIndex, Membership } from './core/types.ts';
import { ChangeTable } from './membership-changes.ts';
import { ProposalTable, type ProposalLimits } from './proposals.ts';
import { ReadTable } from './reads.ts';

/** The three tables, and the events that concern more than one of them. */
export class Waiters {
  readonly proposals: ProposalTable;
  readonly changes: ChangeTable;
  readonly reads: ReadTable;

  constructor(limits: ProposalLimits & { readonly readsMax: number }) {
    // The core names proposals and changes alike, so they share their numbers.
    let lastId = 0;
    const nextId = (): number => {
      lastId += 1;
      return lastId;
    };
    this.proposals = new ProposalTable(limits, nextId);
    this.changes = new ChangeTable(nextId);
    this.reads = new ReadTable(limits.readsMax);
  }

  /** What one step of the core says to those it concerns. */
  onStep({ accepted, refused, readsReady, readsRefused }: Effects): void {
    for (const { id, position } of accepted) {
      this.proposals.accepted(id, position);
      this.changes.accepted(id, position);
    }
    for (const { id, reason } of refused) {
      this.proposals.refused(id, reason);
      this.changes.refused(id, reason);
    }
    for (const { id, index } of readsReady) this.reads.ready(id, index);
    for (const id of readsRefused) this.reads.refused(id);
  }

  /** `membershipAt` tells which membership a `config` entry of the batch put in force. */
  onApplied({ entries, results }: AppliedBatch, membershipAt: (index: LogIndex) => Membership): void {
    for (const [offset, entry] of entries.entries()) {
      this.proposals.applied(entry, results[offset]);
      if (entry.kind === 'config') this.changes.applied(entry, membershipAt(entry.index));
    }
  }

  /** What is in the log after `index` is gone from it, or this member will not learn what becomes of it. */
  drainPlaced(index: LogIndex, reason: string): void {
    this.proposals.drainPlaced(index, reason);
    this.changes.drainPlaced(index, reason);
  }

  expire(nowMs: number): void {
    this.proposals.expire(nowMs);
    this.changes.expire(nowMs);
    this.reads.expire(nowMs);
  }

  /** Gives up everything: this member ends. */
  drain(reason: string): void {
    this.proposals.drain(reason);
    this.changes.drain(reason);
    this.reads.drain();
  }
}
