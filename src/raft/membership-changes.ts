// Who waits for which change of members: one record a change, settled exactly once.

import { unreachable } from '../base/assert.ts';
import { err, ok } from '../base/result.ts';
import type { MembershipChange } from './core/membership-change.ts';
import { isJoint } from './core/membership.ts';
import type { ProposalRefusal } from './core/step.ts';
import type { Entry, LogIndex, LogPosition, Membership } from './core/types.ts';
import type { ChangeOutcome } from './outcome.ts';

/** Changes come from people and from the keeper, one at a time; more than this is a mistake somewhere. */
const CHANGES_MAX = 16;

export interface ChangeRequest {
  readonly change: MembershipChange;
  /** Monotonic milliseconds at which the outcome becomes unknown. */
  readonly expiresMs: number;
  readonly done: (outcome: ChangeOutcome) => void;
}

/**
 * `queued`: not yet shown to the core. `placed`: its entry is in the log. `leaving`: its joint entry is applied; the
 * leave entry, which whoever leads appends, ends it.
 */
type ChangeState =
  | { readonly kind: 'queued' }
  | { readonly kind: 'placed'; readonly position: LogPosition }
  | { readonly kind: 'leaving' };

interface ChangeRecord extends ChangeRequest {
  readonly id: number;
  state: ChangeState;
}

/**
 * Every change between its caller and its outcome. A lost lead ends none that has its place: the log that is applied
 * here tells what became of it, also to a leader that was removed by it.
 */
export class ChangeTable {
  readonly #nextId: () => number;
  readonly #records = new Map<number, ChangeRecord>();

  /** `nextId` names a change to the core; never the same number as a proposal's. */
  constructor(nextId: () => number) {
    this.#nextId = nextId;
  }

  /** Changes without an outcome. */
  get size(): number {
    return this.#records.size;
  }

  /** Takes a change in; false, and nothing kept, when too many wait. */
  add(request: ChangeRequest): boolean {
    if (this.#records.size >= CHANGES_MAX) return false;
    const id = this.#nextId();
    this.#records.set(id, { ...request, id, state: { kind: 'queued' } });
    return true;
  }

  /** What the core has not seen, to be stepped right now, each followed by `accepted` or `refused`. */
  takeQueued(): readonly { readonly id: number; readonly change: MembershipChange }[] {
    return [...this.#records.values()].filter(({ state }) => state.kind === 'queued');
  }

  accepted(id: number, position: LogPosition): void {
    const record = this.#records.get(id);
    if (record !== undefined) record.state = { kind: 'placed', position };
  }

  refused(id: number, reason: ProposalRefusal): void {
    const record = this.#records.get(id);
    if (record !== undefined) this.#settle(record, refusal(reason));
  }

  /** The `config` entry, which puts `membership` in force, was applied here. */
  applied(entry: Entry, membership: Membership): void {
    for (const record of this.#records.values()) {
      if (record.state.kind === 'placed' && record.state.position.index === entry.index) {
        this.#reached(record, record.state.position, entry, membership);
      } else if (record.state.kind === 'leaving' && !isJoint(membership)) {
        this.#settle(record, ok(undefined));
      }
    }
  }

  /** What is in the log after `index` is gone from it. */
  drainPlaced(index: LogIndex, reason: string): void {
    for (const record of this.#records.values()) {
      const { state } = record;
      if (state.kind === 'placed' && state.position.index > index) this.#settle(record, unknown(reason));
    }
  }

  /** Gives up everything. */
  drain(reason: string): void {
    for (const record of this.#records.values()) {
      this.#settle(record, record.state.kind === 'queued' ? err({ kind: 'notLeader' }) : unknown(reason));
    }
  }

  /** Settles everything whose time has passed. */
  expire(nowMs: number): void {
    for (const record of this.#records.values()) {
      if (record.expiresMs <= nowMs) this.#settle(record, unknown('deadline passed'));
    }
  }

  #reached(record: ChangeRecord, position: LogPosition, entry: Entry, membership: Membership): void {
    if (position.term !== entry.term) this.#settle(record, unknown('another entry took its place'));
    else if (isJoint(membership)) record.state = { kind: 'leaving' };
    else this.#settle(record, ok(undefined));
  }

  #settle(record: ChangeRecord, outcome: ChangeOutcome): void {
    this.#records.delete(record.id);
    record.done(outcome);
  }
}

function refusal(reason: ProposalRefusal): ChangeOutcome {
  switch (reason) {
    case 'notLeader':
      return err({ kind: 'notLeader' });
    case 'overloaded':
    case 'transferring':
      return err({ kind: 'overloaded', reason: 'tooMuchWaiting' });
    case 'notEstablished':
    case 'changePending':
    case 'noQuorum':
    case 'alreadyMember':
    case 'wasMember':
    case 'notMember':
    case 'notLearner':
    case 'alreadyBound':
    case 'unbound':
    case 'lastVoter':
    case 'addressInUse':
    case 'noChange':
      return err({ kind: 'refused', reason });
    default:
      return unreachable(reason);
  }
}

function unknown(reason: string): ChangeOutcome {
  return err({ kind: 'unknown', reason });
}
