// Giving the lead to another member: what waits meanwhile, and what whoever asked for it is told.

import { err, ok } from '../base/result.ts';
import type { RoleView, TransferEvent } from './core/step.ts';
import type { MemberId } from './core/types.ts';
import type { TransferFailure, TransferOutcome } from './outcome.ts';

/**
 * `asked`: the core has not seen the request yet. `underWay`: this member still leads, and takes no proposals.
 * `left`: the lead is lost, and nobody was heard to have it.
 */
type Phase =
  | { readonly kind: 'idle' }
  | { readonly kind: 'asked' }
  | { readonly kind: 'underWay'; readonly to: MemberId; readonly sinceMs: number }
  | { readonly kind: 'left'; readonly to: MemberId; readonly sinceMs: number };

/** A transfer under way, for status. */
export interface TransferStatus {
  readonly to: MemberId;
  /** Milliseconds since it started, or since the lead was lost. */
  readonly sinceMs: number;
}

/**
 * One transfer at a time. From its start until the successor is known, or the lead is kept after all, work waits
 * instead of being refused: so a planned change of leader costs callers a pause and a redirect, and no failure. The
 * core ends `underWay` within an election timeout, `left` ends here after another.
 */
export class LeadTransfer {
  readonly #leftMsMax: number;
  #phase: Phase = { kind: 'idle' };
  #waiter: ((outcome: TransferOutcome) => void) | null = null;

  /** `leftMsMax`: milliseconds to wait for the successor once the lead is lost. */
  constructor(leftMsMax: number) {
    this.#leftMsMax = leftMsMax;
  }

  /** Proposals, changes and reads wait. */
  get holdsWork(): boolean {
    return this.#phase.kind === 'underWay' || this.#phase.kind === 'left';
  }

  get isIdle(): boolean {
    return this.#phase.kind === 'idle';
  }

  status(nowMs: number): TransferStatus | null {
    const phase = this.#phase;
    if (phase.kind !== 'underWay' && phase.kind !== 'left') return null;
    return { to: phase.to, sinceMs: nowMs - phase.sinceMs };
  }

  /** Notes a request that the caller now brings to the core. Refuses, and returns false, while another is under way. */
  ask(done: (outcome: TransferOutcome) => void): boolean {
    if (this.#phase.kind !== 'idle') {
      done(refused('transferring'));
      return false;
    }
    this.#phase = { kind: 'asked' };
    this.#waiter = done;
    return true;
  }

  /** What the core says. It may start one by itself: a leader that was removed does. */
  onEvent(event: TransferEvent, nowMs: number): void {
    if (event.kind === 'started') {
      this.#phase = { kind: 'underWay', to: event.to, sinceMs: nowMs };
    } else if (event.kind === 'refused') {
      if (this.#phase.kind === 'asked') this.#end(refused(event.reason));
    } else if (this.#phase.kind === 'underWay') {
      this.#end(err({ kind: 'aborted' }));
    }
  }

  /** The role of this member changed. */
  onRole({ role, leader }: RoleView, nowMs: number): void {
    const phase = this.#phase;
    if (phase.kind === 'idle' || phase.kind === 'asked') return;
    if (role === 'leader') {
      if (phase.kind === 'left') this.#end(err({ kind: 'aborted' }));
    } else if (leader !== null) {
      this.#end(ok(leader));
    } else if (phase.kind === 'underWay') {
      this.#phase = { kind: 'left', to: phase.to, sinceMs: nowMs };
    }
  }

  /** Nobody was heard to lead for too long: the wait ends, and what waited is answered. Returns whether that was now. */
  expire(nowMs: number): boolean {
    const phase = this.#phase;
    if (phase.kind !== 'left' || nowMs - phase.sinceMs < this.#leftMsMax) return false;
    this.#end(err({ kind: 'unknown', reason: 'the lead was lost and no new leader was heard' }));
    return true;
  }

  /** Gives up: this member ends. */
  drain(reason: string): void {
    const outcome: TransferFailure =
      this.#phase.kind === 'asked' ? { kind: 'notLeader' } : { kind: 'unknown', reason };
    if (this.#phase.kind !== 'idle') this.#end(err(outcome));
  }

  #end(outcome: TransferOutcome): void {
    const waiter = this.#waiter;
    this.#phase = { kind: 'idle' };
    this.#waiter = null;
    if (waiter !== null) waiter(outcome);
  }
}

function refused(reason: Extract<TransferEvent, { kind: 'refused' }>['reason']): TransferOutcome {
  return err(reason === 'notLeader' ? { kind: 'notLeader' } : { kind: 'refused', reason });
}
