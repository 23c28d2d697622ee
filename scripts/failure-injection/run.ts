// One scenario from an empty folder to its verdict: group, clients, rounds of faults, healing, checks, cleaning up.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { createSeededRandom } from '../../src/base/random.ts';
import { checkLinearizable } from '../../test/support/linearizability/check.ts';
import { explainVerdict } from '../../test/support/linearizability/explain.ts';
import { existenceModel } from '../../test/support/linearizability/models.ts';
import { formatMs } from '../lib/narrator.ts';
import { GroupView, storedStates } from './group-view.ts';
import { Group } from './group.ts';
import type { Report, Run, RunOptions, Scenario, Stage } from './scenario.ts';
import { Workload } from './workload.ts';

/** Milliseconds from the first start until all members serve. */
const START_DEADLINE_MS = 60_000;
/** Milliseconds after the last fault until all members serve again and have applied the same: restarts included. */
const HEAL_DEADLINE_MS = 30_000;
/** Clients go on this long after the group is whole. */
const CALM_MS = 2000;
const PROGRESS_MS = 10_000;
/** Model steps of the checker; a minute's history takes a few hundred thousand. */
const BUDGET = 50_000_000;
const LOG_TAIL_LINES = 5;

/** Runs `scenario` once. Whatever it started is gone when the promise settles. */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Report> {
  const missing = await scenario.missing();
  if (missing !== null) return { kind: 'skipped', line: `skipped: ${missing}`, problems: [] };
  const folder = mkdtempSync(join(tmpdir(), `kvrocks-controller-${scenario.name}-`));
  const run: Run = {
    folder,
    random: createSeededRandom(options.seed),
    say: options.say,
    wait: async (ms) => {
      await sleep(ms, undefined, { signal: options.signal }).catch(() => undefined);
    },
  };
  const stage = await scenario.prepare(run);
  let report: Report | null = null;
  try {
    report = await new Trial(scenario, stage, options).conduct(run);
    return report;
  } finally {
    await stage.close();
    if (options.keeps || report?.kind === 'failed') options.say(`logs, data and history stay in ${folder}`);
    else rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** The group and its clients during one run. */
class Trial {
  readonly #scenario: Scenario;
  readonly #stage: Stage;
  readonly #options: RunOptions;
  readonly #problems: string[] = [];
  #rounds = 0;

  constructor(scenario: Scenario, stage: Stage, options: RunOptions) {
    this.#scenario = scenario;
    this.#stage = stage;
    this.#options = options;
  }

  async conduct(run: Run): Promise<Report> {
    const group = new Group(this.#stage.places, { folder: run.folder, main: this.#options.main });
    const view = new GroupView(group);
    const workload = new Workload({
      urls: group.urls,
      random: createSeededRandom(this.#options.seed + 1),
      retriesRefusals: this.#scenario.promisesNoFailure === true,
    });
    try {
      this.#stage.begin?.(group);
      group.start();
      if (!(await view.ready(START_DEADLINE_MS))) {
        const ends = group.members.map((member) => member.logTail(LOG_TAIL_LINES)).join('\n');
        throw new Error(`the group did not start within ${formatMs(START_DEADLINE_MS)}\n${ends}`);
      }
      const firstTerm = (await view.leader()).term;
      workload.start();
      await this.#injectFaults(group, workload);
      const isWhole = await this.#heal({ group, view, workload });
      if (this.#options.signal.aborted) return { kind: 'interrupted', line: 'interrupted', problems: [] };
      const { term } = await view.leader();
      if (isWhole) await this.#compareStates(group, view);
      return this.#judge({ workload, elections: term - firstTerm, folder: run.folder, group });
    } finally {
      await workload.close();
      await view.close();
      await group.close();
    }
  }

  async #injectFaults(group: Group, workload: Workload): Promise<void> {
    const { durationMs, signal, say } = this.#options;
    const end = performance.now() + durationMs;
    let nextProgress = performance.now() + PROGRESS_MS;
    while (performance.now() < end && !signal.aborted && group.crashes.length === 0) {
      await this.#stage.round(group);
      this.#rounds += 1;
      if (performance.now() < nextProgress) continue;
      nextProgress += PROGRESS_MS;
      const { answered, refused, unknown } = workload.counts;
      say(`${this.#rounds} rounds, ${answered} answered, ${refused} refused, ${unknown} unknown`);
    }
  }

  /** Undoes every fault and lets the group come back; false when it does not. */
  async #heal({
    group,
    view,
    workload,
  }: {
    readonly group: Group;
    readonly view: GroupView;
    readonly workload: Workload;
  }): Promise<boolean> {
    await this.#stage.heal();
    this.#problems.push(...group.crashes);
    for (const member of group.members) member.takeCrash();
    group.heal();
    const start = performance.now();
    const isReady = await view.ready(HEAL_DEADLINE_MS);
    if (isReady) await sleep(CALM_MS);
    await workload.stop();
    if (!isReady) {
      this.#problems.push(`not all members serve ${formatMs(HEAL_DEADLINE_MS)} after the last fault`);
      this.#problems.push(...group.members.map((member) => member.logTail(LOG_TAIL_LINES)));
      return false;
    }
    this.#options.say(
      `all members serve ${formatMs(performance.now() - start - CALM_MS)} after the last fault`,
    );
    const before = workload.counts;
    await workload.readAll();
    await workload.probe();
    const { refused, unknown } = workload.counts;
    if (refused > before.refused || unknown > before.unknown)
      this.#problems.push(`requests failed in the whole group: ${workload.troubles.join('; ')}`);
    return true;
  }

  async #compareStates(group: Group, view: GroupView): Promise<void> {
    const index = await view.sameApplied(HEAL_DEADLINE_MS);
    if (index === null) {
      this.#problems.push(
        `members do not come to apply the same entries within ${formatMs(HEAL_DEADLINE_MS)}`,
      );
      return;
    }
    await group.stop();
    this.#problems.push(...group.crashes);
    const states = await storedStates(group);
    if (new Set(states.map(({ digest }) => digest)).size > 1)
      this.#problems.push(
        `members differ: ${states.map(({ id, recordCount, digest }) => `member ${id} has ${recordCount} records with digest ${digest}`).join(', ')}`,
      );
    else
      this.#options.say(
        `all members hold the same ${states[0]?.recordCount ?? 0} records after entry ${index}`,
      );
  }

  #judge(end: {
    readonly workload: Workload;
    readonly elections: number;
    readonly folder: string;
    readonly group: Group;
  }): Report {
    const { workload, elections, folder } = end;
    const { answered, refused, unknown, retried } = workload.counts;
    const problems = this.#problems;
    if (this.#scenario.promisesNoFailure === true && refused + unknown > 0)
      problems.push(`${refused + unknown} requests failed`);
    if (workload.unexpected.length > 0)
      problems.push(`answers the API never gives: ${workload.unexpected.slice(0, 5).join('; ')}`);
    if (this.#scenario.promisesNoFailure === true && retried > 0)
      this.#options.say(`clients had to ask again: ${workload.troubles.join('; ')}`);
    const verdict = checkLinearizable(workload.history, existenceModel, { budget: BUDGET });
    if (verdict.kind !== 'linearizable') problems.push(explainVerdict(verdict, existenceModel));
    const word = {
      linearizable: 'linearizable',
      violation: 'NOT LINEARIZABLE',
      budgetExceeded: 'NOT DECIDED',
    };
    const line =
      `verdict: ${word[verdict.kind]}, ${answered + refused + unknown} operations (${answered} ok, ${refused} refused, ${unknown} unknown), ` +
      (this.#scenario.promisesNoFailure === true ? `${retried} asked again, ` : '') +
      `longest write gap ${Math.round(workload.longestWriteGapMs)} ms, elections ${elections}, ${this.#rounds} rounds, seed ${this.#options.seed}`;
    if (problems.length > 0 || this.#options.keeps)
      writeFileSync(join(folder, 'history.json'), JSON.stringify(workload.history));
    return { kind: problems.length > 0 ? 'failed' : 'passed', line, problems };
  }
}
