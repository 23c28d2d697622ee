// The numbers of this member at the moment of a scrape.

import type { Problem } from '../control/problems.ts';
import { PROBLEMS } from '../control/problems.ts';
import type { Condition } from '../control/sight.ts';
import type { NodeView } from '../control/situation.ts';
import { sparesStatus } from '../control/spares-status.ts';
import { behindOf } from '../control/status.ts';
import type { LastSight } from '../leader/last-sight.ts';
import type { RoleView } from '../raft/core/step.ts';
import type { DriverStatus } from '../raft/status.ts';
import type { Clock } from '../base/clock.ts';
import type { PeerCounts, TransportCounters } from '../raft/transport/counters.ts';
import type { Registry } from '../registry/registry.ts';
import type { RaftTally } from '../telemetry/raft-counts.ts';
import type { ClusterSample, NodeSample, NodeState, PeerSample, RaftSample } from '../telemetry/samples.ts';
import { migrationsOf, ownedSlots } from '../topology/cluster.ts';
import { printRole } from '../topology/node.ts';
import { effectiveAutomation } from '../topology/policy.ts';
import { countSlots } from '../topology/slot.ts';
import { openTasks, slotsMoved, slotsWanted, type TaskBook, taskState } from '../topology/task.ts';
import { SLOT_COUNT } from '../topology/types.ts';
import { toleranceOf } from './tolerance.ts';

/** What a sample of Raft is made of, beside its own status. */
export interface RaftSurroundings {
  readonly clock: Clock;
  readonly counters: TransportCounters;
  readonly walBytes: number;
  readonly snapshotAtSeconds: number | null;
  /** How far the clock of a member is ahead, seconds; null where it was not asked. */
  readonly clockAheadSeconds: (member: number) => number | null;
  readonly store: RaftSample['store'];
  /** Milliseconds after which a member that was heard counts as away. */
  readonly awayMs: number;
}

const NOTHING_COUNTED: PeerCounts = { sent: 0, dropped: 0, received: 0, accepted: 0, refused: 0, failed: 0 };

export function sampleRaft(status: DriverStatus, around: RaftSurroundings): RaftSample {
  const { membership } = status;
  return {
    term: status.term,
    isLeader: status.role === 'leader',
    hasLeader: status.leader !== null,
    firstIndex: status.base + 1,
    lastIndex: status.last.index,
    commitIndex: status.commit,
    appliedIndex: status.applied,
    voters: membership.voters.length,
    learners: membership.learners.length,
    isChanging: membership.outgoing !== null,
    failureTolerance: toleranceOf(status, around.awayMs),
    walBytes: around.walBytes,
    snapshotAtSeconds: around.snapshotAtSeconds,
    isSpaceLow: status.spaceLow,
    peers: status.peers.map((peer) => samplePeer(peer, around)),
    refused: around.counters.refused,
    waiting: {
      proposals: status.proposals,
      reads: status.reads,
      changes: status.changes,
      inbox: status.inbox,
    },
    inboxDropped: status.messagesDropped,
    store: around.store,
  };
}

/** Only of members: what a stranger once sent has no series. */
function samplePeer(peer: DriverStatus['peers'][number], around: RaftSurroundings): PeerSample {
  const { id, lagEntries, lastContactMs } = peer;
  const { sent, dropped, received, ...handshakes } = around.counters.peers.get(id) ?? NOTHING_COUNTED;
  return {
    peer: id,
    lagEntries,
    heardAtSeconds: lastContactMs === null ? null : (around.clock.wallMs() - lastContactMs) / 1000,
    clockAheadSeconds: around.clockAheadSeconds(id),
    messages: { sent, dropped, received },
    handshakes,
  };
}

const STATES: Readonly<Record<Condition, NodeState>> = {
  unknown: 'unknown',
  blind: 'unknown',
  answering: 'up',
  loading: 'impaired',
  impaired: 'impaired',
  suspect: 'suspect',
  down: 'down',
  gone: 'down',
};

