// The decision: what is wanted, what was seen and what time it is go in; what to do, what to remember and what is wrong come out.

import { present, unreachable } from '../base/assert.ts';
import { factsFor } from '../topology/facts.ts';
import type { ClusterPolicy } from '../topology/policy.ts';
import type { NodeAddress, NodeId } from '../topology/types.ts';
import { arrivalsAfter, planReturns, reviewArrivals } from './arrivals.ts';
import type { Action, FenceAction, OutrunAction, PushAction, TuneAction } from './actions.ts';
import {
  dueFences,
  expectantNodes,
  heldNodes,
  planPushes,
  planRaise,
  raiseMemoryAfter,
  returningMasters,
} from './convergence.ts';
import { diagnose } from './diagnosis.ts';
import { drainEnds, planDrains, reviewDrains } from './drain.ts';
import type { Observer } from './evidence.ts';
import type { Draft } from './draft.ts';
import { planFailovers } from './failover.ts';
import { planAdoptions } from './hand-over.ts';
import { type ControlMemory, NO_MEMORY, forgetOthers } from './memory.ts';
import { planMigrations, reviewMigrations } from './migration.ts';
import { NO_REMAKE, type NodeMemory } from './node-memory.ts';
import { betterPlaced, planInquiry } from './inquiry.ts';
import { planNotes } from './notes.ts';
import { reviewPlaces } from './overruled.ts';
import type { Problem } from './problems.ts';
import { withSpareLooksBegun } from './spare-memory.ts';
import { planSpares, reviewSpares } from './spares.ts';
import { planTasks, retriesAfter, type TaskPlan, waitingTasks, waitsOf } from './tasks.ts';
import type { Circumstances } from './sight.ts';
import { type NodeView, type Situation, lookAt } from './situation.ts';
import { doubtAfterFailures } from './tuning.ts';
import { NO_TUNING, tuningBegun } from './tuning-memory.ts';

/** The cluster and its facts as committed and applied now, with everything else a decision depends on. */
export type ControlInput = Circumstances;

export interface Decision {
  /** To be carried out, all of them. Either one commit, or pushes and migrations; fences beside both. */
  readonly actions: readonly Action[];
  readonly memory: ControlMemory;
  readonly problems: readonly Problem[];
  /** Nodes to probe again soon (about every 100 ms) instead of at the interval: their next word moves something on. */
  readonly expectant: ReadonlySet<NodeId>;
  /** Nodes to probe about every 20 ms: who comes back at their addresses decides about the data of others, clients wait for their word, or they are about to lose their place. */
  readonly urgent: ReadonlySet<NodeId>;
  /** Members that see masters which this one does not. */
  readonly betterPlaced: ReadonlySet<Observer>;
  /** Why open tasks do not come on, by their ids. */
  readonly waits: TaskPlan['waits'];
  /** Decide again at this time even if nothing happens; Infinity when there is no such time. */
  readonly wakeAtMs: number;
  /** What the decision was made from, for whoever tells of it: nothing in it changes any more. */
  readonly situation: Situation;
}

/**
 * What to do about one cluster now. Call it after every change of the committed cluster, after events were given to `observe` (several can share
 * one call), and at `wakeAtMs`. It is total: no report of a node can make it throw.
 */
