// What the leader counts and measures. Nothing of it is there on a member that does not lead, nor of a cluster that is no more.

import { LEADER_COUNTED } from './declared/leader.ts';
import { histogramOf, seriesOf } from './series.ts';

export interface CountedPlace {
  readonly namespace: string;
  readonly cluster: string;
}

export type ChangeKind = 'failover' | 'switchover';
export type ChangeResult = 'done' | 'failed' | 'undone';

const KINDS: readonly ChangeKind[] = ['failover', 'switchover'];
const RESULTS: readonly ChangeResult[] = ['done', 'failed', 'undone'];

/** What is counted by the supervisors; `leader/ports.ts` has the same shape. */
export interface LeaderCounts {
  /** A cluster is looked after from now on; `blockingReasons`: all that `failoverBlocked` may be given. */
  begin(place: CountedPlace, blockingReasons: Iterable<string>): void;
  /** The cluster is no more. */
  forget(place: CountedPlace): void;
  /** A look has ended; `error`: the kind of what came instead of a report. */
  probe(place: CountedPlace, look: { readonly elapsedMs: number; readonly error: string | null }): void;
  /** A round of looks began more than an interval late. */
  roundLate(): void;
  /** A change of masters came to an end; `lost`: sequence numbers that are known to be lost by one that is done. */
  failover(place: CountedPlace, kind: ChangeKind, result: ChangeResult, lost?: number | null): void;
  /** The new master was seen in office so long after the decision. */
  promoted(place: CountedPlace, kind: ChangeKind, elapsedMs: number): void;
  /** A master is missed, or has lost its data, and is not replaced now; `reason`: the kind of the problem. */
  failoverBlocked(place: CountedPlace, reason: string): void;
  push(place: CountedPlace, outcome: 'accepted' | 'failed'): void;
  migrate(outcome: 'accepted' | 'failed'): void;
  /** A job has ended, with all its slots; `elapsedMs` is null where its beginning was not seen here. */
  slots(
    place: CountedPlace,
    job: { readonly outcome: 'moved' | 'kept'; readonly count: number; readonly elapsedMs: number | null },
  ): void;
  commit(kind: string, outcome: 'committed' | 'refused'): void;
}

