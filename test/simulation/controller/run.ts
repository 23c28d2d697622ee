// One seed from its beginning to its verdict: founding, faults for a while, healing, convergence within bounds.

import { assert } from '../../../src/base/assert.ts';
import type { ProbeResult } from '../../../src/control/observation.ts';
import { failureWindowMs } from '../../../src/control/settings.ts';
import type { MemberId } from '../../../src/raft/core/types.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import { openPromotion } from '../../../src/topology/facts.ts';
import { splitSlotsEvenly } from '../../../src/topology/slot.ts';
import { setNodesText } from '../../../src/topology/setnodes-text.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import type { Slot } from '../../../src/topology/types.ts';
import { Configurations } from '../configurations.ts';
import { Invariants } from '../invariants.ts';
import { Ledger } from '../ledger.ts';
import { Marks } from '../marks.ts';
import { Member } from '../member.ts';
import { Nemesis } from '../nemesis.ts';
import { Network } from '../network.ts';
import { Operator as GroupOperator } from '../operator.ts';
import { between, chance, childRandom, exponential } from '../prng.ts';
import { Process } from '../process.ts';
import { foundingBase, foundingMembers, listenToSteps, tickMs } from '../production.ts';
import type { Surroundings } from '../surroundings.ts';
import { Trace, type TraceWriter } from '../trace.ts';
import type { TransportParts } from '../transport.ts';
import { VirtualTime } from '../virtual-time.ts';
import { Book, type Manner } from './book.ts';
import { Channel } from './channel.ts';
import { Client } from './clients.ts';
import { Controller, type ControllerParts, type Proposal } from './controller.ts';
import { Evidence } from './evidence.ts';
import { Fleet } from './fleet.ts';
import { knobsOf, type Knobs } from './knobs.ts';
import { FleetNemesis } from './nemesis.ts';
import { Operator } from './operator.ts';
import { FEATURE_LEVEL, postThrough } from './production.ts';
import { carrier } from './questions.ts';
import { unequalCopy, unsettled } from './settled.ts';
import { Topologies } from './topologies.ts';

