// A hand-driven cluster for rule tests: say what each node answers, then ask for the decision.

import { expect } from 'vitest';

import { present } from '../../../src/base/assert.ts';
import { err, ok, type Result } from '../../../src/base/result.ts';
import type {
  Action,
  CommitAction,
  MigrateAction,
  PushAction,
  TuneAction,
} from '../../../src/control/actions.ts';
import { type Decision, decide } from '../../../src/control/decide.ts';
import { type ControlEvent, NO_MEMORY, observe } from '../../../src/control/memory.ts';
import type { Panel } from '../../../src/control/evidence.ts';
import type { Census, Policies } from '../../../src/control/sight.ts';
import type { NodeError, NodeErrorKind, NodeReport, ProbeResult } from '../../../src/control/observation.ts';
import { findNode, masterOf } from '../../../src/topology/cluster.ts';
import type { CutOff } from '../../../src/topology/departure.ts';
import { type ClusterFacts, factsFor, initialFacts } from '../../../src/topology/facts.ts';
import { NO_CLUSTER_POLICY, NO_GROUP_POLICY, policyFor } from '../../../src/topology/policy.ts';
import { NO_TASKS, type TaskBook } from '../../../src/topology/task.ts';
import type { NodeTuning } from '../../../src/topology/tuning.ts';
import type { Cluster, NodeAddress, NodeId } from '../../../src/topology/types.ts';
import { nodeIdAt, sampleCluster } from '../topology/arbitrary.ts';

export const INTERVAL_MS = 1000;

/** Reasons that change nothing but facts, as expected. */
const QUIET: ReadonlySet<string> = new Set(['noted', 'promotionConfirmed']);

/** What a node says that was never given a topology and never written to. */
export const FRESH = {
  id: null,
  version: -1,
  role: 'master',
  master: null,
  link: null,
  lastIoSeconds: null,
  sequence: 0,
} as const;

export class Scene {
  cluster: Cluster;
  facts: ClusterFacts;
  memory = NO_MEMORY;
  nowMs = 1_000_000;
  nowSeconds = 1_700_000_000;
  term = 1;
  leadSinceMs = 1_000_000;
  /** A process that is gone has the whole window, unless a test says otherwise. */
  settings = {
    pingIntervalMs: INTERVAL_MS,
    maxPingCount: 3,
    restartGraceMs: 600_000,
    lagMax: 1000,
    switchoverTimeoutMs: 2000,
    coolDownMs: 0,
    aliveSizeMin: 10,
    failureRatioMax: 0.6,
    leaseMs: 0,
  };
  /** A group of one: nobody else is asked. */
  panel: Panel = { self: 1, voters: [[1]] };
  /** Nobody has said anything. */
  policy: Policies = { group: NO_GROUP_POLICY, cluster: NO_CLUSTER_POLICY };
  census: Census = { nodes: 0, missed: 0 };
  /** How nodes were cut off when they left. */
  cutOffs = new Map<NodeId, CutOff>();
  /** Moves of slots that somebody asked for. */
  tasks: TaskBook = NO_TASKS;
  /** What was only written down, apart from what was decided. */
  notes = 0;
  /** What each node answers; null for no answer at all. */
  readonly answers = new Map<NodeId, NodeReport | NodeError | null>();
  /** Since when a node brings no report. */
  readonly #awaySinceMs = new Map<NodeAddress, number>();

  constructor(shardCount = 2, groupSize = 2) {
    this.cluster = sampleCluster(shardCount, groupSize);
    this.facts = initialFacts(this.cluster);
    for (const shard of this.cluster.shards) {
      for (const node of shard.nodes) this.answers.set(node.id, this.converged(node.id));
    }
  }

  id(shardIndex: number, nodeIndex: number): NodeId {
    return nodeIdAt(this.cluster, shardIndex, nodeIndex);
  }

  /** The report of a node that is as the cluster wants it, at sequence 100. */
  converged(id: NodeId): NodeReport {
    const { node, shard } = present(findNode(this.cluster, id), 'no such node');
    const isMaster = node.role === 'master';
    return {
      id,
      version: this.cluster.version,
      role: node.role,
      master: isMaster ? null : masterOf(shard).address,
      link: isMaster ? null : 'up',
      lastIoSeconds: isMaster ? null : 1,
      syncInProgress: false,
      sequence: 100,
      sourceJob: null,
      targetJob: null,
      login: 'accepted',
      emptiesBeforeFullSync: false,
      isFenced: false,
    };
  }

