// Who waits for which command: one record a proposal, settled exactly once.

import { assert } from '../base/assert.ts';
import { err, ok } from '../base/result.ts';
import type { Proposal, ProposalRefusal } from './core/step.ts';
import type { Entry, LogIndex, LogPosition } from './core/types.ts';
import type { OverloadReason, ProposalOutcome } from './outcome.ts';
import type { ApplyResult } from './ports.ts';

export interface ProposalLimits {
  readonly proposalsMax: number;
  readonly proposalBytesMax: number;
  readonly entryBytesMax: number;
}

export interface ProposalRequest {
  readonly data: Uint8Array;
  /** The term the proposer believes to lead, or null for "whoever leads". */
  readonly fence: number | null;
  /** Monotonic milliseconds at which the outcome becomes unknown. */
  readonly expiresMs: number;
  readonly done: (outcome: ProposalOutcome) => void;
}

/**
 * `queued`: not yet shown to the core, so its failure is certain. `stepped`: the core has it in this very turn.
 * `placed`: in the log at `position`; only the applied entry there, or giving up, ends it.
 */
type ProposalState =
  | { readonly kind: 'queued' }
  | { readonly kind: 'stepped' }
  | { readonly kind: 'placed'; readonly position: LogPosition };

interface ProposalRecord extends ProposalRequest {
  readonly id: number;
  state: ProposalState;
}

/** Every proposal between its caller and its outcome, bounded in number and bytes. */
export class ProposalTable {
  readonly #limits: ProposalLimits;
  readonly #nextId: () => number;
  readonly #records = new Map<number, ProposalRecord>();
  readonly #placed = new Map<LogIndex, ProposalRecord>();
  #queued: ProposalRecord[] = [];
  #bytes = 0;

  /** `nextId` names a proposal to the core; never the same number twice. */
  constructor(limits: ProposalLimits, nextId: () => number) {
    this.#limits = limits;
    this.#nextId = nextId;
  }

  get size(): number {
    return this.#records.size;
  }

  get hasQueued(): boolean {
    return this.#queued.length > 0;
  }

  /** Something is in the log and not applied yet. */
  get hasPlaced(): boolean {
    return this.#placed.size > 0;
  }

  /** Takes a proposal in and returns null; or why not, and nothing is kept. */
  add(request: ProposalRequest): OverloadReason | null {
    const bytes = request.data.byteLength;
    if (bytes > this.#limits.entryBytesMax) return 'tooLarge';
    if (this.#records.size >= this.#limits.proposalsMax) return 'tooMuchWaiting';
    if (this.#bytes + bytes > this.#limits.proposalBytesMax) return 'tooMuchWaiting';
    const record: ProposalRecord = { ...request, id: this.#nextId(), state: { kind: 'queued' } };
    this.#bytes += bytes;
    this.#records.set(record.id, record);
    this.#queued.push(record);
    return null;
  }

  /**
   * Hands over at most `countMax` of what is queued, oldest first, to be stepped right now. Whoever carries a fence that
   * is not `term` (the term led and established here, or null) is refused instead; no other event can come between this
   * check and the step.
   */
  takeQueued(term: number | null, countMax: number): readonly Proposal[] {
    const taken: Proposal[] = [];
    const rest = this.#queued.splice(countMax);
    const records = this.#takeQueuedRecords();
    this.#queued = rest;
    for (const record of records) {
      if (record.fence !== null && record.fence !== term) {
        this.#settle(record, err({ kind: 'notLeader' }));
      } else {
        record.state = { kind: 'stepped' };
        taken.push({ id: record.id, data: record.data });
      }
    }
    return taken;
  }

  /** Refuses everything queued. */
  refuseQueued(reason: OverloadReason): void {
    for (const record of this.#takeQueuedRecords()) this.#settle(record, overloaded(reason));
  }

  accepted(id: number, position: LogPosition): void {
    const record = this.#records.get(id);
    if (record === undefined) return;
    record.state = { kind: 'placed', position };
    assert(!this.#placed.has(position.index), 'one proposal a place in the log');
    this.#placed.set(position.index, record);
  }

  refused(id: number, reason: ProposalRefusal): void {
    const record = this.#records.get(id);
    if (record === undefined) return;
    this.#settle(record, reason === 'notLeader' ? err({ kind: 'notLeader' }) : overloaded('tooMuchWaiting'));
  }

  /** `entry` was applied here with `result`: whoever proposed exactly this entry gets it. */
  applied(entry: Entry, result: ApplyResult): void {
    const record = this.#placed.get(entry.index);
    if (record === undefined || record.state.kind !== 'placed') return;
    if (record.state.position.term === entry.term) this.#settle(record, ok(result));
    else this.#settle(record, unknownOutcome('another entry took its place'));
  }

  /** Gives up everything: what is in the log is unknown, what is not certainly never happens. */
  drain(reason: string): void {
    for (const record of this.#records.values()) {
      if (record.state.kind === 'queued') this.#settle(record, err({ kind: 'notLeader' }));
      else this.#settle(record, unknownOutcome(reason));
    }
    this.#queued = [];
  }

  /** Gives up what is in the log after `index`; what is queued may still get a place. */
  drainPlaced(index: LogIndex, reason: string): void {
    for (const [place, record] of this.#placed) {
      if (place > index) this.#settle(record, unknownOutcome(reason));
    }
  }

  /** Settles everything whose time has passed. */
  expire(nowMs: number): void {
    for (const record of this.#records.values()) {
      if (record.expiresMs <= nowMs) this.#settle(record, unknownOutcome('deadline passed'));
    }
  }

  #takeQueuedRecords(): readonly ProposalRecord[] {
    const queued = this.#queued;
    this.#queued = [];
    return queued.filter((record) => this.#records.has(record.id));
  }

  #settle(record: ProposalRecord, outcome: ProposalOutcome): void {
    assert(this.#records.delete(record.id), 'a proposal is settled once');
    this.#bytes -= record.data.byteLength;
    if (record.state.kind === 'placed') this.#placed.delete(record.state.position.index);
    record.done(outcome);
  }
}

function overloaded(reason: OverloadReason): ProposalOutcome {
  return err({ kind: 'overloaded', reason });
}

function unknownOutcome(reason: string): ProposalOutcome {
  return err({ kind: 'unknown', reason });
}
