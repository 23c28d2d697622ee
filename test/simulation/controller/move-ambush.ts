// What strikes in the midst of a move of slots: when a stage of it is committed, and at any moment of the job itself.

import type { Random } from '../../../src/base/random.ts';
import { allNodes, masterOf, migrationsOf, replicasOf } from '../../../src/topology/cluster.ts';
import type { Cluster } from '../../../src/topology/types.ts';
import { between, chance, childRandom, pick } from '../prng.ts';
import type { AmbushParts } from './ambush.ts';
import type { Disturbances } from './disturbances.ts';
import type { FleetNode } from './fleet-node.ts';
import type { Job } from './jobs.ts';
import type { Moving } from './knobs.ts';

/** What happens, and to whom of a move. */
const STRIKES = ['kill', 'hang', 'isolate', 'restart', 'cutFromLeader'] as const;
const VICTIMS = ['source', 'target', 'replica', 'both', 'leader', 'link'] as const;

/** How long after it was committed, or a phase of the job began, it strikes at most. Mostly at once. */
const COMMIT_MS_MAX = 400;
const PHASE_MS_MAX = 1500;
const AT_ONCE_MS = 60;
/** A restart, in which a node forgets its jobs, and nobody has missed it. */
const RESTART_MS_MAX = 300;

interface MoveAmbushParts extends AmbushParts {
  readonly seed: number;
  readonly moving: Moving;
  readonly disturbances: Disturbances;
}

interface Ends {
  readonly source: FleetNode;
  readonly target: FleetNode;
}

export class MoveAmbush {
  readonly #parts: MoveAmbushParts;
  readonly #random: Random;

  constructor(parts: MoveAmbushParts) {
    this.#parts = parts;
    this.#random = childRandom(parts.seed, 'move ambush');
  }

  /** A move is planned, started, finished or given up from now on. */
  onRecorded(before: Cluster, after: Cluster): void {
    const { fleet } = this.#parts;
    const known = new Map(migrationsOf(before).map((place) => [place.source.id, place]));
    for (const place of migrationsOf(after)) {
      const was = known.get(place.source.id);
      known.delete(place.source.id);
      if (was?.migration === place.migration) continue;
      const ends = [place.source, place.target].map((shard) => fleet.at(masterOf(shard).address));
      this.#later(ends, COMMIT_MS_MAX);
    }
    for (const { source, target } of known.values())
      this.#later(
        [source, target].map((shard) => fleet.at(masterOf(shard).address)),
        COMMIT_MS_MAX,
      );
  }

  /** The hand-over itself is where most can go wrong. */
  onPhase({ source, target, phase }: Job): void {
    const isHandOver = phase === 'asking';
    this.#later([source, target], isHandOver ? AT_ONCE_MS : PHASE_MS_MAX, isHandOver ? 3 : 1);
  }

  #later([source, target]: readonly FleetNode[], atMostMs: number, weight = 1): void {
    const { time, moving, disturbances } = this.#parts;
    if (disturbances.isOver || source === undefined || target === undefined) return;
    if (!chance(this.#random, weight * moving.ambushShare)) return;
    const waitMs = between(this.#random, 0, chance(this.#random, 0.6) ? AT_ONCE_MS : atMostMs);
    time.after(waitMs * 1000, 'move ambush', 0, () => {
      if (!disturbances.isOver) this.#strike({ source, target });
    });
  }

  #strike(ends: Ends): void {
    const { trace, disturbances } = this.#parts;
    const victim = pick(this.#random, VICTIMS);
    const strike = pick(this.#random, STRIKES);
    trace.event('move ambush', ends.source.number, ends.target.number);
    trace.say(
      0,
      () => `ambush of a move from ${ends.source.name} to ${ends.target.name}: ${strike} ${victim}`,
    );
    switch (victim) {
      case 'leader':
        return this.#strikeLeader();
      case 'link':
        return disturbances.cut(disturbances.between([ends.source.number], [ends.target.number]));
      case 'source':
      case 'target':
        return this.#strikeNode(strike, ends[victim]);
      case 'replica': {
        const replicas = this.#replicasOf(ends);
        return replicas.length === 0 ? undefined : this.#strikeNode(strike, pick(this.#random, replicas));
      }
      case 'both':
        this.#strikeNode(strike, ends.source);
        return this.#strikeNode(strike, ends.target);
    }
  }

  #strikeLeader(): void {
    const { crash, freeze, disturbances } = this.#parts;
    const leader = this.#parts.leader()?.id;
    if (leader === undefined) return;
    const how = pick(this.#random, ['crash', 'freeze', 'cut'] as const);
    if (how === 'crash') crash(leader);
    else if (how === 'freeze') freeze(leader);
    else disturbances.cut(disturbances.between([leader], disturbances.some(disturbances.numbers())));
  }

  #strikeNode(strike: (typeof STRIKES)[number], node: FleetNode): void {
    const { members, disturbances } = this.#parts;
    const leader = this.#parts.leader()?.id;
    switch (strike) {
      case 'kill':
        return disturbances.kill([node]);
      case 'restart':
        return disturbances.kill([node], between(this.#random, 20, RESTART_MS_MAX));
      case 'hang':
        return disturbances.hang(node);
      case 'isolate': {
        const everybody = [...members, ...disturbances.numbers(), ...disturbances.clients()];
        return disturbances.cut(disturbances.between(disturbances.some(everybody), [node.number]));
      }
      case 'cutFromLeader':
        return leader === undefined
          ? undefined
          : disturbances.cut(disturbances.between([leader], [node.number]));
    }
  }

  #replicasOf({ source, target }: Ends): readonly FleetNode[] {
    const { topologies, fleet } = this.#parts;
    const { latest } = topologies;
    if (latest === null) return [];
    const shards = allNodes(latest.cluster)
      .filter(({ node }) => node.address === source.address || node.address === target.address)
      .map(({ shard }) => shard);
    return shards.flatMap((shard) => replicasOf(shard).map(({ address }) => fleet.at(address)));
  }
}
