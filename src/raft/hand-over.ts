// Before an orderly end: gives the lead away and sees that nothing this member placed in the log is left open.

import type { Contacts } from './contacts.ts';
import { otherVoters } from './core/membership.ts';
import type { MemberId } from './core/types.ts';
import type { HandOverOutcome, TransferOutcome } from './outcome.ts';
import type { TurnLoop } from './turn-loop.ts';

interface HandOverParts {
  readonly self: MemberId;
  readonly loop: TurnLoop;
  readonly contacts: Contacts;
  /** Asks this member for a transfer to whoever is best. */
  readonly transfer: (done: (outcome: TransferOutcome) => void) => void;
}

interface Waiter {
  readonly expiresMs: number;
  readonly done: (outcome: HandOverOutcome) => void;
}

/**
 * Asks for a transfer, again if it is refused for now or aborted, until another member leads or time is up. Looked at
 * with every tick.
 */
export class HandOver {
  readonly #parts: HandOverParts;
  #waiters: Waiter[] = [];
  #isAsking = false;

  constructor(parts: HandOverParts) {
    this.#parts = parts;
  }

  /** Somebody waits: this member is about to end and starts nothing new by itself. */
  get isActive(): boolean {
    return this.#waiters.length > 0;
  }

  /** A member that does not lead has nothing to give away and is done at once. */
  begin(waiter: Waiter, nowMs: number): void {
    if (!this.#leads && this.#waiters.length === 0) {
      waiter.done('notLeading');
      return;
    }
    this.#waiters.push(waiter);
    this.look(nowMs);
  }

  /** Goes on, or ends, as things are now. */
  look(nowMs: number): void {
    if (this.#waiters.length === 0) return;
    const outcome = this.#outcome(nowMs);
    if (outcome !== null) this.#end(() => true, outcome);
    else this.#end(({ expiresMs }) => expiresMs <= nowMs, 'deadline');
    if (this.#waiters.length > 0 && this.#leads) this.#ask();
  }

  get #leads(): boolean {
    return this.#parts.loop.core.role.role === 'leader';
  }

  #outcome(nowMs: number): HandOverOutcome | null {
    const { core, transfer, waiters } = this.#parts.loop;
    if (this.#leads) return this.#hasSuccessor(nowMs) ? null : 'nobodyElse';
    if (transfer.holdsWork || waiters.proposals.hasPlaced) return null;
    return core.role.leader === null ? 'nobodyElse' : 'handedOver';
  }

  #hasSuccessor(nowMs: number): boolean {
    const { self, loop, contacts } = this.#parts;
    return otherVoters(loop.core.membership, self).some((voter) => contacts.isAlive(voter, nowMs));
  }

  #ask(): void {
    if (this.#isAsking) return;
    this.#isAsking = true;
    this.#parts.transfer(() => {
      this.#isAsking = false;
    });
  }

  /** This member ends now. */
  drain(): void {
    this.#end(() => true, 'deadline');
  }

  #end(which: (waiter: Waiter) => boolean, outcome: HandOverOutcome): void {
    const ended = this.#waiters.filter(which);
    this.#waiters = this.#waiters.filter((waiter) => !which(waiter));
    for (const { done } of ended) done(outcome);
  }
}
