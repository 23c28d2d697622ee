// What goes wrong with the nodes and the links to them: one disturbance after another, each undone after a while.

import type { Random } from '../../../src/base/random.ts';
import { LAG_MS_MAX, failureWindowMs } from '../../../src/control/settings.ts';
import type { MemberId } from '../../../src/raft/core/types.ts';
import { allNodes, masterOf, replicasOf } from '../../../src/topology/cluster.ts';
import { openPromotion } from '../../../src/topology/facts.ts';
import type { NodeId, Shard } from '../../../src/topology/types.ts';
import type { Network } from '../network.ts';
import { between, chance, childRandom, exponential, integerBetween, pick, shuffled } from '../prng.ts';
import type { Trace } from '../trace.ts';
import type { VirtualTime } from '../virtual-time.ts';
import { FIRST_CLIENT } from './clients.ts';
import type { Controller } from './controller.ts';
import type { Fleet, FleetNode } from './fleet.ts';
import type { FleetFault, Knobs } from './knobs.ts';
import type { Operator } from './operator.ts';
import type { Topologies } from './topologies.ts';

export interface FleetNemesisParts {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly network: Network;
  readonly knobs: Knobs;
  readonly fleet: Fleet;
  readonly topologies: Topologies;
  readonly operator: Operator;
  /** The numbers of the members' machines. */
  readonly members: readonly number[];
  readonly leader: () => Controller | null;
  /** What can be done to the process of a member. */
  readonly crash: (member: MemberId) => void;
  readonly freeze: (member: MemberId) => void;
}

/** What happens to whom in the midst of a change of masters. */
const AMBUSHES = [
  'crashLeader',
  'freezeLeader',
  'cutLeader',
  'killOld',
  'hangOld',
  'isolateOld',
  'killNew',
  'hangNew',
  'isolateNew',
] as const;

/** How long after a new master was told its old one is back, at most. */
const RESTART_US_MAX = 50_000;

/** How long after the commit it strikes, at most: a drain takes about a tenth of a second, and so does telling all nodes. */
const AMBUSH_MS_MAX = 250;

/** Two ends of a cable: both ways, or one of them. */
interface Cable {
  readonly from: number;
  readonly to: number;
}

export class FleetNemesis {
  readonly #parts: FleetNemesisParts;
  readonly #random: Random;
  readonly #faults: readonly FleetFault[];
  #over = false;

  constructor(parts: FleetNemesisParts) {
    this.#parts = parts;
    this.#random = childRandom(parts.seed, 'fleet nemesis');
    const faults = [...parts.knobs.faults].filter((fault) => fault !== 'ambush');
    // What changes masters is what most of the others need to show something.
    const changing = faults.filter((fault) => fault === 'failover' || fault === 'kill');
    this.#faults = [...faults, ...changing, ...changing];
  }

