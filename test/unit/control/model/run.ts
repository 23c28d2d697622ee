// One run from one seed: a fleet, its share of faults and errands, then peace, and the verdict.

import { createSeededRandom } from '../../../../src/base/random.ts';
import { allNodes } from '../../../../src/topology/cluster.ts';
import type { Slot } from '../../../../src/topology/types.ts';
import { writeAll } from './clients.ts';
import { Controller, INTERVAL_MS } from './controller.ts';
import { Faults } from './faults.ts';
import { advanceJobs } from './migration.ts';
import { Operator, isErrand } from './operator.ts';
import { type Happening, type HappeningKind, QUIET_STEPS, TROUBLE_STEPS, drawPlan } from './plan.ts';
import { followRemedies } from './remedies.ts';
import { replicate } from './replication.ts';
import { faultOfData, unsettled } from './verdicts.ts';
import { type Weather, World } from './world.ts';

export interface RunOptions {
  readonly seed: number;
  /** Only these kinds of happenings, and all of them; a chosen third by default. */
  readonly kinds?: readonly HappeningKind[];
  /** Which of the plan's happenings take place; all by default. */
  readonly keep?: ReadonlySet<number>;
  /** Nothing is lost on its way, and everything is quick. */
  readonly isCalm?: boolean;
  readonly isTraced?: boolean;
}

export interface RunVerdict {
  readonly seed: number;
  /** What went wrong; null for a clean run. */
  readonly fault: string | null;
  readonly writes: number;
  readonly failovers: number;
  readonly migrations: number;
  /** What happened; empty unless asked for. */
  readonly trace: readonly string[];
}

const PEACE_STEPS_MAX = 90;
const REMEDY_ROUNDS_MAX = 6;
const TURNS_MAX = 8;
const TICKS = 3;

const CALM = { lossPercent: 0, commitFailurePercent: 0, syncMsMax: 200 };
const PEACE: Weather = { ...CALM, writePercent: 0 };

export function runSeed(options: RunOptions): RunVerdict {
  const run = new Run(options);
  let fault: string | null;
  try {
    fault = run.play();
  } catch (error) {
    fault = error instanceof Error ? `${error.message}\n${error.stack}` : String(error);
  }
  const { world, controller } = run;
  const count = (kind: string): number => controller.reasons.filter((reason) => reason.kind === kind).length;
  return {
    seed: options.seed,
    fault,
    writes: world.ledger.writes.length,
    failovers: count('failover'),
    migrations: count('migrationFinished'),
    trace: world.notes ?? [],
  };
}

class Run {
  readonly world: World;
  readonly controller: Controller;
  readonly #faults: Faults;
  readonly #operator: Operator;
  readonly #happenings: readonly Happening[];
  readonly #seed: number;
  readonly #isOneLost: boolean;
  #stepCount = 0;

  constructor(options: RunOptions) {
    const { seed, kinds, keep, isTraced = false } = options;
    const { cluster, weather, happenings, isOneLost } = drawPlan(seed, kinds);
    this.#seed = seed;
    this.#isOneLost = isOneLost;
    this.#happenings = keep === undefined ? happenings : happenings.filter((_, index) => keep.has(index));
    const slots = cluster.shards.flatMap(({ slots: [range] }) =>
      range === undefined ? [] : ([range.start, range.start + 5, range.start + 1000] as Slot[]),
    );
    this.world = new World({
      slots,
      weather: options.isCalm === true ? { ...weather, ...CALM } : weather,
      isTraced,
    });
    for (const place of allNodes(cluster)) void [place, this.world.addNode()];
    this.controller = new Controller(this.world, cluster);
    this.#faults = new Faults(this.world, this.controller);
    this.#operator = new Operator(this.world, this.controller);
  }

  /** Null for a clean run, else what went wrong. */
  play(): string | null {
    while (this.#stepCount < QUIET_STEPS + TROUBLE_STEPS) this.#step();
    this.#faults.healAll(this.#isOneLost);
    this.world.weather = PEACE;
    const hands = { controller: this.controller, faults: this.#faults, operator: this.#operator };
    let open = this.#settle();
    for (let round = 0; open !== null && round < REMEDY_ROUNDS_MAX; round += 1) {
      if (!followRemedies(this.world, hands)) {
        return `unsettled, and no problem names a way out: ${open}`;
      }
      open = this.#settle();
    }
    if (open !== null) return `unsettled, though every remedy was followed: ${open}`;
    return faultOfData(this.world, this.controller);
  }

  /** What is still open after a time in which all has to settle by itself; null when nothing is. */
  #settle(): string | null {
    let open: string | null = 'nothing was done yet';
    for (let step = 0; step < PEACE_STEPS_MAX && open !== null; step += 1) {
      this.#step();
      open = unsettled(this.world, this.controller);
    }
    return open;
  }

  /** One interval: trouble, the work of nodes and clients, looks, and decisions until nothing is left to do at once. */
  #step(): void {
    const step = this.#stepCount;
    this.#stepCount += 1;
    this.#faults.healDue();
    this.#happen(step, 'before');
    // Chances of one step do not depend on how many were drawn in earlier ones: what is left out of a run disturbs the rest less.
    this.world.random = createSeededRandom(Math.imul(this.#seed, 1009) + step);
    for (let tick = 0; tick < TICKS; tick += 1) {
      this.world.nowMs += INTERVAL_MS / TICKS - 10;
      this.#work();
    }
    if (this.controller.isOut) return;
    this.controller.probeAll();
    for (let turn = 0; turn < TURNS_MAX && this.controller.turn(); turn += 1) {
      if (turn === 0) this.#happen(step, 'between');
      this.world.nowMs += 10;
      this.#work();
      if (this.controller.isOut) return;
      this.controller.lookAtExpectant();
    }
  }

  #happen(step: number, place: Happening['place']): void {
    for (const happening of this.#happenings) {
      if (happening.step !== step || happening.place !== place) continue;
      this.world.random = createSeededRandom(happening.seed);
      if (isErrand(happening.kind)) this.#operator.run(happening.kind);
      else this.#faults.begin(happening.kind);
    }
  }

  #work(): void {
    writeAll(this.world, this.controller);
    replicate(this.world);
    advanceJobs(this.world, 10);
  }
}