export function decide(input: ControlInput): Decision {
  const { nowMs } = input;
  const facts = factsFor(input.facts, input.cluster);
  const known = forgetOthers(input.memory, input.cluster);
  const seen = lookAt({ ...input, facts, memory: known });
  const settled = settledNodes(seen);
  const places = reviewPlaces({ ...seen, memory: settled });
  const reviewed = {
    ...settled,
    ...places,
    migrations: reviewMigrations(seen),
    drains: reviewDrains(seen),
    arrivals: reviewArrivals(seen),
    spares: reviewSpares(seen),
  };
  const nodes = doubtAfterFailures(known.migrations, reviewed, input.cluster);
  const memory = nodes === reviewed.nodes ? reviewed : { ...reviewed, nodes };
  const situation = lookAt({ ...input, facts, memory });
  if (facts.observedSinceSeconds !== null) return onlyLooking(situation);
  const failover = planFailovers(situation);
  const migration = planMigrations(situation, failover);
  const held = heldNodes(situation);
  const drain = planDrains(situation, held);
  const raise = planRaise(situation, held);
  const spares = planSpares(situation);
  const drafts: readonly (Draft & { readonly policy?: ClusterPolicy })[] = [
    planReturns(situation),
    failover,
    drain,
    migration,
    planAdoptions(situation, noChange(situation)),
    planNotes(situation),
    raise,
    spares,
  ];
  const first = drafts.find((plan) => plan.reasons.length > 0);
  const tasks = planTasks(
    situation,
    first ?? noChange(situation),
    first === undefined || first === migration,
  );
  const problems = [
    ...diagnose(situation),
    ...failover.problems,
    ...migration.problems,
    ...spares.problems,
    ...waitingTasks(situation, tasks),
  ];
  const rest = {
    problems,
    expectant: expectantNodes(situation),
    urgent: new Set([
      ...returningMasters(situation),
      ...drainEnds(situation),
      ...failover.awaited,
      ...migration.awaited,
      ...spares.rechecks.keys(),
    ]),
    betterPlaced: betterPlaced(situation),
    waits: waitsOf(situation, tasks, migration.waits),
    situation,
  };
  const { fences, wakeAtMs: fenceAtMs } = dueFences(situation);
  const fenced = { ...situation, memory: withActions(situation, fences) };
  if (memory.commit.isInFlight)
    return { actions: fences, memory: fenced.memory, ...rest, wakeAtMs: fenceAtMs };

  const isDraft = tasks.reasons.length > 0 || tasks.cluster !== situation.cluster;
  const isCommitDue = nowMs >= memory.commit.nextAtMs;
  if (isDraft && isCommitDue) {
    const draft = { ...tasks, ...(first?.policy === undefined ? {} : { policy: first.policy }) };
    const committing = commit(fenced, draft);
    return { ...committing, ...rest, actions: [...fences, ...committing.actions], wakeAtMs: fenceAtMs };
  }
  const pushes = planPushes(situation, held);
  const inquiry = planInquiry(
    situation,
    (id) => failover.awaited.has(id) || migration.awaited.has(id) || spares.rechecks.has(id),
  );
  const { untuned, actions: tunes } = tasks.tuning;
  const requests = isDraft ? [] : migration.requests.filter(({ source }) => !untuned.has(source));
  const wakeAtMs = Math.min(
    failover.wakeAtMs,
    pushes.wakeAtMs,
    inquiry.wakeAtMs,
    drain.wakeAtMs,
    migration.wakeAtMs,
    raise.wakeAtMs,
    spares.wakeAtMs,
    tasks.wakeAtMs,
    isDraft ? memory.commit.nextAtMs : Infinity,
  );
  const actions = [
    ...pushes.pushes,
    ...requests,
    ...inquiry.inquiries,
    ...spares.looks,
    ...(isDraft ? [] : tunes),
  ];
  return { actions, memory: withActions(situation, actions), ...rest, wakeAtMs };
}

/** A cluster that nobody has accepted yet: what is wrong is told, and nothing is done. */
function onlyLooking(situation: Situation): Decision {
  return {
    actions: [],
    memory: situation.memory,
    situation,
    problems: diagnose(situation),
    expectant: new Set(),
    urgent: new Set(),
    betterPlaced: new Set(),
    waits: new Map(),
    wakeAtMs: Infinity,
  };
}

function noChange({ cluster, facts }: Situation): Draft {
  return { cluster, facts, reasons: [] };
}

function commit(
  situation: Situation,
  draft: TaskPlan & { readonly policy?: ClusterPolicy },
): Pick<Decision, 'actions' | 'memory'> {
  const { memory, nowMs } = situation;
  const isRaise = draft.reasons.some((reason) => reason.kind === 'versionRaised');
  const isNote = draft.reasons.every((reason) => reason.kind === 'noted');
  // Once somebody has confirmed that this group is alone, the count begins anew.
  const isHeld = draft.reasons.some((reason) => reason.kind === 'pushesHeld');
  const raise = isRaise ? raiseMemoryAfter(memory.raise, nowMs) : memory.raise;
  return {
    actions: [
      {
        kind: 'commit',
        next: draft.cluster,
        facts: draft.facts,
        ...(draft.policy === undefined ? {} : { policy: draft.policy }),
        ...(draft.tasks === situation.tasks && !draft.beginsJobs ? {} : { tasks: draft.tasks }),
        // A job that begins is no news: its task has said that it does, and that the job is under way is told next.
        reasons: draft.reasons.length > 0 ? draft.reasons : [{ kind: 'taskNoted' }],
      },
    ],
    memory: {
      ...memory,
      nodes: withTuningSpent(memory.nodes, draft.tuning.spent),
      arrivals: arrivalsAfter(situation, draft),
      commit: { ...memory.commit, isInFlight: true },
      raise: isHeld ? NO_MEMORY.raise : raise,
      notedAtMs: isNote ? nowMs : memory.notedAtMs,
      retries: draft.tasks === situation.tasks ? memory.retries : retriesAfter(situation, draft.tasks),
    },
  };
}

