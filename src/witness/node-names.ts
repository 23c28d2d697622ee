// Keeps the addresses of host names known on a member that has never had to connect to them.

import { isIP } from 'node:net';

import type { Clock, Timer } from '../base/clock.ts';

export interface NodeNamesPorts {
  readonly clock: Clock;
  /** The hosts of all other members and of all nodes in the records; a host may come more than once. */
  readonly hosts: () => Iterable<string>;
  /** Whether an address of the host is known now. Never rejects. */
  readonly resolve: (host: string) => Promise<boolean>;
}

/** Milliseconds after which a name whose address is known is looked up again, and all hosts are read again: pods move, members change. */
const REFRESH_MS = 60_000;
/** Milliseconds after which one that could not be resolved is tried again. */
const RETRY_MS = 5000;
const TICK_MS = 1000;
/** Milliseconds after which a change of the records is read: many at a time are read together. */
const GATHER_MS = 200;
/** Names being looked up at once: ten thousand are known after two minutes, and the leader's own look-ups find room beside them. */
const LOOKUPS_MAX = 100;

/**
 * A witness is asked when a node is missed, and a follower seeks the lead when the leader is, which may both be because no name service answers any
 * more: what it has not looked up by then it cannot look up. So every member knows the names of the nodes and of the other members beforehand.
 */
export class NodeNames {
  readonly #ports: NodeNamesPorts;
  /** When each name is to be looked up next; the one that waits for longest comes first. Infinity while it is looked up. */
  readonly #dueMs = new Map<string, number>();
  #areRecordsNew = false;
  #nextGatherAtMs = -Infinity;
  #underWay = 0;
  #timer: Timer | null = null;
  #isClosed = false;

  constructor(ports: NodeNamesPorts) {
    this.#ports = ports;
  }

  /** To be called when it begins, and after every change of the records. */
  refresh(): void {
    if (this.#areRecordsNew) return;
    this.#areRecordsNew = true;
    this.#wakeIn(GATHER_MS);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #wakeIn(delayMs: number): void {
    if (this.#isClosed) return;
    this.#timer?.cancel();
    this.#timer = this.#ports.clock.setTimer(delayMs, () => this.#tick());
  }

  #tick(): void {
    const nowMs = this.#ports.clock.monotonicMs();
    if (this.#areRecordsNew || nowMs >= this.#nextGatherAtMs) {
      this.#nextGatherAtMs = nowMs + REFRESH_MS;
      this.#gather();
    }
    for (const [host, dueMs] of this.#dueMs) {
      if (this.#underWay >= LOOKUPS_MAX) break;
      if (dueMs <= nowMs) void this.#lookUp(host);
    }
    this.#wakeIn(TICK_MS);
  }

  #gather(): void {
    this.#areRecordsNew = false;
    const hosts = new Set<string>();
    for (const host of this.#ports.hosts()) if (isIP(host) === 0) hosts.add(host);
    for (const host of this.#dueMs.keys()) if (!hosts.has(host)) this.#dueMs.delete(host);
    for (const host of hosts) if (!this.#dueMs.has(host)) this.#dueMs.set(host, -Infinity);
  }

  async #lookUp(host: string): Promise<void> {
    this.#underWay += 1;
    this.#dueMs.set(host, Infinity);
    const isKnown = await this.#ports.resolve(host);
    this.#underWay -= 1;
    // It may have left the records meanwhile.
    if (!this.#dueMs.delete(host)) return;
    const pauseMs = isKnown ? REFRESH_MS : RETRY_MS;
    this.#dueMs.set(host, this.#ports.clock.monotonicMs() + pauseMs);
  }
}
