// Waits until a cluster is what it should be, and looks what is gone.

import { Copies } from './copies.ts';
import type { Ledger, Write } from './ledger.ts';
import { SETTLE_DEADLINE_MS, type Settled, untilConverged, untilEqual } from './looks.ts';
import type { OperatorApi } from './operator-api.ts';
import type { ActionReport, ReplicaDifference } from './verdicts.ts';
import type { Writers } from './writers.ts';

export type Found = Pick<ActionReport, 'lost' | 'differing' | 'unsettled'> & {
  /** All keys of all nodes; null when nothing has settled. */
  readonly copies: Copies | null;
};

export class Audit {
  readonly #api: OperatorApi;
  readonly #writers: Writers;
  readonly #ledger: Ledger;
  readonly #signal: AbortSignal;
  /** Keys in which each replica was last seen to differ from its master. */
  #differing: ReadonlyMap<string, number> = new Map();

  constructor(run: {
    readonly api: OperatorApi;
    readonly writers: Writers;
    readonly ledger: Ledger;
    readonly signal: AbortSignal;
  }) {
    this.#api = run.api;
    this.#writers = run.writers;
    this.#ledger = run.ledger;
    this.#signal = run.signal;
  }

  /** Writers go on until the topology is quiet, and rest while all copies are read. */
  async settle(): Promise<Found> {
    let settled: Settled = await untilConverged(this.#api, this.#signal);
    await this.#writers.pause();
    if (settled.kind === 'settled') settled = await untilEqual(this.#api, this.#signal);
    if (settled.kind === 'unsettled') {
      const unsettled = `after ${SETTLE_DEADLINE_MS} ms ${settled.complaints.join('; ')}`;
      return { lost: [], differing: [], unsettled, copies: null };
    }
    const copies = await Copies.read(settled.cluster);
    const lost: Write[] = [];
    for (const key of this.#ledger.keys) lost.push(...this.#ledger.audit(key, copies.valueOf(key)));
    return { lost, differing: this.#newDifferences(copies.differences()), unsettled: null, copies };
  }

  /** A replica that differs goes on to differ: told once, and again when it is more. */
  #newDifferences(differences: readonly ReplicaDifference[]): readonly ReplicaDifference[] {
    const before = this.#differing;
    this.#differing = new Map(differences.map(({ replica, keyCount }) => [replica, keyCount]));
    return differences.filter(({ replica, keyCount }) => keyCount > (before.get(replica) ?? 0));
  }
}