  start(): void {
    if (this.#faults.length > 0) this.#later();
  }

  /** Undoes everything and disturbs no more. */
  heal(): void {
    const { network, fleet } = this.#parts;
    this.#over = true;
    network.heal();
    for (const node of fleet.nodes) {
      node.model.isStuck = false;
      fleet.revive(node);
    }
  }

  /** A change of masters in a shard was committed, or begun. */
  onChange(shard: Shard, to: NodeId): void {
    const { knobs, time, fleet, trace } = this.#parts;
    if (this.#over || !knobs.faults.has('ambush') || chance(this.#random, 0.5)) return;
    const successor = shard.nodes.find(({ id }) => id === to);
    if (successor === undefined) return;
    const [old, next] = [fleet.at(masterOf(shard).address), fleet.at(successor.address)];
    const ambush = pick(this.#random, AMBUSHES);
    time.after(between(this.#random, 0, AMBUSH_MS_MAX) * 1000, 'ambush', 0, () => {
      if (this.#over) return;
      trace.say(0, () => `ambush: ${ambush}`);
      this.#strike(ambush, old, next);
    });
  }

  /** A leader begins: a master dies before it has seen which replica does not keep up. */
  onLead(): void {
    const { knobs, time, topologies, fleet } = this.#parts;
    if (this.#over || !knobs.faults.has('ambush') || chance(this.#random, 0.3)) return;
    const shard = topologies.latest?.cluster.shards.find((each) =>
      replicasOf(each).some(({ address }) => fleet.at(address).model.isStuck),
    );
    if (shard === undefined) return;
    time.after(between(this.#random, 50, LAG_MS_MAX) * 1000, 'ambush', 0, () => {
      if (!this.#over) this.#kill([fleet.at(masterOf(shard).address)]);
    });
  }

  /** A new master was just told: now the others are, and a quick restart of the old one comes just too late. */
  onPlaced(node: FleetNode): void {
    const { knobs, time, topologies, fleet, trace } = this.#parts;
    const record = topologies.latest;
    const shard = record?.cluster.shards.find((each) => masterOf(each).address === node.address);
    if (record === null || shard === undefined || this.#over || !knobs.faults.has('ambush')) return;
    const from = openPromotion(record.facts, shard.id)?.from;
    const old = shard.nodes.find(({ id }) => id === from);
    if (old === undefined || fleet.at(old.address).model.life !== 'dead' || chance(this.#random, 0.5)) return;
    const waitUs = Math.max(0, node.busyUntilUs - time.nowUs) + between(this.#random, 0, RESTART_US_MAX);
    time.after(waitUs, 'ambush', 0, () => {
      if (this.#over) return;
      const returning = fleet.at(old.address);
      trace.say(0, () => `ambush: ${returning.name} is back`);
      const leader = this.#parts.leader()?.id;
      if (leader !== undefined && chance(this.#random, 0.5))
        this.#cut(this.#between([leader], [returning.number]));
      fleet.revive(returning);
      // Whoever follows it still tries at any time within a second: often just now.
      for (const { address } of shard.nodes) {
        const replica = fleet.at(address);
        if (replica.model.follows === old.address && chance(this.#random, 0.7))
          replica.attemptAtMs = fleet.nowMs + between(this.#random, 0, 20);
      }
    });
  }

  #strike(ambush: (typeof AMBUSHES)[number], old: FleetNode, next: FleetNode): void {
    const { members, crash, freeze } = this.#parts;
    const leader = this.#parts.leader()?.id;
    const everybody = [...members, ...this.#numbers(), ...this.#clients()];
    switch (ambush) {
      case 'crashLeader':
        return leader === undefined ? undefined : crash(leader);
      case 'freezeLeader':
        return leader === undefined ? undefined : freeze(leader);
      case 'cutLeader':
        return leader === undefined ? undefined : this.#cut(this.#between([leader], [old.number]));
      case 'killOld':
        return this.#kill([old]);
      case 'hangOld':
        return this.#hang(old);
      case 'isolateOld':
        return this.#cut(this.#between(this.#some(everybody), [old.number]));
      case 'killNew':
        return this.#kill([next]);
      case 'hangNew':
        return this.#hang(next);
      case 'isolateNew':
        return this.#cut(this.#between(this.#some(everybody), [next.number]));
    }
  }

  #later(): void {
    const { time, knobs } = this.#parts;
    time.after(exponential(this.#random, knobs.nemesisMs * 1000), 'fleet nemesis', 0, () => {
      if (this.#over) return;
      this.#act(pick(this.#random, this.#faults));
      this.#later();
    });
  }

  #act(fault: FleetFault): void {
    const node = this.#victim();
    const { trace, operator, members } = this.#parts;
    trace.event(fault, node.number);
    trace.say(0, () => `nemesis: ${fault}, node ${node.name}`);
    const leader = this.#parts.leader()?.id ?? pick(this.#random, members);
    switch (fault) {
      case 'kill':
        return this.#kill([node]);
      case 'killShard':
        return this.#kill(this.#neighbours(node));
      case 'hang':
        return this.#hang(node);
      case 'stuck':
        return this.#stick(node);
      case 'slowNode':
        return this.#slow(node);
      case 'cutLeader':
        return this.#cut(this.#between([leader], [node.number]));
      case 'cutLeaderFromAll':
        return this.#cut(this.#between([leader], this.#numbers()));
      case 'cutController':
        return this.#cut(this.#between([pick(this.#random, members)], this.#some(this.#numbers())));
      case 'cutFromControllers':
        return this.#cut(this.#between(members, [node.number]));
      case 'isolateNode':
        return this.#cut(this.#between([...members, ...this.#numbers(), ...this.#clients()], [node.number]));
      case 'cutNodes':
        return this.#cut(this.#between([node.number], this.#peersOf(node)));
      case 'cutClients':
        return this.#cut(this.#between([pick(this.#random, this.#clients())], this.#some(this.#numbers())));
      case 'failover':
        return operator.failOver(false);
      case 'forcedFailover':
        return operator.failOver(true);
      case 'addReplica':
        return operator.addReplica();
      case 'removeReplica':
        return operator.removeReplica();
      case 'ambush':
        return;
    }
  }

  /** Mostly a master. */
  #victim(): FleetNode {
    const { fleet, topologies } = this.#parts;
    const cluster = topologies.latest?.cluster;
    if (cluster === undefined || chance(this.#random, 0.3)) return pick(this.#random, fleet.nodes);
    return fleet.at(masterOf(pick(this.#random, cluster.shards)).address);
  }

  #placeOf(node: FleetNode): { readonly master: FleetNode; readonly replicas: readonly FleetNode[] } | null {
    const { fleet, topologies } = this.#parts;
    const cluster = topologies.latest?.cluster;
    if (cluster === undefined) return null;
    const place = allNodes(cluster).find((each) => each.node.address === node.address);
    if (place === undefined) return null;
    return {
      master: fleet.at(masterOf(place.shard).address),
      replicas: replicasOf(place.shard).map(({ address }) => fleet.at(address)),
    };
  }

  /** The node, and one or all of its shard with it. */
  #neighbours(node: FleetNode): readonly FleetNode[] {
    const place = this.#placeOf(node);
    if (place === null) return [node];
    const others = [place.master, ...place.replicas].filter((other) => other !== node);
    return [node, ...this.#some(others)];
  }

  /** Whom its data comes from or goes to, or somebody. */
  #peersOf(node: FleetNode): readonly number[] {
    const place = this.#placeOf(node);
    if (place === null || chance(this.#random, 0.2)) return this.#some(this.#numbers());
    const peers = place.master === node ? place.replicas : [place.master];
    return this.#some(peers.map(({ number }) => number));
  }

  #kill(nodes: readonly FleetNode[]): void {
    const { fleet } = this.#parts;
    const quick = chance(this.#random, 0.35);
    for (const node of nodes) {
      fleet.kill(node);
      const downMs = quick ? between(this.#random, 30, 1200) : this.#durationMs();
      this.#undo('revive', downMs, () => fleet.revive(node));
    }
  }

  #hang(node: FleetNode): void {
    const { fleet } = this.#parts;
    fleet.hang(node);
    const { lives } = node;
    this.#undo('revive', this.#durationMs(), () => {
      if (node.lives === lives) fleet.revive(node);
    });
  }

  #stick(node: FleetNode): void {
    node.model.isStuck = true;
    // Long enough for a leader to have seen and written it down.
    this.#undo('unstuck', this.#durationMs() + between(this.#random, 0, 8000), () => {
      node.model.isStuck = false;
    });
  }

  #slow(node: FleetNode): void {
    const { network, members } = this.#parts;
    const factor = integerBetween(this.#random, 5, 400);
    const cables = this.#between(members, [node.number]);
    for (const { from, to } of cables) network.slow(from, to, factor);
    this.#undo('mend', this.#durationMs(), () => this.#mend(cables));
  }

  #cut(cables: readonly Cable[]): void {
    const { network, trace } = this.#parts;
    trace.say(0, () => `cut: ${cables.map(({ from, to }) => `${from}>${to}`).join(' ')}`);
    for (const { from, to } of cables) network.cut(from, to);
    this.#undo('mend', this.#durationMs(), () => this.#mend(cables));
  }

  #mend(cables: readonly Cable[]): void {
    for (const { from, to } of cables) this.#parts.network.mend(from, to);
  }

  /** Both directions; now and then only one. */
  #between(some: readonly number[], others: readonly number[]): readonly Cable[] {
    const ways = chance(this.#random, 0.75) ? 'both' : pick(this.#random, ['there', 'back'] as const);
    return some.flatMap((one) =>
      others.flatMap((other): Cable[] => {
        if (one === other) return [];
        const there = { from: one, to: other };
        const back = { from: other, to: one };
        if (ways === 'both') return [there, back];
        return ways === 'there' ? [there] : [back];
      }),
    );
  }

  #numbers(): readonly number[] {
    return this.#parts.fleet.nodes.map(({ number }) => number);
  }

  #clients(): readonly number[] {
    return Array.from({ length: this.#parts.knobs.clients }, (_, place) => FIRST_CLIENT + place);
  }

  #some<T>(all: readonly T[]): readonly T[] {
    return shuffled(this.#random, all).slice(0, integerBetween(this.#random, 1, Math.max(1, all.length)));
  }

  /** Mostly about as long as it takes to act upon it. */
  #durationMs(): number {
    return between(this.#random, 0.1, 2.5) * (failureWindowMs(this.#parts.knobs.settings) + 1500);
  }

  #undo(name: string, afterMs: number, run: () => void): void {
    this.#parts.time.after(afterMs * 1000, name, 0, () => {
      if (!this.#over) run();
    });
  }
}
