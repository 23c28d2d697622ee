// One run of a scenario of failing nodes: controllers, nodes and writers; rounds of the fault, each judged when all has settled.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { createSeededRandom, type Random } from '../../../src/base/random.ts';
import { NetworkNamespaces } from '../../lib/network-namespaces.ts';
import { between } from '../choose.ts';
import { GroupView } from '../group-view.ts';
import { Group } from '../group.ts';
import { Audit } from '../hostile-operator/audit.ts';
import { Fleet } from '../hostile-operator/fleet.ts';
import { Ledger, type Write } from '../hostile-operator/ledger.ts';
import { untilConverged } from '../hostile-operator/looks.ts';
import { OperatorApi } from '../hostile-operator/operator-api.ts';
import { type Excuse, excuseOf } from '../hostile-operator/verdicts.ts';
import { Writers } from '../hostile-operator/writers.ts';
import type { Report, RunOptions } from '../scenario.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { LossCounts, tellLoss } from './losses.ts';
import type { Around, Finding, NodeFault } from './node-fault.ts';
import { Site } from './site.ts';
import { describeSeen, verdictLine } from './verdict.ts';
import { Watch } from './watch.ts';

const DEFAULT_NODE_COUNT = 6;
const START_DEADLINE_MS = 120_000;
/** Between two looks whether the run was interrupted. */
const READY_LOOK_MS = 1000;
/** Writes before a fault, and the moment between two probes at which it comes. */
const CALM_MS = { min: 2000, max: 3500 } as const;
const LOSSES_TOLD_MAX = 5;

