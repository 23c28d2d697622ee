// What a check of a cluster asks of its nodes beside a look, and what they answered.

import type { NodesLine } from '../topology/cluster-nodes-text.ts';
import { containsRange, differenceSlots, slotSetOf } from '../topology/slot.ts';
import type { NodeId, Slot, SlotSet } from '../topology/types.ts';
import { heldNodes } from './convergence.ts';
import type { SlotService } from './imported-hand-over.ts';
import type { Problem } from './problems.ts';
import { isFresh } from './sight.ts';
import { nodeName, type NodeView, type Situation } from './situation.ts';

/** What one node says of the whole topology (`CLUSTER NODES`). */
export type ToldTopology =
  /** `own`: the line in which it describes itself; null where it has none. */
  | { readonly kind: 'told'; readonly lines: readonly NodesLine[]; readonly own: NodesLine | null }
  /** It was never given one. */
  | { readonly kind: 'none' }
  | { readonly kind: 'failed'; readonly why: string };

/** Everything a check compares: the store and what the leader has seen, with the answers of every node to one round of questions. */
export interface Examination {
  readonly situation: Situation;
  /** When it began, on the monotonic clock: looks from before say nothing. */
  readonly askedAtMs: number;
  readonly told: ReadonlyMap<NodeId, ToldTopology>;
  /** How a master treats clients of slots that it imported and that are not its own (`importsInDoubt`). */
  readonly imports: ReadonlyMap<NodeId, SlotService>;
  /** What is known of nodes that have left. */
  readonly departed: readonly Problem[];
}

/** Slots of the last import of a master that its shard does not own. */
export interface DoubtfulImport {
  readonly view: NodeView;
  readonly slots: SlotSet;
  /** One of them, for the question. */
  readonly first: Slot;
}

/**
 * Masters that remember an import of slots which are not their own. The line stays until the next import or a restart (facts section 5.2), so how
 * the node treats a client of such a slot decides whether it serves them. One that runs serves nobody.
 */
export function importsInDoubt(situation: Situation, askedAtMs: number): readonly DoubtfulImport[] {
  return [...situation.views.values()].flatMap((view) => {
    const job = view.report?.targetJob ?? null;
    if (!isFresh(view, askedAtMs) || view.report?.role !== 'master' || job === null) return [];
    if (job.state === 'start' || containsRange(view.shard.slots, job.range)) return [];
    const slots = differenceSlots(slotSetOf([job.range]), view.shard.slots);
    const [range] = slots;
    return range === undefined ? [] : [{ view, slots, first: range.start }];
  });
}

/**
 * Why a node may differ from what is committed for a while: what the leader does about it goes on by itself, or waits for something that does. Null
 * when nothing is under way that would end it.
 */
function underWay(situation: Situation, held: ReadonlySet<NodeId>, view: NodeView): string | null {
  const { need, shard, node } = view;
  if (situation.facts.observedSinceSeconds !== null) return null;
  if (shard.drain !== null) return 'a planned change of masters is under way in its shard';
  if (held.has(node.id)) return 'it takes part in a move of slots, and hears of no other version meanwhile';
  switch (need.kind) {
    case 'push':
    case 'raise':
      return situation.facts.contestedVersion === null ? 'it is about to be told' : null;
    case 'wait':
    case 'condemn':
    case 'startOver':
    case 'outrun':
    case 'fence':
      return need.why;
    default:
      return null;
  }
}

/** All nodes of which that is so, and why; not those that are `stuck`. */
export function allUnderWay(
  situation: Situation,
  stuck: ReadonlyMap<NodeId, string>,
): ReadonlyMap<NodeId, string> {
  const held = heldNodes(situation);
  const found = new Map<NodeId, string>();
  for (const view of situation.views.values()) {
    if (stuck.has(view.node.id)) continue;
    const why = underWay(situation, held, view);
    if (why !== null) found.set(view.node.id, why);
  }
  return found;
}

/** `<node>: <text>`, for people. */
export function saidOf(view: NodeView, text: string): string {
  return `${nodeName(view)}: ${text}`;
}
