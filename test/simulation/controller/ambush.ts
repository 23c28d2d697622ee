// What strikes in the midst of a change of masters, and of leaders, where it does most harm.

import type { Random } from '../../../src/base/random.ts';
import { LAG_MS_MAX } from '../../../src/control/settings.ts';
import type { MemberId } from '../../../src/raft/core/types.ts';
import { masterOf, replicasOf } from '../../../src/topology/cluster.ts';
import { openPromotion } from '../../../src/topology/facts.ts';
import type { NodeId, Shard } from '../../../src/topology/types.ts';
import { between, chance, pick } from '../prng.ts';
import type { Controller } from './controller.ts';
import type { DisturbanceParts, Disturbances } from './disturbances.ts';
import type { FleetNode } from './fleet-node.ts';
import type { Topologies } from './topologies.ts';

export interface AmbushParts extends DisturbanceParts {
  readonly topologies: Topologies;
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

export class Ambush {
  readonly #parts: AmbushParts & { readonly disturbances: Disturbances };
  readonly #random: Random;

  constructor(parts: AmbushParts, disturbances: Disturbances, random: Random) {
    this.#parts = { ...parts, disturbances };
    this.#random = random;
  }

  /** A change of masters in a shard was committed, or begun. */
  onChange(shard: Shard, to: NodeId): void {
    const { knobs, time, fleet, trace, disturbances } = this.#parts;
    if (disturbances.isOver || !knobs.faults.has('ambush') || chance(this.#random, 0.5)) return;
    const successor = shard.nodes.find(({ id }) => id === to);
    if (successor === undefined) return;
    const [old, next] = [fleet.at(masterOf(shard).address), fleet.at(successor.address)];
    const ambush = pick(this.#random, AMBUSHES);
    time.after(between(this.#random, 0, AMBUSH_MS_MAX) * 1000, 'ambush', 0, () => {
      if (disturbances.isOver) return;
      trace.say(0, () => `ambush: ${ambush}`);
      this.#strike(ambush, old, next);
    });
  }

  /** A leader begins: a master dies before it has seen which replica does not keep up. */
  onLead(): void {
    const { knobs, time, topologies, fleet, disturbances } = this.#parts;
    if (disturbances.isOver || !knobs.faults.has('ambush') || chance(this.#random, 0.3)) return;
    const shard = topologies.latest?.cluster.shards.find((each) =>
      replicasOf(each).some(({ address }) => fleet.at(address).model.isStuck),
    );
    if (shard === undefined) return;
    time.after(between(this.#random, 50, LAG_MS_MAX) * 1000, 'ambush', 0, () => {
      if (!disturbances.isOver) disturbances.kill([fleet.at(masterOf(shard).address)]);
    });
  }

  /** A new master was just told: now the others are, and a quick restart of the old one comes just too late. */
  onPlaced(node: FleetNode): void {
    const { knobs, time, topologies, fleet, trace, disturbances } = this.#parts;
    const record = topologies.latest;
    const shard = record?.cluster.shards.find((each) => masterOf(each).address === node.address);
    if (record === null || shard === undefined || disturbances.isOver || !knobs.faults.has('ambush')) return;
    const from = openPromotion(record.facts, shard.id)?.from;
    const old = shard.nodes.find(({ id }) => id === from);
    if (old === undefined || fleet.at(old.address).model.life !== 'dead' || chance(this.#random, 0.5)) return;
    const waitUs = Math.max(0, node.busyUntilUs - time.nowUs) + between(this.#random, 0, RESTART_US_MAX);
    time.after(waitUs, 'ambush', 0, () => {
      if (disturbances.isOver) return;
      const returning = fleet.at(old.address);
      trace.say(0, () => `ambush: ${returning.name} is back`);
      const leader = this.#parts.leader()?.id;
      if (leader !== undefined && chance(this.#random, 0.5))
        disturbances.cut(disturbances.between([leader], [returning.number]));
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
    const { members, crash, freeze, disturbances } = this.#parts;
    const leader = this.#parts.leader()?.id;
    const everybody = [...members, ...disturbances.numbers(), ...disturbances.clients()];
    switch (ambush) {
      case 'crashLeader':
        return leader === undefined ? undefined : crash(leader);
      case 'freezeLeader':
        return leader === undefined ? undefined : freeze(leader);
      case 'cutLeader':
        return leader === undefined
          ? undefined
          : disturbances.cut(disturbances.between([leader], [old.number]));
      case 'killOld':
        return disturbances.kill([old]);
      case 'hangOld':
        return disturbances.hang(old);
      case 'isolateOld':
        return disturbances.cut(disturbances.between(disturbances.some(everybody), [old.number]));
      case 'killNew':
        return disturbances.kill([next]);
      case 'hangNew':
        return disturbances.hang(next);
      case 'isolateNew':
        return disturbances.cut(disturbances.between(disturbances.some(everybody), [next.number]));
    }
  }
}
