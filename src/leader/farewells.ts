// Tells nodes that have left the cluster, until each has heard or is not ours to tell any more.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Result } from '../base/result.ts';
import { endOf, type FarewellEnd, type FarewellStep, farewellStep } from '../control/departure.ts';
import type { NodeError } from '../control/observation.ts';
import type { Problem } from '../control/problems.ts';
import type { DepartureStatus } from '../control/status.ts';
import { findNode } from '../topology/cluster.ts';
import { closed, type Departure } from '../topology/departure.ts';
import type { ChangeError, ClusterRecord } from '../topology/record.ts';
import type { ClusterVersion, NodeAddress, NodeId } from '../topology/types.ts';
import { ChangeGate } from './change-gate.ts';
import type { DepartureBook } from './departure-book.ts';
import { type Farewell, newFarewell, paceMs } from './farewell.ts';
import type { NodeClient } from './ports.ts';

/** A node whose connection has ended is looked at at once, but not again for this long: some take every connection and end it. */
const LOST_PAUSE_MS = 1_000;

/** Untold for so long is told to people. */
const UNTOLD_MS = 60_000;

/** Steps of one node in a row; more are not needed, and what goes in a circle must not go on at once. */
const STEPS_MAX = 8;

/** SETNODES may wait 10 s for a sleeping replication thread (facts section 3.6), and RESET waits for the same lock. */
const TELL_DEADLINE_MS = 15_000;

export interface FarewellsPorts {
  readonly book: DepartureBook;
  readonly client: Pick<NodeClient, 'probe' | 'setTopology' | 'reset' | 'release'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly lookDeadlineMs: () => number;
  /** The record as of now. */
  readonly record: () => ClusterRecord;
  /** The lead is confirmed by a majority, and this is the committed version still. */
  readonly confirm: (version: ClusterVersion) => Promise<Result<void, NodeError>>;
  /** What people are told may have changed. */
  readonly onNews: () => void;
}

/**
 * Owned by the supervisor of the cluster. One act at a time a node. Nothing that takes effect is sent without a confirmed lead, nor to a
 * node whose id or address is a member of any cluster.
 */
export class Farewells {
  readonly #ports: FarewellsPorts;
  readonly #open = new Map<NodeId, Farewell>();
  readonly #acts = new Set<Promise<void>>();
  readonly #news = new ChangeGate<NodeId>();
  #isStopped = false;

  constructor(ports: FarewellsPorts) {
    this.#ports = ports;
  }

