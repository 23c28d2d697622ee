// Who waits for a linearizable read: callers of one turn share one round of the core (thesis section 6.4).

import { err, ok } from '../base/result.ts';
import type { LogIndex, Term } from './core/types.ts';
import type { ReadOutcome } from './outcome.ts';

export interface ReadRequest {
  /** Monotonic milliseconds at which the outcome becomes unknown. */
  readonly expiresMs: number;
  readonly done: (outcome: ReadOutcome) => void;
}

/** Callers that asked before the same round started. `index` is null until the core confirmed the round. */
interface ReadRound {
  readonly id: number;
  readonly term: Term;
  readonly requests: Set<ReadRequest>;
  index: LogIndex | null;
}

/** Every read between its caller and its outcome, bounded in number. */
export class ReadTable {
  readonly #readsMax: number;
  readonly #rounds = new Map<number, ReadRound>();
  #queued = new Set<ReadRequest>();
  #nextId = 1;
  #count = 0;

  constructor(readsMax: number) {
    this.#readsMax = readsMax;
  }

  get size(): number {
    return this.#count;
  }

  get hasQueued(): boolean {
    return this.#queued.size > 0;
  }

  /** Takes a read in; false, and nothing kept, when there are too many. */
  add(request: ReadRequest): boolean {
    if (this.#count >= this.#readsMax) return false;
    this.#count += 1;
    this.#queued.add(request);
    return true;
  }

  /** Starts one round for everything queued and returns its id for the core; null when nothing is queued. */
  startRound(term: Term): number | null {
    if (this.#queued.size === 0) return null;
    const id = this.#nextId;
    this.#nextId += 1;
    this.#rounds.set(id, { id, term, requests: this.#queued, index: null });
    this.#queued = new Set();
    return id;
  }

  /** The core confirmed round `id`: its callers may go on once `index` is applied. */
  ready(id: number, index: LogIndex): void {
    const round = this.#rounds.get(id);
    if (round !== undefined) round.index = index;
  }

  /** This member cannot confirm round `id`. Reading changes nothing, so the refusal is certain. */
  refused(id: number): void {
    const round = this.#rounds.get(id);
    if (round !== undefined) this.#end(round, err({ kind: 'notLeader' }));
  }

  /**
   * Answers every confirmed round that `applied` satisfies. `leading` is the term led here at this moment, or null:
   * a round of another term is refused, because its leader may have been deposed since it was confirmed.
   */
  answer(applied: LogIndex, leading: Term | null): void {
    for (const round of this.#rounds.values()) {
      if (round.index === null || round.index > applied) continue;
      this.#end(round, round.term === leading ? ok(undefined) : err({ kind: 'notLeader' }));
    }
  }

  /** Forgets every round; who waited for one is queued again, to be asked of whoever leads next. */
  requeue(): void {
    for (const { requests } of this.#rounds.values()) {
      for (const request of requests) this.#queued.add(request);
    }
    this.#rounds.clear();
  }

  /** Refuses everything: reads have no effect, so nothing about them is unknown. */
  drain(): void {
    for (const round of this.#rounds.values()) this.#end(round, err({ kind: 'notLeader' }));
    const queued = this.#queued;
    this.#queued = new Set();
    for (const request of queued) this.#settle(request, err({ kind: 'notLeader' }));
  }

  /** Settles everything whose time has passed. */
  expire(nowMs: number): void {
    const outcome: ReadOutcome = err({ kind: 'unknown', reason: 'deadline passed' });
    for (const round of this.#rounds.values()) {
      this.#expireIn(round.requests, nowMs, outcome);
      if (round.requests.size === 0) this.#rounds.delete(round.id);
    }
    this.#expireIn(this.#queued, nowMs, outcome);
  }

  #expireIn(requests: Set<ReadRequest>, nowMs: number, outcome: ReadOutcome): void {
    for (const request of requests) {
      if (request.expiresMs > nowMs) continue;
      requests.delete(request);
      this.#settle(request, outcome);
    }
  }

  #end(round: ReadRound, outcome: ReadOutcome): void {
    this.#rounds.delete(round.id);
    for (const request of round.requests) this.#settle(request, outcome);
  }

  #settle(request: ReadRequest, outcome: ReadOutcome): void {
    this.#count -= 1;
    request.done(outcome);
  }
}
