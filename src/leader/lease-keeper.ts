// Renews the leases of the masters of one cluster, as long as a majority confirms the lead.

import type { Clock, Timer } from '../base/clock.ts';
import type { Result } from '../base/result.ts';
import type { LeaseAnswer, LeaseMemory } from '../control/lease-memory.ts';
import type { NodeEndpoint } from '../control/node-commands.ts';
import { type ControlSettings, leasePaceMs, renewalMsMax } from '../control/settings.ts';
import type { ClusterVersion, NodeId } from '../topology/types.ts';
import type { NodeClient } from './ports.ts';

/** Milliseconds before a server without leases is asked again, unless it may be another process since. */
const NONE_PAUSE_MS = 60_000;

/** A master in office, by the committed topology. */
export interface LeasedMaster {
  readonly id: NodeId;
  readonly endpoint: NodeEndpoint;
  readonly version: ClusterVersion;
  readonly hold: LeaseMemory['hold'];
}

export interface LeaseKeeperPorts {
  readonly clock: Clock;
  readonly client: Pick<NodeClient, 'renewLease'>;
  readonly settings: ControlSettings;
  readonly masters: () => readonly LeasedMaster[];
  /** Resolves once a majority has confirmed the lead and the present version, in a round that begins after the call. */
  readonly confirm: () => Promise<Result<void, unknown>>;
  /** Asked right before a renewal leaves: whether the master is in office still, and nobody is about to replace it. True is remembered as a renewal under way. */
  readonly letGo: (master: LeasedMaster) => boolean;
  /** The end of an attempt. `wasLetGo`: a renewal may have left. */
  readonly onAnswer: (master: LeasedMaster, answer: LeaseAnswer, wasLetGo: boolean) => void;
}

/**
 * One confirmation for all masters that are due, then all of them at once. What a confirmation justifies ends `renewalMsMax` after that began,
 * however long this process hung in between: the next leader counts on that.
 */
export class LeaseKeeper {
  readonly #ports: LeaseKeeperPorts;
  readonly #restUntilMs = new Map<NodeId, number>();
  readonly #underWay = new Set<Promise<void>>();
  /** Two attempts at one node would end each other in the memory. */
  readonly #busy = new Set<NodeId>();
  #timer: Timer | null = null;
  #isStopped = false;

  constructor(ports: LeaseKeeperPorts) {
    this.#ports = ports;
  }

  /** Renews now, and a third of the lease after the last time for ever; not where leases are off. */
  start(): void {
    const { settings, clock } = this.#ports;
    if (settings.leaseMs === 0 || this.#isStopped) return;
    this.#timer?.cancel();
    this.#timer = clock.setTimer(leasePaceMs(settings), () => this.start());
    const round = this.#renewAll();
    this.#underWay.add(round);
    void round.then(() => this.#underWay.delete(round));
  }

  /** Nothing is sent after this. Resolves when what is under way has ended; closing the client ends it at once. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    this.#timer?.cancel();
    await Promise.all(this.#underWay);
  }

  async #renewAll(): Promise<void> {
    const { clock, confirm, masters, settings } = this.#ports;
    const untilMs = clock.monotonicMs() + renewalMsMax(settings);
    if (!masters().some((master) => this.#isDue(master))) return;
    const confirmed = await confirm();
    if (!confirmed.ok || this.#isStopped) return;
    // What was confirmed is the version of now.
    const due = masters().filter((master) => this.#isDue(master));
    await Promise.all(due.map((master) => this.#renew(master, untilMs)));
  }

  #isDue({ id, hold }: LeasedMaster): boolean {
    if (this.#busy.has(id)) return false;
    return hold !== 'none' || this.#ports.clock.monotonicMs() >= (this.#restUntilMs.get(id) ?? -Infinity);
  }

  async #renew(master: LeasedMaster, untilMs: number): Promise<void> {
    const { client, clock, letGo, onAnswer, settings } = this.#ports;
    const leftMs = untilMs - clock.monotonicMs();
    if (leftMs <= 0) return;
    let wasLetGo = false;
    const { id, version, endpoint } = master;
    this.#busy.add(id);
    const isStillWanted = (): boolean => {
      const isWanted = !this.#isStopped && clock.monotonicMs() < untilMs && letGo(master);
      wasLetGo ||= isWanted;
      return isWanted;
    };
    const renewal = { id, version, leaseMs: settings.leaseMs, isStillWanted };
    const answer = await client.renewLease(endpoint, renewal, leftMs);
    this.#busy.delete(id);
    if (answer.kind === 'none' && answer.isLasting)
      this.#restUntilMs.set(id, clock.monotonicMs() + NONE_PAUSE_MS);
    else this.#restUntilMs.delete(id);
    onAnswer(master, answer, wasLetGo);
  }
}
