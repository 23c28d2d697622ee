// The lease of a master as it is proposed for Kvrocks (kvrocks issue 3397): `CLUSTERX HEARTBEAT` and the setting `master-lease-mode`. No release has it.

/** What an expired lease means: nothing, a line in the log, or that writes are refused. */
export const LEASE_MODES: ReadonlySet<string> = new Set(['disabled', 'log-only', 'block-write']);

export type Beat = 'renewed' | 'versionMismatch';

/** Lives in memory only: a process that starts again has no lease, and takes writes until its first heartbeat. */
export class MasterLease {
  /** Monotonic milliseconds; null before the first heartbeat, and on a replica. */
  #untilMs: number | null = null;
  #version = -1n;

  /** One heartbeat for this very node, which is a master. Versions older than the last one, or than the node's topology, are refused. */
  beat(leaseMs: number, version: bigint, topologyVersion: bigint): Beat {
    if (version < this.#version || version < topologyVersion) return 'versionMismatch';
    this.#version = version;
    this.#untilMs = performance.now() + leaseMs;
    return 'renewed';
  }

  get isExpired(): boolean {
    return this.#untilMs !== null && performance.now() >= this.#untilMs;
  }

  /** A replica has none. */
  drop(): void {
    this.#untilMs = null;
  }
}
