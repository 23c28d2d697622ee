// One seed from its beginning to its verdict: founding, faults for a while, healing, convergence within bounds.

import type { ProbeResult } from '../../../src/control/observation.ts';
import { failureWindowMs } from '../../../src/control/settings.ts';
import { splitSlotsEvenly } from '../../../src/topology/slot.ts';
import type { Slot } from '../../../src/topology/types.ts';
import { Network } from '../network.ts';
import { listenToSteps } from '../production.ts';
import { Trace, type TraceWriter } from '../trace.ts';
import { VirtualTime } from '../virtual-time.ts';
import { Book } from './book.ts';
import { Client } from './clients.ts';
import type { ControllerParts } from './controller.ts';
import { Evidence } from './evidence.ts';
import { Fleet, type NodeBefore } from './fleet.ts';
import type { FleetNode } from './fleet-node.ts';
import { Group } from './group.ts';
import { Judge } from './judge.ts';
import { knobsOf, type Knobs } from './knobs.ts';
import { MovingSlots } from './moving-slots.ts';
import { FleetNemesis } from './nemesis.ts';
import { Operator } from './operator.ts';
import { FEATURE_LEVEL, postThrough } from './production.ts';
import { carrier } from './questions.ts';
import { unequalCopy, unsettled } from './settled.ts';
import { Topologies } from './topologies.ts';

/** More events than any sound run has: a livelock. */
const EVENTS_MAX = 2_000_000;
const LISTEN_MS = 200;
/** In the reason for which a copy that somebody else told to follow is made anew. */
const MISLED = 'somebody else told it to follow';
const FOUNDING_MS = 60_000;
/** Before anything goes wrong, and after everything was healed, with clients that write. */
const QUIET_MS = 2000;
/** Beside some windows of failure and the pauses between repeated attempts, which reach ten seconds. */
const CONVERGENCE_MS = 90_000;

export interface RunOptions {
  readonly seed: number;
  /** Takes the event list; null for none. */
  readonly writer: TraceWriter | null;
}

/** What one run came to. Equal options give an equal verdict, hash and counts. */
export interface Verdict {
  readonly seed: number;
  /** The first thing that was wrong; null for a clean run. */
  readonly violation: string | null;
  readonly hash: string;
  readonly events: number;
  /** Virtual milliseconds. */
  readonly virtualMs: number;
  /** Acknowledged writes. */
  readonly writes: number;
  readonly failovers: number;
  readonly switchovers: number;
  readonly leaders: number;
  /** Spares that took somebody's place. */
  readonly replacements: number;
  /** Ranges of slots that came to another shard. */
  readonly moves: number;
  /** Tasks that succeeded. */
  readonly tasks: number;
}

/** Runs a seed to its end; one at a time in a process. */
export function runSeed(options: RunOptions): Promise<Verdict> {
  return new Run(options).run();
}

class Run {
  readonly #seed: number;
  readonly #knobs: Knobs;
  readonly #trace: Trace;
  readonly #time: VirtualTime;
  /** Between nodes, and to them. */
  readonly #network: Network;
  readonly #group: Group;
  readonly #fleet: Fleet;
  readonly #topologies: Topologies;
  readonly #evidence: Evidence;
  readonly #book: Book;
  readonly #judge: Judge;
  readonly #operator: Operator;
  readonly #nemesis: FleetNemesis;
  readonly #clients: readonly Client[];
  readonly #moving: MovingSlots | null = null;
  #leaders = 0;
  #violation: string | null = null;

