// When the disk of the log counts as stalled, as hung or as nearly full, from how its operations have been doing.

import type { Logger } from '../base/logger.ts';
import type { DurableLog } from './ports.ts';

/**
 * `stalled`: one operation has taken longer than half an election timeout. `hung`: longer than a whole one, so that the
 * others have, or are about to have, another leader.
 */
export type DiskCondition = 'well' | 'stalled' | 'hung';

/** Looked at with every tick and every finished operation; says each change once in the log of the process. */
export class DiskWatch {
  readonly #log: DurableLog;
  readonly #logger: Logger;
  readonly #electionTimeoutMs: number;
  #condition: DiskCondition = 'well';
  #spaceLow = false;
  #isExhaustionTold = false;

  constructor(
    log: DurableLog,
    parts: { readonly logger: Logger },
    options: { readonly electionTimeoutMs: number },
  ) {
    this.#log = log;
    this.#logger = parts.logger;
    this.#electionTimeoutMs = options.electionTimeoutMs;
  }

  get condition(): DiskCondition {
    return this.#condition;
  }

  /** As of the last look. */
  get spaceLow(): boolean {
    return this.#spaceLow;
  }

  /**
   * Whether `bytes` more of entries may be written. A follower that filled its last segment would end for good; one that takes
   * nothing in goes on by itself once there is room. Said once while space is low.
   */
  takesEntries(bytes: number): boolean {
    if (!this.#log.spaceLow || this.#log.hasRoomFor(bytes)) return true;
    if (!this.#isExhaustionTold) this.#logger.warn('raft.disk.space_exhausted');
    this.#isExhaustionTold = true;
    return false;
  }

  /** Takes the milliseconds of the operation under way (0: none); returns whether the condition changed. */
  look(pendingMs: number): boolean {
    this.#lookAtSpace();
    const condition = this.#judge(pendingMs);
    if (condition === this.#condition) return false;
    this.#condition = condition;
    if (condition === 'well') this.#logger.info('raft.disk.recovered');
    else this.#logger.warn(`raft.disk.${condition}`, { pendingMs: Math.round(pendingMs) });
    return true;
  }

  #judge(pendingMs: number): DiskCondition {
    if (pendingMs <= this.#electionTimeoutMs / 2) return 'well';
    return pendingMs <= this.#electionTimeoutMs ? 'stalled' : 'hung';
  }

  #lookAtSpace(): void {
    const { spaceLow } = this.#log;
    if (spaceLow === this.#spaceLow) return;
    this.#spaceLow = spaceLow;
    this.#isExhaustionTold = false;
    if (spaceLow) this.#logger.warn('raft.disk.space_low');
    else this.#logger.info('raft.disk.space_regained');
  }
}