  /** The record of what has left may have changed: begins what is new, ends what is over. */
  follow(): void {
    if (this.#isStopped) return;
    const wanted = new Map(this.#ports.book.untold().map((departure) => [departure.id, departure]));
    for (const farewell of this.#open.values())
      if (wanted.get(farewell.id)?.leftAtSeconds !== farewell.leftAtSeconds) this.#end(farewell);
    for (const { id, leftAtSeconds } of wanted.values()) {
      if (this.#open.has(id)) continue;
      const farewell = newFarewell({ id, leftAtSeconds }, this.#ports.clock.monotonicMs());
      this.#open.set(id, farewell);
      this.#try(farewell);
    }
  }

  /** Looks at all of them now. */
  lookNow(): void {
    for (const farewell of this.#open.values()) this.#try(farewell);
  }

  /** Whoever is at `address` ended its connection: a process that ends, and may soon be another one. */
  connectionLost(address: NodeAddress): void {
    const nowMs = this.#ports.clock.monotonicMs();
    for (const farewell of this.#open.values()) {
      if (this.#ports.book.find(farewell)?.address !== address) continue;
      if (nowMs < farewell.lostAtMs + LOST_PAUSE_MS) continue;
      farewell.lostAtMs = nowMs;
      this.#try(farewell);
    }
  }

  /** What has left, but for who is back. */
  status(): readonly DepartureStatus[] {
    const { cluster } = this.#ports.record();
    return this.#ports.book
      .all()
      .filter(({ id }) => findNode(cluster, id) === null)
      .map(({ id, address, leftAtSeconds, toldAtSeconds }) => ({
        id,
        address,
        leftAtSeconds,
        state: toldAtSeconds === null ? 'untold' : 'detached',
        error: toldAtSeconds === null ? (this.#open.get(id)?.why ?? null) : null,
      }));
  }

  problems(): readonly Problem[] {
    const nowMs = this.#ports.clock.monotonicMs();
    return this.#ports.book.untold().flatMap(({ id, address }): Problem[] => {
      const farewell = this.#open.get(id);
      if (farewell === undefined || nowMs - farewell.sinceMs < UNTOLD_MS) return [];
      const detail = `${id.slice(0, 8)} at ${address}: ${farewell.why ?? 'it was not looked at yet'}`;
      return [{ kind: 'departedUntold', shardIndex: null, node: id, address, detail }];
    });
  }

  /** Nothing starts after this. */
  stop(): void {
    this.#isStopped = true;
    for (const farewell of this.#open.values()) farewell.timer?.cancel();
  }

  /** Resolves when all that is under way has ended. */
  async ended(): Promise<void> {
    await Promise.all(this.#acts);
  }

  #end(farewell: Farewell): void {
    farewell.timer?.cancel();
    this.#open.delete(farewell.id);
    this.#news.clear(farewell.id);
  }

  /** The departure as recorded now; null once it is over, or another one of the same node. */
  #current(farewell: Farewell): Departure | null {
    const isOver = this.#isStopped || this.#open.get(farewell.id) !== farewell;
    return isOver ? null : this.#ports.book.find(farewell);
  }

  #try(farewell: Farewell): void {
    if (this.#isStopped) return;
    if (farewell.isBusy) {
      farewell.isWantedAgain = true;
      return;
    }
    farewell.timer?.cancel();
    farewell.isBusy = true;
    const act = this.#act(farewell);
    this.#acts.add(act);
    void act.then(() => this.#acts.delete(act));
  }

  async #act(farewell: Farewell): Promise<void> {
    const before = farewell.why;
    let isOn = true;
    for (let step = 0; isOn && step < STEPS_MAX; step += 1) isOn = await this.#step(farewell);
    farewell.isBusy = false;
    if (this.#isStopped || this.#open.get(farewell.id) !== farewell) return;
    if (farewell.why !== before) this.#ports.onNews();
    const delayMs = farewell.isWantedAgain
      ? 0
      : paceMs(farewell, this.#current(farewell), this.#ports.record());
    farewell.isWantedAgain = false;
    farewell.timer = this.#ports.clock.setTimer(delayMs, () => this.#try(farewell));
  }

  /** A look and what follows from it. Whether the next one may follow at once. */
  async #step(farewell: Farewell): Promise<boolean> {
    const { client, lookDeadlineMs } = this.#ports;
    const asked = this.#current(farewell);
    if (asked === null) return false;
    const look = await client.probe(asked, lookDeadlineMs());
    const departure = this.#current(farewell);
    if (departure === null) return false;
    if (look.kind === 'answered') farewell.seenRole = look.report.role;
    const { cluster, facts } = this.#ports.record();
    const { toldVersion, keepsData } = farewell;
    const owner = this.#ports.book.ownerOf(departure);
    return this.#carryOut(
      farewell,
      departure,
      farewellStep({ departure, look, cluster, facts, owner, toldVersion, keepsData }),
    );
  }

  async #carryOut(farewell: Farewell, departure: Departure, step: FarewellStep): Promise<boolean> {
    switch (step.kind) {
      case 'wait':
        return this.#wait(farewell, departure, step.why);
      case 'note':
        return this.#recorded(
          farewell,
          departure,
          await this.#ports.book.change(departure, (known) => ({ ...known, cutOff: step.cutOff })),
        );
      case 'tell':
        return this.#tell(farewell, departure, step);
      case 'reset':
        return this.#reset(farewell, departure);
      default:
        return this.#close(farewell, departure, step);
    }
  }

  #wait(farewell: Farewell, { id, address }: Departure, why: string): false {
    farewell.why = why;
    if (this.#news.isNews(id, why.replaceAll(/\d+/g, '')))
      this.#ports.logger.info('departure.waiting', { node: id, addr: address, why });
    return false;
  }

  /** Right before something is sent: the lead stands, and no cluster has the node. It may have come to one since the look. */
  async #confirmed(departure: Departure, version: ClusterVersion): Promise<Result<void, NodeError>> {
    const confirmed = await this.#ports.confirm(version);
    if (!confirmed.ok || this.#ports.book.ownerOf(departure) === null) return confirmed;
    return { ok: false, error: { kind: 'ownFault', message: 'not sent: the node belongs to a cluster now' } };
  }

  async #tell(
    farewell: Farewell,
    departure: Departure,
    { text, version, isForced, isIdGiven }: Extract<FarewellStep, { readonly kind: 'tell' }>,
  ): Promise<boolean> {
    const confirmed = await this.#confirmed(departure, version);
    if (this.#current(farewell) === null) return false;
    if (!confirmed.ok) return this.#wait(farewell, departure, confirmed.error.message);
    const push = { id: isIdGiven ? departure.id : null, text, version, force: isForced };
    const told = await this.#ports.client.setTopology(departure, push, TELL_DEADLINE_MS);
    if (!told.ok) return this.#wait(farewell, departure, told.error.message);
    farewell.toldVersion = version;
    this.#ports.logger.info('departure.told', { node: departure.id, addr: departure.address, version });
    return true;
  }

  async #reset(farewell: Farewell, departure: Departure): Promise<boolean> {
    const confirmed = await this.#confirmed(departure, this.#ports.record().cluster.version);
    if (this.#current(farewell) === null) return false;
    if (!confirmed.ok) return this.#wait(farewell, departure, confirmed.error.message);
    const outcome = await this.#ports.client.reset(departure, TELL_DEADLINE_MS);
    if (!outcome.ok) return this.#wait(farewell, departure, outcome.error.message);
    farewell.keepsData = outcome.value === 'keepsData';
    return true;
  }

  async #close(farewell: Farewell, departure: Departure, step: FarewellEnd): Promise<boolean> {
    const { id, address } = departure;
    const { kind, why } = step;
    const nowSeconds = Math.floor(this.#ports.clock.wallMs() / 1000);
    const ended = await this.#ports.book.change(
      departure,
      (known) => (kind === 'detached' ? closed(known, nowSeconds) : null),
      endOf(departure, step),
    );
    if (!ended.ok) return this.#recorded(farewell, departure, ended);
    const own = kind === 'left' ? {} : { lost: step.own.lost, own: step.own.text };
    this.#ports.logger.info('departure.ended', { node: id, addr: address, outcome: kind, why, ...own });
    if (this.#ports.book.ownerOf(departure) === null) this.#ports.client.release(address);
    this.#ports.onNews();
    return false;
  }

  #recorded(farewell: Farewell, departure: Departure, outcome: Result<void, ChangeError>): boolean {
    if (outcome.ok) return true;
    return this.#wait(farewell, departure, `it could not be written down: ${outcome.error.kind}`);
  }
}