/** More events than any sound run has: a livelock. */
const EVENTS_MAX = 2_000_000;
const FOUNDING_MS = 60_000;
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
  readonly #marks = new Marks();
  readonly #groupNetwork: Network;
  readonly #fleetNetwork: Network;
  readonly #members: Member[] = [];
  readonly #controllers = new Map<MemberId, Controller>();
  readonly #fleet: Fleet;
  readonly #topologies: Topologies;
  readonly #evidence: Evidence;
  readonly #book: Book;
  readonly #channel: Channel;
  readonly #operator: Operator;
  readonly #groupNemesis: Nemesis;
  readonly #fleetNemesis: FleetNemesis;
  readonly #restarts;
  readonly #clients: readonly Client[];
  /** How masters came to be replaced, by the topology that does it. */
  readonly #manners = new Map<string, readonly { readonly shardIndex: number; readonly manner: Manner }[]>();
  #lives = 0;
  #leaders = 0;
  #failovers = 0;
  #switchovers = 0;
  #isHealed = false;
  #violation: string | null = null;

  constructor({ seed, writer }: RunOptions) {
    this.#seed = seed;
    this.#knobs = knobsOf(seed);
    const { group, settings, shards, nodes } = this.#knobs;
    this.#trace = new Trace(writer);
    const trace = this.#trace;
    this.#time = new VirtualTime(trace);
    const time = this.#time;
    this.#restarts = childRandom(seed, 'restarts');
    this.#groupNetwork = new Network({ time, seed, knobs: group });
    const calm = { lossShare: 0, duplicationShare: 0, reordering: false };
    this.#fleetNetwork = new Network({ time, seed, knobs: { ...calm, linkMs: this.#knobs.linkMs } });
    const network = this.#fleetNetwork;
    const violate = (invariant: string, text: string): void => this.#violate(invariant, text);
    this.#topologies = new Topologies({
      fleet: () => this.#fleet,
      violate,
      onCommitted: (before, after) => this.#committed(before, after),
    });
    const topologies = this.#topologies;
    this.#fleet = new Fleet({
      seed,
      time,
      trace,
      network,
      slots: splitSlotsEvenly(shards).flatMap(({ start }) => [start, start + 7] as Slot[]),
      syncMsMax: this.#knobs.syncMsMax,
      onPlaced: (node) => topologies.checkMasters(node),
    });
    const fleet = this.#fleet;
    for (let count = 0; count < shards * nodes; count += 1) fleet.add();
    this.#evidence = new Evidence(settings);
    this.#book = new Book({ fleet, topologies, settings, trace, violate });
    this.#channel = new Channel({
      network: this.#groupNetwork,
      answering: (id) => this.#controllerAt(id),
    });
    const leader = (): Controller | null => this.#leader();
    this.#operator = new Operator({ seed, trace, knobs: this.#knobs, fleet, leader });
    const base = foundingBase(foundingMembers(this.#knobs.members));
    const configurations = new Configurations(base.membership, violate, this.#marks);
    const ledger = new Ledger(violate, (entry) => {
      configurations.onCommitted(entry);
      topologies.apply(entry);
    });
    const invariants = new Invariants({
      members: this.#members,
      ledger,
      configurations,
      marks: this.#marks,
      inflightMax: group.driver.inflightMax,
      tickMs: tickMs(group.driver),
      violate,
    });
    const surroundings = this.#surroundings(invariants, configurations);
    for (const id of foundingMembers(this.#knobs.members))
      this.#members.push(new Member(surroundings, id, base));
    const shared = { seed, time, trace, marks: this.#marks, knobs: group, members: this.#members };
    this.#groupNemesis = new Nemesis({
      ...shared,
      network: this.#groupNetwork,
      isFounded: () => true,
      operator: new GroupOperator({
        ...shared,
        provision: () => {
          throw new Error('nobody joins here');
        },
      }),
    });
    this.#fleetNemesis = new FleetNemesis({
      seed,
      time,
      trace,
      network,
      knobs: this.#knobs,
      fleet,
      topologies,
      operator: this.#operator,
      members: this.#members.map(({ id }) => id),
      leader,
      crash: (id) => this.#members.find((member) => member.id === id)?.crash(),
      freeze: (id) => this.#freeze(id),
    });
    const clientParts = { seed, time, network, fleet, book: this.#book, thinkMs: this.#knobs.thinkMs };
    this.#clients = Array.from(
      { length: this.#knobs.clients },
      (_, number) => new Client(clientParts, number),
    );
    listenToSteps((core, input, effects) => {
      const process = Process.current;
      const member = this.#members.find((each) => each.process === process && process !== null);
      if (member === undefined || process?.alive !== true) return;
      member.noteCore(core);
      invariants.onStep(member, core, input, effects);
    });
  }

  async run(): Promise<Verdict> {
    const uncaught = (error: unknown): void =>
      this.#violate(
        'uncaught exception',
        error instanceof Error ? (error.stack ?? error.message) : String(error),
      );
    process.on('unhandledRejection', uncaught);
    postThrough(
      carrier({
        channel: this.#channel,
        topologies: this.#topologies,
        nowUs: () => this.#time.nowUs,
        onTold: (leader, observer, told) => this.#evidence.noteTold(leader, observer, told),
      }),
    );
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
      failovers: this.#failovers,
      switchovers: this.#switchovers,
      leaders: this.#leaders,
    };
  }

  async #play(): Promise<void> {
    const { group, faults, settings } = this.#knobs;
    this.#trace.say(
      0,
      () => `faults: ${[...group.faults, ...faults].join(' ')}; ${JSON.stringify(settings)}`,
    );
    for (const member of this.#members) member.boot();
    this.#fleet.start();
    await this.#expect('no cluster', FOUNDING_MS, () => {
      if (this.#topologies.latest !== null) return true;
      if (this.#leader()?.level === FEATURE_LEVEL) this.#operator.found();
      return false;
    });
    await this.#expectSettled(FOUNDING_MS);
    for (const client of this.#clients) client.start();
    await this.#runUntil(this.#time.nowUs + 2_000_000, () => false);
    this.#groupNemesis.start();
    this.#fleetNemesis.start();
    await this.#runUntil(this.#time.nowUs + group.faultyMs * 1000, () => false);
    if (this.#violation === null) await this.#recover();
  }

  async #recover(): Promise<void> {
    this.#trace.say(0, () => 'heals');
    this.#isHealed = true;
    this.#groupNemesis.heal();
    this.#fleetNemesis.heal();
    await this.#runUntil(this.#time.nowUs + 2_000_000, () => false);
    for (const client of this.#clients) client.stop();
    await this.#expectSettled(CONVERGENCE_MS + 4 * failureWindowMs(this.#knobs.settings));
    const { latest } = this.#topologies;
    if (this.#violation !== null || latest === null) return;
    const lost = this.#book.lost();
    if (lost !== null) this.#violate('lost write', lost);
    const unequal = unequalCopy(this.#fleet, latest, this.#book.forced);
    if (unequal !== null) this.#violate('convergence', unequal);
  }

  /** Settled, and still so after a while in which somebody could have had other ideas. */
  async #expectSettled(boundMs: number): Promise<void> {
    let why: string | null = 'no leader';
    let sinceUs = Infinity;
    const stillUs = 2 * this.#knobs.settings.pingIntervalMs * 1000;
    await this.#expect(
      () => `not settled (${why}; ${this.#problems()})`,
      boundMs,
      () => {
        const { latest } = this.#topologies;
        why = latest === null || this.#leader() === null ? 'no leader' : unsettled(this.#fleet, latest);
        sinceUs = why === null ? Math.min(sinceUs, this.#time.nowUs) : Infinity;
        return this.#time.nowUs >= sinceUs + stillUs;
      },
    );
  }

  #problems(): string {
    const statuses = this.#leader()?.terms.statuses() ?? [];
    return JSON.stringify(
      statuses.flatMap(({ problems }) => problems.map(({ kind, detail }) => ({ kind, detail }))),
    );
  }

  async #expect(what: string | (() => string), boundMs: number, condition: () => boolean): Promise<void> {
    if (this.#violation !== null) return;
    const held = await this.#runUntil(this.#time.nowUs + boundMs * 1000, condition);
    if (!held)
      this.#violate(
        'convergence',
        `${typeof what === 'string' ? what : what()} within ${Math.round(boundMs)} ms`,
      );
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

  #leader(): Controller | null {
    let leader: Controller | null = null;
    for (const { id } of this.#members) {
      const controller = this.#controllerAt(id);
      if (controller?.leads !== true) continue;
      if (leader === null || controller.driver.role.term > leader.driver.role.term) leader = controller;
    }
    return leader;
  }

  #controllerAt(id: MemberId): Controller | null {
    const controller = this.#controllers.get(id) ?? null;
    return controller?.process.alive === true ? controller : null;
  }

  #controllerParts(): ControllerParts {
    this.#lives += 1;
    const nowUs = (): number => this.#time.nowUs;
    return {
      seed: this.#seed,
      life: this.#lives,
      settings: this.#knobs.settings,
      trace: this.#trace,
      channel: this.#channel,
      nodes: {
        fleet: this.#fleet,
        network: this.#fleetNetwork,
        nowUs,
        onLook: (observer, node, result, startedUs) => {
          this.#trace.say(
            observer,
            () => `looked at ${node.name} from ${startedUs / 1000}: ${describeLook(result)}`,
          );
          this.#evidence.noteLook(observer, node, { result, startedUs, endedUs: nowUs() });
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
      onProposal: (proposal) => this.#proposed(proposal),
      onLead: () => {
        this.#leaders += 1;
      },
      nowUs,
    };
  }

  /** A leader is about to propose: what it says of masters that do not answer has to be so. */
  #proposed({ by, record, next, failovers }: Proposal): void {
    const manners = failovers.map(({ shardIndex, isDrained, why }) => {
      const shard = record.cluster.shards[shardIndex];
      assert(shard !== undefined, 'a failover is of a shard');
      const { address } = masterOf(shard);
      const judged = {
        leader: by.id,
        voters: by.driver.membership.voterSets,
        master: address,
        nowUs: this.#time.nowUs,
        leadsSinceUs: by.leadsSinceUs,
      };
      const isByItself = by.byHand === 0 && !isDrained && openPromotion(record.facts, shard.id) === null;
      const against = isByItself ? this.#evidence.against(judged) : null;
      if (against !== null)
        this.#violate('evidence', `${this.#fleet.at(address).name} is replaced (${why}), but ${against}`);
      const look = this.#evidence.lastAnswered(address, { leader: by.id, sinceUs: by.leadsSinceUs });
      const foreignLook = this.#evidence.lastAnswered(address, null);
      return { shardIndex, manner: { isDrained, isForced: by.byForce > 0, look, foreignLook } };
    });
    if (manners.length > 0) this.#manners.set(`${next.version}\n${setNodesText(next)}`, manners);
  }

  #committed(before: ClusterRecord | null, after: ClusterRecord): void {
    this.#trace.event('committed', 0, after.cluster.version);
    this.#trace.say(0, () => `committed v${after.cluster.version}`);
    if (before === null) return;
    const manners = this.#manners.get(`${after.cluster.version}\n${setNodesText(after.cluster)}`) ?? [];
    for (const [shardIndex, next] of after.cluster.shards.entries()) {
      const shard = before.cluster.shards.find(({ id }) => id === next.id);
      if (shard === undefined) continue;
      if (shard.drain === null && next.drain !== null) this.#fleetNemesis.onChange(shard, next.drain.to);
      if (masterOf(shard).id === masterOf(next).id) continue;
      this.#fleetNemesis.onChange(shard, masterOf(next).id);
      const found = manners.find((each) => each.shardIndex === shardIndex);
      assert(found !== undefined, 'a master is only replaced by a leader that tells so');
      if (found.manner.isDrained) this.#switchovers += 1;
      else this.#failovers += 1;
      this.#book.changed(before, after, { shard, next, manner: found.manner });
    }
  }

  #surroundings(invariants: Invariants, configurations: Configurations): Surroundings {
    const { electionTimeoutMs } = this.#knobs.group.driver;
    const transport: TransportParts = {
      time: this.#time,
      trace: this.#trace,
      network: this.#groupNetwork,
      invariants,
      member: (id: MemberId) => this.#members.find((member) => member.id === id) ?? null,
      onSnapshotSent: () => this.#marks.hit('snapshotSent'),
      deadlineUs: electionTimeoutMs * 1000,
      idleUs: electionTimeoutMs * 1000 * 2,
    };
    return {
      seed: this.#seed,
      knobs: this.#knobs.group,
      time: this.#time,
      trace: this.#trace,
      marks: this.#marks,
      invariants,
      configurations,
      transport,
      violate: (invariant, text) => this.#violate(invariant, text),
      onStart: (machine, started, running) => {
        const controller = new Controller(this.#controllerParts(), machine, { process: started, running });
        this.#controllers.set(machine.id, controller);
      },
      onDown: (member) => this.#restartLater(member.id),
    };
  }

  /** Something looks after the processes and starts them again, sooner or later. */
  #restartLater(id: MemberId): void {
    const slow = !this.#isHealed && chance(this.#restarts, 0.25);
    const meanMs = this.#knobs.group.driver.electionTimeoutMs * (slow ? 6 : 0.7);
    this.#time.after(exponential(this.#restarts, meanMs * 1000), 'restart', id, () => {
      this.#members.find((member) => member.id === id)?.boot();
    });
  }

  #freeze(id: MemberId): void {
    const started = this.#members.find((member) => member.id === id)?.process ?? null;
    if (started === null || started.paused) return;
    started.pause();
    const pauseMs = between(this.#restarts, 0.1, 4) * this.#knobs.group.driver.electionTimeoutMs;
    this.#time.after(pauseMs * 1000, 'resume', id, () => started.resume());
  }

  #violate(invariant: string, text: string): void {
    this.#trace.say(0, () => `VIOLATION ${invariant}: ${text}`);
    this.#violation ??= `${invariant}: ${text}`;
  }
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
