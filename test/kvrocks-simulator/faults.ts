// What SIMULATOR commands may set; never needed for the normal path.

import { sleep } from './timing.ts';

/** A barrier that is open until somebody closes it. */
export class Barrier {
  #opened: PromiseWithResolvers<void> | null = null;

  get closed(): boolean {
    return this.#opened !== null;
  }

  set(closed: boolean): void {
    if (closed) this.#opened ??= Promise.withResolvers<void>();
    else {
      this.#opened?.resolve();
      this.#opened = null;
    }
  }

  /** Resolves at once while it is open. It may be closed again by then: look at `closed`. */
  async passed(): Promise<void> {
    await this.#opened?.promise;
  }
}

/** How the disk takes writes: as they come, so many a second, or not at all, as when it is full. */
export type DiskPace =
  | { readonly kind: 'ok' }
  | { readonly kind: 'slow'; readonly writesPerSecond: number }
  | { readonly kind: 'stuck' };

/** A slow disk takes its writes in steps of this length. */
const STEP_MS = 20;

export class Disk {
  readonly #stuck = new Barrier();
  #pace: DiskPace = { kind: 'ok' };

  setPace(pace: DiskPace): void {
    this.#pace = pace;
    this.#stuck.set(pace.kind === 'stuck');
  }

  get isOk(): boolean {
    return this.#pace.kind === 'ok';
  }

  get isStuck(): boolean {
    return this.#stuck.closed;
  }

  /** Resolves when a stuck disk takes writes again. */
  async freed(): Promise<void> {
    await this.#stuck.passed();
  }

  /** Waits until the disk takes writes, and returns how many it takes now. */
  async room(): Promise<number> {
    while (this.isStuck) await this.freed();
    if (this.#pace.kind !== 'slow') return Number.POSITIVE_INFINITY;
    const count = Math.max(1, Math.floor((this.#pace.writesPerSecond * STEP_MS) / 1000));
    await sleep((count * 1000) / this.#pace.writesPerSecond);
    return count;
  }
}

export class Faults {
  /** Answers LOADING until this time (monotonic ms). */
  loadingUntilMs = 0;
  /** Each command waits this long before it runs. */
  delayMs = 0;
  /** The next CLUSTER IMPORT that succeeds takes effect and is not answered: its connection ends instead. */
  losesImportReply = false;
  /** Closed: no byte of replication goes in or out, and nobody notices (facts section 8). */
  readonly network = new Barrier();
  readonly disk = new Disk();
  /** Closed: a full sync goes on fetching, or restoring, for ever. */
  readonly fetching = new Barrier();
  readonly restoring = new Barrier();
}
