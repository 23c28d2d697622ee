// What a supervisor sees: what metrics are made of, and the words in which people can be told.

import { linkFault } from '../control/link.ts';
import { type Problem, PROBLEMS, type Severity } from '../control/problems.ts';
import type { Condition } from '../control/sight.ts';
import type { NodeView, Situation } from '../control/situation.ts';
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
  readonly seen: {
    readonly role: NodeRole;
    readonly version: number;
    /** What is wrong with its link to its master, by the rule that elections go by; null when nothing is, and on a master. */
    readonly linkFault: string | null;
    readonly sequence: number | null;
    /** Milliseconds since that look began. */
    readonly ageMs: number;
  } | null;
  /** Why the last look brought no report; null when it did. */
  readonly error: string | null;
  /** Answers, and has the committed version and role. */
  readonly isConverged: boolean;
}

export interface ClusterStatus {
  readonly namespace: Name;
  readonly cluster: Name;
  readonly version: ClusterVersion;
  /** Every node is. */
  readonly isConverged: boolean;
  readonly nodes: readonly NodeStatus[];
  readonly problems: readonly ProblemStatus[];
}

/** `situation` and `problems` are of the same decision. */
export function clusterStatus(
  place: { readonly namespace: Name; readonly cluster: Cluster },
  situation: Situation,
  problems: readonly Problem[],
): ClusterStatus {
  const nodes = [...situation.views.values()].map((view) => nodeStatus(view, situation));
  return {
    namespace: place.namespace,
    cluster: place.cluster.name,
    version: place.cluster.version,
    isConverged: nodes.every((node) => node.isConverged),
    nodes,
    problems: problems.map((problem) => {
      const { severity, title, remedy } = PROBLEMS[problem.kind];
      return { ...problem, severity, title, remedy };
    }),
  };
}

function nodeStatus(view: NodeView, { nowMs, settings }: Situation): NodeStatus {
  const { look, error } = view.memory;
  return {
    id: view.node.id,
    address: view.node.address,
    shardIndex: view.shardIndex,
    condition: view.condition,
    wantedRole: view.node.role,
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
    error: error?.message ?? null,
    isConverged: view.need.kind === 'nothing',
  };
}
