// What a check of a cluster can find, as it is told to people.

import type { NodeAddress, NodeId } from '../topology/types.ts';
import { type Problem, type ProblemKind, PROBLEMS, type Severity } from './problems.ts';
import type { NodeView, Situation } from './situation.ts';

/** What only a check finds; beside these a problem of `problems.ts` can be a finding, under its own name. */
export type FoundKind =
  /** A node did not answer the check. */
  | 'nodeSilent'
  /** It answers, but what it holds could not be read. */
  | 'topologyUnread'
  /** What a node says of itself or of the whole topology is not what is committed; named for what matters most. */
  | 'noTopology'
  | 'wrongId'
  | 'wrongVersion'
  | 'wrongRole'
  | 'wrongMaster'
  | 'wrongTopology'
  /** Slots that have an owner, which says that it does not serve them, as everybody else does. */
  | 'slotsUnserved'
  | 'slotsClaimedTwice'
  /** A master serves slots that are another's, which came to it by a move that nobody recorded. */
  | 'strayImport'
  /** A master takes slots in, and no migration and no master explains it. */
  | 'unknownImport'
  /** What is under way, and explains what else would be found. */
  | 'migrationRunning'
  | 'masterChanging';

export interface Finding {
  readonly kind: FoundKind | ProblemKind;
  readonly severity: Severity;
  readonly shardIndex: number | null;
  readonly node: NodeId | null;
  readonly address: NodeAddress | null;
  /** The particulars, a sentence. */
  readonly text: string;
  /** A call that mends it, or what to do. */
  readonly remedy: string;
}

/** What is said beside its place. */
export type Said = Pick<Finding, 'kind' | 'severity' | 'text' | 'remedy'>;

export function findingAt({ shardIndex, node }: NodeView, said: Said): Finding {
  return { ...said, shardIndex, node: node.id, address: node.address };
}

export function findingOf(shardIndex: number | null, said: Said): Finding {
  return { ...said, shardIndex, node: null, address: null };
}

/** A problem as a finding, its remedy with the names that belong there. */
export function findingOfProblem({ cluster }: Situation, problem: Problem): Finding {
  const { kind, shardIndex, node, address, detail } = problem;
  const { severity, remedy } = PROBLEMS[kind];
  return {
    kind,
    severity,
    shardIndex,
    node,
    address,
    text: detail,
    remedy: remedy
      .replaceAll('{cluster}', cluster.name)
      .replaceAll('{shard}', shardIndex === null ? '{shard}' : String(shardIndex))
      .replaceAll(/\{(?:id|node)\}/g, node ?? '$&'),
  };
}

/** The call that tells one node its topology again. */
export function syncCall({ cluster }: Situation, { node }: NodeView): string {
  return `POST .../clusters/${cluster.name}/sync {"node":"${node.id}"}`;
}