  constructor({ seed, writer }: RunOptions) {
    const knobs = knobsOf(seed);
    const trace = new Trace(writer);
    const time = new VirtualTime(trace);
    const violate = (invariant: string, text: string): void => this.#violate(invariant, text);
    const nowUs = (): number => time.nowUs;
    this.#seed = seed;
    this.#knobs = knobs;
    this.#trace = trace;
    this.#time = time;
    const { settings, shards, nodes, linkMs, syncMsMax, thinkMs } = knobs;
    const calm = { lossShare: 0, duplicationShare: 0, reordering: false };
    const network = new Network({ time, seed, knobs: { ...calm, linkMs } });
    this.#network = network;
    const topologies = new Topologies({
      fleet: () => this.#fleet,
      violate,
      onCommitted: (before, after) => this.#judge.committed(before, after),
      onRecorded: (before, after) => {
        this.#book.moves.recorded(before, after);
        this.#moving?.ambush.onRecorded(before, after);
      },
      onWorked: (before, after) => {
        if (isTasked) this.#moving?.tasks.worked(before, after);
      },
    });
    this.#topologies = topologies;
    const isTasked = knobs.moving !== null && knobs.moving.tasks !== null;
    const farther = isTasked ? [1500, 3000, 4000, 5000, 5460] : [];
    const places =
      knobs.moving === null ? [0, 7] : [0, 1, 2, 7, 300, 301, 2000, ...farther].toSorted(ascending);
    const slots = splitSlotsEvenly(shards).flatMap(({ start }) =>
      places.map((place) => (start + place) as Slot),
    );
    const onPlaced = (node: FleetNode): void => {
      topologies.checkMasters(node);
      this.#nemesis.ambush.onPlaced(node);
    };
    const onTold = (node: FleetNode, before: NodeBefore): void => this.#moving?.told(node, before);
    const onDied = (node: FleetNode): void => this.#book.moves.died(node);
    const fleet = new Fleet({ seed, time, trace, network, slots, syncMsMax, onPlaced, onTold, onDied });
    for (let count = 0; count < shards * nodes + knobs.spares; count += 1) fleet.add();
    this.#fleet = fleet;
    this.#evidence = new Evidence(settings);
    this.#book = new Book({ fleet, topologies, settings, trace, violate });
    this.#judge = new Judge({
      fleet,
      evidence: this.#evidence,
      book: this.#book,
      topologies: () => topologies,
      trace,
      violate,
      nowUs,
      onChange: (shard, to) => this.#nemesis.ambush.onChange(shard, to),
      replaceAfterSeconds: knobs.replaceAfterSeconds,
    });
    this.#group = new Group({
      seed,
      knobs,
      time,
      trace,
      violate,
      onCommitted: (entry) => topologies.apply(entry),
      controllers: this.#controllerParts(),
    });
    const group = this.#group;
    this.#operator = new Operator({ seed, trace, knobs, fleet, leader: () => group.leader });
    this.#nemesis = new FleetNemesis({
      seed,
      time,
      trace,
      network,
      knobs,
      fleet,
      topologies,
      operator: this.#operator,
      members: group.members.map(({ id }) => id),
      leader: () => group.leader,
      crash: (id) => group.crash(id),
      freeze: (id) => group.freeze(id),
    });
    if (knobs.moving !== null)
      this.#moving = new MovingSlots({
        seed,
        time,
        trace,
        network,
        moving: knobs.moving,
        fleet,
        moves: this.#book.moves,
        topologies,
        violate,
        ambush: this.#nemesis.moveAmbush(knobs.moving),
        leader: () => group.leader,
      });
    const clientParts = { seed, time, network, fleet, book: this.#book, thinkMs };
    this.#clients = Array.from({ length: knobs.clients }, (_, number) => new Client(clientParts, number));
  }

  async run(): Promise<Verdict> {
    const uncaught = (error: unknown): void =>
      this.#violate(
        'uncaught exception',
        error instanceof Error ? (error.stack ?? error.message) : String(error),
      );
    process.on('unhandledRejection', uncaught);
    postThrough(carrier({ channel: this.#group.channel }));
    try {
      await this.#play();
    } finally {
      postThrough(null);
      listenToSteps(null);
      process.off('unhandledRejection', uncaught);
    }
    return {
      seed: this.#seed,
      violation: this.#violation,
      hash: this.#trace.hash,
      events: this.#time.count,
      virtualMs: this.#time.nowUs / 1000,
      writes: this.#book.acknowledgedCount,
      failovers: this.#judge.failovers,
      switchovers: this.#judge.switchovers,
      leaders: this.#leaders,
      replacements: this.#judge.replacements,
      moves: this.#book.moves.finished,
      tasks: this.#moving?.tasks.succeeded ?? 0,
    };
  }

  async #play(): Promise<void> {
    const { group, faults, settings } = this.#knobs;
    this.#trace.say(
      0,
      () => `faults: ${[...group.faults, ...faults].join(' ')}; ${JSON.stringify(settings)}`,
    );
    this.#group.boot();
    this.#fleet.start();
    this.#listen();
    await this.#expect('no cluster', FOUNDING_MS, () => {
      if (this.#topologies.latest !== null) return true;
      if (this.#group.leader?.level === FEATURE_LEVEL) this.#operator.found();
      return false;
    });
    await this.#expectSettled(FOUNDING_MS);
    for (const client of this.#clients) client.start();
    await this.#pass(QUIET_MS);
    this.#group.disturb();
    this.#nemesis.start();
    this.#moving?.mover.start();
    await this.#pass(group.faultyMs);
    if (this.#violation === null) await this.#recover();
  }

  /** What is announced is compared with what happens. */
  #listen(): void {
    this.#time.after(LISTEN_MS * 1000, 'listen', 0, () => {
      this.#judge.listen(this.#group.leader);
      this.#listen();
    });
  }

  async #recover(): Promise<void> {
    this.#trace.say(0, () => 'heals');
    this.#group.heal();
    this.#nemesis.heal();
    this.#moving?.mover.heal();
    await this.#pass(QUIET_MS);
    for (const client of this.#clients) client.stop();
    const tasksMs = this.#moving?.tasksMs ?? 0;
    await this.#expectSettled(CONVERGENCE_MS + tasksMs + 4 * failureWindowMs(this.#knobs.settings));
    const { latest } = this.#topologies;
    if (this.#violation !== null || latest === null) return;
    this.#moving?.tasks.finish(this.#topologies.tasks);
    const lost = this.#book.lost();
    if (lost !== null) this.#violate('lost write', lost);
    const unequal = unequalCopy(this.#fleet, latest, this.#book.forced);
    if (unequal !== null) this.#violate('convergence', unequal);
  }

  /** Settled, and still so after a while in which somebody could have had other ideas. */
  async #expectSettled(boundMs: number): Promise<void> {
    let why: string | null = null;
    let sinceUs = Infinity;
    const stillUs = 2 * this.#knobs.settings.pingIntervalMs * 1000;
    const what = (): string => `not settled (${why}; ${this.#problems()})`;
    await this.#expect(what, boundMs, () => {
      const { latest } = this.#topologies;
      why =
        latest === null || this.#group.leader === null
          ? 'no leader'
          : (unsettled(this.#fleet, latest, this.#moving?.writeForbidden()) ??
            this.#moving?.openTask() ??
            null);
      sinceUs = why === null ? Math.min(sinceUs, this.#time.nowUs) : Infinity;
      return this.#time.nowUs >= sinceUs + stillUs;
    });
  }

  #problems(): string {
    const statuses = this.#group.leader?.terms.statuses() ?? [];
    return JSON.stringify(
      statuses.flatMap(({ problems }) => problems.map(({ kind, detail }) => ({ kind, detail }))),
    );
  }

  async #expect(what: string | (() => string), boundMs: number, condition: () => boolean): Promise<void> {
    if (this.#violation !== null) return;
    const held = await this.#runUntil(this.#time.nowUs + boundMs * 1000, condition);
    if (held) return;
    const text = typeof what === 'string' ? what : what();
    this.#violate('convergence', `${text} within ${Math.round(boundMs)} ms`);
  }

  async #pass(durationMs: number): Promise<void> {
    await this.#runUntil(this.#time.nowUs + durationMs * 1000, () => false);
  }

  /** Runs until `condition` holds or the time has come; false in the latter case, and after a violation. */
  async #runUntil(endUs: number, condition: () => boolean): Promise<boolean> {
    for (let count = 0; this.#violation === null; count += 1) {
      if (count % 32 === 0 && condition()) return true;
      if (!this.#time.step(endUs)) return condition();
      await settle();
      if (this.#time.count > EVENTS_MAX) this.#violate('convergence', `${EVENTS_MAX} events and no end`);
    }
    return false;
  }

  #controllerParts(): Omit<ControllerParts, 'life' | 'channel'> {
    const nowUs = (): number => this.#time.nowUs;
    return {
      seed: this.#seed,
      settings: this.#knobs.settings,
      trace: this.#trace,
      nodes: {
        fleet: this.#fleet,
        network: this.#network,
        nowUs,
        onLook: (observer, node, result, { startedUs, isDuringPush }) => {
          this.#trace.say(
            observer,
            () => `looked at ${node.name} from ${startedUs / 1000}: ${describeLook(result)}`,
          );
          this.#evidence.noteLook(observer, node, { result, startedUs, endedUs: nowUs(), isDuringPush });
          if (result.kind === 'answered' && observer === this.#group.leader?.id)
            this.#book.moves.seen(node, result.report);
        },
        onPush: (node, push) => {
          this.#trace.say(0, () => `pushes v${push.version}${push.force ? ' by force' : ''} to ${node.name}`);
          this.#topologies.checkPush(node, push);
        },
        onOutrun: (node) => {
          const slot = this.#fleet.world.slots.find((each) => node.model.serves(each, this.#fleet.nowMs));
          if (slot !== undefined)
            this.#violate('committed topologies', `${node.name}, which serves slot ${slot}, is outrun`);
        },
      },
      onProposal: (proposal) => this.#judge.proposed(proposal),
      onWord: (leader, observer, word) =>
        this.#evidence.noteTold(leader, observer, { ...word, deliveredUs: nowUs() }),
      onCondemned: (_, why) => {
        // Nobody but the controllers tells nodes anything here, and only a leader before this one could have.
        if (this.#leaders === 1 && why.includes(MISLED))
          this.#violate('condemned', `a copy is to be made anew, since ${why}`);
      },
      onLead: (leader) => {
        this.#leaders += 1;
        this.#book.moves.leaderChanged();
        this.#evidence.noteLead(leader, nowUs());
        this.#nemesis.ambush.onLead();
      },
      nowUs,
    };
  }

  #violate(invariant: string, text: string): void {
    this.#trace.say(0, () => `VIOLATION ${invariant}: ${text}`);
    this.#violation ??= `${invariant}: ${text}`;
  }
}

function ascending(one: number, other: number): number {
  return one - other;
}

function describeLook(result: ProbeResult): string {
  if (result.kind === 'failed') return result.error.message;
  const { version, role, master, link, sequence } = result.report;
  return role === 'master'
    ? `master, v${version}, at ${sequence}`
    : `replica of ${master}, link ${link}, v${version}, at ${sequence}`;
}

/** Every promise that the last event resolved has run to its end after one turn of the event loop. */
function settle(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