export function sampleCluster(
  seen: LastSight,
  registry: { readonly tasks: Pick<Registry['tasks'], 'ofCluster'> },
  clock: Clock,
): ClusterSample {
  const { place, situation, problems, departedUntold, progressAtMs } = seen;
  const { cluster, policy, nowSeconds } = situation;
  const tasks = registry.tasks.ofCluster(place);
  const open = openTasks(tasks);
  const views = [...situation.views.values()];
  const automation = effectiveAutomation(policy.group, policy.cluster, nowSeconds);
  const spares = sparesStatus(situation);
  return {
    ...place,
    version: cluster.version,
    nodes: views.length,
    counts: countNodes(views),
    slotsUnassigned: SLOT_COUNT - countSlots(ownedSlots(cluster)),
    nodesNotConverged: views.filter(({ need }) => need.kind !== 'nothing').length,
    nodesDeparted: departedUntold,
    migrations: migrationsOf(cluster).length,
    tasks: countStates(tasks),
    slotsMoved: open.reduce((sum, task) => sum + slotsMoved(task), 0),
    slotsLeft: open.reduce((sum, task) => sum + slotsWanted(task) - slotsMoved(task), 0),
    migrationProgressAtSeconds:
      progressAtMs === null ? null : (clock.wallMs() - (clock.monotonicMs() - progressAtMs)) / 1000,
    isPaused: automation !== null && automation.automation.failover !== 'on',
    sparesReady: spares.nodes.filter(({ state }) => state === 'ready').length,
    shardsShort: spares.shards.length,
    problems: countProblems(problems),
    *members() {
      for (const view of situation.views.values())
        yield sampleNode(view, { version: cluster.version, lag: behindOf(situation, view) });
    },
  };
}

function sampleNode(
  view: NodeView,
  known: { readonly version: number; readonly lag: number | null },
): NodeSample {
  const { node, shardIndex, condition, report, memory } = view;
  return {
    shard: shardIndex,
    node: node.id,
    role: printRole(node.role),
    isUp: condition === 'answering',
    hasRole: report === null ? null : report.role === node.role,
    missedProbes: memory.absence?.looks ?? 0,
    lag: known.lag,
    versionsBehind: report === null ? null : Math.max(0, known.version - report.version),
  };
}

function countNodes(views: readonly NodeView[]): ClusterSample['counts'] {
  const counts: { role: NodeSample['role']; state: NodeState; count: number }[] = [];
  for (const { node, condition } of views) {
    const role = printRole(node.role);
    const state = STATES[condition];
    const known = counts.find((entry) => entry.role === role && entry.state === state);
    if (known === undefined) counts.push({ role, state, count: 1 });
    else known.count += 1;
  }
  return counts;
}

function countProblems(problems: readonly Problem[]): ClusterSample['problems'] {
  const counts = new Map<Problem['kind'], number>();
  for (const { kind } of problems) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  return [...counts].map(([kind, count]) => ({ kind, severity: PROBLEMS[kind].severity, count }));
}

function countStates(tasks: TaskBook): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const task of tasks) counts[taskState(task)] = (counts[taskState(task)] ?? 0) + 1;
  return counts;
}

/** A listener for changes of the role that counts each term in which this member asked for votes, and every leader it learns of, once. */
export function countElections(tally: RaftTally): (view: RoleView) => void {
  let asked = 0;
  let voted = 0;
  let known = '';
  return ({ role, term, leader }) => {
    if (role === 'preCandidate' && term >= asked) {
      asked = term + 1;
      tally.campaign('pre_vote');
    }
    if ((role === 'candidate' || role === 'leader') && term > voted) {
      voted = term;
      tally.campaign('vote');
    }
    const next = `${leader} ${term}`;
    if (leader === null || next === known) return;
    known = next;
    tally.leaderChanged();
  };
}
