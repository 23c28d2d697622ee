// Renews the leases of the masters of one cluster, as long as a majority confirms the lead.

import type { Clock, Timer } from '../base/clock.ts';
import type { Result } from '../base/result.ts';
import type { LeaseAnswer, LeaseMemory } from '../control/lease-memory.ts';
import type { ControlMemory } from '../control/memory.ts';
import { type ControlSettings, leasePaceMs, renewalMsMax } from '../control/settings.ts';
import { masterOf } from '../topology/cluster.ts';
import type { Cluster, ClusterVersion, Node, NodeId } from '../topology/types.ts';
import type { NodeClient } from './ports.ts';

/** Milliseconds before a server without leases is asked again, unless it may be another process since. */
const NONE_PAUSE_MS = 60_000;

/** Milliseconds between two attempts for a master that refuses writes. */
const HURRY_PAUSE_MS = 500;

/** A master in office, and what is remembered of its lease. */
export interface LeasedMaster {
  readonly node: Node;
  /** Of the topology that gives it its office. */
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
  /** The end of an attempt, of which nothing was sent unless it was let go. */
  readonly onAnswer: (master: LeasedMaster, answer: LeaseAnswer) => void;
}

/** Who may take writes, by the committed topology. */
export function leasedMasters(cluster: Cluster, { nodes }: ControlMemory): readonly LeasedMaster[] {
  return cluster.shards.map((shard) => {
    const node = masterOf(shard);
    return { node, version: cluster.version, hold: nodes.get(node.id)?.lease.hold ?? 'unknown' };
  });
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
  #lastAtMs = -Infinity;
  #timer: Timer | null = null;
  #isStopped = false;

  constructor(ports: LeaseKeeperPorts) {
    this.#ports = ports;
  }

  /**
   * To be called after every decision: the first one has made room in the memory for every node, and renewing begins with it. `isOverdue`: a master
   * that answers refuses writes, as one that is back after a while.
   */
  decided(isOverdue: boolean): void {
    const isSoon = this.#ports.clock.monotonicMs() < this.#lastAtMs + HURRY_PAUSE_MS;
    if (this.#timer === null || (isOverdue && !isSoon)) this.renew();
  }

  /** Renews now, and a third of the lease after the last time for ever; not where leases are off. */
  renew(): void {
    const { settings, clock } = this.#ports;
    if (settings.leaseMs === 0 || this.#isStopped) return;
    this.#lastAtMs = clock.monotonicMs();
    this.#timer?.cancel();
    this.#timer = clock.setTimer(leasePaceMs(settings), () => this.renew());
    const round = this.#renewAll();
    this.#underWay.add(round);
    void round.then(() => this.#underWay.delete(round));
  }

  /**
   * Where leases are on, an old master whose lease is over refuses the writes that outrun it, too. It serves no slot. Not remembered: it is nobody's
   * master. Whatever is written afterwards has to be confirmed anew: this takes its time.
   */
  async open(node: Node, version: ClusterVersion): Promise<void> {
    const { settings, clock, client, confirm } = this.#ports;
    if (settings.leaseMs === 0) return;
    const untilMs = clock.monotonicMs() + renewalMsMax(settings);
    const confirmed = await confirm();
    const leftMs = untilMs - clock.monotonicMs();
    if (!confirmed.ok || this.#isStopped || leftMs <= 0) return;
    const isStillWanted = (): boolean => !this.#isStopped && clock.monotonicMs() < untilMs;
    await client.renewLease(node, { id: node.id, version, leaseMs: settings.leaseMs, isStillWanted }, leftMs);
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
    await Promise.all(due.map((master) => this.#renewOne(master, untilMs)));
  }

  #isDue({ node: { id }, hold }: LeasedMaster): boolean {
    if (this.#busy.has(id)) return false;
    return hold !== 'none' || this.#ports.clock.monotonicMs() >= (this.#restUntilMs.get(id) ?? -Infinity);
  }

  async #renewOne(master: LeasedMaster, untilMs: number): Promise<void> {
    const { client, clock, letGo, onAnswer, settings } = this.#ports;
    const leftMs = untilMs - clock.monotonicMs();
    if (leftMs <= 0) return;
    const { node, version } = master;
    const isStillWanted = (): boolean => !this.#isStopped && clock.monotonicMs() < untilMs && letGo(master);
    const renewal = { id: node.id, version, leaseMs: settings.leaseMs, isStillWanted };
    this.#busy.add(node.id);
    const answer = await client.renewLease(node, renewal, leftMs);
    this.#busy.delete(node.id);
    if (answer.kind === 'none' && answer.isLasting)
      this.#restUntilMs.set(node.id, clock.monotonicMs() + NONE_PAUSE_MS);
    else this.#restUntilMs.delete(node.id);
    onAnswer(master, answer);
  }
}
