// Single disturbances of nodes and of the links to them, each undone after a while.

import type { Random } from '../../../src/base/random.ts';
import { failureWindowMs } from '../../../src/control/settings.ts';
import type { Network } from '../network.ts';
import { between, chance, integerBetween, pick, shuffled } from '../prng.ts';
import type { Trace } from '../trace.ts';
import type { VirtualTime } from '../virtual-time.ts';
import { FIRST_CLIENT } from './clients.ts';
import type { Fleet } from './fleet.ts';
import type { FleetNode } from './fleet-node.ts';
import type { Knobs } from './knobs.ts';

export interface DisturbanceParts {
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly network: Network;
  readonly knobs: Knobs;
  readonly fleet: Fleet;
  /** The numbers of the members' machines. */
  readonly members: readonly number[];
}

/** Two ends of a cable: both ways, or one of them. */
interface Cable {
  readonly from: number;
  readonly to: number;
}

export class Disturbances {
  readonly #parts: DisturbanceParts;
  readonly #random: Random;
  /** Nothing is disturbed any more. */
  isOver = false;

  constructor(parts: DisturbanceParts, random: Random) {
    this.#parts = parts;
    this.#random = random;
  }

  /** Undoes everything. */
  heal(): void {
    const { network, fleet } = this.#parts;
    this.isOver = true;
    network.heal();
    for (const node of fleet.nodes) {
      node.model.isStuck = false;
      fleet.revive(node);
    }
  }

  /** For `lastingMs`, or for a moment, or for as long as other disturbances last. */
  kill(nodes: readonly FleetNode[], lastingMs?: number): void {
    const { fleet } = this.#parts;
    const quick = lastingMs === undefined && chance(this.#random, 0.35);
    for (const node of nodes) {
      fleet.kill(node);
      const downMs = lastingMs ?? (quick ? between(this.#random, 30, 1200) : this.#durationMs());
      this.#undo('revive', downMs, () => fleet.revive(node));
    }
  }

  hang(node: FleetNode): void {
    const { fleet } = this.#parts;
    fleet.hang(node);
    const { lives } = node;
    this.#undo('revive', this.#durationMs(), () => {
      if (node.lives === lives) fleet.revive(node);
    });
  }

  /** They hear of changes and do not apply them, long enough for a leader to have seen and written it down. */
  stick(nodes: readonly FleetNode[]): void {
    const afterMs = this.#durationMs() + between(this.#random, 0, 8000);
    for (const { model } of nodes) {
      model.isStuck = true;
      this.#undo('unstuck', afterMs, () => {
        model.isStuck = false;
      });
    }
  }

  slow(node: FleetNode): void {
    const { network, members } = this.#parts;
    const factor = integerBetween(this.#random, 5, 400);
    const cables = this.between(members, [node.number]);
    for (const { from, to } of cables) network.slow(from, to, factor);
    this.#undo('mend', this.#durationMs(), () => this.#mend(cables));
  }

  cut(cables: readonly Cable[]): void {
    const { network, trace } = this.#parts;
    trace.say(0, () => `cut: ${cables.map(({ from, to }) => `${from}>${to}`).join(' ')}`);
    for (const { from, to } of cables) network.cut(from, to);
    this.#undo('mend', this.#durationMs(), () => this.#mend(cables));
  }

  /** Something else that is undone after a while. */
  undoLater(name: string, run: () => void, afterMs = this.#durationMs()): void {
    this.#undo(name, afterMs, run);
  }

  #mend(cables: readonly Cable[]): void {
    for (const { from, to } of cables) this.#parts.network.mend(from, to);
  }

  /** Both directions; now and then only one. */
  between(some: readonly number[], others: readonly number[]): readonly Cable[] {
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

  numbers(): readonly number[] {
    return this.#parts.fleet.nodes.map(({ number }) => number);
  }

  clients(): readonly number[] {
    return Array.from({ length: this.#parts.knobs.clients }, (_, place) => FIRST_CLIENT + place);
  }

  some<T>(all: readonly T[]): readonly T[] {
    return shuffled(this.#random, all).slice(0, integerBetween(this.#random, 1, Math.max(1, all.length)));
  }

  /** Mostly about as long as it takes to act upon it. */
  #durationMs(): number {
    return between(this.#random, 0.1, 2.5) * (failureWindowMs(this.#parts.knobs.settings) + 1500);
  }

  #undo(name: string, afterMs: number, run: () => void): void {
    this.#parts.time.after(afterMs * 1000, name, 0, () => {
      if (!this.isOver) run();
    });
  }
}
