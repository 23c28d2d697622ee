// When the newest snapshot was made or received: seen as it happens, and of one that was there before from its file.

import { stat } from 'node:fs/promises';

import type { Clock } from '../base/clock.ts';
import type { SnapshotFile } from '../raft/ports.ts';

export class SnapshotTimes {
  readonly #clock: Clock;
  readonly #newest: () => SnapshotFile | null;
  #path: string | null;
  #atSeconds: number | null;

  private constructor(
    clock: Clock,
    newest: () => SnapshotFile | null,
    found: { readonly atSeconds: number | null },
  ) {
    this.#clock = clock;
    this.#newest = newest;
    this.#path = newest()?.path ?? null;
    this.#atSeconds = found.atSeconds;
  }

  /** Asks the disk once, at the start: a scrape must never wait for it. */
  static async open(clock: Clock, newest: () => SnapshotFile | null): Promise<SnapshotTimes> {
    const file = newest();
    const atSeconds = file === null ? null : (await stat(file.path)).mtimeMs / 1000;
    return new SnapshotTimes(clock, newest, { atSeconds });
  }

  /** Another one may be the newest. */
  renewed(): void {
    const path = this.#newest()?.path ?? null;
    if (path === this.#path) return;
    this.#path = path;
    this.#atSeconds = this.#clock.wallMs() / 1000;
  }

  /** Seconds since the Unix epoch; null without a snapshot. */
  get newestAtSeconds(): number | null {
    return this.#atSeconds;
  }
}
