// While a new group comes up for the first time: who is missing, and whether who is there was configured for this group.

import type { Clock, Timer } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Result } from '../base/result.ts';
import type { ClusterId } from '../raft/cluster-id.ts';
import type { MemberId } from '../raft/core/types.ts';
import { awaitedFounders, describeAwaited, type Observed } from './group-view.ts';

/** Milliseconds between two looks. */
const LOOK_MS = 1000;
/** Looks after which an unchanged situation is said again. */
const REPEATED_EVERY = 10;

/** Somebody who answers where a member of this group is awaited, and what to do about it. */
interface Misfit {
  readonly who: string;
  readonly advice: string;
}

export interface FoundingParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Milliseconds after which a member that was heard counts as away. */
  readonly awayMs: number;
  readonly clusterId: ClusterId;
  /** Asks whoever listens at an address who it is; has a deadline of its own and never rejects. */
  readonly ask: (
    address: string,
  ) => Promise<Result<{ readonly clusterId: ClusterId; readonly memberId: number }, string>>;
}

/**
 * Members with different lists in `raft.peers` belong to different groups and do not listen to each other, so each of them
 * would wait for ever: whoever is missing but answers when asked is told apart, in the log and in `readyz`.
 */
export class FoundingWatch {
  readonly #observed: Observed;
  readonly #parts: FoundingParts;
  #timer: Timer | null = null;
  #isStopped = false;
  #said = '';
  #looks = 0;
  #misfits: readonly Misfit[] = [];

  constructor(observed: Observed, parts: FoundingParts) {
    this.#observed = observed;
    this.#parts = parts;
  }

  /** Looks until the group is founded or `stop` is called. */
  start(): void {
    this.#schedule();
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }

  /** A sentence about members that can never be part of this group as they are configured; null when none was found. */
  get trouble(): string | null {
    if (this.#misfits.length === 0) return null;
    return [...Map.groupBy(this.#misfits, ({ advice }) => advice)]
      .map(([advice, misfits]) => `${misfits.map(({ who }) => who).join(', ')}: ${advice}`)
      .join('; ');
  }

  #schedule(): void {
    if (!this.#isStopped) this.#timer = this.#parts.clock.setTimer(LOOK_MS, () => void this.#look());
  }

  async #look(): Promise<void> {
    const awaited = awaitedFounders(this.#observed.membership, this.#observed.status(), this.#parts.awayMs);
    if (awaited === null) {
      this.#misfits = [];
      return;
    }
    this.#misfits = (await Promise.all(awaited.map((member) => this.#misfit(member)))).flat();
    if (!this.#isStopped) this.#say(awaited);
    this.#schedule();
  }

  /** What is wrong with who answers in the place of `member`; empty when nothing is, or nobody answers. */
  async #misfit(member: MemberId): Promise<readonly Misfit[]> {
    const address = this.#observed.membership.addresses.get(member) ?? '';
    const told = await this.#parts.ask(address);
    if (!told.ok) return [];
    if (told.value.memberId !== member)
      return [
        {
          who: `member ${told.value.memberId} answers at ${address}`,
          advice: 'correct raft.id or raft.peers',
        },
      ];
    if (told.value.clusterId === this.#parts.clusterId) return [];
    const who = `member ${member} at ${address} was started for another group`;
    return [{ who, advice: foreignAdvice(this.#observed.status().id) }];
  }

  #say(awaited: readonly MemberId[]): void {
    const now = `${awaited.join(',')} ${this.trouble ?? ''}`;
    if (awaited.length > 0 && (now !== this.#said || this.#looks % REPEATED_EVERY === 0)) {
      const reason = describeAwaited(this.#observed.membership, awaited);
      this.#parts.logger.info('raft.founding.waiting', {
        awaited: awaited.join(','),
        reason,
        trouble: this.trouble,
      });
    }
    this.#said = now;
    this.#looks += 1;
  }
}

/**
 * Whether the others wait to be founded, too, or have been a group for years cannot be told from here: a group that was
 * restored, or whose `raft.peers` were edited since, has another name than this file makes. So what may hold the only copies
 * of a group's data is never to be touched.
 */
function foreignAdvice(self: MemberId): string {
  const removal = JSON.stringify({ id: self, operation: 'remove' });
  return (
    'if this group is new, raft.peers must be the same list in the same order on all members, at addresses that nobody else serves; ' +
    `if the others form a group already and member ${self} belonged to it, the data directory of member ${self} was emptied: ` +
    `leave the others as they are, remove member ${self} there (POST /api/v1/raft/peers ${removal}) and start it here ` +
    'with an empty data directory, a raft.id that was never used and raft.cluster_state: existing, then add that'
  );
}