/** Owns the series; see `LeaderCounts`. What comes late from an earlier lead is dropped. */
export class LeaderTally implements LeaderCounts {
  readonly #nowSeconds: () => number;
  readonly #places = new Set<string>();
  #isLeading = false;
  readonly #probes = histogramOf(LEADER_COUNTED, 'node_probe_seconds');
  readonly #probeFailures = seriesOf(LEADER_COUNTED, 'node_probe_failures_total');
  readonly #late = seriesOf(LEADER_COUNTED, 'probes_late_total');
  readonly #failovers = seriesOf(LEADER_COUNTED, 'failovers_total');
  readonly #blocked = seriesOf(LEADER_COUNTED, 'failover_blocked_total');
  readonly #lost = seriesOf(LEADER_COUNTED, 'failover_lost_sequences_total');
  readonly #last = seriesOf(LEADER_COUNTED, 'failover_last_timestamp_seconds');
  readonly #durations = histogramOf(LEADER_COUNTED, 'failover_seconds');
  readonly #pushes = seriesOf(LEADER_COUNTED, 'topology_pushes_total');
  readonly #slots = seriesOf(LEADER_COUNTED, 'migrated_slots_total');
  readonly #slotSeconds = histogramOf(LEADER_COUNTED, 'migration_slot_seconds');
  readonly #migrates = seriesOf(LEADER_COUNTED, 'migrate_commands_total');
  readonly #decisions = seriesOf(LEADER_COUNTED, 'decisions_total');
  readonly #ofPlaces = [
    this.#probes,
    this.#probeFailures,
    this.#failovers,
    this.#blocked,
    this.#lost,
    this.#last,
    this.#pushes,
    this.#slots,
  ];
  readonly #ofLead = [this.#late, this.#durations, this.#slotSeconds, this.#migrates, this.#decisions];

  constructor(nowSeconds: () => number) {
    this.#nowSeconds = nowSeconds;
  }

  /** To be told of every change of the lead, before whoever begins or ends with it. */
  follow(isLeading: boolean): void {
    if (isLeading === this.#isLeading) return;
    this.#isLeading = isLeading;
    this.#places.clear();
    for (const series of [...this.#ofPlaces, ...this.#ofLead]) series.clear();
    if (!isLeading) return;
    this.#late.add({}, 0);
    this.#slotSeconds.begin({});
    for (const kind of KINDS) this.#durations.begin({ kind });
    for (const outcome of ['accepted', 'failed']) this.#migrates.add({ outcome }, 0);
  }

  begin({ namespace, cluster }: CountedPlace, blockingReasons: Iterable<string>): void {
    if (!this.#isLeading) return;
    const place = { namespace, cluster };
    this.#places.add(keyOf(place));
    this.#probes.begin(place);
    this.#lost.add(place, 0);
    for (const kind of KINDS)
      for (const result of RESULTS) this.#failovers.add({ ...place, kind, result }, 0);
    for (const reason of blockingReasons) this.#blocked.add({ ...place, reason }, 0);
    for (const result of ['accepted', 'failed']) this.#pushes.add({ ...place, result }, 0);
    for (const result of ['moved', 'kept']) this.#slots.add({ ...place, result }, 0);
  }

  forget({ namespace, cluster }: CountedPlace): void {
    const place = { namespace, cluster };
    this.#places.delete(keyOf(place));
    for (const series of this.#ofPlaces) series.forget(place);
  }

  probe(place: CountedPlace, look: { readonly elapsedMs: number; readonly error: string | null }): void {
    if (!this.#has(place)) return;
    this.#probes.observe(place, look.elapsedMs / 1000);
    if (look.error !== null) this.#probeFailures.add({ ...place, reason: look.error });
  }

  roundLate(): void {
    if (this.#isLeading) this.#late.add({});
  }

  failover(place: CountedPlace, kind: ChangeKind, result: ChangeResult, lost: number | null = null): void {
    if (!this.#has(place)) return;
    this.#failovers.add({ ...place, kind, result });
    if (result !== 'done') return;
    this.#lost.add(place, lost ?? 0);
    this.#last.set(place, this.#nowSeconds());
  }

  promoted(place: CountedPlace, kind: ChangeKind, elapsedMs: number): void {
    if (this.#has(place)) this.#durations.observe({ kind }, elapsedMs / 1000);
  }

  failoverBlocked(place: CountedPlace, reason: string): void {
    if (this.#has(place)) this.#blocked.add({ ...place, reason });
  }

  push(place: CountedPlace, outcome: 'accepted' | 'failed'): void {
    if (this.#has(place)) this.#pushes.add({ ...place, result: outcome });
  }

  migrate(outcome: 'accepted' | 'failed'): void {
    if (this.#isLeading) this.#migrates.add({ outcome });
  }

  slots(
    place: CountedPlace,
    job: { readonly outcome: 'moved' | 'kept'; readonly count: number; readonly elapsedMs: number | null },
  ): void {
    if (!this.#has(place)) return;
    const { outcome, count, elapsedMs } = job;
    this.#slots.add({ ...place, result: outcome }, count);
    if (outcome === 'kept' || elapsedMs === null) return;
    this.#slotSeconds.observe({}, elapsedMs / 1000 / count, count);
  }

  commit(kind: string, outcome: 'committed' | 'refused'): void {
    if (this.#isLeading) this.#decisions.add({ kind, outcome });
  }

  *lines(): Iterable<string> {
    if (!this.#isLeading) return;
    for (const series of [...this.#ofPlaces, ...this.#ofLead]) yield* series.lines();
  }

  #has(place: CountedPlace): boolean {
    return this.#places.has(keyOf(place));
  }
}

/** Names contain no slash. */
function keyOf({ namespace, cluster }: CountedPlace): string {
  return `${namespace}/${cluster}`;
}
