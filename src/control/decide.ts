// The decision: what is wanted, what was seen and what time it is go in; what to do, what to remember and what is wrong come out.

import { present } from '../base/assert.ts';
import type { Cluster, NodeId } from '../topology/types.ts';
import type { Action, MigrateAction, PushAction } from './actions.ts';
import { expectantNodes, heldNodes, planPushes, planRaise, raiseMemoryAfter } from './convergence.ts';
import { diagnose } from './diagnosis.ts';
import { type Draft, planFailovers } from './failover.ts';
import { type ControlMemory, type NodeMemory, type PushMemory, forgetOthers } from './memory.ts';
import { planMigrations, reviewMigrations } from './migration.ts';
import type { Problem } from './problems.ts';
import type { ControlSettings } from './settings.ts';
import { type Situation, lookAt } from './situation.ts';

export interface ControlInput {
  /** The cluster as committed and applied now. */
  readonly cluster: Cluster;
  readonly memory: ControlMemory;
  readonly settings: ControlSettings;
  /** Milliseconds on the monotonic clock, the one all events are stamped with. */
  readonly nowMs: number;
}

export interface Decision {
  /** To be carried out, all of them. Either one commit and nothing else, or pushes and migrations. */
  readonly actions: readonly Action[];
  readonly memory: ControlMemory;
  readonly problems: readonly Problem[];
  /** Nodes to probe again soon (about every 100 ms) instead of at the interval: their next word moves something on. */
  readonly expectant: ReadonlySet<NodeId>;
  /** Decide again at this time even if nothing happens; Infinity when there is no such time. */
  readonly wakeAtMs: number;
}

/**
 * What to do about one cluster now. Call it after every change of the committed cluster, after events were given to `observe` (several can share
 * one call), and at `wakeAtMs`. It is total: no report of a node can make it throw.
 */
export function decide(input: ControlInput): Decision {
  const { cluster, settings, nowMs } = input;
  const known = forgetOthers(input.memory, cluster);
  const seen = lookAt({ cluster, memory: known, settings, nowMs });
  const settled = settledPushes(seen);
  const memory = { ...settled, migrations: reviewMigrations(seen) };
  const views = settled === known ? seen.views : lookAt({ cluster, memory, settings, nowMs }).views;
  const situation: Situation = { ...seen, memory, views };
  const failover = planFailovers(situation);
  const migration = planMigrations(situation, failover);
  const held = heldNodes(situation);
  const raise = planRaise(situation, held);
  const problems = [...diagnose(situation), ...failover.problems, ...migration.problems];
  const rest = { problems, expectant: expectantNodes(situation) };
  if (memory.commit.isInFlight) return { actions: [], memory, ...rest, wakeAtMs: Infinity };

  const draft = [failover, migration, raise].find((plan) => plan.reasons.length > 0);
  const isCommitDue = nowMs >= memory.commit.nextAtMs;
  if (draft !== undefined && isCommitDue) return { ...commit(memory, draft, nowMs), ...rest };
  const pushes = planPushes(situation, held);
  const requests = draft === undefined ? migration.requests : [];
  const wakeAtMs = Math.min(
    pushes.wakeAtMs,
    migration.wakeAtMs,
    raise.wakeAtMs,
    draft === undefined ? Infinity : memory.commit.nextAtMs,
  );
  const actions = [...pushes.pushes, ...requests];
  return { actions, memory: withActions(situation, actions), ...rest, wakeAtMs };
}

function commit(
  memory: ControlMemory,
  draft: Draft,
  nowMs: number,
): Pick<Decision, 'actions' | 'memory' | 'wakeAtMs'> {
  const isRaise = draft.reasons.some((reason) => reason.kind === 'versionRaised');
  return {
    actions: [{ kind: 'commit', next: draft.cluster, reasons: draft.reasons }],
    memory: {
      ...memory,
      commit: { ...memory.commit, isInFlight: true },
      raise: isRaise ? raiseMemoryAfter(memory.raise, nowMs) : memory.raise,
    },
    wakeAtMs: Infinity,
  };
}

/** Forgets the count of pushes to nodes that have converged. */
function settledPushes(situation: Situation): ControlMemory {
  let nodes: Map<NodeId, NodeMemory> | null = null;
  for (const { node, need, memory } of situation.views.values()) {
    if (need.kind !== 'nothing' || memory.push.attempts === 0 || memory.push.inFlightSinceMs !== null)
      continue;
    nodes ??= new Map(situation.memory.nodes);
    nodes.set(node.id, {
      ...memory,
      push: { ...memory.push, attempts: 0, nextAtMs: -Infinity, error: null },
    });
  }
  return nodes === null ? situation.memory : { ...situation.memory, nodes };
}

/** Notes what is under way from now on. */
function withActions(situation: Situation, actions: readonly (PushAction | MigrateAction)[]): ControlMemory {
  const { memory, nowMs } = situation;
  if (actions.length === 0) return memory;
  const nodes = new Map(memory.nodes);
  const migrations = new Map(memory.migrations);
  for (const action of actions) {
    if (action.kind === 'push') {
      const before = present(nodes.get(action.node), 'every node of the cluster is remembered');
      nodes.set(action.node, { ...before, push: pushBegun(before.push, action, nowMs) });
    } else {
      const before = present(migrations.get(action.shard), 'every migration of the cluster is remembered');
      migrations.set(action.shard, { ...before, request: { endedAtMs: null, error: null } });
    }
  }
  return { ...memory, nodes, migrations };
}

function pushBegun(before: PushMemory, action: PushAction, nowMs: number): PushMemory {
  const attempts = before.version === action.version ? before.attempts + 1 : 1;
  return { ...before, version: action.version, attempts, inFlightSinceMs: nowMs };
}
