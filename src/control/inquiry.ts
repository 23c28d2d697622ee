// Whom the other members are asked about: nodes that this one misses.

import type { NodeId } from '../topology/types.ts';
import type { InquireAction } from './actions.ts';
import type { Observer, Panel } from './evidence.ts';
import { wordsOf } from './node-memory.ts';
import { ASK_PACE_MS, failureWindowMs } from './settings.ts';
import type { NodeView, Situation } from './situation.ts';

export interface InquiryPlan {
  readonly inquiries: readonly InquireAction[];
  /** When somebody is to be asked about again; Infinity when nobody is missed. */
  readonly wakeAtMs: number;
}

/**
 * Asks at once about a node that is missed, or cannot be looked at, then again and again for as long as that lasts; often while it is `awaited`. A group
 * of one has nobody to ask.
 */
export function planInquiry(
  { views, panel, nowMs }: Situation,
  awaited: (id: NodeId) => boolean,
): InquiryPlan {
  const due: NodeId[] = [];
  let wakeAtMs = Infinity;
  if (isAlone(panel)) return { inquiries: [], wakeAtMs };
  for (const { node, memory } of views.values()) {
    const { absence, blindSinceMs, inquiry } = memory;
    if ((absence === null && blindSinceMs === null) || inquiry.isInFlight) continue;
    const soonMs = awaited(node.id) ? inquiry.endedAtMs + ASK_PACE_MS : Infinity;
    const nextAtMs = Math.min(inquiry.nextAtMs, soonMs);
    if (nextAtMs <= nowMs) due.push(node.id);
    else wakeAtMs = Math.min(wakeAtMs, nextAtMs);
  }
  return { inquiries: due.length === 0 ? [] : [{ kind: 'inquire', nodes: due }], wakeAtMs };
}

function isAlone({ self, voters }: Panel): boolean {
  return voters.every((set) => set.every((voter) => voter === self));
}

/** Since when, if for a whole window already, this controller does not reach a node, or cannot look at it; null when it does, or not for so long. */
export function unreachedSinceMs({ nowMs, settings }: Situation, { memory }: NodeView): number | null {
  const sinceMs = memory.absence?.sinceMs ?? memory.blindSinceMs;
  return sinceMs !== null && nowMs - sinceMs >= failureWindowMs(settings) ? sinceMs : null;
}

/**
 * The members that see what this one has not for a whole window: they are answered by a node that is missed here, or can look at one that cannot
 * be looked at from here.
 */
export function betterPlaced(situation: Situation): ReadonlySet<Observer> {
  const observers = new Set<Observer>();
  for (const view of situation.views.values()) {
    if (unreachedSinceMs(situation, view) === null) continue;
    const isBlind = view.presence === 'blind';
    for (const { observer, kind } of wordsOf(view.memory, situation.nowMs)) {
      if (kind === 'answered' || (isBlind && kind !== 'ownFault')) observers.add(observer);
    }
  }
  return observers;
}