  /** Changes what the node answers from now on. */
  set(id: NodeId, change: Partial<NodeReport>): void {
    const answer = this.answers.get(id);
    const report = answer && 'version' in answer ? answer : this.converged(id);
    this.answers.set(id, { ...report, ...change });
  }

  fail(id: NodeId, kind: NodeErrorKind | 'hang' = 'unreachable'): void {
    this.answers.set(id, kind === 'hang' ? null : { kind, message: kind });
  }

  /** One node is probed now; the reply comes 5 ms later, or as late as is said. */
  probe(id: NodeId, { tookMs = 5, isExtra = false } = {}): void {
    const { node } = present(findNode(this.cluster, id), 'no such node');
    const answer = this.answers.get(id) ?? null;
    const startedAtMs = this.nowMs;
    this.nowMs += tookMs;
    if (answer !== null && 'version' in answer) this.#awaySinceMs.delete(node.address);
    else if (!this.#awaySinceMs.has(node.address)) this.#awaySinceMs.set(node.address, startedAtMs);
    this.tell({
      kind: 'probed',
      node: id,
      address: node.address,
      startedAtMs,
      endedAtMs: this.nowMs,
      result: toResult(this.#heard(answer, startedAtMs)),
      isExtra,
    });
  }

  /** A look between the rounds at a node that hangs, which ends now. */
  glance(id: NodeId): void {
    const { node } = present(findNode(this.cluster, id), 'no such node');
    const result = toResult(this.answers.get(id) ?? null);
    const times = { startedAtMs: this.nowMs - 5, endedAtMs: this.nowMs };
    this.tell({ kind: 'probed', node: id, address: node.address, ...times, result, isExtra: true });
  }

  /** The replica is looked at now, and heard from its master just before, although that does not answer here. */
  hears(id: NodeId): void {
    const startedAtMs = this.nowMs;
    this.nowMs += 5;
    const { node } = present(findNode(this.cluster, id), 'no such node');
    const report = { ...this.converged(id), lastIoSeconds: 0 };
    const probed = { node: id, address: node.address, startedAtMs, endedAtMs: this.nowMs };
    this.tell({ kind: 'probed', ...probed, result: toResult(report) });
  }

  /** A replica hears no more of a master that does not answer, whatever its link says (facts section 8). */
  #heard(answer: NodeReport | NodeError | null, nowMs: number): NodeReport | NodeError | null {
    if (answer === null || !('version' in answer) || answer.master === null) return answer;
    const sinceMs = this.#awaySinceMs.get(answer.master);
    const { lastIoSeconds } = answer;
    if (sinceMs === undefined || lastIoSeconds === null) return answer;
    return { ...answer, lastIoSeconds: Math.max(lastIoSeconds, Math.floor((nowMs - sinceMs) / 1000) + 1) };
  }

  tell(...events: ControlEvent[]): void {
    this.memory = observe(this.memory, this, events);
  }

  /** Probes every node, one interval after the last round. */
  round(): void {
    this.nowMs += INTERVAL_MS;
    for (const id of this.answers.keys()) {
      if (findNode(this.cluster, id) !== null) this.probe(id);
    }
  }

  rounds(count: number): void {
    for (let index = 0; index < count; index += 1) this.round();
  }

  /** The next decision; notes of positions and of promotions that took effect are committed on the way. Fences beside them count as its own. */
  decide(): Decision {
    const fences: Action[] = [];
    for (;;) {
      const decision = decide(this);
      this.memory = decision.memory;
      const [commit] = actionsOf(decision, 'commit');
      if (commit === undefined || !commit.reasons.every(({ kind }) => QUIET.has(kind)))
        return { ...decision, actions: [...fences, ...decision.actions] };
      fences.push(...actionsOf(decision, 'fence'));
      expect(decision.actions.length - 1).toBe(actionsOf(decision, 'fence').length);
      this.notes += 1;
      this.endCommit(commit);
    }
  }

  /** The decision must be one commit, and beside it fences of exactly these nodes. */
  due(fenced: readonly NodeId[] = []): CommitAction {
    const decision = this.decide();
    expect(actionsOf(decision, 'fence').map(({ node }) => node)).toEqual(fenced);
    return only({ ...decision, actions: decision.actions.filter(({ kind }) => kind !== 'fence') }, 'commit');
  }

  /** The decision must be one commit as `due` says, which succeeds. */
  commit(fenced: readonly NodeId[] = []): CommitAction {
    const action = this.due(fenced);
    this.endCommit(action);
    return action;
  }

  endCommit(action: CommitAction, isCommitted = true): void {
    if (isCommitted) {
      this.cluster = action.next;
      this.facts = factsFor(action.facts, action.next);
      this.tasks = action.tasks ?? this.tasks;
      if (action.policy !== undefined)
        this.policy = { ...this.policy, cluster: policyFor(action.policy, action.next) };
    }
    this.tell({ kind: 'commitEnded', endedAtMs: this.nowMs, isCommitted });
  }

  endPush(action: PushAction, error?: NodeErrorKind): void {
    this.nowMs += 5;
    const result = error === undefined ? ok(undefined) : err({ kind: error, message: error });
    this.tell({ kind: 'pushed', node: action.node, endedAtMs: this.nowMs, result });
  }

  /** The push arrives and the node is as the cluster wants it. */
  takePush(action: PushAction): void {
    this.endPush(action);
    this.answers.set(action.node, {
      ...this.converged(action.node),
      ...keptOf(this.answers.get(action.node)),
    });
  }

  /** Every push decided now arrives, until none is decided any more; everybody is looked at in between. */
  settle(): void {
    this.#settle(() => this.round());
  }

  /** The same, but only those who were pushed are looked at, and hardly any time passes. */
  settleAtOnce(): void {
    this.#settle((pushes) => pushes.forEach(({ node }) => this.probe(node)));
  }

  #settle(look: (pushes: readonly PushAction[]) => void): void {
    for (let wave = 0; wave < 10; wave += 1) {
      const pushes = actionsOf(this.decide(), 'push');
      if (pushes.length === 0) return;
      for (const push of pushes) this.takePush(push);
      look(pushes);
    }
    throw new Error('pushes go on and on');
  }

