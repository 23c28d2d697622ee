// The numbers of this member at the moment of a scrape.

import type { LeadCounts, ClusterSample, RaftSample } from '../telemetry/metrics.ts';
import type { ClusterStatus } from '../control/status.ts';
import type { RoleView } from '../raft/core/step.ts';
import type { DriverStatus } from '../raft/status.ts';
import type { TransportCounters } from '../raft/transport/counters.ts';
import type { Registry } from '../registry/registry.ts';
import { migrationsOf } from '../topology/cluster.ts';
import { openTasks, slotsMoved, slotsWanted, type TaskBook, taskState } from '../topology/task.ts';
import { printRole } from '../topology/node.ts';

export function sampleRaft(status: DriverStatus, counters: TransportCounters): RaftSample {
  const { membership } = status;
  const peerLag = new Map<number, number>();
  for (const { id, lagEntries } of status.peers) if (lagEntries !== null) peerLag.set(id, lagEntries);
  return {
    term: status.term,
    isLeader: status.role === 'leader',
    hasLeader: status.leader !== null,
    lastIndex: status.last.index,
    commitIndex: status.commit,
    appliedIndex: status.applied,
    voters: membership.voters.length,
    learners: membership.learners.length,
    isChanging: membership.outgoing !== null,
    peerLag,
    isSpaceLow: status.spaceLow,
    refused: counters.refused,
  };
}

export function sampleCluster(status: ClusterStatus, registry: Registry): ClusterSample {
  const record = registry.getCluster(status.namespace, status.cluster);
  const tasks = registry.tasks.ofCluster({ namespace: status.namespace, cluster: status.cluster });
  const open = openTasks(tasks);
  return {
    namespace: status.namespace,
    cluster: status.cluster,
    version: status.version,
    nodes: status.nodes.length,
    nodesDown: status.nodes.filter((node) => node.condition === 'down' || node.condition === 'gone').length,
    nodesDeparted: status.departed.filter(({ state }) => state === 'untold').length,
    nodesNotConverged: status.nodes.filter((node) => !node.isConverged).length,
    migrations: record === null ? 0 : migrationsOf(record.cluster).length,
    tasks: countStates(tasks),
    slotsMoved: open.reduce((sum, task) => sum + slotsMoved(task), 0),
    slotsLeft: open.reduce((sum, task) => sum + slotsWanted(task) - slotsMoved(task), 0),
    isPaused: status.automation !== null && status.automation.automation.failover !== 'on',
    sparesReady: status.spares.nodes.filter(({ state }) => state === 'ready').length,
    shardsShort: status.spares.shards.length,
    problems: status.problems,
    members: status.nodes.map((node) => ({
      shard: node.shardIndex,
      node: node.id,
      role: printRole(node.wantedRole),
      isUp: node.condition === 'answering',
      missedProbes: node.missedProbes,
      lag: node.behind,
    })),
  };
}

function countStates(tasks: TaskBook): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const task of tasks) counts[taskState(task)] = (counts[taskState(task)] ?? 0) + 1;
  return counts;
}

/** A listener for changes of the role that counts each term in which this member asked for votes, once. */
export function countCampaigns(counts: LeadCounts): (view: RoleView) => void {
  let counted = 0;
  return ({ role, term }) => {
    if (term <= counted || (role !== 'candidate' && role !== 'leader')) return;
    counted = term;
    counts.campaign();
  };
}