/** What a node said of its settings is used by this commit; should that fail, it is asked again. */
function withTuningSpent(nodes: ControlMemory['nodes'], spent: readonly NodeId[]): ControlMemory['nodes'] {
  if (spent.length === 0) return nodes;
  const ids = new Set(spent);
  return new Map(
    [...nodes].map(([id, node]) => [id, ids.has(id) ? { ...node, tuning: NO_TUNING } : node] as const),
  );
}

/** Forgets what is settled: the count of pushes to nodes that have converged, how nodes were brought back, doubts that are written down. */
function settledNodes(situation: Situation): ControlMemory {
  let nodes: Map<NodeId, NodeMemory> | null = null;
  for (const view of situation.views.values()) {
    const settled = settledNode(view);
    if (settled === view.memory) continue;
    nodes ??= new Map(situation.memory.nodes);
    nodes.set(view.node.id, settled);
  }
  return nodes === null ? situation.memory : { ...situation.memory, nodes };
}

function settledNode({ need, memory, facts, node }: NodeView): NodeMemory {
  let settled = memory;
  // Written down, and what was done to make it anew counts no more.
  if (memory.mayHaveMetStranger && facts.remake !== null)
    settled = { ...settled, mayHaveMetStranger: false, remake: NO_REMAKE };
  // What a master took meanwhile is in its history, and its replicas have it.
  const isBack = node.role === 'master' && need.kind === 'nothing';
  if (memory.wasOutOfCluster && (facts.remake !== null || isBack))
    settled = { ...settled, wasOutOfCluster: false };
  if (need.kind === 'startOver' && settled.remake !== NO_REMAKE) return { ...settled, remake: NO_REMAKE };
  if (need.kind !== 'nothing' || memory.push.inFlightSinceMs !== null) return settled;
  if (facts.remake === null && settled.remake !== NO_REMAKE) settled = { ...settled, remake: NO_REMAKE };
  if (memory.push.attempts === 0) return settled;
  return { ...settled, push: { ...memory.push, attempts: 0, nextAtMs: -Infinity, error: null } };
}

/** Notes what is under way from now on. */
function withActions(
  situation: Situation,
  actions: readonly Exclude<Action, { readonly kind: 'commit' }>[],
): ControlMemory {
  if (actions.length === 0) return situation.memory;
  const nodes = new Map(situation.memory.nodes);
  const migrations = new Map(situation.memory.migrations);
  const inspected: NodeAddress[] = [];
  for (const action of actions) {
    switch (action.kind) {
      case 'push':
      case 'outrun':
      case 'fence':
      case 'tune': {
        const before = present(nodes.get(action.node), 'every node of the cluster is remembered');
        nodes.set(action.node, begun(before, action, situation.nowMs));
        break;
      }
      case 'inquire':
        for (const id of action.nodes) {
          const before = present(nodes.get(id), 'every node of the cluster is remembered');
          nodes.set(id, { ...before, inquiry: { ...before.inquiry, isInFlight: true } });
        }
        break;
      case 'migrate': {
        const before = present(migrations.get(action.shard), 'every migration of the cluster is remembered');
        migrations.set(action.shard, {
          ...before,
          request: { endedAtMs: null, error: null },
          failed: null,
          targetSucceeded: null,
        });
        break;
      }
      case 'inspectSpare':
        inspected.push(action.spare.address);
        break;
      default:
        unreachable(action);
    }
  }
  const spares = withSpareLooksBegun(situation.memory.spares, inspected);
  return { ...situation.memory, nodes, migrations, spares };
}

function begun(
  before: NodeMemory,
  action: PushAction | OutrunAction | FenceAction | TuneAction,
  nowMs: number,
): NodeMemory {
  switch (action.kind) {
    case 'push':
      return pushBegun(before, action, nowMs);
    case 'outrun':
      return { ...before, remake: { ...before.remake, isOutrunInFlight: true } };
    case 'tune':
      return { ...before, tuning: tuningBegun(before.tuning, action) };
    default:
      return { ...before, fence: { ...before.fence, isInFlight: true } };
  }
}

function pushBegun(before: NodeMemory, action: PushAction, nowMs: number): NodeMemory {
  const { push, remake, look } = before;
  const isRepeated = push.version === action.version && push.purpose === action.purpose;
  const { version, purpose } = action;
  const attempts = isRepeated ? push.attempts + 1 : 1;
  // What the node said before it was first cut off tells its history; afterwards it says only what it was told.
  const told = action.purpose === 'isolation' ? (remake.before ?? look?.report ?? null) : remake.before;
  return {
    ...before,
    push: { ...push, version, purpose, attempts, inFlightSinceMs: nowMs, askedAtMs: null },
    placedAt: null,
    remake: told === remake.before ? remake : { ...remake, before: told },
  };
}
