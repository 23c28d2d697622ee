// What became of a wish that a topology be told again.

import type { NodeAddress, NodeId } from '../topology/types.ts';
import { type NodeView, type Situation, errorText, silenceText, viewOf } from './situation.ts';
import { doubtOfRepeating } from './sync.ts';

/** Why nothing was done at all: this member does not lead, the cluster is gone, or another such wish is being carried out. */
export interface SyncRefusal {
  readonly kind: 'notLeader' | 'missing' | 'busy';
}

/** What came of the wish for one node. */
export interface SyncedNode {
  readonly id: NodeId;
  readonly address: NodeAddress;
  readonly wantedVersion: number;
  /** Null while it has not answered since. */
  readonly seenVersion: number | null;
  /** It took the topology since it was asked for. */
  readonly isTold: boolean;
  /** Why it was not told; null when it was. */
  readonly why: string | null;
  readonly isConverged: boolean;
}

/** Where the wish of `askedAtMs` stands for a node; `isOver` once nothing more is to be waited for. */
export function syncOf(
  situation: Situation,
  {
    id,
    askedAtMs,
    held,
  }: { readonly id: NodeId; readonly askedAtMs: number; readonly held: ReadonlySet<NodeId> },
): { readonly node: SyncedNode; readonly isOver: boolean } {
  const view = viewOf(situation, id);
  const { push, look } = view.memory;
  const wasPushed = push.endedAtMs >= askedAtMs && push.version === situation.cluster.version;
  const isTold =
    wasPushed && push.error === null && push.inFlightSinceMs === null && push.purpose !== 'isolation';
  const isSeen = look !== null && look.startedAtMs >= Math.max(askedAtMs, push.endedAtMs);
  const why = isTold ? null : whyUntold(situation, view, { held, isSeen, wasPushed });
  return {
    node: {
      id,
      address: view.node.address,
      wantedVersion: situation.cluster.version,
      seenVersion: look !== null && look.startedAtMs >= askedAtMs ? look.report.version : null,
      isTold,
      why: isTold ? null : (why ?? 'it was not told yet, and is told as soon as that is possible'),
      isConverged: isSeen && view.condition === 'answering' && view.need.kind === 'nothing',
    },
    isOver: isTold ? isSeen : why !== null,
  };
}

/** Null while it may still be told in a moment. */
function whyUntold(
  situation: Situation,
  view: NodeView,
  {
    held,
    isSeen,
    wasPushed,
  }: { readonly held: ReadonlySet<NodeId>; readonly isSeen: boolean; readonly wasPushed: boolean },
): string | null {
  const { memory, need, condition, report } = view;
  if (wasPushed && memory.push.error !== null) return memory.push.error.message;
  if (memory.absence !== null) return silenceText(view);
  if (condition === 'impaired' || condition === 'loading' || condition === 'blind') return errorText(memory);
  if (!isSeen || report === null) return null;
  if (held.has(view.node.id)) return 'it takes part in a migration';
  switch (need.kind) {
    case 'nothing':
      if (memory.push.askedAtMs === null) return null;
      return view.facts.remake ?? doubtOfRepeating(situation, view, report);
    case 'push':
    case 'raise':
    case 'unseen':
      return null;
    default:
      return need.why;
  }
}
