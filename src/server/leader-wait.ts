// Requests that come between two leaders: they wait for the next one, for as long as an election usually takes.

import type { LeaderWait } from '../api/ports.ts';
import type { Clock, Timer } from '../base/clock.ts';
import { isMember } from '../raft/core/membership.ts';
import type { RoleView } from '../raft/core/step.ts';
import type { MemberId, Membership } from '../raft/core/types.ts';

/** Requests that wait at a time; one more is answered at once, as everybody is without a leader. */
const WAITING_MAX = 1024;
/** Longest wait, milliseconds, however long an election may take: clients have deadlines too. */
const WAIT_MS_MAX = 2000;

/** What tells of leaders. */
export interface LeaderSource {
  /** Whether a leader is known whom clients can be sent to. */
  readonly isKnown: () => boolean;
  /** Whether this member would hear of the next leader: nobody tells one that was removed. */
  readonly isMember: () => boolean;
  /** Calls `listener` whenever an answer may have changed; returns the way to stop. */
  readonly onChange: (listener: () => void) => () => void;
}

/** What has a leader; a `RaftDriver`. */
export interface Led {
  readonly role: Pick<RoleView, 'leader'>;
  readonly membership: Membership;
  onRole(listener: () => void): () => void;
  onMembership(listener: () => void): () => void;
}

/** A member that joins may hear its leader before it learns who belongs to the group, and cannot send anybody there yet. */
export function leaderSource(led: Led, self: MemberId): LeaderSource {
  return {
    isKnown: () => led.role.leader !== null && led.membership.addresses.has(led.role.leader),
    isMember: () => isMember(led.membership, self),
    onChange: (listener) => {
      const stops = [led.onRole(listener), led.onMembership(listener)];
      return () => {
        for (const stop of stops) stop();
      };
    },
  };
}

/**
 * The lead changes hands within milliseconds as a rule, so whoever asks in between is better served by the answer of the
 * next leader than by a refusal. The time runs from the loss of the last leader, not from the request: a group that has
 * had none for longer slows nobody down.
 */
export class NextLeader implements LeaderWait {
  readonly #source: LeaderSource;
  readonly #clock: Clock;
  readonly #waitMs: number;
  readonly #waiting = new Set<() => void>();
  readonly #stopListening: () => void;
  #wasKnown: boolean;
  /** Runs while the last leader was lost so recently that the next one may be expected. */
  #expecting: Timer | null = null;

  constructor(
    source: LeaderSource,
    { clock, electionTimeoutMs }: { readonly clock: Clock; readonly electionTimeoutMs: number },
  ) {
    this.#source = source;
    this.#clock = clock;
    this.#waitMs = Math.min(electionTimeoutMs, WAIT_MS_MAX);
    this.#wasKnown = source.isKnown();
    this.#stopListening = source.onChange(() => this.#look());
  }

  untilKnown(abandoned: AbortSignal): Promise<void> {
    if (this.#expecting === null || this.#waiting.size >= WAITING_MAX || abandoned.aborted)
      return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        this.#waiting.delete(end);
        abandoned.removeEventListener('abort', end);
        resolve();
      };
      this.#waiting.add(end);
      abandoned.addEventListener('abort', end);
    });
  }

  /** This member ends: nobody waits any more. */
  close(): Promise<void> {
    this.#stopListening();
    this.#expectNobody();
    return Promise.resolve();
  }

  #look(): void {
    const isKnown = this.#source.isKnown();
    if (isKnown || !this.#source.isMember()) this.#expectNobody();
    else if (this.#wasKnown) this.#expecting = this.#clock.setTimer(this.#waitMs, () => this.#expectNobody());
    this.#wasKnown = isKnown;
  }

  #expectNobody(): void {
    this.#expecting?.cancel();
    this.#expecting = null;
    for (const end of this.#waiting) end();
  }
}
