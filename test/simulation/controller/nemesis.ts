// What goes wrong with the nodes and the links to them: one disturbance after another, each undone after a while.

import type { Random } from '../../../src/base/random.ts';
import { allNodes, masterOf, replicasOf } from '../../../src/topology/cluster.ts';
import { chance, childRandom, exponential, pick } from '../prng.ts';
import { Ambush, type AmbushParts } from './ambush.ts';
import { Disturbances } from './disturbances.ts';
import type { FleetNode } from './fleet-node.ts';
import type { FleetFault, Moving } from './knobs.ts';
import { MoveAmbush } from './move-ambush.ts';
import type { Operator } from './operator.ts';

export interface FleetNemesisParts extends AmbushParts {
  readonly seed: number;
  readonly operator: Operator;
}

export class FleetNemesis {
  readonly ambush: Ambush;
  readonly #parts: FleetNemesisParts;
  readonly #random: Random;
  readonly #disturbances: Disturbances;
  readonly #faults: readonly FleetFault[];

  constructor(parts: FleetNemesisParts) {
    this.#parts = parts;
    this.#random = childRandom(parts.seed, 'fleet nemesis');
    this.#disturbances = new Disturbances(parts, this.#random);
    this.ambush = new Ambush(parts, this.#disturbances, this.#random);
    const faults = [...parts.knobs.faults].filter((fault) => fault !== 'ambush');
    // What changes masters is what most of the others need to show something.
    const changing = faults.filter((fault) => fault === 'failover' || fault === 'kill');
    this.#faults = [...faults, ...changing, ...changing];
  }

  /** What strikes in the midst of moves of slots. */
  moveAmbush(moving: Moving): MoveAmbush {
    return new MoveAmbush({ ...this.#parts, moving, disturbances: this.#disturbances });
  }

  start(): void {
    if (this.#faults.length > 0) this.#later();
  }

  /** Undoes everything and disturbs no more. */
  heal(): void {
    this.#disturbances.heal();
    this.#parts.operator.takeBack();
  }

  #later(): void {
    const { time, knobs } = this.#parts;
    time.after(exponential(this.#random, knobs.nemesisMs * 1000), 'fleet nemesis', 0, () => {
      if (this.#disturbances.isOver) return;
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
        return this.#disturbances.kill([node]);
      case 'killShard':
        return this.#disturbances.kill(this.#neighbours(node));
      case 'hang':
        return this.#disturbances.hang(node);
      case 'stuck':
        return this.#stick(node);
      case 'slowNode':
        return this.#disturbances.slow(node);
      case 'cutLeader':
        return this.#disturbances.cut(this.#disturbances.between([leader], [node.number]));
      case 'cutLeaderFromAll':
        return this.#disturbances.cut(this.#disturbances.between([leader], this.#disturbances.numbers()));
      case 'cutController':
        return this.#disturbances.cut(
          this.#disturbances.between(
            [pick(this.#random, members)],
            this.#disturbances.some(this.#disturbances.numbers()),
          ),
        );
      case 'cutFromControllers':
        return this.#disturbances.cut(this.#disturbances.between(members, [node.number]));
      case 'isolateNode':
        return this.#disturbances.cut(
          this.#disturbances.between(
            [...members, ...this.#disturbances.numbers(), ...this.#disturbances.clients()],
            [node.number],
          ),
        );
      case 'cutNodes':
        return this.#disturbances.cut(this.#disturbances.between([node.number], this.#peersOf(node)));
      case 'cutClients':
        return this.#disturbances.cut(
          this.#disturbances.between(
            [pick(this.#random, this.#disturbances.clients())],
            this.#disturbances.some(this.#disturbances.numbers()),
          ),
        );
      case 'failover':
        return operator.failOver(false);
      case 'forcedFailover':
        return operator.failOver(true);
      case 'addReplica':
        return operator.addReplica();
      case 'removeReplica':
        return operator.removeReplica();
      case 'automation':
        return this.#pause(node);
      case 'maintenance':
        return this.#wish(() => operator.setMaintenance(node));
      case 'priority':
        return operator.setPriority(node);
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
    return [node, ...this.#disturbances.some(others)];
  }

  /** Whom its data comes from or goes to, or somebody. */
  #peersOf(node: FleetNode): readonly number[] {
    const place = this.#placeOf(node);
    if (place === null || chance(this.#random, 0.2))
      return this.#disturbances.some(this.#disturbances.numbers());
    const peers = place.master === node ? place.replicas : [place.master];
    return this.#disturbances.some(peers.map(({ number }) => number));
  }

  /** What people want holds things back, and is taken back when these have been held back for long enough. */
  #wish(say: () => () => void): void {
    this.#disturbances.undoLater('wish is over', say());
  }

  /** Automatic failover is held back, and in some runs there is something to hold back for a long time. */
  #pause(node: FleetNode): void {
    const { operator, knobs } = this.#parts;
    if (knobs.wishMs === null) return this.#wish(() => operator.setAutomation());
    this.#disturbances.undoLater('wish is over', operator.setAutomation(), knobs.wishMs);
    this.#disturbances.kill([node], knobs.wishMs);
  }

  /** Replicas that hear of changes and do not apply them. */
  #stick(node: FleetNode): void {
    const place = this.#placeOf(node);
    const isMaster = place !== null && place.master === node && place.replicas.length > 0;
    this.#disturbances.stick(isMaster ? this.#disturbances.some(place.replicas) : [node]);
  }
}