  /** The push of an isolating topology arrives: the node is a master without slots at this version, with its own data. */
  takeIsolation(action: PushAction): void {
    expect(action.purpose).toBe('isolation');
    this.endPush(action);
    this.set(action.node, {
      id: action.node,
      version: action.version,
      role: 'master',
      master: null,
      link: null,
      lastIoSeconds: null,
    });
  }

  endMigrate(action: MigrateAction, error?: NodeErrorKind): void {
    this.nowMs += 5;
    const result = error === undefined ? ok(undefined) : err({ kind: error, message: error });
    this.tell({ kind: 'migrateAnswered', shard: action.shard, endedAtMs: this.nowMs, result });
  }

  /** A node has been asked for its settings, or told them: what it has, or why not. */
  endTune(action: TuneAction, result: Result<NodeTuning, NodeError> = ok(action.settings)): void {
    this.nowMs += 5;
    this.tell({ kind: 'tuned', node: action.node, endedAtMs: this.nowMs, result });
  }

  /** A new leader: all that was remembered is gone. */
  changeLeader(): void {
    this.memory = NO_MEMORY;
    this.leadSinceMs = this.nowMs;
  }

  /** Kinds of all problems now. */
  problems(): string[] {
    return this.decide().problems.map((problem) => problem.kind);
  }
}

/** What a push leaves as it was. A fresh node has its master's data after a moment. */
function keptOf(answer: NodeReport | NodeError | null | undefined): Partial<NodeReport> {
  if (!answer || !('version' in answer)) return {};
  const { sourceJob, targetJob, version, sequence } = answer;
  return version < 0 ? { sourceJob, targetJob } : { sourceJob, targetJob, sequence };
}

function toResult(answer: NodeReport | NodeError | null): ProbeResult {
  if (answer === null) return { kind: 'failed', error: { kind: 'timedOut', message: 'no reply' } };
  return 'version' in answer ? { kind: 'answered', report: answer } : { kind: 'failed', error: answer };
}

export function actionsOf<K extends Action['kind']>(
  decision: Decision,
  kind: K,
): Extract<Action, { readonly kind: K }>[] {
  return decision.actions.filter(
    (action): action is Extract<Action, { readonly kind: K }> => action.kind === kind,
  );
}

/** The one action of the decision, which must be of `kind`. */
export function only<K extends Action['kind']>(
  decision: Decision,
  kind: K,
): Extract<Action, { readonly kind: K }> {
  const [action] = actionsOf(decision, kind);
  if (action === undefined || decision.actions.length !== 1) {
    throw new Error(
      `expected one ${kind}, got ${JSON.stringify(decision.actions)}, problems ${JSON.stringify(decision.problems)}`,
    );
  }
  return action;
}
