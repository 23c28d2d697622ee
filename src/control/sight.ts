// One node as it was judged: the words in which all rules speak about it.

import type { NodePlace } from '../topology/cluster.ts';
import type { CutOff } from '../topology/departure.ts';
import type { ClusterFacts, NodeFacts } from '../topology/facts.ts';
import type { ClusterPolicy, GroupPolicy } from '../topology/policy.ts';
import type { TaskBook } from '../topology/task.ts';
import type { Cluster, NodeId } from '../topology/types.ts';
import type { Panel, Presence } from './evidence.ts';
import type { Loss } from './loss.ts';
import type { ControlMemory } from './memory.ts';
import type { NodeMemory } from './node-memory.ts';
import type { NodeReport } from './observation.ts';
import type { ControlSettings } from './settings.ts';

/**
 * The one judgement of a node:
 * - `unknown`: no probe has ended yet. `blind`: this controller cannot look.
 * - `answering`: the last probe brought a report.
 * - `loading`, `impaired`: alive, but the last probe brought an error reply.
 * - `suspect`: not found by the last look. `down`: not found for the whole window, or gone as a process, by the word of a majority.
 * - `gone`: somebody else answers at its address, so that it is certainly not there.
 */
export type Condition =
  | 'unknown'
  | 'blind'
  | 'answering'
  | 'loading'
  | 'impaired'
  | 'suspect'
  | 'down'
  | 'gone';

/** A node before it is known what it needs. */
export interface Sight extends NodePlace {
  readonly memory: NodeMemory;
  readonly facts: NodeFacts;
  /** Whether it is there, by the word of everybody who was asked. */
  readonly presence: Presence;
  readonly condition: Condition;
  /** The last report, also when the node does not answer now. */
  readonly report: NodeReport | null;
  /** What a master had lost when it last answered: that it died since makes nothing whole. Null for replicas. */
  readonly loss: Loss | null;
}

/** Everything that this leadership manages, counted at one time. */
export interface Census {
  readonly nodes: number;
  /** Of these, those that its last look did not find. */
  readonly missed: number;
}

export interface Policies {
  readonly group: GroupPolicy;
  readonly cluster: ClusterPolicy;
}

/** Everything a decision is made from. */
export interface Circumstances {
  readonly cluster: Cluster;
  readonly facts: ClusterFacts;
  readonly memory: ControlMemory;
  readonly settings: ControlSettings;
  /** Milliseconds on the monotonic clock. */
  readonly nowMs: number;
  /** Seconds since the Unix epoch: for what is written down, and for how long people want something. */
  readonly nowSeconds: number;
  /** What people want of the automation. */
  readonly policy: Policies;
  readonly census: Census;
  /** How nodes were cut off when they left the cluster; some may have come back. */
  readonly cutOffs: ReadonlyMap<NodeId, CutOff>;
  /** Moves of slots that somebody asked for. */
  readonly tasks: TaskBook;
  /** The Raft term of this leadership. */
  readonly term: number;
  /** When it began, or later, milliseconds on the monotonic clock: nobody has led an earlier term since. */
  readonly leadSinceMs: number;
  /** Whose word it takes to say that a node is not there. */
  readonly panel: Panel;
}

/** Whether the node answers and its last report is from a probe that began at `sinceMs` or later. */
export function isFresh(view: Sight, sinceMs: number): boolean {
  return (
    view.condition === 'answering' && view.memory.look !== null && view.memory.look.startedAtMs >= sinceMs
  );
}

/** Certainly or as good as certainly not there. */
export function isAway(view: Sight): boolean {
  return view.condition === 'down' || view.condition === 'gone';
}

/** When the node was first missed, as far as known: probes that began later are from after a failure. -Infinity while it is not missed. */
export function silentSinceMs(view: Sight): number {
  return view.memory.absence?.sinceMs ?? -Infinity;
}

/** The last look is younger than the last push: it shows what the push did. */
export function isLookCurrent({ look, push }: NodeMemory): boolean {
  return look !== null && look.startedAtMs >= push.endedAtMs;
}
