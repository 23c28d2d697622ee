// One run of the hostile operator: controllers, nodes and writers; one action after the other, each judged when all has settled.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { createSeededRandom, type Random } from '../../../src/base/random.ts';
import { between, chance } from '../choose.ts';
import { GroupView } from '../group-view.ts';
import { Group } from '../group.ts';
import { localPlaces } from '../places.ts';
import type { Report, RunOptions } from '../scenario.ts';
import { act } from './act.ts';
import { Audit } from './audit.ts';
import { describeAction } from './describe-action.ts';
import type { ClusterSeen } from './fleet-seen.ts';
import { Fleet } from './fleet.ts';
import { Ledger } from './ledger.ts';
import { untilConverged } from './looks.ts';
import { OperatorApi } from './operator-api.ts';
import { type Action, type ActionKind, ACTION_KINDS, kindsNamed, nextAction } from './plan.ts';
import type { Surroundings } from './surroundings.ts';
import { type ActionReport, describeExcused, type Excuse, judge, type TimelineEntry } from './verdicts.ts';
import { Writers } from './writers.ts';

const NODE_COUNT = 6;
const START_DEADLINE_MS = 120_000;
/** A master counts as dead after 4 s: a run has many failovers, and a node can be back before its own. */
const FAILOVER = { pingIntervalSeconds: 0.5, maxPingCount: 8 };
/** Writes that an action can hurt, and some that it must not. */
const CALM_MS = { min: 800, max: 2500 } as const;

