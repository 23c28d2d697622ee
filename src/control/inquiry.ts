// Whom the other members are asked about: nodes that this one misses.

import type { NodeId } from '../topology/types.ts';
import type { InquireAction } from './actions.ts';
import type { Observer, Panel } from './evidence.ts';
import { wordsOf } from './node-memory.ts';
import { failureWindowMs } from './settings.ts';
import type { Situation } from './situation.ts';

export interface InquiryPlan {
  readonly inquiries: readonly InquireAction[];
  /** When somebody is to be asked about again; Infinity when nobody is missed. */
  readonly wakeAtMs: number;
}

/** Asks at once about a node that is missed, then again and again for as long as it is. A group of one has nobody to ask. */
export function planInquiry({ views, panel, nowMs }: Situation): InquiryPlan {
  const due: NodeId[] = [];
  let wakeAtMs = Infinity;
  if (isAlone(panel)) return { inquiries: [], wakeAtMs };
  for (const { node, memory } of views.values()) {
    const { absence, inquiry } = memory;
    if (absence === null || inquiry.isInFlight) continue;
    if (inquiry.nextAtMs <= nowMs) due.push(node.id);
    else wakeAtMs = Math.min(wakeAtMs, inquiry.nextAtMs);
  }
  return { inquiries: due.length === 0 ? [] : [{ kind: 'inquire', nodes: due }], wakeAtMs };
}

function isAlone({ self, voters }: Panel): boolean {
  return voters.every((set) => set.every((voter) => voter === self));
}

/** The members that are answered by masters which this one has missed for a whole window: they see what it does not. */
export function betterPlaced({ views, nowMs, settings }: Situation): ReadonlySet<Observer> {
  const observers = new Set<Observer>();
  for (const { node, memory, presence } of views.values()) {
    const { absence } = memory;
    if (presence !== 'elsewhere' || node.role !== 'master' || absence === null) continue;
    if (nowMs - absence.sinceMs < failureWindowMs(settings)) continue;
    for (const { observer, kind } of wordsOf(memory, nowMs)) if (kind === 'answered') observers.add(observer);
  }
  return observers;
}
