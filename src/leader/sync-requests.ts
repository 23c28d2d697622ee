// A topology told again because a person asked for it: everybody is looked at, told, and reported on.

import type { Clock, Timer } from '../base/clock.ts';
import { err, ok, type Result } from '../base/result.ts';
import { heldNodes } from '../control/convergence.ts';
import type { ControlEvent } from '../control/memory.ts';
import type { Situation } from '../control/situation.ts';
import { type SyncedNode, type SyncRefusal, syncOf } from '../control/sync-outcome.ts';
import type { NodeId } from '../topology/types.ts';

/** The answer comes after this long at the latest; what was not told by then is told as soon as that is possible, if it needs it. */
const SYNC_WAIT_MS = 5_000;

export interface SyncRequestsPorts {
  readonly clock: Clock;
  readonly lookNow: (ids: readonly NodeId[]) => void;
  readonly happened: (event: ControlEvent) => void;
  readonly situation: () => Situation;
}

interface Wait {
  readonly isOver: () => boolean;
  readonly end: () => void;
}

/** The decisions do all of it (`control/target.ts`): here the wish is put into their memory, and taken out again. One at a time a cluster. */
export class SyncRequests {
  readonly #ports: SyncRequestsPorts;
  #wait: Wait | null = null;
  #isStopped = false;

  constructor(ports: SyncRequestsPorts) {
    this.#ports = ports;
  }

  async run(ids: readonly NodeId[]): Promise<Result<readonly SyncedNode[], SyncRefusal>> {
    if (this.#isStopped) return err({ kind: 'notLeader' });
    if (this.#wait !== null) return err({ kind: 'busy' });
    const { clock, lookNow, happened } = this.#ports;
    const askedAtMs = clock.monotonicMs();
    happened({ kind: 'asked', nodes: ids, atMs: askedAtMs });
    lookNow(ids);
    await this.#until(() => this.#outcomes(ids, askedAtMs).every(({ isOver }) => isOver));
    if (this.#isStopped) return err({ kind: 'notLeader' });
    const outcomes = this.#outcomes(ids, askedAtMs).map(({ node }) => node);
    happened({ kind: 'asked', nodes: ids, atMs: null });
    return ok(outcomes);
  }

  /** A decision was made. */
  turned(): void {
    if (this.#wait?.isOver() === true) this.#wait.end();
  }

  stop(): void {
    this.#isStopped = true;
    this.#wait?.end();
  }

  /** Of those that left meanwhile nothing is told. */
  #outcomes(ids: readonly NodeId[], askedAtMs: number): readonly ReturnType<typeof syncOf>[] {
    const situation = this.#ports.situation();
    const held = heldNodes(situation);
    return ids
      .filter((id) => situation.views.has(id))
      .map((id) => syncOf(situation, { id, askedAtMs, held }));
  }

  #until(isOver: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      let timer: Timer | null = null;
      const end = (): void => {
        timer?.cancel();
        this.#wait = null;
        resolve();
      };
      timer = this.#ports.clock.setTimer(SYNC_WAIT_MS, end);
      this.#wait = { isOver, end };
    });
  }
}