/** Runs once; whatever it started is gone when the promise settles. */
export async function runHostileOperator(options: RunOptions): Promise<Report> {
  const kinds = kindsNamed(options.actions ?? ACTION_KINDS);
  if (kinds === null || kinds.length === 0)
    return { kind: 'failed', line: `--actions takes some of ${ACTION_KINDS.join(', ')}`, problems: [] };
  const folder = mkdtempSync(join(tmpdir(), 'kvrocks-controller-hostile-operator-'));
  const group = new Group(await localPlaces(), { folder, main: options.main, failover: FAILOVER });
  const trial = new Trial(options, kinds, { group, fleet: await Fleet.open() });
  let report: Report | null = null;
  try {
    report = await trial.conduct();
    return report;
  } finally {
    await trial.close();
    if (options.keeps || report?.kind === 'failed')
      options.say(`logs and data of the controllers stay in ${folder}`);
    else rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Trial {
  readonly #options: RunOptions;
  readonly #kinds: readonly ActionKind[];
  readonly #group: Group;
  readonly #fleet: Fleet;
  readonly #api: OperatorApi;
  readonly #ledger = new Ledger();
  readonly #writers: Writers;
  readonly #audit: Audit;
  readonly #startMs = performance.now();
  readonly #random: Random;
  readonly #timeline: TimelineEntry[] = [];
  readonly #actions: ActionReport[] = [];
  readonly #spares = new Set<string>();
  /** Why the run ended before its time; null when it did not. */
  #impossible: string | null = null;

  constructor(
    options: RunOptions,
    kinds: readonly ActionKind[],
    { group, fleet }: { readonly group: Group; readonly fleet: Fleet },
  ) {
    this.#options = options;
    this.#kinds = kinds;
    this.#group = group;
    this.#fleet = fleet;
    this.#random = createSeededRandom(options.seed);
    this.#api = new OperatorApi(group.urls, this.#wait, options.signal);
    this.#writers = new Writers({
      addresses: () => this.#fleet.addresses,
      ledger: this.#ledger,
      random: createSeededRandom(options.seed + 1),
      now: this.#now,
    });
    this.#audit = new Audit({
      api: this.#api,
      writers: this.#writers,
      ledger: this.#ledger,
      signal: options.signal,
    });
  }

  async conduct(): Promise<Report> {
    const { signal, durationMs } = this.#options;
    const shardCount = await this.#setUp();
    const endMs = this.#now() + durationMs;
    while (this.#now() < endMs && !signal.aborted && this.#group.crashes.length === 0) {
      this.#writers.resume();
      await this.#wait(between(this.#random, CALM_MS.min, CALM_MS.max));
      const cluster = await this.#api.cluster();
      const action = cluster === null ? null : this.#next(cluster, shardCount);
      if (signal.aborted) break;
      if (action === null) {
        this.#impossible = cluster === null ? 'no controller shows the cluster' : 'no action is possible';
        break;
      }
      const report = await this.#perform(action);
      if (signal.aborted) break;
      this.#actions.push(report);
      if (report.unsettled !== null) break;
    }
    await this.#writers.pause();
    return signal.aborted ? { kind: 'interrupted', line: 'interrupted', problems: [] } : this.#conclude();
  }

  async close(): Promise<void> {
    await this.#writers.close();
    await this.#api.close();
    await this.#group.close();
    await this.#fleet.close();
  }

  /** Two shards of three nodes or three of two, as the seed wills; the number of shards. */
  async #setUp(): Promise<number> {
    const nodesPerShard = chance(this.#random, 50) ? 3 : 2;
    this.#group.start();
    for (let count = 0; count < NODE_COUNT; count += 1) await this.#fleet.start();
    const view = new GroupView(this.#group);
    const isReady = await view.ready(START_DEADLINE_MS);
    await view.close();
    if (!isReady) throw new Error('the controllers did not start');
    const created = await this.#api.createCluster(this.#fleet.addresses, nodesPerShard);
    if (!created.ok) throw new Error(`the cluster cannot be created: ${created.words}`);
    const settled = await untilConverged(this.#api, this.#options.signal);
    if (settled.kind === 'unsettled')
      throw new Error(`the new cluster does not settle: ${settled.complaints.join('; ')}`);
    this.#note(
      `${NODE_COUNT / nodesPerShard} shards of ${nodesPerShard} nodes: ${this.#fleet.addresses.join(' ')}`,
    );
    return NODE_COUNT / nodesPerShard;
  }

  #next(cluster: ClusterSeen, firstShardCount: number): Action | null {
    return nextAction(this.#random, this.#kinds, {
      ...cluster,
      spares: [...this.#spares],
      firstShardCount,
      canCut: this.#fleet.canCut,
    });
  }

  async #perform(action: Action): Promise<ActionReport> {
    const beganMs = this.#now();
    const text = describeAction(action);
    this.#note(text);
    const excuses: Excuse[] = [];
    const trouble = await this.#act(action, excuses);
    const { copies: _, ...found } = await this.#audit.settle();
    if (found.unsettled === null)
      this.#note(
        `settled: ${this.#ledger.acknowledgedCount} acknowledged, ${found.lost.length} lost, ` +
          `${found.differing.length} replicas differ anew`,
      );
    return {
      kind: action.kind,
      text,
      beganMs,
      endedMs: this.#now(),
      excuses,
      ...found,
      unsettled: trouble ?? found.unsettled,
    };
  }

  /** Null, or why the cluster is not what it was: also what a node or a process did that nobody expected. */
  async #act(action: Action, excuses: Excuse[]): Promise<string | null> {
    const around: Surroundings = {
      group: this.#group,
      fleet: this.#fleet,
      api: this.#api,
      spares: this.#spares,
      now: this.#now,
      wait: this.#wait,
      signal: this.#options.signal,
      excuse: (excuse) => excuses.push(excuse),
      note: this.#note,
    };
    try {
      return await act(action, around);
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  #conclude(): Report {
    const { say, seed, durationMs } = this.#options;
    const { problems, lostCount, excused, table } = judge({
      actions: this.#actions,
      timeline: this.#timeline,
    });
    for (const row of table)
      say(
        row
          .map((cell, column) => cell.padEnd(COLUMN_WIDTHS[column] ?? 0))
          .join('  ')
          .trimEnd(),
      );
    const all = [...problems, ...this.#group.crashes, ...this.#group.faultsLogged];
    if (this.#impossible !== null) all.push(this.#impossible);
    const differing = this.#actions.flatMap((action) => action.differing).length;
    const unsettled = this.#actions.filter((action) => action.unsettled !== null).length;
    const excusedCount = Object.values(excused).reduce((sum, count) => sum + count, 0);
    const windows = excusedCount === 0 ? '' : ` (${describeExcused(excused)})`;
    const line =
      `verdict: ${all.length === 0 ? 'nothing lost' : 'NOT SAFE'}, ${this.#ledger.acknowledgedCount} acknowledged writes, ` +
      `${lostCount} lost, ${excusedCount} more in the windows${windows}, ${differing} replicas that differ, ${unsettled} unsettled, ` +
      `${this.#writers.unknownCount} outcomes unknown, ${this.#actions.length} actions, seed ${seed}`;
    const subset = this.#options.actions === null ? '' : ` --actions ${this.#options.actions.join(',')}`;
    if (all.length > 0)
      all.push(
        `replay: npm run failure-injection -- hostile-operator --seconds ${Math.round(durationMs / 1000)} --seed ${seed}${subset}`,
      );
    return { kind: all.length > 0 ? 'failed' : 'passed', line, problems: all };
  }

  readonly #now = (): number => performance.now() - this.#startMs;

  readonly #wait = async (ms: number): Promise<void> => {
    await sleep(ms, undefined, { signal: this.#options.signal }).catch(() => undefined);
  };

  readonly #note = (text: string): void => {
    this.#timeline.push({ atMs: this.#now(), text });
    this.#options.say(text);
  };
}

const COLUMN_WIDTHS = [18, 5, 8, 19, 15, 9];
