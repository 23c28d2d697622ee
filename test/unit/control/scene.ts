// A hand-driven cluster for rule tests: say what each node answers, then ask for the decision.

import { present } from '../../../src/base/assert.ts';
import { err, ok } from '../../../src/base/result.ts';
import type { Action, CommitAction, MigrateAction, PushAction } from '../../../src/control/actions.ts';
import { type Decision, decide } from '../../../src/control/decide.ts';
import { type ControlEvent, NO_MEMORY, observe } from '../../../src/control/memory.ts';
import type { NodeError, NodeErrorKind, NodeReport, ProbeResult } from '../../../src/control/observation.ts';
import { findNode, masterOf } from '../../../src/topology/cluster.ts';
import type { Cluster, NodeId } from '../../../src/topology/types.ts';
import { nodeIdAt, sampleCluster } from '../topology/arbitrary.ts';

export const INTERVAL_MS = 1000;

export class Scene {
  cluster: Cluster;
  memory = NO_MEMORY;
  nowMs = 1_000_000;
  settings = { pingIntervalMs: INTERVAL_MS, maxPingCount: 3 };
  /** What each node answers; null for no answer at all. */
  readonly answers = new Map<NodeId, NodeReport | NodeError | null>();

  constructor(shardCount = 2, groupSize = 2) {
    this.cluster = sampleCluster(shardCount, groupSize);
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

  /** One node is probed now; the reply comes 5 ms later. */
  probe(id: NodeId): void {
    const { node } = present(findNode(this.cluster, id), 'no such node');
    const answer = this.answers.get(id) ?? null;
    const startedAtMs = this.nowMs;
    this.nowMs += 5;
    this.tell({
      kind: 'probed',
      node: id,
      address: node.address,
      startedAtMs,
      endedAtMs: this.nowMs,
      result: toResult(answer),
    });
  }

  tell(...events: ControlEvent[]): void {
    this.memory = observe(this.memory, this.cluster, events);
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

  decide(): Decision {
    const decision = decide(this);
    this.memory = decision.memory;
    return decision;
  }

  /** The decision must be one commit, which succeeds. */
  commit(): CommitAction {
    const action = only(this.decide(), 'commit');
    this.endCommit(action);
    return action;
  }

  endCommit(action: CommitAction, isCommitted = true): void {
    if (isCommitted) this.cluster = action.next;
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
      ...jobsOf(this.answers.get(action.node)),
    });
  }

  endMigrate(action: MigrateAction, error?: NodeErrorKind): void {
    this.nowMs += 5;
    const result = error === undefined ? ok(undefined) : err({ kind: error, message: error });
    this.tell({ kind: 'migrateAnswered', shard: action.shard, endedAtMs: this.nowMs, result });
  }

  /** A new leader: all that was remembered is gone. */
  changeLeader(): void {
    this.memory = NO_MEMORY;
  }

  /** Kinds of all problems now. */
  problems(): string[] {
    return this.decide().problems.map((problem) => problem.kind);
  }
}

function jobsOf(answer: NodeReport | NodeError | null | undefined): Partial<NodeReport> {
  return answer && 'version' in answer ? { sourceJob: answer.sourceJob, targetJob: answer.targetJob } : {};
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
