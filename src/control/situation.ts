// Desired topology, memory and time put side by side: what each node's condition is and what it needs.

import { assert } from '../base/assert.ts';
import { type NodePlace, allNodes, masterOf } from '../topology/cluster.ts';
import type { Cluster, NodeId, Shard } from '../topology/types.ts';
import { type ControlMemory, type NodeMemory, type Silence, unseenNode } from './memory.ts';
import type { NodeReport } from './observation.ts';
import type { ControlSettings } from './settings.ts';

/**
 * - `unknown`: no probe has ended yet.
 * - `answering`: the last probe brought a report.
 * - `loading`, `impaired`: alive, but the last probe brought an error reply.
 * - `suspect`: the last probe or probes brought nothing. `down`: `maxPingCount` in a row did not, over as long as they take at the interval.
 */
export type Condition = 'unknown' | 'answering' | 'loading' | 'impaired' | 'suspect' | 'down';

/** What stands between a node and the committed topology. */
export type Need =
  | { readonly kind: 'nothing' }
  /** It does not answer: nothing is known, nothing is done. */
  | { readonly kind: 'unseen' }
  | { readonly kind: 'push'; readonly id: NodeId | null; readonly why: string }
  /** A push would be ignored or refused: the version must first be put above `version`. */
  | { readonly kind: 'raise'; readonly version: number; readonly why: string }
  | { readonly kind: 'foreignNode'; readonly why: string }
  | { readonly kind: 'foreignVersion'; readonly why: string };

export interface NodeView extends NodePlace {
  readonly memory: NodeMemory;
  readonly condition: Condition;
  /** The last report, also when the node does not answer now. */
  readonly report: NodeReport | null;
  readonly need: Need;
}

/** Everything one decision looks at. */
export interface Situation {
  readonly cluster: Cluster;
  readonly memory: ControlMemory;
  readonly settings: ControlSettings;
  readonly nowMs: number;
  readonly views: ReadonlyMap<NodeId, NodeView>;
}

/**
 * The highest version of a node that is answered by raising ours above it. Far beyond any honest count of changes, and far enough below
 * `CLUSTER_VERSION_MAX` that one lying node cannot use the rest up.
 */
export const ADOPTED_VERSION_MAX = 2 ** 40;

/** Timers are late now and then, so the first of several intervals may look short from the end of it. */
const INTERVAL_TOLERANCE = 0.9;

export function lookAt(parts: Omit<Situation, 'views'>): Situation {
  const views = new Map<NodeId, NodeView>();
  for (const place of allNodes(parts.cluster)) {
    const memory = parts.memory.nodes.get(place.node.id) ?? unseenNode(place.node.address);
    const condition = conditionOf(memory, parts.settings);
    const report = memory.look?.report ?? null;
    const need =
      condition === 'answering' && report !== null
        ? needOf(parts.cluster, place, report)
        : ({ kind: 'unseen' } as const);
    views.set(place.node.id, { ...place, memory, condition, report, need });
  }
  return { ...parts, views };
}

export function viewOf(situation: Situation, id: NodeId): NodeView {
  const view = situation.views.get(id);
  assert(view !== undefined, 'every node of the cluster has a view');
  return view;
}

export function masterView(situation: Situation, shard: Shard): NodeView {
  return viewOf(situation, masterOf(shard).id);
}

/** Whether the node answers and its last report is from a probe that began at `sinceMs` or later. */
export function isFresh(view: NodeView, sinceMs: number): boolean {
  return (
    view.condition === 'answering' && view.memory.look !== null && view.memory.look.startedAtMs >= sinceMs
  );
}

/** When the node was last not silent, as far as known: probes that began later are from after a failure. -Infinity while it is not silent. */
export function silentSinceMs(view: NodeView): number {
  return view.memory.silence?.sinceMs ?? -Infinity;
}

/** `missed 3 probes (connection refused)`, for people. */
export function silenceText({ memory }: NodeView): string {
  return `missed ${memory.silence?.probes ?? 0} probes (${errorText(memory)})`;
}

export function errorText({ error }: NodeMemory): string {
  return error === null ? 'no error' : error.message;
}

/** `<id, shortened> at <address>`, for people. */
export function nodeName(view: NodePlace): string {
  return `${view.node.id.slice(0, 8)} at ${view.node.address}`;
}

function conditionOf(memory: NodeMemory, settings: ControlSettings): Condition {
  if (memory.silence !== null) return isDown(memory.silence, settings) ? 'down' : 'suspect';
  if (memory.error !== null) return memory.error.kind === 'loading' ? 'loading' : 'impaired';
  return memory.look === null ? 'unknown' : 'answering';
}

/** Nodes are probed faster while something is expected of them; that must not make them look dead sooner. */
function isDown({ probes, sinceMs, untilMs }: Silence, settings: ControlSettings): boolean {
  const leastMs = (settings.maxPingCount - 1) * settings.pingIntervalMs * INTERVAL_TOLERANCE;
  return probes >= settings.maxPingCount && untilMs - sinceMs >= leastMs;
}

function needOf(cluster: Cluster, place: NodePlace, report: NodeReport): Need {
  const { node } = place;
  if (report.id !== null && report.id !== node.id && report.version >= 0) {
    return {
      kind: 'foreignNode',
      why: `it calls itself ${report.id} and has a topology of version ${report.version}`,
    };
  }
  if (report.version > ADOPTED_VERSION_MAX) {
    return { kind: 'foreignVersion', why: `it has version ${report.version}, ours is ${cluster.version}` };
  }
  if (report.version > cluster.version) {
    return { kind: 'raise', version: report.version, why: `it has the higher version ${report.version}` };
  }
  if (report.version < cluster.version) {
    const why = report.version < 0 ? 'it has no topology' : `it has version ${report.version}`;
    return { kind: 'push', id: report.id === node.id ? null : node.id, why };
  }
  const fault = faultAtOurVersion(place, report);
  return fault === null ? { kind: 'nothing' } : { kind: 'raise', version: cluster.version, why: fault };
}

/** What is wrong with a node that has our version: an equal version is silently ignored (facts section 2.2). */
function faultAtOurVersion({ shard, node }: NodePlace, report: NodeReport): string | null {
  if (report.id === null) return 'it has our version but no id';
  if (report.role !== node.role) return `it has our version but is a ${report.role}`;
  const masterAddress = masterOf(shard).address;
  if (node.role === 'replica' && report.master !== masterAddress) {
    return `it has our version but follows ${report.master ?? 'nobody'} instead of ${masterAddress}`;
  }
  return null;
}
