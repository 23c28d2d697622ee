// A small pure model of Kvrocks nodes (facts sections 2, 3, 5), of a store and of leaders that change, driven by `decide`.

import { present } from '../../../src/base/assert.ts';
import { type Random, createSeededRandom, randomBelow } from '../../../src/base/random.ts';
import { type Result, err, ok } from '../../../src/base/result.ts';
import type {
  Action,
  CommitAction,
  CommitReason,
  MigrateAction,
  PushAction,
} from '../../../src/control/actions.ts';
import { type Decision, decide } from '../../../src/control/decide.ts';
import { NO_MEMORY, observe } from '../../../src/control/memory.ts';
import type {
  NodeError,
  NodeErrorKind,
  ProbeResult,
  SourceJob,
  TargetJob,
} from '../../../src/control/observation.ts';
import { startMigration } from '../../../src/topology/change-slots.ts';
import { allNodes, masterOf, migrationsOf } from '../../../src/topology/cluster.ts';
import { setNodesText } from '../../../src/topology/setnodes-text.ts';
import { equalRanges, slotRange } from '../../../src/topology/slot.ts';
import type { Cluster, NodeAddress, NodeId, NodeRole, SlotRange } from '../../../src/topology/types.ts';
import { sampleCluster } from '../topology/arbitrary.ts';

/** A slot move as it really happened, whatever nodes remember of it. */
interface Job {
  readonly source: ModelNode;
  readonly target: ModelNode;
  readonly range: SlotRange;
  state: 'running' | 'succeeded' | 'failed';
  /** Its success was committed, or it was given up. */
  isSettled: boolean;
}

interface ModelNode {
  readonly address: NodeAddress;
  readonly expectedId: NodeId;
  id: NodeId | null;
  version: number;
  role: NodeRole;
  master: NodeAddress | null;
  sequence: number;
  life: 'up' | 'hung' | 'dead';
  sourceJob: SourceJob | null;
  targetJob: TargetJob | null;
}

const INTERVAL_MS = 1000;

export class Fleet {
  cluster: Cluster;
  readonly nodes: ModelNode[];
  readonly committed = new Map<number, string>();
  readonly jobs: Job[] = [];
  /** Of all commits so far. */
  readonly reasons: CommitReason[] = [];
  hasFaults = true;
  lastDecision: Decision | null = null;
  readonly #random: Random;
  #memory = NO_MEMORY;
  #nowMs = 0;

  constructor(seed: number, shardCount: number, groupSize: number) {
    this.#random = createSeededRandom(seed);
    this.cluster = sampleCluster(shardCount, groupSize);
    this.#record(this.cluster);
    this.nodes = allNodes(this.cluster).map(({ node }) => ({
      address: node.address,
      expectedId: node.id,
      id: null,
      version: -1,
      role: 'master',
      master: null,
      sequence: 0,
      life: 'up',
      sourceJob: null,
      targetJob: null,
    }));
  }

  chance(percent: number): boolean {
    return randomBelow(this.#random, 100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    return present(items[randomBelow(this.#random, items.length)], 'nothing to pick from');
  }

  /** One interval: faults, the work of nodes, probes, and decisions until nothing is left to do at once. */
  step(): void {
    this.#nowMs += INTERVAL_MS;
    if (this.hasFaults) this.#makeTrouble();
    this.#work();
    this.#probe(this.nodes);
    for (let turn = 0; turn < 8; turn += 1) {
      const decision = this.#decide();
      this.#memory = decision.memory;
      this.lastDecision = decision;
      if (decision.actions.length === 0) break;
      for (const action of decision.actions) this.#execute(action);
      this.#nowMs += 10;
      this.#work();
      const { expectant } = this.#decide();
      this.#probe(this.nodes.filter((node) => expectant.has(node.expectedId)));
    }
  }

  heal(): void {
    this.hasFaults = false;
    for (const node of this.nodes) this.#revive(node);
  }

  isConverged(): boolean {
    const isEveryNodeRight = allNodes(this.cluster).every(({ node, shard }) => {
      const model = this.#node(node.id);
      const master = node.role === 'master' ? null : masterOf(shard).address;
      return (
        model.id === node.id &&
        model.version === this.cluster.version &&
        model.role === node.role &&
        model.master === master
      );
    });
    return (
      isEveryNodeRight && migrationsOf(this.cluster).length === 0 && this.lastDecision?.actions.length === 0
    );
  }

  #node(id: NodeId): ModelNode {
    return present(
      this.nodes.find((node) => node.expectedId === id),
      'no such node',
    );
  }

