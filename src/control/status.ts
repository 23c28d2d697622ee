// What a supervisor sees: what metrics are made of, and the words in which people can be told.

import { type WitnessView, witnessesOf } from './explain.ts';
import { lagBehind, linkFault } from './link.ts';
import { type Problem, PROBLEMS, type Severity } from './problems.ts';
import type { Condition } from './sight.ts';
import { type SparesStatus, sparesStatus } from './spares-status.ts';
import { type NodeView, type Situation, masterView, testimonyOf } from './situation.ts';
import {
  type DivergenceMode,
  type EffectiveAutomation,
  effectiveAutomation,
  type NodePolicy,
  nodePolicy,
  wishAt,
} from '../topology/policy.ts';
import type { Cluster, ClusterVersion, Name, NodeAddress, NodeId, NodeRole } from '../topology/types.ts';

/** A problem with its place in the table. */
export interface ProblemStatus extends Problem {
  readonly severity: Severity;
  readonly title: string;
  readonly remedy: string;
}

/** Wanted and seen of one node, side by side. `seen` is the last answer, also when it does not answer now. */
export interface NodeStatus {
  readonly id: NodeId;
  readonly address: NodeAddress;
  readonly shardIndex: number;
  readonly condition: Condition;
  readonly wantedRole: NodeRole;
  readonly wantedVersion: ClusterVersion;
  readonly seen: {
    readonly role: NodeRole;
    readonly version: number;
    /** What is wrong with its link to its master, by the rule that elections go by; null when nothing is, and on a master. */
    readonly linkFault: string | null;
    readonly sequence: number | null;
    /** Milliseconds since that look began. */
    readonly ageMs: number;
  } | null;
  /** Probes in a row that this member has missed; 0 while it answers. */
  readonly missedProbes: number;
  /** Sequence numbers that a replica lacks of its master's last known position; null on a master and where that is not known. */
  readonly behind: number | null;
  /** What members of the group see of it, this one first; the others are asked only about a node that this one misses. */
  readonly witnesses: readonly WitnessView[];
  /** What people want of it. */
  readonly policy: NodePolicy;
  /** Why the last look brought no report; null when it did. */
  readonly error: string | null;
  /** Answers, and has the committed version and role. */
  readonly isConverged: boolean;
}

/** A node that has left. */
export interface DepartureStatus {
  readonly id: NodeId;
  readonly address: NodeAddress;
  /** Seconds since the Unix epoch. */
  readonly leftAtSeconds: number;
  /** `detached`: it has heard, and is remembered for the case that it comes back. */
  readonly state: 'untold' | 'detached';
  /** Why it was not told yet; null where nothing was tried yet, or nothing is in the way. */
  readonly error: string | null;
}

export interface ClusterStatus {
  readonly namespace: Name;
  readonly cluster: Name;
  readonly version: ClusterVersion;
  /** Every node is. */
  readonly isConverged: boolean;
  readonly nodes: readonly NodeStatus[];
  readonly problems: readonly ProblemStatus[];
  readonly departed: readonly DepartureStatus[];
  /** The wish about automatic failovers that counts now; null when nobody has one. */
  readonly automation: EffectiveAutomation | null;
  readonly onDivergence: DivergenceMode;
  readonly spares: SparesStatus;
}

/** `situation` and `problems` are of the same decision. */
export function clusterStatus(
  place: { readonly namespace: Name; readonly cluster: Cluster },
  situation: Situation,
  {
    problems,
    departed,
  }: { readonly problems: readonly Problem[]; readonly departed: readonly DepartureStatus[] },
): ClusterStatus {
  const nodes = [...situation.views.values()].map((view) => nodeStatus(view, situation));
  return {
    namespace: place.namespace,
    cluster: place.cluster.name,
    version: place.cluster.version,
    isConverged: nodes.every((node) => node.isConverged),
    nodes,
    departed,
    onDivergence: situation.policy.cluster.onDivergence,
    spares: sparesStatus(situation),
    automation: effectiveAutomation(situation.policy.group, situation.policy.cluster, situation.nowSeconds),
    problems: problems.map((problem) => {
      const { severity, title, remedy } = PROBLEMS[problem.kind];
      return { ...problem, severity, title, remedy };
    }),
  };
}

/** Sequence numbers that a replica lacks of its master's last known position; null on a master and where that is not known. */
export function behindOf(situation: Situation, { node, shard, report }: NodeView): number | null {
  if (node.role === 'master' || report === null || report.sequence === null) return null;
  const lag = lagBehind(masterView(situation, shard).memory.positions, report.sequence);
  return lag.kind === 'known' ? lag.count : null;
}

/** Maintenance that has come to its end is none. */
function policyNow({ policy, nowSeconds }: Situation, { node }: NodeView): NodePolicy {
  const said = nodePolicy(policy.cluster, node.id);
  return { ...said, maintenance: wishAt(said.maintenance, nowSeconds) };
}

function nodeStatus(view: NodeView, situation: Situation): NodeStatus {
  const { nowMs, settings } = situation;
  const { look, error } = view.memory;
  return {
    id: view.node.id,
    address: view.node.address,
    shardIndex: view.shardIndex,
    condition: view.condition,
    wantedRole: view.node.role,
    wantedVersion: situation.cluster.version,
    missedProbes: view.memory.absence?.looks ?? 0,
    behind: behindOf(situation, view),
    witnesses: witnessesOf(testimonyOf(situation, view, view.memory), settings),
    seen:
      look === null
        ? null
        : {
            role: look.report.role,
            version: look.report.version,
            linkFault: look.report.role === 'replica' ? linkFault(look.report, settings) : null,
            sequence: look.report.sequence,
            ageMs: nowMs - look.startedAtMs,
          },
    policy: policyNow(situation, view),
    error: error?.message ?? null,
    isConverged: view.need.kind === 'nothing',
  };
}
