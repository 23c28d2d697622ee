// Nodes that were in place at our version and are not any more: nobody but another controller, or a script, can have done that.

import { masterOf } from '../topology/cluster.ts';
import type { NodeId } from '../topology/types.ts';
import { raiseMemoryAfter } from './convergence.ts';
import type { ControlMemory, RaiseMemory } from './memory.ts';
import type { NodeMemory } from './node-memory.ts';
import { isLookCurrent } from './sight.ts';
import type { NodeView, Situation } from './situation.ts';

/**
 * Notes who is in place, and counts how often somebody was put out of place at the very same version. Two controllers that both push with FORCE
 * would otherwise go on for ever, each push taking the node from its clients for seconds (facts section 3.6), without the version ever rising.
 */
export function reviewPlaces(situation: Situation): Pick<ControlMemory, 'nodes' | 'raise'> {
  const { cluster, memory } = situation;
  let { nodes, raise } = memory;
  let changed: Map<NodeId, NodeMemory> | null = null;
  for (const view of situation.views.values()) {
    const isNews = isInPlace(view) && view.memory.placedAt !== cluster.version;
    const isOverruled = wasOverruled(situation, view);
    if (!isNews && !isOverruled) continue;
    if (isOverruled) raise = counted(situation, raise);
    changed ??= new Map(nodes);
    const known = nodes.get(view.node.id) ?? view.memory;
    changed.set(view.node.id, { ...known, placedAt: isNews ? cluster.version : null });
  }
  nodes = changed ?? nodes;
  return { nodes, raise };
}

/** By a look that no push of ours can have changed since. */
function isInPlace({ need, memory }: NodeView): boolean {
  return need.kind === 'nothing' && memory.push.inFlightSinceMs === null && isLookCurrent(memory);
}

/** A push of ours has forgotten the place before, so that only what others did is left. */
function wasOverruled({ cluster }: Situation, { node, shard, memory, condition, report }: NodeView): boolean {
  if (condition !== 'answering' || report === null) return false;
  if (memory.placedAt !== cluster.version || report.version !== cluster.version) return false;
  const isInRole =
    node.role === 'master'
      ? report.role === 'master'
      : report.role === 'replica' && report.master === masterOf(shard).address;
  return !isInRole || report.id !== node.id;
}

/** One sweep of somebody over many nodes counts about once: what is seen before the pause of the last one is over belongs to it. */
function counted({ facts, nowMs }: Situation, raise: RaiseMemory): RaiseMemory {
  return facts.contestedVersion !== null || nowMs < raise.nextAtMs ? raise : raiseMemoryAfter(raise, nowMs);
}