  #record(cluster: Cluster): void {
    this.committed.set(cluster.version, setNodesText(cluster));
  }

  #decide(): Decision {
    const settings = { pingIntervalMs: INTERVAL_MS, maxPingCount: 3 };
    return decide({ cluster: this.cluster, memory: this.#memory, settings, nowMs: this.#nowMs });
  }

  #makeTrouble(): void {
    if (this.chance(4)) this.#memory = NO_MEMORY;
    const victim = this.pick(this.nodes);
    if (this.chance(15)) this.#kill(victim);
    else if (this.chance(10) && victim.life === 'up') victim.life = 'hung';
    const lucky = this.pick(this.nodes);
    if (lucky.life !== 'up' && this.chance(50)) this.#revive(lucky);
    if (this.chance(3)) this.#pushByStranger(this.pick(this.nodes));
    if (this.chance(20)) {
      const source = this.pick(this.cluster.shards);
      const [own] = source.slots;
      if (own === undefined) return;
      const range = this.chance(50)
        ? slotRange(own.start, own.start)
        : slotRange(own.start, Math.min(own.stop, own.start + 9));
      const targetIndex = randomBelow(this.#random, this.cluster.shards.length);
      const next = startMigration(this.cluster, {
        range,
        targetIndex,
        nowSeconds: Math.floor(this.#nowMs / 1000),
      });
      if (next.ok) this.cluster = next.value;
    }
  }

  #pushByStranger(node: ModelNode): void {
    if (node.life === 'up' && node.version > 0 && !this.#isBusy(node))
      node.version += 1 + randomBelow(this.#random, 3);
  }

  /** Facts section 5.5. */
  #kill(node: ModelNode): void {
    if (node.life === 'dead') return;
    node.life = 'dead';
    for (const job of this.jobs) {
      if (job.state !== 'running' || (job.source !== node && job.target !== node)) continue;
      this.#fail(job);
    }
    node.sourceJob = null;
    node.targetJob = null;
  }

  #fail(job: Job): void {
    job.state = 'failed';
    job.source.sourceJob = { range: job.range, destination: job.target.expectedId, state: 'fail' };
    job.target.targetJob = { range: job.range, state: 'error' };
  }

  #revive(node: ModelNode): void {
    node.life = 'up';
  }

  /** Writes, replication and slot moves. */
  #work(): void {
    for (const node of this.nodes) {
      if (node.life !== 'up') continue;
      if (node.role === 'master' && node.version > 0) node.sequence += 1;
      const master = this.nodes.find((other) => other.address === node.master);
      if (node.role === 'replica' && master?.life === 'up' && this.chance(80))
        node.sequence = master.sequence;
    }
    for (const job of this.jobs) {
      if (job.state !== 'running') continue;
      if (job.target.life === 'hung') this.#fail(job);
      else if (job.source.life === 'up' && this.chance(30)) this.#succeed(job);
    }
  }

  #succeed(job: Job): void {
    if (this.hasFaults && this.chance(10)) {
      this.#fail(job);
      return;
    }
    job.state = 'succeeded';
    job.source.sourceJob = { range: job.range, destination: job.target.expectedId, state: 'success' };
    job.target.targetJob = { range: job.range, state: 'success' };
  }

  #probe(nodes: readonly ModelNode[]): void {
    for (const node of nodes) {
      const result = this.#report(node);
      const times = { startedAtMs: this.#nowMs, endedAtMs: this.#nowMs + 1 };
      this.#memory = observe(this.#memory, this.cluster, [
        { kind: 'probed', node: node.expectedId, address: node.address, ...times, result },
      ]);
    }
    this.#nowMs += 2;
  }

  #report(node: ModelNode): ProbeResult {
    if (node.life === 'dead') return { kind: 'failed', error: { kind: 'unreachable', message: 'refused' } };
    if (node.life === 'hung' || (this.hasFaults && this.chance(5))) {
      return { kind: 'failed', error: { kind: 'timedOut', message: 'no reply' } };
    }
    const master = this.nodes.find((other) => other.address === node.master);
    const isReplica = node.role === 'replica';
    const report = {
      id: node.id,
      version: node.version,
      role: node.role,
      master: node.master,
      link: isReplica ? (master?.life === 'dead' ? ('down' as const) : ('up' as const)) : null,
      lastIoSeconds: isReplica ? 1 : null,
      syncInProgress: false,
      sequence: node.sequence,
      sourceJob: isReplica ? null : node.sourceJob,
      targetJob: isReplica ? null : node.targetJob,
      login: 'accepted' as const,
      emptiesBeforeFullSync: false,
    };
    return { kind: 'answered', report };
  }

  /** Lost requests never arrive, lost replies do their work all the same. */
  #send(node: ModelNode, run: () => Result<void, NodeError>): Result<void, NodeError> {
    if (node.life === 'dead') return failure('unreachable');
    if (node.life === 'hung' || (this.hasFaults && this.chance(10))) return failure('timedOut');
    const result = run();
    return this.hasFaults && this.chance(10) ? failure('timedOut') : result;
  }

  #execute(action: Action): void {
    const endedAtMs = this.#nowMs + 1;
    switch (action.kind) {
      case 'commit': {
        const isCommitted = this.#commit(action);
        this.#memory = observe(this.#memory, this.cluster, [{ kind: 'commitEnded', endedAtMs, isCommitted }]);
        return;
      }
      case 'push': {
        const node = this.#node(action.node);
        this.#checkPush(action, node);
        const result = this.#send(node, () => this.#setNodes(node, action));
        this.#memory = observe(this.#memory, this.cluster, [
          { kind: 'pushed', node: action.node, endedAtMs, result },
        ]);
        return;
      }
      default: {
        const source = this.#node(action.source);
        const result = this.#send(source, () => this.#migrate(source, action));
        this.#memory = observe(this.#memory, this.cluster, [
          { kind: 'migrateAnswered', shard: action.shard, endedAtMs, result },
        ]);
      }
    }
  }

  #commit(action: CommitAction): boolean {
    if (this.hasFaults && this.chance(15)) return false;
    for (const reason of action.reasons) {
      if (reason.kind !== 'migrationFinished') continue;
      const place = present(
        migrationsOf(this.cluster).find(({ sourceIndex }) => sourceIndex === reason.sourceIndex),
        'no migration',
      );
      const [source, target] = [masterOf(place.source).id, masterOf(place.target).id];
      const job = this.jobs.findLast(
        (one) => one.source.expectedId === source && equalRanges(one.range, place.migration.range),
      );
      if (
        job === undefined ||
        job.target.expectedId !== target ||
        job.state !== 'succeeded' ||
        job.isSettled
      ) {
        throw new Error(`slots ${reason.slots} are given away without their data: ${reason.text}`);
      }
      job.isSettled = true;
    }
    for (const reason of action.reasons) {
      if (reason.kind !== 'migrationGivenUp') continue;
      const place = present(
        migrationsOf(this.cluster).find(({ sourceIndex }) => sourceIndex === reason.sourceIndex),
        'no migration',
      );
      for (const job of this.jobs) job.isSettled ||= job.source.expectedId === masterOf(place.source).id;
    }
    const isTopologyChanged = setNodesText(action.next) !== setNodesText(this.cluster);
    if (
      action.next.version < this.cluster.version ||
      (isTopologyChanged && action.next.version === this.cluster.version)
    ) {
      throw new Error('a changed topology needs a higher version');
    }
    for (const shard of action.next.shards) {
      if (shard.nodes.filter((node) => node.role === 'master').length !== 1)
        throw new Error('not exactly one master');
    }
    this.cluster = action.next;
    this.reasons.push(...action.reasons);
    this.#record(action.next);
    return true;
  }

  #isBusy(node: ModelNode): boolean {
    return this.jobs.some(
      (job) =>
        (job.source === node || job.target === node) &&
        (job.state === 'running' || (job.state === 'succeeded' && !job.isSettled)),
    );
  }

  #checkPush(action: PushAction, node: ModelNode): void {
    if (this.committed.get(action.version) !== action.text)
      throw new Error('a topology was pushed that was not committed');
    if (action.version <= node.version) return;
    const place = migrationsOf(this.cluster).find(({ source, target }) =>
      [masterOf(source).id, masterOf(target).id].includes(node.expectedId),
    );
    if (
      place?.migration.stage.kind === 'started' &&
      this.#isBusy(node) &&
      node.life === 'up' &&
      this.#isJobOf(place.migration.range, node)
    ) {
      throw new Error('a higher version was pushed to an end of a running migration');
    }
  }

  /** A push would end the job or undo its success. A restarted end has forgotten it: there is nothing left to harm. */
  #isJobOf(range: SlotRange, node: ModelNode): boolean {
    const job = this.jobs.findLast((one) => one.source === node || one.target === node);
    if (job === undefined || !equalRanges(job.range, range) || job.source.life !== 'up') return false;
    const remembered = job.source === node ? node.sourceJob : node.targetJob;
    return remembered !== null && job.state !== 'failed' && !job.isSettled;
  }

  /** Facts section 2.2, 2.4, 5.4. */
  #setNodes(node: ModelNode, action: PushAction): Result<void, NodeError> {
    if (action.id !== null) node.id = action.id;
    if (action.version < node.version) return failure('invalidVersion');
    if (action.version === node.version) return ok(undefined);
    node.version = action.version;
    for (const job of this.jobs) {
      if (job.state === 'running' && job.target === node) this.#fail(job);
    }
    const rows = action.text.split('\n').map((row) => row.split(' '));
    const own = rows.find(([id]) => id === node.id);
    const masterRow = rows.find(([id]) => id === own?.[4]);
    if (own === undefined) return ok(undefined);
    node.role = own[3] === 'master' ? 'master' : 'replica';
    node.master =
      this.nodes.find(({ address }) => address === `${masterRow?.[1]}:${masterRow?.[2]}`)?.address ?? null;
    return ok(undefined);
  }

  /** Facts section 5.1. The mark of the last success stays until the next job (section 5.4). */
  #migrate(source: ModelNode, action: MigrateAction): Result<void, NodeError> {
    const target = this.#node(action.target);
    if (source.role !== 'master' || source.version < 1) return failure('refused');
    if (this.jobs.some((job) => job.source === source && job.state === 'running'))
      return failure('migrationRunning');
    const last = source.sourceJob;
    if (
      last?.state === 'success' &&
      last.range.start <= action.range.stop &&
      action.range.start <= last.range.stop
    ) {
      return failure('alreadyMigrated');
    }
    const job: Job = { source, target, range: action.range, state: 'running', isSettled: false };
    this.jobs.push(job);
    const isTargetReady = target.life === 'up' && target.role === 'master' && target.version > 0;
    if (
      !isTargetReady ||
      this.jobs.some((other) => other !== job && other.target === target && other.state === 'running')
    ) {
      job.state = 'failed';
      source.sourceJob = { range: job.range, destination: target.expectedId, state: 'fail' };
      return ok(undefined);
    }
    source.sourceJob = { range: job.range, destination: target.expectedId, state: 'start' };
    target.targetJob = { range: job.range, state: 'start' };
    if (target.sourceJob?.state === 'success' && equalRanges(target.sourceJob.range, job.range))
      target.sourceJob = null;
    return ok(undefined);
  }

  /** For the message of a failing run. */
  explain(): string {
    const lines = allNodes(this.cluster).map(({ node }) => {
      const model = this.#node(node.id);
      return `${node.role} v${this.cluster.version} <- ${JSON.stringify({ ...model, expectedId: undefined, id: model.id !== null })}`;
    });
    return [...lines, JSON.stringify(this.lastDecision), JSON.stringify(migrationsOf(this.cluster))].join(
      '\n',
    );
  }
}

function failure(kind: NodeErrorKind): Result<void, NodeError> {
  return err({ kind, message: kind });
}
