// What is counted and measured of one cluster: looks, pushes, jobs that move slots, and changes of masters from their decision on.

import type { Clock } from '../base/clock.ts';
import type { Result } from '../base/result.ts';
import type { CommitReason } from '../control/actions.ts';
import type { ProblemKind } from '../control/problems.ts';
import type { ChangeError, ClusterPlace } from '../topology/record.ts';
import { parseSlotRange } from '../topology/slot.ts';
import type { Look } from './node-watch.ts';
import type { LeaderMetrics } from './ports.ts';

type Kind = 'failover' | 'switchover';

/** Problems that say why a master is not replaced. */
const BLOCKING: ReadonlySet<ProblemKind> = new Set([
  'masterUnreachable',
  'masterUnconfirmed',
  'failoverRestrained',
]);

/** What is decided anew by whoever can: that it was not committed is no failure. */
const DECIDED_ANEW: ReadonlySet<ChangeError['kind']> = new Set(['conflict', 'notLeader']);

/** Begun and not ended; one a shard, and one a job. */
interface Begun {
  readonly atMs: number;
  readonly kind: Kind;
}

/** Told by the supervisor and the reporter of its cluster. */
export class Tally {
  readonly #place: ClusterPlace;
  readonly #clock: Clock;
  readonly #metrics: LeaderMetrics;
  /** Changes of masters by their shard, from the decision until the new one is seen in office. */
  readonly #changes = new Map<number, Begun>();
  /** When jobs began, by their slots. */
  readonly #jobs = new Map<string, number>();

  constructor(
    place: ClusterPlace,
    { clock, metrics }: { readonly clock: Clock; readonly metrics: LeaderMetrics },
  ) {
    this.#place = place;
    this.#clock = clock;
    this.#metrics = metrics;
  }

  begin(): void {
    this.#metrics.begin(this.#place, BLOCKING);
  }

  looked({ result, startedAtMs, endedAtMs }: Look): void {
    const error = result.kind === 'failed' ? result.error.kind : null;
    this.#metrics.probe(this.#place, { elapsedMs: endedAtMs - startedAtMs, error });
  }

  roundLate(): void {
    this.#metrics.roundLate();
  }

  /** A problem is new, or has another reason now. */
  problem(kind: ProblemKind): void {
    if (BLOCKING.has(kind)) this.#metrics.failoverBlocked(this.#place, kind);
  }

  pushed(isAccepted: boolean): void {
    this.#metrics.push(this.#place, isAccepted ? 'accepted' : 'failed');
  }

  migrateAnswered(isAccepted: boolean): void {
    this.#metrics.migrate(isAccepted ? 'accepted' : 'failed');
  }

  /** Decided, and not committed yet. A switchover begins with its drain. */
  committing(reason: CommitReason): void {
    const atMs = this.#clock.monotonicMs();
    if (reason.kind === 'drainStarted') this.#changes.set(reason.shardIndex, { atMs, kind: 'switchover' });
    else if (reason.kind === 'failover' && !reason.isDrained)
      this.#changes.set(reason.shardIndex, { atMs, kind: 'failover' });
    else if (reason.kind === 'migrationStarted') this.#jobs.set(reason.slots, atMs);
  }

  committed(reason: CommitReason, result: Result<void, ChangeError>): void {
    this.#metrics.commit(reason.kind, result.ok ? 'committed' : 'refused');
    if (!result.ok) this.#notCommitted(reason, result.error);
    else if (reason.kind === 'failover')
      this.#metrics.failover(this.#place, kindOf(reason), 'done', reason.lost);
    else if (reason.kind === 'drainUndone') {
      this.#changes.delete(reason.shardIndex);
      this.#metrics.failover(this.#place, 'switchover', 'undone');
    } else if (reason.kind === 'promotionConfirmed') this.#promoted(reason.shardIndex);
    else if (reason.kind === 'migrationFinished') this.#jobEnded(reason.slots, 'moved');
    else if (reason.kind === 'migrationGivenUp') this.#jobEnded(reason.slots, 'kept');
  }

  #notCommitted(reason: CommitReason, { kind }: ChangeError): void {
    if (reason.kind !== 'failover' || DECIDED_ANEW.has(kind)) return;
    this.#metrics.failover(this.#place, kindOf(reason), 'failed');
  }

  #promoted(shardIndex: number | null): void {
    const begun = shardIndex === null ? undefined : this.#changes.get(shardIndex);
    if (shardIndex === null || begun === undefined) return;
    this.#changes.delete(shardIndex);
    this.#metrics.promoted(this.#place, begun.kind, this.#clock.monotonicMs() - begun.atMs);
  }

  #jobEnded(slots: string, outcome: 'moved' | 'kept'): void {
    const atMs = this.#jobs.get(slots);
    this.#jobs.delete(slots);
    const range = parseSlotRange(slots);
    if (!range.ok) return;
    const elapsedMs = atMs === undefined ? null : this.#clock.monotonicMs() - atMs;
    const count = range.value.stop - range.value.start + 1;
    this.#metrics.slots(this.#place, { outcome, count, elapsedMs });
  }
}

function kindOf({ isDrained }: Extract<CommitReason, { readonly kind: 'failover' }>): Kind {
  return isDrained ? 'switchover' : 'failover';
}