/** Runs once; whatever it started is gone when the promise settles. */
export async function runNodeFault(fault: NodeFault, options: RunOptions): Promise<Report> {
  const missing = fault.needsNetwork ? await NetworkNamespaces.missing() : null;
  if (missing !== null) return { kind: 'skipped', line: `skipped: ${missing}`, problems: [] };
  const unknown = (options.actions ?? []).filter((action) => fault.actions?.includes(action) !== true);
  if (unknown.length > 0) {
    const line = `--actions takes some of ${(fault.actions ?? []).join(', ')}`;
    return { kind: 'failed', line, problems: [] };
  }
  const folder = mkdtempSync(join(tmpdir(), `kvrocks-controller-${fault.name}-`));
  const site = await Site.open();
  const trial = new Trial(fault, options, { site, folder });
  let report: Report | null = null;
  try {
    report = await trial.conduct();
    return report;
  } finally {
    await trial.close();
    if (options.keeps || report?.kind === 'failed')
      options.say(`logs of the controllers and lost writes stay in ${folder}`);
    else rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

class Trial {
  readonly #fault: NodeFault;
  readonly #options: RunOptions;
  readonly #site: Site;
  readonly #folder: string;
  readonly #group: Group;
  readonly #fleet = Fleet.withoutNetwork();
  readonly #api: OperatorApi;
  readonly #view: GroupView;
  readonly #ledger = new Ledger();
  readonly #acknowledgements = new Acknowledgements();
  readonly #writers: Writers;
  readonly #audit: Audit;
  readonly #startMs = performance.now();
  readonly #random: Random;
  readonly #actions: readonly string[];
  readonly #findings: Finding[] = [];
  readonly #problems: string[] = [];
  readonly #losses = new LossCounts();
  readonly #lostWrites: string[] = [];
  readonly #spares = new Set<string>();
  #unexcusedCount = 0;
  #watch: Watch | null = null;

  constructor(
    fault: NodeFault,
    options: RunOptions,
    { site, folder }: { readonly site: Site; readonly folder: string },
  ) {
    this.#fault = fault;
    this.#options = options;
    this.#site = site;
    this.#folder = folder;
    this.#group = new Group(site.places, { folder, main: options.main, failover: fault.failover });
    this.#random = createSeededRandom(options.seed);
    this.#actions = options.actions ?? fault.actions ?? [];
    this.#api = new OperatorApi(this.#group.urls, this.#wait, options.signal);
    this.#view = new GroupView(this.#group);
    this.#writers = new Writers({
      addresses: () => this.#fleet.addresses,
      ledger: { acknowledge: this.#acknowledge },
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
    const watch = await this.#setUp();
    const endMs = this.#now() + durationMs;
    do {
      this.#writers.resume();
      await this.#wait(between(this.#random, CALM_MS.min, CALM_MS.max));
      if (signal.aborted || !(await this.#perform(watch))) break;
    } while (this.#now() < endMs && !signal.aborted && this.#group.crashes.length === 0);
    await this.#writers.pause();
    return signal.aborted ? { kind: 'interrupted', line: 'interrupted', problems: [] } : this.#conclude();
  }

  async close(): Promise<void> {
    await this.#site.heal().catch(() => undefined);
    await this.#writers.close();
    await this.#watch?.close();
    await this.#view.close();
    await this.#api.close();
    await this.#group.close();
    await this.#fleet.close();
    await this.#site.close();
  }

  async #setUp(): Promise<Watch> {
    const { nodesPerShard } = this.#fault;
    const hosts = this.#fault.hosts ?? Array.from({ length: DEFAULT_NODE_COUNT }, (_, index) => index);
    this.#group.start();
    for (const host of hosts) await this.#fleet.start(await this.#site.seat(host));
    await this.#untilReady();
    const created = await this.#api.createCluster(this.#fleet.addresses, nodesPerShard);
    if (!created.ok) throw new Error(`the cluster cannot be created: ${created.words}`);
    const settled = await untilConverged(this.#api, this.#options.signal);
    if (settled.kind === 'unsettled' && !this.#options.signal.aborted)
      throw new Error(`the new cluster does not settle: ${settled.complaints.join('; ')}`);
    const shardCount = this.#fleet.addresses.length / nodesPerShard;
    this.#note(`${shardCount} shards of ${nodesPerShard} nodes: ${this.#fleet.addresses.join(' ')}`);
    const watch = new Watch({ api: this.#api, view: this.#view, now: this.#now });
    this.#watch = watch;
    await this.#fault.prepare?.(this.#around(watch, []));
    return watch;
  }

  async #untilReady(): Promise<void> {
    const endMs = this.#now() + START_DEADLINE_MS;
    while (!(await this.#view.ready(READY_LOOK_MS)))
      if (this.#now() > endMs || this.#options.signal.aborted)
        throw new Error('the controllers did not start');
  }

  /** One round; false when the next would be of no use. */
  async #perform(watch: Watch): Promise<boolean> {
    const excuses: Excuse[] = [];
    const around = this.#around(watch, excuses);
    let finding: Finding;
    try {
      finding = await this.#fault.round(around);
    } catch (error) {
      this.#problems.push(error instanceof Error ? error.message : String(error));
      return false;
    } finally {
      await this.#site.heal();
    }
    const found = await this.#audit.settle();
    if (this.#options.signal.aborted) return false;
    this.#findings.push(finding);
    this.#problems.push(...finding.complaints);
    for (const { replica, master, keyCount, examples } of found.differing)
      this.#problems.push(`${replica} differs from ${master} in ${keyCount} keys: ${examples.join('; ')}`);
    if (found.unsettled !== null) this.#problems.push(`unsettled: ${found.unsettled}`);
    if (found.copies !== null)
      this.#problems.push(...((await this.#fault.inspect?.(around, found.copies)) ?? []));
    this.#judgeLosses(found.lost, { finding, excuses });
    this.#note(
      `round ${this.#findings.length}: ${describeSeen([finding])}; ${this.#ledger.acknowledgedCount} acknowledged so far, ${found.lost.length} lost now`,
    );
    return found.unsettled === null;
  }

  #judgeLosses(
    lost: readonly Write[],
    { finding, excuses }: { readonly finding: Finding; readonly excuses: readonly Excuse[] },
  ): void {
    this.#losses.add(lost, finding.faults);
    const words = lost.map((write) => tellLoss(write, finding.faults));
    this.#lostWrites.push(...words);
    for (const text of words.slice(0, LOSSES_TOLD_MAX)) this.#note(`lost: ${text}`);
    if (words.length > LOSSES_TOLD_MAX) this.#note(`lost: ${words.length - LOSSES_TOLD_MAX} more`);
    const unexcused = lost.filter((write) => excuseOf(write, excuses) === null);
    this.#unexcusedCount += unexcused.length;
    for (const write of unexcused.slice(0, LOSSES_TOLD_MAX))
      this.#problems.push(`lost outside the rules: ${tellLoss(write, finding.faults)}`);
  }

  #around(watch: Watch, excuses: Excuse[]): Around {
    const { pingIntervalSeconds, maxPingCount } = this.#fault.failover;
    const round = this.#findings.length;
    return {
      group: this.#group,
      fleet: this.#fleet,
      api: this.#api,
      spares: this.#spares,
      now: this.#now,
      wait: this.#wait,
      signal: this.#options.signal,
      excuse: (excuse) => excuses.push(excuse),
      note: this.#note,
      site: this.#site,
      view: this.#view,
      watch,
      acknowledgements: this.#acknowledgements,
      random: this.#random,
      windowMs: pingIntervalSeconds * maxPingCount * 1000,
      round,
      turn: round + this.#options.seed,
      actions: this.#actions,
    };
  }

  #conclude(): Report {
    const { name, expected } = this.#fault;
    const { seed, durationMs } = this.#options;
    const problems = [...this.#problems, ...this.#group.crashes, ...this.#group.faultsLogged];
    writeFileSync(join(this.#folder, 'lost.txt'), this.#lostWrites.map((text) => `${text}\n`).join(''));
    const line = verdictLine({
      name,
      expected,
      seen: describeSeen(this.#findings),
      lostCount: this.#losses.total,
      losses: this.#losses.describe(),
      unexcusedCount: this.#unexcusedCount,
      acknowledgedCount: this.#ledger.acknowledgedCount,
    });
    const subset = this.#options.actions === null ? '' : ` --actions ${this.#options.actions.join(',')}`;
    if (problems.length > 0)
      problems.push(
        `replay: npm run failure-injection -- ${name} --seconds ${Math.round(durationMs / 1000)} --seed ${seed}${subset}`,
      );
    return { kind: problems.length > 0 ? 'failed' : 'passed', line, problems };
  }

  readonly #acknowledge = (write: Write): void => {
    this.#ledger.acknowledge(write);
    this.#acknowledgements.acknowledge(write);
  };

  readonly #now = (): number => performance.now() - this.#startMs;

  readonly #wait = async (ms: number): Promise<void> => {
    await sleep(ms, undefined, { signal: this.#options.signal }).catch(() => undefined);
  };

  readonly #note = (text: string): void => this.#options.say(text);
}
